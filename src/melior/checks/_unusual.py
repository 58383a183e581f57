"""How unlike all others a row is: three views of its neighbours, added up.

Each finds what the others miss. The distance to the nearest rows tells who is far from everybody; over that of its
neighbours it tells who is far for where it stands (local outlier factor, Breunig et al. 2000); over the distance to
rows whose columns are shuffled, each on its own, it tells values that each occur and together do not: where the columns
are independent, rows stand among the shuffled ones as they stand among their own.
"""

import numpy as np

from melior.data.table import Floats, Rows
from melior.features.neighbours import EXACT, distance_to

NEIGHBOURS = 20
SHUFFLED_NEIGHBOURS, SHUFFLES = 10, 4
MANY = 5000  # rows; beyond, one shuffling is enough: distances among so many vary little from one to the next
COPIES = 0.05  # copies are at distance 0; no neighbourhood counts as narrower than this quantile


def unusual(points: Floats, distances: Floats, near: Rows, *, seed: int = 0, threads: int = 1) -> Floats:
    """(rows,) the larger, the more unlike the others: the sum of three logarithms, each less its median and in units of
    its distance from the median to the upper quartile; the third counts from -1 on.

    points     (rows, dimensions)
    distances  (rows, k) to the nearest other rows, the nearest first; near: their positions. The first 20 are looked at
    seed       of the shuffling, which is done four times, above 5,000 rows once; above 20,000 not at all, and two
               logarithms are added up

    >>> rows = np.random.default_rng(0).normal(size=(200, 2))
    >>> from melior.features.neighbours import nearest
    >>> rows[7] = 9
    >>> int(unusual(rows, *nearest(rows, 20)).argmax())
    7
    """
    distances, near = distances[:, :NEIGHBOURS], near[:, :NEIGHBOURS]
    reach = distances[:, -1]
    least = max(float(np.quantile(reach[reach > 0], COPIES)), 1e-300) if (reach > 0).any() else 1.0
    reach = np.maximum(reach, least)
    within = np.maximum(np.maximum(distances, reach[near]).mean(axis=1), least)
    views = [np.log(reach), np.log(within) + np.log((1 / within[near]).mean(axis=1))]
    found: Floats = np.sum([_scaled(view) for view in views], axis=0)
    if len(points) <= EXACT:
        random = np.random.default_rng([seed, 37])
        place = min(SHUFFLED_NEIGHBOURS, distances.shape[1])
        apart = np.zeros(len(points))
        shuffles = SHUFFLES if len(points) <= MANY else 1
        for _ in range(shuffles):
            shuffled = np.column_stack([random.permutation(column) for column in points.T])
            reached = distance_to(points, shuffled, place, seed=seed, threads=threads)
            apart += np.log(np.maximum(reached, least)) / shuffles
        # far out, the shuffled ones are far too, which speaks for nobody
        found += np.maximum(_scaled(np.log(np.maximum(distances[:, place - 1], least)) - apart), -1.0)
    return found


def _scaled(values: Floats) -> Floats:
    middle, upper = np.quantile(values, [0.5, 0.75])
    found: Floats = (values - middle) / max(float(upper - middle), 1e-12)
    return found
