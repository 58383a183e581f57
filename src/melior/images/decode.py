"""One image file to a small upright picture, its size and its format; what cannot be read says why.

Only plain formats are opened (`FORMATS`): Pillow's others can start programs. The header is read first, and an image of
more than `MOST_PIXELS` pixels, or a file of more than `MOST_BYTES`, is refused before anything is unpacked.
"""

import io
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from melior.errors import MissingExtra

Pixels = NDArray[np.uint8]
Fault = Literal["elsewhere", "absent", "unreadable", "empty", "no image", "damaged", "too large"]

SIDE = 32  # pixels of the small picture, both ways
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")
SUFFIXES = {
    "PNG": (".png",), "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"), "WEBP": (".webp",), "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"), "BMP": (".bmp", ".dib"),
}  # fmt: skip
ENDINGS = tuple(ending for endings in SUFFIXES.values() for ending in endings)
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"BM", b"RIFF")
MOST_PIXELS = 89_478_485  # 256 MiB of three bytes each; Pillow warns from here on too
MOST_BYTES = 256 * 2**20
FAULTS: dict[Fault, str] = {
    "elsewhere": "it is not on this machine",
    "absent": "there is no such file",
    "unreadable": "it is no file that may be read",
    "empty": "the file is empty",
    "no image": "it is no image in a format that is read",
    "damaged": "it is damaged or cut short",
    "too large": f"it is larger than {MOST_PIXELS // 10**6} million pixels or {MOST_BYTES // 2**20} MiB",
}


class Unreadable(Exception):
    """An image that gives no picture; `fault` is a key of FAULTS."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(FAULTS[fault])
        self.fault: Fault = fault


@dataclass(frozen=True)
class Picture:
    """pixels (SIDE, SIDE, 3) red, green, blue in 0..255, upright, squeezed to a square, transparent parts white;
    width and height of the upright original; format as its bytes say (JPEG, not the file's ending)."""

    pixels: Pixels
    width: int
    height: int
    format: str


def pillow() -> Any:
    """Pillow's Image module, or the sentence that says how to install it."""
    try:
        # each format by name: Pillow itself would first open only some, and then all, which can start programs
        from PIL import (
            BmpImagePlugin,
            GifImagePlugin,
            Image,
            JpegImagePlugin,
            PngImagePlugin,
            TiffImagePlugin,
            WebPImagePlugin,
        )
    except ImportError:
        raise MissingExtra("reading images", "images") from None
    del BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
    return Image


@contextmanager
def quiet() -> Iterator[None]:
    """Without Pillow's warnings about odd files: around all threads at once, since warnings belong to the process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("ignore", pillow().DecompressionBombWarning)
        yield


def file_bytes(path: Path) -> bytes:
    """What a regular file of sensible size holds; raises Unreadable. A pipe or a device is never opened."""
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):
            raise Unreadable("unreadable")
        if about.st_size > MOST_BYTES:
            raise Unreadable("too large")
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a zero byte or half a letter in the name
        raise Unreadable("absent") from None
    except OSError as error:
        raise Unreadable("absent" if error.errno in (36, 63) else "unreadable") from None  # a name that is too long
    if not data:
        raise Unreadable("empty")
    return data


def decode(data: bytes) -> Picture:
    """The first picture in the bytes of a file; raises Unreadable.

    Turned as its EXIF orientation says. 16-bit grey is read as 12 bits where no pixel has more, 32-bit and floating
    grey by its range where that is not 0..65535, 0..255 or 0..1.

    >>> from io import BytesIO; from PIL import Image
    >>> file = BytesIO(); Image.new("RGB", (40, 20), "red").save(file, "PNG")
    >>> picture = decode(file.getvalue())
    >>> picture.width, picture.height, picture.format, picture.pixels.shape, picture.pixels[0, 0].tolist()
    (40, 20, 'PNG', (32, 32, 3), [255, 0, 0])
    """
    return _drawn(data, lambda width, height: (SIDE, SIDE))


def whole(data: bytes) -> Pixels:
    """The first picture in the bytes of a file at its own size, (height, width, 3), upright, transparent parts white;
    raises Unreadable."""
    return _drawn(data, lambda width, height: (width, height)).pixels


def thumbnail(data: bytes, side: int = 96) -> bytes:
    """The first picture in the bytes of a file as WebP, at most `side` pixels wide and high, upright; for people to
    look at. Drawn anew from pixels: nothing else of the file is in it. Raises Unreadable."""

    def fitting(width: int, height: int) -> tuple[int, int]:
        scale = min(1.0, side / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))

    return webp(_drawn(data, fitting).pixels)


def webp(pixels: Pixels) -> bytes:
    """(height, width, 3) as the bytes of a WebP file."""
    file = io.BytesIO()
    pillow().fromarray(pixels).save(file, "WEBP", quality=70)
    return file.getvalue()


def _drawn(data: bytes, size: Callable[[int, int], tuple[int, int]]) -> Picture:
    """The picture at the size (width, height) that `size` says for that of the file, before it is turned upright."""
    image_module = pillow()
    from PIL import UnidentifiedImageError

    try:
        image = image_module.open(io.BytesIO(data), formats=FORMATS)
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise Unreadable("too large")
        if min(width, height) < 1:
            raise Unreadable("damaged")
        wanted = size(width, height)
        image.draft(None, (8 * wanted[0], 8 * wanted[1]))  # a JPEG is unpacked at an eighth where that is enough
        image.load()
        orientation = _orientation(image)
        small = _coloured(image).resize(wanted, image_module.Resampling.BILINEAR, reducing_gap=3.0)
        pixels = _upright(_on_white(np.asarray(small, dtype=np.uint8)), orientation)
    except Unreadable:
        raise
    except image_module.DecompressionBombError:
        raise Unreadable("too large") from None
    except UnidentifiedImageError:
        raise Unreadable("damaged" if data.startswith(MAGIC) else "no image") from None
    except Exception:  # a damaged file makes decoders fail in every way there is
        raise Unreadable("damaged") from None
    kind = "JPEG" if image.format == "MPO" else str(image.format)  # several JPEGs in one file, as some cameras write
    if orientation >= 5:
        width, height = height, width
    return Picture(pixels, width, height, kind)


def read_image(path: Path) -> Picture:
    """`decode` of a file."""
    return decode(file_bytes(path))


def _orientation(image: Any) -> int:
    """1..8 as EXIF counts them; 1, upright, where it says nothing sensible."""
    try:
        found = image.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF beside a good picture
        return 1
    return found if found in range(2, 9) else 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """The picture as it should be looked at; a stored picture of orientation 6 has its top on the right."""
    if orientation in (2, 4):
        pixels = pixels[:, ::-1] if orientation == 2 else pixels[::-1]
    elif orientation in (5, 7):
        pixels = pixels.swapaxes(0, 1) if orientation == 5 else pixels[::-1, ::-1].swapaxes(0, 1)
    else:
        pixels = np.rot90(pixels, {1: 0, 3: 2, 6: -1, 8: 1}[orientation])
    return np.ascontiguousarray(pixels)


def _coloured(image: Any) -> Any:
    """The image in grey, colour or colour with transparency, 8 bits each."""
    mode = image.mode
    if mode == "F" or mode.startswith("I"):
        return pillow().fromarray(_eight_bits(np.asarray(image, dtype=np.float64)))
    if mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        return image.convert("RGBA")
    return image if mode == "L" else image.convert("L" if mode == "1" else "RGB")


def _eight_bits(values: NDArray[np.float64]) -> Pixels:
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        values, top = values - low, high - low
    else:
        top = next(limit for limit in (1.0, 255.0, 4095.0, 65535.0) if high <= limit)
    return np.asarray(np.rint(values * (255.0 / top)) if top > 0 else values, dtype=np.uint8)


def _on_white(pixels: Pixels) -> Pixels:
    """(height, width), or that by 3, or with transparency by 4, to three colours on white paper."""
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.shape[2] == 3:
        return pixels
    colour, seen = pixels[:, :, :3].astype(np.uint16), pixels[:, :, 3:].astype(np.uint16)
    return ((colour * seen + 255 * (255 - seen) + 127) // 255).astype(np.uint8)
