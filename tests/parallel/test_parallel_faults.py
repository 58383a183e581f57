"""What goes wrong in a training of several ranks ends as in one process, or with a sentence on every rank.

One start of two ranks for all cases, and one of one process.
"""

import numpy as np
import pytest
from started import trained

BASE = {"epochs": 1, "batch_rows": 8, "optimizer": "adamw", "learning_rate": 0.01, "log_every": 1, "threads": 1,
        "checkpoint_every": 2, "precision": "float32"}  # fmt: skip
LAYOUTS = {"copies": {}, "shards": {"sharded": True}, "tensor": {"tensor": 2}}
CLOSE = 1e-6


def case(name, toy, parallel, how=None, **changes):
    settings = {**BASE, **changes, "parallel": parallel}
    return {"name": name, "toy": toy, "settings": settings, "how": how or {}}


ALONE = case("back", "once", None, {"step": 5})
BACK = [case(f"back, {name}", "once", parallel, {"step": 5}) for name, parallel in LAYOUTS.items()]
BACK.append(case("back, shards in pieces", "once", LAYOUTS["shards"], {"step": 5}, micro_batch=2))
ON_DISK = [{**one, "name": f"{one['name']}, on disk"} for one in BACK]
FACTORED = [
    {**case(f"adafactor, {name}", "deep", LAYOUTS[name], optimizer="adafactor"), "refused": True}
    for name in ("shards", "tensor")
]  # fmt: skip
OUTER = {"local_steps": 4, "outer_rate": 0.7, "outer_momentum": 0.9}
AVERAGED = [
    case(f"averaged, {keep}, {name}", "deep", parallel, average=0.9, keep=keep, validate_every=4, epochs=2)
    for keep in ("best", "last") for name, parallel in (("mean", {"local_steps": 4}), ("outer", OUTER))
]  # fmt: skip
STOPPED = [
    {**case("stopped, alone", "broken", {"local_steps": 4}, {"value": "nan"}, non_finite="stop"), "refused": True},
    {**case("ten in a row, alone", "broken", {"local_steps": 4}, {"value": "nan", "all_of": "1"}, epochs=3),
     "refused": True},
]  # fmt: skip
WIDE = {name: case(f"wide, {name}", "wide", parallel) for name, parallel in LAYOUTS.items()}
for met in ("shards", "tensor"):
    WIDE[met]["refused"] = True
ON_DISK += [*AVERAGED, *STOPPED]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    kept = [{**one, "folder": str(folder / one["name"])} for one in ON_DISK]
    return trained(2, [*BACK, *kept, *FACTORED, *WIDE.values()])


@pytest.fixture(scope="module")
def one():
    return trained(1, [ALONE])


@pytest.mark.parametrize("name", [one["name"] for one in (*BACK, *ON_DISK) if one["toy"] == "once"])
def test_going_back_gives_the_weights_of_one_process(name, one, two):
    """The passes that look whose fault it is leave shards gathered, and what is put back must not go there."""
    right, found = one["back"], two[name]
    assert len(right["told"]) == 1
    assert "back to step 4, at 0.5 times the rate" in right["told"][0]
    assert list(found["told"]) == list(right["told"])
    assert np.abs(found["losses"] - right["losses"]).max() < CLOSE
    assert np.abs(found["weights"] - right["weights"]).max() < CLOSE


def test_the_first_line_of_layers_has_every_weight(one, two):
    """The passes that are tried out before the first step leave shards gathered too."""
    for found in (two[case["name"]] for case in BACK):
        assert found["layers"].tolist() == one["back"]["layers"].tolist()


@pytest.mark.parametrize("name", [one["name"] for one in FACTORED])
def test_adafactor_of_matrices_that_are_dealt_out_is_refused_by_every_rank(name, two):
    said = two[name]["said"].tolist()
    assert said[0].startswith("optimizer: adafactor looks at rows and columns of whole matrices")
    assert said == [said[0]] * 2


@pytest.mark.parametrize("name", [one["name"] for one in AVERAGED])
def test_the_moving_average_of_ranks_that_step_alone_is_common_where_they_meet(name, two):
    """Else the best weights, which are written once, would differ. That all end alike is asserted by the worker."""
    found = two[name]
    assert not len(found["told"]), found["told"]  # every checkpoint was written
    assert found["valid"][-1] < found["valid"][0]
    assert np.allclose(found["met"][:, 1] * 2, found["met"][:, 2])  # twice a quarter of what every step would send


def test_a_rank_that_steps_alone_and_has_to_stop_says_so_for_all_where_they_meet(two):
    """It used to write a checkpoint by itself, which the others took for their own sums."""
    for case in STOPPED:
        said = two[case["name"]]["said"].tolist()
        assert said == [said[0]] * 2
        assert "the loss is not finite for row" in said[0]
        assert said[0].endswith("Look at these rows, or lower the learning rate.")
    assert "not finite for row 7. " in two["stopped, alone"]["said"][0]
    assert two["ten in a row, alone"]["said"][0].startswith("rank 1: step 10: ")


def test_fewer_rows_are_validated_at_once_where_no_other_rank_meets_this_one(two):
    assert len(two["wide, copies"]["valid"]) == 1
    for name, rows in (("shards", 4), ("tensor", 8)):
        for rank, said in enumerate(two[f"wide, {name}"]["said"]):
            assert said.startswith(f"out of memory on rank {rank} with {rows} rows at once: give a smaller micro_batch")
