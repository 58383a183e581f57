"""Hashes, features, and the store that decodes once."""

import io
import threading
from itertools import pairwise

import numpy as np
import pytest
from scipy.fft import dctn

Image = pytest.importorskip("PIL.Image")

from melior.images import store as stores  # noqa: E402
from melior.images.decode import SIDE, Unreadable  # noqa: E402
from melior.images.features import (  # noqa: E402
    DIRECTIONS,
    LEVELS,
    colour_histograms,
    described,
    gradient_histograms,
    grey,
    parts_differ,
    plain,
    small_colours,
)
from melior.images.hashes import difference_hash, differing_bits, perceptual_hash  # noqa: E402
from melior.images.store import ImageStore  # noqa: E402


def noise(count=6, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3)).astype(np.uint8)


def test_perceptual_hash_is_the_low_frequencies_above_their_median():
    light = grey(noise())
    for picture, found in zip(light, perceptual_hash(light).tolist(), strict=True):
        waves = dctn(picture.astype(np.float64), type=2)
        low = waves[:8, :8].ravel()
        low[0] = waves[8, 8]
        bits = "".join("1" if value > np.median(low) else "0" for value in low)
        assert int(bits, 2) == found


def test_difference_hash_compares_neighbouring_parts():
    light = grey(noise(seed=1))
    for picture, found in zip(light, difference_hash(light).tolist(), strict=True):
        fine = np.repeat(picture.astype(np.float64), 9, axis=1)  # each of nine columns is 32 ninths of a pixel wide
        parts = fine.reshape(8, 4, 9, 32).mean(axis=(1, 3))
        bits = "".join("1" if right > left else "0" for row in parts for left, right in pairwise(row))
        assert int(bits, 2) == found


def test_hashes_of_brighter_pictures_are_the_same_and_of_others_differ():
    light = grey(noise(40))
    for make in (perceptual_hash, difference_hash):
        hashes = make(light)
        assert (differing_bits(hashes, make(0.5 * light + 0.2)) <= 1).all()
        others = differing_bits(hashes[:20], hashes[20:])
        assert 20 < others.mean() < 44


@pytest.mark.parametrize("direction", range(DIRECTIONS))
def test_gradients_point_where_the_brightness_rises(direction):
    angle = 2 * np.pi * direction / DIRECTIONS
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    ramp = (0.5 + 0.5 * (x * np.cos(angle) + y * np.sin(angle))).astype(np.float32)[None]
    found = gradient_histograms(ramp).reshape(8, 8, DIRECTIONS)
    assert (found[2:6, 2:6].argmax(axis=2) == direction).all()
    assert found.min() >= 0
    assert not gradient_histograms(np.full((1, SIDE, SIDE), 0.3, np.float32)).max() > 1e-6


def test_colours_and_plain_numbers():
    pixels = noise()
    grid = pixels.reshape(6, 8, 4, 8, 4, 3).mean(axis=(2, 4)) / 255
    np.testing.assert_allclose(small_colours(pixels).reshape(6, 8, 8, 3), grid, atol=1e-5)
    shares = colour_histograms(pixels).reshape(6, 3, 8) ** 2
    for colour in range(3):
        counted = np.histogram(pixels[0, :, :, colour], bins=np.arange(0, 257, 32))[0] / SIDE**2
        np.testing.assert_allclose(shares[0, colour], counted, atol=1e-6)
    np.testing.assert_allclose(plain(pixels)[:, :3], pixels.mean(axis=(1, 2)) / 255, atol=1e-6)
    np.testing.assert_allclose(plain(pixels)[:, 3:6], pixels.std(axis=(1, 2)) / 255, atol=1e-6)
    assert np.abs(plain(np.full((1, SIDE, SIDE, 3), 77, np.uint8))[0, 3:]).max() < 1e-12


def test_the_features_of_a_picture_do_not_depend_on_others():
    pixels = noise(37, seed=3)
    for make in (described, plain, parts_differ):
        together = make(pixels)
        assert np.isfinite(together).all()
        for at in (0, 17, 36):
            assert np.array_equal(make(pixels[at : at + 1])[0], together[at])
        assert make(pixels[:0]).shape == (0, together.shape[1])


def test_uniform_pictures_stay_within_their_levels_however_saved():
    random = np.random.default_rng(0)
    for number in range(60):
        colour = tuple(random.integers(0, 256, 3).tolist())
        image = Image.new("RGB", tuple(random.integers(20, 300, 2).tolist()), colour)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(random.integers(10, 96)), subsampling=number % 3)
        shown = np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB").resize((SIDE, SIDE)))
        assert parts_differ(shown[None])[0, 0] <= LEVELS


# ---- the store


@pytest.fixture
def folder(tmp_path):
    for number, pixels in enumerate(noise(5)):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return tmp_path


def test_images_are_decoded_once_and_stand_in_the_order_asked(folder, monkeypatch):
    seen = []
    real = stores.file_bytes
    monkeypatch.setattr(stores, "file_bytes", lambda path: seen.append(path.name) or real(path))
    store = ImageStore(folder)
    first = store.rows(["1.png", None, "0.png", "1.png", "gone.png"])
    second = store.rows(["0.png", "2.png"])
    assert sorted(seen) == ["0.png", "1.png", "2.png", "gone.png"]
    assert first.readable.tolist() == [True, False, True, True, False]
    assert first.faults() == [None, None, None, None, "absent"]
    assert first.sizes.tolist() == [[32, 32], [0, 0], [32, 32], [32, 32], [0, 0]]
    assert first.formats() == ["PNG", "", "PNG", "PNG", ""]
    np.testing.assert_array_equal(first.pixels[2], second.pixels[0])
    np.testing.assert_array_equal(first.pixels[[0, 2]], noise(5)[[1, 0]])
    assert len(set(first.digests.tolist())) == 3


def test_what_is_computed_is_computed_once_for_each(folder):
    store = ImageStore(folder)
    counted = []

    def make(pixels):
        counted.append(len(pixels))
        return pixels.reshape(len(pixels), -1).mean(axis=1, keepdims=True)

    one = store.rows(["0.png"]).derived("mean", make)
    rows = store.rows(["0.png", "3.png"])
    two = rows.derived("mean", make)
    rows.derived("mean", make)
    assert sum(counted) == 3  # the place of what is missing, and two images
    assert one[0] == two[0]
    np.testing.assert_allclose(two[:, 0], rows.pixels.mean(axis=(1, 2, 3)), rtol=1e-6)


def test_threads_share_a_store(folder):
    store = ImageStore(folder)
    found = []

    def ask(number):
        found.append(store.rows([f"{(number + i) % 5}.png" for i in range(5)]).derived("described", described).sum())

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert np.ptp(found) < 1e-2


def test_paths_as_other_systems_write_them(folder):
    (folder / "sub").mkdir()
    (folder / "0.png").rename(folder / "sub" / "0.png")
    rows = ImageStore(folder).rows(["sub\\0.png", "https://example.org/0.png", "file://there/0.png", "half \udc80.png"])
    assert rows.faults() == [None, "elsewhere", "elsewhere", "absent"]


def test_progress_is_told_after_a_while(folder, monkeypatch):
    told = []
    monkeypatch.setattr(stores, "AT_ONCE", 1)
    store = ImageStore(folder)
    store.rows(["0.png"], lambda done, of: told.append((done, of)))
    assert not told
    clock = iter(range(1000))
    monkeypatch.setattr(stores.time, "monotonic", lambda: float(next(clock)))
    store.rows([f"{number}.png" for number in range(1, 5)], lambda done, of: told.append((done, of)))
    assert told[-1] == (4, 4)


def test_images_in_memory(folder):
    store = ImageStore()
    store.put(["a", "b"], [(folder / "0.png").read_bytes(), None])
    rows = store.rows(["b", "a"])
    assert rows.faults() == ["empty", None]
    with pytest.raises(Unreadable):
        store.path("http://example.org/a.png")
