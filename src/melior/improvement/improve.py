"""The main job: findings, repairs, candidates, race, verdicts, combination, and one look at the sealed rows."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from melior.data.table import Table
from melior.evidence import Evidence
from melior.improvement.aims import aims_of
from melior.improvement.ask import Ask, nobody
from melior.improvement.begun import worth_of_beginning
from melior.improvement.combine import combine
from melior.improvement.confirm import confirm
from melior.improvement.improvement import Improvement
from melior.improvement.last_fit import TAUGHT_ALL, affordable, fit_all, fit_both
from melior.improvement.limits import Costs, may_lose, within
from melior.improvement.looking import Parts, look
from melior.improvement.plan import changed
from melior.improvement.race import Race
from melior.improvement.regressions import regressions
from melior.improvement.ruler import as_labelled, ruler_for, truth_of
from melior.improvement.runner import Runner
from melior.methods._done import FILE, said
from melior.metrics import (
    Interval,
)
from melior.metrics.custom import called_once
from melior.metrics.registry import metric
from melior.predictor import Predictor
from melior.progress import Progress, silent
from melior.recipe import Recipe
from melior.runs.study import come_to_the_end, moment
from melior.trials.executors._base import Executor
from melior.trials.fit import changes
from melior.trials.judge import Judged
from melior.trials.run import Trials
from melior.trials.shared import Shared
from melior.trials.threads import cores, one_thread_each
from melior.trials.together import drawn_together

BETTER = "in the race {} proved better, and is used"


def improve_table(
    table: Table,
    recipe: Recipe,
    *,
    test: Table | None = None,
    budget: float = 300.0,
    store: Path | None = None,
    training: Path | None = None,
    attempt: Sequence[str] = (),
    never: Sequence[str] = (),
    margin: float = 0.0,
    workers: int = 0,
    executor: Executor | None = None,
    ask: Ask = nobody,
    progress: Progress = silent,
    settled: bool = False,
    thorough: bool = False,
    refit: bool = True,
) -> tuple[Improvement, Parts, Predictor]:
    """Improves a recipe on a table; returns the outcome, the parts, and the baseline's predictor.

    recipe.metric must be named; `budget` in seconds; finished trials are kept in `store`, the last trainings
    of networks in `training`, those of the plain recipe in its folder `baseline`; `ask` is asked what only people know,
    and the time that they take is not counted. settled, thorough: see `Race`; refit: see `affordable`. Trials run in
    `workers` threads, or where `executor` says. Raises Ended where another process at work on the same study has made
    the end of it.
    """
    started = moment("the beginning")  # the budget is that of the first process at work on this study
    deadline = started + 0.85 * budget  # the rest is for the final fits and scores
    measure = metric(recipe.metric, table.classes, multilabel=table.multilabel)
    called_once(measure, table.truth())
    seen = look(
        table, recipe, test=test, budget=budget, attempt=attempt, never=never, workers=workers, store=store,
        executor=executor, ask=ask, progress=progress, settled=settled,
    )  # fmt: skip
    deadline += seen.waited
    recipe, parts, audit = seen.recipe, seen.parts, seen.audit
    development, sealed = parts.development, parts.sealed
    before = seen.score_before(measure)

    truth, ruler = ruler_for(development, audit, recipe, measure)
    trials = Trials(development, seen.folds, store=store, workers=workers, executor=executor)
    race = Race(
        trials,
        measure,
        truth,
        recipe,
        seen.planned,
        deadline,
        progress,
        recipe.seed,
        margin,
        drawn_together(development, recipe),
        settled,
        thorough,
    )
    race.run()
    costs = Costs(race, recipe.limits)
    judged = within(race.judged(), race, costs)
    combined = combine(race, judged, costs.over)
    evidence = [_evidence(runner, verdict) for runner, verdict in judged]
    better = combined.recipe

    come_to_the_end(progress)
    beside = training if training is None or better == recipe else training / "baseline"
    shared = Shared()
    plain, final, took = fit_both(
        recipe, better, development, beside=beside, training=training, shared=shared, progress=progress
    )
    with one_thread_each():
        sealed_truth = truth_of(sealed, audit["label_noise"], recipe, measure)
        groups = drawn_together(sealed, recipe)
        baseline_score, final_score, gain = confirm(measure, sealed_truth, sealed, plain, final, recipe.seed, groups)
        begins = [seen.begins] if seen.begins else []
        if begins:
            begins.append(worth_of_beginning(recipe, development, sealed, sealed_truth, plain, measure, groups))
    notes = [*seen.notes, *race.notes]
    if over := costs.over(better):
        notes.append(f"nothing that was tried is within the limits: {over}")
    notes += [] if executor is None else executor.notes
    notes += seen.not_looked_for
    if better != recipe and gain.high < -may_lose(race, costs):
        notes.append(
            f"on the sealed rows the combination is provably worse than the plain recipe ({gain.value:+.3f} "
            f"[{gain.low:+.3f}, {gain.high:+.3f}]), so it is not used"
        )
        final, better, final_score = plain, recipe, baseline_score
        gain = Interval(0.0, 0.0, 0.0, gain.level)
        for left in () if training is None else training.glob("network-*"):
            shutil.rmtree(left)  # the training that is kept is the one in `baseline`
    progress("the last look, at the sealed rows", 2, 2)
    aims = aims_of(measure, recipe, sealed_truth, sealed, plain, final, groups)
    worse = () if final is plain else regressions(sealed, sealed_truth, plain, final, recipe.seed, groups)
    kept, taught = final, development
    if refit and not parts.given and not aims:
        remains = started + seen.waited + budget - time.monotonic()
        if settled or affordable(better, took, development.rows, sealed.rows, remains):
            taught, shared = development.joined(sealed), Shared()
            kept = fit_all(better, taught, progress, threads=cores(), shared=shared)
            notes.append(TAUGHT_ALL.format(rows=taught.rows))
    done = changes(better, taught, shared=shared, threads=cores()) if training is not None else []
    if done:
        notes.append(f"{said(done)}; {FILE} says which rows and why")
    improvement = Improvement(
        metric=measure.name,
        baseline=baseline_score,
        final=final_score,
        gain=gain,
        reported_before_repair=before,
        findings=audit.findings,
        repairs=seen.repairs,
        evidence=(*evidence, *combined.evidence),
        refused=tuple({one.name: one.reason for one in seen.refused}.items()),
        notes=tuple(notes),
        accepted=changed(recipe, better),
        recipe=better,
        predictor=kept,
        confirmed=None if kept is final else final,
        run=None,
        seconds=time.monotonic() - started,
        family=seen.family
        if better.model.name == recipe.model.name
        else f"{seen.family}; {BETTER.format(better.model.name)}",
        noise=ruler,
        rows={"all": table.rows, "development": development.rows, "sealed": sealed.rows},
        baseline_seconds=race.baseline_seconds,
        changes=tuple(done),
        aims=aims,
        regressions=worse,
        begins=". ".join(filter(None, begins)),
        as_labelled=as_labelled(measure, sealed, sealed_truth, audit, final, final_score),
    )
    return improvement, parts, plain


def _evidence(runner: Runner, judged: Judged) -> Evidence:
    return judged.evidence(
        runner.candidate.names,
        seconds=runner.seconds,
        trials=max(len(runner.results), 1),
        treats=runner.candidate.treats,
        settings=runner.candidate.settings,
        stage="confirm" if runner.complete else "screen",
    )
