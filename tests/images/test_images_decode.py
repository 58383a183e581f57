"""Reading images: every format and orientation gives the same picture, and what is none says why."""

import io
import os
import struct
import zlib

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")
ImageOps = pytest.importorskip("PIL.ImageOps")

from melior.images import decode as module  # noqa: E402
from melior.images.decode import FAULTS, SIDE, Unreadable, decode, read_image, thumbnail  # noqa: E402

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(width=64, height=48, colours=(RED, GREEN, BLUE, WHITE)):
    """Red top left, green top right, blue bottom left, white bottom right."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = colours[0], colours[1]
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = colours[2], colours[3]
    return Image.fromarray(pixels)


def saved(image, kind, **settings):
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def corners(picture):
    return [picture.pixels[y, x].astype(int).tolist() for y in (5, SIDE - 6) for x in (5, SIDE - 6)]


def fault(data):
    with pytest.raises(Unreadable) as caught:
        decode(data)
    return caught.value.fault


@pytest.mark.parametrize(
    ("kind", "settings", "off"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("GIF", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 90}, 12),
        ("JPEG", {"quality": 95, "subsampling": 0}, 4),
    ],
)
def test_every_format_gives_the_same_picture(kind, settings, off):
    picture = decode(saved(quarters(), kind, **settings))
    assert (picture.width, picture.height, picture.format) == (64, 48, kind)
    assert picture.pixels.dtype == np.uint8
    for found, wanted in zip(corners(picture), (RED, GREEN, BLUE, WHITE), strict=True):
        assert np.abs(np.array(found) - wanted).max() <= off


def test_the_picture_is_the_mean_of_what_it_covers():
    """Against the mean of whole blocks; interpolation reaches a little into the neighbours."""
    random = np.random.default_rng(0)
    smooth = np.kron(random.integers(0, 256, (8, 8, 3)), np.ones((64, 64, 1))).astype(np.uint8)
    pixels = decode(saved(Image.fromarray(smooth), "PNG")).pixels.astype(float)
    inside = pixels.reshape(8, 4, 8, 4, 3)[:, 1:3, :, 1:3].mean(axis=(1, 3))
    assert np.abs(inside - smooth[32::64, 32::64]).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(orientation, kind):
    stored = quarters()
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(stored, kind, exif=exif, **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {}))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")  # the reference
    picture = decode(data)
    assert (picture.width, picture.height) == upright.size
    small = np.asarray(upright.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    for y in (5, SIDE - 6):
        for x in (5, SIDE - 6):
            assert np.abs(picture.pixels[y, x].astype(int) - small[y, x]).max() <= 16


def test_grey_palette_and_transparent_images():
    grey = decode(saved(quarters().convert("L"), "PNG"))
    assert corners(grey) == [[76] * 3, [150] * 3, [29] * 3, [255] * 3]
    two = decode(saved(Image.fromarray(np.arange(64)[None, :].repeat(64, 0) >= 32), "PNG"))
    assert corners(two) == [[0] * 3, [255] * 3, [0] * 3, [255] * 3]
    palette = decode(saved(quarters().convert("P", palette=Image.Palette.ADAPTIVE), "PNG"))
    assert corners(palette) == [list(c) for c in (RED, GREEN, BLUE, WHITE)]
    clear = np.dstack([np.asarray(quarters()), np.repeat([[0], [255]], 24, axis=0) * np.ones((1, 64), int)])
    shown = decode(saved(Image.fromarray(clear.astype(np.uint8), "RGBA"), "PNG"))
    assert corners(shown) == [[255] * 3, [255] * 3, list(BLUE), list(WHITE)]
    half = decode(saved(Image.new("RGBA", (40, 40), (0, 0, 0, 128)), "PNG"))
    assert corners(half) == [[127] * 3] * 4
    marked = decode(saved(quarters().convert("P", palette=Image.Palette.ADAPTIVE), "GIF", transparency=0))
    assert [255, 255, 255] in corners(marked)
    ink = decode(saved(quarters().convert("CMYK"), "TIFF"))
    assert corners(ink) == [list(c) for c in (RED, GREEN, BLUE, WHITE)]


@pytest.mark.parametrize(("top", "kind"), [(65535, "PNG"), (4095, "PNG"), (65535, "TIFF")])
def test_sixteen_bits(top, kind):
    values = np.zeros((40, 40), dtype=np.uint16)
    values[:20], values[20:, 20:] = top, top // 2
    picture = decode(saved(Image.fromarray(values), kind))
    assert [c[0] for c in corners(picture)] == pytest.approx([255, 255, 0, 127], abs=1)


@pytest.mark.parametrize("values", [np.linspace(0, 1, 1600), np.linspace(-7, 1e9, 1600), np.full(1600, np.nan)])
def test_floating_grey(values):
    picture = decode(saved(Image.fromarray(values.reshape(40, 40).astype(np.float32)), "TIFF"))
    first, last = picture.pixels[0, 0, 0], picture.pixels[-1, -1, 0]
    assert (int(first), int(last)) == (
        (0, 0) if np.isnan(values[0]) else (pytest.approx(3, abs=4), pytest.approx(252, abs=4))
    )


def test_one_pixel_and_long_strips():
    for size in ((1, 1), (1, 3000), (3000, 1)):
        picture = decode(saved(Image.new("RGB", size, RED), "PNG"))
        assert (picture.width, picture.height) == size
        assert (picture.pixels == RED).all()


def test_moving_images_give_their_first_frame():
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, GREEN, BLUE)]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        data = saved(
            frames[0], kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
        )
        assert corners(decode(data))[0] == list(RED)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_cut_short_is_damaged(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 80, 3)).astype(np.uint8))
    data = saved(noise, kind)
    for share in (0.02, 0.3, 0.7):
        assert fault(data[: max(8, int(share * len(data)))]) == "damaged"


def test_what_is_no_image():
    assert fault(b"only words") == "no image"
    assert fault(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == "no image"
    assert fault(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n") == "no image"  # Pillow would start a program
    assert fault(b"P6 2 2 255\n" + bytes(12)) == "no image"
    assert fault(b"\x89PNG\r\n\x1a\n" + b"\0" * 5_000_000) == "damaged"


def bomb(width, height):
    """A PNG that says it is huge."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [9_500, 13_000, 20_000, 2_000_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_unopened(side, monkeypatch):
    assert fault(bomb(side, side)) == "too large"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # somebody else in the process may have taken the limit away
    assert fault(bomb(side, side)) == "too large"


def test_any_damage_is_a_fault_and_never_another_error():
    random = np.random.default_rng(5)
    noise = Image.fromarray(random.integers(0, 256, (24, 24, 3)).astype(np.uint8))
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"):
        data = np.frombuffer(saved(noise, kind), dtype=np.uint8)
        for _ in range(60):
            spoiled = data.copy()
            where = random.integers(0, len(data), random.integers(1, 20))
            spoiled[where] = random.integers(0, 256, len(where))
            try:
                with module.quiet():
                    found = decode(spoiled.tobytes()).pixels.shape
            except Unreadable as reason:
                found = reason.fault
            assert found == (SIDE, SIDE, 3) or found in FAULTS


def test_files_that_may_not_be_read(tmp_path, monkeypatch):
    def of(path):
        with pytest.raises(Unreadable) as caught:
            read_image(path)
        return caught.value.fault

    assert of(tmp_path / "none.png") == "absent"
    assert of(tmp_path / ("x" * 5_000)) == "absent"
    assert of(tmp_path / "zero\0byte.png") == "absent"
    assert of(tmp_path) == "unreadable"
    (tmp_path / "empty.png").touch()
    assert of(tmp_path / "empty.png") == "empty"
    os.mkfifo(tmp_path / "pipe.png")
    assert of(tmp_path / "pipe.png") == "unreadable"  # opening it would wait for ever
    (tmp_path / "file.png").write_bytes(saved(quarters(), "PNG"))
    assert of(tmp_path / "file.png" / "inside.png") == "absent"
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    assert of(tmp_path / "file.png") == "too large"


def test_a_thumbnail_is_small_upright_and_nothing_but_pixels():
    wide = Image.new("RGB", (400, 100), "white")
    wide.paste("red", (0, 0, 400, 20))  # a red edge at the top of what is stored
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # the right edge of what one should see is at the top of what is stored
    exif[0x010E] = "taken at home"
    wide.save(file, "JPEG", exif=exif, quality=95)
    small = thumbnail(file.getvalue())
    assert b"home" not in small
    assert b"EXIF" not in small
    seen = Image.open(io.BytesIO(small))
    assert seen.format == "WEBP"
    assert seen.size == (24, 96)
    pixels = np.asarray(seen.convert("RGB")).astype(int)
    assert pixels[:, -2, 1].mean() < 100 < 200 < pixels[:, 2, 1].mean()
    tiny = io.BytesIO()
    Image.new("L", (5, 3), 200).save(tiny, "PNG")
    assert Image.open(io.BytesIO(thumbnail(tiny.getvalue()))).size == (5, 3)
    with pytest.raises(Unreadable):
        thumbnail(file.getvalue()[:300])
