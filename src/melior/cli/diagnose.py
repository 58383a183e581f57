"""melior diagnose"""

from pathlib import Path
from typing import Annotated

import typer

from melior.cli import options as given


def register(app: typer.Typer) -> None:
    @app.command()
    def diagnose(
        run: Annotated[Path, typer.Argument(help="The folder of a run.")],
        json: given.Json = None,
    ) -> None:
        """Look for what went wrong in a network's training. Changes nothing."""
        from melior.cli import show
        from melior.verbs.diagnose import diagnose as verb

        found = verb(run)
        given.write_json(json, found.to_dict())
        show.diagnosis(found)
        if found.failed:
            raise typer.Exit(1)
