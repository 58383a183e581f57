"""A column that gives the answer away hides that rows of one group do; once it is gone, that is seen and repaired."""

import numpy as np
import polars as pl
import pytest

from melior.data.schema import Schema
from melior.data.table import Table
from melior.improvement.looking import look
from melior.recipe import Recipe

PEOPLE, EACH = 150, 5


@pytest.fixture(scope="module")
def seen():
    random = np.random.default_rng(4)
    who = np.repeat(np.arange(PEOPLE), EACH)
    answer = random.integers(0, 2, PEOPLE)[who] ^ (random.random(len(who)) < 0.1)
    alike = 0.3 * random.normal(size=(len(who), 3)) + random.normal(size=(PEOPLE, 3))[who]
    paid = 10.0 * answer + random.normal(size=len(who))  # written down once the answer is known
    order = random.permutation(len(who))
    columns = {"a": alike[:, 0], "b": alike[:, 1], "c": alike[:, 2], "paid": paid, "man": who.astype(float)}
    frame = pl.DataFrame({name: values[order] for name, values in columns.items()})
    schema = Schema(dict.fromkeys(columns, "number"), "y", ("no", "yes"))
    table = Table.make(frame, schema, answer[order].astype(np.int32))
    return look(table, Recipe(model="trees", metric="macro_f1"), budget=1e6)


def test_both_are_repaired_one_after_the_other(seen):
    assert [(repair.symptom, repair.columns) for repair in seen.repairs] == [
        ("target_leakage", ("paid",)),
        ("group_leakage", ("man",)),
    ]
    assert seen.recipe.split.kind == "group"
    assert seen.recipe.split.column == "man"


def test_no_man_stands_on_both_sides(seen):
    own, sealed = (set(part.frame["man"].to_list()) for part in (seen.parts.development, seen.parts.sealed))
    assert own
    assert sealed
    assert not own & sealed
    assert "paid" not in seen.parts.development.features()


def test_each_fault_is_told_once(seen):
    told = [(finding.symptom, finding.columns) for finding in seen.audit.findings]
    assert len(told) == len(set(told))
    assert {"target_leakage", "group_leakage"} <= {symptom for symptom, _ in told}
