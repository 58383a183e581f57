"""How good answers are, how sure that is, and what the curves behind it look like.

>>> predictions = Predictions.of([0, 0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
>>> macro_f1 = metric("macro_f1", ["no", "yes"])
>>> macro_f1.measure(predictions.truth, predictions.scores, predictions.answers)
1.0
"""

from melior.metrics._base import Family, Metric, Part, Predictions, one_hot
from melior.metrics.curves import (
    Confusion,
    PrecisionRecallCurve,
    ReliabilityCurve,
    RocCurve,
    confusion,
    precision_recall_curve,
    reliability_curve,
    roc_curve,
)
from melior.metrics.custom import from_function
from melior.metrics.effective import effective_classes
from melior.metrics.intervals import Interval, bootstrap, wilson
from melior.metrics.noise import corrected_joint, label_weights
from melior.metrics.ordered import blocks_in_order
from melior.metrics.paired import (
    CorrectedT,
    Difference,
    Together,
    bootstrap_together,
    nadeau_bengio,
    paired_difference,
)
from melior.metrics.registry import metric, names
from melior.metrics.summary import all_scores

__all__ = [
    "Confusion",
    "CorrectedT",
    "Difference",
    "Family",
    "Interval",
    "Metric",
    "Part",
    "PrecisionRecallCurve",
    "Predictions",
    "ReliabilityCurve",
    "RocCurve",
    "Together",
    "all_scores",
    "blocks_in_order",
    "bootstrap",
    "bootstrap_together",
    "confusion",
    "corrected_joint",
    "effective_classes",
    "from_function",
    "label_weights",
    "metric",
    "nadeau_bengio",
    "names",
    "one_hot",
    "paired_difference",
    "precision_recall_curve",
    "reliability_curve",
    "roc_curve",
    "wilson",
]
