"""What scores are taken against: the labels, those of trusted rows alone, or corrected for wrong ones."""

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Floats, Rows, Table
from melior.errors import UserError
from melior.findings import Finding
from melior.metrics import Interval, Metric, label_weights
from melior.metrics.custom import OwnMetric
from melior.predictor import Predictor
from melior.recipe import Recipe
from melior.trials.audit import Audit

NOISE_WORTH_CORRECTING = 0.02  # estimated share of wrong labels; below it the correction costs more than it mends
FEWEST_TRUSTED = 10  # rows that can be scored on


def marked(table: Table, column: str) -> NDArray[np.bool_]:
    """(rows,) where the column marks a row's label as known to be right."""
    marks = table.column(column).cast(str).str.to_lowercase().str.strip_chars()
    found: NDArray[np.bool_] = marks.is_in(["1", "1.0", "true", "yes", "y", "是"]).fill_null(False).to_numpy()
    return found


def noise_matrix(finding: Finding | None) -> Floats | None:
    """P(given label | true label) where the audit found wrong labels worth correcting the scores for; of one of several
    labels it would correct only a part of the score."""
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
    found = np.flatnonzero(marked(table, column))
    if len(found) < FEWEST_TRUSTED:
        raise UserError(
            f"data.trusted: {column!r} marks {len(found)} of the rows of {table.name}; at least {FEWEST_TRUSTED} are "
            "needed to score on, among those to work on and among those put aside."
        )
    return found


def truth_of(table: Table, noise: Finding | None, recipe: Recipe, measure: Metric) -> Floats:
    """Label weights (rows, classes) that scores are taken against: trusted rows alone, else corrected for the noise
    that was found (a finding of wrong labels), else the labels as they are."""
    plain = table.truth()
    trusted = trusted_rows(table, recipe)
    if trusted is not None:
        weights = np.zeros((table.rows, 1))
        weights[trusted] = 1
        return np.asarray(plain * weights)
    matrix = noise_matrix(noise)
    if matrix is None or isinstance(measure, OwnMetric):  # a function cannot count a row less than nothing
        return plain
    try:
        return label_weights(table.given_labels(), matrix, classes=table.classes)
    except UserError:  # so many wrong labels that the correction would be all variance
        return plain


def ruler_for(table: Table, audit: Audit, recipe: Recipe, measure: Metric) -> tuple[Floats, str]:
    """The label weights, and one sentence on what scores are taken against."""
    finding: Finding | None = audit["label_noise"]
    truth = truth_of(table, finding, recipe, measure)
    if recipe.data.trusted is not None:
        return truth, f"scores are taken on the rows that {recipe.data.trusted!r} marks as trusted"
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
