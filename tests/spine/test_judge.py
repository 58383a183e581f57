"""The judge: answers known by hand; by simulation, nothing accepted by chance and something when it should be."""

import numpy as np
import pytest

from melior.metrics import label_weights, metric, one_hot
from melior.trials.judge import Scored, compare
from melior.trials.outlook import outlook

ACCURACY = metric("accuracy", ["no", "yes"])
LOG_LOSS = metric("log_loss", ["no", "yes"])


def scored(answers, rows=None, fold=None, scores=None):
    answers = np.asarray(answers, dtype=np.int32)
    rows = np.arange(len(answers)) if rows is None else np.asarray(rows)
    fold = rows % 5 if fold is None else np.asarray(fold)
    return Scored(rows, one_hot(answers, 2) if scores is None else scores, answers, fold)


def answering(right, truth):
    return scored(np.where(right, truth, 1 - truth))


def simulated(random, *, rows=200, candidates=6, gain=0.0, skill=0.8, copies=0.8):
    """A baseline and candidates whose answers go together: each keeps the baseline's luck for `copies` of the rows."""
    truth = random.integers(0, 2, rows)
    luck = random.random(rows)
    base = luck < skill
    others = []
    for _ in range(candidates):
        own = np.where(random.random(rows) < copies, luck, random.random(rows))
        others.append(answering(own < skill + gain, truth))
    return one_hot(truth, 2), answering(base, truth), others


# ---- by hand


def test_a_difference_known_by_hand():
    truth = np.zeros(400, dtype=int)
    base = answering(np.arange(400) >= 100, truth)  # 300 of 400 right
    better = answering(np.arange(400) >= 40, truth)  # 60 more
    found = compare(ACCURACY, one_hot(truth, 2), base, [better])[0]
    assert found.effect == pytest.approx(0.15)
    error = np.sqrt(0.15 * 0.85 / 400)  # of the mean of a 0/1 difference
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.08)
    assert found.verdict == "accepted"
    assert found.p < 1e-6
    assert found.p_adjusted == pytest.approx(1 / 1001)
    worse = compare(ACCURACY, one_hot(truth, 2), better, [base])[0]
    assert worse.effect == pytest.approx(-0.15)
    assert worse.verdict == "rejected"
    assert "worse" in worse.reason


def test_a_loss_gains_when_it_falls():
    truth = np.arange(200) % 2
    sure = 0.5 + 0.4 * (2 * one_hot(truth, 2) - 1)
    base = scored(truth, scores=np.full((200, 2), 0.5))
    found = compare(LOG_LOSS, one_hot(truth, 2), base, [scored(truth, scores=sure)])[0]
    # every row gains the same, so nothing is left to chance
    assert found.effect == pytest.approx(np.log(2) + np.log(0.9))
    assert (found.verdict, found.reason) == ("undecided", "every row changes alike")


def test_the_same_answers_change_nothing():
    truth, base, _ = simulated(np.random.default_rng(0))
    for whole in (True, False):
        found = compare(ACCURACY, truth, base, [base], whole=[whole])[0]
        assert (found.effect, found.low, found.high) == (0, 0, 0)
        assert found.verdict == "rejected"
        assert ("changes no answer" if whole else "changed no answer in its first folds") in found.reason
        assert found.p is None
        assert found.p_adjusted is None


def test_no_candidates_no_verdicts():
    truth, base, _ = simulated(np.random.default_rng(0))
    assert compare(ACCURACY, truth, base, []) == []


def test_what_was_given_up_is_never_accepted():
    truth = np.zeros(400, dtype=int)
    base, better = answering(np.arange(400) >= 200, truth), answering(np.arange(400) >= 20, truth)
    part = Scored(better.rows[:80], better.scores[:80], better.answers[:80], better.fold[:80])
    both = compare(ACCURACY, one_hot(truth, 2), base, [better, part], whole=[True, False])
    assert [one.verdict for one in both] == ["accepted", "rejected"]
    assert "given up" in both[1].reason
    assert both[1].effect == pytest.approx(0.75)  # on its own 80 rows


def test_order_of_rows_and_candidates_does_not_matter():
    random = np.random.default_rng(3)
    truth, base, others = simulated(random, gain=0.08)
    order = random.permutation(200)
    shuffled = [Scored(c.rows[order], c.scores[order], c.answers[order], c.fold[order]) for c in others]
    assert compare(ACCURACY, truth, base, others) == compare(ACCURACY, truth, base, shuffled)
    turned = compare(ACCURACY, truth, base, others[::-1])[::-1]
    for one, two in zip(compare(ACCURACY, truth, base, others), turned, strict=True):
        assert one.effect == two.effect
        assert one.p_adjusted == pytest.approx(two.p_adjusted, abs=1e-9)


def test_repeats_line_up():
    """A row scored in two repeats stands twice; each stands beside the baseline's of the same repeat."""
    truth = np.zeros(60, dtype=int)
    rows = np.concatenate([np.arange(60), np.arange(60)])
    fold = np.concatenate([np.arange(60) % 3, 3 + np.arange(60) % 3])
    first, second = np.arange(60) % 2, np.arange(60) % 3 == 0
    base = scored(np.concatenate([first, second]).astype(int), rows, fold)
    same = compare(ACCURACY, one_hot(truth, 2), base, [base])[0]
    assert same.effect == 0
    better = scored(np.concatenate([np.zeros(60), second]).astype(int), rows, fold)
    found = compare(ACCURACY, one_hot(truth, 2), base, [better])[0]
    assert found.effect == pytest.approx(0.25)


def test_a_margin_is_the_smallest_effect_that_matters():
    truth = np.zeros(2000, dtype=int)
    base, better = answering(np.arange(2000) >= 200, truth), answering(np.arange(2000) >= 140, truth)  # 0.03 better
    verdicts = {
        margin: compare(ACCURACY, one_hot(truth, 2), base, [better], margin=margin)[0].verdict
        for margin in (0.0, 0.02, 0.035, 0.1)
    }
    assert verdicts[0.0] == verdicts[0.02] == "accepted"
    assert verdicts[0.1] == "rejected"
    assert verdicts[0.035] != "accepted"


def test_groups_are_drawn_together():
    """Ten rows that say the same are one row's worth of proof."""
    truth = np.zeros(400, dtype=int)
    luck = np.repeat(np.arange(40), 10)
    base, better = answering(luck >= 12, truth), answering((luck >= 9) & (luck != 20), truth)
    alone = compare(ACCURACY, one_hot(truth, 2), base, [better])[0]
    together = compare(ACCURACY, one_hot(truth, 2), base, [better], groups=luck)[0]
    assert alone.effect == together.effect
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(np.sqrt(10), rel=0.15)
    assert alone.verdict == "accepted"
    assert together.verdict == "undecided"


def test_folds_that_scatter_widen_the_interval():
    truth = np.zeros(500, dtype=int)
    random = np.random.default_rng(0)
    fold = np.arange(500) % 5
    even = scored(np.where(random.random(500) < 0.1, 0, 1), fold=fold)
    base = scored(np.ones(500, dtype=int), fold=fold)
    uneven = scored(np.where(fold == 0, (random.random(500) > 0.5).astype(int), 1), fold=fold)
    narrow, wide = compare(ACCURACY, one_hot(truth, 2), base, [even, uneven])
    assert narrow.verdict == "accepted"
    assert wide.verdict != "accepted"
    assert wide.effect == pytest.approx(narrow.effect, abs=0.04)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_a_scatter_of_the_folds_that_all_have_in_common_widens_all():
    """Too small to be seen in one of them. By what docs/judge.md says."""
    random = np.random.default_rng(6)
    fold = np.arange(500) % 5
    truth = np.zeros(500, dtype=int)
    base = scored(np.where(random.random(500) < 0.7, 0, 1), fold=fold)
    right = [0.7 + shift for shift in (0.05, -0.05, 0.05, -0.05, 0.0)]
    many = [scored(np.where(random.random(500) < np.array(right)[fold], 0, 1), fold=fold) for _ in range(8)]
    alone = [compare(ACCURACY, one_hot(truth, 2), base, [one])[0] for one in many]
    together = compare(ACCURACY, one_hot(truth, 2), base, many)
    ratios = []
    for one in many:
        gains = [float((one.answers[fold == f] == 0).mean() - (base.answers[fold == f] == 0).mean()) for f in range(5)]
        by_rows = np.std((one.answers == 0).astype(float) - (base.answers == 0), ddof=1) / np.sqrt(500)
        ratios.append(min(np.var(gains, ddof=1) / 5 / by_rows**2, 2.3719))
    widths = np.array([one.high - one.low for one in together])
    expected = np.sqrt(max((3 + sum(ratios)) / 11, 1))
    assert expected > 1.1
    plain = np.array(
        [(one.high - one.low) / np.sqrt(max(1, (3 + r) / 4)) for one, r in zip(alone, ratios, strict=True)]
    )
    assert np.median(widths / plain) == pytest.approx(expected, rel=0.05)


def test_same_seed_same_verdict():
    truth, base, others = simulated(np.random.default_rng(1), gain=0.05)
    assert compare(ACCURACY, truth, base, others, seed=4) == compare(ACCURACY, truth, base, others, seed=4)
    other_draws = compare(ACCURACY, truth, base, others, seed=5)
    assert other_draws != compare(ACCURACY, truth, base, others, seed=4)
    assert [one.effect for one in other_draws] == [one.effect for one in compare(ACCURACY, truth, base, others, seed=4)]


# ---- by simulation


def accepted_by(**how):
    truth, base, others = how.pop("made")
    return [one.verdict == "accepted" for one in compare(ACCURACY, truth, base, others, resamples=200, **how)]


def rate_of(runs, made, **how):
    """Shares of runs in which anything, and in which the first candidate, is accepted."""
    found = [accepted_by(made=made(np.random.default_rng(run)), seed=run, **how) for run in range(runs)]
    return np.mean([any(one) for one in found]), np.mean([one[0] for one in found])


def at_most(share, runs, level=0.05):
    """Within three standard errors of the level."""
    assert share <= level + 3 * np.sqrt(level * (1 - level) / runs), f"{share:.1%} of {runs} runs accept something"


@pytest.mark.parametrize("copies", [0.5, 0.9])
def test_where_nothing_helps_at_most_one_run_in_twenty_accepts(copies):
    anything, _ = rate_of(400, lambda random: simulated(random, copies=copies))
    at_most(anything, 400)


def test_a_larger_share_of_the_level_is_taken_from_the_others():
    random = np.random.default_rng(5)
    truth, base, others = simulated(random, gain=0.06)
    alike = compare(ACCURACY, truth, base, others, weights=[2.0] * len(others))
    assert alike == compare(ACCURACY, truth, base, others)
    first = compare(ACCURACY, truth, base, others, weights=[5.0] + [1.0] * (len(others) - 1))
    assert first[0].p_adjusted < alike[0].p_adjusted
    assert all(one.p_adjusted >= two.p_adjusted for one, two in zip(first[1:], alike[1:], strict=True))
    assert all((one.effect, one.p) == (two.effect, two.p) for one, two in zip(first, alike, strict=True))
    assert first[0].p_adjusted >= first[0].p


def test_the_level_holds_with_shares_of_it():
    weights = [4.0, 4.0, 1.0, 1.0, 1.0, 1.0]
    anything, first = rate_of(400, lambda random: simulated(random, copies=0.5), weights=weights)
    at_most(anything, 400)
    at_most(first, 400, 0.025)


def test_what_is_worse_by_as_much_as_is_allowed_is_seldom_taken_for_no_worse():
    """Twelve candidates that lose a hundredth: one level over all of them, as where one is asked to be better."""
    random = np.random.default_rng(43)
    runs, taken = 300, 0
    for run in range(runs):
        truth = random.integers(0, 2, 1500)
        base = random.random(1500) < 0.8
        entries = []
        for _ in range(12):
            anew = random.random(1500) < 0.1  # answered anew, and worse there
            right = np.where(anew, random.random(1500) < 0.7, base)
            entries.append(scored(np.where(right, truth, 1 - truth)))
        plain = scored(np.where(base, truth, 1 - truth))
        judged = compare(ACCURACY, one_hot(truth, 2), plain, entries, allowed=0.01, resamples=200, seed=run)
        taken += any(one.verdict == "accepted" for one in judged)
    assert taken / runs < 0.05 + 2.33 * np.sqrt(0.05 * 0.95 / runs)
    as_good = compare(ACCURACY, one_hot(truth, 2), plain, [entries[0], plain], allowed=0.2, resamples=200)
    assert [one.verdict for one in as_good] == ["accepted", "undecided"]


def test_the_level_holds_for_candidates_that_are_nearly_the_baseline():
    """Few answers change, so that nothing about the difference is normal."""
    anything, _ = rate_of(400, lambda random: simulated(random, copies=0.98, rows=300))
    at_most(anything, 400)


def test_the_level_holds_with_rows_in_groups():
    def made(random):
        truth, base, others = simulated(random, rows=60, candidates=4)
        wide = [scored(np.repeat(one.answers, 5)) for one in (base, *others)]
        return np.repeat(truth, 5, axis=0), wide[0], wide[1:]

    anything, _ = rate_of(400, made, groups=np.repeat(np.arange(60), 5))
    at_most(anything, 400)
    blind, _ = rate_of(60, made)
    assert blind > 0.15, "without groups copies of rows would pass for proof; if they do not, this test shows nothing"


def test_the_level_holds_against_wrong_labels():
    """Labels are wrong for 20 % of one class, and the baseline is as good as the candidates on the true ones."""
    noise = np.array([[0.8, 0.2], [0.0, 1.0]])

    def made(random):
        truth, base, others = simulated(random)
        codes = truth.argmax(axis=1)
        given = np.where((codes == 0) & (random.random(len(codes)) < 0.2), 1, codes)
        return label_weights(given, noise), base, others

    anything, _ = rate_of(400, made)
    at_most(anything, 400)


def test_wrong_labels_do_not_invent_a_gain():
    """Most rows of a class are labelled as the other: answering the other looks good until the labels are corrected."""
    noise = np.array([[0.4, 0.6], [0.0, 1.0]])
    random = np.random.default_rng(0)
    codes = random.integers(0, 2, 3000)
    given = np.where((codes == 0) & (random.random(3000) < 0.6), 1, codes)
    base, misled = scored(codes), scored(np.where(random.random(3000) < 0.5, 1, codes))
    believed = compare(ACCURACY, one_hot(given, 2), base, [misled])[0]
    corrected = compare(ACCURACY, label_weights(given, noise), base, [misled])[0]
    assert believed.verdict == "accepted"
    assert corrected.verdict == "rejected"
    assert corrected.low < -0.25 < corrected.high


def test_the_interval_holds_the_truth():
    inside = []
    for run in range(300):
        truth, base, others = simulated(np.random.default_rng(run), gain=0.05, candidates=1, rows=400)
        found = compare(ACCURACY, truth, base, others, resamples=300, seed=run)[0]
        inside.append(found.low <= 0.05 <= found.high)
    assert np.mean(inside) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 300)


def test_the_interval_holds_the_truth_where_groups_are_few():
    """Eight groups, whose rows go together: with the normal quantile one in eight intervals would miss."""
    inside = []
    groups = np.repeat(np.arange(8), 15)
    for run in range(300):
        random = np.random.default_rng(run)
        truth = random.integers(0, 2, 120)
        base, other = (
            answering(0.8 * random.normal(size=8)[groups] + 0.6 * random.normal(size=120) < 0.7, truth) for _ in "ab"
        )
        found = compare(ACCURACY, one_hot(truth, 2), base, [other], groups=groups, resamples=300, seed=run)[0]
        inside.append(found.low <= 0 <= found.high)
    assert np.mean(inside) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 300)


def test_power_grows_with_the_effect_and_with_rows():
    def power(gain, rows):
        return rate_of(30, lambda random: simulated(random, gain=gain, rows=rows, candidates=4))[1]

    weak, strong, many = power(0.03, 300), power(0.11, 300), power(0.03, 1800)
    assert weak < strong
    assert weak < many
    assert strong > 0.8
    assert many > 0.6


def test_what_it_says_it_could_have_seen_it_sees():
    """A candidate whose gain is what its own comparison calls detectable is accepted about four times in five."""
    made = {"candidates": 1, "gain": 0.05, "rows": 300}
    judged = [
        compare(ACCURACY, *simulated(np.random.default_rng(run), **made), resamples=300, seed=run)[0]
        for run in range(150)
    ]
    assert np.median([one.detectable for one in judged]) == pytest.approx(0.05, rel=0.1)
    assert 0.7 <= np.mean([one.verdict == "accepted" for one in judged]) <= 0.93


# ---- giving up early


def test_hopeless_ones_are_given_up_and_promising_ones_are_not():
    kept, dropped = [], []
    for run in range(60):
        for gain, into in ((0.06, kept), (-0.12, dropped)):
            truth, base, others = simulated(np.random.default_rng(run), gain=gain, candidates=1, rows=500)
            part = [Scored(s.rows[:100], s.scores[:100], s.answers[:100], s.fold[:100]) for s in (base, others[0])]
            into.append(outlook(ACCURACY, truth, *part, share=0.2, seed=run).hopeless)
    assert np.mean(kept) < 0.15
    assert np.mean(dropped) > 0.5


def test_what_changes_nothing_is_hopeless():
    truth, base, _ = simulated(np.random.default_rng(0))
    nothing = outlook(ACCURACY, truth, base, base, share=0.2)
    assert nothing.hopeless
    assert nothing.chance(0.05) == 0.0


# ---- what is drawn


@pytest.mark.parametrize("grouped", [False, True])
def test_drawing_cells_of_equal_rows_is_drawing_rows(grouped, monkeypatch):
    """The same effects exactly, and the same errors but for chance, with repeats, groups, and a candidate that was
    given up after its first fold."""
    from melior.trials import judge

    random = np.random.default_rng(0)
    truth, base, others = simulated(random, rows=3000, candidates=3, gain=0.02)
    groups = np.where(np.arange(3000) < 300, np.arange(3000) // 3, np.arange(3000)) if grouped else None
    first = np.flatnonzero(base.fold == 0)

    def part(one):
        return Scored(one.rows[first], one.scores[first], one.answers[first], one.fold[first])

    def twice(one):
        return Scored(*(np.concatenate([field, field]) for field in (one.rows, one.scores, one.answers, one.fold)))

    baselines = [twice(base), twice(base), part(base)]
    entries = [twice(others[0]), twice(others[1]), part(others[2])]
    macro = metric("macro_f1", ["no", "yes"])

    def judged():
        return compare(macro, truth, baselines, entries, groups=groups, resamples=4000)

    cells = judged()
    monkeypatch.setattr(judge, "_of_cells", lambda *given: None)
    for one, other in zip(cells, judged(), strict=True):
        assert one.effect == pytest.approx(other.effect, abs=1e-12)
        assert one.high - one.low == pytest.approx(other.high - other.low, rel=0.06)
        assert one.p_adjusted == pytest.approx(other.p_adjusted, abs=0.04)
