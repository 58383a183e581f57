"""Columns may have any name, those that mean something to Python or to a library among them."""

import numpy as np
import polars as pl
import pytest

from melior.data.read import read
from melior.methods._base import methods
from melior.models._base import resolve
from melior.recipe import Choice, Recipe
from melior.trials.audit import run_checks
from melior.trials.fit import fit

NAMES = ("self", "exprs", "more_exprs", "named_exprs", "literal", "cls", "name")
# gan_samples learns a generator for seconds, and reads columns as the others do
LOOKED_AT = sorted(name for name, method in methods().items() if not method.networks and name != "gan_samples")


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    answer = random.integers(0, 2, 160)
    values = random.normal(size=(160, 5)) + answer[:, None] * [1, 0.5, 0, 0, 0]
    values[120:150] = values[:30].round(2)  # near copies
    columns = {name: values[:, at] for at, name in enumerate(NAMES[:5])}
    columns["cls"] = random.choice(["a", "b", "c"], 160)
    columns["name"] = [f"the {random.choice(['red', 'blue', 'old'])} box number {k}" for k in range(160)]
    frame = pl.DataFrame({**columns, "target": np.where(answer == 1, "yes", "no")})
    return read(frame, target="target", columns={"name": "text", "cls": "category"})


def test_every_check_looks_at_them(table):
    audit = run_checks(table, Recipe(model="linear", metric="macro_f1"), other=table.take(np.arange(100, 160)))
    assert not audit.failed


@pytest.mark.parametrize("model", ["linear", "trees"])
@pytest.mark.parametrize("name", LOOKED_AT)
def test_every_method_takes_them(table, model, name):
    recipe = Recipe(model=model, metric="macro_f1")
    if reason := methods()[name]().refused(recipe, table, resolve(recipe.model)):
        pytest.skip(reason)  # no column of its kind, no run to go on from, or not for this family
    scores = fit(recipe.with_methods(Choice(name=name)), table, threads=1).scores(table)
    assert np.isfinite(scores).all()
