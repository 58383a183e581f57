"""`melior judge`: runs and files of predictions, what is drawn together, and what is said of bad input."""

import json
from functools import partial

import numpy as np
import polars as pl
import pytest
from judged_rows import COLOURS, predicted, rows_of

import melior
from melior.errors import UserError
from melior.metrics import label_weights, metric
from melior.predictor import Predictor
from melior.recipe import Recipe, Split
from melior.trials.together import drawn_together

# ---- what is compared


def test_two_runs(place):
    found = melior.judge(place / "a", place / "b", place / "new.csv")
    assert found.verdict == "a_better"
    assert found.asked == ("macro_f1",)
    truth = rows_of(1)["y"].to_list()
    for name, interval in (("a", found["accuracy"].a), ("b", found["accuracy"].b)):
        said = melior.predict(place / name, place / "new.csv")["prediction"].to_list()
        assert interval.value == pytest.approx(np.mean([one == other for one, other in zip(said, truth, strict=True)]))
    assert {one.name for one in found.metrics} >= {"accuracy", "macro_f1", "log_loss", "brier", "roc_auc"}
    assert found.calibration is not None
    assert [one.name for one in found.classes] == list(COLOURS)
    assert found.differ.rows == found.differ.a_right + found.differ.b_right + found.differ.neither


def test_a_run_is_its_predictions_in_a_file(place, tmp_path):
    """Written by `predict`, rows mixed: the same verdict to the last digit."""
    for name in ("a", "b"):
        melior.predict(place / name, place / "new.csv").sample(fraction=1.0, shuffle=True, seed=3).write_parquet(
            tmp_path / f"{name}.parquet"
        )
    runs = melior.judge(place / "a", place / "b", place / "new.csv")
    files = melior.judge(tmp_path / "a.parquet", tmp_path / "b.parquet", place / "new.csv", target="y")
    mixed = melior.judge(place / "a", tmp_path / "b.parquet", place / "new.csv")
    loaded = melior.judge(Predictor.load(place / "a" / "predictor"), place / "b", rows_of(1))
    for other in (files, mixed, loaded):
        for one, two in zip(runs.metrics, other.metrics, strict=True):
            assert two.difference.value == pytest.approx(one.difference.value, abs=1e-9)
            assert two.difference.low == pytest.approx(one.difference.low, abs=1e-6)
    assert files.verdict == mixed.verdict == runs.verdict


def test_rows_by_id_are_those_by_order(place, tmp_path):
    truth = rows_of(1)
    keyed = predicted(truth["y"], 0.85, 4).drop("row").with_columns(truth["key"])
    keyed.sample(fraction=1.0, shuffle=True, seed=1).write_csv(tmp_path / "mixed.csv")
    other = keyed.with_columns(prediction=pl.lit("red"))
    by_order = melior.judge(keyed, other, truth, target="y")
    by_id = melior.judge(tmp_path / "mixed.csv", other, truth, target="y", id="key")
    assert [one.difference for one in by_id.metrics] == [one.difference for one in by_order.metrics]


def test_the_other_way_round(place):
    there = melior.judge(place / "good.csv", place / "poor.csv", place / "new.csv", target="y")
    back = melior.judge(place / "poor.csv", place / "good.csv", place / "new.csv", target="y")
    assert (there.verdict, back.verdict) == ("a_better", "b_better")
    for one, two in zip(there.metrics, back.metrics, strict=True):
        assert two.difference.value == pytest.approx(-one.difference.value)
        assert two.difference.low == pytest.approx(-one.difference.high)
    assert [one.p_adjusted for one in there.classes] == [one.p_adjusted for one in back.classes]


def test_without_scores_probabilities_are_left_out(place, tmp_path):
    truth = rows_of(1)["y"]
    bare = predicted(truth, 0.8, 9, scores=False)
    found = melior.judge(bare, place / "good.csv", place / "new.csv", target="y")
    assert not {"log_loss", "brier", "roc_auc"} & {one.name for one in found.metrics}
    assert found.calibration is None
    assert any("log_loss" in note and "left out" in note for note in found.notes)
    with pytest.raises(UserError, match="log_loss needs probabilities"):
        melior.judge(bare, place / "good.csv", place / "new.csv", target="y", metric="log_loss")


def test_several_metrics(place):
    names = "accuracy,recall[red]"
    found = melior.judge(place / "good.csv", place / "poor.csv", place / "new.csv", target="y", metric=names)
    assert found.asked == ("accuracy", "recall[red]")
    assert [one.p_adjusted is not None for one in found.metrics[:3]] == [True, True, False]
    assert found["recall[red]"].verdict is not None


def test_metrics_with_conditions_and_of_ones_own(place):
    """As in a recipe; a comma before a condition begins no other metric."""

    def share_of_red(truth, said, sample_weight):
        return float(np.average((said == "red") == (truth == "red"), weights=sample_weight))

    how = {"a": place / "good.csv", "b": place / "poor.csv", "data": place / "new.csv", "target": "y"}
    goal = melior.judge(**how, metric="precision[red], recall[red]>=0.5, accuracy")
    assert goal.asked == ("precision[red], recall[red]>=0.5", "accuracy")
    own = melior.judge(**how, metric=share_of_red)
    assert own.asked == ("python:share_of_red",)
    truth = rows_of(1)["y"].to_numpy()
    said = [pl.read_csv(place / f"{name}.csv")["prediction"].to_numpy() for name in ("good", "poor")]
    values = [np.mean((one == "red") == (truth == "red")) for one in said]
    assert own.metrics[0].difference.value == pytest.approx(values[1] - values[0])
    with pytest.raises(UserError, match="share_of_red is a function"):
        melior.judge(**how, metric=share_of_red, noise=np.eye(3))


def test_several_labels_a_row():
    random = np.random.default_rng(0)
    truth = random.random((150, 3)) < 0.4
    said = [truth ^ (random.random((150, 3)) < wrong) for wrong in (0.25, 0.05)]

    def lists(matrix):
        return [[name for name, so in zip(COLOURS, row, strict=True) if so] for row in matrix]

    data = pl.DataFrame({"y": lists(truth), "shop": random.choice(["north", "south"], 150)})
    a, b = (pl.DataFrame({"prediction": lists(one)}) for one in said)
    found = melior.judge(a, b, data, target="y")
    assert found.verdict == "b_better"
    value = metric("hamming_loss", COLOURS, multilabel=True).measure(truth, None, said[0])
    assert found["hamming_loss"].a.value == pytest.approx(value)
    assert found["hamming_loss"].difference.value > 0
    assert len(found.classes) == 3


def test_a_slice_that_gets_worse_is_named():
    data = rows_of(5, 400)
    a = predicted(data["y"], 1.0, 0)
    spoilt = (data["shop"] == "south") & pl.Series(np.random.default_rng(0).random(400) < 0.4)
    other = pl.Series(["red" if one == "blue" else "blue" for one in data["y"]])
    b = a.with_columns(pl.when(spoilt).then(other).otherwise(pl.col("prediction")).alias("prediction"))
    found = melior.judge(a.drop("score_red", "score_blue", "score_green"), b, data, target="y")
    assert [one.name for one in found.slices] == ["shop is 'south'"]
    assert found.slices[0].difference.high < 0
    assert found.slices_seen >= 3


# ---- which rows count, and which are drawn together


def test_groups_and_blocks(place):
    def judged(**how):
        return melior.judge(place / "good.csv", place / "poor.csv", place / "new.csv", target="y", **how)

    single, groups, blocks = judged(), judged(groups="user"), judged(order="day")
    assert single.drawn == "single rows"
    assert (single.units, groups.units) == (200, rows_of(1)["user"].n_unique())
    assert '"user"' in groups.drawn
    assert 8 <= blocks.units <= 30
    assert 'in the order of "day"' in blocks.drawn
    assert single["accuracy"].difference.value == groups["accuracy"].difference.value
    assert groups["accuracy"].difference != single["accuracy"].difference != blocks["accuracy"].difference


@pytest.mark.parametrize(("kind", "column", "said"), [("group", "user", "groups"), ("time", "day", "blocks")])
def test_a_recipe_says_what_is_drawn_together(place, tmp_path, kind, column, said):
    kinds = {"key": "id", column: "ignore"}
    recipe = Recipe(
        data={"path": str(place / "learned.csv"), "target": "y", "columns": kinds, "trusted": "sure"},
        split={"kind": kind, "column": column},
        model="linear",
    )
    melior.train(recipe, run=tmp_path / "run")
    found = melior.judge(tmp_path / "run", place / "good.csv", place / "new.csv")
    assert said in found.drawn
    assert found.rows == (rows_of(1)["sure"] == "yes").sum()
    without = melior.judge(tmp_path / "run", place / "good.csv", rows_of(1).drop(column, "sure"))
    assert without.drawn == "single rows"
    assert without.rows == 200
    assert sum(f'no column "{one}"' in note for note in without.notes for one in (column, "sure")) == 2


def test_only_trusted_rows_count(place):
    kept = rows_of(1)["sure"] == "yes"
    how = {"target": "y"}
    some = melior.judge(place / "good.csv", place / "poor.csv", place / "new.csv", trusted="sure", **how)
    good, poor = (pl.read_csv(place / f"{name}.csv").filter(kept).drop("row") for name in ("good", "poor"))
    alone = melior.judge(good, poor, rows_of(1).filter(kept), **how)
    assert some.rows == kept.sum()
    assert [one.difference for one in some.metrics] == [one.difference for one in alone.metrics]


def test_rows_without_an_answer_are_left_out(place):
    data = rows_of(1).with_columns(y=pl.when(pl.int_range(200) < 20).then(None).otherwise(pl.col("y")))
    found = melior.judge(place / "good.csv", place / "poor.csv", data, target="y")
    assert found.rows == 180
    assert any(note.startswith('20 rows have no "y"') for note in found.notes)


def test_noise_that_is_known_is_taken_out(place, tmp_path):
    matrix = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.05, 0.05, 0.9]]
    content = {"classes": ["red", "blue", "green"], "matrix": matrix}
    (tmp_path / "noise.json").write_text(json.dumps(content))
    found = melior.judge(
        place / "good.csv", place / "poor.csv", place / "new.csv", target="y", noise=tmp_path / "noise.json"
    )
    order = [content["classes"].index(one) for one in COLOURS]
    truth = label_weights(
        [COLOURS.index(one) for one in rows_of(1)["y"]], np.array(matrix)[np.ix_(order, order)], classes=COLOURS
    )
    said = pl.read_csv(place / "good.csv")["prediction"]
    answers = np.array([COLOURS.index(one) for one in said])
    assert found["accuracy"].a.value == pytest.approx(truth[np.arange(200), answers].mean())
    plain = melior.judge(place / "good.csv", place / "poor.csv", place / "new.csv", target="y")
    wider = found["accuracy"].difference.width / plain["accuracy"].difference.width
    assert wider > 1.1


@pytest.mark.parametrize("sure", [True, False])
def test_noise_that_the_audit_of_a_run_estimated(place, tmp_path, sure):
    from shutil import copytree

    from melior.runs.store import Run

    matrix = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.05, 0.05, 0.9]]
    run = Run(copytree(place / "a", tmp_path / "run"))
    measured = {"noise_matrix": matrix, "classes": list(COLOURS), "corrects_scores": sure}
    run.write("findings.json", [{"symptom": "label_noise", "measured": measured}])
    run.renew_manifest()
    how = {"a": place / "good.csv", "b": place / "poor.csv", "data": place / "new.csv", "target": "y"}
    if not sure:
        with pytest.raises(UserError, match="too unsure"):
            melior.judge(**how, noise=run.folder)
        return
    found, given = melior.judge(**how, noise=run.folder), melior.judge(**how, noise=matrix)
    assert [one.difference for one in found.metrics] == [one.difference for one in given.metrics]


def test_improve_draws_blocks_where_a_recipe_splits_by_time(place):
    table = melior.read(rows_of(1), target="y")
    timed = drawn_together(table, Recipe(split=Split(kind="time", column="day")))
    days = rows_of(1)["day"].to_numpy()
    assert len(np.unique(timed)) == 28
    assert all(len(np.unique(timed[days == day])) == 1 for day in np.unique(days))
    assert drawn_together(table, Recipe()) is None


# ---- how it shows itself


def test_it_shows_itself(place):
    found = melior.judge(place / "a", place / "b", place / "new.csv")
    assert found.said() in repr(found)
    page = found._repr_html_()
    assert page.count("<table>") >= 2
    assert "<script" not in page
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["verdict"] == "a_better"
    assert content["metrics"][0]["difference"]["value"] == pytest.approx(found.metrics[0].difference.value)


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        ({}, ["A is better", "macro_f1", "chance alone"]),
        ({"margin": 0.9}, ["No difference that matters", "0.9 or more is ruled out"]),
        ({"non_inferior": 0.9}, ["B is no worse", "one-sided 97.5 %"]),
        ({"non_inferior": 0.01}, ["A is better", "more than may be lost"]),
    ],
)
def test_the_verdict_in_words(place, how, parts):
    said = melior.judge(place / "good.csv", place / "poor.csv", place / "new.csv", target="y", **how).said()
    for part in parts:
        assert part in said


def test_what_could_have_been_seen_is_said(place):
    truth = rows_of(1)["y"]
    a, b = predicted(truth, 0.8, 1), predicted(truth, 0.8, 2)
    found = melior.judge(a, b, rows_of(1), target="y", metric="accuracy")
    assert found.verdict == "not_proved"
    assert f"these 200 rows could have shown a difference of {found['accuracy'].detectable:.3f}" in found.said()
    assert melior.judge(a, a, rows_of(1), target="y").said() == "No difference: the two answer all rows alike."


def test_what_is_not_defined_on_these_rows_is_said():
    """Of one class there is no area; nothing warns, and nothing is proved."""
    data = rows_of(1).filter(pl.col("y") == "red")
    a, b = (predicted(data["y"], skill, seed) for seed, skill in enumerate((0.8, 0.6)))
    found = melior.judge(a, b, data, target="y", metric="roc_auc")
    assert found.verdict == "not_proved"
    assert "roc_auc is not defined on these rows" in found.said()
    assert found.to_dict()["metrics"][0]["difference"]["value"] is None
    assert melior.judge(a, b, data, target="y", metric="accuracy").verdict == "a_better"


# ---- the command


def test_the_command(command, place):
    code, out, _ = command("a", "b", "--data", "new.csv", "--json", "found.json")
    assert code == 0
    for part in ("A is better", "could have seen", "Right answers in each class", "They answer", "calibration"):
        assert part in " ".join(out.split())  # lines are cut where they end
    assert json.loads((place / "found.json").read_text())["verdict"] == "a_better"
    options = ["--target", "y", "--metric", "accuracy,macro_f1", "--groups", "user", "--seed", "3"]
    code, out, _ = command("good.csv", "poor.csv", "--data", "new.csv", *options)
    assert code == 0
    assert "whole groups" in out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["good.csv", "poor.csv"], ["--target"]),
        (["good.csv", "poor.csv", "--target", "z"], ["new.csv", '"z"', "no column"]),
        (["good.csv", "learned.csv", "--target", "size"], ["size"]),
        (["good.csv", "nothing.csv", "--target", "y"], ["nothing.csv"]),
        (["a", "new.csv"], ["new.csv", '"y" are the right answers']),
        (["a", "./new.csv"], ["new.csv", '"y" are the right answers']),
        (["a", "b", "--metric", "acuracy"], ["acuracy", "accuracy"]),
        (["a", "b", "--margin", "-1"], ["--margin"]),
        (["a", "b", "--non-inferior", "0"], ["--non-inferior"]),
        (["a", "b", "--non-inferior", "0.1", "--margin", "0.1"], ["--margin", "--non-inferior"]),
        (["a", "b", "--groups", "user", "--order", "day"], ["--groups", "--order"]),
        (["a", "b", "--groups", "users"], ["new.csv", "--groups", '"users"', '"user"']),
        (["a", "b", "--order", "shop"], ["new.csv, row 1", '"shop" is empty or no time', "ordered by it"]),
        (["a", "b", "--order", "y"], ["--order", "the target"]),
        (["a", "b", "--trusted", "shop"], ["shop", "at least 10"]),
        (["a", "good.csv", "--id", "key"], ["good.csv", '"key" is no column']),
        (["a", "b", "--noise", "new.csv"], ["new.csv", "matrix"]),
        (["a", "b", "--noise", "a"], ["found no wrong labels"]),
        (["a", "b", "--noise", "."], ["there is no run here"]),
        (["a", "b", "--seed", "-1"], ["--seed is -1", "0 or more"]),
    ],
)
def test_bad_input_is_one_sentence(command, arguments, parts):
    code, out, err = command(*arguments, "--data", "new.csv")
    assert code == 2, out
    said = [line for line in err.splitlines() if line.startswith("melior: ")]
    assert len(said) == 1
    for part in parts:
        assert part in said[0]


def test_a_class_that_nobody_knows(command, place):
    rows_of(1).with_columns(y=pl.when(pl.int_range(200) == 6).then(pl.lit("pink")).otherwise("y")).write_csv(
        place / "pink.csv"
    )
    code, _, err = command("a", "b", "--data", "pink.csv")
    assert code == 2
    assert 'pink.csv, row 7: "y" is "pink"' in err


def test_a_seed_below_0_is_refused_in_python_too(place):
    for asked in (partial(melior.judge, place / "a", place / "b"), partial(melior.evaluate, place / "a")):
        with pytest.raises(UserError, match="--seed is -1"):
            asked(place / "new.csv", seed=-1)
