"""melior evaluate"""

from pathlib import Path
from typing import Annotated

import typer

from melior.cli import options as given


def register(app: typer.Typer) -> None:
    @app.command()
    def evaluate(
        run: Annotated[Path, typer.Argument(help="The folder of a run.")],
        file: Annotated[str, typer.Argument(help="Rows with known answers.")],
        out: Annotated[
            Path | None, typer.Option("--run", "-r", help="A folder for the scores; inside the run unless said.")
        ] = None,
        seed: given.Seed = None,
        json: given.Json = None,
    ) -> None:
        """Score a trained run on rows with known answers: every metric with its interval."""
        from melior.cli import show
        from melior.verbs.evaluate import evaluate as verb

        with show.progress() as progress:
            found = verb(run, file, run=out, seed=seed or 0, progress=progress)
        given.write_json(json, found.to_dict())
        show.evaluation(found)
        if found.run is not None:
            show.out.print(f"report: {found.run / 'report.html'}")
