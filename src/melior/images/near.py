"""Which pictures might be copies of which: pairs worth comparing, in n log n.

Two ways, because either alone misses some: nearest neighbours of blurred pictures in a few dimensions, and neighbours
in the order of perceptual hashes, begun at four places of the hash.
"""

import numpy as np
from numpy.typing import NDArray

from melior.images.align import Numbers, blurred
from melior.images.decode import SIDE, Pixels
from melior.images.features import grey
from melior.images.hashes import perceptual_hash

DIMENSIONS = 12  # a k-d tree beats brute force up to about here
GRID = 8
PICTURES = 4096  # worked on at a time
FITTED_ON = 20_000


class Sketches:
    """Pictures in DIMENSIONS numbers each: principal components of the blurred picture, brightness and contrast left
    out. `of` gives those of other pictures in the same dimensions."""

    def __init__(self, pixels: Pixels) -> None:
        flat = _flat(pixels)
        some = flat[:: max(1, len(flat) // FITTED_ON)]
        self.mean = some.mean(axis=0)
        _, directions = np.linalg.eigh((some - self.mean).T @ (some - self.mean))
        self.directions = directions[:, ::-1][:, :DIMENSIONS]
        self.points = (flat - self.mean) @ self.directions

    def of(self, pixels: Pixels) -> NDArray[np.float64]:
        return np.asarray((_flat(pixels) - self.mean) @ self.directions)


def nearest(points: NDArray[np.float64], asked: NDArray[np.float64], k: int) -> Numbers:
    """(asked, k) numbers of the nearest points; fewer columns where there are fewer points."""
    from scipy.spatial import cKDTree

    _, found = cKDTree(points).query(asked, k=min(k, len(points)), workers=1)
    return np.asarray(found, dtype=np.int64).reshape(len(asked), -1)


def candidates(pixels: Pixels, sketches: Sketches, k: int) -> tuple[Numbers, Numbers]:
    """Pairs (one < other) of pictures that may be copies: the k nearest sketches of each, and the next two in each of
    four orders of the perceptual hash."""
    count = len(pixels)
    near = nearest(sketches.points, sketches.points, k + 1)
    pairs = [np.stack([np.repeat(np.arange(count), near.shape[1]), near.ravel()])]
    hashes = np.concatenate([perceptual_hash(grey(pixels[at : at + PICTURES])) for at in range(0, count, PICTURES)])
    for turn in (0, 16, 32, 48):
        begun = (hashes << np.uint64(turn)) | (hashes >> np.uint64((64 - turn) % 64)) if turn else hashes
        order = np.argsort(begun, kind="stable")
        pairs += [np.stack([order[:-step], order[step:]]) for step in (1, 2)]
    joined = np.concatenate(pairs, axis=1)
    low, high = joined.min(axis=0), joined.max(axis=0)
    keys = np.unique((low * count + high)[low < high])
    return keys // count, keys % count


def _flat(pixels: Pixels) -> NDArray[np.float64]:
    """(pictures, GRID * GRID * 3) blurred colours with mean 0 and, unless the picture is uniform, deviation 1."""
    pieces = []
    step = SIDE // GRID
    for at in range(0, len(pixels), PICTURES):
        soft = blurred(pixels[at : at + PICTURES].astype(np.float32) / np.float32(255), step / 2)
        flat = soft[:, step // 2 :: step, step // 2 :: step].reshape(len(soft), -1).astype(np.float64)
        centred = flat - flat.mean(axis=1, keepdims=True)
        pieces.append(centred / np.maximum(centred.std(axis=1, keepdims=True), 0.01))
    return np.concatenate(pieces) if pieces else np.empty((0, GRID * GRID * 3))
