"""Pictures varied at random: moved and coloured, erased in part, mixed with one another; and the labels of mixed rows.

All that moves a picture is one affine map, so that it is sampled once however many kinds of change are asked for; all
that colours it is one linear map of its colours. Pictures are (rows, height, width, channels) bytes and stay so; on the
way they are planes, (rows, channels, height, width) float32 in 0..255. What is drawn comes from a numpy generator.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample, one_hot

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

# what a policy chooses from; the other changes are drawn beside it
KINDS = ("rotate", "shift_x", "shift_y", "shear_x", "shear_y", "zoom", "brightness", "contrast", "saturation")
BRIGHTNESS = (0.299, 0.587, 0.114)  # of red, green and blue: BT.601
BEYOND = {"edge": "border", "black": "zeros", "mirror": "reflection"}  # what grid_sample calls what lies beyond
LEAST_ERASED, MOST_ERASED, NARROW = 0.02, 0.4, 0.3  # Zhong et al.: shares of the area, and the narrowest shape


@dataclass(frozen=True)
class Ranges:
    """How far pictures are changed; 0 everywhere, and crop 1, changes nothing. See `ImageAugmentation`."""

    rotate: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    crop: float = 1.0
    flip: str = "none"
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    erase: float = 0.0
    fill: str = "edge"
    policy: str = "each"
    count: int = 2


def varied(pictures: Tensor, ranges: Ranges, random: np.random.Generator) -> Tensor:
    """Each picture changed in its own way: (rows, height, width, channels) bytes to the same."""
    rows, height, width, _ = pictures.shape
    strengths = drawn(ranges, rows, random)
    maps = maps_of(strengths, ranges, (height, width), random)
    colours = colours_of(strengths, ranges)
    boxes = erasing(rows, ranges.erase, (height, width), random)
    pictures, maps = mirrored(pictures, maps)
    if (maps != np.eye(2, 3)).any() or (colours != 1).any():
        pictures = pictures_of(coloured(moved(planes_of(pictures), maps, ranges.fill), colours))
    return erased(pictures, boxes, random)


def planes_of(pictures: Tensor) -> Tensor:
    """(rows, height, width, channels) bytes to (rows, channels, height, width) float32."""
    return pictures.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)


def pictures_of(planes: Tensor) -> Tensor:
    """The way back: rounded, and cut to 0..255."""
    return planes.round().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


# ---- what is drawn


def drawn(ranges: Ranges, rows: int, random: np.random.Generator) -> Floats:
    """(rows, KINDS) how much of each kind each picture gets: -1..1 times its range, 0 of kinds whose range is 0.

    each  every kind, uniform in -1..1
    one   one kind a picture or none, each alike, uniform in -1..1: Müller and Hutter, TrivialAugment, ICCV 2021
    some  `count` kinds a picture, none twice, at their full range to either side: Cubuk et al., RandAugment, 2020
    """
    sizes = sizes_of(ranges)
    open_kinds = np.flatnonzero(sizes)
    found = np.zeros((rows, len(KINDS)))
    if not len(open_kinds):
        return found
    if ranges.policy == "each":
        found[:, open_kinds] = random.uniform(-1, 1, (rows, len(open_kinds)))
    elif ranges.policy == "one":
        picked = random.integers(0, len(open_kinds) + 1, rows)  # the last one: left as it is
        own = np.flatnonzero(picked < len(open_kinds))
        found[own, open_kinds[picked[own]]] = random.uniform(-1, 1, rows)[own]
    else:
        count = min(ranges.count, len(open_kinds))
        order = random.random((rows, len(open_kinds))).argsort(axis=1)[:, :count]
        found[np.arange(rows)[:, None], open_kinds[order]] = random.choice([-1.0, 1.0], (rows, count))
    return found


def sizes_of(ranges: Ranges) -> Floats:
    """(KINDS,) how far each kind goes."""
    shift, shear = ranges.shift, ranges.shear
    colours = (ranges.brightness, ranges.contrast, ranges.saturation)
    return np.array([ranges.rotate, shift, shift, shear, shear, ranges.zoom, *colours])


def maps_of(strengths: Floats, ranges: Ranges, size: tuple[int, int], random: np.random.Generator) -> Floats:
    """(rows, 2, 3) where each place of the new picture comes from: pixels right of and below the centre, as `affine`
    gives them, and the boxes of `crop` and the flips beside."""
    rows, (height, width) = len(strengths), size
    amounts = dict(zip(KINDS, (strengths * sizes_of(ranges)).T, strict=True))
    mirrored = np.ones((rows, 2))
    if ranges.flip != "none":
        mirrored[:, 0] = random.choice([-1.0, 1.0], rows)
    if ranges.flip == "all":
        mirrored[:, 1] = random.choice([-1.0, 1.0], rows)
    shift = np.column_stack([amounts["shift_x"] * width, amounts["shift_y"] * height])
    shear = np.column_stack([amounts["shear_x"], amounts["shear_y"]])
    zoom = (1 + ranges.zoom) ** strengths[:, KINDS.index("zoom")]
    maps = affine(amounts["rotate"], shift, shear, zoom, mirrored)
    if ranges.crop < 1:
        sides, corners = cropping(rows, ranges.crop, size, random)
        maps = sides[:, :, None] * maps
        maps[:, :, 2] += corners
    return maps


def affine(rotate: Floats, shift: Floats, shear: Floats, zoom: Floats, mirrored: Floats) -> Floats:
    """(rows, 2, 3) A^-1 (p - d), for a new picture that shows at A p + d what the old one has at p.

    p are (x, y) pixels right of and below the centre; A = R S zoom M: rotate (rows,) degrees against the clock, shear
    (rows, 2) degrees along x, before that along y; zoom (rows,) > 1 larger; mirrored (rows, 2) -1 or 1; d shift (rows,
    2) pixels.
    """
    turn, lean = np.radians(rotate), np.tan(np.radians(shear))
    cos, sin = np.cos(turn), np.sin(turn)
    turned = np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], 1)  # y goes down
    one = np.ones(len(turn))
    leaned = np.stack([np.stack([one + lean[:, 0] * lean[:, 1], lean[:, 0]], 1), np.stack([lean[:, 1], one], 1)], 1)
    forward = turned @ leaned * (zoom[:, None] * mirrored)[:, None, :]
    back = np.linalg.inv(forward)
    return np.concatenate([back, -(back @ shift[:, :, None])], axis=2)


def cropping(rows: int, least: float, size: tuple[int, int], random: np.random.Generator) -> tuple[Floats, Floats]:
    """Sides (rows, 2) as shares of the picture's and centres (rows, 2) in pixels from its centre, of a box a row: its
    area a share of least..1, its shape 3:4 to 4:3 of the picture's. Szegedy et al., Going Deeper with Convolutions,
    CVPR 2015."""
    area = random.uniform(least, 1, rows)
    shape = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3), rows))
    sides = np.minimum(np.sqrt(np.stack([area * shape, area / shape], 1)), 1.0)
    room = (1 - sides) * np.array([size[1], size[0]]) / 2
    return sides, random.uniform(-1, 1, (rows, 2)) * room


def colours_of(strengths: Floats, ranges: Ranges) -> Floats:
    """(rows, 3) factors of brightness, contrast and saturation: 1 changes nothing, 0 is black, flat, grey."""
    found: Floats = 1 + (strengths * sizes_of(ranges))[:, -3:]
    return found


def erasing(rows: int, chance: float, size: tuple[int, int], random: np.random.Generator) -> Numbers:
    """(rows, 4) top, left, bottom, right of a box, empty where nothing is erased. By this chance its area is 2 to 40 %
    of the picture's, its height 0.3 to 1 / 0.3 times its width. Zhong et al., Random Erasing Data Augmentation, AAAI
    2020, but for boxes that do not fit: they are cut to the picture's sides, not drawn again."""
    if not chance:
        return np.zeros((rows, 4), dtype=np.int64)
    height, width = size
    area = random.uniform(LEAST_ERASED, MOST_ERASED, rows) * height * width
    shape = random.uniform(NARROW, 1 / NARROW, rows)
    tall = np.clip(np.round(np.sqrt(area * shape)), 1, height)
    wide = np.clip(np.round(np.sqrt(area / shape)), 1, width)
    top = np.floor(random.random(rows) * (height - tall + 1))
    left = np.floor(random.random(rows) * (width - wide + 1))
    hit = random.random(rows) < chance
    return (np.stack([top, left, top + tall, left + wide], 1) * hit[:, None]).astype(np.int64)


# ---- what is done to pictures


def mirrored(pictures: Tensor, maps: Floats) -> tuple[Tensor, Floats]:
    """Bytes of pictures of which nothing is asked but to be mirrored, mirrored to the bit, and the maps of what is left
    to do."""
    signs = maps[:, [0, 1], [0, 1]]
    alone = (
        (np.abs(signs) == 1).all(axis=1) & (maps[:, [0, 1], [1, 0]] == 0).all(axis=1) & (maps[:, :, 2] == 0).all(axis=1)
    )
    found, left = pictures, maps
    for axis in (0, 1):
        which = np.flatnonzero(alone & (signs[:, axis] < 0))
        if len(which):
            found = pictures.clone() if found is pictures else found
            found[which] = found[which].flip(2 - axis)
    if found is not pictures:
        left = np.where(alone[:, None, None], np.eye(2, 3), maps)
    return found, left


def moved(planes: Tensor, maps: Floats, fill: str = "edge") -> Tensor:
    """Each picture sampled where its map says, between pixels in proportion; (rows, channels, height, width).

    maps  (rows, 2, 3) from places of the new picture to places of the old, in pixels from the centre
    fill  what lies beyond: the nearest pixel (edge), black, or the picture mirrored
    """
    rows = np.flatnonzero((maps != np.eye(2, 3)).any(axis=(1, 2)))
    if not len(rows):
        return planes
    whole = len(rows) == len(planes)
    some = planes if whole else planes[torch.from_numpy(rows)]
    half = np.array([planes.shape[3], planes.shape[2]]) / 2  # sampling counts in half sides
    counted = maps[rows] * np.append(half, 1.0) / half[:, None]
    grid = places(torch.from_numpy(counted).float(), (planes.shape[2], planes.shape[3]))
    made = grid_sample(some, grid, mode="bilinear", padding_mode=BEYOND[fill], align_corners=False)
    if whole:
        return made
    found = planes.clone()
    found[torch.from_numpy(rows)] = made
    return found


def places(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(rows, height, width, 2) what each map (rows, 2, 3) makes of the middles of pixels, -1..1 across and down."""
    height, width = size
    down = (2 * torch.arange(height) + 1) / height - 1
    across = (2 * torch.arange(width) + 1) / width - 1
    found = torch.empty(len(maps), height, width, 2)
    for axis in (0, 1):
        along = maps[:, axis, :1] * across  # (rows, width)
        torch.add(along[:, None], (maps[:, axis, 1:2] * down + maps[:, axis, 2:])[:, :, None], out=found[..., axis])
    return found


def coloured(planes: Tensor, factors: Floats) -> Tensor:
    """c (b (s x + (1 - s) g) - m) + m, with x a colour of a pixel, g the pixel's brightness, m the mean of b g over the
    picture, and b, c, s its factors of brightness, contrast and saturation (rows, 3). Not yet cut to 0..255. Grey stays
    grey, and saturation changes nothing there."""
    if (factors == 1).all():
        return planes
    b, c, s = torch.from_numpy(factors).float().T[:, :, None, None, None]  # each (rows, 1, 1, 1)
    if planes.shape[1] == 1:
        found: Tensor = planes * (b * c) + (1 - c) * b * planes.mean((1, 2, 3), keepdim=True)
        return found
    grey = (torch.tensor(BRIGHTNESS) @ planes.flatten(2)).view(len(planes), 1, *planes.shape[2:])
    beside = grey * (b * c * (1 - s)) + (1 - c) * b * grey.mean((2, 3), keepdim=True)  # (rows, 1, height, width)
    return torch.addcmul(beside, planes, b * c * s)


def erased(pictures: Tensor, boxes: Numbers, random: np.random.Generator) -> Tensor:
    """Noise of all brightnesses inside the boxes (rows, 4) of pictures (rows, height, width, channels) of bytes."""
    hit = np.flatnonzero(boxes.any(axis=1))
    if not len(hit):
        return pictures
    found = pictures.clone()
    for row, (top, left, bottom, right) in zip(hit.tolist(), boxes[hit].tolist(), strict=True):
        noise = random.integers(0, 256, (bottom - top, right - left, 1), dtype=np.uint8)
        found[row, top:bottom, left:right] = torch.from_numpy(noise)
    return found


def inside(boxes: Numbers, size: tuple[int, int]) -> Tensor:
    """(rows, height, width) whether a pixel lies in its row's box: top, left, bottom, right, the last two outside."""
    top, left, bottom, right = torch.from_numpy(boxes).T[:, :, None]
    down, across = torch.arange(size[0]), torch.arange(size[1])
    found: Tensor = ((down >= top) & (down < bottom))[:, :, None] & ((across >= left) & (across < right))[:, None, :]
    return found


# ---- rows mixed with one another


def mixed_up(pictures: Tensor, partners: Numbers, kept: Floats) -> Tensor:
    """kept x_i + (1 - kept) x_partner, in bytes; kept (rows,) 0..1. Zhang et al., mixup, ICLR 2018."""
    own = torch.from_numpy(kept).float()[:, None, None, None]
    floats = pictures.float()
    return (own * floats + (1 - own) * floats[torch.from_numpy(partners)]).round_().clamp_(0, 255).to(torch.uint8)


def cut_and_pasted(pictures: Tensor, partners: Numbers, boxes: Numbers) -> tuple[Tensor, Floats]:
    """The partner's pixels inside each box, and (rows,) the share of its own pixels that a row keeps. Yun et al.,
    CutMix, ICCV 2019."""
    height, width = pictures.shape[1:3]
    pasted = inside(boxes, (height, width))[..., None]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return torch.where(pasted, pictures[torch.from_numpy(partners)], pictures), 1 - area / (height * width)


def cutting(kept: Floats, places: Floats, size: tuple[int, int]) -> Numbers:
    """(rows, 4) boxes of the area 1 - kept and the picture's shape, round places (rows, 2) 0..1 down and across, cut
    where they stand over."""
    sides = np.array(size)
    reach = sides * np.sqrt(1 - kept)[:, None] / 2
    middle = places * sides
    corners = [np.round(middle - reach), np.round(middle + reach)]
    return np.concatenate([np.clip(corner, 0, sides) for corner in corners], axis=1).astype(np.int64)


def mixed_labels(
    labels: Tensor, weights: Tensor | None, partners: Numbers, kept: Floats, classes: int
) -> tuple[Tensor, Tensor | None]:
    """Labels (rows, classes) as shares and weights (rows,) of mixed rows, such that a row's loss is kept w_i times the
    loss of its own label and (1 - kept) w_partner times that of its partner's.

    labels  (rows,) class numbers of so many classes; or (rows, classes): shares, or 0 and 1 of each label
    """
    which, own = torch.from_numpy(partners), torch.from_numpy(kept).float()
    shares = (one_hot(labels, classes) if labels.ndim == 1 else labels).float()
    if weights is None:
        return own[:, None] * shares + (1 - own)[:, None] * shares[which], None
    first, second = own * weights, (1 - own) * weights[which]
    total = first + second
    return (first[:, None] * shares + second[:, None] * shares[which]) / total[:, None], total


def generator(random: torch.Generator) -> np.random.Generator:
    """A numpy generator out of a generator of torch."""
    seed: Any = torch.randint(2**62, (1,), generator=random).item()
    return np.random.default_rng(seed)
