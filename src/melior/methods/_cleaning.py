"""What is wrong with a column of numbers: placeholders, values in another unit, and values out of bounds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from melior.data.table import Floats

Scale = Callable[[Any], Any]

FEWEST = 20  # known values; with fewer nothing is called wrong
PLACEHOLDERS = frozenset(
    {sign * number for number in (9, 99, 999, 9999, 99999, 999999, 9999999) for sign in (1.0, -1.0)}
    | {-1.0, -2147483648.0, 2147483647.0, -32768.0, 32767.0, 65535.0, 4294967295.0}
)
UNITS = (10.0, 100.0, 1000.0, 2.54, 1 / 0.4536, 1e6)  # and their inverses; 1 / 0.4536 pounds are a kilogram
FEWEST_SHIFTED = 5
LEAST_SHARE = 0.005  # of the known values: a placeholder or a unit occurs at least so often


def robust_bounds(values: Floats, level: float = 0.05) -> tuple[float, float]:
    """The values between which all of n clean values lie but in one of 1 / level such columns; (-inf, inf) if unclear.

    values (n,) finite. Median +- c times the spread of that side (upper or lower half of the interquartile range /
    0.6745), on the scale among identity, cube root and logarithm on which quartiles and deciles are most symmetric;
    c is the normal quantile of level / 2n. So normal, lognormal and uniform values hardly ever fall outside, while up
    to a tenth of the values on one side can be wrong without moving the bounds much.
    """
    if len(values) < FEWEST or len(np.unique(values)) < 10:
        return -np.inf, np.inf
    from scipy.special import ndtri

    reach = -float(ndtri(level / 2 / len(values)))
    middle = float(np.median(values))
    scales: list[tuple[Scale, Scale]] = [(np.positive, np.positive)]
    if values.min() < 0:
        scales.append((lambda x: np.cbrt(x - middle), lambda y: y**3 + middle))
    else:
        scales.append((np.cbrt, lambda y: y**3))
    if (values > 0).mean() > 0.98:
        scales.append((log_of_positive, np.exp))
    best: tuple[float, float, float] | None = None
    for number, (forth, back) in enumerate(scales):
        changed = forth(values)
        d1, q1, centre, q3, d9 = np.percentile(changed[np.isfinite(changed)], [10, 25, 50, 75, 90])
        if q3 <= q1:
            continue
        skew = abs(q3 + q1 - 2 * centre) / (q3 - q1) + abs(d9 + d1 - 2 * centre) / (d9 - d1) + 0.05 * (number > 0)
        # on a symmetric scale both sides have the same spread, the larger of quartiles' and deciles'
        spread = max((q3 - q1) / 1.349, min((d9 - d1) / 2.563, 1.3 * (q3 - q1) / 1.349))
        low, high = float(back(centre - reach * spread)), float(back(centre + reach * spread))
        if best is None or skew < best[0]:
            best = skew, low, high
    return (-np.inf, np.inf) if best is None else best[1:]


def log_of_positive(values: Floats) -> Floats:
    return np.asarray(np.log(np.where(values > 0, values, np.nan)))


def placeholders(values: Floats, rest: Floats) -> list[float]:
    """Numbers that stand for missing (-999 and the like) among finite values (n,).

    One of PLACEHOLDERS that occurs at least 3 times and in 0.5 % of the rows, is smaller or larger than all of the
    rest, out of its robust bounds, and further from it than its deciles are from each other (where the rest has no
    bounds because it is too small or too coarse, five times as far).  rest: the values in question taken out.
    """
    found: list[float] = []
    if len(rest) < FEWEST:
        return found
    low, high = np.quantile(rest, [0.1, 0.9])
    least, most = robust_bounds(rest)
    width = max(high - low, 1e-300) * (1 if np.isfinite(least) else 5)
    for number in suspects(values):
        gap = max(rest.min() - number, number - rest.max())
        if gap > width and not (np.isfinite(least) and least <= number <= most):
            found.append(number)
    return found


def suspects(values: Floats) -> list[float]:
    """Those of PLACEHOLDERS that occur often enough among finite values (n,)."""
    often = max(3, LEAST_SHARE * len(values))
    return [number for number in sorted(PLACEHOLDERS) if (values == number).sum() >= often]


def column_faults(values: Floats) -> tuple[list[float], list["Unit"], Floats]:
    """Placeholders, units, and the values put right, of finite values (n,).

    Units are looked for without whatever may be a placeholder, and placeholders by what units leave: -999 among grams
    and kilograms hides neither.
    """
    rest = values[~np.isin(values, suspects(values))]
    units = column_units(rest)
    for unit in units:
        rest = unit.repaired(rest)
    codes = placeholders(values, rest)
    values = values[~np.isin(values, codes)]
    for unit in units:
        values = unit.repaired(values)
    return codes, units, values


@dataclass(frozen=True)
class Unit:
    """Values from `low` on and below `high` are in another unit: dividing them by `factor` puts them right."""

    factor: float
    low: float
    high: float

    def repaired(self, values: Floats) -> Floats:
        inside = (values >= self.low) & (values < self.high)
        return np.where(inside, values / self.factor, values)


def shifted_unit(values: Floats) -> Unit | None:
    """The clump of values that is a multiplied copy of the rest, or None.

    values (n,) finite. On the logarithmic scale the copy is the main clump moved by log(factor). For each factor of
    UNITS and its inverse the two centres, log(factor) apart, are fitted as in 2-means; it is a copy if the clump

    - has at least 5 values and 0.5 % of all, no more than the main one, and seven tenths of all with it,
    - lies where the factor says, within four standard errors of the difference of the medians,
    - is as wide as the main one (interquartile ranges within a factor 2, for clumps large enough to tell),
    - and is cut off: the middle third between the centres holds under a tenth of what the smaller clump has.

    Of several, the factor that fits best.
    """
    positive = values[values > 0]
    if len(positive) < FEWEST or len(positive) < 0.95 * len(values) or len(np.unique(positive)) < 10:
        return None
    logs = np.log(positive)
    best: tuple[float, Unit] | None = None
    for factor in (*UNITS, *(1 / unit for unit in UNITS)):
        shift = float(np.log(factor))
        towards = logs * np.sign(shift)
        step = abs(shift)
        centre = float(np.median(towards))
        for start in (centre, centre - step):  # the median may lie in either clump when they are nearly as large
            fitted = fitted_clumps(towards, step, start)
            if fitted is None:
                continue
            misfit, centre_found = fitted
            edge = centre_found + step / 2
            cut = float(np.exp(edge * np.sign(shift)))
            # further away than twice the step it is not this unit: leave it to the bounds
            far = float(np.exp((edge + step) * np.sign(shift)))
            unit = Unit(factor, cut, far) if shift > 0 else Unit(factor, far, cut)
            if best is None or misfit < best[0]:
                best = misfit, unit
    return None if best is None else best[1]


def fitted_clumps(towards: Floats, step: float, centre: float) -> tuple[float, float] | None:
    """How badly the distance of the clumps fits (0..1) and the main clump's centre, or None where there is no copy."""
    for _ in range(10):
        shifted = towards > centre + step / 2
        if shifted.all() or not shifted.any():
            return None
        before, centre = centre, float(np.median(towards[~shifted]))
        if centre == before:
            break
    main, clump = towards[~shifted], towards[shifted]
    clump = clump[clump < centre + 1.5 * step]
    main = main[main > centre - step / 2]
    if not max(FEWEST_SHIFTED, LEAST_SHARE * len(towards)) <= len(clump) <= len(main):
        return None
    width, other = (float(np.subtract(*np.percentile(part, [75, 25]))) for part in (main, clump))
    allowed = 4 * 1.2533 * width / 1.349 * np.sqrt(1 / len(main) + 1 / len(clump)) + 0.01 * step
    away = abs(float(np.median(clump)) - centre - step)
    if away > min(allowed, 0.2 * step):
        return None
    if len(clump) >= 20 and not 0.5 * width <= other <= 2 * width:
        return None
    if len(main) + len(clump) < 0.7 * len(towards):
        return None
    between = np.abs(towards - (centre + step / 2)) < step / 6
    if between.sum() > 0.1 * len(clump):
        return None
    return away / step, centre


def column_units(values: Floats) -> list[Unit]:
    """Up to three repairs of finite values (n,), to be applied in turn."""
    found: list[Unit] = []
    for _ in range(3):
        unit = shifted_unit(values)
        if unit is None:
            break
        found.append(unit)
        values = unit.repaired(values)
    return found
