"""Near copies of rows: rounded numbers, edited texts, which of them to keep, and across two parts."""

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import polars as pl
import pytest

from melior.checks._near import near_numbers
from melior.checks._rounding import rounded
from melior.checks.duplicate_rows import DuplicateRows
from melior.checks.split_overlap import SplitOverlap
from melior.methods.deduplication import Deduplication
from melior.testing.tables import table_of


def words(g, rows, least=15, most=40):
    shares = 1 / np.arange(1, 3001)
    names = np.array([f"v{number}" for number in range(3000)])
    return [" ".join(g.choice(names, g.integers(least, most), p=shares / shares.sum())) for _ in range(rows)]


def edited(text, g):
    """One word in twenty made another."""
    found = text.split()
    for at in g.choice(len(found), max(1, len(found) // 20), replace=False):
        found[at] = f"new{g.integers(10**6)}"
    return " ".join(found)


def digits(values, kind):
    """Rounded by Python's own formatting, which is exact."""
    how = {"two decimals": ".2f", "integer": ".0f", "three digits": ".3g", "six digits": ".6g"}[kind]
    return np.array([float(format(value, how)) for value in values.ravel()]).reshape(values.shape)


# ---- rounded numbers


def ties(g):
    """Numbers written with a 5 where they are cut, which binary numbers are a bit above or below of."""
    return np.concatenate([(10 * g.integers(-(10**4), 10**4, 400) + 5) / 10.0 ** (k + 1) for k in range(1, 6)])


def test_precisions_are_those_of_decimal():
    g = np.random.default_rng(0)
    values = np.concatenate([g.normal(size=200), g.lognormal(8, 4, 200), -g.lognormal(-8, 4, 200), ties(g)])
    made = rounded(values)
    for decimals in range(9):
        assert np.array_equal(made[decimals][0], [float(format(value, f".{decimals}f")) for value in values])
    for place, number in enumerate(range(2, 8)):
        wanted = [float(format(value, f".{number}g")) for value in values]
        np.testing.assert_allclose(made[9 + place][0], wanted, rtol=1e-14)


def test_a_five_at_the_end_is_rounded_in_three_ways():
    values = ties(np.random.default_rng(1))
    for decimals in range(6):
        ways = rounded(values)[decimals]
        unit = Decimal(1).scaleb(-decimals)
        up = [float(Decimal(repr(float(value))).quantize(unit, ROUND_HALF_UP)) for value in values]
        for wanted in (np.round(values, decimals), up):
            assert any(np.array_equal(way, wanted) for way in ways)


def test_odd_numbers_are_rounded_to_themselves():
    odd = np.array([0.0, -0.0, np.inf, -np.inf, 1e308, -1e308, 5e-324, np.nan])
    for ways in rounded(odd):
        for made in ways:
            assert np.isnan(made[-1])
            assert np.array_equal(made[2:4], odd[2:4])
            assert np.isfinite(made[[0, 1, 4, 5, 6]]).all()


@pytest.mark.parametrize("kind", ["two decimals", "integer", "three digits", "six digits"])
@pytest.mark.parametrize("seed", range(2))
def test_rounded_copies_are_found(make_context, kind, seed):
    g = np.random.default_rng(seed)
    scale = 100 if kind == "integer" else 1
    columns = scale * g.normal(size=(400, 6))
    columns[7, 2] = np.nan
    both = np.vstack([columns, digits(columns[:30], kind)])
    (finding,) = DuplicateRows().measure(make_context(both))
    assert set(finding.rows.tolist()) == {*range(30), *range(400, 430)}
    assert [rows[0] for rows in finding.measured["clusters"]] == list(range(30)), "the row of more digits is kept"
    assert set(finding.measured["keep_because"]) == {"its numbers have the most digits"}
    assert "rounding" in finding.message
    assert finding.certain


def test_rounded_and_equal_copies_together(make_context):
    g = np.random.default_rng(0)
    columns = g.normal(size=(300, 4))
    both = np.vstack([columns, columns[:10], columns[20:35].round(2), columns[20:22].round(1)])
    equal, near = DuplicateRows().measure(make_context(both))
    assert set(equal.rows.tolist()) == {*range(10), *range(300, 310)}
    assert set(near.rows.tolist()) == {*range(20, 35), *range(310, 327)}
    assert near.measured["groups"] == 15
    assert near.measured["clusters"][0] == [20, 310, 325]


def mixed_precision(kind, g, n):
    if kind == "ages and weights":  # every other weight is written without decimals
        weight = g.normal(70, 12, n)
        weight = np.where(g.random(n) < 0.5, weight.round(0), weight.round(1))
        return np.column_stack([g.integers(18, 80, n), weight, g.integers(0, 2, n)])
    if kind == "some rounded":  # half the rows are written with fewer digits, none is a copy
        values = g.normal(70, 12, (n, 3))
        return np.where(g.random((n, 1)) < 0.5, values.round(0), values.round(1))
    if kind == "cells rounded":
        values = g.lognormal(0, 1, (n, 3))
        return np.where(g.random((n, 3)) < 0.5, values.round(1), values.round(2))
    if kind == "zero and one":
        return np.where(g.random((n, 1)) < 0.5, g.random((n, 2)).round(1), g.random((n, 2)).round(2))
    return g.normal(size=(n, 4))


@pytest.mark.parametrize("kind", ["ages and weights", "some rounded", "cells rounded", "zero and one", "continuous"])
def test_rounding_that_chance_explains(make_table, kind):
    found = 0
    for seed in range(12):
        g = np.random.default_rng(seed)
        near = near_numbers(make_table(mixed_precision(kind, g, int(g.choice([300, 1500])))))
        found += near is not None
    assert found <= 1


# ---- texts


def test_edited_texts_are_found_and_the_longest_is_kept(make_context):
    g = np.random.default_rng(0)
    texts = words(g, 400)
    texts += [edited(text, g) + " and more of it" for text in texts[:40]]
    labels = g.integers(0, 2, 440)
    labels[400:] = labels[:40]
    labels[403] = 1 - labels[3]
    (finding,) = DuplicateRows().measure(make_context({"note": texts}, labels, kinds={"note": "text"}))
    assert set(finding.rows.tolist()) == {*range(40), *range(400, 440)}
    assert finding.measured["groups"] == 40
    assert finding.measured["conflicting_clusters"] == 1
    assert finding.measured["clusters"] == [[k + 400, k] for k in range(40)]
    assert finding.measured["keep_because"][0] == "its texts are the longest"
    assert finding.columns == ("note",)
    assert (np.diff(finding.row_scores) <= 0).all()
    assert finding.certain


def test_a_row_with_an_answer_is_kept_before_a_longer_one(make_context):
    g = np.random.default_rng(0)
    texts = words(g, 200)
    texts.append(texts[5] + " and more")
    labels = g.integers(0, 2, 201)
    labels[200] = -1
    (finding,) = DuplicateRows().measure(make_context({"note": texts}, labels, kinds={"note": "text"}))
    assert finding.measured["clusters"] == [[5, 200]]
    assert finding.measured["keep_because"] == ["it has an answer"]


def test_the_same_description_of_different_things_is_a_question(make_context):
    g = np.random.default_rng(0)
    described = words(g, 60)
    columns = {
        "text": [edited(described[k % 60], g) for k in range(240)],
        "x": g.normal(size=240),
        "y": g.normal(size=240),
    }
    (finding,) = DuplicateRows().measure(make_context(columns, kinds={"text": "text"}))
    assert not finding.certain
    assert "may be different things" in finding.message


def test_all_texts_that_can_tell_must_agree(make_context):
    """A product's description repeats, the reviews of it do not; short titles tell nothing."""
    g = np.random.default_rng(0)
    described, reviews = words(g, 50), words(g, 300)
    columns = {"about": [described[k % 50] for k in range(300)], "review": reviews, "title": ["good"] * 300}
    columns["about"] += [columns["about"][k] for k in range(10)]
    columns["review"] += [edited(reviews[k], g) for k in range(10)]
    columns["title"] += ["bad"] * 10
    kinds = dict.fromkeys(columns, "text")
    (finding,) = DuplicateRows().measure(make_context(columns, kinds=kinds))
    assert set(finding.rows.tolist()) == {*range(10), *range(300, 310)}


def test_what_is_told_is_capped(make_context, monkeypatch):
    g = np.random.default_rng(0)
    texts = words(g, 300)
    context = make_context(
        {"note": [f"{text} {g.integers(10**6)}" for text in texts for _ in range(2)]}, kinds={"note": "text"}
    )
    for most, clusters, rows in [(10**6, 300, 600), (101, 50, 100), (1, 1, 1)]:
        monkeypatch.setattr("melior.checks._near.MOST_TOLD", most)
        (finding,) = DuplicateRows().measure(context)
        assert finding.measured["groups"] == 300
        assert len(finding.rows) == 600
        assert len(finding.measured["clusters"]) == len(finding.measured["keep_because"]) == clusters
        assert sum(map(len, finding.measured["clusters"])) == rows
        assert finding.measured["rows_in_clusters_at_most"] == most


# ---- across two parts


def test_near_overlap(make_table, make_context):
    g = np.random.default_rng(0)
    texts = words(g, 300)
    there = words(g, 60) + [edited(text, g) for text in texts[:8]] + texts[20:23]
    kinds = {"note": "text"}
    table = make_table({"note": texts}, kinds=kinds, row_ids=np.arange(1000, 1300))
    other = make_table({"note": there}, kinds=kinds, row_ids=np.arange(500, 571))
    equal, near = SplitOverlap().measure(make_context(table, other=other))
    assert equal.rows.tolist() == [1020, 1021, 1022]
    assert sorted(near.rows.tolist()) == list(range(1000, 1008))
    assert sorted(near.measured["rows_of_other"].tolist()) == list(range(560, 568))
    assert near.severity == pytest.approx(8 / 71)
    assert "8 of 71" in near.message
    assert DuplicateRows().measure(make_context(table, other=other)) == []


def test_rounded_overlap(make_table, make_context):
    g = np.random.default_rng(0)
    here, there = g.normal(size=(300, 4)), g.normal(size=(80, 4))
    there[:9] = here[:9].round(2)
    (near,) = SplitOverlap().measure(make_context(make_table(here), other=make_table(there)))
    assert near.rows.tolist() == list(range(9))
    assert near.measured["rows_of_other"].tolist() == list(range(9))


def test_no_overlap(make_table, make_context):
    g = np.random.default_rng(0)
    kinds = {"note": "text"}
    table, other = (make_table({"note": words(g, n), "x": g.normal(size=n)}, kinds=kinds) for n in (300, 100))
    assert SplitOverlap().measure(make_context(table, other=other)) == []
    assert SplitOverlap().measure(make_context(table)) == []


@pytest.mark.parametrize("texts", [[None] * 40, [""] * 40, ["same"] * 40, [None, "", "a", "\U0001f600"] * 10, ["one"]])
def test_odd_texts(make_context, texts):
    g = np.random.default_rng(0)
    columns = {"note": pl.Series(texts, dtype=pl.String), "x": g.normal(size=len(texts))}
    assert DuplicateRows().measure(make_context(columns, kinds={"note": "text"})) == []


# ---- the method


class Training:
    seed = 0


def test_deduplication_of_near_copies(make_table):
    g = np.random.default_rng(0)
    texts = words(g, 200)
    columns = {"note": texts + [edited(t, g) + " more" for t in texts[:20]] + texts[30:33], "x": g.normal(size=223)}
    columns["x"][200:] = [*columns["x"][:20].round(3), *columns["x"][30:33]]
    labels = np.r_[g.integers(0, 2, 200), np.zeros(23, dtype=int)]
    labels[200:] = [*labels[:20], *labels[30:33]]
    labels[201] = 1 - labels[1]  # a tie: nobody knows which is right
    train = make_table(columns, labels, kinds={"note": "text"})
    assert set(range(223)) - set(Deduplication().rows(train, Training()).row_ids.tolist()) == {220, 221, 222}
    kept = set(Deduplication(near=True).rows(train, Training()).row_ids.tolist())
    assert set(range(223)) - kept == {*range(20), 201, 220, 221, 222}


def test_deduplication_of_rounded_copies(make_table):
    g = np.random.default_rng(0)
    columns = g.normal(size=(200, 4))
    labels = g.integers(0, 2, 200)
    train = make_table(np.vstack([columns[:30].round(2), columns]), np.r_[labels[:30], labels])
    assert Deduplication().rows(train, Training()) is train
    kept = Deduplication(near=True).rows(train, Training()).row_ids
    assert kept.tolist() == list(range(30, 230)), "the rows of more digits stay"


def test_near_deduplication_leaves_unrelated_rows_alone(make_table):
    g = np.random.default_rng(0)
    train = make_table({"note": words(g, 300), "x": g.normal(size=300)}, g.integers(0, 3, 300), kinds={"note": "text"})
    assert Deduplication(near=True).rows(train, Training()) is train


def test_columns_may_have_any_name():
    """As keywords "self" would be taken for the frame itself."""
    g = np.random.default_rng(0)
    values = g.normal(size=(300, 3))
    values[200:] = np.round(values[:100], 2)
    frame = pl.DataFrame({"self": values[:, 0], "exprs": values[:, 1], "named_exprs": values[:, 2]})
    table = table_of({name: frame[name].to_numpy() for name in frame.columns}, dict.fromkeys(frame.columns, "number"),
                     None, ())  # fmt: skip
    found = near_numbers(table)
    assert found is not None
    assert len(np.unique(found.group)) < 300
