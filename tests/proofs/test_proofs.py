"""Cards: what they say follows from what was measured, and what is kept is what is shown."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from melior.cli.main import app
from melior.errors import UserError
from melior.proofs import data
from melior.proofs._base import Case
from melior.proofs.one import cases_of, proof_of, side
from melior.proofs.planting import rarest
from melior.proofs.prove import digest_of, judged, names, of_pairs, prove
from melior.proofs.tables import SETS
from melior.questions.cards import FOLDER, Card, cards, read_card

CLASSES = np.array(["no", "yes"])


def answered(right: float, seed: int, rows: int = 200) -> dict[str, np.ndarray]:
    """One side of a seed: a share `right` of the answers is right. Rows have the same numbers in every seed."""
    random = np.random.default_rng(seed)
    truth = np.arange(rows) % 2
    wrong = np.arange(rows) >= right * rows
    answers = np.where(wrong, 1 - truth, truth)
    scores = np.clip(np.eye(2)[answers] + 0.1 * random.random((rows, 2)), 0, 1)
    return {
        "scores": scores / scores.sum(1, keepdims=True), "answers": answers, "truth": truth, "rows": np.arange(rows),
        "seconds": np.array(1.0 + right), "mib": np.array(100.0), "classes": CLASSES,
    }  # fmt: skip


def test_a_case_says_the_scores_of_each_seed_and_the_gain_of_all():
    sides = [[answered(0.7, seed), answered(0.8, seed)] for seed in range(5)]
    found = judged(Case("made up", lambda seed: None, methods=("class_weights",)), True, sides)
    each = [f1_score(plain["truth"], plain["answers"], average="macro") for plain, _ in sides]
    assert found.before == pytest.approx(each, abs=1e-5)
    assert found.effect == pytest.approx(found.changed - found.baseline, abs=1e-5)
    assert found.low < found.effect < found.high
    assert found.found == "better"
    assert found.change == "class_weights"
    assert found.seconds == (1.7, 1.8)


def test_rows_of_several_seeds_count_once():
    """The same 200 rows in five seeds are no more than 200 rows: the interval is no narrower for being told again."""
    once = [[answered(0.7, 0), answered(0.75, 0)]]
    five = [[answered(0.7, 0), answered(0.75, 0)] for _ in range(5)]
    case = Case("made up", lambda seed: None)
    one, several = judged(case, True, once), judged(case, True, five)
    assert several.high - several.low == pytest.approx(one.high - one.low, rel=0.15)


def test_what_changes_nothing_and_what_harms():
    same = [[answered(0.7, seed), answered(0.7, seed)] for seed in range(3)]
    assert judged(Case("made up", lambda seed: None), False, same).found == "not shown"
    worse = [[answered(0.8, seed), answered(0.6, seed)] for seed in range(3)]
    assert judged(Case("made up", lambda seed: None), False, worse).found == "worse"


def test_figures_are_compared_by_seed():
    case = Case("time", figure=lambda seed, changed: 0.0, unit="seconds", smaller_is_better=True)
    before, after = np.array([3.0, 4.0, 5.0]), np.array([2.5, 3.0, 4.4])
    sides = [[{"value": b, "seconds": 1.0, "mib": 1.0}, {"value": a, "seconds": 1.0, "mib": 1.0}]
             for b, a in zip(before, after, strict=True)]  # fmt: skip
    found = judged(case, True, sides)
    from scipy.stats import ttest_rel

    low, high = ttest_rel(before, after).confidence_interval()
    assert (found.effect, found.low, found.high) == pytest.approx((0.7, low, high), abs=1e-5)
    assert found.measure == "seconds"
    assert found.seconds is None
    assert of_pairs(np.array([1.0])) == (1.0, -np.inf, np.inf)


def test_a_side_is_the_same_each_time_and_the_change_is_one():
    case = Case("wine", lambda seed: data.plain("wine", seed, rows=60), methods=({"l2_penalty": {"strength": 100.0}},))
    one, again, changed = side(case, 1, False), side(case, 1, False), side(case, 1, True)
    assert np.array_equal(one["scores"], again["scores"])
    assert not np.allclose(one["scores"], changed["scores"])
    assert np.array_equal(one["rows"], changed["rows"])
    assert not np.array_equal(one["rows"], side(case, 2, False)["rows"])


def test_a_card_is_read_as_it_was_written(tmp_path):
    case = judged(Case("made up", lambda seed: None), True, [[answered(0.7, s), answered(0.9, s)] for s in range(3)])
    made = Card("thing", 9, "A paper", "abc", "2026-01-01", {"cores": 2}, (case, replace(case, helps=False)))
    (tmp_path / "thing.json").write_text(json.dumps(asdict(made)))
    assert read_card(tmp_path / "thing.json") == made
    assert made.proved
    assert made.best == case


def test_faults_are_planted_in_training_rows_alone():
    from melior.proofs.planting import FAULTS

    fault = next(one for one in FAULTS if one.name == "wrong labels 40%")
    plain, faulty = data.plain("wine", 3), data.faulty("wine", fault, 3)
    assert plain.test.frame.equals(faulty.test.frame)
    assert np.array_equal(plain.test.given_labels(), faulty.test.given_labels())
    assert (plain.train.given_labels() != faulty.train.given_labels()).mean() == pytest.approx(0.4, abs=0.02)


# ---- what there is


@pytest.mark.parametrize("name", names())
def test_experiments_say_where_it_helps_and_where_not(name):
    proof = proof_of(name)
    assert proof.helps
    assert proof.does_not, f"{name}: a card also says where it does not help"
    assert 1 <= proof.question <= 30
    assert proof.paper
    for case, _ in cases_of(proof):
        assert (case.data is None) != (case.figure is None), case.name
        assert case.seeds >= 3
        assert case.figure is None or case.unit, f"{case.name}: a figure has a unit"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_cards_are_of_the_experiments_that_there_are(name):
    card = cards()[name]
    assert name in names(), f"{name}.json has no experiment"
    assert card.experiment == digest_of(name), f"the experiment {name} has changed: melior prove {name} again"
    assert len(card.cases) == len(cases_of(proof_of(name)))
    for case in card.cases:
        assert len(case.before) == len(case.after) >= 3


def test_bad_names_are_refused():
    with pytest.raises(UserError, match="there is no experiment 'nothing'"):
        prove("nothing", out=FOLDER)


def test_the_terminal_shows_cards(capsys):
    from typer.testing import CliRunner

    shown = CliRunner().invoke(app, ["questions", "9"], env={"COLUMNS": "140"})
    assert shown.exit_code == 0
    assert "class_weights" in shown.output
    assert "helps" in shown.output


@pytest.mark.slow
def test_an_experiment_runs_and_goes_on(tmp_path, monkeypatch):
    """Twice: the second time nothing is fitted again, and the card is the same."""
    import melior.proofs.prove as proofs

    monkeypatch.setattr(proofs, "CACHE", tmp_path / "kept")
    first = prove("class_weights", out=tmp_path / "cards", seeds=2)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").rglob("*.npz")}
    assert len(kept) == 2 * 2 * len(first.cases)
    again = prove("class_weights", out=tmp_path / "cards", seeds=2)
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").rglob("*.npz")} == kept
    assert read_card(tmp_path / "cards" / "class_weights.json").cases == first.cases


@pytest.mark.parametrize("name", ["mixed 600", "breast_cancer"])
def test_the_rare_class_is_the_same_for_every_seed(name):
    """Scores of all seeds are taken together; a class that is rare in one and common in another would be neither."""
    for seed in range(6):
        for part in (data.rare(name, 0.1, seed).train, data.rare(name, 0.1, seed).test):
            counts = part.target_counts()
            assert min(counts, key=counts.get) == rarest(SETS[name](0))
            assert min(counts.values()) < 0.2 * part.rows
