"""The main job: findings, repairs, candidates, race, verdicts, combination, and one look at the sealed rows."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from melior.checks._base import checks
from melior.data.splits import folds, group_numbers, seal
from melior.data.table import Floats, Rows, Table
from melior.errors import UserError
from melior.evidence import Evidence
from melior.findings import MEASUREMENT_FAULTS, Finding
from melior.improvement.combine import combine
from melior.improvement.improvement import Improvement
from melior.improvement.plan import candidates, known_names
from melior.improvement.race import Race, Runner
from melior.improvement.repair import Repaired, clusters, ignoring, repair_recipe, separate
from melior.methods._done import FILE, said
from melior.metrics import Interval, Metric, Predictions, bootstrap, label_weights, paired_difference
from melior.metrics.registry import metric
from melior.models._place import trained_in
from melior.predictor import Predictor
from melior.progress import Progress, silent
from melior.recipe import Recipe
from melior.runs.study import come_to_the_end
from melior.trials.audit import Audit, run_checks
from melior.trials.context import TableContext
from melior.trials.executors._base import Executor
from melior.trials.family import choose_family
from melior.trials.fit import Shared, changes, fit
from melior.trials.judge import Judged
from melior.trials.run import Trials
from melior.trials.threads import cores, one_thread_each

MANY_ROWS = 10_000  # from here on, improve looks only for what it can act on; an audit looks for everything
CHECKING = 0.35  # of the budget, for looking; checks that were not begun by then are left out and named
CHOOSING = 0.15  # of the budget, for the trial of families
NOISE_WORTH_CORRECTING = 0.02  # estimated share of wrong labels; below it the correction costs more than it mends


@dataclass(frozen=True)
class Parts:
    """Development rows, sealed rows, and whether the sealed ones came as a file of their own."""

    development: Table
    sealed: Table
    given: bool


def put_aside(table: Table, recipe: Recipe, test: Table | None) -> Parts:
    """The sealed part: the test file where one is given, else drawn before anything is looked at."""
    if test is not None:
        return Parts(table, test, True)
    development, sealed = seal(table, recipe.split, recipe.seed)
    return Parts(table.take(development), replace(table.take(sealed), name="the sealed part"), False)


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
    progress: Progress = silent,
) -> tuple[Improvement, Parts, Predictor]:
    """Improves a recipe on a table; returns the outcome, the parts, and the baseline's predictor.

    recipe.metric must be named; `budget` in seconds; finished trials are kept in `store`, the last trainings
    of networks in `training`, those of the plain recipe in its folder `baseline`. Trials run in `workers` threads, or
    where `executor` says. Raises Ended where another process at work on the same study has made the end of it.
    """
    known_names(attempt, never)
    started = time.monotonic()
    deadline = started + 0.85 * budget  # the rest is for the final fits and scores
    measure = metric(recipe.metric, table.classes, multilabel=table.multilabel)
    if table.multilabel and recipe.data.trusted is not None:
        raise UserError(
            f'data.trusted: rows can be marked as trusted where a row has one class, and "{table.target}" has several '
            "labels a row. Take data.trusted out of the recipe."
        )
    parts = put_aside(table, recipe, test)
    whole = table

    context = TableContext(parts.development, recipe, other=parts.sealed)
    late = started + CHECKING * budget
    many = parts.development.rows >= MANY_ROWS
    unseen = tuple(name for name, check in checks().items() if many and check.for_people)
    audit = run_checks(
        parts.development,
        recipe,
        other=parts.sealed,
        skip=unseen,
        progress=progress,
        context=context,
        deadline=late,
    )
    repaired = repair_recipe(recipe, audit.active, separate_test=parts.given)
    repairs = list(repaired.repairs)
    faulty, faulty_recipe = parts, recipe
    impossible = ""
    if repairs:
        whole = ignoring(whole, repairs)
        repaired, impossible = _splittable(repaired, recipe, whole, test)
        repairs = list(repaired.repairs)
        recipe = repaired.recipe
        if repaired.reseal:
            # rows leak across a random split, the sealed part included: it is drawn again, along groups or time
            parts = put_aside(whole, recipe, test)
        else:
            parts = replace(
                parts,
                development=ignoring(parts.development, repairs),
                sealed=ignoring(parts.sealed, repairs),
            )
        audit = _second_audit(
            audit, parts, recipe, progress, started + 1.3 * CHECKING * budget, repaired.reseal, unseen
        )
    development, sealed, overlap = separate(parts.development, parts.sealed, separate_test=parts.given)
    parts = replace(parts, development=development, sealed=sealed)

    chosen = choose_family(
        recipe, development, allowed=CHOOSING * budget, progress=progress, workers=workers, store=store,
        executor=executor,
    )  # fmt: skip
    recipe = chosen.recipe
    before = None
    if repairs or overlap is not None:
        before = _plain_score(faulty_recipe.with_model(recipe.model), faulty, measure)
    if overlap is not None:
        repairs.append(overlap)

    truth, ruler = ruler_for(development, audit, recipe)
    groups = clusters(development)
    trials = Trials(development, folds(development, recipe.split, recipe.seed, groups=groups), store=store,
                    workers=workers, executor=executor)  # fmt: skip
    planned, refused = candidates(recipe, audit.active, development, attempt=attempt, never=never)
    race = Race(
        trials,
        measure,
        truth,
        recipe,
        planned,
        deadline,
        progress,
        recipe.seed,
        margin,
        drawn_together(development, recipe),
    )
    race.run()
    judged = race.judged()
    combined = combine(race, judged)
    evidence = [_evidence(runner, verdict) for runner, verdict in judged]
    better = combined.recipe

    come_to_the_end(progress)
    progress("the last look, at the sealed rows", 0, 2)
    shared = Shared()
    beside = training if training is None or better == recipe else training / "baseline"
    with one_thread_each():
        with trained_in(beside):
            plain = final = fit(recipe, development, shared=shared, threads=cores())
        progress("the last look, at the sealed rows", 1, 2)
        if better != recipe:
            with trained_in(training):
                final = fit(better, development, shared=shared, threads=cores())
        sealed_truth = truth_of(sealed, audit, recipe)
        groups = drawn_together(sealed, recipe)
        baseline_score, final_score, gain = confirm(measure, sealed_truth, sealed, plain, final, recipe.seed, groups)
    notes = [*([impossible] if impossible else []), *race.notes]
    notes += [note for note in audit.notes if note not in whole.notes]  # what was drawn rather than looked at whole
    notes += [] if executor is None else executor.notes
    if unseen:
        notes.append(f"`melior audit` looks for more that only people can act on: {', '.join(unseen)}")
    if audit.left_out:
        notes.append(f"not looked for, because the time ran out: {', '.join(audit.left_out)}")
    if better != recipe and gain.high < 0:
        notes.append("on the sealed rows the combination is provably worse than the plain recipe, so it is not used")
        final, better, final_score = plain, recipe, baseline_score
        for left in () if training is None else training.glob("network-*"):
            shutil.rmtree(left)  # the training that is kept is the one in `baseline`
    progress("the last look, at the sealed rows", 2, 2)
    done = changes(better, development, shared=shared, threads=cores()) if training is not None else []
    if done:
        notes.append(f"{said(done)}; {FILE} says which rows and why")
    improvement = Improvement(
        metric=measure.name,
        baseline=baseline_score,
        final=final_score,
        gain=gain,
        reported_before_repair=before,
        findings=audit.findings,
        repairs=tuple(repairs),
        evidence=(*evidence, *combined.evidence),
        refused=tuple({one.name: one.reason for one in refused}.items()),
        notes=tuple(notes),
        accepted=tuple(choice.name for choice in better.methods if choice not in recipe.methods),
        recipe=better,
        predictor=final,
        run=None,
        seconds=time.monotonic() - started,
        family=chosen.reason,
        noise=ruler,
        rows={"all": table.rows, "development": development.rows, "sealed": sealed.rows},
        baseline_seconds=race.baseline_seconds,
        changes=tuple(done),
    )
    return improvement, parts, plain


def _splittable(repaired: Repaired, before: Recipe, whole: Table, test: Table | None) -> tuple[Repaired, str]:
    """The repairs, without a change of the split that these rows do not allow (too few groups, say), and why."""
    if repaired.recipe.split == before.split:
        return repaired, ""
    try:
        development = put_aside(whole, repaired.recipe, test).development
        folds(development, repaired.recipe.split, before.seed, groups=clusters(development))
    except UserError as error:
        left = tuple(one for one in repaired.repairs if one.symptom not in ("group_leakage", "time_leakage"))
        recipe = repaired.recipe.model_copy(update={"split": before.split})
        return Repaired(recipe, left, False), f"the split could not be repaired: {error}"
    return repaired, ""


def drawn_together(table: Table, recipe: Recipe) -> NDArray[np.int64] | None:
    """(rows,) the group of each row where rows of one group are not independent: those of a split by group, or the
    copies of a row; None where every row speaks for itself."""
    if recipe.split.kind == "group" and recipe.split.column is not None:
        return group_numbers(table, recipe.split.column)
    return clusters(table)


def _second_audit(
    first: Audit,
    parts: Parts,
    recipe: Recipe,
    progress: Progress,
    deadline: float,
    other_rows: bool,
    unseen: Sequence[str],
) -> Audit:
    """After a repair checks look again: a leaking column hides wrong labels, an old split other rows. Where the rows
    are the same, what needed no model stays as it was found, but for the columns that were left out."""
    cheap = () if other_rows else [name for name, check in checks().items() if check.cost != "model"]
    again = run_checks(
        parts.development,
        recipe,
        other=parts.sealed,
        skip=[*cheap, *unseen],
        progress=progress,
        deadline=deadline,
    )
    kept = set(parts.development.features()) | {parts.development.target or ""}
    faults = [finding for finding in first.findings if finding.symptom in MEASUREMENT_FAULTS]
    others = [finding for finding in again.findings if finding.symptom not in MEASUREMENT_FAULTS]
    others += [
        finding
        for finding in first.findings
        if finding.check in cheap
        and finding.symptom not in MEASUREMENT_FAULTS
        and (not finding.columns or set(finding.columns) & kept)
    ]
    merged = sorted((*faults, *others), key=lambda finding: (bool(finding.muted), -finding.severity))
    return replace(first, findings=tuple(merged), seconds=first.seconds + again.seconds)


def _plain_score(recipe: Recipe, parts: Parts, measure: Metric) -> float:
    """What the score would have been believed to be: the plain recipe with all the faults."""
    with one_thread_each():
        predictor = fit(recipe.model_copy(update={"methods": ()}), parts.development)
        scores = predictor.scores(parts.sealed)
    return measure.measure(parts.sealed.truth(), scores, predictor.decided(scores))


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


def truth_of(table: Table, audit: Audit, recipe: Recipe) -> Floats:
    """Label weights (rows, classes) that scores are taken against: trusted rows alone, else corrected for the noise
    that was found, else the labels as they are."""
    plain = table.truth()
    trusted = trusted_rows(table, recipe)
    if trusted is not None:
        weights = np.zeros((table.rows, 1))
        weights[trusted] = 1
        return np.asarray(plain * weights)
    matrix = noise_matrix(audit)
    if matrix is None:
        return plain
    try:
        return label_weights(table.given_labels(), matrix, classes=table.classes)
    except UserError:  # so many wrong labels that the correction would be all variance
        return plain


def ruler_for(table: Table, audit: Audit, recipe: Recipe) -> tuple[Floats, str]:
    """The label weights, and one sentence on what scores are taken against."""
    truth = truth_of(table, audit, recipe)
    if recipe.data.trusted is not None:
        return truth, f"scores are taken on the rows that {recipe.data.trusted!r} marks as trusted"
    finding: Finding | None = audit["label_noise"]
    if finding is not None and (truth < 0).any():
        return truth, "held-out labels are partly wrong too: scores are corrected with the estimated noise matrix"
    return truth, ""


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
        (runner.candidate.method.name,),
        seconds=runner.seconds,
        trials=max(len(runner.results), 1),
        treats=runner.candidate.treats,
        settings=dict(runner.candidate.method.settings),
        stage="confirm" if runner.complete else "screen",
    )
