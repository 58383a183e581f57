"""melior report"""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    @app.command()
    def report(run: Annotated[Path, typer.Argument(help="The folder of a run.")]) -> None:
        """Draw the report of a run anew and say where it is."""
        from melior.report import write
        from melior.runs.store import Run

        print(write(Run.open(run, verify=False)))
