"""`improve`: the whole main job, with its run folder and report."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melior.errors import UserError
from melior.improvement.ask import Ask, nobody
from melior.improvement.improve import improve_table
from melior.improvement.improvement import Improvement, LanguageImprovement
from melior.improvement.limits import not_empty
from melior.improvement.looking import Parts
from melior.improvement.read_back import BY_ANOTHER, read_back
from melior.improvement.ruler import truth_of
from melior.methods._done import FILE, frame_of
from melior.metrics.registry import metric
from melior.predictor import Predictor
from melior.progress import Progress, silent
from melior.recipe import Choice
from melior.runs.store import WAS_FINISHED, Run
from melior.runs.study import Ended, agreed, joined
from melior.trials.run import content_hash
from melior.trials.together import drawn_together
from melior.verbs.evaluate import measured
from melior.verbs.examples import examples_of
from melior.verbs.prepare import language_recipe, prepare

if TYPE_CHECKING:
    from melior.trials.executors.cluster import Cluster

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def improve(
    source: Any,
    *,
    target: str | None = None,
    test: Any = None,
    metric: str | Callable[..., float] | None = None,
    goal: str | None = None,
    model: str | None = None,
    methods: Sequence[str | Choice] = (),
    budget: str | float = "5m",
    seed: int | None = None,
    columns: dict[str, str] | None = None,
    label_separator: str | None = None,
    attempt: Sequence[str] = (),
    never: Sequence[str] = (),
    margin: float = 0.0,
    workers: int = 0,
    cluster: str | None = None,
    thorough: bool = False,
    refit: bool = True,
    run: str | Path | None = None,
    ask: Ask = nobody,
    progress: Progress = silent,
) -> "Improvement | LanguageImprovement":
    """Finds what is wrong, tries what treats it, keeps what provably helps.

    source    a file, a recipe (an object or a YAML file), a frame, or a Table
    test      a second file, scored once at the end; otherwise a part of the rows is sealed before anything is looked at
    metric    a name, or a function f(truth, said, sample_weight) (`melior.metrics.from_function`)
    goal      instead of a metric: one with conditions on others and limits on what a model costs, such as
              "precision[fraud], recall[fraud]>=0.9, latency<=5ms, size<=25MB" (`melior.metrics.goals`)
    label_separator   between the labels of a row, where the target is text and a row may have several
    budget    how long it may take: "90s", "5m", "1h", or seconds
    attempt   methods to try whatever is found; never: methods not to try
    margin    the smallest gain that matters, in the metric's own units
    workers   trials side by side; 0 for one a core
    cluster   trials run on a Ray cluster instead: "auto" for the one that this machine is part of, or HOST:PORT of its
              head
    thorough  everything promising is proved, for as long as the budget lasts; else proofs end after half a minute or
              three cross-validations of the plain recipe, whichever is more (beyond 4,000 rows after less than half a
              minute), and what is left unproved for that is said
    refit     once the sealed rows have told what the recipe is worth, it is taught them too, where a part of the rows
              was sealed, the family is no network and time is left; False: the model that was scored is kept
    run       a folder for the predictor, the improved recipe, the evidence and a report; a run that was killed goes on
              where it stopped when the same call is made again, and where it is at work, the two share the trials
    ask       a function that is asked what only people can know (`melior.improvement.ask`): True, False, or None for
              the default; the time that answers take is not counted

    A recipe with `task: generate` has settings of its language model tried (`melior.improvement.language`).

    >>> melior.improve("reviews.csv", target="recommended", budget="5m")      # doctest: +SKIP
    """
    seconds = budget_seconds(budget)
    started = time.monotonic()
    possible(attempt, never, margin)
    not_empty(goal)
    if run is not None:
        Run.possible(run)
    language = language_recipe(source, model=model, methods=methods, seed=seed)
    if language is not None:
        if cluster is not None:
            raise UserError("--cluster: the trials of a language model run one after another here; leave it out.")
        if thorough:
            raise UserError("--thorough: settings of a language model are tried for as long as they may; leave it out.")
        if not refit:
            raise UserError("--no-refit: a language model is never taught the sealed rows; leave it out.")
        from melior.verbs.improve_language import improve_language

        return improve_language(
            *language, test=test or language[0].data.test, metric=goal or _named(metric), budget=seconds,
            attempt=attempt, never=never, margin=margin, run=run, progress=progress,
        )  # fmt: skip
    if cluster is not None and callable(metric):
        raise UserError("--cluster: a metric that is a function of Python is not sent to other machines; leave it out.")
    with ExitStack() as stack:
        executor = stack.enter_context(_cluster(cluster, seconds, progress)) if cluster is not None else None
        progress("reading", 0, 1)
        ready = prepare(
            source, target=target, test=test, metric=metric, goal=goal, model=model, methods=methods, seed=seed,
            columns=columns, label_separator=label_separator, progress=progress,
        )  # fmt: skip
        study = training = None
        if run is not None:
            held = None if ready.test is None else content_hash(ready.test)
            options = {"budget": seconds, "test": held, "try": attempt, "never": never, "margin": margin}
            options |= {} if refit else {"no-refit": True}
            options |= {"thorough": True} if thorough else {}
            rows = content_hash(ready.table)
            if (kept := Run.finished(run, "improve", ready.recipe, rows, options)) is not None:
                return read_back(kept, seconds=kept.read("run.json")["seconds"], note=WAS_FINISHED)
            study = stack.enter_context(joined(run, "improve", ready.recipe, rows, options, progress=progress))
            training = study.run.training
        try:
            found, parts, plain = improve_table(
                ready.table,
                ready.recipe,
                test=ready.test,
                budget=agreed("budget", lambda: seconds - (time.monotonic() - started)),
                store=None if study is None else study.run.trials,
                training=training,
                attempt=attempt,
                never=never,
                margin=margin,
                workers=workers,
                executor=executor,
                ask=ask,
                progress=progress,
                thorough=thorough,
                refit=refit,
            )
        except Ended:
            assert study is not None
            return read_back(study.run, seconds=time.monotonic() - started, note=BY_ANOTHER)
        notes = tuple(dict.fromkeys([*ready.table.notes, *found.notes]))
        found = replace(found, run=None if run is None else Path(run), seconds=time.monotonic() - started, notes=notes)
        if study is not None:
            progress("writing the run and its report", 0, 1)
            study.run.replace()
            study.run.take_training(training)
            write_improvement(study.run, found, parts, plain, name=ready.table.name)
            progress("writing the run and its report", 1, 1)
            study.ended()
    return found


def _cluster(address: str, budget: float, progress: Progress) -> "Cluster":
    from melior.trials.executors.cluster import Cluster

    return Cluster(address, budget=budget, progress=progress)


def write_improvement(made: Run, found: Improvement, parts: Parts, plain: Predictor, *, name: str) -> None:
    """Completes a run that was begun with what improving came to (`improve_table`), and draws its report."""
    from melior.report import write

    on = parts.sealed.name if parts.given else "the sealed rows"
    scored = found.confirmed or found.predictor  # sealed rows tell nothing about one that was taught them
    measure = metric(found.recipe.metric, parts.sealed.classes, multilabel=parts.sealed.multilabel)
    noise = next((one for one in found.findings if one.symptom == "label_noise" and not one.muted), None)
    same: dict[str, Any] = {  # rows, weights and groups, as the evidence has them
        "on": on,
        "seed": found.recipe.seed,
        "truth": truth_of(parts.sealed, noise, found.recipe, measure),
        "groups": drawn_together(parts.sealed, found.recipe),
    }
    after, scores, answers = measured(scored, parts.sealed, **same)
    before = after if scored is plain else measured(plain, parts.sealed, **same)[0]
    examples = examples_of(parts.development, found.findings, scored=parts.sealed, scores=scores, answers=answers)
    made.write("findings.json", [finding.to_dict() for finding in found.findings])
    made.write("evidence.json", {k: v for k, v in found.to_dict().items() if k != "findings"})
    made.write("scores.json", {**after.to_dict(), "before": before.to_dict()["scores"]})
    made.write("examples.json", examples)
    made.write_text("recipe.yaml", found.recipe.to_yaml())
    if found.changes:
        made.write_text(FILE, frame_of(found.changes).write_csv())
    made.save_predictor(found.predictor)
    made.finish(seconds=found.seconds, name=name)
    write(made)


def possible(attempt: Sequence[str], never: Sequence[str], margin: float) -> None:
    """Refuses options that contradict one another or themselves, before any work."""
    both = [name for name in attempt if name in never]
    if both:
        raise UserError(f"--try and --never both name {both[0]}: take one of them out.")
    if not (math.isfinite(margin) and margin >= 0):
        raise UserError(f"--margin is {margin}; the smallest gain that matters is 0 or more.")


def budget_seconds(budget: str | float) -> float:
    """90, "90s", "5m" or "1.5h" in seconds, at least 1."""
    if isinstance(budget, str):
        text = budget.strip().lower()
        unit = UNITS.get(text[-1:])
        try:
            seconds = float(text[:-1]) * unit if unit is not None else float(text)
        except ValueError:
            raise UserError(f"budget: {budget!r} is no time; give 90s, 5m or 1h.") from None
    else:
        seconds = float(budget)
    if not 1 <= seconds <= 30 * 86_400:
        raise UserError(f"budget: {budget!r} is not between one second and thirty days.")
    return seconds


def _named(metric: str | Callable[..., float] | None) -> str | None:
    if callable(metric):
        raise UserError("metric: a function is for task: classify; language models are improved in bits_per_byte.")
    return metric
