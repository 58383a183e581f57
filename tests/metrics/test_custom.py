"""A function of Python as a metric: the same numbers as the metric that it is, in a whole improvement too."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import recall_score, roc_auc_score

import melior
from melior.errors import UserError
from melior.methods._base import methods
from melior.metrics import Predictions, bootstrap, from_function, metric, one_hot

CLASSES = ["no", "yes"]


def recall_of_yes(truth, said, sample_weight):
    return recall_score(truth, said, pos_label="yes", sample_weight=sample_weight)


def area(truth, said, sample_weight):
    return roc_auc_score(truth == "yes", said[:, 1], sample_weight=sample_weight)


def rows(count: int = 200):
    random = np.random.default_rng(0)
    truth = (random.random(count) < 0.4).astype(int)
    chance = 1 / (1 + np.exp(-(truth - 0.5 + random.normal(size=count))))
    return truth, np.column_stack([1 - chance, chance])


@pytest.mark.parametrize(
    ("function", "needs", "same"), [(recall_of_yes, "answers", "recall[yes]"), (area, "scores", "roc_auc")]
)
def test_a_function_gives_the_numbers_and_the_draws_of_the_metric_that_it_is(function, needs, same):
    truth, scores = rows()
    weighted = one_hot(truth, 2, np.random.default_rng(1).uniform(0.5, 2, len(truth)))
    data = Predictions(weighted, scores, scores.argmax(axis=1))
    mine, known = metric(from_function(function, needs=needs), CLASSES), metric(same, CLASSES)
    counts = np.random.default_rng(2).multinomial(200, np.full(200, 1 / 200), 20).astype(float)
    assert mine.measure_resampled(data.truth, data.scores, data.answers, counts) == pytest.approx(
        known.measure_resampled(data.truth, data.scores, data.answers, counts)
    )
    interval = bootstrap([mine], data, resamples=200)[mine.name]
    assert interval.low < interval.value < interval.high


def test_it_may_stand_in_a_goal():
    truth, scores = rows()
    name = from_function(recall_of_yes)
    goal = metric(f"accuracy, {name}>=0.99", CLASSES)
    answers = scores.argmax(axis=1)
    missing = 0.99 - recall_score(truth, answers)
    expected = np.mean(truth == answers) - 10 * missing
    assert goal.measure(one_hot(truth, 2), scores, answers) == pytest.approx(expected)


def test_a_function_without_a_name_and_a_name_without_a_function_are_refused():
    with pytest.raises(UserError, match="has no name"):
        from_function(lambda truth, said, sample_weight: 0.0)
    with pytest.raises(UserError, match="was a function of Python"):
        metric("python:of_another_process", CLASSES)


def test_an_improvement_goes_by_it(tmp_path):
    truth, _ = rows(400)
    random = np.random.default_rng(4)
    frame = pl.DataFrame(
        {"a": random.normal(size=400) + truth, "b": random.normal(size=400), "y": np.array(CLASSES)[truth]}
    )

    def twice_as_much(truth, said, sample_weight):
        """F beta for beta = 2."""
        hits = sample_weight[(truth == "yes") & (said == "yes")].sum()
        missed = sample_weight[(truth == "yes") & (said == "no")].sum()
        false = sample_weight[(truth == "no") & (said == "yes")].sum()
        return 5 * hits / max(5 * hits + 4 * missed + false, 1e-12)

    found = melior.improve(
        frame, target="y", model="linear", metric=twice_as_much, budget=20, attempt=["class_weights"],
        never=[name for name in methods() if name not in ("class_weights", "threshold", "normalization")],
        run=tmp_path / "run",
    )  # fmt: skip
    assert found.metric == found.recipe.metric == "python:twice_as_much"
    assert 0 <= found.final.low <= found.final.value <= found.final.high <= 1
    assert any("function of Python" in reason for name, reason in found.refused if name == "threshold")
    again = melior.evaluate(tmp_path / "run", frame)
    assert again.rows == 400
