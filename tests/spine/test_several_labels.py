"""Several labels a row, from rows to answers: families, thresholds, verbs, and what is refused."""

import json

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier

import melior
from melior.data.label_sets import LabelSets
from melior.data.read import read
from melior.data.schema import Schema
from melior.data.table import Table
from melior.errors import UserError
from melior.methods._base import methods
from melior.methods._label_thresholds import best_thresholds, steady_thresholds
from melior.metrics import metric
from melior.models._base import LabelScorers, families
from melior.predictor import LabelThresholds
from melior.recipe import Recipe
from melior.trials.fit import fit
from melior.trials.together import inner_folds

NAMES = ["fit", "price", "colour", "fabric"]


def rows(count=400, seed=0, labels=4):
    values, sets = make_multilabel_classification(
        n_samples=count, n_features=8, n_classes=labels, n_labels=2, random_state=seed
    )
    made = {f"x{place}": values[:, place] for place in range(8)}
    made["topics"] = [[NAMES[code] for code in np.flatnonzero(row)] for row in sets]
    return made


@pytest.fixture(scope="module")
def table():
    return read(rows(), target="topics")


def test_linear_is_one_logistic_regression_a_label(table):
    """On the same matrix as scikit-learn's, the same probabilities."""
    inside, outside = table.take(np.arange(300)), table.take(np.arange(300, 400))
    model = families()["linear"]()
    encoder = model.encoder(inside, scaled=False).fit(inside, 0)
    first, second = encoder.transform(inside), encoder.transform(outside)
    ours = model.fit_labels(first, inside.label_matrix, None, seed=0).scores(second)
    oracle = OneVsRestClassifier(LogisticRegression(C=1.0, max_iter=500))
    oracle.fit(first.values, inside.label_matrix)
    np.testing.assert_allclose(ours, oracle.predict_proba(second.values), atol=2e-3)
    through = fit(Recipe(model="linear", metric="macro_f1"), inside).scores(outside)
    np.testing.assert_array_equal(through, ours)


@pytest.mark.parametrize("name", ["linear", "trees"])
def test_what_stands_on_no_row_or_on_every_row_is_answered_so(table, name):
    matrix = table.label_matrix.copy()
    matrix[:, 0], matrix[:, 1] = 0, 1
    changed = table.with_label_matrix(matrix)
    predictor = fit(Recipe(model=name, metric="macro_f1"), changed)
    scores = predictor.scores(changed)
    assert (scores[:, 0] < 1e-6).all()
    assert (scores[:, 1] > 1 - 1e-6).all()
    assert isinstance(predictor.scorer.model, LabelScorers)


def test_row_weights_count_rows(table):
    model = families()["linear"]()
    matrix = model.encoder(table, scaled=False).fit(table, 0).transform(table)
    counts = np.random.default_rng(0).integers(1, 3, table.rows)
    twice = np.repeat(np.arange(table.rows), counts)
    weighted = model.fit_labels(matrix, table.label_matrix, counts.astype(float), seed=0).scores(matrix)
    repeated = model.fit_labels(matrix.take(twice), table.label_matrix[twice], None, seed=0).scores(matrix)
    np.testing.assert_allclose(weighted, repeated, atol=1e-3)


def test_inner_folds_keep_copies_together_and_every_label(table):
    doubled = table.take(np.repeat(np.arange(200), 2))
    tested = []
    for inside, outside in inner_folds(doubled, 0):
        assert not set(doubled.row_ids[inside]) & set(doubled.row_ids[outside])
        assert (doubled.label_matrix[outside].sum(axis=0) > 0).all()
        tested += outside.tolist()
    assert sorted(tested) == list(range(400))


# ---- thresholds


def exhaustive(margins, labels, made):
    """The best value of the metric over all borders, all labels at once (few rows and labels only)."""
    cuts = [np.append(np.sort(margins[:, label]), np.inf) for label in range(margins.shape[1])]
    grid = np.stack(np.meshgrid(*cuts), axis=-1).reshape(-1, margins.shape[1])
    answers = margins[None] >= grid[:, None, :]
    right, answered = (answers * labels[None]).sum(axis=1), answers.sum(axis=1)
    support = np.broadcast_to(labels.sum(axis=0), right.shape)
    return float(made.from_counts(*(part.astype(float) for part in (right, answered, support))).max())


@pytest.mark.parametrize("name", ["macro_f1", "weighted_f1", "macro_jaccard", "f1[fit]"])
def test_borders_are_the_best_there_are(name):
    random = np.random.default_rng(1)
    for _ in range(20):
        labels = (random.random((12, 2)) < 0.4).astype(np.int32)
        labels[:2] = [[0, 0], [1, 1]]
        margins = random.normal(size=(12, 2)) + labels
        made = metric(name, NAMES[:2], multilabel=True)
        borders = best_thresholds(margins, labels, np.ones(12), made)
        reached = made.measure(labels, None, margins >= borders)
        assert reached == pytest.approx(exhaustive(margins, labels, made), abs=1e-12)


def test_pooled_borders_are_no_worse_than_one_half():
    random = np.random.default_rng(2)
    made = metric("micro_f1", NAMES, multilabel=True)
    for _ in range(20):
        labels = (random.random((40, 4)) < 0.3).astype(np.int32)
        margins = random.normal(size=(40, 4)) + 2 * labels - 2
        borders = best_thresholds(margins, labels, np.ones(40), made)
        assert made.measure(labels, None, margins >= borders) >= made.measure(labels, None, margins >= 0)


def test_weights_count_rows_in_thresholds():
    random = np.random.default_rng(3)
    made = metric("macro_f1", NAMES[:2], multilabel=True)
    differ = 0
    for _ in range(5):
        labels = (random.random((60, 2)) < 0.4).astype(np.int32)
        margins = random.normal(size=(60, 2)) + labels
        counts = random.integers(1, 8, 60)
        twice = np.repeat(np.arange(60), counts)
        weighted = best_thresholds(margins, labels, counts.astype(float), made)
        np.testing.assert_allclose(weighted, best_thresholds(margins[twice], labels[twice], np.ones(len(twice)), made))
        differ += not np.allclose(weighted, best_thresholds(margins, labels, np.ones(60), made))
    assert differ > 0


def test_nothing_to_gain_leaves_one_half():
    """Labels that chance alone gives to rows, far apart: no border gains on rows left out by more than luck."""
    labels = np.tile([[1, 0], [0, 1]], (100, 1)).astype(np.int32)
    scores = labels * 0.9 + 0.05
    made = metric("macro_f1", NAMES[:2], multilabel=True)
    found = steady_thresholds(scores, labels, np.ones(200), made, 10, seed=0)
    assert ((found > 0.05) & (found < 0.95)).all()


def test_a_threshold_raises_f1_of_rare_labels():
    count = 1500
    random = np.random.default_rng(4)
    values = random.normal(size=(count, 4))
    chance = 1 / (1 + np.exp(-(1.5 * values[:, :3] - 2.5)))
    sets = random.random(chance.shape) < chance
    made = {f"x{place}": values[:, place] for place in range(4)}
    made["topics"] = [[NAMES[code] for code in np.flatnonzero(row)] for row in sets]
    told = melior.train(made, target="topics", model="linear", methods=["threshold"])
    plain = melior.train(made, target="topics", model="linear")
    assert isinstance(told.predictor.decision, LabelThresholds)
    assert (told.predictor.decision.thresholds < 0.45).all()
    assert told.evaluation["macro_f1"].value > plain.evaluation["macro_f1"].value + 0.05
    np.testing.assert_allclose(told.evaluation["roc_auc"].value, plain.evaluation["roc_auc"].value)


def test_a_threshold_for_what_it_cannot_change_is_refused(table):
    for name, said in (("roc_auc", "metric of scores"), ("subset_accuracy", "mean over rows")):
        with pytest.raises(UserError, match=said):
            fit(Recipe(model="linear", metric=name, methods=["threshold"]), table)


# ---- verbs


def test_trained_evaluated_and_predicted_in_files(tmp_path):
    frame = pl.DataFrame(rows()).with_columns(pl.col("topics").list.join(" | "))
    frame.head(300).write_csv(tmp_path / "train.csv")
    frame.tail(100).write_csv(tmp_path / "test.csv")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "data: {path: train.csv, target: topics, label_separator: '|', missing_target: no_label}\nmodel: linear\n"
    )
    trained = melior.train(str(recipe), run=tmp_path / "run")
    assert trained.evaluation.confusion is None
    told = melior.evaluate(tmp_path / "run", str(tmp_path / "test.csv"))
    assert told.rows == 100
    answers = melior.predict(tmp_path / "run", str(tmp_path / "test.csv"), out=tmp_path / "answers.csv")
    assert answers.columns == ["row", "prediction", *(f"score_{name}" for name in sorted(NAMES))]
    assert answers.schema["prediction"] == pl.List(pl.String)
    said = np.array([[name in row for name in sorted(NAMES)] for row in answers["prediction"].to_list()])
    scores = answers.select(pl.col("^score_.*$")).to_numpy()
    np.testing.assert_array_equal(said, scores >= 0.5)
    truth = read(rows(), target="topics").label_matrix[300:]
    assert told["macro_f1"].value == pytest.approx(f1_score(truth, said, average="macro"))
    written = pl.read_csv(tmp_path / "answers.csv")
    assert written["prediction"].fill_null("").to_list() == ["|".join(row) for row in answers["prediction"].to_list()]
    scored = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert scored["confusion"] is None
    assert len(scored["roc"]) == 4
    assert scored["label_rows"] == trained.evaluation.label_rows
    assert set(scored["label_rows"]) == set(NAMES)
    report = (tmp_path / "run" / "report.html").read_text()
    assert "Hamming loss" in report
    assert "sample F1" in report


def test_the_family_is_chosen(tmp_path):
    trained = melior.train(rows(200), target="topics")
    assert "macro_f1 on" in trained.family
    assert trained.recipe.model.name in families()


def test_curves_are_those_of_single_labels():
    """The ROC curve of a label runs over its own probability."""
    trained = melior.train(rows(), target="topics", model="linear")
    from sklearn.metrics import roc_auc_score

    made = read(rows(), target="topics")
    evaluation = melior.evaluate(trained, made)
    scores = trained.predictor.scores(made)
    for curve in evaluation.roc:
        code = made.classes.index(curve.label)
        area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
        assert area == pytest.approx(roc_auc_score(made.label_matrix[:, code], scores[:, code]), abs=0.01)
        assert evaluation[f"roc_auc[{curve.label}]"].value == pytest.approx(area, abs=0.01)


def test_the_audit_names_what_it_leaves_out():
    made = rows(300)
    made["topics"] = [[name for name in row if name != "fabric"] for row in made["topics"]]
    made["topics"][0] = ["fabric"]
    made["topics"][1] = ["fabric"]
    found = melior.audit(made, target="topics", fast=True)
    note = next(note for note in found.notes if note.startswith("not looked for"))
    assert "target_leakage" not in note  # it fits models, which `fast` leaves out anyway
    assert "row_order" in note
    assert "several labels a row" in note
    imbalance = found["class_imbalance"]
    assert "'fabric' stands on 2 of 300 rows" in imbalance.message
    assert "threshold" in imbalance.methods
    assert not set(imbalance.methods) & {name for name, method in methods().items() if not method.multilabel}
    assert not found.failed


def test_checks_of_features_still_work():
    made = rows(300)
    made["x0"] = made["x0"].copy()
    made["x0"][:20] = np.nan
    for name in ("x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"):
        made[name] = np.concatenate([made[name], made[name][:60]])
    made["topics"] = [*made["topics"], *made["topics"][:60]]
    found = melior.audit(made, target="topics", fast=True)
    assert found["duplicate_rows"] is not None
    assert not found.failed


def test_a_cleaned_copy_has_its_labels(tmp_path):
    made = rows(200)
    for suffix in ("jsonl", "csv", "parquet"):
        melior.audit(made, target="topics", fast=True, fix=tmp_path / f"{suffix}.{suffix}")
        separator = {"label_separator": ";", "missing_target": "no_label"} if suffix == "csv" else {}
        again = read(tmp_path / f"{suffix}.{suffix}", target="topics", **separator)
        np.testing.assert_array_equal(again.label_matrix, read(made, target="topics").label_matrix)


def test_improve_tries_what_works(tmp_path):
    found = melior.improve(
        rows(300), target="topics", model="linear", budget=20, attempt=["normalization", "oversampling"], workers=1,
        never=["bagging", "deduplication"], run=tmp_path / "run",
    )  # fmt: skip
    tried = {name for one in found.evidence for name in one.methods}
    assert "threshold" in tried
    assert "normalization" in tried
    assert any(name == "oversampling" and "one class a row" in reason for name, reason in found.refused)
    assert found.final.low < found.final.value < found.final.high
    assert (tmp_path / "run" / "report.html").exists()


def test_what_needs_one_class_a_row_is_refused(table):
    with pytest.raises(
        UserError, match=r'methods.oversampling cannot be used here: .*"topics" has several labels a row'
    ):
        fit(Recipe(model="linear", metric="macro_f1", methods=["oversampling"]), table)
    with pytest.raises(UserError, match="no metric 'accuracy' for rows of several labels"):
        melior.train(rows(50), target="topics", metric="accuracy")
    made = {**rows(300), "checked": ["1"] * 300}
    recipe = Recipe(data={"target": "topics", "trusted": "checked"}, metric="macro_f1", model="linear")
    from melior.improvement.improve import improve_table

    with pytest.raises(UserError, match=r"data\.trusted"):
        improve_table(read(made, target="topics"), recipe)


def test_too_little_to_learn_from(table):
    recipe = Recipe(model="linear", metric="macro_f1")
    with pytest.raises(UserError, match="5 rows to train on"):
        fit(recipe, table.take(np.arange(5)))
    same = np.flatnonzero((table.label_matrix == table.label_matrix[0]).all(axis=1))
    with pytest.raises(UserError, match="rows that all have the same labels"):
        fit(recipe, table.take(same[:12]))
    unknown = table.label_matrix.copy()
    unknown[3] = -1
    with pytest.raises(UserError, match=r'row 4: "topics" is empty'):
        fit(recipe, table.with_label_matrix(unknown))


def test_predictors_of_one_class_are_kept_as_before():
    schema = Schema({"x": "number"}, "y", ("no", "yes"))
    assert "label_sets" not in schema.to_dict()
    assert Schema.from_dict(schema.to_dict()) == schema
    sets = Schema({"x": "number"}, "y", ("no", "yes"), label_sets=LabelSets("|", empty_is_none=True))
    assert Schema.from_dict(sets.to_dict()) == sets
    plain = Table.make(pl.DataFrame({"x": [1.0]}), schema, np.array([0], dtype=np.int32))
    assert plain.answered().tolist() == [True]


def test_the_terminal_and_init_know_the_separator(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from melior.cli.main import app

    monkeypatch.chdir(tmp_path)
    frame = pl.DataFrame(rows(300)).with_columns(pl.col("topics").list.join(";"))
    frame.write_csv("all.csv")
    frame.filter(pl.col("topics") != "").write_csv("told.csv")
    run = CliRunner().invoke(app, ["init", "all.csv", "--target", "topics", "--label-separator", ";"])
    assert run.exit_code == 0, run.output
    text = (tmp_path / "melior.yaml").read_text()
    assert "rows of each label: colour: " in text
    assert "missing_target: no_label" in text
    trained = melior.train("melior.yaml", model="linear")
    assert trained.predictor.multilabel
    run = CliRunner().invoke(
        app, ["train", "told.csv", "-t", "topics", "--label-separator", ";", "--model", "linear", "--run", "run"]
    )
    assert run.exit_code == 0, run.output
    assert "sample_f1" in run.output
    run = CliRunner().invoke(app, ["predict", "run", "told.csv", "--out", "answers.csv"])
    assert run.exit_code == 0, run.output
    run = CliRunner().invoke(app, ["evaluate", "run", "told.csv"])
    assert run.exit_code == 0, run.output
    assert (tmp_path / "run" / "evaluations" / "told.csv" / "report.html").exists()
    run = CliRunner().invoke(app, ["audit", "told.csv", "-t", "topics", "--fast", "--label-separator", ";"])
    assert run.exit_code == 0, run.output
    assert "several labels a row" in run.output


def test_too_many_classes_that_look_like_several_labels_are_told_so():
    made = {"x": range(100), "topics": [f"a{k % 10};b{k // 10}" for k in range(100)]}
    with pytest.raises(UserError, match=r"if rows have several labels, say data\.label_separator: ';'"):
        read(made, target="topics")


def test_answers_on_standard_output_are_a_csv_file_too(tmp_path, melior_in):
    rows = [{"text": f"{'red ' * (n % 2)}{'big ' * (n % 3 == 0)}thing {n}",
             "y": [*(["colour"] if n % 2 else []), *(["fit"] if n % 3 == 0 else [])]} for n in range(60)]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert melior_in(tmp_path, "train", "rows.jsonl", "--target", "y", "--model", "linear", "--run", "run")[0] == 0
    code, out, _ = melior_in(tmp_path, "predict", "run", "rows.jsonl")
    assert code == 0
    melior_in(tmp_path, "predict", "run", "rows.jsonl", "--out", "answers.csv")
    assert out == (tmp_path / "answers.csv").read_text()
    assert "colour;fit" in out or "fit;colour" in out
