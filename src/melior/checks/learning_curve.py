"""The learning curve: whether more rows would help, and how much twice as many would add."""

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._curve import Gain, gain_of_twice, jackknifed
from melior.checks._statistics import answered, labelled
from melior.checks.small_data import SmallData
from melior.data.table import Floats, Rows
from melior.findings import Finding
from melior.metrics.registry import metric

PARTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
FEWEST_ROWS = 100
ROWS_A_CLASS = 5  # in the smallest part that is trained on
FEWEST_POINTS = 4
HELPS = 0.01  # of the metric's range; a gain above it is worth a look for more rows


class LearningCurve(Check):
    """Scores of models from a sixteenth to all of the training rows of each fold, and a power law through them (see
    `_curve`), which says what twice the rows would add.

    A finding is made where even the lower end of the 90 % interval of that gain is above 0.01 of the metric: more rows
    would help. Where some class has so few rows that its score is luck (`small_data`), and yet the upper end of the
    interval is below 0.01, the finding says that more rows would not help. Else nothing is said. Severity is the
    expected gain over what the score lacks to the best possible, at least 0.05; 0.05 where more rows would not help.

    Costs about one more cross-validation: a half, a quarter, an eighth and a sixteenth of one. The interval is for rows
    like these: more of what is rare can help more.
    """

    symptoms = frozenset({"small_data"})
    cost = "model"
    for_people = True
    needs_target = True

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        known = answered(table, FEWEST_ROWS)
        if known is None:
            return []
        rows, labels = known
        trained = len(rows) * (context.folds - 1) / context.folds
        present = len(np.unique(labels))
        parts = np.array([part for part in PARTS if part * trained >= ROWS_A_CLASS * present])
        if len(parts) < FEWEST_POINTS:
            return []
        measured = metric(context.recipe.metric if context.recipe.metric != "auto" else "macro_f1", table.classes)
        sign = 1.0 if measured.greater_is_better else -1.0
        best = measured.high if measured.greater_is_better else -measured.low
        every = [context.out_of_fold_from(float(part)) for part in parts]

        def scores_of(which: Rows) -> Floats:
            return sign * np.array([context.metric_value(scores, which) for scores in every])

        scores, covariance = jackknifed(scores_of, rows, np.random.default_rng([context.seed, 59]))
        if not np.isfinite(scores).all() or not np.isfinite(covariance).all():
            return []
        gain = gain_of_twice(parts, scores, covariance, float(best))
        if gain.low > HELPS or (gain.high < HELPS and SmallData().measure(context)):
            return [self.told(context, gain, sign * scores, parts * trained, measured.title, float(sign * best))]
        return []

    def told(
        self, context: Context, gain: Gain, scores: Floats, sizes: Floats, title: str, best: float
    ) -> Finding:  # fmt: skip
        now = float(scores[-1])
        if gain.low > HELPS:
            said = (
                f"More rows would help: with twice as many, {title} should go from {now:.3f} to about "
                f"{now + np.sign(best - now) * gain.expected:.3f}, a gain of {gain.low:.3f} to {gain.high:.3f}."
            )
        else:
            said = (
                f"Though the rows are few, more of the same would not help: with twice as many, the score ({title}) of "
                f"{now:.3f} would gain {gain.high:.3f} at most. Other columns or a better model might."
            )
        lacking = max(abs(best - now), gain.expected, 1e-9)
        part = gain.expected / lacking if gain.low > HELPS else 0.0
        return Finding(
            symptom="small_data",
            severity=float(np.clip(part, 0.05, 1.0)),
            message=said,
            measured={
                "metric": context.recipe.metric,
                "score": now,
                "training_rows": [round(float(size)) for size in sizes],
                "scores": scores,
                "gain_of_twice": gain.expected,
                "gain_interval": [gain.low, gain.high],
                "more_rows_help": gain.low > HELPS,
                "rows": len(labelled(context.table.labels)),
            },
            threshold=HELPS,
            threshold_from="90 % interval of a power law through the scores, averaged over its exponent",
            columns=(context.table.target,) if context.table.target else (),
        )
