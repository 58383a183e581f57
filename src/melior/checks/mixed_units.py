"""Mixed units: some values of a column are in another unit, so that they are a shifted copy of the others."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from melior.checks._base import Check, Context
from melior.checks._statistics import count, share
from melior.data.table import Floats, Rows
from melior.findings import Finding

FACTORS = {
    "1000": 1000.0, "100": 100.0, "10": 10.0, "2.54 (inches and centimetres)": 2.54,
    "25.4 (inches and millimetres)": 25.4, "2.2046 (kilograms and pounds)": 2.20462,
    "3.281 (metres and feet)": 3.28084, "1.609 (miles and kilometres)": 1.609344, "28.35 (ounces and grams)": 28.3495,
}  # fmt: skip
FEWEST = 8
LEAST, MOST = 0.005, 0.4
ALIKE = 0.1
WIDE = 2.0  # the gap, in mean distances of the nearest twentieth of either side
VAGUE = 0.07  # two standard errors of the ratio at most, else any factor would do
FALSE_RATE = 1e-6


@dataclass(frozen=True)
class Clump:
    """The smaller part, by position, and how it relates to the larger."""

    positions: Rows
    factor: str
    p: float


class MixedUnits(Check):
    """Columns that fall into two clumps, where the smaller is the larger in another unit.

    The values are cut at their widest gap (in logarithms for factors, as they are for Celsius and Fahrenheit). The gap
    must be wider than the tail of either clump allows (exponential spacings), and the smaller clump, put
    into the other unit, must have the larger one's distribution: place within two standard errors and two-sample
    Kolmogorov-Smirnov not rejected at 10 %. An honest second clump lands on one of ten known factors by chance now and
    then, so the finding is never certain. Severity is twice the share of the smaller clump.
    """

    symptoms = frozenset({"invalid_values"})
    reads = frozenset({"number"})
    cost = "pass"

    def measure(self, context: Context) -> list[Finding]:
        numbers, names = context.numbers()
        found = []
        for j, name in enumerate(names):
            known = np.flatnonzero(np.isfinite(numbers[:, j]))
            clump = other_unit(numbers[known, j])
            if clump is None:
                continue
            rows = context.table.row_ids[known[clump.positions]]
            part = len(rows) / len(context.table)
            finding = Finding(
                symptom="invalid_values",
                severity=min(1.0, 2 * part),
                message=(
                    f"{count(len(rows))} of {count(len(known))} values of {name!r} ({share(part)}) look like the "
                    f"others in another unit: apart from them by {clump.factor}, and spread alike."
                ),
                measured={
                    "kind": "units",
                    "rows": len(rows),
                    "share": part,
                    "factor": clump.factor,
                    "p_alike": clump.p,
                },
                threshold=ALIKE,
                threshold_from="two-sample Kolmogorov-Smirnov after conversion; spacings for the gap",
                columns=(name,),
                rows=np.sort(rows),
                certain=False,
            )
            found.append(finding)
        return found


def other_unit(values: Floats) -> Clump | None:
    """The smaller clump if it is the larger in another unit."""
    if len(values) < 5 * FEWEST:
        return None
    if (values > 0).all():
        logs = np.log(values)
        parts = parted(logs)
        if parts is not None:
            small, large = parts
            up = bool(np.median(logs[small]) > np.median(logs[large]))
            for factor, size in FACTORS.items() if 2 * uncertainty(logs[small], logs[large]) < VAGUE else ():
                p = alike(logs[small] - (1 if up else -1) * np.log(size), logs[large])
                if p > ALIKE:
                    return Clump(small, f"a factor of {factor}", p)
    parts = parted(values)
    if parts is None:
        return None
    small, large = parts
    conversions: list[Callable[[Floats], Floats]] = [lambda v: 1.8 * v + 32, lambda v: (v - 32) / 1.8]
    for convert in conversions:
        p = alike(convert(values[small]), values[large])
        if p > ALIKE:
            return Clump(small, "the step from Celsius to Fahrenheit", p)
    return None


def parted(values: Floats) -> tuple[Rows, Rows] | None:
    """Positions below and above the widest gap, the smaller part first; None where there is no real gap."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    rows = len(ordered)
    least = max(FEWEST, int(LEAST * rows))
    gaps = np.diff(ordered)[least - 1 : rows - least]
    if not len(gaps):
        return None
    cut = int(np.argmax(gaps)) + least
    small, large = (order[:cut], order[cut:]) if cut <= rows - cut else (order[cut:], order[:cut])
    if len(small) > MOST * rows:
        return None
    # k values beyond an exponential tail of mean excess m leave a gap of g with probability exp(-k g / m)
    gap = float(ordered[cut] - ordered[cut - 1])
    for side in (ordered[:cut][::-1], ordered[cut:]):
        near = np.abs(side[: max(FEWEST, len(side) // 20)] - side[0])
        if np.exp(-len(small) * gap / max(float(near.mean()), 1e-300)) > FALSE_RATE or gap < WIDE * near.mean():
            return None
    return small, large


def alike(small: Floats, large: Floats) -> float:
    """p that both are draws of one distribution; 0 where their medians are apart."""
    if abs(float(np.median(small) - np.median(large))) > 2 * uncertainty(small, large):
        return 0.0
    return float(stats.ks_2samp(small, large).pvalue)


def uncertainty(small: Floats, large: Floats) -> float:
    """Standard error of the difference of the medians of two draws of one normal distribution."""
    spread = float(np.subtract(*np.quantile(large, [0.75, 0.25])))
    return float(0.93 * spread * np.sqrt(1 / len(small) + 1 / len(large)))
