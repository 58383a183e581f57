"""Skewed features: most values crowd at one end, and a few large ones rule means, scales and linear models."""

import numpy as np
from scipy import stats

from melior.checks._base import Check, Context
from melior.checks._statistics import count, listed
from melior.findings import Finding

MATTERS = 0.5  # an exponential distribution has 0.56, a normal one 0
SPREAD = 1.4  # of the skewness of Student's t with 3 degrees, times the root of the rows (simulated; normal: 1.0)
FALSE_RATE = 0.01
FEWEST_ROWS = 50
FEWEST_VALUES = 10


class FeatureSkew(Check):
    """Quantile skewness (q95 + q05 - 2 median) / (q95 - q05), -1..1, of each number column.

    It looks at the inner nine tenths, so outliers do not count as skew. A column is named where it is as skewed as an
    exponential distribution, and beyond what symmetric values of as many rows show. Severity is the largest skewness.
    """

    symptoms = frozenset({"feature_skew"})
    reads = frozenset({"number"})
    cost = "pass"

    def measure(self, context: Context) -> list[Finding]:
        numbers, names = context.numbers()
        found: dict[str, float] = {}
        for j, name in enumerate(names):
            values = numbers[np.isfinite(numbers[:, j]), j]
            if len(values) < FEWEST_ROWS:
                continue
            low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
            if not low < middle < high or len(np.unique(values[:2000])) < FEWEST_VALUES:
                continue
            skewness = float((high + low - 2 * middle) / (high - low))
            chance = stats.norm.isf(FALSE_RATE / (2 * len(names))) * SPREAD / np.sqrt(len(values))
            if abs(skewness) > max(MATTERS, chance):
                found[name] = skewness
        if not found:
            return []
        worst = sorted(found, key=lambda name: (-abs(found[name]), name))
        side = "small" if found[worst[0]] > 0 else "large"
        finding = Finding(
            symptom="feature_skew",
            severity=min(1.0, abs(found[worst[0]])),
            message=(
                f"{count(len(worst))} of {count(len(names))} number columns are skewed, {listed(worst)}: most values "
                f"of {worst[0]!r} are {side} and a few are far from them, and these rule means and scales."
            ),
            measured={"skewness": {name: found[name] for name in worst}, "columns": len(worst)},
            threshold=MATTERS,
            threshold_from="nearly that of an exponential distribution, and beyond symmetric values (simulated)",
            columns=tuple(worst),
        )
        return [finding]
