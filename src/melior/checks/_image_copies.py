"""Images that are nearly the same, and how near is too near for chance.

The null: mirrored images. A mirror image, and one turned upside down, is as detailed as the image itself and like the
others of its kind, but nothing that copying does turns one into the other. How near mirrored images come to the images
of the table is how near images come by chance. In any number of dimensions D the chance of a neighbour within a small
distance x grows as x^D, so the lower tail of these distances is continued as a power of x (Hill 1975), with the lower
95 % limit of D. The largest threshold counts at which at most 2 % of the images within it are expected there by chance
(a false discovery rate, Benjamini and Hochberg 1995); for both kinds of mirrors, the smaller.

Where the table itself holds mirror images of its images, the null has neighbours before a gap that chance does not
make. A kind of mirror with many such gaps is no null, and the other kind is used alone; of a kind with few of them, the
rows with the widest are left out.

What most images have in common (a background, a frame, the view of one camera) is lost when they are mirrored, so a
second null are pairs drawn at random: where a tenth of them is near, the power that their tenth and their median give
says how near one of all others comes by chance. And copies share their answers: a large group of which the answers
are about as mixed as those of the table is the view of one camera, and no group of copies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from melior.data.table import Floats, Rows, Table
from melior.images.align import Laid
from melior.images.features import LEVELS, parts_differ
from melior.images.near import Sketches, candidates, nearest
from melior.images.store import ImageRows, ImageStore

NEAREST = 8  # neighbours that are compared
BEST = 3  # of them, compared in detail
NULL_ROWS = 600
FALSE_RATE = 0.02
FARTHEST = 0.5  # three quarters of the details are the same (1 - 0.5^2); what differs more is another image
MOST_IMAGES = 100_000  # compared; more are sampled
FEWEST = 20  # images whose distances say what is usual
GAP_RATE = 1e-3
SURE_GAP = 1e-6  # of rows that are left out of the null; chance makes none of it in tables of this size
MOST_GAPPED = 0.05
PAIRS = 1000  # drawn at random
TENTH = 0.1  # of them, at least, are no copies of one another
MIXED = 10  # images of a group whose answers are looked at
LEAST_ALIKE = 0.25  # of the way from chance to full agreement


@dataclass(frozen=True)
class NearImages:
    """Images (positions in the order given) that are nearly the same.

    group       (images,) the number of the group each belongs to; alone where nothing is near
    nearest     (images,) distance to the nearest copy, 0 where the small pictures are the same, 1 where there is none
    threshold   largest distance at which two images count as copies, 0 for identical ones only
    compared    how many images were compared
    same        (images,) the number of the group of those whose small pictures are the same
    """

    group: Rows
    nearest: Floats
    threshold: float
    compared: int
    same: Rows

    def take(self, which: Rows) -> "NearImages":
        """The same of some of the images."""
        return replace(self, group=self.group[which], nearest=self.nearest[which], same=self.same[which])

    def without(self, views: NDArray[np.bool_]) -> "NearImages":
        """Of these images only those are copies whose small pictures are the same."""
        if not views.any():
            return self
        apart = self.group.max() + 1 + self.same
        return replace(
            self,
            group=np.where(views, apart, self.group),
            nearest=np.where(views & (self.nearest > 0), 1.0, self.nearest),
        )

    def clusters(self) -> list[Rows]:
        """Positions of each group of two and more, the largest first."""
        order = np.argsort(self.group, kind="stable")
        cuts = np.flatnonzero(np.diff(self.group[order])) + 1
        groups = [group for group in np.split(order, cuts) if len(group) > 1]
        return sorted(groups, key=lambda group: (-len(group), int(group[0])))


def near_images(parts: Sequence[ImageRows], seed: int = 0) -> NearImages:
    """Copies among the images of all parts, one after the other. Uniform and unreadable images are no copies."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    pixels = np.concatenate([part.pixels for part in parts])
    good = np.concatenate([part.readable for part in parts])
    good &= parts_differ(pixels)[:, 0] > LEVELS
    random = np.random.default_rng([seed, 11])
    where = np.flatnonzero(good)
    if len(where) > MOST_IMAGES:
        where = np.sort(random.choice(where, MOST_IMAGES, replace=False))
    first, same = _distinct(pixels[where])  # one picture of identical ones is compared
    kept = pixels[where[first]]
    one, other, distances, threshold = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), 0.0
    if len(kept) >= FEWEST:
        sketches, laid = Sketches(kept), Laid(kept)
        left, right = candidates(kept, sketches, NEAREST)
        apart = laid.distances(left, right, BEST)
        closest = np.ones(len(kept))
        np.minimum.at(closest, left, apart)
        np.minimum.at(closest, right, apart)
        threshold = min(limit(kept, sketches, closest, random), anywhere(laid, random))
        near = apart <= threshold
        one, other, distances = where[first[left[near]]], where[first[right[near]]], apart[near]
    copies = np.flatnonzero(first[same] != np.arange(len(where)))
    one = np.concatenate([one, where[first[same[copies]]]])
    other = np.concatenate([other, where[copies]])
    distances = np.concatenate([distances, np.zeros(len(copies))])
    nearest_copy = np.ones(len(pixels))
    np.minimum.at(nearest_copy, one, distances)
    np.minimum.at(nearest_copy, other, distances)
    links = csr_matrix((np.ones(len(one)), (one, other)), shape=(len(pixels), len(pixels)))
    group = np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)
    alike = np.arange(len(pixels))
    alike[where] = where[first[same]]
    return NearImages(group, nearest_copy, threshold, len(where), alike)


def limit(pixels: NDArray[np.uint8], sketches: Sketches, observed: Floats, random: np.random.Generator) -> float:
    """The distance up to which images count as copies, for the observed (images,) distance of each to its nearest."""
    some = np.sort(random.choice(len(pixels), min(NULL_ROWS, len(pixels)), replace=False))
    nulls = []
    for mirrored in (pixels[some][:, :, ::-1], pixels[some][:, ::-1, ::-1]):
        asked = np.ascontiguousarray(mirrored)
        near = nearest(sketches.points, sketches.of(asked), NEAREST + 1)
        which, right = np.repeat(np.arange(len(some)), near.shape[1]), near.ravel()
        apart = right != some[which]  # a symmetric image is like its own mirror image
        which, right = which[apart], right[apart]
        there, numbered = np.unique(right, return_inverse=True)
        laid = Laid(np.concatenate([asked, pixels[there]]))
        table = np.ones((len(some), NEAREST + 1))
        table[which, np.arange(len(which)) - np.searchsorted(which, which)] = laid.distances(
            which, len(some) + numbered
        )
        nulls.append(np.sort(table, axis=1)[:, :NEAREST])
    held = [null[~before_gap(null, SURE_GAP)] for null in nulls if not holds_mirrors(null)]
    # where the table holds mirror images of both kinds, at least those that show themselves are left out
    used = held or [null[~before_gap(null)] for null in nulls]
    return min(lower_limit(null, observed) for null in used)


def anywhere(laid: Laid, random: np.random.Generator) -> float:
    """The distance within which any of the other images comes to one by chance in FALSE_RATE of the cases, by pairs
    drawn at random, of which less than TENTH are copies."""
    images = len(laid.flat)
    one, step = random.integers(0, images, PAIRS), random.integers(1, images, PAIRS)
    apart = np.maximum(laid.distances(one, (one + step) % images), 1e-4)
    border, middle = np.quantile(apart, [TENTH, 0.5])
    power = np.log(0.5 / TENTH) / max(float(np.log(middle / border)), 1e-9)
    return float(border * (FALSE_RATE / (TENTH * images)) ** (1 / power))


def of_one_view(group: Rows, labels: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """(images,) whether it stands in a large group whose answers are about as mixed as those of all."""
    known = labels >= 0
    shares = np.bincount(labels[known]) / max(known.sum(), 1)
    chance = float(np.square(shares).sum())
    found = np.zeros(len(group), dtype=bool)
    if chance == 1 or not known.any():
        return found
    members, sizes = np.unique(group[known], return_counts=True)
    for one in members[sizes >= MIXED]:
        counts = np.bincount(labels[known & (group == one)])
        alike = (counts * (counts - 1)).sum() / (counts.sum() * (counts.sum() - 1))
        if alike < chance + LEAST_ALIKE * (1 - chance):
            found |= group == one
    return found


def lower_limit(null: Floats, observed: Floats) -> float:
    """The largest distance within which at most FALSE_RATE of the images are there by chance, at most FARTHEST.

    null (rows, neighbours) rising distances of images that are no copies; observed (images,) distances to the nearest.
    """
    if len(null) < FEWEST:
        return 0.0
    closest = np.maximum(np.sort(null[:, 0]), 1e-4)
    tail = min(max(FEWEST // 2, int(np.sqrt(len(closest)))), len(closest) - 1)
    border = closest[tail]
    power = (tail - 1) / max(float(np.log(border / closest[:tail]).sum()), 1e-9)
    power *= float(stats.chi2.ppf(0.05, 2 * tail)) / (2 * tail)
    steps = np.unique(observed[observed <= FARTHEST])
    by_chance = np.where(
        steps < border,
        tail / len(closest) * (np.minimum(steps, border) / border) ** power,
        (np.searchsorted(closest, steps, side="right") + 1) / len(closest),
    )
    by_chance = np.maximum(by_chance, np.searchsorted(closest, steps, side="right") / len(closest))
    seen = np.searchsorted(np.sort(observed), steps, side="right")
    fine = np.flatnonzero(len(observed) * by_chance <= FALSE_RATE * np.maximum(seen, 1))
    return float(steps[fine[-1]]) if len(fine) else 0.0


def holds_mirrors(null: Floats) -> bool:
    """Whether more rows stand before a gap than MOST_GAPPED: unevenly scattered photographs and digits without mirror
    images have up to 0.02 of them, tables with one mirror image of each image more than 0.5."""
    return bool(before_gap(null).mean() > MOST_GAPPED)


def before_gap(null: Floats, rate: float = GAP_RATE) -> NDArray[np.bool_]:
    """(rows,) whether the nearest neighbours stand before a gap that evenly scattered neighbours would not leave.

    Of neighbours scattered evenly in any number of dimensions, the j log(d[j + 1] / d[j]) are independent and
    exponential (Rényi 1953), so one of them against the sum of the k after it exceeds t with probability
    (1 + t)^-k.  All gaps are tried, the j-th for 1 / j(j + 1) of the rate.
    """
    far = np.maximum(null, 1e-3)
    steps = np.log(far[:, 1:] / far[:, :-1]) * np.arange(1, far.shape[1])
    found = np.zeros(len(null), dtype=bool)
    for j in range(1, steps.shape[1] - 2):
        after = np.maximum(steps[:, j:].sum(axis=1), 0.05)
        p = (1 + steps[:, j - 1] / after) ** -float(steps.shape[1] - j)
        found |= p * j * (j + 1) < rate
    return found


def of_tables(tables: Sequence[Table], column: str) -> list[NearImages]:
    """`near_images` of all tables together, the part of each. Of tables cut out of one, computed once for all rows."""
    root = tables[0].root
    if root is not None and all(table.root is root and table.positions is not None for table in tables):
        store = tables[0].images

        def whole() -> NearImages:
            cells = root.frame.get_column(column).to_list()
            return near_images([(ImageStore() if store is None else store).rows(cells)])

        found: NearImages = root.once(("near images", column), whole)
        joint = found.take(np.concatenate([table.positions for table in tables if table.positions is not None]))
    else:
        joint = near_images([table.pictures(column) for table in tables])
    if all(table.labels is not None for table in tables):
        joint = joint.without(of_one_view(joint.group, np.concatenate([table.given_labels() for table in tables])))
    ends = np.cumsum([0, *(table.rows for table in tables)])
    return [joint.take(np.arange(start, stop)) for start, stop in pairwise(ends.tolist())]


def _distinct(pixels: NDArray[np.uint8]) -> tuple[Rows, Rows]:
    """Where each different picture stands first, and for every picture the number of the one it equals."""
    flat = np.ascontiguousarray(pixels.reshape(len(pixels), -1))
    if not len(flat):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    rows = flat.view(np.dtype((np.void, flat.shape[1]))).ravel()
    _, first, same = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")  # in the order of the rows, not of the bytes
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return first[order].astype(np.int64), place[same.ravel()]
