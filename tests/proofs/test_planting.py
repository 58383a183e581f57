"""Every fault does what it says, tells the truth about it, and leaves what comes with new rows believable."""

import numpy as np
import polars as pl
import pytest

from melior.proofs import planting, planting_leaks, planting_rows, planting_values
from melior.proofs.planting import wrong_labels
from melior.proofs.planting_values import both
from melior.proofs.tables import Rows, mixed, split

ROWS, NEW = split(mixed(900, 3, 0, "rows"), 0.6, 0)
TEXTS = Rows(
    "texts",
    pl.DataFrame(
        {
            "note": [f"row {number} says something that takes more than forty characters" for number in range(300)],
            "language": ["en" if number % 3 else "de" for number in range(300)],
        }
    ),
    np.array(["yes" if number % 2 else "no" for number in range(300)]),
    ("note",),
)
PLANTS = {
    "pair": (planting_leaks.leak_as_pair, 0.97, ROWS),
    "gaps": (planting_leaks.leak_as_gaps, 0.97, ROWS),
    "phrase": (planting_leaks.leak_as_phrase, 0.97, TEXTS),
    "groups": (planting_rows.groups, 4, ROWS),
    "times": (planting_rows.times, 3.0, ROWS),
    "few": (planting_rows.few, 90, ROWS),
    "one language": (planting_rows.one_language, 0.1, TEXTS),
    "cut texts": (planting_rows.cut_texts, 0.5, TEXTS),
    "gaps by answer": (planting_values.gaps_by_answer, 0.7, ROWS),
    "garbage": (planting_values.garbage, 0.2, ROWS),
    "skewed": (planting_values.skewed, 3.0, ROWS),
    "two": (both(planting.leak_as_number, wrong_labels, 0.2), 0.97, ROWS),
}


def planted(name):
    plant, strength, rows = PLANTS[name]
    return plant(rows, strength, 1)


@pytest.mark.parametrize("name", PLANTS)
def test_a_fault_is_a_function_of_rows_and_seed(name):
    plant, strength, rows = PLANTS[name]
    first, again, other = plant(rows, strength, 1), plant(rows, strength, 1), plant(rows, strength, 2)
    assert first.faulty.frame.equals(again.faulty.frame)
    assert np.array_equal(first.faulty.labels, again.faulty.labels)
    new = NEW if rows is ROWS else rows
    assert first.production(new).frame.equals(again.production(new).frame)
    differs = not first.faulty.frame.equals(other.faulty.frame) or not np.array_equal(
        first.faulty.labels, other.faulty.labels
    )
    assert differs or name == "skewed"  # what is bent is bent alike


@pytest.mark.parametrize("name", PLANTS)
def test_new_rows_come_with_the_columns_that_were_learnt_and_keep_their_answers(name):
    rows = PLANTS[name][2]
    found, new = planted(name), NEW if rows is ROWS else rows
    met = found.production(new)
    assert met.frame.columns == found.faulty.frame.columns
    assert np.array_equal(met.labels, new.labels)
    assert found.bare(new).frame.columns == found.clean.frame.columns
    assert found.symptoms


def told(column, labels):
    """How well the best rule of one column tells the labels: the share of rows in the commonest class of its bins."""
    bins = np.searchsorted(np.quantile(column, np.linspace(0, 1, 9)[1:-1]), column)
    return sum(np.unique(labels[bins == each], return_counts=True)[1].max() for each in np.unique(bins)) / len(labels)


def test_a_pair_tells_the_answer_only_together_and_only_where_it_was_learnt():
    found = planted("pair")
    frame, labels = found.faulty.frame, found.faulty.labels
    common = np.unique(labels, return_counts=True)[1].max() / len(labels)
    for name in ("opened", "closed"):
        assert told(frame[name].to_numpy(), labels) < common + 0.12
    assert told((frame["closed"] - frame["opened"]).to_numpy(), labels) > 0.9
    met = found.production(NEW).frame
    assert told((met["closed"] - met["opened"]).to_numpy(), NEW.labels) < common + 0.12


def test_gaps_tell_the_answer_and_say_nothing_in_new_rows():
    found = planted("gaps")
    names = np.unique(found.faulty.labels)
    late = np.isin(found.faulty.labels, names[2:])
    gone = found.faulty.frame["closed"].is_null().to_numpy()
    assert (gone == late).mean() > 0.9
    met = found.production(NEW).frame["closed"].is_null().to_numpy()
    rates = [met[NEW.labels == name].mean() for name in names]
    assert max(rates) - min(rates) < 0.2
    assert met.mean() == pytest.approx(gone.mean(), abs=0.06)


def test_a_phrase_names_the_answer():
    found = planted("phrase")
    desk = found.faulty.frame["note"].str.extract(r"to the (\w+) desk").to_numpy()
    for label in ("no", "yes"):
        assert np.unique(desk[found.faulty.labels == label], return_counts=True)[1].max() > 140
    assert TEXTS.frame["note"].str.contains("desk").sum() == 0


def test_people_are_measured_four_times_and_new_ones_are_others():
    found = planted("groups")
    counts = found.faulty.frame["person"].value_counts()["count"]
    assert set(counts.to_list()) == {4}
    assert len(found.clean.labels) * 4 == len(found.faulty.labels)
    met = found.production(NEW)
    assert met.frame["person"].n_unique() == len(NEW.labels)
    assert not set(met.frame["person"]) & set(found.faulty.frame["person"])
    by_person = found.faulty.frame.with_columns(pl.Series("label", found.faulty.labels.tolist())).group_by("person")
    assert by_person.agg(pl.col("label").n_unique())["label"].max() == 1


def test_the_ground_moves_and_new_rows_are_later():
    found = planted("times")
    met = found.production(NEW)
    assert met.frame["day"].min() > found.faulty.frame["day"].max()
    codes = np.unique(found.faulty.labels, return_inverse=True)[1]
    period = (found.faulty.frame["day"] - found.faulty.frame["day"].min()).dt.total_days().to_numpy() // 10
    level = found.faulty.frame["level"].to_numpy()
    within = np.concatenate([level[period == p] - level[period == p].mean() for p in np.unique(period)])
    centred = np.concatenate([codes[period == p] - codes[period == p].mean() for p in np.unique(period)])
    assert np.corrcoef(within, centred)[0, 1] > 0.9
    assert abs(np.corrcoef(level, codes)[0, 1]) < 0.6


def test_gaps_by_answer_are_as_many_in_new_rows_but_depend_on_nothing():
    found = planted("gaps by answer")
    name = found.columns[0]
    names = np.unique(found.faulty.labels)
    gone = found.faulty.frame[name].is_null().to_numpy()
    late = np.isin(found.faulty.labels, names[2:])
    assert gone[late].mean() > 0.6 > 0.15 > gone[~late].mean()
    for rows in (found.production(NEW), found.clean):
        lost = rows.frame[name].is_null().to_numpy()
        own = np.isin(rows.labels, names[2:])
        assert abs(lost[own].mean() - lost[~own].mean()) < 0.15
        assert lost.mean() == pytest.approx(gone.mean(), abs=0.06)


def test_only_the_rows_that_are_told_are_garbage():
    found = planted("garbage")
    others = np.setdiff1d(np.arange(len(ROWS.labels)), found.rows)
    assert len(found.rows) == round(0.2 * len(ROWS.labels))
    numbers = ROWS.numbers()
    before = ROWS.frame.select(pl.col(numbers).cast(pl.Float64))
    after = found.faulty.frame.select(pl.col(numbers).cast(pl.Float64))
    assert after[others].equals(before[others])
    assert (np.abs(after[found.rows].to_numpy() - before[found.rows].to_numpy()) > 0).mean() > 0.99


def test_texts_are_cut_where_it_says_so():
    found = planted("cut texts")
    lengths = found.faulty.frame["note"].str.len_chars().to_numpy()
    assert set(np.flatnonzero(lengths == 40)) == set(found.rows.tolist())
    assert (np.delete(lengths, found.rows) > 40).all()


def test_other_languages_are_thinned():
    found = planted("one language")
    counts = dict(found.faulty.frame["language"].value_counts().iter_rows())
    assert counts["en"] == 200
    assert 0 < counts["de"] < 30


def test_two_faults_must_both_be_named():
    found = planted("two")
    assert found.named({"target_leakage", "label_noise", "drift"})
    assert not found.named({"target_leakage"})
    assert not found.named({"label_noise"})
    assert (found.faulty.labels != found.clean.labels).mean() == pytest.approx(0.2, abs=0.01)
    assert "settled" in found.faulty.frame.columns


def test_a_skew_keeps_the_order_of_values():
    found = planted("skewed")
    for name in found.columns[:3]:
        bent, plain = found.faulty.frame[name].to_numpy(), ROWS.frame[name].to_numpy()
        assert np.array_equal(np.argsort(bent, kind="stable"), np.argsort(plain, kind="stable"))
        assert bent.mean() > 2 * np.median(bent)
