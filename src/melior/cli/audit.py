"""melior audit"""

from pathlib import Path
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
        checks: Annotated[
            list[str] | None, typer.Option("--checks", "--check", help="Only these checks, commas between.")
        ] = None,
        skip: Annotated[list[str] | None, typer.Option("--skip", help="Not these checks, commas between.")] = None,
        fast: Annotated[bool, typer.Option("--fast", help="Only checks that fit no model.")] = False,
        sample: Annotated[int | None, typer.Option("--sample", min=10, help="Look at so many rows only.")] = None,
        fix: Annotated[
            Path | None, typer.Option("--fix", help="Write a cleaned copy to this new file, and a log beside it.")
        ] = None,
        rows_by: Annotated[
            str, typer.Option("--map", help="The report's map of rows: pca, or tsne (neighbours side by side).")
        ] = "pca",
        column: given.Columns = None,
        label_separator: given.Between = None,
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
                checks=given.listed(checks),
                skip=given.listed(skip),
                fast=fast,
                sample=sample,
                fix=fix,
                columns=given.kinds(column),
                label_separator=label_separator,
                seed=seed,
                run=run,
                rows_by=rows_by,  # type: ignore[arg-type]  # checked there, with a sentence
                progress=progress,
            )
        given.write_json(json, found.to_dict())
        show.audit(found)
        if found.fixed is not None:
            show.fixed(found.fixed)
        if run is not None:
            show.out.print(f"report: {run / 'report.html'}")
        if found.failed:
            raise typer.Exit(1)
