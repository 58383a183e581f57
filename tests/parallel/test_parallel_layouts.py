"""Every layout gives the answer of one process: losses at every step and weights in the end, within 1e-6 in float32.

Plain gradient descent: Adam makes steps of full size of gradients that are nothing but rounding.

Few starts of processes for all cases: two ranks, one process, three ranks and four, once each; what layouts differ in
is nothing to one process, which trains it once for all of them.
"""

import json
import sys
from itertools import pairwise

import numpy as np
import pytest
from started import ended, start, trained

BASE = {"epochs": 3, "batch_rows": 8, "optimizer": "sgd", "learning_rate": 0.05, "log_every": 1, "threads": 1,
        "checkpoint_every": 0, "precision": "float32"}  # fmt: skip
COPIES, SHARDS, TENSOR = {}, {"sharded": True}, {"tensor": 2}
LAYOUTS = {"copies": COPIES, "shards": SHARDS, "tensor": TENSOR}
BESIDE = {**LAYOUTS, "shards": {"sharded": True, "background": True}}  # one of them writes while it goes on
ACCUMULATED = {"copies": ("deep", "causal"), "shards": ("texts", "causal"), "tensor": ("tokens", "bert")}
CLOSE, DRIFT = 1e-6, 1.5e-7


def case(name, toy, parallel, how=None, **changes):
    settings = {**BASE, **changes, "parallel": parallel}
    return {"name": name, "toy": toy, "settings": settings, "how": how or {}}


def cases_of(layouts):
    """61 rows in steps of 8: uneven shares, and a last step of 5; accumulation over micro-batches of 2, of each network
    under one layout and under each layout of two networks. A wrong gradient shows in the loss of the next step."""
    made = []
    for name, parallel in layouts.items():
        made += [case(f"{toy}, {name}", toy, parallel) for toy in ("deep", "texts", "tokens")]
        made += [case(f"{toy}, {name}", toy, parallel, epochs=2) for toy in ("causal", "bert")]
        made += [
            case(f"{toy}, {name}, accumulated", toy, parallel, micro_batch=2, epochs=2)
            for toy in ACCUMULATED.get(name, ())
        ]
        made.append(case(f"packed, {name}", "causal", parallel, {"packed": True}, epochs=2))
        made.append(case(f"adapters, {name}", "lora", parallel, epochs=1))
        made.append(case(f"best, {name}", "deep", parallel, patience=5, average=0.9))
        made.append(case(f"computed again, {name}", "deep", parallel, activation_checkpointing=True, epochs=1))
        made.append(case(f"adamw, {name}", "texts", parallel, optimizer="adamw", learning_rate=0.01, average=0.9))
        made.append(case(f"clipped, {name}", "deep", parallel, clip_norm=0.1, l1=1e-3, clip_value=0.05))
        made.append(case(f"few rows, {name}", "numbers", parallel, {"rows": 9}, batch_rows=3))
        if name != "tensor":
            made.append(case(f"batch norm, {name}", "deep", parallel, {"norm": True}))
    return made


FOUR = {"copies": COPIES, "shards": SHARDS, "tensor x data": TENSOR, "tensor x shards": {**TENSOR, **SHARDS}}
AXES = {f"{toy}, {layout}" for toy in ("deep", "causal", "bert", "adapters") for layout in FOUR}
ON_TWO, ON_FOUR = cases_of(LAYOUTS), [one for one in cases_of(FOUR) if one["name"] in AXES]

MEAN = {"local_steps": 1, "outer_rate": 1.0, "outer_momentum": 0.0}
SUMMED = [
    case(f"mean, {toy}", toy, MEAN, momentum=0.0, clip_norm=None) for toy in ("numbers", "tokens", "narrow")
]  # fmt: skip

OUTER = {"local_steps": 8, "outer_rate": 0.7, "outer_momentum": 0.9}
LOCAL = [
    case(f"local, {name}", "numbers", parallel, {"rows": 400}, epochs=4, optimizer="adamw", learning_rate=rate)
    for name, parallel, rate in (("mean", {"local_steps": 8}, 0.01), ("nesterov", OUTER, 0.002))
]

VALUES = ("nan", "3e38")
BROKEN = [
    case(f"{value}, {name}", "broken", parallel, {"value": value}, epochs=4, checkpoint_every=4)
    for value in VALUES for name, parallel in (("copies", COPIES), ("alone", {"local_steps": 4}))
]  # fmt: skip

WHOLE = {**BASE, "steps": 12, "epochs": 1, "average": 0.9, "optimizer": "adamw", "learning_rate": 0.01,
         "validate_every": 1, "checkpoint_every": 6}  # fmt: skip
UNDISTURBED = {"name": "undisturbed", "toy": "deep", "settings": WHOLE, "how": {}}
LATER = {"alone": (1, {}), "two": (2, SHARDS), "three": (3, SHARDS)}


def halves(folder):
    """Half of the steps under one layout, for each that is to make the rest."""
    return [
        {"name": f"{first}, then {then}", "toy": "deep", "stop_at": 6, "folder": str(folder / f"{first}, then {then}"),
         "settings": {**WHOLE, "checkpoint_every": 2, "parallel": BESIDE[first]}}
        for first in LAYOUTS for then in LATER
    ]  # fmt: skip


def rest(folder, then):
    return [
        {"name": f"the rest of {first}, then {then}", "toy": "deep", "folder": str(folder / f"{first}, then {then}"),
         "settings": {**WHOLE, "parallel": LATER[then][1]}}
        for first in LAYOUTS
    ]  # fmt: skip


def plain(one):
    """What one process is to train for a case."""
    settings = {key: value for key, value in one["settings"].items() if key != "parallel"}
    return {"toy": one["toy"], "how": one["how"], "settings": settings}


PLAIN = []
for each in (*ON_TWO, *ON_FOUR, *SUMMED, *(one for one in BROKEN if one["name"].endswith("copies")), UNDISTURBED):
    if plain(each) not in PLAIN:
        PLAIN.append(plain(each))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("layouts")


@pytest.fixture(scope="module")
def two(folder):
    """What two ranks give, for the cases of all tests; later ones go on from checkpoints of earlier ones."""
    on_disk = [{**one, "name": f"{one['name']} on disk", "folder": str(folder / one["name"])} for one in BROKEN]
    return trained(2, [*ON_TWO, *SUMMED, *LOCAL, *BROKEN, *on_disk, *halves(folder), *rest(folder, "two")])


@pytest.fixture(scope="module")
def one(two, folder):
    """What one process gives: `plain` cases under their place, and the rest of what two ranks began."""
    cases = [{"name": str(place), **each} for place, each in enumerate(PLAIN)]
    return trained(1, [*cases, *rest(folder, "alone")])


def alone(one, case):
    return one[str(PLAIN.index(plain(case)))]


def check(cases, one, several):
    apart = []
    for case in cases:
        name, right, found = case["name"], alone(one, case), several[case["name"]]
        residual = found["losses"] - right["losses"]
        assert len(residual) > 5, name
        assert np.abs(residual).max() < CLOSE, f"{name}: losses {np.abs(residual).max():.1e} apart"
        assert np.abs(found["valid"] - right["valid"]).max(initial=0) < CLOSE, name
        weights = np.abs(found["weights"] - right["weights"]).max()
        assert weights < CLOSE, f"{name}: weights {weights:.1e} apart"
        apart.append(residual.mean())
    assert abs(np.mean(apart)) < DRIFT, f"the mean residual drifts: {np.mean(apart):.1e}"


def test_two_ranks_are_one_process(one, two):
    check(ON_TWO, one, two)


@pytest.mark.slow
def test_four_ranks_are_one_process(one):
    check(ON_FOUR, one, trained(4, ON_FOUR))


def test_averaging_after_every_step_is_summing_gradients(one, two):
    """Also where one of the ranks has memory for fewer rows at once: it halves them alone."""
    for case in SUMMED:
        apart = np.abs(two[case["name"]]["weights"] - alone(one, case)["weights"]).max()
        assert apart < CLOSE, case["name"]


def test_local_steps_learn_and_all_ranks_end_alike(two):
    """That all end with the same weights is asserted by the worker."""
    for case in LOCAL:
        found = two[case["name"]]
        assert found["valid"][-1] < 0.75 * found["valid"][0]
        assert len(found["met"]) == 25  # 200 steps
        assert 0 < found["met"][:, 0].max() < 1  # apart
        assert np.allclose(found["met"][:, 1] * 8, found["met"][:, 2])  # an eighth of what every step would send


@pytest.mark.parametrize("value", VALUES)
def test_a_row_that_breaks_is_left_out_by_the_rank_that_has_it(value, one, two):
    """Under copies all ranks leave the step out together, or go back together; those that step alone leave it out
    alone: none may wait for the others where they do not come."""
    found_of = {name: found for name, found in two.items() if name.startswith(f"{value}, ")}
    assert len(found_of) == 4
    copies = next(case for case in BROKEN if case["name"] == f"{value}, copies")
    for name, found in found_of.items():
        assert np.isfinite(found["weights"]).all(), name
        assert np.isfinite(found["losses"]).all(), name
        assert len(found["valid"]) == 4, name
        if "copies" in name:
            assert np.abs(found["weights"] - alone(one, copies)["weights"]).max() < CLOSE, name


def test_a_checkpoint_is_read_under_other_layouts_and_by_other_numbers_of_ranks(one, two, folder):
    """Half of the steps under one layout, the rest under another: as if one process had made them all."""
    undisturbed = alone(one, UNDISTURBED)
    starts = {"alone": one, "two": two, "three": trained(3, rest(folder, "three"))}
    for then, (ranks, parallel) in LATER.items():
        for first in LAYOUTS:
            found, told = starts[then][f"the rest of {first}, then {then}"], f"{first}, then {parallel} on {ranks}"
            assert len(found["losses"]) == 12, told
            assert np.abs(found["weights"] - undisturbed["weights"]).max() < CLOSE, told
            assert np.abs(found["losses"] - undisturbed["losses"]).max() < CLOSE, told


@pytest.mark.slow
def test_four_ranks_are_gone_on_by_two_and_by_three(tmp_path):
    """Half of the steps on four ranks, the rest on fewer, which share the rows of a step unevenly."""
    fewer = [(f"{first} to {ranks}", layout, ranks) for first, layout in FOUR.items() for ranks in (2, 3)]
    first = [
        {"name": name, "toy": "deep", "stop_at": 6, "folder": str(tmp_path / name),
         "settings": {**WHOLE, "checkpoint_every": 2, "parallel": layout}}
        for name, layout, _ in fewer
    ]  # fmt: skip
    trained(4, first)
    undisturbed = trained(1, [UNDISTURBED])["undisturbed"]
    for ranks in (2, 3):
        names = [name for name, _, then in fewer if then == ranks]
        later = [
            {"name": name, "toy": "deep", "folder": str(tmp_path / name), "settings": {**WHOLE, "parallel": SHARDS}}
            for name in names
        ]
        for name, found in trained(ranks, later).items():
            assert len(found["losses"]) == 12, name
            assert np.abs(found["weights"] - undisturbed["weights"]).max() < CLOSE, name
            assert np.abs(found["losses"] - undisturbed["losses"]).max() < CLOSE, name


DEALT = """
import json, torch, torch.distributed.fsdp as fsdp
from spread_toys import made
from melior.engine.parallel import spread as made_of
from melior.engine.parallel.mesh import Mesh
from melior.engine.parallel.ranks import joined
from melior.layout import Layout

module, *_ = made("deep")
before = [one.detach().clone() for one in module.parameters()]
plain, left = fsdp.fully_shard, []

def counted(one, **how):
    left.append(sum(weight.nbytes for weight in module.parameters()))
    return plain(one, **how)

fsdp.fully_shard = counted
with joined(60):
    mesh = Mesh.of(Layout(sharded=True), torch.device("cpu"))
    held = made_of.spread(module, mesh, torch.device("cpu"))
    left.append(sum(weight.nbytes for weight in module.parameters()))
    held.whole()
    same = all(bool((one == was).all()) for one, was in zip(module.parameters(), before))
    print(json.dumps([left, sum(one.nbytes for one in before), same]))
"""


def test_of_what_is_dealt_out_one_block_at_a_time_is_whole():
    codes, said, errors = ended(start(2, [sys.executable, "-c", DEALT]), seconds=120)
    assert codes == [0, 0], errors
    for left, all_of_it, same in (json.loads(one.splitlines()[-1]) for one in said):
        assert left[0] == all_of_it
        assert left[-1] == 0
        assert all(after < before for before, after in pairwise(left)), left
        assert len(left) > 3
        assert same
