"""The scikit-learn door does the whole job inside fit, and says what it found and did."""

import io
import pickle
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from melior.errors import UserError
from melior.evidence import Evidence
from melior.findings import Finding
from melior.report.words import plain
from melior.sklearn import ImprovedClassifier

from door_tables import QUICK, spoken_table  # isort: skip


@pytest.fixture(scope="module")
def spoken():
    return spoken_table()


@pytest.fixture(scope="module")
def improved(spoken):
    return ImprovedClassifier(**QUICK).fit(*spoken)


def few(rows=40, seed=1):
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, 3))
    return X, np.where(X[:, 0] + 0.3 * random.normal(size=rows) > 0, "up", "down")


# ---- the whole job


def test_fit_does_the_whole_job(improved, spoken):
    X, y = spoken
    assert improved.classes_.tolist() == ["no", "yes"]
    assert improved.predictor_.schema.kinds == {
        "size": "number", "place": "category", "said": "text", "noise": "number",
    }  # fmt: skip
    assert improved.improvement_.rows == {"all": 200, "development": 160, "sealed": 40}
    assert improved.evidence_
    assert all(isinstance(one, Evidence) and one.verdict in ("accepted", "rejected", "undecided")
               for one in improved.evidence_)  # fmt: skip
    assert all(isinstance(one, Finding) for one in improved.findings_)
    assert not {name for one in improved.evidence_ for name in one.methods} & set(QUICK["never"])
    assert improved.score(X, y) > 0.8
    assert np.allclose(improved.predict_proba(X).sum(axis=1), 1)
    assert "200 rows" in improved.notes_[-1]
    assert "160" in improved.notes_[-1]


def test_the_last_fit_is_on_all_rows_and_the_outcome_speaks_of_the_one_before(improved, spoken):
    X, y = spoken
    without = ImprovedClassifier(**QUICK, refit=False).fit(X, y)
    assert without.predictor_ is without.improvement_.predictor
    assert improved.predictor_ is not improved.improvement_.predictor
    assert not np.array_equal(without.predict_proba(X), improved.predict_proba(X))
    assert improved.improvement_.final == without.improvement_.final


def test_same_rows_and_seed_same_answer_with_any_number_of_trials_side_by_side(improved, spoken):
    X, y = spoken
    again = clone(improved).set_params(n_jobs=2).fit(pl.from_pandas(X), y)
    assert again.predict_proba(X.astype(object)).tobytes() == improved.predict_proba(X).tobytes()
    for one, other in zip(again.evidence_, improved.evidence_, strict=True):
        assert (one.methods, one.effect, one.p_adjusted, one.verdict) == (
            other.methods, other.effect, other.p_adjusted, other.verdict,
        )  # fmt: skip


def test_the_report_is_that_of_a_run(improved, tmp_path):
    path = improved.report(tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert all(plain(method) in page for one in improved.evidence_ for method in one.methods)
    assert f"{improved.improvement_.final.value:.3f}" in page
    with pytest.raises(UserError, match="not overwritten"):
        improved.report(path)
    assert path.read_text(encoding="utf-8") == page


def test_outcome_shows_itself_as_text_and_as_html(improved):
    assert "macro_f1" in repr(improved.improvement_)
    assert "<table>" in improved.improvement_._repr_html_()


def test_verbose_tells_the_stages_with_the_time_left(spoken, capsys):
    ImprovedClassifier(**QUICK, verbose=1).fit(*spoken)
    said = capsys.readouterr().out.splitlines()
    assert any("looking for what is wrong" in line for line in said)
    assert all(" s left: " in line for line in said)


# ---- leaks


@pytest.fixture(scope="module")
def leaking(spoken):
    X, y = spoken
    random = np.random.default_rng(5)
    copied = np.where(random.random(len(y)) < 0.01, "b", np.where(y == "yes", "b", "a"))
    return X.assign(outcome=copied), y


def test_a_column_that_is_the_answer_is_found_left_out_and_told(leaking):
    X, y = leaking
    with pytest.warns(UserWarning, match="known_at_prediction="):
        fitted = ImprovedClassifier(**QUICK).fit(X, y)
    (leak,) = [one for one in fitted.findings_ if one.symptom == "target_leakage"]
    assert leak.columns == ("outcome",)
    assert fitted.recipe_.data.columns["outcome"] == "ignore"
    turned = X.assign(outcome=np.where(X.outcome == "a", "b", "a"))
    assert fitted.predict_proba(turned).tobytes() == fitted.predict_proba(X).tobytes()
    assert fitted.improvement_.reported_before_repair > fitted.improvement_.final.value


def test_a_column_that_is_known_stays(leaking):
    X, y = leaking
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = ImprovedClassifier(**QUICK, known_at_prediction=["outcome"]).fit(X, y)
    assert fitted.score(X, y) > 0.97


# ---- groups and weights


def test_groups_are_on_one_side_of_every_split(spoken):
    X, y = spoken
    groups = np.arange(len(y)) // 5
    fitted = ImprovedClassifier(**QUICK).fit(X, y, groups=groups)
    split = fitted.recipe_.split
    assert split.kind == "group"
    parts = fitted._told.parts
    sealed, rest = (set(part.column(split.column)) for part in (parts.sealed, parts.development))
    assert len(sealed) > 5
    assert not sealed & rest
    assert fitted.predict(X).shape == y.shape  # no groups are needed for an answer


def test_rows_of_weight_0_are_as_if_they_were_not_there(improved, spoken):
    X, y = spoken
    random = np.random.default_rng(3)
    at = np.sort(random.choice(len(y) + 30, 30, replace=False))
    keep = np.ones(len(y) + 30, dtype=bool)
    keep[at] = False
    longer = pd.concat([X, X.sample(30, random_state=1)]).iloc[np.argsort(np.r_[np.flatnonzero(keep), at])]
    labels = np.full(len(longer), "maybe", dtype=object)
    labels[keep] = y
    weighted = ImprovedClassifier(**QUICK).fit(longer, labels, sample_weight=keep.astype(float))
    assert weighted.classes_.tolist() == ["no", "yes"]
    assert np.allclose(weighted.predict_proba(X), improved.predict_proba(X), rtol=1e-9)
    kept = np.flatnonzero(keep)
    for one, other in zip(weighted.findings_, improved.findings_, strict=True):
        assert one.rows.tolist() == kept[other.rows].tolist()  # rows are numbered as in X


def test_weights_count(spoken):
    X, y = spoken
    weights = np.where(y == "yes", 20.0, 1.0)[:60]
    none, even, weighted = (
        ImprovedClassifier(random_state=0).fit(X[:60], y[:60], sample_weight=own).predict_proba(X)[:, 1]
        for own in (None, np.ones(60), weights)
    )
    assert np.array_equal(none, even)
    doubtful = (none > 0.1) & (none < 0.9)  # a surer model may be surer of a plain no as well
    assert doubtful.sum() > 50
    assert (weighted[doubtful] > none[doubtful]).all()


# ---- few rows


def test_few_rows_get_the_plain_recipe_and_a_note():
    X, y = few()
    fitted = ImprovedClassifier(random_state=0).fit(X, y)
    assert fitted.score(X, y) > 0.8
    assert fitted.improvement_ is None
    assert fitted.evidence_ == fitted.findings_ == ()
    assert "nothing was looked for or tried" in fitted.notes_[-1]
    assert fitted.recipe_.methods == ()
    with pytest.raises(UserError, match="nothing to report"):
        fitted.report("report.html")


@pytest.mark.parametrize("model", ["linear", "trees", {"linear": {"c": 0.1}}])
@pytest.mark.parametrize("rows", [2, 3, 9, 25])
def test_any_number_of_rows_is_answered(model, rows):
    X, _ = few(rows)
    y = np.arange(rows) % 2
    fitted = ImprovedClassifier(model=model, random_state=0).fit(X, y)
    assert fitted.predict_proba(X).shape == (rows, 2)
    assert set(fitted.predict(X)) <= {0, 1}


def test_rows_that_cannot_be_read_as_those_of_fit_are_told():
    frame = pl.DataFrame({"x": [0.5, 1.5, 2.5, 3.5] * 5, "c": ["u", "v"] * 10})
    few = ImprovedClassifier(random_state=0).fit(frame, ["no", "no", "yes", "yes"] * 5)
    with pytest.warns(UserWarning, match='no cell of "x" can be read as a number') as told:
        few.predict(frame.with_columns(x=pl.lit("abc")))
    assert [one.filename for one in told] == [__file__]
    with pytest.warns(UserWarning, match='no cell of "c" has a value that was seen in training'):
        few.predict_proba(frame.with_columns(c=pl.lit("w")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        few.predict(frame)


def test_one_class_is_the_answer_to_every_row():
    fitted = ImprovedClassifier().fit(few()[0], ["only"] * 40)
    assert set(fitted.predict(few(seed=4)[0])) == {"only"}
    assert "one class" in fitted.notes_[-1]


def test_groups_too_few_to_be_put_apart_are_told(spoken):
    X, y = spoken
    fitted = ImprovedClassifier(**QUICK).fit(X, y, groups=np.arange(len(y)) % 3)
    assert fitted.improvement_ is None
    assert "groups" in fitted.notes_[-1]


# ---- what comes in


def test_labels_of_every_type_come_back_as_they_were():
    X, y = few()
    up = y == "up"
    for labels in (up, np.where(up, 7, 3), np.where(up, 2.0, 1.0), np.where(up, " b", "a"), up.astype(object) * 1.0):
        fitted = ImprovedClassifier(random_state=0).fit(X, np.asarray(labels.tolist()))
        answers = fitted.predict(X)
        assert answers.dtype == np.asarray(labels.tolist()).dtype
        assert (answers == np.asarray(labels.tolist())).mean() > 0.8


def test_frames_of_every_sort_are_the_same_table(spoken):
    import pyarrow

    X, y = spoken
    X, y = X[:60], y[:60]
    fitted = [
        ImprovedClassifier(random_state=0).fit(frame, y)
        for frame in (X, pl.from_pandas(X), pyarrow.Table.from_pandas(X), pl.from_pandas(X).lazy())
    ]
    assert all(one.feature_names_in_.tolist() == ["size", "place", "said", "noise"] for one in fitted)
    assert len({one.predict_proba(X).tobytes() for one in fitted}) == 1
    of_objects = ImprovedClassifier(random_state=0).fit(X.to_numpy(dtype=object), y)
    assert not hasattr(of_objects, "feature_names_in_")
    assert of_objects.predict_proba(X.to_numpy(dtype=object)).tobytes() == fitted[0].predict_proba(X).tobytes()


@pytest.mark.parametrize("kind", [lambda frame: frame, pl.from_pandas])
def test_other_columns_than_those_of_fit_are_refused(spoken, kind):
    X, y = spoken[0][:60], spoken[1][:60]
    fitted = ImprovedClassifier(random_state=0).fit(kind(X), y)
    for wrong in (X[["place", "size", "said", "noise"]], X.rename(columns={"said": "heard"}), X[["size", "place"]]):
        with pytest.raises(ValueError, match=r"feature names should match|features, but|where fit had"):
            fitted.predict(kind(wrong))


def test_numbers_of_an_array_are_measured_even_where_they_count_rows():
    X = np.column_stack([np.arange(40), np.full(40, np.nan)])
    fitted = ImprovedClassifier(random_state=0).fit(X, X[:, 0] > 20)
    assert fitted.score(X, X[:, 0] > 20) > 0.9
    assert fitted.predictor_.schema.kinds == {"x0": "number", "x1": "ignore"}


def test_kinds_can_be_said():
    X = pd.DataFrame({"code": [10115, 80331] * 20, "n": np.arange(40) % 7})
    fitted = ImprovedClassifier(columns={"code": "number", "n": "category"}).fit(X, [0, 1] * 20)
    assert fitted.predictor_.schema.kinds == {"code": "number", "n": "category"}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"budget": "soon"}, "budget"),
        ({"metric": "f7"}, "no metric 'f7'"),
        ({"model": "forest"}, "no family 'forest'"),
        ({"model": {"linear": {"k": 1}}}, "'k' is not a setting"),
        ({"attempt": ["magic"]}, "no method 'magic'"),
        ({"never": "threshold"}, r"never: give a list, \['threshold'\]"),
        ({"margin": -1}, "margin"),
        ({"test_size": 0.9}, "test_size"),
        ({"folds": 1}, "folds"),
        ({"columns": {"x9": "number"}}, '"x9", which is no column'),
        ({"known_at_prediction": ["x9"]}, "'x9' is no column"),
        ({"leaks": "all"}, "leaks"),
        ({"n_jobs": 0}, "n_jobs"),
    ],
)
def test_what_cannot_work_is_one_sentence(how, said):
    with pytest.raises(UserError, match=said):
        ImprovedClassifier(**how).fit(*few())


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.linspace(0, 1, 40), "Unknown label type: continuous.*quantity into a few classes"),
        (["a", None] * 20, "row 2"),
        (None, "requires y"),
    ],
)
def test_targets_that_are_no_classes_are_one_sentence(y, said):
    with pytest.raises(UserError, match=said):
        ImprovedClassifier().fit(few()[0], y)


@pytest.mark.parametrize(
    ("weights", "said"),
    [(-np.ones(40), "row 1: a weight is 0 or more"), (np.ones((40, 2)), "dimensions"), (np.zeros(40), "all weights")],
)
def test_weights_that_are_none_are_one_sentence(weights, said):
    with pytest.raises(UserError, match=said):
        ImprovedClassifier().fit(*few(), sample_weight=weights)


def test_sparse_matrices_are_refused_in_the_tags_and_in_a_sentence():
    X, y = few()
    assert not ImprovedClassifier().__sklearn_tags__().input_tags.sparse
    with pytest.raises(UserError, match="sparse matrix"):
        ImprovedClassifier().fit(csr_matrix(X), y)


def test_columns_that_are_all_ids_are_one_sentence():
    with pytest.raises(UserError, match='"id" is id'):
        ImprovedClassifier().fit(pd.DataFrame({"id": np.arange(40)}), [0, 1] * 20)


def test_nothing_is_answered_before_fit():
    with pytest.raises(NotFittedError):
        ImprovedClassifier().predict(few()[0])


# ---- inside scikit-learn


def test_in_a_pipeline_and_cross_validation():
    X, y = few(60)
    line = make_pipeline(StandardScaler(), ImprovedClassifier(random_state=0))
    scores = cross_val_score(line, X, y, cv=3)
    assert scores.mean() > 0.75
    scores = cross_val_score(ImprovedClassifier(random_state=0), X, y, cv=3, scoring="roc_auc",
                             params={"sample_weight": np.ones(60)})  # fmt: skip
    assert scores.mean() > 0.85


def test_in_a_search_over_its_own_settings():
    X, y = few(60)
    grid = {"model": [{"linear": {"c": 1e-6}}, "linear"], "metric": ["accuracy", "macro_f1"], "never": [("threshold",)]}
    search = GridSearchCV(ImprovedClassifier(random_state=0), grid, cv=3, scoring="neg_log_loss").fit(X, y)
    assert search.best_params_["model"] == "linear"  # a penalty that lets it learn nothing is worse in log loss
    assert search.best_estimator_.never == ("threshold",)


@pytest.mark.slow
def test_whole_improvements_in_a_search_over_never(spoken):
    X, y = spoken_table(420)
    grid = {"never": [QUICK["never"], (*QUICK["never"], "threshold")]}
    halves = ShuffleSplit(1, test_size=0.5, random_state=0)  # every fit is a whole improvement
    search = GridSearchCV(ImprovedClassifier(**QUICK), grid, cv=halves).fit(X, y)
    names = {name for one in search.best_estimator_.evidence_ for name in one.methods}
    assert ("threshold" in names) == ("threshold" not in search.best_params_["never"])


# ---- pickling


def test_a_pickle_answers_the_same_in_another_process(improved, spoken, tmp_path):
    X, _ = spoken
    joblib.dump(improved, tmp_path / "model.joblib")
    X.to_parquet(tmp_path / "rows.parquet")
    np.save(tmp_path / "before.npy", improved.predict_proba(X))
    code = (
        "import sys, joblib, numpy as np, pandas as pd\n"
        f"folder = {str(tmp_path)!r}\n"
        "model = joblib.load(folder + '/model.joblib')\n"
        "now = model.predict_proba(pd.read_parquet(folder + '/rows.parquet'))\n"
        "assert now.tobytes() == np.load(folder + '/before.npy').tobytes()\n"
        "print(model.improvement_.said())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == improved.improvement_.said(), done.stderr


def test_a_pickle_holds_no_rows(improved, spoken):
    X, _ = spoken
    kept = pickle.dumps(improved)
    assert not [text for text in X.said if text.encode() in kept]
    values = io.BytesIO(kept).getvalue()
    assert not [value for value in X.noise if np.float64(value).tobytes() in values]
    again = pickle.loads(kept)
    with pytest.raises(UserError, match="before pickling"):
        again.report("report.html")
    assert improved._told is not None


@pytest.mark.parametrize(
    ("settings", "given", "said"),
    [
        ({"attempt": ["threshold"], "never": ["threshold"]}, {}, "attempt and never both name threshold"),
        ({"verbose": "loud"}, {}, "verbose: 'loud' is none of 0"),
        ({"verbose": -1}, {}, "verbose: -1 is none of 0"),
        ({"verbose": None}, {}, "verbose: None is none of 0"),
        ({"margin": float("inf")}, {}, "margin: inf"),
        ({}, {"sample_weight": 2.0}, "sample_weight: 2.0 is one value; give one a row, 40 of them"),
        ({}, {"groups": "all"}, "groups: 'all' is one value; give one a row"),
    ],
)
def test_settings_that_contradict_or_are_none_are_refused_in_a_sentence(settings, given, said):
    with pytest.raises(UserError, match=said):
        ImprovedClassifier(**settings).fit(*few(), **given)
