"""The nearest other rows of every row: exact where rows are few, among a drawn reference where they are many."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Floats, Rows

EXACT = 20_000  # rows; all distances grow with their square
REFERENCE = 8192  # rows drawn to be near to
TREE_DIMENSIONS = 6  # up to here a k-d tree is faster than all distances by matrix products; at 12 nine times slower
DIMENSIONS = 12  # more are projected on these
FEW_ROWS = 3000
AT_ONCE = 2_000_000  # distances: few enough to stay in a cache
AT_A_TIME = 16  # of them in a set of which first only the smallest counts


def nearest(points: Floats, k: int, *, seed: int = 0, threads: int = 1) -> tuple[Floats, Rows]:
    """Distances and positions (rows, k) of the nearest other rows, the nearest first; fewer where there are not k.

    points  (rows, dimensions). Above 20,000 rows every row is compared with the same 8,192 drawn ones instead of all:
            distances are larger by about the same factor everywhere, so that who is far remains who is far (Sugiyama
            and Borgwardt, Rapid Distance-Based Outlier Detection via Sampling, 2013).

    >>> nearest(np.array([[0.0], [1.0], [1.1]]), 1)[1].ravel().tolist()
    [1, 2, 1]
    """
    rows = len(points)
    if min(k, rows - 1) < 1:
        return np.empty((rows, 0)), np.empty((rows, 0), dtype=np.int64)
    if points.shape[1] > DIMENSIONS and rows > FEW_ROWS:
        from sklearn.decomposition import PCA

        points = PCA(DIMENSIONS, random_state=seed).fit_transform(points)
    if rows > EXACT:
        return _among(points, sample_positions(rows, REFERENCE, seed), k, threads)
    return _searched(points, None, min(k, rows - 1), threads)


def distance_to(points: Floats, others: Floats, k: int, *, seed: int = 0, threads: int = 1) -> Floats:
    """(rows,) distance of each point to the k-th nearest of the others (rows, dimensions), which hold none of them.

    Above 3,000 rows more than 12 dimensions are projected on the 12 principal ones of the points, as by `nearest`.
    """
    if points.shape[1] > DIMENSIONS and len(points) > FEW_ROWS:
        from sklearn.decomposition import PCA

        axes = PCA(DIMENSIONS, random_state=seed).fit(points)
        points, others = axes.transform(points), axes.transform(others)
    return _searched(others, points, k, threads)[0][:, -1]


def _searched(known: Floats, points: Floats | None, k: int, threads: int) -> tuple[Floats, Rows]:
    """Distances and positions (rows, k) of the nearest known points; points None: of each known one but itself."""
    from sklearn.neighbors import NearestNeighbors

    tree = known.shape[1] <= TREE_DIMENSIONS
    search = NearestNeighbors(n_neighbors=k, algorithm="kd_tree" if tree else "brute", n_jobs=threads).fit(known)
    distances, found = search.kneighbors(points)
    found = np.asarray(found, dtype=np.int64)
    if tree:
        return np.asarray(distances), found
    # matrix products are off by rounding, which makes of a copy's 0 something else
    own = known if points is None else points
    exact = np.empty(found.shape)
    for column in range(k):
        exact[:, column] = np.sqrt(np.square(own - known[found[:, column]]).sum(axis=1))
    order = np.argsort(exact, axis=1, kind="stable")
    return np.take_along_axis(exact, order, axis=1), np.take_along_axis(found, order, axis=1)


def sample_positions(rows: int, size: int, seed: int) -> Rows:
    """`size` of so many positions, in order."""
    chosen = np.random.default_rng([seed, 23]).choice(rows, min(size, rows), replace=False)
    return np.sort(chosen).astype(np.int64)


def _among(points: Floats, reference: Rows, k: int, threads: int) -> tuple[Floats, Rows]:
    """The nearest of the reference rows, by blocks of all distances; a row is not its own neighbour."""
    centred = (points - points.mean(axis=0)).astype(np.float32)
    known = centred[reference]
    # the square of the row changes no order; with a column of ones, one matrix product gives all the rest
    twice = np.concatenate([-2 * known, np.einsum("ij,ij->i", known, known)[:, None]], axis=1).T.copy()
    ones = np.ones((len(points), 1), dtype=np.float32)
    place = np.full(len(points), -1, dtype=np.int64)
    place[reference] = np.arange(len(reference))
    distances, found = np.empty((len(points), k)), np.empty((len(points), k), dtype=np.int64)
    step = max(1, AT_ONCE // len(reference))

    def block(start: int) -> None:
        own = slice(start, min(start + step, len(points)))
        part = centred[own]
        apart = np.concatenate([part, ones[own]], axis=1) @ twice  # (rows, reference)
        mine = place[own]
        inside = np.flatnonzero(mine >= 0)
        apart[inside, mine[inside]] = np.inf
        some = _smallest(apart, k)
        near = np.take_along_axis(apart, some, axis=1)
        order = np.argsort(near, axis=1, kind="stable")
        some, near = np.take_along_axis(some, order, axis=1), np.take_along_axis(near, order, axis=1)
        distances[own] = np.sqrt(np.maximum(near + np.einsum("ij,ij->i", part, part)[:, None], 0.0))
        found[own] = reference[some]

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(block, range(0, len(points), step)))
    return distances, found


def _smallest(values: NDArray[np.float32], k: int) -> Rows:
    """(rows, k) positions of the smallest values of each row, in any order.

    Every one of them is in one of the k sets whose own smallest is smallest: a set of which it is not is one of fewer
    than k that hold a smaller one. So most of a long row is read once, to find the smallest of each set.
    """
    rows, length = values.shape
    sets = length // AT_A_TIME
    if k >= sets:
        return np.argpartition(values, k - 1, axis=1)[:, :k].astype(np.int64)
    whole = sets * AT_A_TIME
    least = values[:, :whole].reshape(rows, AT_A_TIME, sets).min(axis=1)  # of every sets-th value
    chosen = np.argpartition(least, k - 1, axis=1)[:, :k]
    places = (chosen[:, None, :] + np.arange(0, whole, sets)[:, None]).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(whole, length), (rows, length - whole))
    places = np.concatenate([places, rest], axis=1)
    inside = np.take_along_axis(values, places, axis=1)
    return np.take_along_axis(places, np.argpartition(inside, k - 1, axis=1)[:, :k], axis=1).astype(np.int64)


def closeness_sample(groups: NDArray[np.int64], size: int, seed: int) -> Rows:
    """Positions of the rows of whole groups, drawn until there are about `size`: rows of one group stay together."""
    if len(groups) <= size:
        return np.arange(len(groups))
    numbers, counts = np.unique(groups, return_counts=True)
    order = np.random.default_rng([seed, 29]).permutation(len(numbers))
    taken = np.searchsorted(np.cumsum(counts[order]), size) + 1
    return np.flatnonzero(np.isin(groups, numbers[order[:taken]]))
