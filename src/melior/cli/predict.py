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
        if out is None:
            sys.stdout.write(answers.write_csv())
        else:
            print(f"{answers.height:,} answers in {out}")
