"""The tabular network beside linear models and trees, each with its defaults, on sets that its defaults never saw.

    python benchmarks/engine/network_tables.py
    python benchmarks/engine/network_tables.py --quick

Five stratified folds, the same for all; accuracy and log loss over all rows, each scored by a fit that did not see it.
The defaults of the network were chosen on other generated tables.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, fresh, number, options, part_asked

from melior.proofs.tables import SETS, TARGET

PROGRAM = "engine/network_tables"
NAMES = ("wine", "breast_cancer", "mixed 600", "mixed 1500 of 4", "mixed 3000")
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "linear": ("linear", {}),
    "trees": ("trees", {}),
    "tabular_network": ("tabular_network", {}),
    "tabular_network, attention": ("tabular_network", {"attention": True, "width": 32}),
}


def crossed(name: str, family: str, seed: int, folds: int = 5, quick: bool = False) -> dict[str, Any]:
    from sklearn.model_selection import StratifiedKFold

    from melior.data.read import read
    from melior.recipe import Choice, Recipe
    from melior.trials.fit import fit
    from melior.trials.threads import one_thread_each

    rows = SETS[name](seed)
    table = read(rows.whole(), target=TARGET)
    labels = table.given_labels()
    which, settings = FAMILIES[family]
    if quick:
        settings = {**settings, **({"epochs": 2} if which == "tabular_network" else {})}
    recipe = Recipe(model=Choice(name=which, settings=settings), metric="accuracy", seed=seed)
    scores = np.empty((table.rows, len(table.classes)))
    used = time.process_time()
    with one_thread_each():
        for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels):
            scores[test] = fit(recipe, table.take(train)).scores(table.take(test))
    own = np.maximum(scores[np.arange(table.rows), labels], 1e-12)
    return {
        "set": name,
        "family": family,
        "accuracy": float((scores.argmax(axis=1) == labels).mean()),
        "log_loss": float(-np.log(own).mean()),
        "processor_seconds_a_fit": (time.process_time() - used) / folds,
    }


def tables(results: Results) -> list[Shown]:
    found = {(one["set"], one["family"]): one for one in results.finished().values()}
    shown = []
    for what, digits in (("accuracy", 3), ("log_loss", 3), ("processor_seconds_a_fit", 1)):
        rows = []
        for name in NAMES:
            cells = [found.get((name, family)) for family in FAMILIES]
            if any(cells):
                rows.append((name, *(number(None if cell is None else cell[what], digits) for cell in cells)))
        shown.append(Shown(what.replace("_", " "), ("set", *FAMILIES), rows))
    return shown


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0)


def main() -> None:
    if part_asked({"crossed": crossed}):
        return
    given = options(__doc__ or "", more)
    settings = {"seed": given.seed, "folds": 2 if given.quick else 5}
    results = Results("engine/network_tables", "The tabular network beside other families", given, settings)
    if not given.show:
        for name in NAMES[:1] if given.quick else NAMES:
            for family in FAMILIES:
                asked = {"name": name, "family": family, **settings, "quick": given.quick}
                results.case(f"{name} | {family}", lambda given=asked: fresh(PROGRAM, "crossed", **given))
    results.show(tables(results))


if __name__ == "__main__":
    main()
