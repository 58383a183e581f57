"""`train`: no search; fits exactly this recipe."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from melior.data.splits import seal
from melior.data.unread import unread_of
from melior.engine.parallel.ranks import Ranks, joined
from melior.methods._done import FILE, frame_of, said
from melior.models._place import trained_in
from melior.predictor import Predictor
from melior.progress import Progress, silent
from melior.recipe import Choice, Recipe
from melior.runs.store import TRAINING, WAS_FINISHED, Run, unless_refused
from melior.trials.family import choose_family
from melior.trials.fit import changes, fit
from melior.trials.run import content_hash
from melior.trials.shared import Shared
from melior.trials.threads import cores, one_thread_each
from melior.trials.together import drawn_together
from melior.verbs.evaluate import Evaluation, measured
from melior.verbs.examples import examples_of
from melior.verbs.prepare import Prepared, language_recipe, prepare
from melior.verbs.spread import layout_of, timeout_of

if TYPE_CHECKING:
    from melior.layout import Layout
    from melior.verbs.language import LanguageTraining


@dataclass(frozen=True)
class Training:
    """A trained predictor and its score on the rows that were put aside (None where none were).

    seconds      from reading to scoring; fitting: those of the fit alone
    interrupted  where Ctrl-C ended the training of a network, as "step 12 of 100"; empty where it came to its end
    """

    predictor: Predictor
    evaluation: Evaluation | None
    recipe: Recipe
    family: str
    rows: int
    run: Path | None
    seconds: float
    notes: tuple[str, ...] = field(default=())
    interrupted: str = ""
    fitting: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "metric": self.recipe.metric,
            "rows": self.rows,
            "family": self.family,
            "recipe": self.recipe.model_dump(mode="json"),
            "evaluation": None if self.evaluation is None else self.evaluation.to_dict(),
            "run": None if self.run is None else str(self.run),
            "seconds": round(self.seconds, 3),
            "fitting": round(self.fitting, 3),
            "notes": list(self.notes),
            **({"interrupted": self.interrupted} if self.interrupted else {}),
        }

    def __repr__(self) -> str:
        head = f"<Training: {self.recipe.model.name} on {self.rows:,} rows, {self.seconds:.1f} s>"
        return head if self.evaluation is None else f"{head}\n{self.evaluation!r}"

    def _repr_html_(self) -> str:
        from html import escape

        inside = "" if self.evaluation is None else self.evaluation._repr_html_()
        return f"<p>{escape(self.recipe.model.name)} on {self.rows:,} rows</p>{inside}"


def train(
    source: Any,
    *,
    target: str | None = None,
    test: Any = None,
    metric: str | None = None,
    model: str | None = None,
    methods: Sequence[str | Choice] = (),
    seed: int | None = None,
    columns: dict[str, str] | None = None,
    label_separator: str | None = None,
    run: str | Path | None = None,
    progress: Progress = silent,
) -> "Training | LanguageTraining":
    """Fits a recipe as it stands and scores it once on rows that it did not see.

    source   a file, a recipe (an object or a YAML file), a frame, or a Table
    test     rows to score on; without them the recipe's `split.sealed` share is put aside first (0: none, no score)
    model    linear, trees or auto; methods: names, or `{name: settings}`
    label_separator   between the labels of a row, where the target is text and a row may have several
    run      a folder for the predictor, the scores and a report

    The same call gives back a run that is finished, and goes on with a training that was interrupted.
    A recipe with `task: generate` teaches a language model (`melior.verbs.language`). Processes that were started
    together (torchrun, `melior train --processes`) train one network, laid out as the recipe's `train.parallel` says;
    each gets the predictor, the first scores it and writes the run.
    """
    started = time.perf_counter()
    language = language_recipe(source, model=model, methods=methods, seed=seed)
    if language is not None:
        from melior.verbs.language import train_language

        return train_language(*language, test=test or language[0].data.test, run=run, progress=progress)
    with joined(timeout_of(source)) as ranks:
        progress("reading", 0, 1)
        run = ranks.told(None if run is None else str(run))[0]  # the same for all, whatever the clock of each says
        ranks.together(lambda: None if run is None or not ranks.first else Run.possible(run))
        ready = ranks.together(
            lambda: prepare(
                source, target=target, test=test, metric=metric, model=model, methods=methods, seed=seed,
                columns=columns, label_separator=label_separator, progress=progress,
            )
        )  # fmt: skip
        return _fitted(ready, None if run is None else Path(run), ranks, started, progress)


def _fitted(ready: Prepared, where: Path | None, ranks: Ranks, started: float, progress: Progress) -> Training:
    """The recipe, fitted. Of several processes all fit, and the first scores and writes."""
    recipe, layout = ready.recipe, None
    rows_hash = content_hash(ready.table, ready.test)
    if ranks.count > 1:
        layout = ranks.together(lambda: layout_of(recipe))
        ranks.agree({"recipe": recipe.fingerprint(), "content of the rows": rows_hash, "seed": recipe.seed})
    if where is not None and (kept := _kept(where, recipe, rows_hash)) is not None:
        return kept
    mine = where if ranks.first else None
    made = ranks.together(lambda: None if mine is None else Run.begin(mine, "train", recipe, rows_hash))
    if made is not None:
        made.replace()  # a training that was interrupted goes on in the run itself
    with unless_refused(made):
        return _completed(ready, where, made, ranks, layout, started, progress)


def _completed(
    ready: Prepared,
    where: Path | None,
    made: Run | None,
    ranks: Ranks,
    layout: "Layout | Literal['auto'] | None",
    started: float,
    progress: Progress,
) -> Training:
    """A run that is begun, from the choice of a family to the report."""
    recipe, table, sealed = ready.recipe, ready.table, ready.test
    training = table
    if sealed is None and recipe.split.sealed > 0:
        development, aside = seal(table, recipe.split, recipe.seed)
        training, sealed = table.take(development), table.take(aside)
    chosen = choose_family(recipe, training, progress=progress)
    recipe = chosen.recipe
    progress("fitting", 0, 2, recipe.model.name)
    folder = None if where is None else where / TRAINING
    with one_thread_each(), trained_in(folder, progress, unfinished_counts=True, parallel=layout) as trainings:
        shared, began = Shared(), time.perf_counter()
        predictor = fit(recipe, training, shared=shared, threads=cores())
        fitting = time.perf_counter() - began
        progress("scoring", 1, 2)
        evaluation, examples = None, examples_of(training, ())
        if sealed is not None and ranks.first:
            on = sealed.name if ready.test is not None else "rows put aside before training"
            evaluation, scores, answers = measured(
                predictor, sealed, on=on, seed=recipe.seed, trained=training, groups=drawn_together(sealed, recipe)
            )
            examples = examples_of(training, (), scored=sealed, scores=scores, answers=answers)
    done = [] if made is None else changes(recipe, training, shared=shared, threads=cores())
    notes = (
        *table.notes,
        *unread_of(table),
        *predictor.notes,
        *([f"{said(done)}; {FILE} says which rows and why"] if done else []),
    )
    notes += () if evaluation is None else evaluation.notes
    seconds = time.perf_counter() - started
    result = Training(
        predictor, evaluation, recipe, chosen.reason, training.rows, where, seconds,
        (*notes, *unfinished(trainings.interrupted)), trainings.interrupted, fitting,
    )  # fmt: skip
    if made is not None:
        from melior.report import write

        made.write_text("recipe.yaml", recipe.to_yaml())
        made.save_predictor(predictor)
        if evaluation is not None:
            made.write("scores.json", {**evaluation.to_dict(), "before": None})
        made.write("examples.json", examples)
        if done:
            made.write_text(FILE, frame_of(done).write_csv())
        early = {"interrupted": trainings.interrupted} if trainings.interrupted else {}
        about = {
            "seconds": seconds,
            "fitting": fitting,
            "name": table.name,
            "family": chosen.reason,
            "rows": training.rows,
        }
        made.finish(**about, notes=list(notes), **early)
        write(made)
    progress("scoring", 2, 2)
    return result


def _kept(folder: Path, recipe: Recipe, rows: str) -> Training | None:
    """What a finished run of the same command holds; None where there is none (see `Run.finished`)."""
    run = Run.finished(folder, "train", recipe, rows)
    if run is None:
        return None
    about = run.read("run.json")
    return Training(
        run.predictor(),
        Evaluation.from_dict(run.read("scores.json")) if run.has("scores.json") else None,
        run.recipe(),
        about["family"],
        about["rows"],
        folder,
        about["seconds"],
        (*about["notes"], WAS_FINISHED),
        fitting=about.get("fitting", about["seconds"]),
    )


def unfinished(where: str) -> tuple[str, ...]:
    """A sentence on a training that ctrl-C ended at `where`; none for one that went to its end."""
    said = f"training was interrupted at {where}: this is what it had learned; the same command goes on."
    return (said,) if where else ()
