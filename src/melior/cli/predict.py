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
        from melior.verbs.predict import predict as verb

        answers = verb(run, file, out=out, tell=lambda said: print(f"note: {said}", file=sys.stderr))
        if "answer" in answers.columns and (missing := answers.filter(answers["answer"].is_null())["row"].to_list()):
            listed = ", ".join(map(str, missing[:10])) + (" and more" if len(missing) > 10 else "")
            said = f"these rows leave the model no room for an answer, which is empty: {listed}; shorten them."
            print(f"note: {said}", file=sys.stderr)
        if out is None:
            sys.stdout.write(answers.write_csv())
        else:
            print(f"{answers.height:,} answers in {out}")
