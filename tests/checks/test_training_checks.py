"""Checks of a training: nothing is found where nothing is wrong, and what was planted is."""

import numpy as np
import pytest

from melior.checks._depth import chance, course, grouped
from melior.checks._training import Record, training_checks
from melior.checks.exploding_gradients import ExplodingGradients, jumps
from melior.checks.out_of_memory import OutOfMemory
from melior.checks.overfitting_curves import OverfittingCurves, curve_noise
from melior.checks.slow_training import SlowTraining
from melior.checks.untuned import FALLING, Untuned
from melior.errors import UserError
from melior.findings import SYMPTOMS
from melior.testing.promises import NAME


def line(kind, step, **more):
    return {"kind": kind, "step": step, **more}


def history(losses, rate=1e-3, norms=None, **start):
    """A record with these training losses, one line a step of a second."""
    norms = np.ones(len(losses)) if norms is None else norms
    steps = [
        line("step", n + 1, loss=float(a), rate=rate, norm=float(b), padding=0.0, waited=0.0, seconds=n + 1.0)
        for n, (a, b) in enumerate(zip(losses, norms, strict=True))
    ]
    settings = {"learning_rate": rate, "batch_rows": 32, **start.pop("settings", {})}
    return Record([line("start", 0, steps=len(losses), settings=settings, **start), *steps])


def with_lines(record, *lines):
    return Record([*record.lines, *lines])


def found_by(check, record):
    return {one.symptom for one in check().measure(record)}


def every(record):
    return [f"{one.symptom}: {one.message}" for check in training_checks().values() for one in check().measure(record)]


RANDOM = np.random.default_rng(0)
LEARNED = 0.3 + 1.2 * np.exp(-np.arange(200) / 20) + RANDOM.normal(0, 0.02, 200)  # ten times as long as it needs


# ---- each check says what it is, and nothing of a record that does not tell


@pytest.mark.parametrize("check", training_checks().values(), ids=list(training_checks()))
def test_says_what_it_is(check):
    assert NAME.fullmatch(check.name)
    assert check.symptoms
    assert check.symptoms <= set(SYMPTOMS)
    assert len(check.__doc__.split()) > 20


@pytest.mark.parametrize(
    "record",
    [
        Record([line("start", 0)]),
        Record([line("event", 3, what="an old line without a name")]),
        Record([line("step", n, loss=None, rate=None) for n in range(50)]),
        history(LEARNED),
        history(np.zeros(100)),
        with_lines(history(LEARNED), line("valid", 200), line("layers", 1), line("layers", 9, layers={}, units={})),
    ],
    ids=["start", "event", "unknown", "learned", "zero", "empty"],
)
def test_nothing_is_said_where_nothing_is_known(record):
    assert every(record) == []


def test_a_history_cut_short_is_read(tmp_path):
    (tmp_path / "history.jsonl").write_text('{"kind": "step", "step": 1, "loss": 2}\n{"kind": "st', encoding="utf-8")
    assert Record.load(tmp_path).last_step == 1
    (tmp_path / "history.jsonl").write_text("no history\n", encoding="utf-8")
    with pytest.raises(UserError, match="no line"):
        Record.load(tmp_path)
    with pytest.raises(UserError, match="missing"):
        Record.load(tmp_path / "nowhere")


# ---- overfitting


def validated(values, losses=LEARNED, **settings):
    valid = [line("valid", (n + 1) * len(losses) // len(values), loss=float(v)) for n, v in enumerate(values)]
    return with_lines(history(losses, settings=settings), *valid)


FALLS = np.linspace(1.5, 0.05, 200)
U = 0.6 + 0.5 * np.linspace(-0.6, 1, 20) ** 2


def test_a_validation_loss_that_rises_again_is_overfitting():
    (found,) = OverfittingCurves().measure(validated(U, FALLS))
    assert found.measured["best_step"] == 10 * (1 + int(np.argmin(U)))
    assert found.measured["best"] == pytest.approx(U.min(), rel=1e-6)
    assert found.severity == pytest.approx((U[-1] - U.min()) / (1.5 - U.min()), rel=1e-6)


def test_rising_is_no_overfitting_where_training_rises_too():
    assert not OverfittingCurves().measure(validated(U, FALLS[::-1]))


def test_best_weights_that_were_kept_lost_nothing():
    (found,) = OverfittingCurves().measure(validated(U, FALLS, patience=5, keep="auto"))
    assert found.severity == pytest.approx(0.1)


def test_noise_around_a_level_is_no_overfitting():
    alarms = 0
    for seed in range(500):
        random = np.random.default_rng(seed)
        values = 0.6 + random.normal(0, 0.1, random.integers(4, 40))
        alarms += bool(OverfittingCurves().measure(validated(values, FALLS)))
    assert alarms <= 5  # 1 %


def test_noise_of_a_curve_is_that_around_its_course():
    x = np.linspace(0, 3, 4000)
    values = np.exp(-x) + np.random.default_rng(1).normal(0, 0.05, 4000)
    assert curve_noise(values) == pytest.approx(0.05, rel=0.1)


# ---- depth


def test_chance_covers_random_relu_layers():
    """Directly: products of random ReLU layers, and how far the norm of a signal drifts."""
    width, depth, beyond = 24, 10, 0
    allowed = chance([width] * depth)
    for seed in range(400):
        random = np.random.default_rng(seed)
        signal = random.normal(size=width)
        start = np.linalg.norm(signal)
        for _ in range(depth):
            signal = np.maximum(random.normal(0, np.sqrt(2 / width), (width, width)) @ signal, 0)
        beyond += not 1 / allowed < np.linalg.norm(signal) / start < allowed
    assert beyond <= 4  # 1 %
    assert allowed < 4**3  # a gain of 4 over three layers is seen all the same


def test_layers_of_one_role_go_together():
    names = ["stem.weight", *[f"layer.{n}.{part}.weight" for n in range(3) for part in ("query", "value")]]
    assert grouped(names) == [[f"layer.{n}.{part}.weight" for n in range(3)] for part in ("query", "value")]
    assert grouped(["a.weight", "b.weight", "c.weight"]) == [["a.weight", "b.weight", "c.weight"]]
    assert grouped(["a.weight", "b.weight"]) == []


def test_course_of_a_geometric_series_is_its_factor():
    names = [f"{n}.weight" for n in range(6)]
    drawn = course(names, {name: 3.0**n for n, name in enumerate(names)}, dict.fromkeys(names, 100))
    assert drawn.change == pytest.approx(3.0**5)


# ---- exploding


def jumped(after):
    norms = 1 + 0.1 * np.random.default_rng(2).random(200)
    norms[120] = 50
    losses = LEARNED.copy()
    losses[121:127] += after
    return history(losses, norms=norms)


def test_a_jump_that_costs_what_was_learned_is_found():
    (found,) = ExplodingGradients().measure(jumped(0.8))
    assert found.measured["step"] == 121
    assert [one["step"] for one in jumps(jumped(0.8))] == [121]


def test_a_jump_that_costs_nothing_is_none():
    assert not ExplodingGradients().measure(jumped(0.0))


def broke(steps, data):
    events = [line("event", n, name="non_finite", what="not finite; the step was left out", data=data) for n in steps]
    return with_lines(history(LEARNED), *events)


def test_rows_at_fault_are_no_explosion():
    assert not found_by(ExplodingGradients, broke([7, 60, 110], data=True))
    assert found_by(ExplodingGradients, broke([7], data=False))


# ---- time and memory


def test_out_of_memory_says_from_where_to_where():
    events = [line("event", 0, name="out_of_memory", what="", before=b, micro_batch=b // 2) for b in (32, 16)]
    (found,) = OutOfMemory().measure(with_lines(history(LEARNED), *events))
    assert "8 rows" in found.message
    assert "32" in found.message
    assert found.severity == 0.75


def test_saving_of_padding_is_the_share_of_tokens_that_go():
    def padding(now, sorted_by_length):
        record = history(LEARNED, padded=now, padded_by_length=sorted_by_length)
        return Record([{**one, "padding": now} if one["kind"] == "step" else one for one in record.lines])

    (found,) = SlowTraining().measure(padding(0.5, 0.2))  # 100 real tokens: 200 in all, or 125
    assert found.severity == pytest.approx(75 / 200)
    assert not SlowTraining().measure(padding(0.5, 0.49))


def test_a_precision_slower_than_the_hardware_does_fast_is_found():
    slow = history(LEARNED, precision="float32", fast={"dtype": "bfloat16", "times": 4.0})
    (found,) = SlowTraining().measure(slow)
    assert found.severity == 0.75
    assert not SlowTraining().measure(history(LEARNED, precision="float32", fast={"dtype": "bfloat16", "times": 1.1}))


def test_small_batches_are_found_in_long_trainings_only():
    assert found_by(SlowTraining, history(LEARNED, micro_batch=32, twice=1.1))
    assert not found_by(SlowTraining, history(LEARNED, micro_batch=32, twice=1.9))
    assert not found_by(SlowTraining, history(LEARNED[:40], micro_batch=32, twice=1.1))  # 40 seconds


# ---- learning rate


def exponential(k, steps=4000):
    """A loss that falls by exp(-k) over the training."""
    return 1.0 + np.exp(-k * np.arange(steps) / steps)


@pytest.mark.parametrize("k", [0.05, 0.5, 0.66])
def test_a_fall_with_half_of_its_way_before_it_is_too_slow(k):
    assert np.exp(-k) > 0.5
    assert found_by(Untuned, history(exponential(k))) == {"untuned"}


@pytest.mark.parametrize("k", [0.74, 1.5, 5.0])
def test_a_fall_with_more_than_half_of_its_way_behind_it_is_not(k):
    assert np.exp(-k) < 0.5
    assert not found_by(Untuned, history(exponential(k)))


def test_the_threshold_is_that_of_half_the_way():
    k = np.log(2)
    means = -np.diff(np.exp(-k * np.arange(5) / 4)) * 4 / k
    assert pytest.approx((means[2] - means[3]) / (1 - means[3]), abs=1e-3) == FALLING


def test_noise_is_no_fall():
    alarms = 0
    for seed in range(300):
        alarms += bool(Untuned().measure(history(1 + np.random.default_rng(seed).normal(0, 0.1, 100))))
    assert alarms <= 3


def test_a_loss_that_overshoots_is_too_high():
    losses = LEARNED.copy()
    losses[5:30] += 4
    (found,) = Untuned().measure(history(losses))
    assert "too high" in found.message


def test_far_from_a_range_test():
    def tested(rate, **rates):
        return Record(history(LEARNED, rate).lines, **rates)

    assert not Untuned().measure(tested(1e-3, suggested=5e-3, highest=1e-1))
    for rates in ({"suggested": 2e-2, "highest": 1.0}, {"suggested": 1e-5, "highest": 1e-4}):
        (found,) = Untuned().measure(tested(1e-3, **rates))
        assert not found.certain
