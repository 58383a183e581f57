"""What a pretrained image network is worth on few rows: taught the digits 0 to 4, then 5 to 9 with 10 or 40 rows each.

    python benchmarks/engine/transfer.py
    python benchmarks/engine/transfer.py --quick

No real vision weights are at hand, so the base is made here: a tiny network of each architecture learns 2,000 digits of
MNIST (0 to 4) from nothing, is saved as a folder of transformers (or as a run, for the residual network of
image_network), and begins the training on the other five digits. Beside it the same architecture without learning, and
the families without any base. 200 rows of each of the other five digits are scored.
"""

import argparse
import json
import os
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

ARCHITECTURES = ("resnet", "vit", "run")
WAYS = ("frozen", "last_k", "full", "frozen, not taught")
ALONE = ("image_network from nothing", "linear")
EACH = (10, 40)  # rows of each digit to learn from
SOURCE, TEST = 400, 200  # rows of each digit, to teach the base and to score
SIZE = 32


def untaught(architecture: str, folder: Path, seed: int) -> str:
    """A folder with a tiny model of transformers that has random weights."""
    import torch
    import transformers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture == "resnet":
            sizes = {"embedding_size": 16, "hidden_sizes": [16, 32, 64], "depths": [1, 1, 1]}
            config = transformers.ResNetConfig(**sizes, layer_type="basic", downsample_in_first_stage=False)
            model = transformers.ResNetModel(config)
        else:
            sizes = {"hidden_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 96}
            model = transformers.ViTModel(
                transformers.ViTConfig(**sizes, image_size=SIZE, patch_size=4), add_pooling_layer=False
            )
    model.save_pretrained(folder)
    prepare = {"do_resize": True, "size": {"height": SIZE, "width": SIZE}, "resample": 2, "do_normalize": True}
    prepare |= {"image_mean": [0.13] * 3, "image_std": [0.31] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(prepare))
    return str(folder)


def digits(folder: Path, seed: int) -> tuple[Any, dict[int, Any], Any]:
    """Tables of digits: those that teach the base, few of the others by how many, and those that are scored."""
    from PIL import Image

    from melior.data.read import read

    rows = np.loadtxt(mnist_file(), delimiter=",", dtype=np.int64)
    labels, pixels = rows[:, -1], rows[:, :-1].astype(np.uint8).reshape(-1, 28, 28)
    random = np.random.default_rng([seed, 12])
    order = {digit: random.permutation(np.flatnonzero(labels == digit)) for digit in range(10)}

    def table(which: np.ndarray) -> Any:
        paths = [str(folder / f"{row}.png") for row in which]
        for path, row in zip(paths, which, strict=True):
            Image.fromarray(pixels[row]).save(path)
        said = [f"digit {label}" for label in labels[which]]
        return read(pl.DataFrame({"picture": paths, "digit": said}), target="digit", columns={"picture": "image"})

    other = range(5, 10)
    source = table(np.concatenate([order[digit][:SOURCE] for digit in range(5)]))
    few = {each: table(np.concatenate([order[digit][TEST : TEST + each] for digit in other])) for each in EACH}
    return source, few, table(np.concatenate([order[digit][:TEST] for digit in other]))


def trained(architecture: str, seed: int, quick: bool = False) -> dict[str, Any]:
    """Accuracy on the other digits, by way and rows."""
    from melior.recipe import Choice, Recipe
    from melior.trials.fit import fit

    def fitted(table: Any, family: str = "image_network", **settings: Any) -> Any:
        recipe = Recipe(model=Choice(name=family, settings=settings), metric="accuracy", seed=seed)
        return fit(recipe, table, threads=1)

    found: dict[str, Any] = {"architecture": architecture}
    with tempfile.TemporaryDirectory() as name:
        os.environ["MELIOR_CACHE"] = name  # nothing is known from earlier runs; `fresh` is a process of its own
        folder = Path(name) / "digits"
        folder.mkdir()
        source, few, test = digits(folder, seed)
        truth = test.given_labels()
        quickly: dict[str, Any] = {"epochs": 1} if quick else {}

        def right(predictor: Any) -> float:
            return float(np.mean(predictor.answers(test) == truth))

        if architecture == "none":
            for each, table in few.items():
                found[f"image_network from nothing, {each}"] = right(fitted(table, **quickly))
                found[f"linear, {each}"] = right(fitted(table, "linear"))
            return found
        base = Path(name) / "base"
        started = time.perf_counter()
        if architecture == "run":
            plain = str(Path(name) / "plain")
            fitted(few[EACH[0]], epochs=1, learning_rate=1e-9).save(Path(plain))
            fitted(source, **({"epochs": 1} if quick else {"epochs": 8})).save(base)
        else:
            plain = untaught(architecture, Path(name) / "plain", seed)
            taught = fitted(
                source, base=plain, tuning="full", learning_rate=3e-3, batch_rows=32, epochs=1 if quick else 12
            )
            saved(taught, plain, base)
        found["seconds_to_teach"] = time.perf_counter() - started
        for each, table in few.items():
            for way in WAYS:
                begins = plain if way == "frozen, not taught" else str(base)
                tuning = way.partition(",")[0]
                more = quickly if tuning != "frozen" else {}
                started = time.perf_counter()
                found[f"{way}, {each}"] = right(fitted(table, base=begins, tuning=tuning, layers=1, **more))
                found[f"{way}, {each}, seconds"] = time.perf_counter() - started
    return found


def saved(predictor: Any, plain: str, base: Path) -> None:
    """The encoder of a predictor as a folder of transformers."""
    import shutil

    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(plain)
    ahead = "images.0.encoder."
    state = predictor.scorer.model.state
    own = {key.removeprefix(ahead): torch.from_numpy(value) for key, value in state.items() if key.startswith(ahead)}
    model.load_state_dict(own, strict=False)
    model.save_pretrained(base)
    shutil.copy(Path(plain) / "preprocessor_config.json", base)


def tables(results: Results) -> list[Shown]:
    finished = list(results.finished().values())
    rows = []
    for architecture in (*ARCHITECTURES, "none"):
        own = [one for one in finished if one["architecture"] == architecture]
        for way in WAYS if architecture != "none" else ALONE:
            if own:
                figures = [[one[f"{way}, {each}"] for one in own] for each in EACH]
                spans = [f"{number(min(one), 3)} to {number(max(one), 3)}" for one in figures]
                seconds = [one.get(f"{way}, {EACH[-1]}, seconds") for one in own]
                took = number(mean([one for one in seconds if one is not None]), 1) if seconds[0] is not None else ""
                cells = [cell for values, span in zip(figures, spans, strict=True) for cell in (mean(values), span)]
                shown = [number(cell, 3) if isinstance(cell, float) else cell for cell in cells]
                rows.append((architecture, way, *shown, took))
    headings = ["base", "what is trained"]
    for each in EACH:
        headings += [f"accuracy, {each} rows a digit", "least and most"]
    return [Shown("Digits 5 to 9 by what was learnt of 0 to 4", (*headings, f"seconds to fit, {EACH[-1]} rows"), rows)]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=3)


def main() -> None:
    if part_asked({"trained": trained}):
        return
    given = options(__doc__ or "", more)
    seeds = 1 if given.quick else given.seeds
    results = Results("engine/transfer", "Pretrained image networks on few digits", given, {"seeds": seeds})
    if not given.show:
        for architecture in (*ARCHITECTURES, "none"):
            for seed in range(seeds):
                results.case(
                    f"{architecture} | seed {seed}",
                    lambda a=architecture, s=seed: fresh(
                        "engine/transfer", "trained", architecture=a, seed=s, quick=given.quick
                    ),
                )
    results.show(tables(results))


if __name__ == "__main__":
    main()
