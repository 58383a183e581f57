"""Near copies planted among images are found; handwritten digits are told apart by linear and trees.

    python benchmarks/audit/images.py           some ten minutes
    python benchmarks/audit/images.py --quick

photos   scikit-learn's two sample photographs cut into tiles of 40 pixels that do not overlap, uniform ones (a
         standard deviation below 4 of 256 levels: sky) left out, each upright and lying on its side, enlarged to 100
         to 240 pixels a side: some 500 images, all different
digits   2,000 of the 5,000 MNIST digits, 28 x 28 pixels: hard, since many ones are alike
copies   of a tenth of the images a second one: saved again as JPEG of quality 40 to 90, cut by 5 to 10 % on each axis
         at a random place, resized by 0.5 to 2, made 0.75 to 1.3 times as bright, or all four. Rows found are those
         that `image_copies` names; clean: the same without copies
hash     the usual way beside it: pairs whose 64-bit perceptual hashes differ in at most 8 bits
labels   accuracy of all 5,000 digits by five-fold cross-validation, a folder a class, with default settings
"""

import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, fresh, mean, number, options, part_asked, peak_mib

from melior.proofs.sources import mnist_file

KINDS = ("jpeg", "cut", "size", "brightness", "all four")
NEAR_BITS = 8
TILE = 40
LEAST_CONTRAST = 4
Case = dict[str, Any]


def photos(count: int, seed: int) -> list[Image.Image]:
    from sklearn.datasets import load_sample_images

    random = np.random.default_rng([seed, 1])
    tiles = []
    for source in load_sample_images().images:
        rows, columns = (np.arange(0, size - TILE + 1, TILE) for size in source.shape[:2])
        every = [source[y : y + TILE, x : x + TILE] for y in rows for x in columns]
        tiles += [tile for tile in every if tile.std(axis=(0, 1)).mean() >= LEAST_CONTRAST]
    tiles += [np.rot90(tile) for tile in tiles]
    made = []
    for at in random.permutation(len(tiles))[:count]:
        side = int(random.integers(100, 241))
        image = Image.fromarray(np.ascontiguousarray(tiles[at]))
        made.append(image.resize((side, side), Image.Resampling.BICUBIC))
    return made


def digits(count: int | None, seed: int) -> tuple[list[Image.Image], np.ndarray]:
    rows = np.loadtxt(mnist_file(), delimiter=",", dtype=np.int64)
    labels, pixels = rows[:, -1], rows[:, :-1].astype(np.uint8).reshape(-1, 28, 28)
    chosen = np.random.default_rng([seed, 2]).permutation(len(rows))[:count]
    return [Image.fromarray(picture) for picture in pixels[chosen]], labels[chosen]


def edited(image: Image.Image, kind: str, random: np.random.Generator) -> Image.Image:
    if kind == "all four":
        for one in ("cut", "size", "brightness", "jpeg"):
            image = edited(image, one, random)
        return image
    width, height = image.size
    if kind == "jpeg":
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(random.integers(40, 91)))
        return Image.open(io.BytesIO(file.getvalue()))
    if kind == "cut":
        w, h = round(width * (1 - random.uniform(0.05, 0.1))), round(height * (1 - random.uniform(0.05, 0.1)))
        x, y = int(random.integers(width - w + 1)), int(random.integers(height - h + 1))
        return image.crop((x, y, x + w, y + h))
    if kind == "size":
        factor = np.exp(random.uniform(np.log(0.5), np.log(2)))
        return image.resize((max(1, round(width * factor)), max(1, round(height * factor))), Image.Resampling.BICUBIC)
    values = np.asarray(image, dtype=np.float64) * random.uniform(0.75, 1.3)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def copies_case(what: str, kind: str, count: int, seed: int) -> Case:
    """Row recall and precision, clusters whole, and the same by perceptual hash."""
    from melior.checks.image_copies import ImageCopies
    from melior.data.read import read
    from melior.images.features import grey
    from melior.images.hashes import differing_bits, perceptual_hash
    from melior.recipe import Recipe
    from melior.trials.context import TableContext

    random = np.random.default_rng([seed, 3])
    base = photos(count, seed) if what == "photos" else digits(count, seed)[0]
    originals = np.sort(random.permutation(count)[: count // 10]) if kind != "clean" else np.empty(0, dtype=np.int64)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for at, image in enumerate(base):
            image.save(folder / f"{at:05d}.png")
        for at in originals:
            edited(base[at], kind, random).save(folder / f"{at:05d} again.png")
        started = time.perf_counter()
        table = read(folder)
        decoding = time.perf_counter() - started
        started = time.perf_counter()
        findings = ImageCopies().measure(TableContext(table, Recipe()))
        seconds = time.perf_counter() - started
        source = np.array([int(cell[:5]) for cell in table.column("image").to_list()])
        hashes = perceptual_hash(grey(table.pictures("image").pixels))
    planted = np.isin(source, originals)
    named = np.zeros(table.rows, dtype=bool)
    whole = 0
    for finding in findings:
        named[finding.rows] = True
        groups = finding.measured["clusters"]
        whole += sum(len(set(source[group].tolist())) == 1 for group in groups)
    hashed = np.zeros(table.rows, dtype=bool)
    for at in range(table.rows - 1):
        near = at + 1 + np.flatnonzero(differing_bits(hashes[at], hashes[at + 1 :]) <= NEAR_BITS)
        hashed[near] = True
        hashed[at] |= len(near) > 0
    return {
        "rows": table.rows,
        "planted": int(planted.sum()),
        "named": int(named.sum()),
        "recall": (named & planted).sum() / planted.sum() if planted.any() else None,
        "precision": (named & planted).sum() / named.sum() if named.any() else None,
        "whole": whole,
        "threshold": findings[0].threshold if findings else 0.0,
        "hash_named": int(hashed.sum()),
        "hash_recall": (hashed & planted).sum() / planted.sum() if planted.any() else None,
        "hash_precision": (hashed & planted).sum() / hashed.sum() if hashed.any() else None,
        "seconds_decoding": decoding,
        "seconds": seconds,
    }


def labels_part(family: str, count: int | None) -> Case:
    from sklearn.model_selection import StratifiedKFold

    from melior.data.read import read
    from melior.recipe import Choice, Recipe
    from melior.trials.fit import fit
    from melior.trials.threads import one_thread_each

    images, labels = digits(count, 0)
    with tempfile.TemporaryDirectory() as name:
        for at, (image, label) in enumerate(zip(images, labels, strict=True)):
            (Path(name) / str(label)).mkdir(exist_ok=True)
            image.save(Path(name) / str(label) / f"{at:05d}.png")
        started = time.perf_counter()
        table = read(name)
        decoding = time.perf_counter() - started
    codes = table.given_labels()
    right = []
    started = time.perf_counter()
    with one_thread_each():
        for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(codes, codes):
            predictor = fit(Recipe(model=Choice(name=family), metric="accuracy"), table.take(train))
            right.append(float((predictor.answers(table.take(test)) == codes[test]).mean()))
    seconds = time.perf_counter() - started
    return {
        "rows": table.rows,
        "accuracy": mean(right),
        "folds": right,
        "seconds": seconds,
        "seconds_decoding": decoding,
        "peak_mib": peak_mib(),
    }


PARTS = {"labels": labels_part}


def shown(results: Results) -> list[Shown]:
    cases = results.finished()

    def of(start: str) -> list[Case]:
        return [case for key, case in cases.items() if key.startswith(start)]

    copies, clean = [], []
    for what in ("photos", "digits"):
        for kind in KINDS:
            found = of(f"{what} | {kind} |")
            if found:
                values = [mean([case[name] for case in found]) for name in
                          ("recall", "precision", "threshold", "hash_recall", "hash_precision", "seconds")]  # fmt: skip
                copies.append((f"{what}, {kind}", *(number(value, 3) for value in values[:5]), number(values[5], 1)))
        clean += [
            (what, str(case["rows"]), str(case["named"]), str(case["hash_named"])) for case in of(f"{what} | clean |")
        ]
    labels = [
        (key.split(" | ")[1], str(case["rows"]), number(case["accuracy"], 4), number(case["seconds"], 1))
        for key, case in cases.items()
        if key.startswith("labels")
    ]
    return [
        Shown(
            "Near copies of a tenth of the images",
            ("images, copies", "recall", "precision", "threshold", "recall by hash", "precision by hash", "seconds"),
            copies,
            "Rows, means over the seeds. Seconds without decoding. By hash: perceptual hashes at most 8 bits apart.",
        ),
        Shown("Without copies: images named", ("images", "rows", "named", "named by hash"), clean),
        Shown("Digits told apart", ("family", "images", "accuracy", "seconds for five folds"), labels),
    ]


def main() -> None:
    given = options(__doc__.splitlines()[0])
    seeds = range(1 if given.quick else 3)
    sizes = {"photos": 200, "digits": 300} if given.quick else {"photos": 498, "digits": 2000}
    settings = {"seeds": len(seeds), **sizes}
    results = Results("audit/images", "Images: near copies found, digits told apart", given, settings)
    if not given.show:
        for family in ("linear", "trees"):
            count = 500 if given.quick else None
            results.case(f"labels | {family}", lambda: fresh("audit/images", "labels", family=family, count=count))  # noqa: B023
        for seed in seeds:
            for what, count in sizes.items():
                for kind in (*KINDS, "clean"):
                    results.case(f"{what} | {kind} | {seed}", lambda: copies_case(what, kind, count, seed))  # noqa: B023
    results.show(shown(results))


if __name__ == "__main__" and not part_asked(PARTS):
    main()
