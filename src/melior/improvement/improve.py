"""The main job: findings, repairs, candidates, race, verdicts, combination, and one look at the sealed rows."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from melior.data.splits import group_numbers, time_ranks
from melior.data.table import Floats, Rows, Table
from melior.errors import UserError
from melior.evidence import Evidence
from melior.findings import Finding
from melior.improvement.aims import aims_of
from melior.improvement.ask import Ask, nobody
from melior.improvement.combine import combine
from melior.improvement.improvement import Improvement
from melior.improvement.last_fit import TAUGHT_ALL, affordable, fit_all
from melior.improvement.limits import Costs, may_lose, within
from melior.improvement.looking import Parts, look
from melior.improvement.plan import changed
from melior.improvement.race import Race
from melior.improvement.regressions import regressions
from melior.improvement.repair import clusters
from melior.improvement.runner import Runner
from melior.methods._done import FILE, said
from melior.metrics import (
    Interval,
    Metric,
    Predictions,
    blocks_in_order,
    bootstrap,
    label_weights,
    paired_difference,
)
from melior.metrics.custom import OwnMetric
from melior.metrics.registry import metric
from melior.models._place import trained_in
from melior.predictor import Predictor
from melior.progress import Progress, silent
from melior.recipe import Recipe
from melior.runs.study import come_to_the_end
from melior.trials.audit import Audit
from melior.trials.executors._base import Executor
from melior.trials.fit import changes, fit
from melior.trials.judge import Judged
from melior.trials.run import Trials
from melior.trials.shared import Shared
from melior.trials.threads import cores, one_thread_each

BETTER = "in the race {} proved better, and is used"
NOISE_WORTH_CORRECTING = 0.02  # estimated share of wrong labels; below it the correction costs more than it mends


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
    refit: bool = True,
) -> tuple[Improvement, Parts, Predictor]:
    """Improves a recipe on a table; returns the outcome, the parts, and the baseline's predictor.

    recipe.metric must be named; `budget` in seconds; finished trials are kept in `store`, the last trainings
    of networks in `training`, those of the plain recipe in its folder `baseline`; `ask` is asked what only people know,
    and the time that they take is not counted. settled: see `Race`; refit: see `affordable`. Trials run in `workers`
    threads, or where `executor` says. Raises Ended where another process at work on the same study has made the end of
    it.
    """
    started = time.monotonic()
    deadline = started + 0.85 * budget  # the rest is for the final fits and scores
    measure = metric(recipe.metric, table.classes, multilabel=table.multilabel)
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
    )
    race.run()
    costs = Costs(race, recipe.limits)
    judged = within(race.judged(), race, costs)
    combined = combine(race, judged, costs.over)
    evidence = [_evidence(runner, verdict) for runner, verdict in judged]
    better = combined.recipe

    come_to_the_end(progress)
    progress("the last look, at the sealed rows", 0, 2)
    shared = Shared()
    beside = training if training is None or better == recipe else training / "baseline"
    with one_thread_each():
        began = time.monotonic()
        with trained_in(beside):
            plain = final = fit(recipe, development, shared=shared, threads=cores())
        took = time.monotonic() - began
        progress("the last look, at the sealed rows", 1, 2)
        if better != recipe:
            began = time.monotonic()
            with trained_in(training):
                final = fit(better, development, shared=shared, threads=cores())
            took = time.monotonic() - began
        sealed_truth = truth_of(sealed, audit, recipe, measure)
        groups = drawn_together(sealed, recipe)
        baseline_score, final_score, gain = confirm(measure, sealed_truth, sealed, plain, final, recipe.seed, groups)
    notes = [*seen.notes, *race.notes]
    if over := costs.over(better):
        notes.append(f"nothing that was tried is within the limits: {over}")
    notes += [note for note in audit.notes if note not in table.notes]  # what was drawn rather than looked at whole
    notes += [] if executor is None else executor.notes
    if seen.unseen:
        notes.append(f"`melior audit` looks for more that only people can act on: {', '.join(seen.unseen)}")
    if audit.left_out:
        notes.append(f"not looked for, because the time ran out: {', '.join(audit.left_out)}")
    if better != recipe and gain.high < -may_lose(race, costs):
        notes.append("on the sealed rows the combination is provably worse than the plain recipe, so it is not used")
        final, better, final_score = plain, recipe, baseline_score
        for left in () if training is None else training.glob("network-*"):
            shutil.rmtree(left)  # the training that is kept is the one in `baseline`
    progress("the last look, at the sealed rows", 2, 2)
    aims = aims_of(measure, recipe, sealed_truth, sealed, plain, final, groups)
    worse = () if final is plain else regressions(sealed, sealed_truth, plain, final, recipe.seed)
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
        as_labelled=as_labelled(measure, sealed, sealed_truth, audit, final, final_score),
    )
    return improvement, parts, plain


def drawn_together(table: Table, recipe: Recipe) -> NDArray[np.int64] | None:
    """(rows,) the group of each row where rows of one group are not independent: those of a split by group, blocks of
    rows that follow one another in a split by time, or the copies of a row; None where every row speaks for itself."""
    if recipe.split.kind == "group" and recipe.split.column is not None:
        return group_numbers(table, recipe.split.column)
    if recipe.split.kind == "time" and recipe.split.column is not None:
        return blocks_in_order(time_ranks(table, recipe.split.column))
    return clusters(table)


def noise_matrix(audit: Audit) -> Floats | None:
    """P(given label | true label) where the audit found wrong labels worth correcting the scores for; of one of several
    labels it would correct only a part of the score."""
    finding = audit["label_noise"]
    measured = {} if finding is None else finding.measured
    if "noise_matrix" not in measured or "label" in measured or not measured.get("corrects_scores", True):
        return None
    found = np.asarray(measured["noise_matrix"], dtype=np.float64)
    wrong = float(measured.get("noise_rate", 1 - np.mean(np.diag(found))))
    return found if wrong >= NOISE_WORTH_CORRECTING else None


def trusted_rows(table: Table, recipe: Recipe) -> Rows | None:
    """Positions of the rows whose label the user marks as right; None where there is no such column."""
    column = recipe.data.trusted
    if column is None:
        return None
    if column not in table.frame.columns:
        raise UserError(f"data.trusted: there is no column {column!r}.")
    marks = table.column(column).cast(str).str.to_lowercase().str.strip_chars()
    found = np.flatnonzero(marks.is_in(["1", "1.0", "true", "yes", "y", "是"]).fill_null(False).to_numpy())
    if len(found) < 10:
        raise UserError(f"data.trusted: {column!r} marks {len(found)} rows; at least 10 are needed to score on.")
    return found


def truth_of(table: Table, audit: Audit, recipe: Recipe, measure: Metric) -> Floats:
    """Label weights (rows, classes) that scores are taken against: trusted rows alone, else corrected for the noise
    that was found, else the labels as they are."""
    plain = table.truth()
    trusted = trusted_rows(table, recipe)
    if trusted is not None:
        weights = np.zeros((table.rows, 1))
        weights[trusted] = 1
        return np.asarray(plain * weights)
    matrix = noise_matrix(audit)
    if matrix is None or isinstance(measure, OwnMetric):  # a function cannot count a row less than nothing
        return plain
    try:
        return label_weights(table.given_labels(), matrix, classes=table.classes)
    except UserError:  # so many wrong labels that the correction would be all variance
        return plain


def ruler_for(table: Table, audit: Audit, recipe: Recipe, measure: Metric) -> tuple[Floats, str]:
    """The label weights, and one sentence on what scores are taken against."""
    truth = truth_of(table, audit, recipe, measure)
    if recipe.data.trusted is not None:
        return truth, f"scores are taken on the rows that {recipe.data.trusted!r} marks as trusted"
    finding: Finding | None = audit["label_noise"]
    if finding is not None and (truth < 0).any():
        return truth, "held-out labels are partly wrong too: scores are corrected with the estimated noise matrix"
    return truth, ""


def as_labelled(measure: Metric, sealed: Table, truth: Floats, audit: Audit, final: Predictor, score: Interval) -> str:
    """What the score is as the labels stand, where it was corrected for wrong ones that only may be there: classes that
    overlap for a reason that no column tells look the same, and the corrected score is then far too high."""
    finding: Finding | None = audit["label_noise"]
    if finding is None or finding.certain or not (truth < 0).any():
        return ""
    scores = final.scores(sealed)
    value = measure.measure(sealed.truth(), scores, final.decided(scores))
    wrong = float(finding.measured.get("noise_rate", 0.0))
    return (
        f"As the labels stand {measure.name} is {value:.3f}; it is {score.value:.3f} if {wrong:.0%} of them are wrong, "
        "which only a look at the rows can tell."
    )


def confirm(
    measure: Metric,
    truth: Floats,
    sealed: Table,
    plain: Predictor,
    final: Predictor,
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> tuple[Interval, Interval, Interval]:
    """Scores of both on the sealed rows with their intervals, and the paired gain."""
    before = _predictions(plain, sealed, truth)
    after = before if final is plain else _predictions(final, sealed, truth)
    baseline = bootstrap([measure], before, seed=seed, groups=groups)[measure.name]
    if after is before:
        return baseline, baseline, Interval(0.0, 0.0, 0.0, baseline.level)
    ended = bootstrap([measure], after, seed=seed, groups=groups)[measure.name]
    difference = paired_difference(measure, before, after, seed=seed, groups=groups)
    return baseline, ended, Interval(difference.value, difference.low, difference.high, difference.level)


def _predictions(predictor: Predictor, table: Table, truth: Floats) -> Predictions:
    scores = predictor.scores(table)
    return Predictions(truth, scores, predictor.decided(scores))


def _evidence(runner: Runner, judged: Judged) -> Evidence:
    return judged.evidence(
        runner.candidate.names,
        seconds=runner.seconds,
        trials=max(len(runner.results), 1),
        treats=runner.candidate.treats,
        settings=runner.candidate.settings,
        stage="confirm" if runner.complete else "screen",
    )
