"""Layouts along several axes give the answer of one process: data x tensor x pipeline, sharded or not.

What takes two axes and is quick stands in `test_parallel_pipeline.py`.
"""

import os

import numpy as np
import pytest
from stage_cases import alone, case, is_the_same, run

ADAMW = {"optimizer": "adamw", "learning_rate": 1e-3, "average": 0.9}
KEPT = {"average": 0.9, "checkpoint_every": 3}
MATRICES, SHARDS = {"pipeline": 2, "tensor": 2}, {"pipeline": 2, "sharded": True}
FEW = {"rows": 29}
FOUR = {
    "bert-tensor": ("bert", FEW, {"parallel": MATRICES}),
    "bert-shards": ("bert", FEW, {"parallel": SHARDS}),
    "distilbert-tensor": ("distilbert", FEW, {"parallel": {**MATRICES, "schedule": "gpipe", "pieces": 2}}),
    "packed-tensor": ("causal", {"packed": True, **FEW}, {"clip_norm": 0.1, "parallel": MATRICES}),
    "packed-shards": ("causal", {"packed": True, **FEW}, {"parallel": {**SHARDS, "schedule": "gpipe"}}),
    "tied-tensor": ("tied", FEW, {"clip_norm": 0.3, "l1": 1e-4, "clip_value": 0.05, "parallel": MATRICES}),
    "gpt2-shards": ("gpt2", FEW, {"activation_checkpointing": True, "parallel": SHARDS}),
    "adapters-tensor": ("lora", FEW, {"parallel": MATRICES}),
    "adapters-shards": ("lora", FEW, {"parallel": SHARDS}),
    "deep-shards": ("deep", {}, {**ADAMW, "weight_decay": 0.1, "patience": 5, "parallel": SHARDS}),
    "layers-tensor": ("layers", {}, {"parallel": MATRICES}),
    "few-rows-shards": ("causal", {"rows": 13}, {"batch_rows": 3, "epochs": 2, "parallel": SHARDS}),
    "faulty-tensor": ("faulty", {}, {"non_finite": "skip", "parallel": MATRICES}),
    "faulty-shards": ("faulty", {}, {"non_finite": "skip", "parallel": SHARDS}),
}
ALL = {"pipeline": 2, "tensor": 2, "data": 2}
EIGHT = {
    "causal-all": ("causal", FEW, {"parallel": ALL}),
    "bert-all": ("bert", FEW, {"parallel": {**ALL, "sharded": True}}),
    "tied-all": ("tied", FEW, {"clip_norm": 0.3, "parallel": {**ALL, "sharded": True}}),
}
REFUSED = {"odd": ("deep", {"width": 15}, {"parallel": MATRICES}, "no matrix of this network can be shared")}


def once(name, toy, how, settings):
    return case(name, toy, how, {"epochs": 1, **settings})


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """What one process gives, and what four ranks give."""
    folder = tmp_path_factory.mktemp("meshes")
    cases = [once(name, *rest) for name, rest in FOUR.items()]
    refused = [case(name, *rest[:-1]) for name, rest in REFUSED.items()]

    def kept(name, parallel, **more):
        return case(name, "causal", FEW, {**KEPT, "parallel": parallel}, folder=str(folder / name), **more)

    # both are ended in their sixth or seventh step of eight
    ended = {"tensor": kept("ended-tensor", MATRICES, kill=43), "shards": kept("ended-shards", SHARDS, kill=24)}
    later = {"copies": {}, "line": {"pipeline": 4}, "tensor": {**MATRICES, "background": True}, "shards": SHARDS}
    went_on = [
        kept(f"{first}, then {then}", parallel, copy=str(folder / f"ended-{first}"))
        for first in ended for then, parallel in later.items() if first != then
    ]  # fmt: skip
    several = run(4, [*cases, *refused, *ended.values(), *went_on], folder, 1200)
    undisturbed = case("undisturbed", "causal", FEW, KEPT)
    return run(1, [*(alone(one) for one in cases), undisturbed], folder), several


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FOUR))
def test_two_axes_give_the_answer_of_one_process(four, name):
    is_the_same(four[0][name], four[1][name])


@pytest.mark.slow
def test_a_checkpoint_of_two_axes_is_read_under_others(four):
    one, several = four[0]["undisturbed"], four[1]
    names = [name for name in several if ", then " in name]
    assert len(names) == 6
    for name in names:
        found = several[name]
        assert any("went on from step" in note for note in found["said"]["notes"]), (name, found["said"])
        np.testing.assert_allclose(found["losses"], one["losses"], rtol=0, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(found["weights"], one["weights"], rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(REFUSED))
def test_what_does_not_go_together_is_refused_by_one_sentence(four, name):
    said = four[1][name]["said"]["refused"]
    assert REFUSED[name][-1] in said
    assert "\n" not in said


@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 4, reason="eight processes need four cores")
def test_eight_ranks_along_three_axes_give_the_answer_of_one_process(tmp_path):
    cases = [once(name, *rest) for name, rest in EIGHT.items()]
    one, several = run(1, [alone(each) for each in cases], tmp_path), run(8, cases, tmp_path, 1200)
    for name in EIGHT:
        is_the_same(one[name], several[name])
