"""Pictures to plain numbers: gradient histograms, small colours, colour histograms, and a few that people can read.

Every number of a picture is computed from that picture alone by the same operations in the same order, so that it is
the same to the last bit whatever pictures stand beside it.
"""

import numpy as np
from numpy.typing import NDArray

from melior.images.decode import SIDE, Pixels

Floats32 = NDArray[np.float32]

CELL = 4  # pixels of a cell's side
DIRECTIONS = 8
LEAST_ENERGY = 0.05  # of a cell's gradients: keeps flat parts flat
COLOUR_GRID = 8
COLOUR_BINS = 8
LEVELS = 3  # of 256 between the darkest and the lightest part of a uniform picture after rounding and JPEG
PLAIN = ("red", "green", "blue", "spread of red", "spread of green", "spread of blue", "colourfulness", "sharpness")


def grey(pixels: Pixels) -> Floats32:
    """(pictures, SIDE, SIDE) brightness in 0..1 of (pictures, SIDE, SIDE, 3): 0.299 R + 0.587 G + 0.114 B (BT.601)."""
    parts = pixels.astype(np.float32)
    return np.asarray((0.299 * parts[..., 0] + 0.587 * parts[..., 1] + 0.114 * parts[..., 2]) / 255, dtype=np.float32)


def gradient_histograms(brightness: Floats32) -> Floats32:
    """(pictures, cells * DIRECTIONS): how much the brightness rises in each direction, in cells of CELL x CELL pixels.

    brightness (pictures, SIDE, SIDE) in 0..1. Where the gradient has length m and angle t, direction k of K gets
    m max(0, cos(t - 2 pi k / K))^3. A cell's histogram is divided by the root of LEAST_ENERGY plus the mean squared
    length of the histograms in the 3 x 3 cells around. After Dalal and Triggs, Histograms of oriented gradients for
    human detection, CVPR 2005; signed directions, and smooth bins in place of interpolated ones.
    """
    count = len(brightness)
    across, down = np.zeros_like(brightness), np.zeros_like(brightness)
    across[:, :, 1:-1] = (brightness[:, :, 2:] - brightness[:, :, :-2]) / 2
    down[:, 1:-1] = (brightness[:, 2:] - brightness[:, :-2]) / 2
    squared = across * across + down * down + np.float32(1e-8)
    cells = SIDE // CELL
    histograms = np.empty((count, cells, cells, DIRECTIONS), dtype=np.float32)
    for k in range(DIRECTIONS):
        angle = 2 * np.pi * k / DIRECTIONS
        along = np.maximum(across * np.float32(np.cos(angle)) + down * np.float32(np.sin(angle)), 0)
        histograms[..., k] = _by_cells(np.asarray(along * along * along / squared, dtype=np.float32), CELL)
    energy = np.pad((histograms * histograms).sum(axis=3), ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = np.zeros((count, cells, cells), dtype=np.float32)
    for i in range(3):
        for j in range(3):
            around += energy[:, i : i + cells, j : j + cells]
    scaled = histograms / np.sqrt(around / 9 + np.float32(LEAST_ENERGY))[..., None]
    return np.asarray(scaled.reshape(count, cells * cells * DIRECTIONS), dtype=np.float32)


def small_colours(pixels: Pixels) -> Floats32:
    """(pictures, COLOUR_GRID ** 2 * 3) mean red, green and blue in 0..1 of each part of a grid."""
    size = SIDE // COLOUR_GRID
    parts: Floats32 = pixels.astype(np.float32) / np.float32(255)
    means = [_by_cells(parts[..., colour], size) / (size * size) for colour in range(3)]
    return np.asarray(np.stack(means, axis=-1).reshape(len(pixels), COLOUR_GRID**2 * 3), dtype=np.float32)


def colour_histograms(pixels: Pixels) -> Floats32:
    """(pictures, 3 * COLOUR_BINS) roots of the shares of pixels in equal bins of red, green and blue.

    Of roots, because the distance between them is Hellinger's, which suits shares.
    """
    flat = (pixels >> 5).reshape(len(pixels), SIDE * SIDE, 3)  # 256 values into 8 bins
    shares = [(flat == number).mean(axis=1, dtype=np.float64) for number in range(COLOUR_BINS)]
    return np.asarray(np.sqrt(np.stack(shares, axis=2)).reshape(len(pixels), 3 * COLOUR_BINS), dtype=np.float32)


def plain(pixels: Pixels) -> Floats32:
    """(pictures, len(PLAIN)) means and standard deviations of the colours in 0..1; colourfulness: mean difference of
    the largest and the smallest colour of a pixel; sharpness: root mean square of the brightness's Laplacian."""
    parts = pixels.reshape(len(pixels), SIDE * SIDE, 3).astype(np.float64) / 255
    apart = parts.max(axis=2) - parts.min(axis=2)
    light = grey(pixels).astype(np.float64)
    bent = (
        4 * light[:, 1:-1, 1:-1] - light[:, 2:, 1:-1] - light[:, :-2, 1:-1] - light[:, 1:-1, 2:] - light[:, 1:-1, :-2]
    )
    sharp = np.sqrt((bent**2).mean(axis=(1, 2)))
    columns = [parts.mean(axis=1), parts.std(axis=1), apart.mean(axis=1)[:, None], sharp[:, None]]
    return np.asarray(np.hstack(columns), dtype=np.float32)


def parts_differ(pixels: NDArray[np.uint8]) -> Floats32:
    """(pictures, 1) the largest difference of any colour between two parts of the small picture, in levels of 256.

    A picture with at most LEVELS is uniform.
    """
    flat = pixels.reshape(len(pixels), SIDE * SIDE, 3)
    return np.asarray(np.ptp(flat, axis=1).max(axis=1, keepdims=True), dtype=np.float32)


def described(pixels: Pixels) -> Floats32:
    """(pictures, 728) what a model reads of a picture: gradient histograms, small colours, colour histograms."""
    parts = [gradient_histograms(grey(pixels)), small_colours(pixels), colour_histograms(pixels)]
    return np.hstack(parts)


def _by_cells(values: Floats32, size: int) -> Floats32:
    """(pictures, SIDE / size, SIDE / size) sums over cells, added in one order whatever the number of pictures."""
    rows = values[:, ::size].copy()
    for offset in range(1, size):
        rows += values[:, offset::size]
    found = rows[:, :, ::size].copy()
    for offset in range(1, size):
        found += rows[:, :, offset::size]
    return found
