"""Two models judged: answers known by hand and by other tests; by simulation the level, the coverage and the power."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binomtest, norm

from melior.metrics import Predictions, blocks_in_order, label_weights, metric, one_hot
from melior.trials.versus import MetricDifference, metric_differences, together

CLASSES = ["no", "yes"]
ACCURACY = metric("accuracy", CLASSES)
MACRO = metric("macro_f1", CLASSES)
LOG_LOSS = metric("log_loss", CLASSES)
RUNS = 300


def said(right, truth, groups=None, weights=None):
    """Predictions that are right where `right` says so."""
    return Predictions(
        one_hot(truth, 2) if weights is None else weights, None, np.where(right, truth, 1 - truth), groups
    )


def compared(a, b, metrics=(ACCURACY,), asked=None, **how):
    asked = [metrics[0].name] if asked is None else asked
    return metric_differences(list(metrics), a, b, asked=asked, **{"resamples": 200, **how})


def discordant(rows, only_a, only_b):
    truth = np.zeros(rows, dtype=int)
    place = np.arange(rows)
    a = (place < only_a) | (place >= only_a + only_b)
    b = place >= only_a
    return said(a, truth), said(b, truth)


# ---- by hand


@pytest.mark.parametrize(("only_a", "only_b"), [(12, 30), (20, 24), (40, 66), (25, 60)])
def test_of_accuracy_it_agrees_with_mcnemar(only_a, only_b):
    """On rows that only one of the two answers right, the exact test asks whether each is as often the right one. The
    normal p of the judge is its large-sample form, so that the two are alike in order of magnitude."""
    a, b = discordant(400, only_a, only_b)
    found = compared(a, b, resamples=4000)[0]
    exact = binomtest(only_a, only_a + only_b).pvalue
    assert found.difference.value == pytest.approx((only_b - only_a) / 400)
    assert abs(np.log10(found.p) - np.log10(exact)) < 0.6
    assert (found.verdict == "b_better") == (exact < 0.05)


def test_a_and_b_the_other_way_round_is_the_difference_turned():
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 300)
    scores = [random.dirichlet([1, 1], 300) for _ in range(2)]
    one, other = (Predictions.of(truth, each) for each in scores)
    metrics = [ACCURACY, MACRO, LOG_LOSS]
    there = compared(one, other, metrics, ["accuracy", "log_loss"])
    back = compared(other, one, metrics, ["accuracy", "log_loss"])
    turned = {"a_better": "b_better", "b_better": "a_better"}
    for first, second in zip(there, back, strict=True):
        assert second.difference.value == pytest.approx(-first.difference.value, abs=1e-12)
        assert second.difference.low == pytest.approx(-first.difference.high, abs=1e-12)
        assert second.p == pytest.approx(first.p)
        assert second.p_adjusted == pytest.approx(first.p_adjusted) if first.p_adjusted else not second.p_adjusted
        assert (second.a, second.b) == (first.b, first.a)
        assert second.verdict == turned.get(first.verdict, first.verdict)


def test_of_a_loss_less_is_better():
    truth = np.arange(200) % 2
    flat = Predictions.of(truth, np.full((200, 2), 0.5), answers=truth)
    noisy = 0.5 + np.random.default_rng(0).uniform(0.2, 0.4, 200)[:, None] * (2 * one_hot(truth, 2) - 1)
    found = compared(flat, Predictions.of(truth, noisy), [LOG_LOSS])[0]
    assert found.verdict == "b_better"
    assert found.difference.value == pytest.approx(found.a.value - found.b.value)


def test_the_same_answers():
    a, _ = discordant(100, 10, 10)
    found = compared(a, a)[0]
    assert found.verdict == "same"
    assert (found.difference.low, found.difference.high) == (0, 0)
    assert found.p is found.p_adjusted is found.detectable is None
    assert compared(a, a, non_inferior=0.01)[0].verdict == "same"


@pytest.mark.parametrize(("rows", "verdict"), [(3, "not_proved"), (200, "b_better")])
def test_always_right_beside_always_wrong(rows, verdict):
    """No draw moves this difference, and yet few rows do not prove it (of 3 the sign test says 0.25)."""
    truth = np.zeros(rows, dtype=int)
    found = compared(said(truth > 0, truth), said(truth == 0, truth))[0]
    assert found.difference.value == 1
    assert found.verdict == verdict
    assert found.difference.low < 1


def test_a_margin_is_the_smallest_difference_that_matters():
    a, b = discordant(2000, 60, 120)  # 0.03 better
    assert compared(a, b)[0].verdict == "b_better"
    assert compared(a, b, margin=0.02)[0].verdict == "b_better"
    assert compared(a, b, margin=0.035)[0].verdict == "not_proved"
    assert compared(a, b, margin=0.1)[0].verdict == compared(b, a, margin=0.1)[0].verdict == "alike"


def test_no_worse_by_more_than_a_margin():
    a, b = discordant(2000, 60, 60)
    half = -compared(a, b)[0].difference.low
    assert compared(a, b, non_inferior=1.01 * half)[0].verdict == "no_worse"
    assert compared(a, b, non_inferior=0.99 * half)[0].verdict == "not_proved"
    worse = discordant(2000, 160, 60)
    assert compared(*worse, non_inferior=0.01)[0].verdict == "a_better"
    assert compared(*worse[::-1], non_inferior=0.01)[0].verdict == "b_better"


def test_several_metrics_that_are_asked_for_share_the_level():
    random = np.random.default_rng(4)
    truth = random.integers(0, 2, 400)
    a, b = said(random.random(400) < 0.75, truth), said(random.random(400) < 0.82, truth)
    recalls = [metric(f"recall[{label}]", CLASSES) for label in CLASSES]
    one = compared(a, b, recalls, ["recall[no]"], resamples=1000)[0]
    both = compared(a, b, recalls, ["recall[no]", "recall[yes]"], resamples=1000)
    assert one.p == both[0].p
    assert both[0].p_adjusted > one.p_adjusted
    assert all(each.p_adjusted >= each.p - 0.02 for each in both)
    alike = [metric("accuracy", CLASSES), metric("micro_f1", CLASSES)]  # the same thing twice costs nothing
    twice = compared(a, b, alike, ["accuracy", "micro_f1"], resamples=1000)
    alone = compared(a, b, alike, ["accuracy"], resamples=1000)
    assert twice[0].p_adjusted == pytest.approx(alone[0].p_adjusted, abs=1e-9)


@pytest.mark.parametrize(
    ("verdicts", "non_inferior", "whole"),
    [
        (["b_better", "not_proved"], None, "b_better"),
        (["a_better", "alike"], None, "a_better"),
        (["a_better", "b_better"], None, "not_proved"),
        (["same", "alike"], None, "alike"),
        (["not_proved", "alike"], None, "not_proved"),
        (["no_worse", "b_better"], 0.1, "no_worse"),
        (["no_worse", "not_proved"], 0.1, "not_proved"),
        (["b_better", "not_proved"], 0.1, "not_proved"),
        (["no_worse", "a_better"], 0.1, "a_better"),
        (["b_better", "b_better"], 0.1, "b_better"),
    ],
)
def test_one_verdict_on_several(verdicts, non_inferior, whole):
    found = [MetricDifference("", "", True, None, None, None, None, None, None, one) for one in verdicts]
    assert together(found, non_inferior) == whole


# ---- by simulation


def of_rows(random, gain, rows=120):
    truth = random.integers(0, 2, rows)
    luck = random.random(rows)
    other = np.where(random.random(rows) < 0.5, luck, random.random(rows))
    return said(luck < 0.75, truth), said(other < 0.75 + gain, truth)


def of_groups(random, gain, many=25, size=8):
    """Each model has luck of its own in each group: rows of a group are right or wrong nearly together."""
    groups = np.repeat(np.arange(many), size)
    truth = random.integers(0, 2, many * size)
    lucks = [0.9 * random.normal(size=many)[groups] + np.sqrt(0.19) * random.normal(size=len(groups)) for _ in range(2)]
    ends = norm.ppf([0.75, 0.75 + gain])
    return tuple(said(luck < end, truth, groups) for luck, end in zip(lucks, ends, strict=True))


def of_order(random, gain, rows=400, last=0.8):
    """Luck lasts: a row is right or wrong as the one before."""
    truth = random.integers(0, 2, rows)
    lucks = lfilter([np.sqrt(1 - last**2)], [1, -last], random.normal(size=(2, rows + 100)), axis=1)[:, 100:]
    right = [luck < end for luck, end in zip(lucks, norm.ppf([0.75, 0.75 + gain]), strict=True)]
    blocks = blocks_in_order(np.arange(rows), [right[1].astype(float) - right[0]])
    return tuple(said(one, truth, blocks) for one in right)


def of_wrong_labels(random, gain, rows=300):
    noise = np.array([[0.8, 0.2], [0.05, 0.95]])
    truth = random.integers(0, 2, rows)
    seen = np.where(random.random(rows) < noise[truth, 1 - truth], 1 - truth, truth)
    right = [random.random(rows) < skill for skill in (0.75, 0.75 + gain)]
    return tuple(said(one, truth, weights=label_weights(seen, noise)) for one in right)


def simulated(made, gain, runs=RUNS, blind=False):
    """Shares of runs in which B, and in which either is called better, and of intervals that hold the true gain."""
    found = []
    for seed in range(runs):
        a, b = made(np.random.default_rng(seed), gain)
        if blind:
            a, b = (Predictions(one.truth, None, one.answers) for one in (a, b))
        found.append(compared(a, b, seed=seed)[0])
    better = np.mean([one.verdict == "b_better" for one in found])
    either = np.mean([one.verdict in ("a_better", "b_better") for one in found])
    return better, either, np.mean([gain in one.difference for one in found])


@pytest.mark.parametrize("made", [of_rows, of_groups, of_order, of_wrong_labels])
def test_of_two_equal_models_none_is_better(made):
    """At most 5 % within three standard errors, and the interval holds 0 in 95 of 100; in an order in which luck lasts
    the blocks are never quite long enough, so that a few in a hundred are missed there (`docs/judge.md`)."""
    _, either, holds = simulated(made, 0.0)
    missed = 0.03 if made is of_order else 0.0
    error = 3 * np.sqrt(0.05 * 0.95 / RUNS)
    assert either <= 0.05 + missed + error
    assert holds >= 0.95 - missed - error


@pytest.mark.parametrize("made", [of_groups, of_order])
def test_without_groups_and_blocks_luck_would_pass_for_proof(made):
    _, either, _ = simulated(made, 0.0, runs=80, blind=True)
    assert either > 0.15, "if it does not, the simulation shows nothing"


@pytest.mark.parametrize(
    ("made", "gain", "power"), [(of_rows, 0.13, 0.8), (of_groups, 0.2, 0.6), (of_order, 0.18, 0.65)]
)
def test_a_real_difference_is_seen_and_its_interval_holds_it(made, gain, power):
    better, _, holds = simulated(made, gain, runs=120)
    assert better >= power
    assert holds >= 0.95 - 0.03 - 3 * np.sqrt(0.05 * 0.95 / 120)


def test_what_it_says_it_could_have_seen_it_sees():
    """A model that is better by what the comparison calls detectable is called better about four times in five."""
    gain = float(np.median([compared(*of_rows(np.random.default_rng(s), 0.12))[0].detectable for s in range(60)]))
    better, _, _ = simulated(of_rows, gain, runs=150)
    assert 0.7 <= better <= 0.92


def test_no_worse_holds_its_level():
    """Of models that are worse by just the margin at most one in forty is called no worse (within three errors)."""
    found = [
        compared(*of_rows(np.random.default_rng(seed), -0.1, rows=200), non_inferior=0.1, seed=seed)[0].verdict
        for seed in range(RUNS)
    ]
    assert np.mean([one in ("no_worse", "b_better") for one in found]) <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / RUNS)
