"""Metrics of rows with several labels: against scikit-learn's, and their intervals against what they promise."""

import importlib
import pkgutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

import melior.metrics as ours
from melior.errors import UserError
from melior.metrics import Predictions, all_scores, bootstrap, metric, names, paired_difference

LETTERS = ["a", "b", "c", "d", "e"]


@st.composite
def problems(draw):
    """(truth, scores with ties, answers), all (rows, labels); rows without a label and labels without a row too."""
    labels = draw(st.integers(1, 5))
    rows = draw(st.integers(3, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = (rng.random((rows, labels)) < rng.uniform(0, 1, labels)).astype(int)
    scores = rng.integers(0, draw(st.sampled_from([3, 9, 10_000])), (rows, labels)) / 10_000
    scores = np.clip(scores * draw(st.sampled_from([1, 900])), 0, 1)
    return truth, scores, (rng.random((rows, labels)) < 0.4).astype(int)


def measured(name, truth, scores, answers):
    return metric(name, LETTERS[: truth.shape[1]], multilabel=True).measure(truth, scores, answers)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_answers_agree(problem):
    truth, _, answers = problem
    labels = truth.shape[1]
    if labels > 1:  # of one label scikit-learn makes a binary task
        for word, theirs in (
            ("f1", oracle.f1_score),
            ("precision", oracle.precision_score),
            ("recall", oracle.recall_score),
            ("jaccard", oracle.jaccard_score),
        ):
            for average in ("macro", "micro", "weighted"):
                found = measured(f"{average}_{word}", *problem)
                if average == "weighted" and not truth.any():
                    assert np.isnan(found)
                    continue
                assert found == pytest.approx(theirs(truth, answers, average=average, zero_division=0), abs=1e-12)
            each = theirs(truth, answers, average=None, zero_division=0)
            for label, value in zip(LETTERS, each, strict=False):
                assert measured(f"{word}[{label}]", *problem) == pytest.approx(value, abs=1e-12)
        assert measured("subset_accuracy", *problem) == pytest.approx(oracle.accuracy_score(truth, answers))
        assert measured("hamming_loss", *problem) == pytest.approx(oracle.hamming_loss(truth, answers))
        for word, theirs in (("f1", oracle.f1_score), ("jaccard", oracle.jaccard_score)):
            expected = theirs(truth, answers, average="samples", zero_division=1)
            assert measured(f"sample_{word}", *problem) == pytest.approx(expected, abs=1e-12)
    empty = (truth.sum(1) + answers.sum(1)) == 0
    for word, theirs in (("precision", oracle.precision_score), ("recall", oracle.recall_score)):
        if labels == 1 or not (~empty).any():
            continue
        rest = theirs(truth[~empty], answers[~empty], average="samples", zero_division=0)
        expected = (empty.sum() + (~empty).sum() * rest) / len(truth)  # none said and none so is right
        assert measured(f"sample_{word}", *problem) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_scores_agree(problem):
    truth, scores, _ = problem
    areas, precisions = [], []
    for code, label in enumerate(LETTERS[: truth.shape[1]]):
        own, said = truth[:, code], scores[:, code]
        area, precision = measured(f"roc_auc[{label}]", *problem), measured(f"average_precision[{label}]", *problem)
        if 0 < own.sum() < len(own):
            areas.append(oracle.roc_auc_score(own, said))
            assert area == pytest.approx(areas[-1], abs=1e-12)
        else:
            assert np.isnan(area)
        if own.any():
            precisions.append(oracle.average_precision_score(own, said))
            assert precision == pytest.approx(precisions[-1], abs=1e-12)
        else:
            assert np.isnan(precision)
    for name, parts in (("roc_auc", areas), ("average_precision", precisions)):
        found = measured(name, *problem)
        assert np.isnan(found) if not parts else found == pytest.approx(np.mean(parts), abs=1e-12)
    flat, said = truth.ravel(), scores.ravel()
    if 0 < flat.sum() < len(flat):
        assert measured("micro_roc_auc", *problem) == pytest.approx(oracle.roc_auc_score(flat, said), abs=1e-12)
        expected = oracle.average_precision_score(flat, said)
        assert measured("micro_average_precision", *problem) == pytest.approx(expected, abs=1e-12)
    assert measured("brier", *problem) == pytest.approx(((truth - scores) ** 2).mean(), abs=1e-12)
    expected = oracle.log_loss(flat, said, labels=[0, 1])
    assert measured("log_loss", *problem) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(problems(), st.integers(0, 99))
def test_counts_are_repeats(problem, seed):
    truth, scores, answers = problem
    counts = np.random.default_rng(seed).integers(0, 3, (4, len(truth)))
    counts[:, 0] = 1
    for name in names(LETTERS[: truth.shape[1]], multilabel=True):
        made = metric(name, LETTERS[: truth.shape[1]], multilabel=True)
        resampled = made.measure_resampled(truth, scores, answers, counts)
        for count, found in zip(counts, resampled, strict=True):
            rows = np.repeat(np.arange(len(truth)), count)
            wanted = made.measure(truth[rows], scores[rows], answers[rows])
            assert found == pytest.approx(wanted, abs=1e-9, nan_ok=True), name


def drawn(rows, seed=0, labels=4):
    rng = np.random.default_rng(seed)
    chance = rng.beta(1, 2, (rows, labels))
    truth = (rng.random((rows, labels)) < chance).astype(int)
    scores = np.clip(chance + rng.normal(0, 0.15, chance.shape), 0.001, 0.999)
    return Predictions(truth, scores, scores >= 0.4)


def test_every_score_lies_in_its_interval_and_range():
    for rows in (1, 2, 5, 300):
        data = drawn(rows)
        found = all_scores(data, LETTERS[:4], resamples=200)
        assert list(found) == names(LETTERS[:4], multilabel=True)
        for name, one in found.items():
            made = metric(name, LETTERS[:4], multilabel=True)
            if np.isnan(one.value):
                continue
            assert made.low <= one.low <= one.value <= one.high <= made.high, (rows, name, one)


@pytest.mark.parametrize("name", ["macro_f1", "micro_f1", "sample_jaccard", "hamming_loss", "roc_auc", "log_loss"])
def test_intervals_hold_the_truth(name):
    """95 % intervals of 60 draws of 150 rows, against the value on very many rows: no fewer than 50 hold it."""
    truth = drawn(100_000, seed=999)
    made = metric(name, LETTERS[:4], multilabel=True)
    value = made.measure(truth.truth, truth.scores, truth.answers)
    inside = sum(value in bootstrap([made], drawn(150, seed), resamples=300)[name] for seed in range(60))
    assert inside >= 50


def test_a_rare_label_without_a_fault_is_not_certain():
    """Three rows of a label, all right: its recall may well be 0.5; and so the mean over labels may be lower."""
    truth = np.zeros((200, 2), dtype=int)
    truth[:3, 0] = 1
    truth[:100, 1] = 1
    data = Predictions(truth, truth * 0.8 + 0.1, truth)
    found = bootstrap(
        [metric(n, ["rare", "many"], multilabel=True) for n in names(["rare", "many"], multilabel=True)], data
    )
    assert found["recall[rare]"].low < 0.5 < found["recall[many]"].low
    assert found["f1[rare]"].low < 0.5
    assert found["roc_auc[rare]"].low < 0.5
    assert found["macro_f1"].low < 0.75
    assert found["subset_accuracy"].low == pytest.approx(0.981, abs=0.001)
    assert found["hamming_loss"].high > 0


def test_groups_are_drawn_together():
    data = drawn(120)
    made = [metric("macro_f1", LETTERS[:4], multilabel=True)]
    ten = np.repeat(np.arange(120), 10)
    copied = Predictions(data.truth[ten], data.scores[ten], data.answers[ten])
    alone, together = bootstrap(made, copied)["macro_f1"], bootstrap(made, copied, groups=ten)["macro_f1"]
    assert together.width > 2 * alone.width
    assert together.width == pytest.approx(bootstrap(made, data)["macro_f1"].width, rel=0.15)


def test_pairs_are_compared():
    data = drawn(400)
    worse = Predictions(data.truth, data.scores[::-1], data.answers[::-1])
    for name in ("macro_f1", "hamming_loss", "roc_auc"):
        found = paired_difference(metric(name, LETTERS[:4], multilabel=True), worse, data, resamples=300)
        assert found.low > 0
        assert found.p < 0.01


def test_names_are_looked_for_among_the_right_ones():
    with pytest.raises(UserError, match=r"no metric 'accuracy' for rows of several labels.*subset_accuracy"):
        metric("accuracy", LETTERS, multilabel=True)
    with pytest.raises(UserError, match="no metric 'hamming_loss'"):
        metric("hamming_loss", LETTERS)
    with pytest.raises(UserError, match="must be 0 or 1"):
        Predictions([[2, 0]], None, [[1, 0]])


def test_every_metric_says_what_it_is():
    for name in names(LETTERS, multilabel=True):
        made = metric(name, LETTERS, multilabel=True)
        assert made.name == name
        assert made.title not in ("", name)
    documented = [
        made
        for entry in pkgutil.iter_modules(ours.__path__)
        for made in getattr(importlib.import_module(f"melior.metrics.{entry.name}"), "MULTILABEL", ())
    ]
    assert len(documented) == len({family.name for family in documented}) > 20
