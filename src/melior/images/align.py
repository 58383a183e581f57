"""How much two pictures differ once one is laid on the other: shifted, stretched and made brighter as fits best.

What a crop, another size, another brightness and another compression do to a picture is a small shift and stretch along
both axes, a factor and a constant. These are found by Gauss-Newton steps from coarse to fine: with B the one picture, A
the other as laid on it so far, and x, y in -1..1, regress

    B = c0 + c1 A + c2 dA/dx + c3 dA/dy + c4 x dA/dx + c5 y dA/dy

and move A by c2 / c1 ... c5 / c1.  Lucas and Kanade, An iterative image registration technique, 1981; Baker and
Matthews, Lucas-Kanade 20 years on, IJCV 2004. What remains is then measured on details alone (see `Laid`).
"""

import numpy as np
from numpy.typing import NDArray

from melior.images.decode import Pixels

Floats32 = NDArray[np.float32]
Numbers = NDArray[np.int64]

COARSE, FINE = 3.0, (1.5, 0.75)  # standard deviations of the blurs in pixels
STEPS_COARSE, STEPS_FINE = 4, 2
DETAIL = 5.0  # what a blur of this size keeps is no detail: skies and shadows that many pictures share
FARTHEST = 0.25  # a shift in units of half a side, and a stretch: more than a crop of 10 % on either side needs
LEAST_OVERLAP = 0.7  # of the picture that must be covered by the other
HOPELESS = 0.6  # distance after the coarse steps beyond which finer ones are not taken
PAIRS_AT_ONCE = 2048
FLAT = 2e-5  # variance of colours in 0..1 below which there is little but the rounding to 256 levels (1.3e-6)


def blurred(values: Floats32, spread: float) -> Floats32:
    """(pictures, side, side, ...) smoothed by a Gaussian of this standard deviation in pixels, edges mirrored."""
    from scipy.ndimage import gaussian_filter1d

    once = gaussian_filter1d(values, spread, axis=1, mode="reflect", truncate=3.0)
    return np.asarray(gaussian_filter1d(once, spread, axis=2, mode="reflect", truncate=3.0), dtype=np.float32)


class Laid:
    """Pictures made ready to be laid on one another.

    pixels (pictures, SIDE, SIDE, 3). Kept of each: brightness at three sharpnesses for finding the place, and the
    details in three colours (the picture less its blur by DETAIL pixels) for measuring what remains.
    """

    def __init__(self, pixels: Pixels) -> None:
        weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
        count, side = pixels.shape[:2]
        # half precision: a thousandth of a standard deviation, and 11 KiB a picture
        self.coarse = np.empty((count, side // 2, side // 2), dtype=np.float16)
        self.fine = [np.empty((count, side, side), dtype=np.float16) for _ in FINE]
        self.details = np.empty((count, side, side, 3), dtype=np.float16)
        self.flat = np.empty(count, dtype=bool)
        for at in range(0, count, PAIRS_AT_ONCE):
            some = slice(at, at + PAIRS_AT_ONCE)
            colours = pixels[some].astype(np.float32) / np.float32(255)
            light = np.asarray(colours @ weights, dtype=np.float32)
            coarse = blurred(light, COARSE)
            self.coarse[some] = _standardized(coarse.reshape(-1, side // 2, 2, side // 2, 2).mean(axis=(2, 4)))
            for level, spread in zip(self.fine, FINE, strict=True):
                level[some] = _standardized(blurred(light, spread))
            sharp = blurred(colours, FINE[-1])
            details = sharp - blurred(colours, DETAIL)
            strength = np.sqrt(np.square(details).mean(axis=(1, 2, 3), keepdims=True))
            self.details[some] = details / np.maximum(strength, 1e-6)
            self.flat[some] = sharp.var(axis=(1, 2)).mean(axis=1) < FLAT

    def distances(self, one: Numbers, other: Numbers, best: int | None = None) -> NDArray[np.float64]:
        """(pairs,) share of the one picture's details that the other, laid on it, does not explain: 0..1.

        one, other (pairs,) numbers of pictures. sqrt(1 - r^2) with r the correlation of the details over all pixels
        in common and all three colours, one factor for all. 1 where a picture is uniform, where the best factor is
        negative, or where nothing fits within FARTHEST and LEAST_OVERLAP. With `best`, only pairs that fit coarsely,
        and are among the `best` such pairs of either picture, are measured; 1 for the others.
        """
        place = np.zeros((len(one), 4), dtype=np.float32)  # shift across, down; stretch across, down
        rough = np.ones(len(one))
        pieces = [slice(at, at + PAIRS_AT_ONCE) for at in range(0, len(one), PAIRS_AT_ONCE)]
        for some in pieces:
            place[some] = _moved_on(self.coarse, one[some], other[some], place[some], STEPS_COARSE)
            moved, seen = warped(_wide(self.coarse, other[some]), place[some])
            rough[some] = _unexplained(_wide(self.coarse, one[some])[..., None], moved[..., None], seen)
        found = np.ones(len(one))
        hopeful = np.flatnonzero(~self.flat[one] & ~self.flat[other])
        if best is not None:
            hopeful = hopeful[rough[hopeful] < HOPELESS]
            hopeful = hopeful[_among_best(one[hopeful], other[hopeful], rough[hopeful], best)]
        for at in range(0, len(hopeful), PAIRS_AT_ONCE):
            some_pairs = hopeful[at : at + PAIRS_AT_ONCE]
            left, right, now = one[some_pairs], other[some_pairs], place[some_pairs]
            for level in self.fine:
                now = _moved_on(level, left, right, now, STEPS_FINE)
            moved, seen = warped(_wide(self.details, right), now)
            found[some_pairs] = _unexplained(_wide(self.details, left), moved, seen)
        return found


def warped(values: Floats32, place: Floats32) -> tuple[Floats32, Floats32]:
    """Pictures (pairs, side, side, ...) moved by place (pairs, 4), and (pairs, side, side) 1 where they cover it.

    The value at x is taken from x + shift + stretch x, in -1..1, by linear interpolation.
    """
    side = values.shape[1]
    axis, grid = np.linspace(-1, 1, side, dtype=np.float32), np.arange(side, dtype=np.float32)
    weights, inside = [], []
    for shift, stretch in ((place[:, 1], place[:, 3]), (place[:, 0], place[:, 2])):
        at = (axis + shift[:, None] + stretch[:, None] * axis + 1) * np.float32((side - 1) / 2)  # (pairs, side)
        inside.append((at >= -0.5) & (at <= side - 0.5))
        at = np.clip(at, 0, side - 1)
        weights.append(np.maximum(0, 1 - np.abs(at[:, :, None] - grid)))  # (pairs, side to, side from)
    down, across = weights[0], weights[1].transpose(0, 2, 1)
    covered = (inside[0][:, :, None] & inside[1][:, None, :]).astype(np.float32)
    if values.ndim == 3:
        return down @ values @ across, covered
    parts = [down @ values[..., colour] @ across for colour in range(values.shape[3])]
    return np.stack(parts, axis=-1), covered


def _standardized(values: Floats32) -> Floats32:
    """Each picture with mean 0 and standard deviation 1, so that faint ones are laid like others."""
    centred = values - values.mean(axis=(1, 2), keepdims=True)
    return np.asarray(centred / np.maximum(centred.std(axis=(1, 2), keepdims=True), 1e-6), dtype=np.float32)


def _wide(values: NDArray[np.float16], which: Numbers) -> Floats32:
    return values[which].astype(np.float32)


def _moved_on(level: NDArray[np.float16], one: Numbers, other: Numbers, place: Floats32, steps: int) -> Floats32:
    fixed, loose = _wide(level, one), _wide(level, other)
    for _ in range(steps):
        moved, seen = warped(loose, place)
        place = np.clip(place + _step(fixed, moved, seen), -FARTHEST, FARTHEST)
    return place


def _step(fixed: Floats32, moved: Floats32, seen: Floats32) -> Floats32:
    """(pairs, 4) how far to move on; 0 where the pictures are too different to say."""
    pairs, side = fixed.shape[:2]
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    half = np.float32((side - 1) / 2)  # pixels a unit
    across, down = np.zeros_like(moved), np.zeros_like(moved)
    across[:, :, 1:-1] = (moved[:, :, 2:] - moved[:, :, :-2]) * (half / 2)
    down[:, 1:-1] = (moved[:, 2:] - moved[:, :-2]) * (half / 2)
    design = np.empty((pairs, 6, side, side), dtype=np.float32)
    for number, part in enumerate((np.float32(1), moved, across, down, across * axis, down * axis[:, None])):
        design[:, number] = part
    design *= seen[:, None]
    flat = design.reshape(pairs, 6, -1)
    square = (flat @ flat.transpose(0, 2, 1)).astype(np.float64)
    square += 1e-4 * np.trace(square, axis1=1, axis2=2)[:, None, None] / 6 * np.eye(6) + 1e-9 * np.eye(6)
    answer = (flat @ fixed.reshape(pairs, -1, 1)).astype(np.float64)
    found = np.linalg.solve(square, answer)[:, :, 0]
    steps = found[:, 2:] / np.where(found[:, 1] > 0.1, found[:, 1], np.inf)[:, None]
    return np.clip(steps, -0.1, 0.1).astype(np.float32)


def _unexplained(fixed: Floats32, moved: Floats32, seen: Floats32) -> NDArray[np.float64]:
    """(pairs,) sqrt(1 - r^2) of (pairs, side, side, colours) where seen (pairs, side, side)."""
    pairs, colours = len(fixed), fixed.shape[3]
    weight = np.repeat(seen.reshape(pairs, -1, 1), colours, axis=2).reshape(pairs, -1)
    many = np.maximum(weight.sum(axis=1), 1)
    a, b = fixed.reshape(pairs, -1), moved.reshape(pairs, -1)
    a = (a - (a * weight).sum(axis=1)[:, None] / many[:, None]) * weight
    b = (b - (b * weight).sum(axis=1)[:, None] / many[:, None]) * weight
    both = (a * b).sum(axis=1, dtype=np.float64)
    r = both / np.sqrt(np.maximum((a * a).sum(axis=1, dtype=np.float64) * (b * b).sum(axis=1, dtype=np.float64), 1e-30))
    usable = (r > 0) & (weight.mean(axis=1) >= LEAST_OVERLAP)
    return np.where(usable, np.sqrt(np.clip(1 - r * r, 0, 1)), 1.0)


def _among_best(one: Numbers, other: Numbers, distance: NDArray[np.float64], best: int) -> NDArray[np.bool_]:
    """(pairs,) whether a pair is among the `best` nearest of either of its pictures."""
    kept = np.zeros(len(one), dtype=bool)
    for end in (one, other):
        order = np.lexsort((distance, end))
        starts = np.flatnonzero(np.diff(end[order], prepend=-1))
        rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
        kept[order[rank < best]] = True
    return kept
