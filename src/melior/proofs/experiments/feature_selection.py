"""What feature_selection is worth: a column that is the answer in disguise is found, named and left out, and new rows,
in which it says nothing yet, are answered as well as they can be; where there is no such column, none is left out."""

from melior.proofs import data
from melior.proofs._base import Case, Proof
from melior.proofs.experiments._figures import macro_f1, named
from melior.recipe import Recipe
from melior.trials.fit import fit


def in_production(seed: int, changed: bool, *, name: str, fault: str | None) -> float:
    """Macro F1 on new rows; with the change the columns that the audit names are left out."""
    given = data.plain(name, seed) if fault is None else data.faulty(name, fault, seed)
    recipe = Recipe(model="linear", metric="macro_f1")
    gone = named(recipe, given.train, "target_leakage") if changed else []
    predictor = fit(recipe, given.train.without_columns(gone))
    return macro_f1(predictor, given.test.without_columns(gone))


PROOF = Proof(
    question=22,
    paper="Kaufman et al., Leakage in Data Mining, ACM TKDD 2012",
    helps=(
        Case(
            "mixed columns, a leak as a number",
            figure=lambda seed, changed: in_production(seed, changed, name="mixed 3000", fault="leak as number 97%"),
            unit="macro F1",
        ),
        Case(
            "breast cancer, a leak as a category",
            figure=lambda seed, changed: in_production(
                seed, changed, name="breast_cancer", fault="leak as category 97%"
            ),
            unit="macro F1",
        ),
    ),
    does_not=(
        Case(
            "mixed columns, no leak",
            figure=lambda seed, changed: in_production(seed, changed, name="mixed 3000", fault=None),
            unit="macro F1",
        ),
    ),
)
