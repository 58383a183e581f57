"""melior judge"""

from pathlib import Path
from typing import Annotated

import typer

from melior.cli import options as given


def register(app: typer.Typer) -> None:
    @app.command()
    def judge(
        a: Annotated[str, typer.Argument(help="A run, or a file of predictions.")],
        b: Annotated[str, typer.Argument(help="Another run, or another file of predictions.")],
        data: Annotated[str, typer.Option("--data", "-d", help="Rows with known answers that neither learned.")],
        target: Annotated[
            str | None, typer.Option("--target", "-t", help="The column of the answers; that of the run unless said.")
        ] = None,
        metric: Annotated[
            list[str] | None,
            typer.Option("--metric", "-m", help="What the verdict is about; several by commas. That of the recipe."),
        ] = None,
        margin: Annotated[float, typer.Option("--margin", help="The smallest difference that matters.")] = 0.0,
        non_inferior: Annotated[
            float | None, typer.Option("--non-inferior", help="Ask whether B is worse by less than this.")
        ] = None,
        id: Annotated[
            str | None, typer.Option("--id", help="A column of ids in the data and the predictions; else by order.")
        ] = None,
        groups: Annotated[str | None, typer.Option("--groups", help="A column: its groups are drawn whole.")] = None,
        order: Annotated[
            str | None, typer.Option("--order", help="A column, such as a time: rows are drawn in blocks in its order.")
        ] = None,
        trusted: Annotated[
            str | None, typer.Option("--trusted", help="A column that marks the rows whose answers are right.")
        ] = None,
        noise: Annotated[
            Path | None,
            typer.Option("--noise", help="Correct for wrong labels as this run, or a JSON file, estimates them."),
        ] = None,
        label_separator: given.Between = None,
        seed: given.Seed = None,
        json: given.Json = None,
    ) -> None:
        """Compare two models, or two files of predictions: which is better, where, and what these rows could show."""
        from melior.cli import show
        from melior.cli.show_judge import comparison
        from melior.verbs.judge import judge as verb

        with show.progress() as progress:
            found = verb(
                a, b, data, target=target, metric=metric, margin=margin, non_inferior=non_inferior, id=id,
                groups=groups, order=order, trusted=trusted, noise=noise, label_separator=label_separator,
                seed=seed or 0, progress=progress,
            )  # fmt: skip
        given.write_json(json, found.to_dict())
        comparison(found)
