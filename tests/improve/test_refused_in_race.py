"""A candidate that turns out to be impossible on some rows ends, with its reason; the others and the run go on."""

import pytest

from melior.errors import UserError
from melior.improvement import pace
from melior.improvement.improve import improve_table
from melior.methods._base import methods
from melior.recipe import Recipe
from melior.testing import tables
from melior.trials.bench import Bench

TRIED = ("l2_penalty", "normalization", "bagging")
NEVER = [name for name in methods() if name not in TRIED]
WHY = "methods.l2_penalty cannot be used here: these rows are too few"


@pytest.mark.parametrize("refused", ["from the first fold on", "from the third fold on"])
@pytest.mark.parametrize("look", [True, False])
def test_it_ends_alone(monkeypatch, refused, look):
    fitted = Bench.fitted

    def fails(self, recipe, number):
        impossible = number >= (0 if refused == "from the first fold on" else 2)
        if impossible and any(choice.name == "l2_penalty" for choice in recipe.methods):
            raise UserError(WHY)
        return fitted(self, recipe, number)

    monkeypatch.setattr(Bench, "fitted", fails)
    if look:  # at one fold first
        monkeypatch.setattr(pace, "ENOUGH", 0.0)
        monkeypatch.setattr(pace, "QUICK", 0.0)
    recipe = Recipe(model="linear", metric="accuracy")
    found = improve_table(
        tables.number_table(200), recipe, budget=3600.0, never=NEVER, attempt=["l2_penalty"], workers=1
    )[0]
    told = any("l2_penalty" in note and WHY in note for note in found.notes)
    assert told or (look and refused == "from the third fold on")  # it may be hopeless before its third fold
    mine = [one for one in found.evidence if one.methods == ("l2_penalty",)]
    assert all(one.verdict != "accepted" for one in mine)
    assert any(one.methods == ("bagging",) for one in found.evidence)
    assert "l2_penalty" not in found.accepted
    assert not any("time" in note and "l2_penalty" in note for note in found.notes)


def test_other_errors_are_not_hidden(monkeypatch):
    def fails(self, recipe, number):
        if recipe.methods:
            raise RuntimeError("a bug")
        return fitted(self, recipe, number)

    fitted = Bench.fitted
    monkeypatch.setattr(Bench, "fitted", fails)
    with pytest.raises(RuntimeError, match="a bug"):
        improve_table(tables.number_table(120), Recipe(model="linear", metric="accuracy"), budget=3600.0, never=NEVER,
                      attempt=["l2_penalty"], workers=1)  # fmt: skip
