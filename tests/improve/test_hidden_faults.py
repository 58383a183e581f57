"""A column that gives the answer away hides that rows of one group do; once it is gone, that is seen and repaired."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from melior.data.schema import Schema
from melior.data.table import Table
from melior.improvement import looking
from melior.improvement.looking import look
from melior.improvement.repair import Repair, ignoring
from melior.recipe import Recipe

PEOPLE, EACH = 150, 5


def people():
    random = np.random.default_rng(4)
    who = np.repeat(np.arange(PEOPLE), EACH)
    answer = random.integers(0, 2, PEOPLE)[who] ^ (random.random(len(who)) < 0.1)
    alike = 0.3 * random.normal(size=(len(who), 3)) + random.normal(size=(PEOPLE, 3))[who]
    paid = 10.0 * answer + random.normal(size=len(who))  # written down once the answer is known
    order = random.permutation(len(who))
    columns = {"a": alike[:, 0], "b": alike[:, 1], "c": alike[:, 2], "paid": paid, "man": who.astype(float)}
    frame = pl.DataFrame({name: values[order] for name, values in columns.items()})
    schema = Schema(dict.fromkeys(columns, "number"), "y", ("no", "yes"))
    return Table.make(frame, schema, answer[order].astype(np.int32))


@pytest.fixture(scope="module")
def seen():
    return look(people(), Recipe(model="trees", metric="macro_f1"), budget=1e6)


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


def copies(seed, rows=400):
    """Three honest columns, a copy of the answer with 3 % wrong, and one with 8 %."""
    random = np.random.default_rng(seed)
    honest = random.normal(size=(rows, 3))
    answer = (honest.sum(axis=1) + random.normal(size=rows) > 0).astype(np.int32)

    def copy(wrong):
        return [f"stage {code}" for code in answer ^ (random.random(rows) < wrong)]

    columns = {"a": honest[:, 0], "b": honest[:, 1], "c": honest[:, 2], "first": copy(0.03), "second": copy(0.08)}
    kinds = dict.fromkeys("abc", "number") | {"first": "category", "second": "category"}
    return Table.make(pl.DataFrame(columns), Schema(kinds, "y", ("no", "yes")), answer)


def test_of_two_copies_none_hides_behind_the_other():
    """Where one goes, what was only suspected beside it is looked at again: the surer copy does not stay alone."""
    gone = 0
    for seed in range(12):
        seen = look(copies(seed), Recipe(model="linear", metric="macro_f1"), budget=1e6)
        left = {"first", "second"} & set(seen.parts.development.features())
        told = [(finding.symptom, finding.columns) for finding in seen.audit.findings]
        assert len(told) == len(set(told))
        assert left != {"first"}
        assert all(repr(column) not in note or column in left for note in seen.notes for column in ("first", "second"))
        gone += not left
    assert gone >= 2


def test_words_of_both_rounds_are_taken_out():
    text = Table.make(
        pl.DataFrame({"t": ["one stamp here", "two marks there"] * 30}), Schema({"t": "text"}, "y", ("no", "yes")),
        np.tile([0, 1], 30).astype(np.int32),
    )  # fmt: skip
    repairs = [Repair("target_leakage", ("t",), "took out", phrases=(word,)) for word in ("stamp", "marks")]
    left = " ".join(ignoring(text, repairs).column("t").to_list())
    assert "stamp" not in left
    assert "marks" not in left


def test_what_there_was_no_time_to_look_for_again_stays_found(monkeypatch):
    """A check that was left out of the second look has its findings of the first."""
    whole = looking.run_checks

    def once(table, recipe, **how):
        found = whole(table, recipe, **how)
        if "paid" in table.features():
            return found
        kept = tuple(one for one in found.findings if one.check != "overfitting")
        return replace(found, findings=kept, left_out=("overfitting",))

    monkeypatch.setattr(looking, "run_checks", once)
    table = people()
    first = whole(table, Recipe(model="trees", metric="macro_f1"))
    before = [one.symptom for one in first.findings if one.check == "overfitting"]
    seen = look(table, Recipe(model="trees", metric="macro_f1"), budget=1e6)
    if before:
        assert before[0] in [one.symptom for one in seen.audit.findings]
    else:
        assert "overfitting" in seen.audit.left_out
