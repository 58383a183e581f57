"""Wrong labels: which rows are named, and how well all rows are ranked, against cleanlab.

    python benchmarks/audit/labels.py
    python benchmarks/audit/labels.py --quick

A share of the labels is made wrong, each class alike or the commonest class four times as often as the others. Three
are compared: cleanlab's find_label_issues and get_label_quality_scores; Melior's on the same out-of-fold probabilities
(of a logistic regression); and Melior's on those that its check uses (`fitting_best` of the family of lower loss; for
pictures a logistic regression too). A row counts as named by Melior where its check names it; `ungated` counts the rows
that would be named if it were known that some labels are wrong.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import Results, Shown, mean, number, options

from melior.proofs.planting import Planted, wrong_labels, wrong_labels_of_one_class
from melior.proofs.tables import SETS, Rows, labels_of

RATES = (0.0, 0.05, 0.1, 0.2, 0.4)
PLANTED = {"uniform": wrong_labels, "of one class": wrong_labels_of_one_class}
MOST_ROWS = {"reviews": 1500, "digits": 900, "MNIST": 1000}
PICTURES = ("digits", "MNIST")


def mnist(seed: int) -> Rows:
    from melior.proofs.sources import mnist_file

    whole = pl.read_csv(mnist_file(), has_header=False)
    label = whole.columns[-1]  # after the pixels
    pixels = whole.drop(label)
    kept = [name for name in pixels.columns if pixels[name].n_unique() > 1]
    frame = pixels.select(kept).rename({name: f"p{n}" for n, name in enumerate(kept)}).cast(pl.Float64)
    return Rows("MNIST", frame, labels_of(whole[label].to_numpy()))


def rows_of(name: str, seed: int) -> Rows:
    """The set, or a sample of it drawn by the seed, which keeps the shares of the classes by chance alone."""
    rows = mnist(seed) if name == "MNIST" else SETS[name](seed)
    random = np.random.default_rng([seed, 601])
    order = random.permutation(len(rows.labels))
    return rows.take(np.sort(order[: MOST_ROWS.get(name, len(order))]))


def table_of(rows: Rows) -> Any:
    from melior.data.schema import STORED_AS, Schema
    from melior.data.table import Table

    kinds = {
        name: "text" if name in rows.texts else "number" if kind.is_numeric() else "category"
        for name, kind in rows.frame.schema.items()
    }
    frame = rows.frame.with_columns([pl.col(name).cast(STORED_AS[kind]) for name, kind in kinds.items()])
    classes, codes = np.unique(rows.labels, return_inverse=True)
    return Table.make(frame, Schema(kinds, "answer", tuple(str(c) for c in classes)), codes.astype(np.int32))


def planted(rows: Rows, how: str, rate: float, seed: int) -> Planted:
    return PLANTED[how](rows, rate, seed)


def measured(named: Any, score: Any, wrong: Any) -> dict[str, float]:
    """F1 of the rows named, ROC-AUC of the ranking (none without a wrong label), and the share of rows named."""
    from sklearn.metrics import f1_score, roc_auc_score

    both = 0 < wrong.sum() < len(wrong)
    return {
        "f1": float(f1_score(wrong, named, zero_division=0)) if both else float("nan"),
        "auc": float(roc_auc_score(wrong, score)) if both else float("nan"),
        "named": float(np.mean(named)),
    }


def case(name: str, how: str, rate: float, seed: int) -> dict[str, Any]:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    from melior.checks.label_noise import LabelNoise, noise_of
    from melior.recipe import Choice, Recipe
    from melior.trials.context import TableContext

    rows = rows_of(name, seed)
    fault = planted(rows, how, rate, seed)
    wrong = np.zeros(len(rows.labels), dtype=bool)
    wrong[fault.rows] = fault.faulty.labels[fault.rows] != rows.labels[fault.rows]
    table = table_of(fault.faulty)
    labels = table.given_labels()
    linear = TableContext(table, Recipe(model=Choice(name="linear"), seed=seed))
    own = linear if name in PICTURES or rows.texts else TableContext(table, Recipe(seed=seed))
    scores = linear.out_of_fold()
    found: dict[str, Any] = {"rows": len(labels), "wrong": int(wrong.sum())}
    theirs = find_label_issues(labels=labels, pred_probs=scores, n_jobs=1)
    found["cleanlab"] = measured(theirs, -get_label_quality_scores(labels, scores), wrong)
    shared = replace_scores(linear, scores)
    for said, context in (("same", shared), ("own", own)):
        noise = noise_of(context)
        findings = [f for f in LabelNoise().measure(context) if "noise_matrix" in f.measured]
        likely = noise.wrong > 0.5 if noise is not None else np.zeros(len(labels), dtype=bool)
        named = np.zeros(len(labels), dtype=bool)
        for finding in findings:
            named[finding.rows] = True
        score = noise.doubt if noise is not None else np.zeros(len(labels))
        found[said] = measured(named, score, wrong)
        found[f"{said} ungated"] = measured(likely, score, wrong)
        found[said]["rate"] = noise.rate if noise is not None else None
        found[said]["model"] = context.model().name
    return found


def replace_scores(context: Any, scores: Any) -> Any:
    """The context with these scores where the check asks for those that fit best."""
    from melior.trials.context import TableContext

    made = TableContext(context.table, context.recipe)
    made._kept.update(context._kept)
    made.fitting_best = lambda: scores
    return made


def tables(results: Results) -> list[Shown]:
    cases = results.finished()
    keys = list(dict.fromkeys(key.rsplit(" | ", 1)[0] for key in cases))
    rows, clean = [], []
    for key in keys:
        own = [one for name, one in cases.items() if name.rsplit(" | ", 1)[0] == key]
        who = ("cleanlab", "same", "same ungated", "own", "own ungated")
        if " 0 %" in key:
            clean.append((key, *(f"{mean([one[w]['named'] for one in own]):.2%}" for w in ("cleanlab", "same", "own"))))
            continue
        f1 = [number(mean([one[w]["f1"] for one in own])) for w in who]
        auc = [number(mean([one[w]["auc"] for one in own])) for w in ("cleanlab", "same", "own")]
        rows.append((key, str(len(own)), *f1, *auc))
    if rows:
        noisy = [one for one in cases.values() if one["wrong"]]
        who = ("cleanlab", "same", "same ungated", "own", "own ungated")
        f1 = [number(mean([one[w]["f1"] for one in noisy])) for w in who]
        auc = [number(mean([one[w]["auc"] for one in noisy])) for w in ("cleanlab", "same", "own")]
        rows.append(("all", str(len(noisy)), *f1, *auc))
    headings = (
        "case", "runs", "F1 cleanlab", "F1 same", "same ungated", "F1 own", "own ungated",
        "AUC cleanlab", "AUC same", "AUC own",
    )  # fmt: skip
    shown = [Shown("Wrong labels found, mean over the seeds", headings, rows)] if rows else []
    if clean:
        title = "No wrong labels: share of the rows named (wanted: at most 1 %)"
        shown.append(Shown(title, ("case", "cleanlab", "same", "own"), clean))
    return shown


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="*", default=["reviews", "digits", "MNIST", "breast_cancer", "wine"])
    parser.add_argument("--first", type=int, default=0, help="the first seed")


def main() -> None:
    given = options("Wrong labels, against cleanlab", add)
    seeds = 1 if given.quick else given.seeds
    sets = ["wine"] if given.quick else given.sets
    results = Results("audit/labels", "Wrong labels, against cleanlab", given, {"rows at most": MOST_ROWS})
    if not given.show:
        for seed in range(given.first, given.first + seeds):
            for name in sets:
                for rate in RATES:
                    for how in PLANTED:
                        if rate == 0 and how != "uniform":
                            continue
                        key = f"{name} | {how} {rate:.0%}".replace("%", " %") + f" | seed {seed}"
                        results.case(key, lambda n=name, h=how, r=rate, s=seed: case(n, h, r, s))
    results.show(tables(results))


if __name__ == "__main__":
    main()
