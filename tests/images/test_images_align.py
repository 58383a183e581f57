"""Laying one picture on another: shifts, stretches and brightness are undone, and other pictures stay apart."""

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

from melior.images.align import FARTHEST, Laid, warped  # noqa: E402
from melior.images.decode import SIDE  # noqa: E402
from melior.images.near import Sketches, candidates, nearest  # noqa: E402


def scene(random, size=240):
    """A picture with detail at every size: discs and bars of random colours, smoothed a little."""
    y, x = np.mgrid[:size, :size]
    picture = np.ones((size, size, 3)) * random.uniform(60, 200, 3)
    for _ in range(60):
        cx, cy = random.uniform(0, size, 2)
        w, h = random.uniform(4, 60, 2)
        inside = ((x - cx) / w) ** 2 + ((y - cy) / h) ** 2 < 1
        picture[inside] = random.uniform(0, 255, 3)
    return Image.fromarray(picture.astype(np.uint8))


def small(image):
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0))


def distance(one, other):
    laid = Laid(np.stack([small(one), small(other)]))
    there, back = laid.distances(np.array([0, 1]), np.array([1, 0]))
    assert abs(there - back) < 0.15  # which is laid on which matters little
    return float(there)


@pytest.fixture(scope="module")
def scenes():
    random = np.random.default_rng(0)
    return [scene(random) for _ in range(30)]


def test_a_picture_is_no_distance_from_itself(scenes):
    assert distance(scenes[0], scenes[0]) < 0.01


@pytest.mark.parametrize("box", [(0, 0, 216, 216), (24, 24, 240, 240), (12, 0, 228, 240), (0, 24, 240, 240)])
def test_cuts_of_ten_percent_are_found(scenes, box):
    for image in scenes[:8]:
        assert distance(image, image.crop(box)) < 0.3


@pytest.mark.parametrize(("factor", "constant"), [(0.5, 0), (0.7, 60), (1.0, -10)])
def test_brightness_and_contrast_do_not_matter(scenes, factor, constant):
    changed = np.clip(np.asarray(scenes[1]) * factor + constant, 0, 255).astype(np.uint8)
    assert distance(scenes[1], Image.fromarray(changed)) < 0.12


def test_other_pictures_mirrors_and_negatives_are_far(scenes):
    laid = Laid(np.stack([small(image) for image in scenes]))
    one, other = np.triu_indices(len(scenes), 1)
    assert laid.distances(one, other).min() > 0.5
    for image in scenes[:5]:
        assert distance(image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) > 0.5
        assert distance(image, Image.fromarray(255 - np.asarray(image))) > 0.5


def test_the_same_shape_in_another_colour_is_another_picture():
    def mark(colour):
        pixels = np.full((60, 60, 3), 255, dtype=np.uint8)
        pixels[15:45, 20:40] = colour
        return Image.fromarray(pixels)

    assert distance(mark((200, 0, 0)), mark((200, 0, 0))) < 0.01
    assert distance(mark((200, 0, 0)), mark((0, 0, 200))) > 0.5


def test_uniform_pictures_cannot_be_compared():
    flat = Laid(np.stack([np.full((SIDE, SIDE, 3), value, np.uint8) for value in (7, 7, 200)]))
    assert flat.distances(np.array([0, 0]), np.array([1, 2])).tolist() == [1, 1]
    assert len(flat.distances(np.empty(0, np.int64), np.empty(0, np.int64))) == 0


def test_warping_moves_by_what_it_says():
    ramp = np.broadcast_to(np.linspace(-1, 1, SIDE, dtype=np.float32), (1, SIDE, SIDE)).copy()
    place = np.array([[0.1, 0.0, -0.2, 0.0]], dtype=np.float32)  # across: shift 0.1, stretch -0.2
    moved, seen = warped(ramp, place)
    wanted = np.linspace(-1, 1, SIDE) * 0.8 + 0.1
    np.testing.assert_allclose(moved[0, 3], wanted, atol=1e-5)
    assert seen.all()
    _, outside = warped(ramp, np.array([[FARTHEST, 0, 0, 0]], dtype=np.float32))
    assert not outside[0, :, -1].any()


def test_only_the_best_pairs_are_measured_where_that_is_asked(scenes):
    pixels = np.stack([small(image) for image in [*scenes, scenes[0].crop((5, 5, 235, 235))]])
    one, other = np.triu_indices(len(pixels), 1)
    every, best = Laid(pixels).distances(one, other), Laid(pixels).distances(one, other, best=1)
    assert ((best == every) | (best == 1)).all()
    copy = np.flatnonzero((one == 0) & (other == len(scenes)))[0]
    assert best[copy] == every[copy] < 0.3


def test_copies_are_among_the_candidates_and_candidates_are_few():
    random = np.random.default_rng(3)
    base = [scene(random, 64) for _ in range(150)]
    copies = [image.crop((3, 2, 62, 63)).resize((40, 40)) for image in base[:40]]
    pixels = np.stack([small(image) for image in [*base, *copies]])
    one, other = candidates(pixels, Sketches(pixels), 8)
    assert (one < other).all()
    found = set(zip(one.tolist(), other.tolist(), strict=True))
    assert len(found) == len(one) <= 16 * len(pixels)
    assert np.mean([(at, 150 + at) in found for at in range(40)]) >= 0.95


def test_nearest_is_brute_force():
    points = np.random.default_rng(0).normal(size=(80, 5))
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.testing.assert_array_equal(nearest(points, points, 4), np.argsort(apart, axis=1)[:, :4])
    assert nearest(points[:2], points, 4).shape == (80, 2)
