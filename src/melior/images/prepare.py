"""Pictures as a pretrained model wants them: resized, cropped and scaled as its preprocessor_config.json says.

transformers' own image processors need torchvision or change between versions; this is Pillow and numpy. What is made
of the file is a dict of plain values, which is kept with the predictor:

channels  1 or 3
resize    none, [height, width], or [shortest side]
resample  Pillow's number of the filter
crop      none or [height, width], from the middle; where the picture is smaller, black around it
swapped   blue, green, red instead of red, green, blue
mean, spread  (channels,) on 0..255: the model reads (pixel - mean) / spread
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melior.errors import UserError
from melior.images.decode import Pixels, pillow

FILES = ("preprocessor_config.json", "processor_config.json")
BILINEAR = 2
MOST_SIDE = 4096
# what else a file may switch on that changes the pixels; labels of segmentations are none of them
KNOWN = {
    "do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb", "do_flip_channel_order",
    "do_reduce_labels",
}  # fmt: skip
# processors for which one number as size is the shortest side, and not a square
SHORTEST = ("ConvNext", "Levit", "MobileNet", "MobileViT", "Bit", "CLIP", "ChineseCLIP", "PoolFormer", "VideoMAE")


def preparation(folder: Path, name: str, channels: int) -> dict[str, Any]:
    """What the folder's file says, as above. UserError: no such file, damaged, pictures of changing sizes, steps that
    are not known, numbers that do not fit the channels."""
    path = next((folder / one for one in FILES if (folder / one).exists()), None)
    if path is None:
        raise UserError(
            f"{name}: there is no preprocessor_config.json in it, which says how its pictures are prepared; add the "
            "one that belongs to the model."
        )
    try:
        said = json.loads(path.read_bytes())
        said = said.get("image_processor", said)
        made = _read(said, channels)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    except (ValueError, TypeError, AttributeError, KeyError, ZeroDivisionError):
        raise UserError(f"{name}: its {path.name} is damaged: restore it from a copy.") from None
    return made


def prepared(pixels: Pixels, how: dict[str, Any]) -> Pixels:
    """(height, width, 3) of a whole picture to (height, width, channels) at the model's size."""
    image_module = pillow()
    image = image_module.fromarray(pixels)
    if how["channels"] == 1:
        image = image.convert("L")
    if how["resize"]:
        height, width = _goal(how["resize"], image.height, image.width)
        image = image.resize((width, height), how["resample"])
    made = np.array(image, dtype=np.uint8).reshape(image.height, image.width, -1)
    if how["crop"]:
        made = middle(made, *how["crop"])
    return np.ascontiguousarray(made[:, :, ::-1] if how["swapped"] else made)


def size_of(how: dict[str, Any]) -> tuple[int, int]:
    """Height and width of what `prepared` gives."""
    height, width = how["crop"] or how["resize"]
    return int(height), int(width)


def middle(pixels: Pixels, height: int, width: int) -> Pixels:
    """The middle of a picture, (height, width, channels); black where it is smaller."""
    made = np.zeros((height, width, pixels.shape[2]), dtype=np.uint8)
    take, put = [], []
    for has, wanted in ((pixels.shape[0], height), (pixels.shape[1], width)):
        first = (has - wanted) // 2 if has >= wanted else 0
        before = 0 if has >= wanted else math.ceil((wanted - has) / 2)
        length = min(has, wanted)
        take.append(slice(first, first + length))
        put.append(slice(before, before + length))
    made[put[0], put[1]] = pixels[take[0], take[1]]
    return made


def _goal(resize: list[int], height: int, width: int) -> tuple[int, int]:
    if len(resize) == 2:
        return resize[0], resize[1]
    short, long = min(height, width), max(height, width)
    longer = int(resize[0] * long / short)
    return (longer, resize[0]) if width <= height else (resize[0], longer)


def _read(said: dict[str, Any], channels: int) -> dict[str, Any]:
    kind = str(said.get("image_processor_type") or said.get("feature_extractor_type") or "")
    strange = sorted(key for key, value in said.items() if key.startswith("do_") and value and key not in KNOWN)
    if strange:
        raise UserError(f"its pictures are prepared with {strange[0]}, which is not known here; use another model.")
    resize, crop = _sizes(said, kind)
    if crop is None and (resize is None or len(resize) == 1):
        raise UserError(
            "it prepares pictures to sizes that differ; give size or crop_size a height and a width in its "
            "preprocessor_config.json."
        )
    if not all(1 <= side <= MOST_SIDE for side in (*(resize or ()), *(crop or ()))):
        raise UserError(f"its pictures have sides of 1 to {MOST_SIDE:,} pixels; its preprocessor_config.json differs.")
    scale = float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0
    offset = 1.0 if said.get("rescale_offset") else 0.0
    mean, std = np.zeros(channels), np.ones(channels)
    if said.get("do_normalize", "image_mean" in said and not kind.startswith("MobileViT")):  # which never does
        mean, std = _channels(said, "image_mean", channels), _channels(said, "image_std", channels)
    # EfficientNet divides twice
    twice = _channels(said, "image_std", channels) if kind.startswith("EfficientNet") and said.get("include_top") else 1
    # ((x scale - offset - mean) / std) / twice = (x - (mean + offset) / scale) / (std twice / scale)
    spread = std * twice / scale
    if not np.isfinite(spread).all() or (spread == 0).any():
        raise ValueError("numbers to divide by that are 0 or no numbers")
    return {
        "channels": channels,
        "resize": resize,
        "resample": _filter(said.get("resample", BILINEAR)),
        "crop": crop,
        "swapped": bool(said.get("do_flip_channel_order", False)),
        "mean": [float(value) for value in (mean + offset) / scale],
        "spread": [float(value) for value in spread],
    }


def _sizes(said: dict[str, Any], kind: str) -> tuple[list[int] | None, list[int] | None]:
    """What is resized to, and what is cut out of that."""
    resize: list[int] | None = None
    if said.get("do_resize", "size" in said):
        size = said["size"]
        if isinstance(size, int):
            shortest = kind.startswith(SHORTEST) or "crop_pct" in said
            size = {"shortest_edge": size} if shortest else {"height": size, "width": size}
        elif isinstance(size, list):
            size = {"height": size[0], "width": size[1]}
        resize = _pair(size)
        if resize is None:
            raise UserError(f"its pictures are resized by {' and '.join(sorted(size))}, which is not known here.")
    crop: list[int] | None = None
    if said.get("do_center_crop", False):
        wanted = said["crop_size"]
        crop = [wanted, wanted] if isinstance(wanted, int) else _pair(wanted)
        if crop is None or len(crop) != 2:
            raise ValueError("a size to crop to without height and width")
    if resize and len(resize) == 1 and kind.startswith("Levit"):
        resize = [int(256 / 224 * resize[0])]
    elif resize and len(resize) == 1 and (kind.startswith("ConvNext") or "crop_pct" in said):
        side = resize[0]
        if side >= 384:  # not cropped at these sizes
            return [side, side], crop
        return [int(side / float(said.get("crop_pct") or 224 / 256))], crop or [side, side]
    return resize, crop


def _pair(size: dict[str, Any]) -> list[int] | None:
    if size.get("height") and size.get("width"):
        return [int(size["height"]), int(size["width"])]
    if size.get("shortest_edge") and not size.get("longest_edge"):
        return [int(size["shortest_edge"])]
    return None


def _filter(said: Any) -> int:
    number = int(said)
    pillow().Resampling(number)  # ValueError: no filter of that number
    return number


def _channels(said: dict[str, Any], key: str, channels: int) -> NDArray[np.float64]:
    given = said[key]
    values = np.asarray([given] * channels if isinstance(given, int | float) else given, dtype=np.float64)
    if len(values) != channels:
        raise UserError(
            f"its {key} has {len(values)} numbers and its pictures have {channels} channels; use the "
            "preprocessor_config.json that belongs to the model."
        )
    return values
