"""Wrong labels: how many, which, and silence where classes merely overlap."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit
from scipy.stats import binom
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.metrics import roc_auc_score

from melior.checks._noise import PRIOR, _Likelihood, _seen_to_go, estimate_noise, fit_curve, fit_mixed, sure
from melior.checks.label_noise import DOUBTED, LabelNoise, noise_of, weight_of

CLEAR = {"n_informative": 5, "n_clusters_per_class": 1, "class_sep": 2, "flip_y": 0}


def data(name, seed=0):
    g = np.random.default_rng(seed)
    if name == "breast_cancer":
        return load_breast_cancer(return_X_y=True)
    if name == "wine":
        return load_wine(return_X_y=True)
    if name == "digits":
        x, y = load_digits(return_X_y=True)
        kept = g.permutation(len(y))[:900]
        return x[kept], y[kept]
    if name == "four classes":
        return make_classification(1500, 12, n_classes=4, random_state=seed, **CLEAR)
    if name == "apart":
        return make_classification(1500, 10, random_state=seed, **CLEAR)
    x = g.normal(size=(1500, 5))
    steep = {"overlap": 1.0, "strong overlap": 0.5, "some overlap": 2.5}[name]
    return x, (g.random(1500) < expit(steep * (x[:, 0] + x[:, 1]))).astype(int)


def flipped(labels, rate, seed, only=None):
    g = np.random.default_rng(seed)
    classes = int(labels.max()) + 1
    hit = g.random(len(labels)) < rate
    if only is not None:
        hit &= labels == only
    return np.where(hit, (labels + g.integers(1, classes, len(labels))) % classes, labels)


def floor_of(context):
    return [f for f in LabelNoise().measure(context) if "noise_matrix" in f.measured]


@pytest.mark.parametrize(
    "name", ["breast_cancer", "wine", "digits", "overlap", "strong overlap", "some overlap", "apart"]
)
def test_silent_on_right_labels(make_context, name):
    seeds = [0] if name in ("breast_cancer", "wine") else range(3)
    for seed in seeds:
        assert floor_of(make_context(*data(name, seed))) == []


# a known weakness, not a bound: with few rows and 40 % wrong, the floor is missed or its height is misjudged
MISSES = {("breast_cancer", 0.4), ("wine", 0.4)}
MISSED = pytest.mark.xfail(strict=True, reason="wrong labels at this rate are not found every time on this table")


@pytest.mark.parametrize(
    ("name", "rate", "least"),
    [
        # 10 to 40 % must be found, every time; of 5 % at least half
        *((name, 0.05, 2) for name in ("breast_cancer", "digits", "four classes", "apart")),
        *(
            pytest.param(name, rate, 4, marks=MISSED) if (name, rate) in MISSES else (name, rate, 4)
            for name in ("breast_cancer", "wine", "digits", "four classes")
            for rate in (0.1, 0.2, 0.4)
        ),
    ],
)
def test_finds_wrong_labels(make_context, name, rate, least):
    hits = 0
    for seed in range(4):
        x, y = data(name, seed)
        given = flipped(y, rate, seed)
        found = floor_of(make_context(x, given))
        if not found:
            continue
        hits += 1
        wrong = set(np.flatnonzero(given != y).tolist())
        named = found[0].rows.tolist()
        assert found[0].measured["noise_rate"] == pytest.approx(rate, abs=0.03 + 0.15 * rate)
        assert len(wrong & set(named)) > 0.6 * len(named)
        assert len(named) < 1.6 * len(wrong)
    assert hits >= least


def test_noise_matrix_of_one_class(make_context):
    x, y = data("four classes", 1)
    given = np.where((y == 2) & (np.random.default_rng(0).random(len(y)) < 0.3), 0, y)
    (finding,) = floor_of(make_context(x, given))
    expected = np.eye(4)
    expected[2] = [0.3, 0, 0.7, 0]
    assert np.abs(finding.measured["noise_matrix"] - expected).max() < 0.06
    assert finding.measured["noise_matrix"].sum(axis=1) == pytest.approx(np.ones(4))
    assert finding.measured["classes"] == [f"class {k}" for k in range(4)]


def test_ranked_and_the_same_twice(make_context):
    x, y = data("breast_cancer")
    given = flipped(y, 0.1, 3)
    (one,), (two,) = floor_of(make_context(x, given)), floor_of(make_context(x, given))
    assert one.to_dict() == two.to_dict()
    assert (np.diff(one.row_scores) <= 0).all()
    assert one.row_scores.min() > 0.5


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "digits", "four classes", "some overlap"])
def test_ranks_as_well_as_cleanlab(make_context, name):
    rank = pytest.importorskip("cleanlab.rank")
    ours, theirs = [], []
    for seed in range(3):
        x, y = data(name, seed)
        given = flipped(y, 0.2, seed).astype(np.int32)
        context = make_context(x, given)
        scores = context.out_of_fold()
        noise = estimate_noise(scores, given, context.neighbours(20)[1], int(y.max()) + 1, np.random.default_rng(0))
        wrong = given != y
        ours.append(roc_auc_score(wrong, noise.doubt))
        theirs.append(max(roc_auc_score(wrong, -rank.get_label_quality_scores(given, scores, method=method))
                          for method in ("self_confidence", "normalized_margin")))  # fmt: skip
    assert np.mean(ours) >= np.mean(theirs) - 0.01


def test_curve_gives_back_its_floors():
    g = np.random.default_rng(0)
    logits = 4 * g.normal(size=6000)
    clean = expit(1.5 * logits)
    given = (g.random(6000) < 0.1 + (1 - 0.05 - 0.1) * clean).astype(float)
    curve = fit_curve(expit(logits), np.zeros(6000), given, 2, g)
    assert (curve.missed, curve.false) == (pytest.approx(0.05, abs=0.015), pytest.approx(0.1, abs=0.02))
    assert curve.p < 1e-6
    honest = fit_curve(expit(logits), np.zeros(6000), (g.random(6000) < clean).astype(float), 2, g)
    assert honest.p > 0.01


def mixed_scores(rows=2000, classes=4, seed=0):
    """Scores that are right about their own uncertainty, and labels drawn from them."""
    g = np.random.default_rng(seed)
    logits = 3 * g.normal(size=(rows, classes))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return scores, (scores.cumsum(axis=1) < g.random((rows, 1))).sum(axis=1).astype(np.int32), g


def test_labels_that_go_to_one_class_are_found_and_honest_ones_are_not():
    scores, honest, g = mixed_scores()
    votes = np.zeros_like(scores)
    given = np.where((honest == 2) & (g.random(2000) < 0.3), 0, honest).astype(np.int32)
    found = fit_mixed(scores, votes, given, g)
    assert found.missed == pytest.approx([0, 0, 0.3, 0], abs=0.06)
    assert found.p < 1e-6
    assert fit_mixed(scores, votes, honest, g).p > 0.01
    # with the noise taken out, the probabilities are those that the labels were drawn from
    assert np.abs(found.clean(scores, votes) - scores).mean() < 0.02


@pytest.mark.parametrize("floors", [1, 3])
def test_gradient_of_the_likelihood(floors):
    scores, given, g = mixed_scores(rows=80, classes=3)
    loss = _Likelihood(scores, g.normal(size=scores.shape), given)
    loss.goes(_seen_to_go(scores, given))
    at = np.array([0.2, -0.1, 0.3, 0.1, 0.9, 0.4, *[0.1, 0.2, 0.15][:floors]])
    assert loss(at)[1] == pytest.approx(approx_fprime(at, lambda x: loss(x)[0], 1e-7), rel=1e-3, abs=1e-3)


def test_probability_that_any_label_is_wrong():
    assert sure(1.0) == sure(0.5) == pytest.approx(PRIOR)
    # the bounds on the odds that Sellke, Bayarri and Berger give (2001)
    for p, against in ((0.05, 0.407), (0.01, 0.125), (0.001, 0.0188)):
        odds = sure(p) / (1 - sure(p)) / (PRIOR / (1 - PRIOR))
        assert 1 / odds == pytest.approx(against, rel=0.01)
    assert np.all(np.diff([sure(p) for p in np.geomspace(1e-9, 1, 40)]) <= 0)


def test_few_rows_a_column_make_a_question_that_corrects_no_scores(make_context):
    g = np.random.default_rng(3)
    hidden, way = g.normal(size=(600, 3)), g.normal(size=(3, 90))
    y = hidden.argmax(axis=1)
    x = hidden @ way + g.normal(size=(600, 90))  # as much of its own in each column as of what all have
    assert floor_of(make_context(x, y)) == []
    (finding,) = floor_of(make_context(x, flipped(y, 0.1, 0)))
    assert not finding.certain
    assert not finding.measured["corrects_scores"]
    assert len(set(finding.rows.tolist()) & set(np.flatnonzero(flipped(y, 0.1, 0) != y).tolist())) > 0.6 * len(
        finding.rows
    )


def test_copies_with_different_answers(make_context):
    g = np.random.default_rng(0)
    x, y = g.normal(size=(200, 4)), g.integers(0, 2, 200)
    x[190:] = x[:10]
    y[190:] = y[:10]
    y[[192, 195]] = 1 - y[[192, 195]]
    found = [f for f in LabelNoise().measure(make_context(x, y)) if "groups" in f.measured]
    assert sorted(found[0].rows.tolist()) == [2, 5, 192, 195]


def test_little_and_odd(make_context):
    x, y = data("overlap")
    for context in (make_context(x), make_context(x, np.zeros(len(x), dtype=int)), make_context(x[:3], y[:3])):
        assert LabelNoise().measure(context) == []
    x, y = data("four classes")
    given = flipped(y, 0.15, 0)
    given[::5] = -1
    (finding,) = floor_of(make_context(x, given))
    assert not set(finding.rows.tolist()) & set(range(0, 1500, 5))


@pytest.mark.slow
def test_false_rate(make_context):
    named = found = rows = runs = 0
    for seed in range(25):
        for name in ("overlap", "strong overlap", "some overlap", "apart", "four classes"):
            runs += 1
            findings = floor_of(make_context(*data(name, 100 + seed)))
            found += bool(findings)
            named += any(len(f.rows) for f in findings)
            rows += sum(len(f.rows) for f in findings)
    assert named <= 0.02 * runs
    # with questions that name no row: as many as chance allows where each has a chance of 0.02
    assert found <= binom.ppf(0.975, runs, DOUBTED)
    assert rows <= 0.01 * runs * 1500


def test_columns_that_repeat_each_other_take_no_evidence_away(make_context):
    """Ten measurements of the same five things are five columns, not fifty."""
    x, y = data("overlap")
    x, y = x[:200], y[:200]
    assert weight_of(make_context(x, y)) == 1.0
    g = np.random.default_rng(1)
    often = np.hstack([x + 1e-3 * g.normal(size=x.shape) for _ in range(10)])
    assert weight_of(make_context(often, y)) == 1.0
    assert weight_of(make_context(g.normal(size=(200, 50)), y)) == pytest.approx(200 / 10 / 50, rel=0.1)


def test_weak_evidence_is_a_question_that_names_no_row(make_context, monkeypatch):
    """Between the p at which rows can be told and 0.02 there is a question; from there on there is none."""
    x, y = data("overlap")
    context = make_context(x, y)
    noise = noise_of(context)
    said = {}
    for p in (0.015, 0.03):
        found = replace(noise, p=p, sure=sure(p), rate=0.2, wrong=np.full(len(y), 0.4))
        monkeypatch.setattr("melior.checks.label_noise.noise_of", lambda _, found=found: found)
        said[p] = floor_of(context)
    assert said[0.03] == []
    (finding,) = said[0.015]
    assert not finding.certain
    assert not finding.measured["corrects_scores"]
    assert len(finding.rows) == 0
    assert "may be wrong" in finding.message
