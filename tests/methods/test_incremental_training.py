"""Going on from a run: weights pulled to the earlier ones, trees added, networks trained on; and what is refused."""

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix

import melior
from melior.data.read import read
from melior.errors import UserError
from melior.methods.incremental_training import IncrementalTraining, seen_before
from melior.models._pulled import pulled_fit
from melior.proofs import data
from melior.recipe import Recipe
from melior.testing import method_suite, tables
from melior.testing.promises import kept_bit_for_bit
from melior.trials.fit import fit

FAMILIES = {
    "linear": {},
    "trees": {"rounds": 30},
    "tabular_network": {"epochs": 8, "width": 16, "depth": 1, "embedding": "none", "precision": "float32"},
}


# ---- the mathematics


@pytest.mark.parametrize("classes", [2, 4])
def test_pulled_to_zero_it_is_a_logistic_regression(classes):
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(classes)
    values, codes = random.normal(size=(300, 5)), random.integers(0, classes, 300)
    weights = random.uniform(0.2, 3, 300)
    outputs = 1 if classes == 2 else classes
    coef, intercept = pulled_fit(values, codes, weights, np.zeros((outputs, 5)), np.zeros(outputs), c=0.3)
    known = LogisticRegression(C=0.3, tol=1e-10, max_iter=5000).fit(values, codes, sample_weight=weights)
    np.testing.assert_allclose(coef, known.coef_, atol=2e-4)
    np.testing.assert_allclose(intercept - intercept.mean(), known.intercept_ - known.intercept_.mean(), atol=2e-4)
    sparse, _ = pulled_fit(csr_matrix(values), codes, weights, np.zeros((outputs, 5)), np.zeros(outputs), c=0.3)
    np.testing.assert_allclose(sparse, coef, atol=1e-6)


def test_little_moves_a_little_and_much_moves_all_the_way():
    random = np.random.default_rng(0)
    values = random.normal(size=(400, 3))
    codes = (values[:, 0] + 0.5 * random.normal(size=400) > 0).astype(np.int64)
    given = np.array([[-2.0, 1.0, 3.0]])
    near, _ = pulled_fit(values, codes, None, given, np.zeros(1), c=1e-7)
    np.testing.assert_allclose(near, given, atol=1e-3)
    far, _ = pulled_fit(values, codes, None, given, np.zeros(1), c=1e6)
    free, _ = pulled_fit(values, codes, None, np.zeros((1, 3)), np.zeros(1), c=1e6)
    np.testing.assert_allclose(far, free, atol=1e-2)


# ---- from a run


def files(folder, *, first=300, second=200):
    """Rows of one process in two files, without an overlap, and rows to score on."""
    whole = data.SETS["mixed 3000"](0)
    frame = whole.whole()
    frame[:first].write_csv(folder / "old.csv")
    new = frame[first : first + second]
    return read(new, target=data.TARGET, name="new"), frame[first + second :]


@pytest.fixture(params=FAMILIES)
def family(request):
    return {request.param: FAMILIES[request.param]}


def test_it_goes_on_and_what_comes_out_is_kept(family, tmp_path):
    new, rest = files(tmp_path)
    recipe = Recipe.checked(
        {"data": {"path": str(tmp_path / "old.csv"), "target": data.TARGET}, "model": family, "metric": "accuracy"}
    )
    before = melior.train(recipe, run=tmp_path / "run").predictor
    method = {"incremental_training": {"source": str(tmp_path / "run")}}
    after = fit(Recipe(model=family, metric="accuracy", methods=[method]), new)
    test = read(rest, target=data.TARGET)
    scored = {name: (one.answers(test) == test.labels).mean() for name, one in (("before", before), ("after", after))}
    assert scored["after"] > scored["before"] - 0.02, "going on with as many rows again does no harm"
    assert not np.array_equal(before.scores(test), after.scores(test))
    again = fit(Recipe(model=family, metric="accuracy", methods=[method]), new)
    assert np.array_equal(again.scores(test), after.scores(test)), "the same seed gives the same"
    kept_bit_for_bit(after, test.take(np.arange(50)), fresh=False)


def test_trees_are_added_to_those_of_the_run(tmp_path):
    import lightgbm

    new, _ = files(tmp_path)
    recipe = Recipe.checked({"data": {"path": str(tmp_path / "old.csv"), "target": data.TARGET},
                             "model": {"trees": {"rounds": 30}}})  # fmt: skip
    before = melior.train(recipe, run=tmp_path / "run").predictor
    method = {"incremental_training": {"source": str(tmp_path / "run"), "amount": 0.5, "replay": 0}}
    after = fit(Recipe(model={"trees": {"rounds": 30}}, metric="accuracy", methods=[method]), new)
    old, made = (lightgbm.Booster(model_str=one.scorer.model.text) for one in (before, after))
    assert (old.num_trees(), made.num_trees()) == (30, 45)
    values = np.asarray(after.scorer.encoding.transform(new).values)
    np.testing.assert_allclose(made.predict(values, num_iteration=30), old.predict(values), atol=1e-9)


def test_words_and_scales_stay_those_of_the_run(tmp_path):
    table = tables.mixed_table(rows=200)
    old = table.frame[:120].with_columns(pl.Series("answer", np.array(table.classes)[table.labels[:120]]))
    old.write_csv(tmp_path / "old.csv")
    recipe = Recipe.checked({"data": {"path": str(tmp_path / "old.csv"), "target": "answer",
                                      "columns": {"note": "text", "language": "language", "number_of_row": "ignore"}},
                             "model": "linear"})  # fmt: skip
    before = melior.train(recipe, run=tmp_path / "run").predictor
    method = {"incremental_training": {"source": str(tmp_path / "run")}}
    after = fit(Recipe(model="linear", metric="accuracy", methods=[method]), table.take(np.arange(120, 200)))
    one, other = (p.scorer.encoding.encoder.transform(table).names for p in (before, after))
    assert list(one) == list(other)


# ---- replay


def test_replay_keeps_what_only_old_rows_taught(tmp_path):
    """The new rows are of one class but for a few that are wrong: without replay it is the answer to everything."""
    random = np.random.default_rng(0)
    a = random.normal(size=1200)
    frame = pl.DataFrame({"a": a, "b": random.normal(size=1200), "answer": np.where(a > 0, "yes", "no")})
    frame[:400].write_csv(tmp_path / "old.csv")
    settings = {"tabular_network": {**FAMILIES["tabular_network"], "dropout": 0.0, "learning_rate": 0.02}}
    recipe = Recipe.checked({"data": {"path": str(tmp_path / "old.csv"), "target": "answer"}, "model": settings})
    melior.train(recipe, run=tmp_path / "run")
    wrong = pl.DataFrame({"a": [0.5, 1.0], "b": [0.0, 0.0], "answer": ["no", "no"]})
    new = read(pl.concat([frame[400:800].filter(pl.col("a") > 0), wrong]), target="answer")
    test = read(frame[800:], target="answer")
    elsewhere = test.take(test.numbers("a") < 0)
    right = {}
    for replay in (0.0, 2.0):
        method = {"incremental_training": {"source": str(tmp_path / "run"), "amount": 2, "replay": replay}}
        after = fit(Recipe(model=settings, metric="accuracy", methods=[method]), new)
        right[replay] = (after.answers(elsewhere) == elsewhere.labels).mean()
    assert right[2.0] > right[0.0] + 0.1
    assert right[2.0] > 0.9


def test_rows_that_the_run_knows_are_refused(tmp_path):
    """The old file again, a little longer: what is held out of it would not be new to the run."""
    whole = data.SETS["mixed 3000"](0).whole()
    whole[:300].write_csv(tmp_path / "old.csv")
    recipe = Recipe.checked({"data": {"path": str(tmp_path / "old.csv"), "target": data.TARGET}, "model": "linear"})
    melior.train(recipe, run=tmp_path / "run")
    method = {"incremental_training": {"source": str(tmp_path / "run")}}
    with pytest.raises(UserError, match="rows that came since"):
        fit(Recipe(model="linear", metric="accuracy", methods=[method]), read(whole[:400], target=data.TARGET))


def test_copies_by_chance_are_no_leak():
    """Few categories: most rows stand in both by chance, as they stand twice among the old ones."""
    random = np.random.default_rng(0)
    frame = pl.DataFrame({"c": random.choice(["a", "b", "c"], 900), "y": random.choice(["u", "v"], 900)})
    table = read(frame, target="y", columns={"c": "category"})
    assert seen_before(table.take(np.arange(400)), table.take(np.arange(400, 900)), ["c"]) is None


# ---- what is refused


def test_what_cannot_be_is_refused_in_a_sentence(tmp_path):
    new, _ = files(tmp_path)
    recipe = Recipe.checked({"data": {"path": str(tmp_path / "old.csv"), "target": data.TARGET}, "model": "linear"})
    melior.train(recipe, run=tmp_path / "run")
    run = str(tmp_path / "run")

    def refusal(table=new, model="linear", **settings):
        method = {"incremental_training": settings}
        with pytest.raises(UserError) as error:
            fit(Recipe(model=model, metric="accuracy", methods=[method]), table)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "no run is named" in refusal()
    assert "no predictor here" in refusal(source=str(tmp_path))
    assert "model is linear" in refusal(model="trees", source=run)
    assert '"age", which is not there' in refusal(_without(new, "age"), source=run)
    assert "data.columns: {age: number}" in refusal(_of_kind(new, "age", "category"), source=run)
    fewer = read(new.frame.with_columns(pl.Series(data.TARGET, ["class 0", "class 7"] * 100)), target=data.TARGET)
    assert "'class 7'" in refusal(fewer, source=run)
    (tmp_path / "old.csv").unlink()
    assert "set replay: 0" in refusal(source=run)


def _without(table, name):
    kinds = {column: kind for column, kind in table.schema.kinds.items() if column != name}
    schema = type(table.schema)(kinds, table.target, table.classes)
    return type(table).make(table.frame.drop(name), schema, table.labels)


def _of_kind(table, name, kind):
    schema = type(table.schema)({**table.schema.kinds, name: kind}, table.target, table.classes)
    return type(table).make(table.frame.with_columns(pl.col(name).cast(pl.String)), schema, table.labels)


def test_the_promises_of_methods_hold(tmp_path):
    """All that the suite asks, with a run on other rows of the same table."""
    other = tables.mixed_table(seed=9)
    from melior.predictor import Predictor

    made = fit(Recipe(model="linear", metric="macro_f1"), other)
    assert isinstance(made, Predictor)
    (tmp_path / "predictor").mkdir()
    made.save(tmp_path / "predictor")
    suite = method_suite(IncrementalTraining, settings=[{"source": str(tmp_path), "replay": 0.0}])
    promises = [name for name in dir(suite) if name.startswith("test_") and name not in ("test_other_tables_are_fine",)]
    for name in promises:
        getattr(suite(), name)()
