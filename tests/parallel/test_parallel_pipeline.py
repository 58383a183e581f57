"""A pipeline gives the answer of one process: losses at every step, norms of gradients and the weights in the end.

Few starts of processes for all cases: one process, two ranks and four, once each.
"""

import numpy as np
import pytest
from stage_cases import BASE, alone, case, is_the_same, run

ADAMW = {"optimizer": "adamw", "learning_rate": 1e-3, "average": 0.9}
TWO = {  # name: toy, how it is made, settings
    "deep": ("deep", {}, {"parallel": {"pipeline": 2}}),
    "deep-gpipe": ("deep", {}, {"parallel": {"pipeline": 2, "schedule": "gpipe", "pieces": 3}}),
    "deep-pieces": ("deep", {}, {"micro_batch": 3, "parallel": {"pipeline": 2}}),
    "deep-adamw": ("deep", {}, {**ADAMW, "weight_decay": 0.1, "patience": 5, "parallel": {"pipeline": 2}}),
    "causal": ("causal", {"rows": 29}, {"parallel": {"pipeline": 2}}),
    "causal-packed": ("causal", {"packed": True, "rows": 29}, {"parallel": {"pipeline": 2}}),
    "causal-gpipe": ("causal", {"rows": 29}, {"parallel": {"pipeline": 2, "schedule": "gpipe"}}),
    "causal-two-rows": ("causal", {"rows": 13}, {"batch_rows": 2, "parallel": {"pipeline": 2}}),
    "bert": ("bert", {"rows": 29}, {"parallel": {"pipeline": 2}}),
    "distilbert": ("distilbert", {"rows": 29}, {"parallel": {"pipeline": 2, "pieces": 2}}),
    "tied": ("tied", {"rows": 29}, {"clip_norm": 0.3, "l1": 1e-4, "clip_value": 0.05, "parallel": {"pipeline": 2}}),
    "gpt2": ("gpt2", {"rows": 29}, {"activation_checkpointing": True, "parallel": {"pipeline": 2}}),
    "faulty": ("faulty", {}, {"non_finite": "skip", "parallel": {"pipeline": 2}}),
    "layers": ("layers", {}, {"parallel": {"pipeline": 2}}),
    # as where the whole network does not fit on a device: blocks come by one at a time
    "visited-causal": ("causal", {"rows": 29}, {"parallel": {"pipeline": 2}}),
    "visited-tied": ("tied", {"rows": 29}, {"clip_norm": 0.3, "parallel": {"pipeline": 2}}),
}  # fmt: skip
# Where one process has the same micro-batches and no norm is taken (a sum over stages rounds in another way), every
# weight goes through the same operations in the same order, so that not a bit may differ.
EXACTLY = {
    f"{name}-exactly": (toy, how, {**settings, "micro_batch": 2, "clip_norm": None, "parallel": {"pipeline": 2}})
    for name, toy, how, settings in [
        ("deep", "deep", {}, ADAMW),
        ("short", "deep", {}, {"precision": "bfloat16"}),
        ("layers", "layers", {}, ADAMW),
        ("attending", "attending", {}, ADAMW),
        ("packed", "causal", {"packed": True, "rows": 29}, {}),
        ("lora", "lora", {"rows": 29}, {"learning_rate": 0.5}),
        ("bert", "bert", {"rows": 29}, {"activation_checkpointing": True}),
    ]
}
MATRICES, SHARDS = {"pipeline": 2, "tensor": 2}, {"pipeline": 2, "sharded": True}
FOUR = {
    "deep-tensor": ("deep", {}, {"epochs": 1, "parallel": MATRICES}),
    "causal-tensor": ("causal", {"rows": 13}, {"activation_checkpointing": True, "parallel": MATRICES}),
    "tied-shards": (
        "tied",
        {"rows": 13},
        {"clip_norm": 0.3, "l1": 1e-4, "clip_value": 0.05, "activation_checkpointing": True, "parallel": SHARDS},
    ),
    "deep-four": ("deep", {}, {"parallel": {"pipeline": 4}}),
    "deep-both": ("deep", {}, {"parallel": {"pipeline": 2, "data": 2}}),
    "tied-four": ("tied", {"rows": 29}, {"parallel": {"pipeline": 4, "schedule": "gpipe"}}),
    "causal-both": ("causal", {"packed": True, "rows": 29}, {"parallel": {"pipeline": 2, "data": 2}}),
    "causal-few-rows": ("causal", {"rows": 13}, {"batch_rows": 3, "parallel": {"pipeline": 4}}),
}
REFUSED = {
    "frozen": ("frozen", {}, {}, "stage 0"),
    "norm": ("deep", {"norm": True}, {}, "batch normalisation"),
    "twice": ("twice", {}, {}, "cannot be cut"),
    "gated": ("gated", {}, {}, "cannot be cut"),
    "numbers": ("numbers", {}, {}, "blocks"),
    "shallow": ("deep", {"depth": 1}, {}, "blocks"),
    "compile": ("deep", {}, {"compile": True}, "compile"),
    "measure": ("deep", {}, {}, "measure"),
}
KEPT = {**ADAMW, "checkpoint_every": 3}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What one process gives, and what a pipeline gives."""
    folder = tmp_path_factory.mktemp("pipelines")
    two = [case(name, *rest) for name, rest in {**TWO, **EXACTLY}.items()]
    four = [case(name, *rest) for name, rest in FOUR.items()]
    refused = [
        case(
            name,
            toy,
            how,
            {"parallel": {"pipeline": 2}, **settings},
            **({"measure": True} if name == "measure" else {}),
        )
        for name, (toy, how, settings, _) in REFUSED.items()
    ]
    line, copies = {"pipeline": 2}, {"data": 2}

    def resumed(name, of, **parallel):
        return case(name, "deep", {}, {**KEPT, "parallel": parallel}, folder=str(folder / name), copy=str(folder / of))

    killed = [  # both are ended while the eighth step is collated, and have checkpoints of the sixth
        case("killed", "deep", {}, {**KEPT, "parallel": line}, folder=str(folder / "killed"), kill=1 + 7 * 8 - 3),
        case(
            "killed-copies", "deep", {}, {**KEPT, "parallel": copies}, folder=str(folder / "killed-copies"), kill=1 + 7
        ),
        resumed("again", "killed", **line),
        resumed("as-copies", "killed", **copies),
        resumed("from-copies", "killed-copies", **line),
    ]
    several = run(2, two + refused + killed, folder)
    both = case("killed-both", "deep", {}, {**KEPT, "parallel": MATRICES}, folder=str(folder / "killed-both"), kill=54)
    from_both = resumed("from-both", "killed-both", tensor=2, sharded=True)
    several |= run(4, [*four, resumed("as-four", "killed", pipeline=4), both, from_both], folder)
    last = {**resumed("as-one", "killed"), "settings": {**BASE, **KEPT}}
    undisturbed = case("undisturbed", "deep", {}, KEPT)
    one = run(1, [alone(one) for one in (*two, *four)] + [undisturbed, last], folder)
    return one, several


@pytest.mark.parametrize("name", [*TWO, *FOUR])
def test_a_pipeline_gives_the_answer_of_one_process(trained, name):
    is_the_same(trained[0][name], trained[1][name])


@pytest.mark.parametrize("name", list(EXACTLY))
def test_a_pipeline_does_what_one_process_does_bit_by_bit(trained, name):
    one, several = trained[0][name], trained[1][name]
    for part in ("losses", "valid", "weights"):
        np.testing.assert_array_equal(several[part], one[part])
    assert len(several["losses"]) > 0


@pytest.mark.parametrize("name", ["again", "as-copies", "from-copies", "as-four", "from-both", "as-one"])
def test_a_checkpoint_of_any_layout_is_read_under_any_other(trained, name):
    one, several = trained
    found, whole = {**one, **several}[name], one["undisturbed"]
    assert any("went on from step" in note for note in found["said"]["notes"]), found["said"]
    np.testing.assert_allclose(found["losses"], whole["losses"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found["weights"], whole["weights"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_cannot_be_a_pipeline_is_refused_by_one_sentence(trained, name):
    said = trained[1][name]["said"]["refused"]
    assert REFUSED[name][-1] in said
    assert "\n" not in said


def test_a_step_whose_rows_are_no_numbers_is_left_out_by_all_stages(trained):
    one, several = (next(line for line in run["faulty"]["said"]["notes"] if "left out" in line) for run in trained)
    assert one == several
    assert len(trained[1]["faulty"]["losses"]) == 14  # two epochs of eight steps, one of which is left out in each


def test_layers_of_all_stages_are_told(trained):
    for name in ("deep", "tied-four", "deep-tensor", "tied-shards"):
        one, several = trained[0][name]["said"], trained[1][name]["said"]
        assert several["start"] == one["start"]
        assert [line["step"] for line in several["layers"]] == [line["step"] for line in one["layers"]]
        for found, whole in zip(several["layers"], one["layers"], strict=True):
            assert list(found["layers"]) == list(whole["layers"]) or set(found["layers"]) == set(whole["layers"])
            for part in ("units", "signals"):
                assert set(found[part]) == set(whole[part])
            for weight, known in whole["layers"].items():
                np.testing.assert_allclose(found["layers"][weight]["gradient"], known["gradient"], rtol=1e-3, atol=1e-6)


def test_the_share_of_time_spent_waiting_is_told(trained):
    def note(name):
        return next(one for one in trained[1][name]["said"]["notes"] if "pipeline" in one)

    assert "8 pieces a step, so each stage waits 11%" in note("deep")  # (2 - 1) / (8 + 2 - 1)
    assert "3 pieces a step, so each stage waits 25%" in note("deep-gpipe")
