"""Images that are none, and copies that are nearly the same: planted and found; nothing on clean images."""

import io
from types import SimpleNamespace

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

from melior.checks._image_copies import before_gap, holds_mirrors, lower_limit  # noqa: E402
from melior.checks.image_copies import ImageCopies  # noqa: E402
from melior.checks.invalid_images import InvalidImages  # noqa: E402
from melior.checks.outliers import Outliers  # noqa: E402
from melior.data.read import read, read_pair  # noqa: E402
from melior.improvement.repair import separate  # noqa: E402
from melior.methods.deduplication import Deduplication  # noqa: E402
from melior.recipe import Recipe  # noqa: E402
from melior.trials.context import TableContext  # noqa: E402
from melior.trials.together import clusters  # noqa: E402


def scene(random, size=64, discs=40):
    y, x = np.mgrid[:size, :size]
    picture = np.ones((size, size, 3)) * random.uniform(60, 200, 3)
    for _ in range(discs):
        cx, cy = random.uniform(0, size, 2)
        w, h = random.uniform(2, size / 4, 2)
        picture[((x - cx) / w) ** 2 + ((y - cy) / h) ** 2 < 1] = random.uniform(0, 255, 3)
    return Image.fromarray(picture.astype(np.uint8))


def edited(image, kind, random):
    width, height = image.size
    if kind == "jpeg":
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(random.integers(50, 91)))
        return Image.open(io.BytesIO(file.getvalue())).convert("RGB")
    if kind == "cut":
        part = random.uniform(0.90, 0.95)
        w, h = round(width * part), round(height * part)
        x, y = random.integers(0, width - w + 1), random.integers(0, height - h + 1)
        return image.crop((x, y, x + w, y + h))
    if kind == "size":
        return image.resize((round(width * 0.7), round(height * 0.7)))
    return Image.fromarray(np.clip(np.asarray(image) * random.uniform(0.75, 1.25), 0, 255).astype(np.uint8))


def put(folder, images):
    for name, image in images.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    return folder


def context(table, other=None):
    return TableContext(table, Recipe(metric="macro_f1"), other=other)


def paths(table, finding):
    cells = dict(zip(table.row_ids.tolist(), table.column("image").to_list(), strict=True))
    return [cells[row] for row in finding.rows.tolist()]


@pytest.fixture(scope="module")
def photos():
    random = np.random.default_rng(0)
    return [scene(random) for _ in range(120)]


# ---- near copies


@pytest.mark.parametrize("size", [16, 32])
@pytest.mark.parametrize("told", [True, False])
def test_what_one_camera_sees_are_no_copies(tmp_path, size, told):
    """One background, and another mark in the middle of it each time."""
    random = np.random.default_rng(1)
    behind = scene(random)
    seen = {}
    for number in range(120):
        picture = behind.copy()
        picture.paste(scene(random, size, 6), (32 - size // 2, 32 - size // 2))
        noisy = np.asarray(picture) + random.normal(0, 5, (64, 64, 3))
        folder = f"kind{number % 4}" if told else "all"
        seen[f"{folder}/{number:03d}.png"] = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    found = ImageCopies().measure(context(read(put(tmp_path, seen))))
    assert sum(finding.measured["repeated_rows"] for finding in found) <= 2


@pytest.mark.parametrize("mirrored", [1, 3])
def test_some_mirrored_images_do_not_hide_copies(photos, tmp_path, mirrored):
    random = np.random.default_rng(2)
    images = {f"p{number}.png": image for number, image in enumerate(photos)}
    images |= {f"q{number}.png": edited(photos[number], "jpeg", random) for number in range(20)}
    images |= {
        f"m{number}.png": photos[40 + number].transpose(Image.Transpose.FLIP_LEFT_RIGHT) for number in range(mirrored)
    }
    table = read(put(tmp_path, images))
    (finding,) = ImageCopies().measure(context(table))
    assert set(paths(table, finding)) == {f"{letter}{number}.png" for letter in "pq" for number in range(20)}


def test_near_copies_are_found_whole_and_nothing_else(photos, tmp_path):
    random = np.random.default_rng(1)
    images = {f"{number % 2}/{number}.png": image for number, image in enumerate(photos)}
    for number in range(20):
        kinds = ("jpeg", "cut", "size", "bright")
        images[f"{number % 2}/{number}_a.png"] = edited(photos[number], kinds[number % 4], random)
    images["0/0_b.png"] = edited(photos[0], "cut", random)
    images["1/2_wrong.png"] = photos[2]  # the same picture with another answer
    table = read(put(tmp_path, images))
    (finding,) = ImageCopies().measure(context(table))
    assert finding.symptom == "duplicate_rows"
    groups = {
        frozenset(part.split("/")[1].split("_")[0].split(".")[0] for part in group) for group in named(table, finding)
    }
    assert groups == {frozenset([str(number)]) for number in range(20)}
    sizes = sorted(len(group) for group in finding.measured["clusters"])
    assert sizes == [2] * 18 + [3, 3]
    assert finding.measured["conflicting_clusters"] == 1
    assert "In 1 of these groups the answers differ" in finding.message
    assert finding.measured["repeated_rows"] == 22
    assert finding.severity == pytest.approx(22 / 142)
    assert finding.row_scores[0] == 1.0  # the same picture comes first
    assert finding.measured["same_picture"] == 2


def named(table, finding):
    cells = dict(zip(table.row_ids.tolist(), table.column("image").to_list(), strict=True))
    return [[cells[row] for row in group] for group in finding.measured["clusters"]]


def test_the_largest_of_a_group_is_the_one_to_keep(photos, tmp_path):
    images = {f"{number}.png": image for number, image in enumerate(photos[:40])}
    images["00.png"] = photos[5].resize((40, 40))
    images["zz.png"] = photos[5].resize((200, 200))
    table = read(put(tmp_path, images))
    (finding,) = ImageCopies().measure(context(table))
    assert [group[0] for group in named(table, finding)] == ["zz.png"]


@pytest.mark.parametrize("seed", range(3))
def test_clean_images_have_no_copies(seed, tmp_path):
    random = np.random.default_rng([7, seed])
    table = read(put(tmp_path, {f"{number}.png": scene(random, 40, 3 + 10 * seed) for number in range(150)}))
    assert not ImageCopies().measure(context(table))


def test_noise_and_ramps_are_no_copies(tmp_path):
    """Pure noise has no neighbours; smooth ramps all look alike, and chance is allowed for."""
    random = np.random.default_rng(2)
    y, x = np.mgrid[:48, :48] / 48
    images = {}
    for number in range(80):
        images[f"n{number}.png"] = Image.fromarray(random.integers(0, 256, (48, 48, 3)).astype(np.uint8))
        a, b = random.normal(size=2)
        ramp = 128 + 40 * (a * x + b * y)[:, :, None] * np.ones(3) + random.normal(scale=3, size=(48, 48, 3))
        images[f"r{number}.png"] = Image.fromarray(np.clip(ramp, 0, 255).astype(np.uint8))
    assert not ImageCopies().measure(context(read(put(tmp_path, images))))


def test_every_image_may_have_a_copy(photos, tmp_path):
    """A threshold relative to the usual distance would find nothing here."""
    random = np.random.default_rng(4)
    images = {f"{number}.png": image for number, image in enumerate(photos[:60])}
    images |= {f"{number}_a.png": edited(image, "cut", random) for number, image in enumerate(photos[:60])}
    (finding,) = ImageCopies().measure(context(read(put(tmp_path, images))))
    assert len(finding.rows) >= 0.95 * 120


def test_images_of_two_parts_overlap(photos, tmp_path):
    random = np.random.default_rng(5)
    main = put(tmp_path / "main", {f"{n % 2}/{n}.png": photos[n] for n in range(80)})
    held = {f"{n % 2}/x{n}.png": photos[n] for n in range(80, 110)}
    held |= {f"{n % 2}/again{n}.png": edited(photos[n], "jpeg", random) for n in range(6)}
    first, second = read_pair(main, put(tmp_path / "held", held))
    (finding,) = ImageCopies().measure(context(first, second))
    assert finding.symptom == "split_overlap"
    assert sorted(paths(first, finding)) == [f"{n % 2}/{n}.png" for n in sorted(range(6), key=lambda n: (n % 2, n))]
    assert finding.measured["share_of_other"] == pytest.approx(6 / 36)
    there = dict(zip(second.row_ids.tolist(), second.column("image").to_list(), strict=True))
    assert all("again" in there[row] for row in finding.measured["rows_of_other"].tolist())
    kept, left, repair = separate(first, second, separate_test=True)
    assert (kept.rows, left.rows) == (80, 30)
    assert repair.symptom == "split_overlap"


def test_copies_stay_on_one_side_of_every_fold(photos, tmp_path):
    images = {f"{n % 2}/{n}.png": photos[n] for n in range(60)} | {"0/again.jpg": photos[0]}
    table = read(put(tmp_path, images))
    groups = clusters(table)
    cells = table.column("image").to_list()
    assert groups[cells.index("0/again.jpg")] == groups[cells.index("0/0.png")]
    assert len(np.unique(groups)) == 60


def test_deduplication_keeps_one_of_each(photos, tmp_path):
    """The same file by default, near copies where that is asked; of training rows alone."""
    random = np.random.default_rng(8)
    images = {f"{n % 2}/{n}.png": photos[n] for n in range(60)} | {"0/same.png": photos[2]}
    images |= {f"{n % 2}/{n}_near.png": edited(photos[n], "cut", random) for n in range(8)}
    table = read(put(tmp_path, images))
    for near, kept in ((False, 68), (True, 60)):
        rows = Deduplication(near=near).rows(table, SimpleNamespace(seed=0))
        assert rows.rows == kept
    assert Deduplication(near=True).rows(table.take(np.arange(0, 40)), SimpleNamespace(seed=0)).rows <= 40


@pytest.mark.parametrize("count", [1, 2, 15])
def test_few_images_only_the_same_picture(photos, count, tmp_path):
    images = {f"{n}.png": photos[n] for n in range(count)} | {"same.png": photos[0]}
    (finding,) = ImageCopies().measure(context(read(put(tmp_path, images))))
    assert sorted(named(finding=finding, table=read(tmp_path))[0]) == ["0.png", "same.png"]
    assert finding.threshold == 0


def test_the_limit_holds_its_rate_on_evenly_scattered_neighbours():
    """Distances of D-dimensional points: at most 2 % of what lies within the limit is there by chance."""
    random = np.random.default_rng(0)
    false = found = 0
    for _ in range(30):
        dimensions = int(random.integers(3, 9))

        def drawn(many, dimensions=dimensions):
            return 0.7 * random.random((many, 8)) ** (1 / dimensions)

        null = np.sort(drawn(600), axis=1)
        chance, copies = drawn(2000).min(axis=1), random.uniform(0, 0.15, 300)
        border = lower_limit(null, np.concatenate([chance, copies]))
        assert lower_limit(null, chance) <= np.quantile(chance, 0.01)
        false += (chance <= border).sum()
        found += (copies <= border).sum()
    assert false <= 0.03 * found
    assert found > 0.3 * 30 * 300


def test_gaps_are_rare_by_chance_and_seen_where_mirrors_stand():
    random = np.random.default_rng(0)
    null = np.sort(random.random((5000, 8)) ** (1 / 5), axis=1)
    assert before_gap(null).mean() < 2e-3
    assert not holds_mirrors(null)
    null[:1000, 0] *= 0.01
    assert before_gap(null)[:1000].mean() > 0.5
    assert holds_mirrors(null)


# ---- images that are none


def causes(table):
    return {finding.measured["kind"]: finding for finding in InvalidImages().measure(context(table))}


def test_planted_faults_are_named(photos, tmp_path):
    images = {f"{n}.png": photos[n] for n in range(60)}
    images |= {"black.png": Image.new("RGB", (64, 64), (3, 2, 2)), "dot.png": photos[0].resize((3, 5))}
    images |= {"strip.png": photos[1].resize((900, 30))}
    put(tmp_path, images)
    (tmp_path / "words.jpg").write_text("not an image")
    (tmp_path / "cut.png").write_bytes((tmp_path / "0.png").read_bytes()[:200])
    photos[2].save(tmp_path / "liar.png", "JPEG")
    table = read(tmp_path)
    found = causes(table)
    assert {cause: sorted(paths(table, finding)) for cause, finding in found.items()} == {
        "unreadable images": ["cut.png", "words.jpg"],
        "uniform images": ["black.png"],
        "tiny images": ["dot.png"],
        "shape images": ["strip.png"],
        "ending images": ["liar.png"],
    }
    assert found["unreadable images"].measured["reasons"] == {"damaged": 1, "no image": 1}
    assert "such as cut.png: it is damaged or cut short" in found["unreadable images"].message
    assert "JPEG and not .png" in found["ending images"].message
    assert "3 x 5" in found["tiny images"].message


def test_sound_images_have_nothing(photos, tmp_path):
    random = np.random.default_rng(0)
    for number, image in enumerate(photos):
        width, height = np.exp(random.normal(4.5, 0.4, 2)).astype(int)
        image.resize((int(width), int(height))).save(tmp_path / f"{number}.{('png', 'jpg', 'webp', 'gif')[number % 4]}")
    assert not causes(read(tmp_path))


def test_where_all_are_tiny_or_long_none_is(photos, tmp_path):
    put(tmp_path / "tiny", {f"{n}.png": image.resize((6, 6)) for n, image in enumerate(photos[:40])})
    put(tmp_path / "long", {f"{n}.png": image.resize((400, 20)) for n, image in enumerate(photos[:40])})
    assert not causes(read(tmp_path / "tiny"))
    assert not causes(read(tmp_path / "long"))


def test_an_image_of_another_kind_is_an_outlier(tmp_path):
    random = np.random.default_rng(0)
    images = {}
    for number in range(150):  # bars of any colour, and one picture of noise
        bars = 100 + 60 * (np.arange(32) // 4 % 2)[None, :, None] * random.uniform(0.8, 1.2, 3)
        pixels = bars + random.normal(scale=8, size=(32, 32, 3))
        images[f"{number}.png"] = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    images["odd.png"] = scene(random, 32)
    table = read(put(tmp_path, images))
    (finding,) = Outliers().measure(context(table))
    assert paths(table, finding) == ["odd.png"]
    assert "look unlike all others" in finding.message
