"""How far out is too far: what the tail of the other values predicts.

The largest values of nearly every distribution follow a generalized Pareto law above a high threshold (Pickands 1975),
with a shape that is negative for uniform, about 0 for normal, positive for lognormal and Pareto values. So the shape is
learned from the tail itself and its uncertainty averaged over (a posterior on a grid). Suspects are the values beyond
one of the widest gaps. The fit knows of them only that they lie above the gap (a censored likelihood, so that leaving
them out does not shorten the tail); then the gap is judged: given that `many` values lie above its lower end, how
likely is it that all of them lie above its upper end. The m-th gap gets 1 / m(m+1) of the false rate; these sum to 1.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from melior.data.table import Floats, Rows

MOST = 0.05  # of the values at most can be outliers; more of them are a part of the distribution
FEWEST_VALUES = 20
LARGEST_TAIL, SMALLEST_TAIL = 250, 20
SHAPES = np.linspace(-0.6, 1.6, 28)
SHAPE_SPREAD = 0.3  # of the prior, which only matters for short tails
GAPS = 3
CLUMP = 10  # suspects from this number on (and 2 % of the rows) may be a small group of their own kind


@dataclass(frozen=True)
class Beyond:
    """positions of the outliers, the farthest first; scores -log10 of the number expected that far out; p of such a
    gap anywhere in the tail; limit, the last value that belongs."""

    positions: Rows
    scores: Floats
    p: float
    limit: float


def upper_outliers(values: Floats, false_rate: float) -> Beyond | None:
    """Values (finite) too large for the tail of the others at this probability of any false one; None where none is."""
    rows = len(values)
    if rows < FEWEST_VALUES:
        return None
    order = np.argsort(-values, kind="stable")
    ordered = values[order]  # falling
    if ordered[0] <= ordered[min(rows - 1, rows // 2)]:
        return None
    upper = int(np.count_nonzero(ordered > ordered[rows // 2]))  # a column that is mostly one value has no tail
    ordered = _spread(ordered)
    most = max(1, int(MOST * rows))
    gaps = ordered[:most] - ordered[1 : most + 1]
    above = ordered[: most + 1] - ordered[rows // 2]
    factors = np.arange(1, most + 1) * np.log(above[:-1] / np.maximum(above[1:], 1e-12 * above[0]))
    candidates = np.unique(np.concatenate([np.argsort(-gaps)[:1], np.argsort(-factors)[:GAPS]]))
    best: tuple[float, int, Floats, float] | None = None
    for cut in candidates:
        many = int(cut) + 1
        if _a_group(ordered, many):
            below = order[many:]
            found = upper_outliers(values[below], false_rate)
            return None if found is None else Beyond(below[found.positions], found.scores, found.p, found.limit)
    for cut in candidates:
        many = int(cut) + 1
        tail = ordered[many : many + max(SMALLEST_TAIL, rows // 10)]
        if upper - many < SMALLEST_TAIL // 2 or gaps[cut] <= (tail - tail[-1]).mean():  # nobody would call that far
            continue
        judged = _predicted(ordered, many)
        if judged is None:
            continue
        p, expected = judged
        p = min(1.0, p * many * (many + 1))
        if best is None or p < best[0]:
            best = (p, many, expected, float(ordered[many]))
    if best is None or best[0] > false_rate:
        return None
    p, many, expected, limit = best
    return Beyond(order[:many], -np.log10(np.maximum(expected, 1e-300)), p, limit)


def surprise(values: Floats, value: float) -> float:
    """Probability that the next value beyond the largest (or smallest) of these lies as far out as this one; 1 where
    it does not lie outside."""
    if len(values) < FEWEST_VALUES or values.min() <= value <= values.max():
        return 1.0
    sign = 1.0 if value > values.max() else -1.0
    judged = _predicted(_spread(np.append(sign * value, -np.sort(-sign * values))), 1)
    return 1.0 if judged is None else judged[0]


def _spread(ordered: Floats) -> Floats:
    """Values that repeat because they are rounded, spread over the step they were rounded to."""
    top = ordered[: max(FEWEST_VALUES, len(ordered) // 4)]
    distinct = np.unique(top)
    if len(distinct) < 2 or len(distinct) > 0.9 * len(top):
        return ordered
    step = float(np.diff(distinct).min())
    _, first, counts = np.unique(-ordered, return_index=True, return_counts=True)
    within = np.arange(len(ordered)) - np.repeat(first, counts)
    share = (within + 0.5) / np.repeat(counts, counts)
    found: Floats = ordered + step * (0.5 - share)
    return found


def _a_group(ordered: Floats, many: int) -> bool:
    """Whether the suspects stand as close together as the other values do: a group of their own, not strays."""
    if many < max(CLUMP, 0.02 * len(ordered)):
        return False
    apart = ordered[many - 1] - ordered[many]
    suspects = ordered[:many]
    spread = float(np.subtract(*np.quantile(suspects, [0.75, 0.25])))
    usual = float(np.subtract(*np.quantile(ordered[many:], [0.75, 0.25])))
    return spread <= 1.5 * usual and spread < apart


def _predicted(ordered: Floats, many: int) -> tuple[float, Floats] | None:
    """Probability of the gap below the nearest suspect, and the number of values expected as far out as each."""
    rest = ordered[many:]
    size = min(int(np.clip(0.15 * len(rest), SMALLEST_TAIL, LARGEST_TAIL)), len(rest) // 2)
    threshold = rest[size]
    tail = rest[:size] - threshold
    tail = tail[tail > 0]
    if len(tail) < SMALLEST_TAIL // 2:
        return None
    scale = tail.mean()
    tail = tail / scale
    far = (ordered[:many] - threshold) / scale
    sizes = np.exp(np.linspace(-1.2, 1.6, 25))[None, :] * np.maximum(1 - SHAPES, 0.15)[:, None]  # (shapes, sizes)
    shapes = np.broadcast_to(SHAPES[:, None], sizes.shape)
    last = _log_survival(tail[:1], shapes, sizes, 0.0)[:, :, 0]  # beyond the largest value that is not suspected
    logs = -len(tail) * np.log(sizes) - 0.5 * (SHAPES[:, None] / SHAPE_SPREAD) ** 2 + many * last
    logs = logs + _log_survival(tail, shapes, sizes, 1.0).sum(axis=2)
    weights = special.softmax(logs)
    beyond = _log_survival(far, shapes, sizes, 0.0)
    expected = (len(tail) + many) * np.einsum("ab,abm->m", weights, np.exp(beyond))
    possible = np.isfinite(last)
    ratio = np.where(possible, beyond[:, :, -1] - np.where(possible, last, 0.0), -np.inf)
    p = float((weights * np.exp(many * ratio)).sum())
    return p, expected


def _log_survival(values: Floats, shapes: Floats, sizes: Floats, more: float) -> Floats:
    """(shapes, sizes, values) log of (1 + shape value / size) ** -(1 / shape + more), -inf beyond the end."""
    safe = np.where(np.abs(shapes) < 1e-9, 1e-9, shapes)[:, :, None]
    inside = 1 + safe * values / sizes[:, :, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(inside > 0, -(1 / safe + more) * np.log(np.maximum(inside, 1e-300)), -np.inf)
    return found
