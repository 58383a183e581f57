"""Intervals cover as often as they say, and never pretend to know more than the rows can tell."""

import math

import numpy as np
import pytest
from scipy.stats import rankdata

from melior.errors import UserError
from melior.metrics import Interval, Predictions, all_scores, bootstrap, metric, names, one_hot, wilson

CLASSES = ["a", "b", "c"]


def rows_of(rng, rows, separation=1.5, shares=(0.6, 0.25, 0.15)):
    codes = rng.choice(3, rows, p=shares)
    scores = np.exp(1.3 * (rng.normal(size=(rows, 3)) + separation * one_hot(codes, 3)))
    return Predictions.of(codes, scores / scores.sum(axis=1, keepdims=True))


def coverage(judges, separation, sets, rows=200):
    rng = np.random.default_rng(5)
    many = rows_of(rng, 300_000, separation)
    true = {judge.name: judge.measure(many.truth, many.scores, many.answers) for judge in judges}
    hits = dict.fromkeys(true, 0)
    for seed in range(sets):
        found = bootstrap(judges, rows_of(rng, rows, separation), resamples=400, seed=seed)
        for name, interval in found.items():
            hits[name] += true[name] in interval
    return {name: count / sets for name, count in hits.items()}


def test_intervals_cover():
    judged = ["accuracy", "balanced_accuracy", "macro_f1", "recall[c]", "roc_auc", "brier"]
    found = coverage([metric(name, CLASSES) for name in judged], separation=1.5, sets=400)
    # 400 sets: three standard errors of 95 % are 3.3 points. Wider than promised is allowed to a rare class.
    assert all(0.917 <= share <= 0.995 for share in found.values()), found


def test_intervals_cover_near_perfection():
    found = coverage([metric(name, CLASSES) for name in ("accuracy", "balanced_accuracy", "macro_f1")], 3.0, sets=300)
    assert all(share >= 0.91 for share in found.values()), found


def test_calibration_interval_reaches_down_to_a_calibrated_model():
    rng = np.random.default_rng(0)
    judge = metric("expected_calibration_error", ["no", "yes"])
    covered = 0
    for seed in range(50):
        p = rng.uniform(0.5, 1, 300)
        data = Predictions.of((rng.random(300) < p).astype(int), np.stack([1 - p, p], axis=1))
        covered += bootstrap([judge], data, resamples=300, seed=seed)[judge.name].low < 0.01
    assert covered >= 45


@pytest.mark.parametrize("name", names(CLASSES))
def test_perfect_answers_are_not_certain(name):
    codes = np.arange(30) % 3
    interval = bootstrap([metric(name, CLASSES)], Predictions(one_hot(codes, 3), one_hot(codes, 3), codes))[name]
    judge = metric(name, CLASSES)
    if name != "expected_calibration_error":  # of 30 rows in one bin
        assert interval.width > 0.03
    assert interval.value == pytest.approx(judge.high if judge.greater_is_better else judge.low, abs=1e-12)


def test_tiny_samples_are_honest():
    one = Predictions.of([1], [[0.2, 0.8]])
    found = bootstrap([metric(name, ["no", "yes"]) for name in ("accuracy", "macro_f1", "brier")], one)
    assert found["accuracy"].low == pytest.approx(wilson(1, 1)[0])
    assert (found["brier"].low, found["brier"].high) == (0, 1)
    none = Predictions(np.empty((0, 2)), None, np.empty(0, dtype=int))
    assert str(bootstrap([metric("accuracy", ["no", "yes"])], none)["accuracy"]) == "not defined"


def test_a_class_without_a_fault_still_counts_as_unsure():
    codes = np.array([0] * 180 + [1] * 10)
    answers = codes.copy()
    answers[:20] = 1
    found = bootstrap([metric("balanced_accuracy", ["no", "yes"])], Predictions(one_hot(codes, 2), None, answers))
    interval = found["balanced_accuracy"]
    assert interval.value - interval.low > 0.1  # ten rows without a fault allow a recall of 0.72
    assert interval.high - interval.value < 0.05


def clustered(rng, clusters=40, size=10):
    """Rows of one group share how hard they are."""
    groups = np.repeat(np.arange(clusters), size)
    codes = rng.integers(0, 2, clusters * size)
    right = rng.random(clusters * size) < rng.beta(0.6, 0.3, clusters)[groups]
    p = np.where(right == (codes == 1), 0.8, 0.2) + rng.uniform(-0.1, 0.1, len(codes))
    return Predictions.of(codes, np.stack([1 - p, p], axis=1)), groups


def test_groups_widen_and_cover():
    rng = np.random.default_rng(2)
    judges = [metric("accuracy", ["no", "yes"]), metric("roc_auc", ["no", "yes"])]
    data, groups = clustered(rng)
    alone, together = bootstrap(judges, data), bootstrap(judges, data, groups=groups)
    for judge in judges:
        assert together[judge.name].width > 1.6 * alone[judge.name].width
    hits = 0
    for seed in range(200):
        data, groups = clustered(rng)
        hits += 2 / 3 in bootstrap(judges[:1], data, groups=groups, resamples=300, seed=seed)["accuracy"]
    assert 0.90 <= hits / 200 <= 0.99


def test_groups_of_one_row_are_rows():
    data = rows_of(np.random.default_rng(1), 150)
    judge = metric("roc_auc", CLASSES)
    alone = bootstrap([judge], data)["roc_auc"]
    grouped = bootstrap([judge], data, groups=np.array([f"g{row:03}" for row in range(150)]))["roc_auc"]
    assert alone.low == pytest.approx(grouped.low)


def test_cells_are_drawn_like_rows():
    data = rows_of(np.random.default_rng(1), 150)
    judge = metric("macro_f1", CLASSES)
    cells = bootstrap([judge], data, resamples=20_000)["macro_f1"]
    rows = bootstrap([judge], data, resamples=20_000, groups=np.arange(150))["macro_f1"]
    assert cells.low == pytest.approx(rows.low, abs=0.004)
    assert cells.high == pytest.approx(rows.high, abs=0.004)


def test_same_seed_same_interval_and_weights_count():
    data = rows_of(np.random.default_rng(1), 80)
    judge = metric("brier", CLASSES)
    assert bootstrap([judge], data, seed=3) == bootstrap([judge], data, seed=3)
    assert bootstrap([judge], data, seed=3) != bootstrap([judge], data, seed=4)
    doubled = Predictions(data.truth * 2, data.scores, data.answers)
    for name in ("accuracy", "macro_f1", "roc_auc"):
        found = bootstrap([metric(name, CLASSES)], doubled)[name]
        plain = bootstrap([metric(name, CLASSES)], data)[name]
        assert found.value == pytest.approx(plain.value)
        assert found.width == pytest.approx(plain.width, rel=0.15)  # weight is not rows


def test_wilson():
    assert wilson(0, 0) == (0, 1)
    low, high = wilson(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == 1


def test_all_scores_has_everything():
    data = rows_of(np.random.default_rng(4), 120)
    found = all_scores(data, CLASSES, resamples=200)
    assert list(found) == names(CLASSES)
    assert all(interval.low <= interval.value <= interval.high for interval in found.values())
    answers_only = Predictions(data.truth, None, data.answers)
    assert set(all_scores(answers_only, CLASSES, resamples=200)) == {
        name for name in names(CLASSES) if metric(name, CLASSES).needs == "answers"
    }
    assert found["macro_f1"] == bootstrap([metric("macro_f1", CLASSES)], data, resamples=200)["macro_f1"]


def test_classes_that_never_occur_do_not_stop_it():
    scores = np.tile([0.5, 0.3, 0.2], (20, 1))
    found = all_scores(Predictions.of([0] * 15 + [1] * 5, scores), CLASSES, resamples=200)
    assert str(found["roc_auc[c]"]) == "not defined"
    assert found["recall[c]"].value == 0
    assert found["roc_auc"].value == 0.5


def test_interval_reads_well():
    assert str(Interval(0.5, 0.4, 0.6)) == "0.500 [0.400, 0.600]"
    assert str(Interval(0.5, math.nan, math.nan)) == "0.500 [unknown]"
    assert Interval(math.nan, math.nan, math.nan).to_dict()["value"] is None
    assert 0.45 in Interval(0.5, 0.4, 0.6)


@pytest.mark.parametrize(("options", "said"), [({"resamples": 10}, "at least 100"), ({"level": 95}, "between 0.5")])
def test_settings_that_say_nothing_are_refused(options, said):
    with pytest.raises(UserError, match=said):
        bootstrap([metric("accuracy", CLASSES)], rows_of(np.random.default_rng(0), 10), **options)


@pytest.mark.slow
def test_of_many_rows_the_interval_is_that_of_the_theory():
    """100,000 rows: as wide as the variance of DeLong et al. (Biometrics 1988) says, from ranks, without resampling."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 100_000)
    p = 1 / (1 + np.exp(-rng.normal(size=100_000) - codes))
    found = bootstrap([metric("roc_auc", ["no", "yes"])], Predictions.of(codes, np.stack([1 - p, p], axis=1)))[
        "roc_auc"
    ]
    yes, no = p[codes == 1], p[codes == 0]
    ranks = rankdata(p)
    below = (ranks[codes == 1] - rankdata(yes)) / len(no)  # of each yes, the share of no that lies below
    above = 1 - (ranks[codes == 0] - rankdata(no)) / len(yes)  # of each no, the share of yes that lies above
    error = math.sqrt(below.var(ddof=1) / len(yes) + above.var(ddof=1) / len(no))
    assert found.value == pytest.approx(below.mean(), abs=1e-9)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)  # of 2,000 resamples, to 3 % or so
