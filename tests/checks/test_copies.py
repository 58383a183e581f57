"""Copies across parts and within one, against what chance gives."""

import numpy as np
import pytest

from melior.checks._copies import copies
from melior.checks.duplicate_rows import DuplicateRows
from melior.checks.split_overlap import SplitOverlap


def find(context, symptom):
    check = SplitOverlap() if symptom == "split_overlap" else DuplicateRows()
    return [f for f in check.measure(context) if f.symptom == symptom]


@pytest.mark.parametrize("seed", range(3))
def test_overlap_is_found_with_rows_of_both_parts(make_table, make_context, seed):
    g = np.random.default_rng(seed)
    here, there = g.normal(size=(300, 4)), g.normal(size=(80, 4))
    here[3, 1] = np.nan
    there[:6] = here[[3, 50, 51, 52, 53, 54]]
    table = make_table(here, g.integers(0, 2, 300), row_ids=np.arange(1000, 1300))
    other = make_table(there, row_ids=np.arange(500, 580))
    (finding,) = find(make_context(table, other=other), "split_overlap")
    assert finding.rows.tolist() == [1003, 1050, 1051, 1052, 1053, 1054]
    assert sorted(finding.measured["rows_of_other"].tolist()) == [500, 501, 502, 503, 504, 505]
    assert finding.severity == pytest.approx(6 / 80)
    assert "6 of 80" in finding.message


def test_overlap_by_chance_is_none(make_table, make_context):
    g = np.random.default_rng(0)
    here, there = g.integers(0, 4, (2000, 5)), g.integers(0, 4, (500, 5))
    context = make_context(make_table(here.astype(float)), other=make_table(there.astype(float)))
    assert SplitOverlap().measure(context) == DuplicateRows().measure(context) == []


def test_texts_are_compared_without_case_and_spacing(make_context):
    g = np.random.default_rng(0)
    words = ["dress", "skirt", "long", "short", "love", "hate", "fits", "runs", "small", "large", "the", "is", "too"]
    texts = [" ".join(g.choice(words, 12)) for _ in range(100)]
    texts[7] = "  " + texts[3].upper().replace(" ", " \n ", 2)
    (finding,) = find(make_context({"note": texts}, kinds={"note": "text"}), "duplicate_rows")
    assert sorted(finding.rows.tolist()) == [3, 7]


def test_stock_phrases_repeat_by_chance(make_context):
    g = np.random.default_rng(0)
    words = [f"{g.choice(['love', 'hate', 'like'])} {g.choice(['it', 'this', 'that'])}" for _ in range(300)]
    assert DuplicateRows().measure(make_context({"note": words}, kinds={"note": "text"})) == []


@pytest.mark.parametrize("seed", range(3))
def test_repeated_rows_and_their_answers(make_context, seed):
    g = np.random.default_rng(seed)
    columns, labels = g.normal(size=(400, 5)), g.integers(0, 2, 400)
    columns[390:] = columns[:10]
    labels[390:] = labels[:10]
    labels[395] = 1 - labels[5]
    (finding,) = find(make_context(columns, labels), "duplicate_rows")
    assert set(finding.rows.tolist()) == {*range(10), *range(390, 400)}
    assert finding.measured["groups"] == 10
    assert finding.measured["conflicting_clusters"] == 1
    assert "any random split" in finding.message.lower()


def test_every_row_twice(make_context):
    columns = np.random.default_rng(0).normal(size=(150, 3))
    (finding,) = find(make_context(np.vstack([columns, columns])), "duplicate_rows")
    assert finding.severity == pytest.approx(0.5)


def honest(kind, g, n):
    if kind == "independent categories":
        return g.integers(0, 4, (n, 8))
    if kind == "latent classes":
        latent = g.integers(0, 5, n)
        shares = g.dirichlet(np.full(4, 0.5), (5, 8)).cumsum(axis=2)
        return (g.random((n, 8, 1)) > shares[latent]).sum(axis=2)
    if kind == "age, sex, rating":
        return np.column_stack([g.integers(18, 80, n), g.integers(0, 2, n), g.integers(1, 6, n)])
    if kind == "products with an age":
        return np.column_stack([g.normal(size=(n // 5, 4))[g.integers(0, n // 5, n)], g.integers(18, 80, n)])
    if kind == "rounded":
        return g.normal(size=(n, 3)).round(1)
    if kind == "rare flags":
        return g.random((n, 30)) < 0.05
    return g.normal(size=(n, 4))


KINDS = ["independent categories", "latent classes", "age, sex, rating", "products with an age", "rounded",
         "rare flags", "continuous"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_chance_is_not_a_copy(make_table, kind):
    found = 0
    for seed in range(12):
        g = np.random.default_rng(seed)
        found += copies(make_table(honest(kind, g, int(g.choice([300, 1500]))).astype(float))).beyond_chance
    assert found <= 1  # a false one in a thousand is allowed, Poisson's tail is no exact null


def test_copies_in_a_table_that_repeats_by_chance(make_table):
    g = np.random.default_rng(1)
    columns = g.integers(0, 4, (3000, 8))
    columns[:150] = columns[-150:]
    found = copies(make_table(columns.astype(float)))
    assert found.beyond_chance
    assert 20 < found.expected < found.pairs


@pytest.mark.parametrize("columns", [np.ones((50, 3)), np.full((50, 2), np.nan), np.empty((3, 0)), np.ones((1, 2))])
def test_empty_and_constant(make_context, columns):
    assert DuplicateRows().measure(make_context(columns)) == []


def test_wide(make_context):
    columns = np.random.default_rng(0).normal(size=(60, 10_000))
    columns[59] = columns[0]
    (finding,) = find(make_context(columns), "duplicate_rows")
    assert sorted(finding.rows.tolist()) == [0, 59]
