"""Findings that propose further devices: only where the history tells of some, and with the figures of the plan."""

import re

import pytest

from melior.checks._training import Record, training_checks
from melior.checks.out_of_memory import OutOfMemory
from melior.checks.slow_training import SlowTraining
from melior.questions import questions

WEIGHTS = {"a": {"kind": "Linear", "shape": [1000, 1000]}}


def record(seconds=100.0, steps=100, events=(), **start):
    """A training of so many seconds on one of two processors, one line a step."""
    settings = {"batch_rows": 32, "optimizer": "adamw", "activation_checkpointing": False, **start.pop("settings", {})}
    given = {"ranks": 1, "devices": 2, "threads": 1, "device": "cpu", "weights": WEIGHTS, "settings": settings, **start}
    lines = [
        {
            "kind": "step",
            "step": n + 1,
            "loss": 1.0,
            "padding": 0.0,
            "waited": 0.0,
            "seconds": seconds * (n + 1) / steps,
        }
        for n in range(steps)
    ]
    return Record([{"kind": "start", "step": 0, **given}, *lines, *events])


def proposed(given):
    return next((one for one in SlowTraining().measure(given) if one.measured["cause"] == "one device"), None)


def test_a_second_processor_is_proposed_with_what_it_gives():
    """A step of a second, 4 MB of gradients, 2 (n - 1) / n of them sent at 1 GB/s: 0.5 s + 4 ms, and some messages."""
    found = proposed(record())
    assert found.measured["processes"] == 2
    assert found.measured["times"] == pytest.approx(1 / (0.5 + 0.004), rel=0.01)
    assert "2 processes: about 2.0 times as fast, by the plan" in found.message
    assert found.severity == pytest.approx(1 - 1 / found.measured["times"])


def test_what_does_not_shrink_with_the_rows_is_counted():
    """Twice the rows took 1.5 times as long: half of a step stays, so two processes are 1 / 0.75 times as fast."""
    found = proposed(record(twice=1.5, micro_batch=32))
    assert found.measured["times"] == pytest.approx(1 / 0.75, rel=0.01)
    assert proposed(record(twice=1.0, micro_batch=32)) is None


@pytest.mark.parametrize(
    "given",
    [
        record(ranks=2),
        record(devices=1),
        record(threads=2),
        record(seconds=30.0),
        record(settings={"batch_rows": 1}),
        record(ranks=None),
        record(weights={}),
        record(steps=10_000, weights={"a": {"kind": "Linear", "shape": [10_000, 10_000]}}),
    ],
    ids=["two already", "one device", "both used", "short", "one row", "not told", "no weights", "nothing but sending"],
)
def test_nothing_is_proposed_where_it_does_not_help(given):
    assert proposed(given) is None


def test_gpus_are_counted_each():
    given = record(device="cuda", devices=8, threads=16, said="bfloat16 on NVIDIA H100 80GB HBM3: it has matrix units")
    found = proposed(given)
    assert found.measured["processes"] == 8
    assert 7 < found.measured["times"] <= 8
    assert "one GPU of 8" in found.message


def test_more_devices_are_not_always_better():
    """With 64 processors and gradients that take a fifth of a step to send, a few are best."""
    given = record(devices=64, seconds=4.0 * 100, weights={"a": {"kind": "Linear", "shape": [10_000, 10_000]}})
    found = proposed(given)
    times = found.measured["times"]
    assert 1.2 <= times < found.measured["processes"]


def test_out_of_memory_says_what_would_need_less():
    event = {"kind": "event", "step": 3, "name": "out_of_memory", "what": "", "before": 8, "micro_batch": 4}
    weights = {"a": {"kind": "Linear", "shape": [25_000, 300_000]}}  # 7.5B: 120 GB, and 1.9 GB at 64 ranks
    gpus = record(events=[event], device="cuda", devices=64, weights=weights)
    (found,) = OutOfMemory().measure(gpus)
    assert "checkpointing: true" in found.message
    each, alone = re.search(r"each holds ([\d.]+) GiB .* instead of ([\d.]+) GiB", found.message).groups()
    assert float(alone) == pytest.approx(120e9 / 2**30, abs=0.1)
    assert float(each) == pytest.approx(1.875e9 / 2**30, abs=0.1)
    (plain,) = OutOfMemory().measure(record(events=[event], settings={"activation_checkpointing": True}))
    assert plain.message.endswith("were meant to.")  # processes share the memory of one machine


def test_what_the_questions_name_is_there():
    known = {
        "train.parallel", "train --plan", "train --processes", *(f"check {name}" for name in training_checks()),
    }  # fmt: skip
    named = {one.id: one for asked in questions() if asked.n in (3, 16, 20) for one in asked.answers}
    for name in ("data_parallel", "model_parallel", "distributed_training", "multi_gpu"):
        assert named[name].here
        assert set(named[name].by) <= known
