"""Perceptual hashes of 64 bits: pictures that look alike differ in few of them."""

import numpy as np
from numpy.typing import NDArray

from melior.images.decode import SIDE

Hashes = NDArray[np.uint64]
LOW = 8  # frequencies in each direction


def perceptual_hash(brightness: NDArray[np.float32]) -> Hashes:
    """(pictures,) hashes of (pictures, SIDE, SIDE): which of the 64 lowest frequencies lie above their median.

    The frequencies are those of the discrete cosine transform (DCT-II), without the mean brightness and the next
    along the diagonal in its place, so the hash does not change with brightness and contrast. The first frequency is
    the highest bit. Zauner, Implementation and benchmarking of perceptual image hash functions, 2010 (DCT variant).

    >>> import numpy as np
    >>> picture = np.random.default_rng(0).random((1, SIDE, SIDE), dtype=np.float32)
    >>> int(perceptual_hash(picture)[0] ^ perceptual_hash(picture / 2)[0])
    0
    """
    waves = np.cos(np.pi / SIDE * (np.arange(SIDE) + 0.5)[None, :] * np.arange(LOW + 1)[:, None])  # (LOW + 1, SIDE)
    found = np.einsum("ky,nyx,lx->nkl", waves, brightness.astype(np.float64), waves, optimize=True)
    low = found[:, :LOW, :LOW].reshape(len(brightness), -1)
    low[:, 0] = found[:, LOW, LOW]
    return _packed(low > np.median(low, axis=1, keepdims=True))


def difference_hash(brightness: NDArray[np.float32]) -> Hashes:
    """(pictures,) hashes of (pictures, SIDE, SIDE): whether each of 8 x 8 parts is darker than the next to the right.

    The ninth part that the last is compared with comes from a grid of nine columns. Krawetz, Kind of like that, 2013.
    """
    rows = brightness.reshape(len(brightness), LOW, SIDE // LOW, SIDE).mean(axis=2, dtype=np.float64)
    edges = np.linspace(0, SIDE, LOW + 2)
    sums = np.concatenate([np.zeros((*rows.shape[:2], 1)), rows.cumsum(axis=2)], axis=2)
    whole = edges.astype(np.int64)
    inside = np.minimum(whole + 1, SIDE)
    at = sums[:, :, whole] + (edges - whole) * (sums[:, :, inside] - sums[:, :, whole])
    parts = np.diff(at, axis=2)
    return _packed((parts[:, :, 1:] > parts[:, :, :-1]).reshape(len(brightness), -1))


def differing_bits(one: Hashes, other: Hashes) -> NDArray[np.int64]:
    """Bits in which hashes differ, elementwise (Hamming distance), 0..64."""
    return np.asarray(np.bitwise_count(one ^ other), dtype=np.int64)


def _packed(bits: NDArray[np.bool_]) -> Hashes:
    """(pictures, 64) truths to one number each, the first the highest bit."""
    packed = np.packbits(bits, axis=1)
    return np.ascontiguousarray(packed).view(">u8").astype(np.uint64).reshape(len(bits))
