"""Pictures varied per second, one kind of change at a time, beside kornia; and whether labels stay true.

    python benchmarks/methods/images.py
    MELIOR_PEER=PYTHON python benchmarks/methods/images.py   with kornia, by an interpreter that has it and torch
    python benchmarks/methods/images.py --quick

Batches of 32 pictures, one thread, each change drawn anew for every picture of every batch; medians of several rounds.
Here bytes go in and bytes come out, as a training reads them; kornia gets floats in 0..1 and gives floats, so that its
figures leave out both conversions. The ratio is the pictures a second here over kornia's.

Labels: a network taught on 4,000 digits of MNIST, with the default changes and without, answers 1,000 others as they
are and changed. What stays true is answered almost as well; half turns and mirrors, which are not safe for digits, show
that the measure would tell.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, fresh, median, number, options, part_asked

PROGRAM = "methods/images"
BATCH = 32
SIZES = {"32 x 32": 32, "128 x 128": 128}
OURS: dict[str, dict[str, Any]] = {
    "rotate": {"rotate": 10.0},
    "rotate, shift, shear, zoom": {"rotate": 10.0, "shift": 0.1, "shear": 8.0, "zoom": 0.1},
    "flip": {"flip": "sides"},
    "crop": {"crop": 0.5},
    "colours": {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2},
    "erase": {"erase": 1.0},
    "mixup": {"mixup": 0.2},
    "cutmix": {"cutmix": 1.0},
    "the defaults": {
        "rotate": 10.0, "shift": 0.1, "shear": 8.0, "zoom": 0.1, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2,
    },
    "one kind at random": {
        "rotate": 10.0, "shift": 0.1, "shear": 8.0, "zoom": 0.1, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2,
        "policy": "one",
    },
    "two kinds at random": {
        "rotate": 10.0, "shift": 0.1, "shear": 8.0, "zoom": 0.1, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2,
        "policy": "some",
    },
}  # fmt: skip
NOTHING = {"rotate": 0, "shift": 0, "shear": 0, "zoom": 0, "brightness": 0, "contrast": 0, "saturation": 0}
LABELS: dict[str, dict[str, Any]] = {
    "as they are": NOTHING,
    "the defaults": {},
    "one kind at random, turned up to 20 degrees": {"policy": "one", "rotate": 20.0},
    "two kinds at random": {"policy": "some"},
    "boxes erased": {**NOTHING, "erase": 1.0},
    "mirrored and upside down": {"flip": "all"},
    "turned by up to 180 degrees": {"rotate": 180.0},
}

PEER = """
import json, time
import torch
torch.set_num_threads(1)
torch.manual_seed(0)
import kornia.augmentation as K
size = SIZE
affine = lambda: K.RandomAffine(degrees=10.0, translate=(0.1, 0.1), scale=(1 / 1.1, 1.1), shear=8.0, p=1.0)
colours = lambda: K.ColorJiggle(brightness=0.2, contrast=0.2, saturation=0.2, p=1.0)
made = {
    "rotate": lambda: K.RandomRotation(degrees=10.0, p=1.0),
    "rotate, shift, shear, zoom": affine,
    "flip": lambda: K.RandomHorizontalFlip(p=0.5),
    "crop": lambda: K.RandomResizedCrop((size, size), scale=(0.5, 1.0), p=1.0),
    "colours": colours,
    "erase": lambda: K.RandomErasing(scale=(0.02, 0.4), ratio=(0.3, 3.3), p=1.0),
    "mixup": lambda: K.RandomMixUpV2(p=1.0, data_keys=["input", "class"]),
    "cutmix": lambda: K.RandomCutMixV2(p=1.0, data_keys=["input", "class"]),
    "the defaults": lambda: K.AugmentationSequential(affine(), colours(), data_keys=["input"]),
    "one kind at random": lambda: K.auto.TrivialAugment(),
    "two kinds at random": lambda: K.auto.RandAugment(n=2, m=10),
}[NAME]()
pictures = torch.rand(BATCH, 3, size, size)
labels = torch.arange(BATCH) % 10
with torch.no_grad():
    act = (lambda: made(pictures, labels)) if NAME in ("mixup", "cutmix") else (lambda: made(pictures))
    act()
    seconds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(TIMES):
            act()
        seconds.append((time.perf_counter() - begin) / TIMES)
print(json.dumps({"seconds": sorted(seconds)[len(seconds) // 2]}))
"""


def here(name: str, size: int, rounds: int, times: int) -> dict[str, Any]:
    """Seconds of a batch by this package."""
    import numpy as np
    import torch

    from melior.engine.lessons import Moment
    from melior.engine.problem import Batch
    from melior.methods.image_augmentation import ImageAugmentation

    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    pictures = torch.from_numpy(random.integers(0, 256, (BATCH, size, size, 3), dtype=np.uint8))
    batch = Batch({"image: picture": pictures}, torch.arange(BATCH) % 10, None, BATCH, BATCH)
    method, generator = ImageAugmentation(**{**NOTHING, **OURS[name]}), torch.Generator().manual_seed(0)
    moment, seconds = Moment(0, 1, generator, 10), []
    method.batch(batch, moment)
    for _ in range(rounds):
        begin = time.perf_counter()
        for _ in range(times):
            method.batch(batch, moment)
        seconds.append((time.perf_counter() - begin) / times)
    return {"seconds": median(seconds)}


def by_kornia(python: str, name: str, size: int, rounds: int, times: int) -> float:
    given = {"NAME": name, "SIZE": size, "ROUNDS": rounds, "TIMES": times, "BATCH": BATCH}
    head = "\n".join(f"{key} = {value!r}" for key, value in given.items())
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([python, "-c", head + PEER], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip() or "no message").splitlines()[-1])
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def labels(seed: int, each: int, epochs: int) -> dict[str, Any]:
    """Share of right answers to changed digits, by a network taught with the default changes and by one without."""
    import numpy as np
    import torch

    from melior.methods.image_augmentation import ImageAugmentation
    from melior.networks.augment import Ranges, varied
    from melior.proofs.pictures import digits
    from melior.recipe import Recipe
    from melior.trials.fit import fit

    given = digits(seed, each)
    truth = given.test.given_labels()
    found: dict[str, Any] = {}
    for taught, methods in (("with", ["image_augmentation"]), ("without", [])):
        model = {"image_network": {"epochs": epochs}}
        recipe = Recipe.checked({"model": model, "methods": methods, "metric": "accuracy", "seed": seed})
        predictor: Any = fit(recipe, given.train)
        matrix, network = predictor.scorer.encoding.transform(given.test), predictor.scorer.model.network().float()
        (name,) = matrix.parts
        pictures = torch.from_numpy(matrix.parts[name].pictures(np.arange(matrix.rows)))
        values = torch.from_numpy(np.asarray(matrix.dense(), dtype=np.float32))
        for what, settings in LABELS.items():
            ranges = Ranges(**ImageAugmentation(**settings).model_dump(exclude={"mixup", "cutmix"}))
            right = []
            for draw in range(3):
                changed = varied(pictures, ranges, np.random.default_rng([seed, draw]))
                with torch.no_grad():
                    right.append(float((network(values, **{name: changed}).argmax(1).numpy() == truth).mean()))
            found[f"{what}, taught {taught}"] = float(np.mean(right))
    return found


def measured(name: str, size: int, rounds: int, times: int, peer: str | None) -> dict[str, Any]:
    found = {**fresh(PROGRAM, "here", name=name, size=size, rounds=rounds, times=times), "size": size, "name": name}
    if peer:
        found["peer_seconds"] = by_kornia(peer, name, size, rounds, times)
    return found


def tables(results: Results) -> list[Shown]:
    cases = results.finished()
    shown = []
    for said, size in SIZES.items():
        rows = []
        for one in (one for one in cases.values() if one.get("size") == size):
            peer = one.get("peer_seconds")
            rows.append(
                (
                    one["name"],
                    number(BATCH / one["seconds"], 0),
                    number(BATCH / peer if peer else None, 0),
                    number(peer / one["seconds"] if peer else None, 2),
                )
            )
        if rows:
            headings = ("change", "pictures a second", "kornia", "times kornia")
            shown.append(Shown(f"Pictures of {said}, in colour", headings, rows))
    every = [one for key, one in cases.items() if key.startswith("labels")]
    if every:
        told = []
        for what in LABELS:
            means = [
                sum(one[f"{what}, taught {taught}"] for one in every) / len(every) for taught in ("with", "without")
            ]
            told.append((what, *(number(mean) for mean in means)))
        shown.append(
            Shown(
                "Whether labels stay true",
                ("digits", "right, taught with the defaults", "taught without"),
                told,
                "Neither network was taught with boxes of noise, which the defaults do not have.",
            )
        )
    return shown


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=2)


def main() -> None:
    if part_asked({"here": here, "labels": labels}):
        return
    given = options(__doc__ or "", more)
    if given.quick:
        given.rounds, given.seeds = 1, 1
    settings = {"rounds": given.rounds, "seeds": given.seeds}
    results = Results(PROGRAM, "Pictures varied per second, and whether labels stay true", given, settings)
    if not given.show:
        peer = os.environ.get("MELIOR_PEER")
        for said, size in list(SIZES.items())[: 1 if given.quick else None]:
            times = 2 if given.quick else (40 if size == 32 else 6)
            for name in OURS:
                results.case(
                    f"{name} | {said}",
                    lambda n=name, s=size, t=times: measured(n, s, given.rounds, t, peer),
                )
        each, epochs = (10, 1) if given.quick else (400, 15)
        for seed in range(given.seeds):
            results.case(
                f"labels | seed {seed}",
                lambda s=seed: fresh(PROGRAM, "labels", seed=s, each=each, epochs=epochs),
            )
    results.show(tables(results))


if __name__ == "__main__":
    main()
