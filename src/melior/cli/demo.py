"""melior demo"""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    @app.command()
    def demo(
        run: Annotated[Path, typer.Option("--run", "-r", help="A folder for the result.")] = Path("runs/demo"),
        budget: Annotated[str, typer.Option("--budget", "-b", help="How long it may take.")] = "75s",
    ) -> None:
        """The whole main job on a sample of real reviews that comes with the package."""
        from melior.cli import show
        from melior.samples import REVIEWS, TARGET
        from melior.verbs.improve import budget_seconds, improve

        show.out.print(
            f"The sample: {REVIEWS.name}, real reviews of clothes (public domain; samples/README.md in the package). "
            f"The question: will a customer who wrote this recommend the article? Target: [bold]{TARGET}[/]."
        )
        show.out.print(f"The same by hand: melior improve {REVIEWS} --target {TARGET} --budget {budget}\n")
        with show.progress(budget_seconds(budget)) as progress:
            found = improve(REVIEWS, target=TARGET, budget=budget, run=run, progress=progress)
        show.improvement(found)
        show.out.print(f"recipe: {run / 'recipe.yaml'}\nreport: {run / 'report.html'}")
        show.out.print(f"use it: melior predict {run} {REVIEWS} --out answers.csv")
