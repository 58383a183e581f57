"""melior improve"""

from pathlib import Path
from typing import Annotated, Any

import typer

from melior.cli import options as given
from melior.errors import UserError


def register(app: typer.Typer) -> None:
    @app.command()
    def improve(
        source: given.Source,
        target: given.Target = None,
        test: given.Test = None,
        metric: given.Metric = None,
        goal: Annotated[
            str | None,
            typer.Option(
                "--goal",
                "-g",
                # a bracket unescaped would be taken for a style
                help='Instead of a metric: "precision\\[yes], recall\\[yes]>=0.9, latency<=5ms, size<=25MB".',
            ),
        ] = None,
        budget: Annotated[str, typer.Option("--budget", "-b", help="How long it may take: 90s, 5m, 1h.")] = "5m",
        model: Annotated[
            str | None, typer.Option("--model", help="A family, such as linear or trees; or auto.")
        ] = None,
        attempt: Annotated[list[str] | None, typer.Option("--try", help="A method to try in any case.")] = None,
        never: Annotated[list[str] | None, typer.Option("--never", help="A method not to try.")] = None,
        margin: Annotated[float, typer.Option("--margin", help="The smallest gain that matters.")] = 0.0,
        column: given.Columns = None,
        label_separator: given.Between = None,
        seed: given.Seed = None,
        run: given.RunFolder = None,
        cluster: Annotated[
            str | None,
            typer.Option("--cluster", help="Run trials on a Ray cluster: auto, or HOST:PORT of its head."),
        ] = None,
        no_refit: Annotated[
            bool, typer.Option("--no-refit", help="Keep the model that was scored, not one taught the sealed rows too.")
        ] = False,
        thorough: Annotated[
            bool,
            typer.Option(
                "--thorough", help="Use all of the budget; otherwise half a minute or some cross-validations do."
            ),
        ] = False,
        plan: Annotated[
            bool, typer.Option("--plan", help="Only say what would be tried, and how long it would take.")
        ] = False,
        no_questions: Annotated[
            bool, typer.Option("--no-questions", help="Ask nothing; what is assumed instead is said.")
        ] = False,
        json: given.Json = None,
    ) -> None:
        """Find what is wrong, try what treats it, keep what provably helps."""
        from melior.cli import show
        from melior.improvement.ask import nobody
        from melior.improvement.improvement import LanguageImprovement
        from melior.verbs.improve import budget_seconds
        from melior.verbs.improve import improve as verb

        asked: dict[str, Any] = {
            "target": target,
            "test": test,
            "metric": metric,
            "goal": goal,
            "model": model,
            "budget": budget,
            "attempt": attempt or (),
            "never": never or (),
            "margin": margin,
            "columns": given.kinds(column),
            "label_separator": label_separator,
            "seed": seed,
            "thorough": thorough,
            "ask": nobody if no_questions else show.ask,
        }
        if plan:
            if cluster is not None:
                raise UserError("--plan says what would be tried on this machine; leave --cluster out.")
            from melior.cli.improve_plan import show_plan
            from melior.verbs.improve_plan import plan as plan_verb

            with show.progress(budget_seconds(budget)) as progress:
                planned = plan_verb(source, **asked, progress=progress)
            given.write_json(json, planned.to_dict())
            show_plan(planned)
            return
        folder = run if run is not None else default_run(source)
        with show.progress(budget_seconds(budget)) as progress:
            found = verb(source, **asked, cluster=cluster, refit=not no_refit, run=folder, progress=progress)
        given.write_json(json, found.to_dict())
        show.improvement(found)
        show.out.print(f"recipe: {folder / 'recipe.yaml'}\nreport: {folder / 'report.html'}")
        if isinstance(found, LanguageImprovement):
            show.out.print(f"try it: melior chat {folder}")
            return
        show.out.print(f"use it: melior predict {folder} NEW_FILE --out answers.csv")


def default_run(source: str, ending: str = "") -> Path:
    """runs/NAME of the file, where --run names no folder."""
    return Path("runs") / ((Path(source).name.split(".")[0] or "run") + ending)
