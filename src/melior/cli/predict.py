"""melior predict"""

import sys
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    @app.command()
    def predict(
        run: Annotated[Path, typer.Argument(help="The folder of a run.")],
        file: Annotated[str, typer.Argument(help="New rows.")],
        out: Annotated[
            Path | None, typer.Option("--out", "-o", help="A CSV file; standard output unless said.")
        ] = None,
    ) -> None:
        """Answer new rows: row number, prediction, and a score for every class."""
        import polars as pl

        from melior.verbs.evaluate import predictor_of
        from melior.verbs.predict import as_csv
        from melior.verbs.predict import predict as verb

        answers = verb(run, file, out=out, tell=lambda said: print(f"note: {said}", file=sys.stderr))
        if "answer" in answers.columns and (missing := answers.filter(answers["answer"].is_null())["row"].to_list()):
            listed = ", ".join(map(str, missing[:10])) + (" and more" if len(missing) > 10 else "")
            said = f"these rows leave the model no room for an answer, which is empty: {listed}; shorten them."
            print(f"note: {said}", file=sys.stderr)
        if out is None:
            several = answers.schema.get("prediction") == pl.List(pl.String)
            sys.stdout.write(as_csv(answers, predictor_of(run)[0].schema.label_sets if several else None))
        else:
            print(f"{answers.height:,} answers in {out}")
