"""Several labels a row: what gives one of them away, where one of them is wrong, and silence on clean rows."""

import time

import numpy as np
import pytest
from scipy.special import expit

import melior
from melior.checks import _each_label
from melior.checks._each_label import left_out, looked_at, one_of_columns
from melior.checks.label_noise import LabelNoise
from melior.checks.leaking_pairs import LeakingPairs
from melior.checks.leaking_phrases import LeakingPhrases
from melior.checks.target_leakage import TargetLeakage
from melior.data.read import read
from melior.findings import Finding
from melior.methods._base import methods
from melior.recipe import Recipe
from melior.trials.context import TableContext

NAMES = ["fit", "price", "colour", "fabric"]
LEAKS = (TargetLeakage, LeakingPairs, LeakingPhrases)


def drawn(seed, rows=600, steep=1.5):
    """(rows, 6) values, and (rows, 4) labels that two of them cause each, with honest chance."""
    g = np.random.default_rng([seed, 5])
    x = g.normal(size=(rows, 6))
    weights = np.zeros((6, 4))
    for label in range(4):
        weights[[label, label + 1], label] = steep
    return x, g.random((rows, 4)) < expit(x @ weights + np.array([0.0, -0.5, -1.0, -1.5])), g


def table_of(x, matrix, **more):
    sets = [[NAMES[code] for code in np.flatnonzero(row)] for row in matrix]
    return read({**{f"x{j}": x[:, j] for j in range(x.shape[1])}, **more, "topics": sets}, target="topics")


def context_of(table, **data):
    recipe = Recipe(model="linear", metric="micro_f1")
    return TableContext(table, recipe.with_data(**data) if data else recipe)


@pytest.mark.parametrize("seed", range(1000, 1003))
def test_clean_rows_have_nothing(seed):
    x, matrix, g = drawn(seed, rows=400)
    said = [" ".join(g.choice(["good", "bad", "thin", "warm", "soft", "red", "long"], 6)) for _ in matrix]
    context = context_of(table_of(x, matrix, said=said))
    assert [found for check in (*LEAKS, LabelNoise) for found in check().measure(context)] == []


@pytest.mark.parametrize("wrong", [0.0, 0.03])
def test_a_copy_of_one_label_is_found_and_said_to_be_of_it(wrong):
    x, matrix, g = drawn(1)
    copy = (matrix[:, 2] ^ (g.random(600) < wrong)).astype(float) + 0.01 * g.normal(size=600)
    (found,) = TargetLeakage().measure(context_of(table_of(x, matrix, leak=copy)))
    assert found.columns == ("leak",)
    assert found.measured["label"] == "colour"
    assert found.measured["labels"] == ["colour"]
    assert found.message.startswith("The label 'colour': 'leak' ")
    assert found.certain
    assert TargetLeakage().measure(context_of(table_of(x, matrix, leak=copy), known_at_prediction=["leak"])) == []


def test_the_labels_written_in_another_way_are_one_finding():
    x, matrix, _ = drawn(2)
    code = ["".join("yn"[int(mark)] for mark in row) for row in matrix]
    (found,) = TargetLeakage().measure(context_of(table_of(x, matrix, code=code)))
    assert found.columns == ("code",)
    assert sorted(found.measured["labels"]) == sorted(NAMES)
    assert "So it is with the labels " in found.message


def test_two_columns_that_are_a_label_together_are_found():
    x, matrix, g = drawn(3)
    key = g.normal(size=600)
    lock = key + np.where(matrix[:, 1], 0.5, -0.5) + 0.02 * g.normal(size=600)
    (found,) = LeakingPairs().measure(context_of(table_of(x, matrix, key=key, lock=lock)))
    assert set(found.columns) == {"key", "lock"}
    assert found.measured["label"] == "price"


def test_a_phrase_that_gives_a_label_away_is_found():
    x, matrix, g = drawn(4)
    words = ["good", "bad", "thin", "warm", "soft", "red", "long", "new", "old", "nice"]
    said = [" ".join([*g.choice(words, 8), *(["case closed"] if mark else [])]) for mark in matrix[:, 3]]
    table = table_of(x, matrix, said=said)
    (found,) = LeakingPhrases().measure(context_of(table))
    assert (found.columns, found.measured["label"]) == (("said",), "fabric")
    assert "are 'fabric'" in found.message
    assert set(found.rows.tolist()) == set(np.flatnonzero(matrix[:, 3]).tolist())


@pytest.mark.parametrize("missing_only", [False, True])
def test_wrong_labels_are_found_at_the_label_that_has_them(missing_only):
    """Of the rows named, most are wrong; of all that are wrong, many are named."""
    x, matrix, g = drawn(5, rows=1500, steep=6.0)
    hit = g.random(1500) < (0.25 if missing_only else 0.1)
    given = matrix.copy()
    given[:, 0] = matrix[:, 0] & ~hit if missing_only else matrix[:, 0] ^ hit
    (found,) = LabelNoise().measure(context_of(table_of(x, given)))
    assert found.measured["label"] == "fit"
    assert found.measured["p"] < found.threshold == pytest.approx(5e-3 / 4)
    wrong = set(np.flatnonzero(given[:, 0] != matrix[:, 0]).tolist())
    named = set(found.rows.tolist())
    assert len(named & wrong) > 0.7 * len(named)
    assert len(named & wrong) > 0.6 * len(wrong)
    assert found.measured["noise_rate"] == pytest.approx(len(wrong) / 1500, abs=0.04)


def test_copies_with_other_labels_are_named_once():
    x, matrix, _ = drawn(6, rows=200)
    other = matrix[:20].copy()
    other[:10, 0] ^= True
    table = table_of(np.concatenate([x, x[:20]]), np.concatenate([matrix, other]))
    found = [one for one in LabelNoise().measure(context_of(table)) if "groups" in one.measured]
    assert len(found) == 1
    assert set(found[0].rows.tolist()) == {*range(10), *range(200, 210)}


def test_which_labels_are_looked_at(monkeypatch):
    """The most frequent first; none that nearly all or nearly no rows have; fewer the more rows there are."""
    g = np.random.default_rng(0)
    shares = [0.05, 0.2, 0.97, 0.3]  # of 400 rows: fit, price, colour, fabric
    table = table_of(g.normal(size=(400, 6)), g.permuted(np.arange(400)[:, None] < 400 * np.array(shares), axis=0))
    named = [table.classes[code] for code in looked_at(table)]
    assert named == ["fabric", "price", "fit"]
    assert "3 of the 4 labels" in left_out(table)
    monkeypatch.setattr(_each_label, "MOST_CELLS", 400)
    monkeypatch.setattr(_each_label, "FEWEST_LABELS", 1)
    assert [table.classes[code] for code in looked_at(table)] == ["fabric"]
    unknown = table.label_matrix.copy()
    unknown[:390] = -1
    assert looked_at(table.with_label_matrix(unknown)) == []


def test_no_label_is_begun_when_the_time_is_over():
    x, matrix, _ = drawn(1)
    context = context_of(table_of(x, matrix, leak=matrix[:, 2].astype(float)))
    context.deadline = time.monotonic() - 1
    assert TargetLeakage().measure(context) == []
    assert any("because the time ran out" in note for note in context.notes)


def test_findings_of_the_same_columns_are_joined():
    def finding(columns, label, severity, certain):
        return Finding("target_leakage", severity, "It is so.", {"label": label}, columns=columns, certain=certain)

    first, second = one_of_columns([
        finding(("a",), "fit", 0.9, False), finding(("a",), "price", 0.8, True), finding(("b",), "fit", 0.5, True)
    ])  # fmt: skip
    assert (first.columns, first.certain, first.measured["labels"]) == (("a",), True, ["price", "fit"])
    assert first.message == "It is so. So it is with the label 'fit'."
    assert second.message == "It is so."


def test_improve_leaves_the_leak_out(tmp_path):
    x, matrix, g = drawn(7)
    leak = matrix[:, 0] + 0.01 * g.normal(size=600)
    made = {f"x{j}": x[:, j] for j in range(6)} | {"leak": leak}
    made["topics"] = [[NAMES[code] for code in np.flatnonzero(row)] for row in matrix]
    never = [name for name in methods() if name != "normalization"]  # what is tried after the repair is nothing to it
    found = melior.improve(
        made, target="topics", model="linear", budget=30, never=never, workers=1, run=tmp_path / "run"
    )
    assert [one.columns for one in found.repairs] == [("leak",)]
    assert found.reported_before_repair > found.baseline.value + 0.02  # a quarter of what one label of four gains
    assert "The label &#39;fit&#39;" in (tmp_path / "run" / "report.html").read_text()
