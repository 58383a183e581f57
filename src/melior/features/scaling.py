"""Scaling of number columns: min-max, standard, robust, quantile and power, learnt from training rows."""

from typing import ClassVar, Literal, Self

import numpy as np
import polars as pl

from melior.data.table import Floats, Table
from melior.features._base import TableStep

Scale = Literal["min_max", "standard", "robust", "quantile", "power"]

MOST_QUANTILES = 1000
LAMBDAS = (-4.0, 6.0)  # Yeo-Johnson's exponent is looked for in between
FAR = 5.2  # the normal quantile of 1e-7: how far the quantile scale reaches


def yeo_johnson(values: Floats, power: float) -> Floats:
    """The Yeo-Johnson transformation, any shape; nan stays.

    ((x + 1)^p - 1) / p for x >= 0 (log(x + 1) for p = 0), -((1 - x)^(2 - p) - 1) / (2 - p) for x < 0
    (-log(1 - x) for p = 2).  Yeo and Johnson, A New Family of Power Transformations, Biometrika 2000.
    """
    found = np.full(np.shape(values), np.nan)
    above, below = values >= 0, values < 0
    x = np.log1p(values[above])
    found[above] = x if abs(power) < 1e-9 else np.expm1(power * x) / power
    x = np.log1p(-values[below])
    found[below] = -x if abs(power - 2) < 1e-9 else -np.expm1((2 - power) * x) / (2 - power)
    return found


def yeo_johnson_power(values: Floats) -> float:
    """The exponent that makes finite values (n,) most normal: maximum likelihood over -4..6.

    log likelihood = -n / 2 log var(y) + (p - 1) sum sign(x) log(|x| + 1).
    """
    from scipy.optimize import minimize_scalar

    if np.ptp(values) == 0:
        return 1.0
    stretch = float((np.sign(values) * np.log1p(np.abs(values))).sum())

    def loss(power: float) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            spread = float(np.var(yeo_johnson(values, power)))
        if not np.isfinite(spread) or spread <= 0:
            return np.inf
        return float(len(values) / 2 * np.log(spread) - (power - 1) * stretch)

    grid = np.linspace(*LAMBDAS, 41)  # the likelihood may be flat at the ends: start where it is best
    best = float(grid[int(np.argmin([loss(power) for power in grid]))])
    found = minimize_scalar(loss, bounds=(best - 0.25, best + 0.25), method="bounded", options={"xatol": 1e-6})
    return float(found.x)


def quantile_normal(values: Floats, knots: Floats) -> Floats:
    """The normal quantile of each value's rank among the knots, any shape; nan stays.

    knots (count,) nondecreasing: the quantiles of training rows at equal steps from 0 to 1. Between knots one
    interpolates; a value that stands at several knots gets the mean of their ranks.
    """
    from scipy.special import ndtri

    steps = np.linspace(0, 1, len(knots))
    up = np.interp(values, knots, steps)
    down = -np.interp(-values, -knots[::-1], -steps[::-1])
    edge = 0.5 / len(knots)
    return np.asarray(np.clip(ndtri(np.clip((up + down) / 2, edge, 1 - edge)), -FAR, FAR))


class NumberScale(TableStep):
    """Scales every number column; what is missing stays missing.

    min_max   to 0..1 of the training rows, new rows clipped to -1..2
    standard  mean 0, standard deviation 1
    robust    median 0, interquartile range 1.349 (that of a standard normal)
    quantile  the normal quantile of the rank
    power     Yeo-Johnson at the likeliest exponent, then standard
    """

    scales: ClassVar[bool] = True

    def __init__(self, kind: Scale) -> None:
        self.kind = kind
        self.columns: list[str] = []
        self.centres = np.empty(0)
        self.spreads = np.empty(0)
        self.powers = np.empty(0)
        self.knots: list[Floats] = []

    def fit(self, table: Table, seed: int) -> Self:
        self.columns = table.of_kind("number")
        centres, spreads, powers, self.knots = [], [], [], []
        for name in self.columns:
            values = table.numbers(name)
            values = values[np.isfinite(values)]
            power, centre, spread = 1.0, 0.0, 1.0
            if not len(values):
                values = np.zeros(1)
            if self.kind == "min_max":
                centre, spread = float(values.min()), float(np.ptp(values))
            elif self.kind == "robust":
                low, centre, high = (float(q) for q in np.percentile(values, [25, 50, 75]))
                spread = (high - low) / 1.349 or float(values.std())
            elif self.kind == "quantile":
                count = min(len(values), MOST_QUANTILES)
                self.knots.append(np.quantile(values, np.linspace(0, 1, count)) if count > 1 else np.repeat(values, 2))
            else:
                with np.errstate(over="ignore"):
                    centre, spread = float(values.mean()), float(values.std())
                if self.kind == "power" and spread > 0:
                    # at unit spread first, so that the exponent does not depend on the unit of measurement
                    power = yeo_johnson_power((values - centre) / spread)
            if self.kind == "power":
                self.knots.append(inner_scale(values, centre, spread, power))
            centres.append(centre)
            spreads.append(spread if spread > 0 and np.isfinite(spread) else 1.0)
            powers.append(power)
        self.centres, self.spreads, self.powers = np.array(centres), np.array(spreads), np.array(powers)
        return self

    def transform(self, table: Table) -> Table:
        changed = []
        for position, name in enumerate(self.columns):
            values = table.numbers(name)
            values = np.where(np.isfinite(values), values, np.nan)
            if self.kind == "quantile":
                values = quantile_normal(values, self.knots[position])
            else:
                values = (values - self.centres[position]) / self.spreads[position]
                if self.kind == "min_max":
                    values = np.clip(values, -1.0, 2.0)
                elif self.kind == "power":
                    mean, deviation = self.knots[position]
                    # far beyond what was seen, a power explodes
                    with np.errstate(over="ignore"):
                        values = (yeo_johnson(values, float(self.powers[position])) - mean) / deviation
                    values = np.clip(values, -20.0, 20.0)
            changed.append(pl.Series(name, values, dtype=pl.Float64, nan_to_null=True))
        return table.with_frame(table.frame.with_columns(changed)) if changed else table


def inner_scale(values: Floats, centre: float, spread: float, power: float) -> Floats:
    """(2,) mean and standard deviation of the standardised values after the power transformation."""
    raised = yeo_johnson((values - centre) / (spread or 1.0), power)
    return np.array([raised.mean(), raised.std() or 1.0])
