"""`melior judge`: the classes that are compared, and files that are not what they seem."""

import os

import numpy as np
import polars as pl
import pytest
from judged_rows import predicted, rows_of

import melior
from melior.errors import UserError

# ---- the classes that are compared


def two_classes(skill, seed, truth):
    """A column of scores of "yes"."""
    right = (truth == "yes").to_numpy()
    chances = np.clip(0.5 + skill * np.where(right, 1, -1) + np.random.default_rng(seed).normal(0, 0.3, 200), 0.01, 1)
    return pl.DataFrame({"score_yes": chances})


@pytest.mark.parametrize("other", ["one score", "both scores", "answers"])
def test_of_two_classes_one_column_of_scores_is_enough(other):
    data = rows_of(1).select(y="sure")
    a, b = (two_classes(skill, seed, data["y"]) for seed, skill in enumerate((0.3, 0.1)))
    both = [one.with_columns(score_no=1 - pl.col("score_yes")) for one in (a, b)]
    if other == "answers":
        b = b.select(prediction=pl.when(pl.col("score_yes") > 0.5).then(pl.lit("yes")).otherwise(pl.lit("no")))
    found = melior.judge(a, both[1] if other == "both scores" else b, data, target="y")
    whole = melior.judge(*both, data, target="y")
    assert [one.name for one in found.classes] == ["no", "yes"]
    assert found["macro_f1"].difference.value == pytest.approx(whole["macro_f1"].difference.value)
    assert found.verdict == whole.verdict == "a_better"


def test_one_column_of_scores_of_three_classes_is_refused_for_what_it_lacks():
    data = rows_of(1)
    scores = predicted(data["y"], 0.8, 0).select("score_red")
    with pytest.raises(UserError, match='one of 3 classes, and none for "blue", "green"'):
        melior.judge(scores, scores, data, target="y")


def test_a_class_that_only_scores_of_0_name_is_left_out(place):
    more = pl.read_csv(place / "poor.csv").with_columns(score_pink=0.0)
    how = {"a": place / "good.csv", "data": place / "new.csv", "target": "y"}
    found, plain = melior.judge(b=more, **how), melior.judge(b=place / "poor.csv", **how)
    assert [one.difference for one in found.metrics] == [one.difference for one in plain.metrics]
    assert 'no row is "pink" or is answered so, and every score of it is 0: it is left out' in found.notes
    answered = more.with_columns(prediction=pl.when(pl.col("row") == 0).then(pl.lit("pink")).otherwise("prediction"))
    assert melior.judge(b=answered, **how)["macro_f1"].a.value == pytest.approx(plain["macro_f1"].a.value * 3 / 4)


def test_of_two_classes_one_stays_whose_scores_are_all_0():
    data = pl.DataFrame({"y": ["no"] * 40})
    never = pl.DataFrame({"score_yes": [0.0] * 40})
    found = melior.judge(never, never, data, target="y")
    assert (found["accuracy"].a.value, found["macro_f1"].a.value) == (1, 0.5)
    assert [note for note in found.notes if note.startswith('no row that counts is "yes"')]


def test_a_label_that_only_scores_of_0_name_is_left_out():
    data = pl.DataFrame({"y": [["a"], ["b"], ["a", "b"], []] * 20})
    made = data.select(prediction="y").with_columns(score_a=0.5, score_b=0.5, score_c=0.0)
    found = melior.judge(made, made, data, target="y")
    assert found["macro_f1"].a.value == 1


def test_a_class_that_no_row_is_and_that_has_scores_is_noted(place):
    more = pl.read_csv(place / "poor.csv").with_columns(pl.col("score_red") - 0.1, score_pink=0.1)
    found = melior.judge(place / "good.csv", more, place / "new.csv", target="y")
    assert [note for note in found.notes if note.startswith('no row that counts is "pink": means over all classes')]
    plain = melior.judge(place / "good.csv", place / "poor.csv", place / "new.csv", target="y")
    assert not [note for note in plain.notes if "no row" in note]


# ---- files that are not what they seem


def test_the_data_itself_is_no_predictions_by_whatever_path(place, tmp_path):
    (tmp_path / "link.csv").symlink_to(place / "new.csv")
    new = place / "new.csv"
    for same in (new, place / ".." / place.name / "new.csv", tmp_path / "link.csv"):
        with pytest.raises(UserError, match='its "y" are the right answers'):
            melior.judge(place / "a", same, new)
    with pytest.raises(UserError, match='A: its "y" are the right answers'):
        melior.judge(rows_of(1), place / "b", rows_of(1))


def test_right_answers_in_every_row_are_noted_where_they_are_called_like_the_target(place):
    truth = rows_of(1).select("y", "key")
    found = melior.judge(place / "a", truth.sample(fraction=1.0, shuffle=True, seed=0), place / "new.csv", id="key")
    assert 'predictions B: its "y" is the right answer in every row: see whether it was predicted' in found.notes
    for made in (truth.rename({"y": "prediction"}), truth.with_columns(y=pl.lit("red"))):
        assert not any("see whether" in one for one in melior.judge(place / "a", made, place / "new.csv").notes)


def test_predictions_in_another_order_are_refused_and_compared_by_the_column_that_is_named(place):
    new = rows_of(1)
    good = predicted(new["y"], 0.85, 4).drop("row").with_columns(new["key"])
    moved = good.sample(fraction=1.0, shuffle=True, seed=0)
    data = new.select("key", "size", "y")
    with pytest.raises(UserError, match=r"another order: .*--id key"):
        melior.judge(good, moved, data, target="y")
    assert melior.judge(good, moved, data, target="y", id="key").differ.rows == 0


def test_scores_that_contradict_the_answers_are_noted(place):
    new = rows_of(1)
    good = predicted(new["y"], 0.85, 4)
    exchanged = good.rename({"score_blue": "score_green", "score_green": "score_red", "score_red": "score_blue"})
    said = melior.judge(good, exchanged, new, target="y").notes
    assert [note for note in said if "predictions B: in 200 of 200 rows the class with the highest score" in note]
    assert not [note for note in said if "predictions A" in note]
    some = good.with_columns(prediction=pl.when(pl.col("row") < 90).then(pl.lit("red")).otherwise("prediction"))
    assert not [note for note in melior.judge(good, some, new, target="y").notes if "highest score" in note]


@pytest.mark.parametrize(("marked", "said"), [(0, "marks no rows"), (1, "marks 1 row "), (9, "marks 9 rows")])
def test_too_few_trusted_rows_are_refused_in_words_of_the_comparison(marked, said):
    new = rows_of(1).with_columns(sure=pl.Series(["yes"] * marked + ["no"] * (200 - marked)))
    good = predicted(new["y"], 0.85, 4)
    with pytest.raises(UserError, match=said) as caught:
        melior.judge(good, good, new, target="y", trusted="sure")
    assert "data.trusted" not in str(caught.value)
    assert "put aside" not in str(caught.value)


def test_rows_that_a_run_learned_are_noted_under_whatever_name(place, tmp_path):
    copy = tmp_path / "other_name.csv"
    copy.write_bytes((place / "learned.csv").read_bytes())
    for file in (place / "learned.csv", copy):
        assert any(
            "is the file that the run was made from" in note for note in melior.evaluate(place / "a", file).notes
        )
        notes = melior.judge(place / "a", place / "b", file).notes
        assert [note for note in notes if "among its rows are those it learned" in note] == [
            f"{place / name} was made from this file: among its rows are those it learned, which prove nothing"
            for name in "ab"
        ]
    new = place / "new.csv"
    assert not any("made from" in note for note in melior.evaluate(place / "a", new).notes)
    assert not any("made from" in note for note in melior.judge(place / "a", place / "b", new).notes)


def test_nothing_is_said_of_a_file_that_was_changed_since(tmp_path):
    path = tmp_path / "learned.csv"
    rows_of(0).write_csv(path)
    melior.train(str(path), target="y", columns={"key": "id"}, model="linear", run=tmp_path / "a")
    rows_of(7).write_csv(path)
    later = path.stat().st_mtime + 60
    os.utime(path, (later, later))
    assert not any("made from" in note for note in melior.evaluate(tmp_path / "a", path).notes)
