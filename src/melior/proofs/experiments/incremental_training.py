"""What incremental_training is worth: a run on many rows goes on with the few that came since, against a fit on these
few alone; where the world has changed so far that old rows mislead, a fit on the new rows is better."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from melior.proofs._base import Case, Proof
from melior.proofs.experiments._figures import macro_f1
from melior.proofs.tables import SETS, TARGET, Rows, split

QUICK = {"tabular_network": {"epochs": 20, "width": 64, "depth": 1}}


def going_on(
    seed: int, changed: bool, *, model: str | dict[str, Any] = "linear", name: str = "mixed 1500 of 4",
    new: float = 0.08, turned: bool = False,
) -> float:  # fmt: skip
    """Macro F1 on clean rows of a fit on the new rows, or of one that goes on from a run on the old ones. turned: the
    old rows call the classes by other names, as if the world had turned since."""
    from melior.data.read import read, read_like
    from melior.recipe import Recipe
    from melior.trials.fit import fit

    whole, test = split(SETS[name](seed), 0.7, seed)
    late, early = split(whole, new, seed + 1)
    if turned:
        names = np.unique(early.labels)
        early = Rows(early.name, early.frame, np.roll(names, 1)[np.searchsorted(names, early.labels)])
    kinds = dict.fromkeys(early.texts, "text")
    recipe = Recipe(model=model, metric="macro_f1")
    old = read(early.whole(), target=TARGET, columns=kinds)
    table = read_like(late.whole(), old.schema, need_target=True)
    rows = read_like(test.whole(), old.schema, need_target=True)
    if changed:
        with TemporaryDirectory() as folder:
            fit(recipe, old, seed=seed).save(Path(folder) / "predictor")
            method = {"incremental_training": {"source": folder, "replay": 0}}
            predictor = fit(recipe.with_methods(method), table, seed=seed)  # type: ignore[arg-type]
    else:
        predictor = fit(recipe, table, seed=seed)
    return macro_f1(predictor, rows)


PROOF = Proof(
    question=23,
    paper="Parisi et al., Continual Lifelong Learning with Neural Networks, Neural Networks 2019",
    helps=(
        Case("mixed columns, 84 new rows, linear", figure=going_on, unit="macro F1"),
        Case(
            "mixed columns, 84 new rows, trees",
            figure=lambda seed, changed: going_on(seed, changed, model="trees"),
            unit="macro F1",
        ),
        Case(
            "reviews, 220 new rows, linear",
            figure=lambda seed, changed: going_on(seed, changed, name="reviews"),
            unit="macro F1",
        ),
        Case(
            "mixed columns, 84 new rows, a network",
            figure=lambda seed, changed: going_on(seed, changed, model=QUICK),
            unit="macro F1",
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "mixed columns, the old rows mean other classes",
            figure=lambda seed, changed: going_on(seed, changed, turned=True),
            unit="macro F1",
        ),
    ),
)
