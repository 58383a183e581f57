"""Pictures varied at random: each change against numpy or scipy, and the labels of what is mixed against the loss."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from melior.engine.lessons import Moment
from melior.engine.problem import Batch
from melior.methods.image_augmentation import ImageAugmentation
from melior.networks import augment
from melior.networks.augment import KINDS, Ranges, affine, moved, pictures_of, planes_of, varied

ROWS = 6
EVERYTHING = Ranges(
    rotate=30, shift=0.2, shear=20, zoom=0.5, crop=0.5, flip="all", brightness=0.8, contrast=0.8, saturation=0.8,
    erase=0.5,
)  # fmt: skip


def pictures(rows=ROWS, size=(10, 14), channels=3, seed=0):
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(0, 256, (rows, *size, channels), dtype=np.uint8))


def maps(rows=ROWS, *, rotate=0.0, shift=(0, 0), shear=(0, 0), zoom=1.0, mirrored=(1, 1)):
    def each(value):
        return np.tile(np.asarray(value, dtype=float), (rows, 1))

    return affine(np.full(rows, rotate), each(shift), each(shear), np.full(rows, zoom), each(mirrored))


def done(seen, how, fill="edge"):
    return pictures_of(moved(planes_of(seen), how, fill)).numpy()


# ---- moving


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_quarter_turns_are_those_of_numpy(quarters, channels):
    seen = pictures(size=(12, 12), channels=channels)
    assert np.array_equal(done(seen, maps(rotate=90 * quarters)), np.rot90(seen.numpy(), quarters, (1, 2)))


def test_mirrored_is_turned_around():
    seen = pictures()
    assert np.array_equal(done(seen, maps(mirrored=(-1, 1))), seen.numpy()[:, :, ::-1])
    assert np.array_equal(done(seen, maps(mirrored=(1, -1))), seen.numpy()[:, ::-1])


@pytest.mark.parametrize(("right", "down"), [(3, 0), (-2, 0), (0, 4), (5, -3)])
@pytest.mark.parametrize("fill", ["black", "edge", "mirror"])
def test_shift_is_a_roll_with_the_rest_filled(right, down, fill):
    seen = pictures()
    pad = ((0, 0), (5, 5), (5, 5), (0, 0))
    way = {"black": {"mode": "constant"}, "edge": {"mode": "edge"}, "mirror": {"mode": "symmetric"}}[fill]
    rolled = np.roll(np.pad(seen.numpy(), pad, **way), (down, right), (1, 2))[:, 5:-5, 5:-5]
    assert np.array_equal(done(seen, maps(shift=(right, down)), fill), rolled)


def test_any_map_is_that_of_scipy():
    """Bilinear, by scipy in float64; the edge of a pixel is a matter of taste, so the border is left out."""
    seen = pictures(rows=1, size=(20, 24))
    how = maps(1, rotate=23, shift=(1.3, -2.2), shear=(12, -7), zoom=1.4, mirrored=(-1, 1))
    turn, lean = np.radians(23), np.tan(np.radians([12, -7]))
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    forward = rotation @ np.array([[1, lean[0]], [0, 1]]) @ np.array([[1, 0], [lean[1], 1]]) @ np.diag([-1.4, 1.4])
    back = np.linalg.inv(forward)[::-1, ::-1]  # scipy counts rows first
    centre = (np.array([20, 24]) - 1) / 2
    offset = centre - back @ (centre + np.array([-2.2, 1.3]))
    wanted = np.stack(
        [ndimage.affine_transform(seen[0, :, :, c].numpy().astype(float), back, offset, order=1) for c in range(3)], -1
    )
    found = moved(planes_of(seen), how, "black")[0].permute(1, 2, 0).numpy()
    inner = ndimage.affine_transform(np.ones((20, 24)), back, offset, order=1) > 0.999
    inner = ndimage.binary_erosion(inner, iterations=1)
    assert inner.sum() > 100
    np.testing.assert_allclose(found[inner], wanted[inner], atol=0.01)


def test_zoom_of_two_shows_the_middle():
    """Of a picture whose values rise evenly, so that sampling between pixels is exact."""
    down, across = np.mgrid[:8, :8]
    seen = torch.from_numpy((10 * down + 4 * across).astype(np.uint8))[None, ..., None]
    found = done(seen, maps(1, zoom=2.0))[0, :, :, 0].astype(float)
    wanted = 10 * (3.5 + (down - 3.5) / 2) + 4 * (3.5 + (across - 3.5) / 2)
    assert np.abs(found - wanted).max() <= 0.5


def test_a_crop_stays_inside_and_has_its_area():
    random = np.random.default_rng(0)
    sides, middles = augment.cropping(5000, 0.3, (40, 60), random)
    assert (sides <= 1).all()
    reach = sides * np.array([60, 40]) / 2
    assert (np.abs(middles) + reach <= np.array([30, 20]) + 1e-9).all()
    area = sides.prod(axis=1)
    assert area.min() > 0.3 * 0.99 - 0.01
    assert area.max() <= 1
    # the left upper corner of the new picture shows that of the box
    found = augment.maps_of(np.zeros((4, len(KINDS))), Ranges(crop=0.3), (40, 60), np.random.default_rng(1))
    sides, middles = augment.cropping(4, 0.3, (40, 60), np.random.default_rng(1))
    corner = found @ np.array([-30, -20, 1])
    np.testing.assert_allclose(corner, middles - sides * np.array([30, 20]))


# ---- colours


def test_colours_by_the_formulas_of_each():
    seen = pictures(rows=3)
    floats = seen.numpy().astype(float)
    grey = floats @ np.array([0.299, 0.587, 0.114])

    def by(brightness=1.0, contrast=1.0, saturation=1.0):
        factors = np.tile([brightness, contrast, saturation], (3, 1))
        return augment.coloured(planes_of(seen), factors).permute(0, 2, 3, 1).numpy()

    np.testing.assert_allclose(by(brightness=0.6), 0.6 * floats, atol=1e-3)
    mean = grey.mean(axis=(1, 2))[:, None, None, None]
    np.testing.assert_allclose(by(contrast=1.5), mean + 1.5 * (floats - mean), atol=1e-3)
    np.testing.assert_allclose(by(saturation=0.0), np.repeat(grey[..., None], 3, -1), atol=1e-3)
    np.testing.assert_allclose(by(saturation=1.7), grey[..., None] + 1.7 * (floats - grey[..., None]), atol=1e-3)
    both = by(brightness=1.2, contrast=0.7)  # contrast of what brightness gave
    np.testing.assert_allclose(both, mean * 1.2 + 0.7 * (1.2 * floats - mean * 1.2), atol=1e-3)


def test_grey_stays_grey_whatever_is_done():
    one = pictures(rows=40, channels=1)
    three = one.repeat(1, 1, 1, 3)
    found = varied(three, EVERYTHING, np.random.default_rng(0))
    assert torch.equal(found[..., 0], found[..., 1])
    assert torch.equal(found[..., 1], found[..., 2])
    plain = replace(EVERYTHING, saturation=0.0)
    apart = varied(one, plain, np.random.default_rng(1)).int() - varied(three, plain, np.random.default_rng(1)).int()
    assert apart.abs().max() <= 1, "in one channel the same as in three"


# ---- what is drawn


def test_nothing_is_nothing_to_the_bit():
    for seen in (pictures(), pictures(channels=1), torch.zeros(3, 4, 4, 3, dtype=torch.uint8)):
        for policy in ("each", "one", "some"):
            found = varied(seen, Ranges(policy=policy), np.random.default_rng(0))
            assert found.dtype == torch.uint8
            assert torch.equal(found, seen)


@pytest.mark.parametrize("policy", ["each", "one", "some"])
@pytest.mark.parametrize("fill", ["edge", "black", "mirror"])
def test_bytes_stay_bytes_and_the_same_generator_gives_the_same(policy, fill):
    seen, ranges = pictures(rows=50), replace(EVERYTHING, policy=policy, fill=fill)
    found = varied(seen, ranges, np.random.default_rng(3))
    assert found.shape == seen.shape
    assert found.dtype == torch.uint8
    assert torch.equal(found, varied(seen, ranges, np.random.default_rng(3)))
    assert not torch.equal(found, varied(seen, ranges, np.random.default_rng(4)))
    if fill == "edge":  # nothing new: an even picture stays even but for what is erased
        even = torch.full((20, 9, 9, 3), 77, dtype=torch.uint8)
        ranges = replace(ranges, brightness=0, erase=0)
        assert torch.equal(varied(even, ranges, np.random.default_rng(0)), even)


def test_policies_draw_what_they_say():
    ranges = Ranges(rotate=10, shift=0.1, zoom=0.2, saturation=0.5)
    open_kinds = np.isin(KINDS, ["rotate", "shift_x", "shift_y", "zoom", "saturation"])
    random = np.random.default_rng(0)
    each = augment.drawn(ranges, 4000, random)
    assert not each[:, ~open_kinds].any()
    for kind in np.flatnonzero(open_kinds):
        assert stats.kstest(each[:, kind], "uniform", (-1, 2)).pvalue > 0.001
    one = augment.drawn(replace(ranges, policy="one"), 6000, random)
    times = (one != 0).sum(axis=1)
    assert set(times) == {0, 1}
    used = np.append((one != 0).sum(axis=0)[open_kinds], (times == 0).sum())
    assert stats.chisquare(used).pvalue > 0.001, "each kind, and none, equally often"
    some = augment.drawn(replace(ranges, policy="some", count=3), 4000, random)
    assert ((some != 0).sum(axis=1) == 3).all()
    assert set(np.unique(some)) == {-1, 0, 1}
    assert stats.chisquare((some != 0).sum(axis=0)[open_kinds]).pvalue > 0.001
    assert (augment.drawn(replace(ranges, policy="some", count=9), 5, random) != 0).sum(axis=1).tolist() == [5] * 5


def test_ranges_hold():
    ranges = Ranges(rotate=20, shift=0.25, zoom=0.5, brightness=0.4, contrast=0.3, saturation=0.2)
    random = np.random.default_rng(0)
    strengths = augment.drawn(ranges, 3000, random)
    factors = augment.colours_of(strengths, ranges)
    for column, range_ in zip(factors.T, (0.4, 0.3, 0.2), strict=True):
        assert 1 - range_ <= column.min() < 1 - 0.9 * range_
        assert 1 + 0.9 * range_ < column.max() <= 1 + range_
    found = augment.maps_of(strengths, ranges, (20, 30), random)[:, :, :2]
    scale = np.sqrt(np.linalg.det(found))  # of the way back
    assert 1 / 1.5 <= scale.min() < 0.7
    assert 1.4 < scale.max() <= 1.5 + 1e-9
    turned = np.degrees(np.arctan2(found[:, 1, 0], found[:, 0, 0]))
    assert 19 < np.abs(turned).max() <= 20 + 1e-9


def test_boxes_are_inside_and_as_large_as_they_should_be():
    boxes = augment.erasing(20_000, 0.25, (32, 32), np.random.default_rng(0))
    tall, wide = (boxes[:, 2] - boxes[:, 0]), (boxes[:, 3] - boxes[:, 1])
    hit = tall > 0
    assert hit.mean() == pytest.approx(0.25, abs=0.01)
    assert boxes.min() >= 0
    assert boxes.max() <= 32
    area = (tall * wide)[hit] / 32**2
    assert area.min() > 0.01
    assert area.max() < 0.45
    assert area.mean() == pytest.approx(0.21, abs=0.02)
    assert boxes[hit][:, 0].min() == 0
    assert boxes[hit][:, 2].max() == 32
    seen = torch.zeros(2, 400, 400, 3, dtype=torch.uint8)
    found = augment.erased(seen, np.array([[100, 0, 300, 200], [0, 0, 0, 0]]), np.random.default_rng(0))
    assert not seen.any()
    inside = found[0, 100:300, :200]
    assert torch.bincount(inside[..., 0].flatten().long(), minlength=256).min() > 100  # all brightnesses, 156 each
    assert torch.equal(inside[..., 0], inside[..., 1])
    assert found[0].any(dim=2).sum() == inside.any(dim=2).sum()
    assert not found[1].any()


def test_what_is_only_mirrored_is_mirrored_to_the_bit():
    seen = pictures(rows=60)
    for flip, ways in (("sides", [()]), ("all", [(), (1,)])):
        found = varied(seen, Ranges(flip=flip), np.random.default_rng(1))
        kinds = [axes for way in ways for axes in (way, (*way, 2))]
        seen_as = [[bool(torch.equal(one, own.flip(tuple(a - 1 for a in axes)))) for axes in kinds]
                   for one, own in zip(found, seen, strict=True)]  # fmt: skip
        assert all(any(one) for one in seen_as)
        assert all(sum(one[n] for one in seen_as) > 5 for n in range(len(kinds)))  # each way now and then


# ---- mixing


def test_mixup_is_the_blend():
    seen, random = pictures(), np.random.default_rng(0)
    partners, kept = random.permutation(ROWS), random.random(ROWS)
    found = augment.mixed_up(seen, partners, kept).numpy()
    share = kept[:, None, None, None]
    wanted = share * seen.numpy() + (1 - share) * seen.numpy()[partners]
    assert np.abs(found - wanted).max() <= 0.5 + 1e-4
    assert np.array_equal(augment.mixed_up(seen, partners, np.ones(ROWS)).numpy(), seen.numpy())
    assert np.array_equal(augment.mixed_up(seen, partners, np.zeros(ROWS)).numpy(), seen.numpy()[partners])


def test_the_share_of_a_cut_is_the_pixels_that_are_left():
    rows = 300
    seen = torch.arange(rows, dtype=torch.int64)[:, None, None, None].expand(rows, 12, 17, 1)  # each its own number
    random = np.random.default_rng(0)
    partners, kept = np.roll(np.arange(rows), 1), random.random(rows)
    boxes = augment.cutting(kept, random.random((rows, 2)), (12, 17))
    found, share = augment.cut_and_pasted(seen, partners, boxes)
    own = (found == seen).float().mean((1, 2, 3)).numpy()
    theirs = (found == torch.from_numpy(partners)[:, None, None, None]).float().mean((1, 2, 3)).numpy()
    np.testing.assert_allclose(share, own, atol=1e-6)
    np.testing.assert_allclose(1 - share, theirs, atol=1e-6)
    middle = augment.cutting(kept, np.full((rows, 2), 0.5), (200, 300))
    area = (middle[:, 2] - middle[:, 0]) * (middle[:, 3] - middle[:, 1]) / 60_000
    np.testing.assert_allclose(area, 1 - kept, atol=0.01)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_mixed_labels_give_the_mixed_loss(weighted, several):
    """Of each row kept w_i L(y_i) + (1 - kept) w_j L(y_j), by the losses of the two rows themselves."""
    random, classes = np.random.default_rng(0), 4
    logits = torch.from_numpy(random.normal(size=(ROWS, classes)))
    labels = torch.from_numpy(random.integers(0, 2 if several else classes, (ROWS, classes) if several else ROWS))
    weights = torch.from_numpy(random.uniform(0.5, 3, ROWS)) if weighted else None
    partners, kept = random.permutation(ROWS), random.random(ROWS)
    shares, total = augment.mixed_labels(labels, weights, partners, kept, classes)

    def loss(wanted):
        if several:
            return binary_cross_entropy_with_logits(logits, wanted.double(), reduction="none").sum(1)
        return cross_entropy(logits, wanted.double() if wanted.ndim == 2 else wanted, reduction="none")

    found = loss(shares) * (1 if total is None else total)
    own = torch.ones(ROWS) if weights is None else weights
    share = torch.from_numpy(kept)
    wanted = share * own * loss(labels) + (1 - share) * own[partners] * loss(labels[partners])
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    if not several:
        torch.testing.assert_close(shares.sum(1).double(), torch.ones(ROWS).double())


# ---- the method


def batch_of(rows=400, weights=None):
    random = np.random.default_rng(0)
    labels = torch.from_numpy(random.integers(0, 3, rows))
    inputs = {"values": torch.zeros(rows, 0), "image: picture": pictures(rows, (8, 8))}
    return Batch(inputs, labels, weights, rows, rows)


def moment(seed=0, classes=3):
    return Moment(0, 10, torch.Generator().manual_seed(seed), classes)


def test_shares_of_mixup_are_from_beta():
    found = ImageAugmentation(mixup=0.4).batch(batch_of(3000), moment())
    assert found.labels.shape == (3000, 3)
    torch.testing.assert_close(found.labels.sum(1), torch.ones(3000))
    labels = batch_of(3000).labels
    own = found.labels[torch.arange(3000), labels].numpy()
    mixed = own[own < 1 - 1e-6]  # where the partner has another label: a share from Beta(0.4, 0.4)
    assert stats.kstest(mixed, stats.beta(0.4, 0.4).cdf).pvalue > 0.001
    cut = ImageAugmentation(cutmix=1.0).batch(batch_of(3000), moment())
    assert not torch.equal(cut.inputs["image: picture"], found.inputs["image: picture"])


def test_a_batch_hangs_on_the_moment_alone():
    for method in (ImageAugmentation(), ImageAugmentation(mixup=0.2, cutmix=1.0, erase=0.5, policy="some")):
        one, same, other = (method.batch(batch_of(), moment(seed)) for seed in (1, 1, 2))
        name = "image: picture"
        assert torch.equal(one.inputs[name], same.inputs[name])
        assert torch.equal(one.labels, same.labels)
        assert not torch.equal(one.inputs[name], other.inputs[name])
        assert one.inputs["values"].shape == (400, 0)
    assert torch.equal(ImageAugmentation().batch(batch_of(), moment()).labels, batch_of().labels)
    plain = replace(batch_of(), inputs={"values": torch.zeros(400, 2)})
    assert ImageAugmentation().batch(plain, moment()) is plain


def test_mixed_batches_keep_the_weights_of_their_rows():
    weights = torch.from_numpy(np.random.default_rng(0).uniform(0.5, 2, 400)).float()
    found = ImageAugmentation(mixup=1.0).batch(batch_of(weights=weights), moment())
    of_class = [float((weights * (batch_of().labels == k)).sum()) for k in range(3)]
    now = (found.weights[:, None] * found.labels).sum(0).tolist()
    np.testing.assert_allclose(now, of_class, rtol=0.12)  # in expectation the same; 400 rows
    assert found.weights.min() >= weights.min() - 1e-6


def test_digits_are_the_same_digits_after_the_defaults_and_not_after_half_turns():
    """By a strong model that was taught with turns, shifts and zooms of scipy, on digits that it never saw."""
    from sklearn.datasets import load_digits
    from sklearn.neighbors import KNeighborsClassifier

    small, labels = load_digits(return_X_y=True)
    seen = np.kron(small.reshape(-1, 8, 8), np.ones((3, 3))) * (255 / 16)
    seen = np.pad(ndimage.uniform_filter(seen, (0, 3, 3)), ((0, 0), (4, 4), (4, 4)))  # (rows, 32, 32), with a margin
    random = np.random.default_rng(0)
    order = random.permutation(len(seen))
    train, test = order[:700], order[700:1000]

    def otherwise(picture):
        turn, zoom = np.radians(random.uniform(-18, 18)), random.uniform(0.85, 1.15)
        back = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) / zoom
        back = back @ np.array([[1.0, random.uniform(-0.15, 0.15)], [random.uniform(-0.15, 0.15), 1.0]])
        offset = 15.5 - back @ (15.5 + random.uniform(-3.5, 3.5, 2))
        return ndimage.affine_transform(picture, back, offset, order=1)

    copies = [seen[train], *(np.stack([otherwise(one) for one in seen[train]]) for _ in range(11))]

    def shown(some):
        small = some.reshape(len(some), 16, 2, 16, 2).mean(axis=(2, 4)).reshape(len(some), -1)
        return (small - small.mean(axis=1, keepdims=True)) / small.std(axis=1, keepdims=True)

    strong = KNeighborsClassifier(3).fit(shown(np.concatenate(copies)), np.tile(labels[train], 12))

    def right(ranges, times=2):
        pictures = torch.from_numpy(seen[test].astype(np.uint8))[..., None]
        found = [varied(pictures, ranges, np.random.default_rng(seed)).numpy()[..., 0] for seed in range(times)]
        return np.mean([strong.predict(shown(one.astype(float))) == labels[test] for one in found])

    def ranges(**settings):
        return Ranges(**ImageAugmentation(**settings).model_dump(exclude={"mixup", "cutmix"}))

    plain = right(Ranges(), 1)
    assert plain > 0.96
    assert right(ranges()) > plain - 0.06
    assert right(ranges(policy="one")) > plain - 0.06
    assert right(ranges(flip="all")) < 0.8
    assert right(ranges(rotate=180.0)) < 0.8
