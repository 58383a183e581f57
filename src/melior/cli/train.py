"""melior train"""

from contextlib import nullcontext
from typing import Annotated

import typer

from melior.cli import options as given
from melior.cli.improve import default_run
from melior.processes import first_process, started_together
from melior.progress import silent

INTERRUPTED = 130  # what a shell says of a command that Ctrl-C ended


def register(app: typer.Typer) -> None:
    @app.command()
    def train(
        source: given.Source,
        target: given.Target = None,
        test: given.Test = None,
        metric: given.Metric = None,
        model: Annotated[
            str | None, typer.Option("--model", help="A family, such as linear or trees; or auto.")
        ] = None,
        method: Annotated[list[str] | None, typer.Option("--method", help="A method to use; may be repeated.")] = None,
        column: given.Columns = None,
        label_separator: given.Between = None,
        processes: Annotated[
            int | None, typer.Option("--processes", min=1, help="Processes on this machine that train one network.")
        ] = None,
        plan: Annotated[
            bool, typer.Option("--plan", help="Train nothing: show the memory and the time that layouts would take.")
        ] = False,
        seed: given.Seed = None,
        run: given.RunFolder = None,
        json: given.Json = None,
    ) -> None:
        """Fit exactly this recipe, without any search."""
        if plan:
            from melior.cli.plan import show_plan

            show_plan(
                json, source, target=target, model=model, methods=method or (), columns=given.kinds(column),
                label_separator=label_separator, seed=seed, processes=processes,
            )  # fmt: skip
            return
        if processes is not None and started_together() == 1:
            from melior.verbs.launch import launch

            folder = run if run is not None else default_run(source, "-train")
            launch(["train", *given.others("--processes", "--run", "-r")], processes, folder)
            return
        from melior.cli import show
        from melior.verbs.language import LanguageTraining
        from melior.verbs.train import train as verb

        folder = run if run is not None else default_run(source, "-train")
        with show.progress() if first_process() else nullcontext(silent) as progress:
            found = verb(
                source,
                target=target,
                test=test,
                metric=metric,
                model=model,
                methods=method or (),
                columns=given.kinds(column),
                label_separator=label_separator,
                seed=seed,
                run=folder,
                progress=progress,
            )
        if not first_process():
            return
        given.write_json(json, found.to_dict())
        if isinstance(found, LanguageTraining):
            show.language(found)
            show.out.print(f"run: {folder}\nreport: {folder / 'report.html'}\ntry it: melior chat {folder}")
            if found.interrupted:
                raise typer.Exit(INTERRUPTED)
            return
        show.out.print(f"{found.recipe.model.name} fitted on {found.rows:,} rows in {found.fitting:.1f} s.")
        for note in found.notes:
            show.note(note)
        if found.evaluation is not None:
            show.evaluation(found.evaluation)
        show.out.print(f"run: {folder}\nreport: {folder / 'report.html'}")
        if found.interrupted:
            raise typer.Exit(INTERRUPTED)
