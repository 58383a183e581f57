"""The image network on handwritten digits of MNIST: trained on 4,000, tested on 1,000. Wanted: accuracy 0.975.

    python benchmarks/engine/digits.py
    python benchmarks/engine/digits.py --quick

The network has its defaults and nothing is known to it but the pictures: no augmentation, no pretrained weights. Beside
it the two other families that read images, on fitted dimensions. The split is stratified, one a seed.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, fresh, mean, number, options, part_asked

from melior.proofs.sources import mnist_file

FAMILIES = ("image_network", "linear", "trees")
TEST = 100  # rows of each digit


def trained(family: str, seed: int, quick: bool = False) -> dict[str, Any]:
    from PIL import Image

    from melior.data.read import read
    from melior.recipe import Choice, Recipe
    from melior.trials.fit import fit
    from melior.trials.threads import cores

    rows = np.loadtxt(mnist_file(), delimiter=",", dtype=np.int64)
    labels, pixels = rows[:, -1], rows[:, :-1].astype(np.uint8).reshape(-1, 28, 28)
    random = np.random.default_rng([seed, 11])
    order = [random.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    test = np.sort(np.concatenate([own[:TEST] for own in order]))
    train = np.sort(np.concatenate([own[TEST:] for own in order]))
    if quick:
        test, train = test[::10], train[::20]
    with tempfile.TemporaryDirectory() as name:
        kept = np.concatenate([train, test])
        paths = [str(Path(name) / f"{row}.png") for row in kept]
        for path, row in zip(paths, kept, strict=True):
            Image.fromarray(pixels[row]).save(path)
        said = [f"digit {label}" for label in labels[kept]]
        table = read(pl.DataFrame({"picture": paths, "digit": said}), target="digit", columns={"picture": "image"})
        inside, outside = table.take(np.arange(len(train))), table.take(np.arange(len(train), len(kept)))
        settings = {"epochs": 2} if quick and family == "image_network" else {}
        recipe = Recipe(model=Choice(name=family, settings=settings), metric="accuracy", seed=seed)
        started, processor = time.perf_counter(), time.process_time()
        predictor = fit(recipe, inside, threads=cores())
        fitted, used = time.perf_counter() - started, time.process_time() - processor
        started = time.perf_counter()
        answers = predictor.answers(outside)
        right = answers == outside.given_labels()
        return {
            "family": family,
            "accuracy": float(right.mean()),
            "seconds_to_fit": fitted,
            "processor_seconds": used,
            "rows_per_second": len(test) / (time.perf_counter() - started),
        }


def tables(results: Results) -> list[Shown]:
    rows = []
    for family in FAMILIES:
        own = [one for one in results.finished().values() if one["family"] == family]
        if own:
            each = ", ".join(number(one["accuracy"]) for one in own)
            figures = [mean([one[name] for one in own]) for name in ("accuracy", "seconds_to_fit", "processor_seconds")]
            speed = mean([one["rows_per_second"] for one in own])
            wanted = "0.975" if family == "image_network" else ""
            rows.append(
                (
                    family,
                    number(figures[0], 4),
                    wanted,
                    each,
                    number(figures[1], 0),
                    number(figures[2], 0),
                    number(speed, 0),
                )
            )
    headings = (
        "family",
        "accuracy",
        "wanted",
        "each seed",
        "seconds to fit",
        "of the processor",
        "rows scored a second",
    )
    return [Shown("5,000 digits of MNIST, 4,000 to train on", headings, rows)]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=3)


def main() -> None:
    if part_asked({"trained": trained}):
        return
    given = options(__doc__ or "", more)
    seeds = 1 if given.quick else given.seeds
    results = Results("engine/digits", "The image network on handwritten digits", given, {"seeds": seeds})
    if not given.show:
        for family in FAMILIES:
            for seed in range(seeds):
                results.case(
                    f"{family} | seed {seed}",
                    lambda f=family, s=seed: fresh("engine/digits", "trained", family=f, seed=s, quick=given.quick),
                )
    results.show(tables(results))


if __name__ == "__main__":
    main()
