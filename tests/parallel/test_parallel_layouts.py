"""Every layout gives the answer of one process: losses at every step and weights in the end, within 1e-6 in float32.

Plain gradient descent: Adam makes steps of full size of gradients that are nothing but rounding.
"""

import numpy as np
import pytest
from started import trained

BASE = {"epochs": 3, "batch_rows": 8, "optimizer": "sgd", "learning_rate": 0.05, "log_every": 1, "threads": 1,
        "checkpoint_every": 0}  # fmt: skip
COPIES, SHARDS, TENSOR = {}, {"sharded": True}, {"tensor": 2}
LAYOUTS = {"copies": COPIES, "shards": SHARDS, "tensor": TENSOR}
BESIDE = {**LAYOUTS, "shards": {"sharded": True, "background": True}}  # one of them writes while it goes on
CLOSE, DRIFT = 1e-6, 1.5e-7


def case(name, toy, parallel, how=None, **changes):
    settings = {**BASE, **changes, "parallel": parallel}
    return {"name": name, "toy": toy, "settings": settings, "how": how or {}}


def cases_of(layouts):
    """61 rows in steps of 8: uneven shares, and a last step of 5; accumulation over micro-batches of 2."""
    made = []
    for name, parallel in layouts.items():
        for toy in ("deep", "texts", "tokens", "causal", "bert"):
            made.append(case(f"{toy}, {name}", toy, parallel))
            made.append(case(f"{toy}, {name}, accumulated", toy, parallel, micro_batch=2))
        made.append(case(f"packed, {name}", "causal", parallel, {"packed": True}))
        made.append(case(f"adapters, {name}", "lora", parallel, epochs=1))
        made.append(case(f"best, {name}", "deep", parallel, patience=5, average=0.9))
        made.append(case(f"computed again, {name}", "deep", parallel, activation_checkpointing=True, epochs=1))
        made.append(case(f"adamw, {name}", "texts", parallel, optimizer="adamw", learning_rate=0.01, average=0.9))
        made.append(case(f"clipped, {name}", "deep", parallel, clip_norm=0.1, l1=1e-3, clip_value=0.05))
        made.append(case(f"few rows, {name}", "numbers", parallel, {"rows": 9}, batch_rows=3))
        if name != "tensor":
            made.append(case(f"batch norm, {name}", "deep", parallel, {"norm": True}))
    return made


def one_process(cases):
    alone = [{**one, "settings": {k: v for k, v in one["settings"].items() if k != "parallel"}} for one in cases]
    return trained(1, alone)


def check(cases, ranks):
    one, several = one_process(cases), trained(ranks, cases)
    apart = []
    for name in one:
        residual = several[name]["losses"] - one[name]["losses"]
        assert len(residual) > 5, name
        assert np.abs(residual).max() < CLOSE, f"{name}: losses {np.abs(residual).max():.1e} apart"
        assert np.abs(several[name]["valid"] - one[name]["valid"]).max(initial=0) < CLOSE, name
        weights = np.abs(several[name]["weights"] - one[name]["weights"]).max()
        assert weights < CLOSE, f"{name}: weights {weights:.1e} apart"
        apart.append(residual.mean())
    assert abs(np.mean(apart)) < DRIFT, f"the mean residual drifts: {np.mean(apart):.1e}"


def test_two_ranks_are_one_process():
    check(cases_of(LAYOUTS), 2)


@pytest.mark.slow
def test_four_ranks_are_one_process():
    layouts = {"copies": COPIES, "shards": SHARDS, "tensor x data": TENSOR, "tensor x shards": {**TENSOR, **SHARDS}}
    names = {f"{toy}, {layout}" for toy in ("deep", "causal", "bert", "adapters") for layout in layouts}
    check([one for one in cases_of(layouts) if one["name"] in names], 4)


def test_averaging_after_every_step_is_summing_gradients():
    """Also where one of the ranks has memory for fewer rows at once: it halves them alone."""
    plain = {"momentum": 0.0, "clip_norm": None, "optimizer": "sgd"}
    mean = {"local_steps": 1, "outer_rate": 1.0, "outer_momentum": 0.0}
    cases = [case(toy, toy, mean, **plain) for toy in ("numbers", "tokens", "narrow")]
    one, several = one_process(cases), trained(2, cases)
    for name in one:
        assert np.abs(several[name]["weights"] - one[name]["weights"]).max() < CLOSE, name


def test_local_steps_learn_and_all_ranks_end_alike():
    """That all end with the same weights is asserted by the worker."""
    outer = {"local_steps": 8, "outer_rate": 0.7, "outer_momentum": 0.9}
    plain = case("mean", "numbers", {"local_steps": 8}, {"rows": 400}, epochs=4, optimizer="adamw", learning_rate=0.01)
    nesterov = case("outer", "numbers", outer, {"rows": 400}, epochs=4, optimizer="adamw", learning_rate=0.002)
    for found in trained(2, [plain, nesterov]).values():
        assert found["valid"][-1] < 0.75 * found["valid"][0]
        assert len(found["met"]) == 25  # 200 steps
        assert 0 < found["met"][:, 0].max() < 1  # apart
        assert np.allclose(found["met"][:, 1] * 8, found["met"][:, 2])  # an eighth of what every step would send


@pytest.mark.parametrize("value", ["nan", "3e38"])
def test_a_row_that_breaks_is_left_out_by_the_rank_that_has_it(value, tmp_path):
    """Under copies all ranks leave the step out together, or go back together; those that step alone leave it out
    alone: none may wait for the others where they do not come."""
    how, layouts = {"value": value}, {"copies": COPIES, "alone": {"local_steps": 4}}
    cases = [case(name, "broken", parallel, how, epochs=4, checkpoint_every=4) for name, parallel in layouts.items()]
    on_disk = [{**one, "name": f"{one['name']} on disk", "folder": str(tmp_path / one["name"])} for one in cases]
    one = one_process(cases[:1])["copies"]
    for name, found in trained(2, [*cases, *on_disk]).items():
        assert np.isfinite(found["weights"]).all(), name
        assert np.isfinite(found["losses"]).all(), name
        assert len(found["valid"]) == 4, name
        if name.startswith("copies"):
            assert np.abs(found["weights"] - one["weights"]).max() < CLOSE, name


def test_a_checkpoint_is_read_under_other_layouts_and_by_other_numbers_of_ranks(tmp_path):
    """Half of the steps under one layout, the rest under another: as if one process had made them all."""
    whole = {**BASE, "steps": 12, "epochs": 1, "average": 0.9, "optimizer": "adamw", "learning_rate": 0.01,
             "validate_every": 1, "checkpoint_every": 6}  # fmt: skip
    undisturbed = trained(1, [{"name": "x", "toy": "deep", "settings": whole}])["x"]
    later = {"alone": (1, {}), "three": (3, SHARDS), "two": (2, SHARDS)}
    halves = [
        {"name": f"{first} {then}", "toy": "deep", "stop_at": 6,
         "settings": {**whole, "checkpoint_every": 2, "parallel": BESIDE[first]},
         "folder": str(tmp_path / f"{first} {then}")}
        for first in LAYOUTS for then in later
    ]  # fmt: skip
    trained(2, halves)
    for then, (ranks, parallel) in later.items():
        rest = [
            {"name": first, "toy": "deep", "settings": {**whole, "parallel": parallel},
             "folder": str(tmp_path / f"{first} {then}")}
            for first in LAYOUTS
        ]  # fmt: skip
        for first, found in trained(ranks, rest).items():
            told = f"{first}, then {parallel} on {ranks}"
            assert len(found["losses"]) == 12, told
            assert np.abs(found["weights"] - undisturbed["weights"]).max() < CLOSE, told
            assert np.abs(found["losses"] - undisturbed["losses"]).max() < CLOSE, told
