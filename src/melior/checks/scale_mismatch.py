"""Scale mismatch: columns in such different units that distances, penalties and gradients see only the largest."""

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._statistics import count
from melior.findings import Finding

MOST_RATIO = 100.0


class ScaleMismatch(Check):
    """The largest over the smallest spread (interquartile range, else standard deviation) of the number columns.

    The steps that gradient descent needs grow with the square of this ratio, and a column with a hundredth of the
    spread has a ten-thousandth of the weight in a squared distance. Severity is half the number of decades beyond
    100, plus 0.25, at most 1.
    """

    symptoms = frozenset({"scale_mismatch"})
    reads = frozenset({"number"})

    def measure(self, context: Context) -> list[Finding]:
        numbers, names = context.numbers()
        spreads: dict[str, float] = {}
        for j, name in enumerate(names):
            values = numbers[np.isfinite(numbers[:, j]), j]
            if len(values) < 10:
                continue
            with np.errstate(over="ignore", invalid="ignore"):  # numbers near the largest that there are
                low, high = np.quantile(values, [0.25, 0.75])
                spread = float(high - low) or float(values.std())
            if np.isfinite(spread) and spread > 0:
                spreads[name] = spread
        if len(spreads) < 2:
            return []
        widest, narrowest = max(spreads, key=spreads.__getitem__), min(spreads, key=spreads.__getitem__)
        ratio = min(spreads[widest] / spreads[narrowest], 1e300)
        if ratio <= MOST_RATIO:
            return []
        finding = Finding(
            symptom="scale_mismatch",
            severity=float(min(1.0, 0.25 + 0.5 * np.log10(ratio / MOST_RATIO))),
            message=(
                f"{widest!r} spreads over {count(spreads[widest])} and {narrowest!r} over {count(spreads[narrowest])}: "
                f"a factor of {count(ratio)}. Distances, penalties and gradients see mostly the first."
            ),
            measured={"ratio": ratio, "largest": spreads[widest], "smallest": spreads[narrowest]},
            threshold=MOST_RATIO,
            threshold_from="condition number: a hundredth of the spread is a ten-thousandth of a squared distance",
            columns=(widest, narrowest),
        )
        return [finding]
