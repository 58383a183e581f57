"""Metrics with conditions: what they are worth, what threshold they lead to, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from melior.errors import UserError
from melior.methods.threshold import best_offsets, log_scores, value_of
from melior.metrics import Predictions, bootstrap, metric, one_hot
from melior.metrics.goals import LIMITS, is_goal, parts_of
from melior.trials.cost import UNITS

CLASSES = ["no", "yes"]
NAME = "precision[yes], recall[yes]>=0.9"


def rows(seed: int, count: int = 400):
    random = np.random.default_rng(seed)
    truth = (random.random(count) < 0.3).astype(int)
    chance = 1 / (1 + np.exp(-(2.2 * truth - 1.1 + random.normal(size=count))))
    return truth, np.column_stack([1 - chance, chance])


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_objective_less_ten_times_what_is_missing(seed):
    truth, scores = rows(seed)
    for cut in (0.05, 0.5, 0.9):
        answers = (scores[:, 1] > cut).astype(int)
        missing = max(0.0, 0.9 - recall_score(truth, answers))
        expected = precision_score(truth, answers, zero_division=0) - 10 * missing
        assert metric(NAME, CLASSES).measure(one_hot(truth, 2), scores, answers) == pytest.approx(expected)


def test_metrics_of_scores_and_losses_may_be_conditions():
    truth, scores = rows(0)
    goal = metric("roc_auc, log_loss<=0.1", CLASSES)
    loss = metric("log_loss", CLASSES).measure(one_hot(truth, 2), scores, scores.argmax(axis=1))
    assert loss > 0.1
    expected = roc_auc_score(truth, scores[:, 1]) - 10 * (loss - 0.1)
    assert goal.measure(one_hot(truth, 2), scores, scores.argmax(axis=1)) == pytest.approx(expected)
    smallest = metric("min log_loss, accuracy>=0", CLASSES)
    assert smallest.greater_is_better
    assert smallest.measure(one_hot(truth, 2), scores, scores.argmax(axis=1)) == pytest.approx(-loss)


@pytest.mark.parametrize("seed", range(3))
def test_the_best_threshold_is_the_best_of_all_and_misses_no_condition_by_more_than_that_buys(seed):
    """Against every cut that there is, tried one by one."""
    truth, scores = rows(seed)
    value = value_of(NAME, tuple(CLASSES))
    assert value is not None
    offsets = best_offsets(log_scores(scores), truth.astype(np.int32), np.ones(len(truth)), value)
    answers = (log_scores(scores) + offsets).argmax(axis=1)
    tried = [(precision_score(truth, said), recall_score(truth, said)) for said in
             (scores[:, 1] >= cut for cut in np.unique(scores[:, 1]))]  # fmt: skip
    best = max(precision - 10 * max(0.0, 0.9 - recall) for precision, recall in tried)
    precision, recall = precision_score(truth, answers), recall_score(truth, answers)
    assert precision - 10 * max(0.0, 0.9 - recall) == pytest.approx(best)
    met = max(precision for precision, recall in tried if recall >= 0.9)
    assert recall >= 0.9 - (precision - met) / 10 - 1e-9


def test_its_interval_holds_the_value_of_other_rows():
    """Drawn anew from the same source, 95 % of intervals hold what very many rows show; at least 88 of 100."""
    truth, scores = rows(1000, 200_000)
    goal = metric(NAME, CLASSES)
    true = goal.measure(one_hot(truth, 2), scores, (scores[:, 1] > 0.2).astype(int))
    held = 0
    for seed in range(100):
        truth, scores = rows(seed)
        data = Predictions(one_hot(truth, 2), scores, (scores[:, 1] > 0.2).astype(int))
        held += true in bootstrap([goal], data, resamples=400)[goal.name]
    assert held >= 88


@given(some.lists(some.text(alphabet="ab[],> =0.9", max_size=8), max_size=4))
@settings(max_examples=200, deadline=None)
def test_parts_put_together_are_the_name(pieces):
    name = ",".join(pieces)
    assert ",".join(parts_of(name)).replace(" ", "") == name.replace(" ", "")


def test_classes_may_have_commas_in_their_names():
    found = metric("recall[a, b], precision[a, b]>=0.5", ["a, b", "c"])
    assert found.name == "recall[a, b], precision[a, b]>=0.5"
    assert not is_goal("recall[a, b]")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("recall[yes]>=0.9", "names nothing to make better"),
        ("macro_f1, accuracy", "names two things to make better"),
        ("macro_f1, recall[yes]<=0.9", "write recall\\[yes\\]>=0.9"),
        ("macro_f1, log_loss>=0.9", "write log_loss<=0.9"),
        ("macro_f1, accuracy>=2", "lies between 0 and 1"),
        ("macro_f1, accuracy>=high", "'high' is no number"),
        ("min accuracy", "write max accuracy"),
        ("macro_f1, recal[yes]>=0.5", "There is no metric 'recal\\[yes\\]'"),
    ],
)
def test_what_is_no_goal_is_refused_in_one_sentence(name, said):
    with pytest.raises(UserError, match=said):
        metric(name, CLASSES)


def test_a_direction_that_is_right_changes_nothing():
    assert metric("max macro_f1", CLASSES) == metric("macro_f1", CLASSES)
    assert metric("min log_loss", CLASSES) == metric("log_loss", CLASSES)


def test_a_limit_in_a_metric_is_told_from_a_metric_that_is_not_there():
    assert set(LIMITS) == set(UNITS)
    for said in ("macro_f1, latency<=5ms", "size<=25MB"):
        with pytest.raises(
            UserError, match=r"is a limit on what a model costs and no metric: .*--goal, or in a recipe as"
        ):
            metric(said, ["no", "yes"])
