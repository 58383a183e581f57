"""Texts and the rest of a table in one network, on reviews: what each tells alone, and what both tell together.

    python benchmarks/engine/text_and_table.py
    python benchmarks/engine/text_and_table.py --quick

All reviews without the rating, which is known only after the fact: 6,000 to learn from and 6,000 to score, one random
split a seed. `tabular_network` with its defaults (texts as fitted dimensions) and with words under attention, beside
`linear` and `trees`, each on the texts alone, on the other columns alone, and on both. ROC-AUC and macro F1 on the rows
put aside; nothing was tuned on them.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, fresh, mean, number, options, part_asked

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "tabular_network": ("tabular_network", {}),
    "tabular_network, words": ("tabular_network", {"texts": "words"}),
    "linear": ("linear", {}),
    "trees": ("trees", {}),
}
COLUMNS = ("texts", "table", "both")


def scored(family: str, columns: str, seed: int, rows: int) -> dict[str, Any]:
    from sklearn.metrics import f1_score, roc_auc_score

    from melior.data.read import read
    from melior.proofs.tables import TARGET, all_reviews
    from melior.recipe import Choice, Recipe
    from melior.trials.fit import fit

    found = all_reviews()
    some = np.random.default_rng([seed, 17]).permutation(len(found.labels))[: 2 * rows]
    data = found.take(some)
    left_out = {"texts": [name for name in data.frame.columns if name not in data.texts], "table": list(data.texts)}
    ignored = dict.fromkeys(left_out.get(columns, []), "ignore")
    table = read(data.whole(), target=TARGET, columns=ignored)
    inside, outside = table.take(np.arange(rows)), table.take(np.arange(rows, 2 * rows))
    name, settings = FAMILIES[family]
    started = time.perf_counter()
    predictor = fit(Recipe(model=Choice(name=name, settings=settings), metric="macro_f1", seed=seed), inside)
    seconds = time.perf_counter() - started
    scores, truth = predictor.scores(outside), outside.given_labels()
    return {
        "family": family,
        "columns": columns,
        "roc_auc": float(roc_auc_score(truth, scores[:, 1])),
        "macro_f1": float(f1_score(truth, scores.argmax(axis=1), average="macro")),
        "seconds": seconds,
    }


def tables(results: Results) -> list[Shown]:
    shown = []
    for family in FAMILIES:
        cells = [family]
        for columns in COLUMNS:
            own = [one for one in results.finished().values() if (one["family"], one["columns"]) == (family, columns)]
            areas, scores = [one["roc_auc"] for one in own], [one["macro_f1"] for one in own]
            cells.append(f"{number(mean(areas))} / {number(mean(scores))}" if own else "–")
        both = [one["seconds"] for one in results.finished().values() if one["family"] == family]
        shown.append((*cells, number(mean(both), 0) if both else "–"))
    headings = ("family", "texts alone", "other columns alone", "both", "seconds a fit, mean")
    return [Shown("Reviews: ROC-AUC / macro F1 on rows put aside", headings, shown, "Means over seeds.")]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rows", type=int, default=6000)


def main() -> None:
    if part_asked({"scored": scored}):
        return
    given = options(__doc__ or "", more)
    if given.quick:
        given.seeds, given.rows = 1, 400
    settings = {"seeds": given.seeds, "rows": given.rows}
    results = Results("engine/text_and_table", "Texts and table in one network", given, settings)
    if not given.show:
        for seed in range(given.seeds):
            for family in FAMILIES:
                for columns in COLUMNS:
                    same = {"family": family, "columns": columns, "seed": seed, "rows": given.rows}
                    results.case(
                        f"{family} | {columns} | seed {seed}",
                        lambda one=same: fresh("engine/text_and_table", "scored", **one),
                    )
    results.show(tables(results))


if __name__ == "__main__":
    main()
