"""Trials: kept and not run again, the same for any number of workers, and nothing shared shows in a result."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from melior.data.splits import Fold, folds
from melior.data.table import Table
from melior.errors import UserError
from melior.recipe import Recipe, Split
from melior.runs.claims import Claims
from melior.testing import tables
from melior.testing.promises import same_state
from melior.trials.fit import fit, picked
from melior.trials.run import Trials, content_hash
from melior.trials.shared import Shared
from melior.trials.together import inner_folds

LINEAR = Recipe(model={"linear": {"longest": 1, "characters": False}}, metric="macro_f1")
TREES = Recipe(model={"trees": {"rounds": 8, "text_dimensions": 3}}, metric="macro_f1")
RECIPES = {
    "plain": LINEAR,
    "trees": TREES,
    "weights": LINEAR.with_methods("class_weights"),
    "threshold": LINEAR.with_methods({"threshold": {"resamples": 5}}),
    "calibration": TREES.with_methods("calibration"),
    "cleaning": LINEAR.with_methods("label_cleaning"),
    "scaled": LINEAR.with_methods("normalization"),
    "fewer dimensions": LINEAR.with_methods("dimension_reduction"),
    "oversampling": LINEAR.with_methods("oversampling"),
    "bagging": TREES.with_methods({"bagging": {"members": 2}}),
    "stacking": LINEAR.with_methods({"stacking": {"kind": "vote"}}),
    "two": LINEAR.with_methods("class_weights", "label_cleaning"),
}


QUICKEST = ("plain", "trees", "weights", "scaled", "oversampling", "stacking")  # they leave an encoding of each sort


@pytest.fixture(scope="module")
def table():
    return tables.mixed_table(120, seed=3)


def trials_of(table, **how):
    return Trials(table, folds(table, Split(folds=3), 0), **how)


def same(one, other):
    return (
        np.array_equal(one.rows, other.rows)
        and one.scores.tobytes() == other.scores.tobytes()
        and np.array_equal(one.answers, other.answers)
    )


# ---- kept


def test_a_finished_trial_is_not_run_again(table, tmp_path, monkeypatch):
    first = trials_of(table, store=tmp_path, workers=1)
    made = [first.run(LINEAR, fold) for fold in range(3)]
    assert first.cached == 0
    assert len(list(tmp_path.glob("*.safetensors"))) == 3
    monkeypatch.setattr("melior.trials.bench.fit", lambda *_, **__: pytest.fail("it was fitted again"))
    second = trials_of(table, store=tmp_path, workers=1)
    again = [second.run(LINEAR, fold) for fold in range(3)]
    assert second.cached == 3
    assert all(map(same, made, again))
    assert [one.seconds for one in made] == [one.seconds for one in again]


def test_another_recipe_seed_fold_label_weight_or_value_is_another_trial(table):
    trials = trials_of(table)
    other_label = table.labels.copy()
    other_label[0] = (other_label[0] + 1) % 3
    changed = table.frame.with_columns(size=table.column("size") + 1e-9)
    keys = [
        trials.key(LINEAR, 0),
        trials.key(LINEAR, 1),
        trials.key(TREES, 0),
        trials.key(LINEAR.model_copy(update={"seed": 1}), 0),
        trials.key(LINEAR.with_methods("class_weights"), 0),
        *(
            Trials(other, trials.folds).key(LINEAR, 0)
            for other in (
                table.with_labels(other_label),
                table.with_weights(np.full(120, 2.0)),
                Table.make(changed, table.schema, table.labels),
                table.without_columns(["size"]),
            )
        ),
        Trials(table, [Fold(trials.folds[0].train[1:], trials.folds[0].test, 0, 0)]).key(LINEAR, 0),
    ]
    assert len(set(keys)) == len(keys)
    assert trials.key(LINEAR.with_data(path="elsewhere.csv"), 0) == keys[0]


@pytest.mark.parametrize("damage", [b"", b"junk", "half", "metadata"])
def test_a_damaged_trial_is_run_again(table, tmp_path, damage):
    first = trials_of(table, store=tmp_path, workers=1)
    made = first.run(LINEAR, 0)
    (path,) = tmp_path.glob("*.safetensors")
    content = path.read_bytes()
    if damage == "metadata":
        damage = content.replace(b'"seconds":"', b'"secondz":"')
    path.write_bytes(content[: len(content) // 2] if damage == "half" else damage)
    second = trials_of(table, store=tmp_path, workers=1)
    assert same(made, second.run(LINEAR, 0))
    assert second.cached == 0
    third = trials_of(table, store=tmp_path, workers=1)
    assert same(made, third.run(LINEAR, 0))
    assert third.cached == 1, "the damaged file was not replaced"


def test_the_hash_of_rows_is_the_same_in_every_process(table):
    code = (
        "from melior.testing import tables\n"
        "from melior.trials.run import content_hash\n"
        "print(content_hash(tables.mixed_table(120, seed=3)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == content_hash(table)


# ---- the same


def test_workers_change_nothing(table):
    chosen = ("plain", "threshold", "bagging", "stacking", "two")
    wanted = [(RECIPES[name], fold) for name in chosen for fold in range(2)]
    one = trials_of(table, workers=1).many(wanted)
    two = trials_of(table, workers=2).many(wanted)
    for (recipe, fold), first, second in zip(wanted, one, two, strict=True):
        assert same(first, second), f"{recipe.methods} on fold {fold} differs with two workers"


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_shared_does_not_show(table, name):
    """After every other recipe has left its encodings and scores behind, a trial gives what it gives alone."""
    trials = trials_of(table, workers=1)
    for other in QUICKEST:
        if other != name:
            trials.run(RECIPES[other], 0)
    among = trials.run(RECIPES[name], 0)
    fold = trials.folds[0]
    alone_table = tables.mixed_table(120, seed=3)
    predictor = fit(RECIPES[name], alone_table.take(fold.train))
    assert among.scores.tobytes() == predictor.scores(alone_table.take(fold.test)).tobytes()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_members_with_seeds_of_their_own_leave_no_encoding_to_others(table, order):
    """Members of an ensemble have other seeds; a text's dimensions are drawn by seed, and are shared by all trials."""
    recipes = [TREES, TREES.with_methods({"bagging": {"members": 2}})]
    shared = Shared()
    train = table.take(np.arange(0, 120, 2))
    found = {which: fit(recipes[which], train, shared=shared) for which in order}
    for which, predictor in found.items():
        assert same_state(predictor, fit(recipes[which], train)), "which trial came first decides the result"


def test_late_trials_are_not_begun(table):
    seen = []
    trials = trials_of(table, workers=1)
    results = trials.many(
        [(LINEAR, 0), (LINEAR, 1), (LINEAR, 2)],
        done=lambda recipe, fold, result: seen.append(fold),
        late=lambda: len(seen) >= 1,
    )
    assert [result is not None for result in results] == [True, False, False]
    assert seen == [0]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_trial_comes_out(table, workers):
    with pytest.raises(UserError, match="no method"):
        trials_of(table, workers=workers).many([(LINEAR, 0), (LINEAR.with_methods("nonsense"), 1), (LINEAR, 2)])


@pytest.mark.parametrize("workers", [1, 2])
def test_what_ended_beside_an_error_is_kept_and_nothing_stays_claimed(table, tmp_path, workers):
    trials = trials_of(table, store=tmp_path, workers=workers)
    with pytest.raises(UserError, match="no method"):
        trials.many([(LINEAR, 0), (LINEAR.with_methods("nonsense"), 1)])
    assert [path.stem for path in tmp_path.glob("*.safetensors")] == [trials.key(LINEAR, 0)]
    assert list((tmp_path / "claims").iterdir()) == []


def test_a_trial_that_another_process_runs_is_waited_for(table, tmp_path):
    """The other is a claim that ends when its result is there; this one does what else is asked meanwhile."""
    mine, theirs = trials_of(table, store=tmp_path, workers=1), trials_of(table, store=tmp_path / "away", workers=1)
    key, seen = mine.key(LINEAR, 0), []
    other = Claims(tmp_path / "claims")
    assert other.take(key)

    def done(recipe, fold, result):
        seen.append(fold)
        if len(seen) == 2:  # all but the claimed one
            assert not (tmp_path / f"{key}.safetensors").exists()
            theirs.run(LINEAR, 0)
            (tmp_path / "away" / f"{key}.safetensors").rename(tmp_path / f"{key}.safetensors")
            other.release(key)

    found = mine.many([(LINEAR, fold) for fold in range(3)], done=done)
    assert sorted(seen[:2]) == [1, 2]
    assert mine.cached == 1
    assert all(result is not None for result in found)


def test_a_trial_that_another_process_gave_up_is_run_here(table, tmp_path):
    trials = trials_of(table, store=tmp_path, workers=1)
    other = Claims(tmp_path / "claims")
    assert other.take(trials.key(LINEAR, 0))
    found = trials.many([(LINEAR, 0), (LINEAR, 1)], done=lambda *_: other.release_all())
    assert all(result is not None for result in found)
    assert trials.cached == 0


def test_scores_are_those_of_the_predictor(table):
    trials = trials_of(table)
    result = trials.run(RECIPES["threshold"], 1)
    fold = trials.folds[1]
    predictor = fit(RECIPES["threshold"], table.take(fold.train))
    assert result.scores.tobytes() == predictor.scores(table.take(fold.test)).tobytes()
    assert np.array_equal(result.answers, predictor.answers(table.take(fold.test)))
    assert np.array_equal(result.rows, fold.test)


# ---- inside


def test_copies_of_a_row_stay_together_in_inner_folds(table):
    doubled = table.take(np.concatenate([np.arange(120), np.arange(0, 120, 3)]))
    parts = inner_folds(doubled, 0)
    assert len(parts) == 5
    tested = np.concatenate([outside for _, outside in parts])
    assert np.array_equal(np.sort(tested), np.arange(doubled.rows))
    for inside, outside in parts:
        assert not set(doubled.row_ids[inside]) & set(doubled.row_ids[outside])
        assert set(np.unique(doubled.labels[inside])) == {0, 1, 2}


def test_picked_knows_where_rows_come_from(table):
    base = table.take(np.arange(10, 90))
    assert picked(base.take(np.array([3, 3, 7])), base).tolist() == [3, 3, 7]
    assert picked(table.take(np.array([0])), base) is None
    assert picked(base.with_frame(base.frame), base) is None
    assert picked(base.without_columns(["size"]), base) is None
    assert picked(tables.mixed_table(120, seed=3).take(np.arange(20)), base) is None


@pytest.mark.parametrize("rows", [0, 5, 9])
def test_too_few_rows_are_refused(table, rows):
    with pytest.raises(UserError, match="too little"):
        fit(LINEAR, table.take(np.arange(rows)))


def test_one_class_is_refused(table):
    with pytest.raises(UserError, match="one class"):
        fit(LINEAR, table.take(table.labels == 1))


def test_rows_without_a_label_are_refused_with_a_sentence(table):
    labels = table.labels.copy()
    labels[:4] = -1
    with pytest.raises(UserError):
        fit(LINEAR, table.with_labels(labels))


def test_shared_things_are_made_once_and_bounded():
    shared, made = Shared(encodings=2), []
    for key in (1, 1, 2, 3, 1):
        shared.once("encoding", key, lambda key=key: made.append(key) or key)
    assert made == [1, 2, 3, 1]


def test_a_failed_maker_leaves_nothing_behind():
    shared = Shared()
    with pytest.raises(ZeroDivisionError):
        shared.once("scores", 1, lambda: 1 / 0)
    assert shared.once("scores", 1, lambda: 5) == 5


def test_weights_reach_the_family(table):
    heavy = table.with_weights(np.where(table.labels == 1, 50.0, 1.0))
    plain, weighted = fit(LINEAR, table).scores(table)[:, 1].mean(), fit(LINEAR, heavy).scores(table)[:, 1].mean()
    assert weighted > plain + 0.03


def test_a_predictor_does_not_depend_on_the_table_that_made_it(table):
    predictor = fit(LINEAR, table)
    renamed = replace(table, name="other", notes=("x",))
    assert same_state(predictor, fit(LINEAR, renamed))
