"""`judge`: which of two models is better on the same rows, with the judge that `improve` uses."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from melior.data.predicted import id_cells
from melior.errors import UserError
from melior.metrics import Metric, Predictions, bootstrap
from melior.metrics import metric as named_metric
from melior.metrics._base import Floats
from melior.metrics.custom import is_here, must_be_defined, name_of, own_metrics
from melior.metrics.goals import CONDITION, parts_of
from melior.progress import Progress, silent
from melior.trials.versus import metric_differences, together
from melior.trials.where import by_class, slices_of, worse_slices
from melior.verbs.comparison import Comparison, Disagreement
from melior.verbs.evaluate import possible_seed
from melior.verbs.judge_inputs import Rows, Side, answers_of, rows_of, sides_of, target_of
from melior.verbs.judge_rows import classes_without_rows, corrected, counted_rows, of_recipes, together_of, units_of
from melior.verbs.prepare import DEFAULT_METRIC

USUAL = (
    "accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "roc_auc", "average_precision", "log_loss", "brier",
)  # fmt: skip
USUAL_OF_LABELS = (
    "subset_accuracy", "hamming_loss", "micro_f1", "macro_f1", "sample_f1", "roc_auc", "log_loss", "brier",
)  # fmt: skip
Named = str | Callable[..., float]
CALIBRATION = "expected_calibration_error"


def judge(
    a: Any,
    b: Any,
    data: Any,
    *,
    target: str | None = None,
    metric: Named | Sequence[Named] | None = None,
    margin: float = 0.0,
    non_inferior: float | None = None,
    id: str | None = None,
    groups: str | None = None,
    order: str | None = None,
    trusted: str | None = None,
    noise: Any = None,
    label_separator: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """Compares two models on rows with known answers that neither of them learned.

    a, b     a run folder, a Predictor, anything with a `predictor`, or predictions: a file or a frame with a column
             `prediction` (or one called like the target) and, where there are any, `score_CLASS`
    data     a file or a frame with the right answers
    target   the column that holds them; what the runs learned unless said
    metric   what the verdict is about, one or several (then p is adjusted for all of them), names or functions
             (`melior.metrics.from_function`); the recipe's, else macro_f1
    margin   the smallest difference that matters, >= 0, in the metric's units
    non_inferior  asks instead whether B is worse by less than this, > 0
    id       a column of ids in the data and the predictions; rows are compared in their order, or by the column `row`
             of `melior predict`, unless said
    groups   a column: rows of one group are drawn together; that of the recipe's split by group unless said
    order    a column: rows that follow one another are drawn together in blocks; that of a split by time unless said
    trusted  a column that marks (1, true, yes) the rows whose answer is right, and only they count; the recipe's
    noise    scores are corrected for wrong labels: a run whose audit estimated how wrong they are, a JSON file
             {"classes": [...], "matrix": [[...]]}, or a matrix (classes, classes) of P(given label | true label)
    label_separator  between the labels of a row, where the target is text and a row may have several

    Two runs of `task: generate` are compared in bits per byte (`melior.verbs.judge_language`).

    >>> melior.judge("runs/a", "runs/b", "new.csv")                           # doctest: +SKIP
    >>> melior.judge("a.csv", "b.csv", "new.csv", target="y", id="row_id")    # doctest: +SKIP
    """
    from melior.verbs.language import is_language_run

    started = time.perf_counter()
    asked = _asked(metric)
    _possible(margin, non_inferior, groups, order)
    possible_seed(seed)
    if is_language_run(a) or is_language_run(b):
        from melior.verbs.judge_language import judge_language

        beside = {"--target": target, "--id": id, "--groups": groups, "--order": order, "--trusted": trusted,
                  "--noise": noise, "--label-separator": label_separator}  # fmt: skip
        without = [name for name, value in beside.items() if value is not None]
        return judge_language(a, b, data, asked=asked, margin=margin, non_inferior=non_inferior, without=without,
                              seed=seed, progress=progress)  # fmt: skip
    sides = sides_of(a, b, target)
    answer = target_of(sides, target)
    notes: list[str] = []
    trusted = trusted or of_recipes(sides, "trusted")
    rows = rows_of(sides, data, answer, [one for one in (id, trusted) if one], label_separator, notes, progress)
    counted = counted_rows(rows, trusted, sides, data, notes)
    notes += classes_without_rows(rows, counted)
    truth = (rows.truth if noise is None else corrected(rows, noise))[counted]
    metrics, asked = _metrics(asked, rows, sides, notes)
    if noise is not None:
        notes.append("scores are corrected for wrong labels with the noise matrix that was given")
        if own := [one.name for each in metrics for one in own_metrics(each)]:
            raise UserError(
                f"--noise: {own[0]} is a function, which cannot count a row less than nothing; leave it out."
            )
    in_groups = together_of(rows, groups, order, sides, notes)
    ids = None if id is None else id_cells(rows.raw.frame, id, rows.raw.name)
    said = []
    for number, side in enumerate(sides):
        progress("answering", number, 2, side.name)
        said.append(answers_of(side, rows, ids, notes))
    progress("answering", 2, 2)
    scored = all(side.scored for side in sides)
    pair = [
        Predictions(truth, one.scores[counted] if scored and one.scores is not None else None, one.answers[counted])
        for one in said
    ]
    units = units_of(in_groups, counted, pair, metrics[: len(asked)], rows.raw.name, notes)
    one, two = (each.with_groups(units.paired) for each in pair)
    for each in metrics[: len(asked)]:
        must_be_defined(each, one, rows.raw.name)
        must_be_defined(each, two, rows.raw.name)
    found = metric_differences(
        metrics, one, two, asked=asked, margin=margin, non_inferior=non_inferior, alone=units.alone, seed=seed,
        progress=progress,
    )  # fmt: skip
    progress("where they differ", 0, 1)
    slices = None if rows.table is None else slices_of(rows.table.take(counted), seed)
    compared = Comparison(
        a=sides[0].name,
        b=sides[1].name,
        on=rows.raw.name,
        rows=one.rows,
        drawn=units.said,
        units=one.rows if units.paired is None else int(units.paired.max()) + 1,
        asked=tuple(asked),
        metrics=tuple(found),
        verdict=together(found[: len(asked)], non_inferior),
        margin=margin,
        non_inferior=non_inferior,
        differ=_differ(rows.truth[counted], one, two),
        classes=tuple(by_class(one, two, rows.classes, seed)),
        slices=() if slices is None else tuple(worse_slices(one, two, slices, seed)),
        slices_seen=0 if slices is None else len(slices.names),
        calibration=_calibration(rows, one, two, units.alone, seed),
        notes=tuple(dict.fromkeys([*rows.raw.notes, *notes])),
        seconds=time.perf_counter() - started,
    )
    progress("where they differ", 1, 1)
    return compared


def _asked(metric: Named | Sequence[Named] | None) -> list[str]:
    """The metrics named, each once; commas may stand between them. Conditions (recall[yes]>=0.9) belong to the metric
    before them."""
    found: list[str] = []
    for one in [metric] if isinstance(metric, str) or callable(metric) else metric or ():
        before = len(found)
        for piece in filter(None, parts_of(one if isinstance(one, str) else name_of(one))):
            if CONDITION.match(piece) and len(found) > before:
                found[-1] += f", {piece}"
            else:
                found.append(piece)
    return list(dict.fromkeys(found))


def _possible(margin: float, non_inferior: float | None, groups: str | None, order: str | None) -> None:
    """Refuses options that contradict one another or themselves."""
    if not (math.isfinite(margin) and margin >= 0):
        raise UserError(f"--margin is {margin}; the smallest difference that matters is 0 or more.")
    if non_inferior is not None and not (math.isfinite(non_inferior) and non_inferior > 0):
        raise UserError(f"--non-inferior is {non_inferior}; say by how much B may be worse, more than 0.")
    if non_inferior is not None and margin:
        raise UserError("--margin asks which of the two is better and --non-inferior whether B is no worse: take one.")
    if groups is not None and order is not None:
        raise UserError("--groups and --order both say which rows are drawn together: take one of them out.")


def _metrics(asked: list[str], rows: Rows, sides: Sequence[Side], notes: list[str]) -> tuple[list[Metric], list[str]]:
    """The metrics, those that the verdict is about first, and the names of these."""
    several = rows.sets is not None
    scored = all(one.scored for one in sides)
    without = " and ".join(one.name for one in sides if not one.scored)

    def made(name: str) -> Metric:
        return named_metric(name, rows.classes, multilabel=several)

    if not asked:
        learned = next((one.predictor.metric for one in sides if one.predictor is not None), DEFAULT_METRIC)
        unknown = not is_here(learned)
        asked = [learned]
        if unknown or (not scored and made(learned).needs == "scores"):
            asked = [DEFAULT_METRIC]
            why = "is a function that is not known here" if unknown else "needs scores"
            notes.append(f"the recipe's metric, {learned}, {why}: the verdict is about {DEFAULT_METRIC}")
    first = [made(name) for name in asked]
    asked = [one.name for one in first]
    for one in first:
        if one.needs == "scores" and not scored:
            raise UserError(
                f"--metric {one.name} needs probabilities, and there are none in {without}: add columns score_CLASS, "
                "or name another metric."
            )
    others = [made(name) for name in (USUAL_OF_LABELS if several else USUAL) if name not in asked]
    if not scored:
        left = [one.name for one in others if one.needs == "scores"]
        others = [one for one in others if one.needs == "answers"]
        notes.append(f"without scores of {without}, {', '.join(left)} and the calibration error are left out")
    return [*first, *others], asked


def _differ(given: Floats, a: Predictions, b: Predictions) -> Disagreement:
    """given (rows, classes): the truth as it stands in the data."""
    if a.multilabel:
        unlike = (a.answers != b.answers).any(axis=1)
        right = [(one.answers == given).all(axis=1) for one in (a, b)]
    else:
        unlike = a.answers != b.answers
        right = [given[np.arange(len(given)), one.answers] > 0 for one in (a, b)]
    rows, alone_a, alone_b = (int(which.sum()) for which in (unlike, unlike & right[0], unlike & right[1]))
    return Disagreement(rows, alone_a, alone_b, rows - alone_a - alone_b)


def _calibration(rows: Rows, a: Predictions, b: Predictions, alone: Any, seed: int) -> Any:
    if a.scores is None or rows.sets is not None:
        return None
    one = named_metric(CALIBRATION, rows.classes)
    return tuple(bootstrap([one], each, resamples=500, seed=seed, groups=alone)[one.name] for each in (a, b))
