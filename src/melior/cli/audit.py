"""melior audit"""

from typing import Annotated

import typer

from melior.cli import options as given


def register(app: typer.Typer) -> None:
    @app.command()
    def audit(
        source: given.Source,
        target: given.Target = None,
        test: given.Test = None,
        metric: given.Metric = None,
        checks: Annotated[list[str] | None, typer.Option("--check", help="Only this check; may be repeated.")] = None,
        skip: Annotated[list[str] | None, typer.Option("--skip", help="Not this check; may be repeated.")] = None,
        column: given.Columns = None,
        seed: given.Seed = None,
        run: given.RunFolder = None,
        json: given.Json = None,
    ) -> None:
        """Look for everything that is wrong with the rows. Changes nothing."""
        from melior.cli import show
        from melior.verbs.audit import audit as verb

        with show.progress() as progress:
            found = verb(
                source,
                target=target,
                test=test,
                metric=metric,
                checks=checks or (),
                skip=skip or (),
                columns=given.kinds(column),
                seed=seed,
                run=run,
                progress=progress,
            )
        given.write_json(json, found.to_dict())
        show.audit(found)
        if run is not None:
            show.out.print(f"report: {run / 'report.html'}")
        if found.failed:
            raise typer.Exit(1)
