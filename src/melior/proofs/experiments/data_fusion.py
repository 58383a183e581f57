"""What data_fusion is worth: texts and columns in one model know more than columns alone, and a second source with
other names for the same things gives more rows; rows of a source that means other things by the same names do
harm."""

import numpy as np
import polars as pl

from melior.proofs._base import Case, Proof
from melior.proofs.experiments._figures import macro_f1
from melior.proofs.tables import SETS, TARGET, Rows, split

KINDS = dict.fromkeys(("title", "review"), "text")


def score(train: pl.DataFrame, test: pl.DataFrame, sources: list[object] | None = None) -> float:
    """Macro F1 of a linear model on the test rows; sources: what the rows are put together from instead."""
    from melior.data.fuse import fuse
    from melior.data.read import read, read_like
    from melior.recipe import Recipe
    from melior.trials.fit import fit

    kinds = {name: kind for name, kind in KINDS.items() if name in train.columns}
    table = read(train, target=TARGET, columns=kinds) if sources is None else fuse(sources, target=TARGET)
    predictor = fit(Recipe(model="linear", metric="macro_f1"), table)
    rows = read_like(test, table.schema, need_target=True)
    return macro_f1(predictor, rows)


def texts_beside_columns(seed: int, changed: bool) -> float:
    train, test = split(SETS["reviews"](seed), 0.7, seed)
    kept = train.frame.columns if changed else [name for name in train.frame.columns if name not in KINDS]
    return score(train.whole().select([*kept, TARGET]), test.whole())


def two_sources(seed: int, changed: bool, *, turned: bool = False) -> float:
    """150 rows of one source, and with the change 600 of another, which calls columns and classes by other names.
    turned: there they mean something else, the classes are in another order."""
    first, rest = split(SETS["mixed 1500 of 4"](seed), 0.1, seed)
    second, test = split(rest, 0.45, seed + 1)
    if not changed:
        return score(first.whole(), test.whole())
    theirs = {name: f"their {name}" for name in first.frame.columns}
    names = sorted(set(first.labels.tolist()))
    said = {name: f"type {name[-1]}" for name in names}
    meant = dict(zip(said.values(), names[1:] + names[:1] if turned else names, strict=True))
    other = Rows(second.name, second.frame.rename(theirs), np.array([said[label] for label in second.labels]))
    mapped = {"rows": other.whole(), "name": "theirs", "columns": {v: k for k, v in theirs.items()}, "labels": meant}
    return score(first.whole(), test.whole(), [{"rows": first.whole(), "name": "ours"}, mapped])


PROOF = Proof(
    question=17,
    paper="Baltrusaitis, Ahuja and Morency, Multimodal Machine Learning, IEEE TPAMI 2019",
    helps=(
        Case("reviews, texts beside the columns", figure=texts_beside_columns, unit="macro F1"),
        Case("mixed columns, 600 rows of a second source mapped", figure=two_sources, unit="macro F1"),
    ),
    does_not=(
        Case(
            "mixed columns, the second source means other classes",
            figure=lambda seed, changed: two_sources(seed, changed, turned=True),
            unit="macro F1",
        ),
    ),
)
