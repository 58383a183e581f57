"""Plans on paper against what papers print, against counting by hand, and against what must always hold."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melior.engine.plan.layouts import GIB, MARGIN, choose, considered, plan, times_as_fast
from melior.engine.plan.memory import PARTS, cut, in_flight, memory, stages
from melior.engine.plan.sizes import Cluster, Part, Sizes, layer_activations, transformer
from melior.engine.plan.time import link, seconds, sent
from melior.layout import Layout

GB = 1e9


def cluster(ranks, **more):
    given = {"per_machine": 8, "memory": 80e9, "flops": 1e14, "within": 1e11, "between": 1e11, "latency": 0.0,
             "latency_between": 0.0}  # fmt: skip
    return Cluster(ranks=ranks, **{**given, **more})


def adam(numbers, shared=0.0):
    return Part(trained=numbers, state=8 * numbers, matrices=shared * numbers)


def flat(blocks, each, outside=0, rows=1, **more):
    """A network of equal blocks, with no work and no activations but those given."""
    plain = {"row_flops": 0.0, "row_activations": 0.0}
    return Sizes((adam(each),) * blocks, adam(outside), Part(), rows=rows, **{**plain, **more})


def states(sizes, layout, ranks):
    """Bytes of weights, gradients and the optimiser of a rank."""
    layout = layout.fits(ranks)
    found = memory(sizes, layout, cut(sizes, layout), stages(sizes, layout)[0])
    return found["weights"] + found["gradients"] + found["optimizer"]


# ---- what papers print


def test_the_example_of_zero():
    """Rajbhandari et al. 2020, figure 1: 7.5B weights, Adam, 64 ranks: 120 GB as copies, 1.9 GB in stage 3."""
    sizes = flat(75, 1e8, rows=64)
    assert states(sizes, Layout(), 64) / GB == pytest.approx(120)
    assert states(sizes, Layout(sharded=True), 64) / GB == pytest.approx(1.9, abs=0.05)


def test_shards_send_half_as_much_again_as_copies():
    """The same, section 7.2: 3 of a model's size instead of 2."""
    sizes, found = flat(10, 1e6, rows=64), {}
    for sharded in (False, True):
        layout = Layout(sharded=sharded).fits(64)
        found[sharded] = sum(sent(sizes, layout, cut(sizes, layout), stages(sizes, layout)[0]).values())
    assert found[False] == pytest.approx(2 * 63 / 64 * 4e7)
    assert found[True] / found[False] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("heads", "width", "term", "saved"), [(96, 12288, 80, 0.70), (128, 20480, 64, 0.65)], ids=["GPT-3", "MT-NLG"]
)
def test_activations_of_a_layer(heads, width, term, saved):
    """Korthikanti et al. 2022, equation 1 and section 5: 34 + 80 for GPT-3 and 34 + 64 for MT-NLG at 2,048 tokens; not
    keeping the pairs of tokens saves 70 % and 65 %."""
    whole = layer_activations(2048, width, heads, fused=False)
    assert whole / (2048 * width) == pytest.approx(34 + term)
    assert 1 - layer_activations(2048, width, heads) / whole == pytest.approx(saved, abs=0.005)


def test_tensor_ranks_keep_ten_and_share_twenty_four():
    """The same, table 2: s b h (10 + 24 / t)."""
    sizes = flat(1, 34.0, row_activations=34.0, heads=8)
    for ranks in (2, 4, 8):
        layout = Layout(tensor=ranks, data=1)
        found = memory(sizes, layout, cut(sizes, layout), stages(sizes, layout)[0])
        assert found["activations"] == pytest.approx(10 + 24 / ranks)


def test_a_layer_of_tensor_ranks_sums_four_times():
    """Shoeybi et al. 2019, figure 4: two all-reduces forward, two backward, of tokens x width."""
    sizes = flat(3, 1.0, rows=5, row_states=100.0, cast=2)
    layout = Layout(tensor=4, data=1)
    found = sent(sizes, layout, cut(sizes, layout), stages(sizes, layout)[0])
    assert found["tensor"] == pytest.approx(3 * 5 * 4 * (2 * 3 / 4) * 2 * 100)
    again = sent(replace(sizes, checkpointing=True), layout, cut(sizes, layout), stages(sizes, layout)[0])
    assert again["tensor"] == pytest.approx(found["tensor"] * 6 / 4)


@pytest.mark.parametrize(("stage_count", "pieces"), [(4, 8), (8, 8), (2, 64)])
def test_the_bubble(stage_count, pieces):
    """Narayanan et al. 2021, section 2.2: (p - 1) / m of the ideal time, (p - 1) / (m + p - 1) of all of it."""
    sizes = flat(16, 0.0, rows=pieces, row_flops=1e12)
    found = seconds(sizes, cluster(stage_count), layout := Layout(pipeline=stage_count, data=1, pieces=pieces),
                    cut(sizes, layout))  # fmt: skip
    assert found.waiting / found.computing == pytest.approx((stage_count - 1) / pieces)
    assert found.bubble == pytest.approx((stage_count - 1) / (pieces + stage_count - 1))


def test_the_work_of_gpt_3():
    """Narayanan et al. 2021, section 5.1: 175B weights, 300B tokens on 1,024 A100 at 140 TFLOP/s take 34 days, with
    activations computed again; 96 B s l h^2 (1 + s / 6h + V / 16lh) operations a step (equation 3)."""
    layers, width, tokens, rows, vocabulary = 96, 12288, 2048, 1024, 51200
    sizes = transformer(
        layers=layers, width=width, heads=96, vocabulary=vocabulary, tokens=tokens, rows=rows, tied=True,
        checkpointing=True,
    )  # fmt: skip
    printed = 96 * rows * tokens * layers * width**2
    printed *= 1 + tokens / (6 * width) + vocabulary / (16 * layers * width)
    assert rows * sizes.passes * sizes.row_flops == pytest.approx(printed, rel=0.01)
    layout = Layout(data=1024)
    found = seconds(sizes, cluster(1024, flops=140e12), layout, cut(sizes, layout, 1))
    assert found.computing * 300e9 / (rows * tokens) / 86400 == pytest.approx(34, rel=0.03)


def test_six_operations_for_each_weight_and_token():
    """Kaplan et al. 2020, where the context is short beside the width."""
    sizes = transformer(layers=24, width=4096, heads=32, vocabulary=32000, tokens=128, rows=1, tied=True)
    assert sizes.passes * sizes.row_flops == pytest.approx(6 * sizes.weights.all * 128, rel=0.02)


@pytest.mark.parametrize(
    ("card", "published"),
    [
        ({"layers": 16, "width": 2048, "heads": 32, "inner": 8192, "tied": True}, 1_235_814_400),
        ({"layers": 32, "width": 4096, "heads": 32, "inner": 14336}, 8_030_261_248),
        ({"layers": 80, "width": 8192, "heads": 64, "inner": 28672}, 70_553_706_496),
    ],
)
def test_weights_of_published_models(card, published):
    """Llama 3.2 1B, Llama 3 8B and 70B, as their files count them."""
    sizes = transformer(**card, kv_heads=8, gated=True, vocabulary=128256, tokens=8192, rows=1)
    assert sizes.weights.all == published


# ---- counted by hand


def test_one_layer_by_hand():
    """A network of one block of 1,000 weights (800 in matrices) and 200 outside; a row keeps 4,000 bytes, passes 50
    numbers on and takes 3,000 operations."""
    sizes = Sizes(
        blocks=(adam(1000, shared=0.8),), before=adam(200), after=Part(), rows=8, row_flops=3000.0,
        row_activations=4000.0, row_states=50.0, heads=2,
    )  # fmt: skip
    copies = plan(sizes, cluster(2, per_machine=2, flops=1e6, within=1e6, overlap=0.0), Layout())
    assert copies.rows.rows == 4
    assert copies.rows.at_once == 4
    assert copies.memory == {
        **dict.fromkeys(PARTS, 0.0), "weights": 4800.0, "gradients": 4800.0, "optimizer": 9600.0,
        "activations": 16000.0, "working": 16000.0,
    }  # fmt: skip
    assert copies.sent["gradients"] == 4800
    assert copies.seconds.computing == pytest.approx(4 * 3 * 3000 / 1e6)
    assert copies.seconds.sending == pytest.approx(4800 / 1e6)
    shards = plan(sizes, cluster(2, per_machine=2), Layout(sharded=True))
    assert (shards.memory["weights"], shards.memory["gradients"], shards.memory["optimizer"]) == (2400, 2400, 4800)
    assert shards.memory["gathered"] == 4 * (2 * 1000 + 200)
    assert shards.sent["gathers"] == 4 * (2 * 1000 + 200) / 2
    assert shards.sent["gradients"] == 4 * 1200 / 2
    tensor = plan(sizes, cluster(2, per_machine=2), Layout(tensor=2))
    assert tensor.memory["weights"] == 4 * (200 + 200 + 400)  # half of the matrices, all of the rest
    assert tensor.sent["tensor"] == 8 * 4 * (2 * 1 / 2) * 4 * 50
    alone = plan(sizes, cluster(2, per_machine=2), Layout(local_steps=10))
    assert alone.memory["averages"] == 4800  # the weights where they last met; and their velocity, where they have one
    outer = Layout(local_steps=10, outer_rate=0.7, outer_momentum=0.9)
    assert plan(sizes, cluster(2, per_machine=2), outer).memory["averages"] == 2 * 4800
    assert alone.sent == {**dict.fromkeys(alone.sent, 0.0), "averages": 480.0}


def test_shards_in_several_micro_batches_hold_whole_gradients_and_gather_each_time():
    sizes = flat(4, 1e6, rows=8, micro_batch=1)
    layout = Layout(sharded=True, data=2)
    found = memory(sizes, layout, cut(sizes, layout), stages(sizes, layout)[0])
    assert found["gradients"] == 4 * 4e6
    assert sent(sizes, layout, cut(sizes, layout), stages(sizes, layout)[0])["gathers"] == 4 * (4 * 2 * 4e6 / 2)


def test_casts_are_held_until_the_backward_pass_unless_blocks_are_computed_again():
    sizes = replace(flat(4, 0.0), blocks=(adam(1e6, shared=1.0),) * 4, cast=2)
    found = memory(sizes, Layout(data=1), cut(sizes, Layout(data=1)), stages(sizes, Layout(data=1))[0])
    assert found["casts"] == 2 * 4e6
    again = replace(sizes, checkpointing=True)
    found = memory(again, Layout(data=1), cut(sizes, Layout(data=1)), stages(sizes, Layout(data=1))[0])
    assert found["casts"] == 2 * 1e6


def test_a_link_over_the_border_of_a_machine_is_shared_by_the_groups_that_reach_over_it():
    wide = cluster(16, within=1e11, between=8e9)
    assert link(wide, Layout(data=16), "data").speed == 8e9  # one ring over both machines
    assert link(wide, Layout(data=2, tensor=8), "data").speed == 1e9  # eight of them
    assert link(wide, Layout(data=2, tensor=8), "tensor").speed == 1e11
    assert link(wide, Layout(data=8, pipeline=2), "pipeline").speed == 1e9
    assert link(wide, Layout(data=8, pipeline=2), "data").speed == 1e11


# ---- what must always hold

numbers = st.integers(1, 10**9)
networks = st.builds(
    lambda blocks, each, outside, rows, flops, kept, states, heads, cast, again: Sizes(
        (adam(each, 0.9),) * blocks, adam(outside), adam(outside), rows=rows, row_flops=flops, row_activations=kept,
        row_states=states, heads=heads, cast=cast, checkpointing=again,
    ),
    st.integers(1, 40), numbers, numbers, st.integers(256, 4096), numbers.map(float), numbers.map(float),
    st.integers(1, 10**6), st.sampled_from([0, 1, 8, 12, 64]), st.sampled_from([2, 4]), st.booleans(),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(networks, st.integers(1, 6))
def test_more_ranks_never_hold_more_of_shards(sizes, power):
    layout, ranks = Layout(sharded=True), 2**power

    def held(count):
        laid = layout.fits(count)
        return sum(memory(sizes, laid, cut(sizes, laid, 1), stages(sizes, laid)[0]).values())

    assert held(2 * ranks) <= held(ranks) * (1 + 1e-9)
    assert states(sizes, layout, 2 * ranks) <= states(sizes, layout, ranks)


@settings(max_examples=40, deadline=None)
@given(networks, st.integers(1, 8), st.integers(1, 4))
def test_stages_hold_every_weight_once(sizes, count, tensor):
    if count > len(sizes.blocks):
        return
    layout = Layout(data=1, tensor=tensor, pipeline=count)
    every = stages(sizes, layout)
    assert sum(len(one.blocks) for one in every) == len(sizes.blocks)
    assert max(len(one.blocks) for one in every) - min(len(one.blocks) for one in every) <= 1
    matrices, whole = sizes.weights.matrices, sizes.weights.all
    assert sum(one.held.all for one in every) == pytest.approx(whole - matrices + matrices / tensor)
    flying = [in_flight(layout, one, 100) for one in every]
    assert flying == list(range(count, 0, -1))


@settings(max_examples=40, deadline=None)
@given(networks, st.sampled_from([1, 2, 8, 16, 64]), st.floats(1e6, 1e12))
def test_what_is_chosen_fits_where_anything_does(sizes, ranks, room):
    there = cluster(ranks, memory=room)
    layout, why = choose(sizes, there)
    rungs = considered(sizes, there)
    found = plan(sizes, there, layout)
    assert found.fits == any(one.fits for rung in rungs for one in rung)
    assert found.fits == (found.bytes <= (1 - MARGIN) * room)
    assert 1 <= len(why) <= 2
    assert all(sentence.endswith(".") for sentence in why)
    for rung in rungs:
        fitting = [one for one in rung if one.fits]
        if fitting:  # the first rung with one that fits, and the fastest of it
            assert layout in [one.layout for one in fitting] or layout.fits(ranks) in [one.layout for one in fitting]
            assert found.seconds.step <= min(one.seconds.step for one in fitting)
            break
    if layout.tensor > 1:
        assert sizes.heads % layout.tensor == 0
        assert layout.tensor <= there.per_machine
    assert len(sizes.blocks) % layout.pipeline == 0


@settings(max_examples=40, deadline=None)
@given(networks, st.sampled_from([1, 2, 8, 16, 64]))
def test_times_are_times(sizes, ranks):
    for rung in considered(sizes, cluster(ranks)):
        for one in rung:
            assert one.seconds.step > 0
            assert 0 <= one.seconds.share <= 1
            assert 0 <= one.seconds.bubble < 1
            assert one.seconds.sending <= one.seconds.all_sending * (1 + 1e-9)
            assert (one.ranks == 1) == (sum(one.sent.values()) == 0)


def test_the_rungs_in_order():
    """A network of 16 GB of states: as copies on 80 GB, as shards on 10 GB; on 3 GB only a part of each matrix does."""
    sizes = replace(flat(8, 0.0, rows=64), blocks=(adam(1.25e8, 1.0),) * 8, heads=8, row_flops=1e12)
    assert choose(sizes, cluster(8))[0] == Layout(data=8)
    assert choose(sizes, cluster(8, memory=10e9))[0] == Layout(data=8, sharded=True)
    assert choose(sizes, cluster(8, memory=4.6e9))[0].tensor > 1
    stiff = replace(sizes, heads=0)
    layout, why = choose(stiff, cluster(8, memory=4.2e9))
    assert layout.pipeline > 1, why
    assert "copies" in why[0].lower()


def test_the_last_rung_has_every_combination_of_axes():
    sizes = replace(flat(8, 0.0, rows=64), blocks=(adam(1.25e8, 1.0),) * 8, heads=8, row_flops=1e12)
    last = [one.layout for one in considered(sizes, cluster(8))[-1]]
    for tensor in (1, 2, 4):
        assert Layout(data=8 // (2 * tensor), tensor=tensor, pipeline=2) in last
    assert Layout(data=2, tensor=2, pipeline=2, sharded=True) in last
    assert not any(one.sharded and one.data == 1 for one in last)  # nobody to deal them out to
    assert {one.tensor for one in [each.layout for each in considered(replace(sizes, heads=0), cluster(8))[-1]]} == {1}


def test_a_stage_that_is_shared_further_holds_less():
    """16 GB of states, all in matrices: 2 stages of 8 GB, 4 GB for each of 2 tensor ranks, half of that as shards; of
    the gradients, whole between micro-batches, the data ranks share nothing."""
    sizes = replace(flat(8, 0.0, rows=64), blocks=(adam(1.25e8, 1.0),) * 8, heads=8)
    assert states(sizes, Layout(pipeline=2), 8) == pytest.approx(8e9)
    assert states(sizes, Layout(pipeline=2, tensor=2), 8) == pytest.approx(4e9)
    assert states(sizes, Layout(pipeline=2, tensor=2, sharded=True), 8) == pytest.approx(3e9 / 2 + 1e9)


def test_other_stages_wait_for_gathers_that_nothing_hides():
    sizes = flat(4, 1e6, rows=8, row_flops=1e6)
    there = cluster(4, overlap=0.0)
    found = []
    for sharded in (False, True):
        layout = Layout(pipeline=2, pieces=4, sharded=sharded).fits(4)
        found.append(seconds(sizes, there, layout, cut(sizes, layout)))
    stage = stages(sizes, layout)[0]
    gathers = sent(sizes, layout, cut(sizes, layout), stage)["gathers"] / 1e11
    assert gathers > 0
    assert found[1].waiting - found[0].waiting == pytest.approx(gathers / 4)  # (2 - 1) / 4 of it


def test_tensor_ranks_share_frozen_matrices_and_not_what_is_trained_beside_them():
    """1,000 frozen weights, 900 of them in matrices, with adapters of 100; then the same block trained."""
    adapted = Part(trained=100, frozen=1000, state=800, matrices=900)
    assert adapted.share(2) == Part(trained=100, frozen=550, state=800, matrices=450)
    assert Part(trained=1000, state=8000, matrices=900).share(2) == Part(trained=550, state=4400, matrices=450)


def test_what_it_would_need_is_enough():
    sizes = replace(flat(8, 0.0, rows=64), blocks=(adam(1.25e8, 1.0),) * 8, heads=8, row_flops=1e12)
    poor = cluster(4, memory=2.5e9)
    layout, why = choose(sizes, poor)
    assert why[0].startswith("Nothing fits")
    more, each, ranks = re.search(r"needs (\d+) ranks of ([\d.]+) GiB each, or (\d+) ranks", why[1]).groups()
    assert not plan(sizes, poor, layout).fits
    rich = replace(poor, memory=(float(each) + 0.06) * GIB)  # it is said with one digit
    assert int(more) == 4
    assert plan(sizes, rich, choose(sizes, rich)[0]).fits
    many = poor.of(int(ranks))
    assert plan(sizes, many, choose(sizes, many)[0]).fits


def test_nothing_is_promised_that_more_ranks_do_not_give():
    sizes = flat(1, 1.0, row_activations=1e15, rows=64)
    _, why = choose(sizes, cluster(2))
    assert "do not make it fit" in why[1]


def test_a_micro_batch_is_halved_until_it_fits():
    sizes = flat(2, 1.0, rows=64, row_activations=1e9)
    room = cluster(1, memory=10e9)
    found = plan(sizes, room, Layout())
    assert found.fits
    assert found.rows.at_once * found.rows.pieces >= 64
    layout = Layout(data=1)
    above = memory(sizes, layout, cut(sizes, layout, 2 * found.rows.at_once), stages(sizes, layout)[0])
    assert sum(above.values()) > (1 - MARGIN) * room.memory
    assert plan(replace(sizes, micro_batch=3), room, Layout()).rows.at_once == 3


@pytest.mark.parametrize("ranks", [2, 3, 8])
def test_how_many_times_as_fast(ranks):
    """Without sending n processes are n times as fast; a share of a step that stays is Amdahl's (1967)."""
    free = cluster(ranks, within=1e30, between=1e30)
    assert times_as_fast(1.0, 1e6, free) == pytest.approx(ranks)
    assert times_as_fast(1.0, 1e6, free, fixed=0.25) == pytest.approx(1 / (0.25 + 0.75 / ranks))
    slow = cluster(ranks, within=1e6, between=1e6, overlap=0.0)
    assert times_as_fast(1.0, 1e6, slow) == pytest.approx(1 / (1 / ranks + 2 * (ranks - 1) / ranks * 4))


def test_both_ends_of_a_pipeline_hold_what_is_tied():
    sizes = replace(flat(4, 1e6, rows=8, micro_batch=1), before=adam(2e6), tied=adam(2e6))
    there = cluster(4, per_machine=4)
    found = plan(sizes, there, Layout(pipeline=4))
    assert sizes.weights.all == 6e6  # what is tied counts once
    each = [memory(sizes, found.layout, cut(sizes, found.layout), one) for one in stages(sizes, found.layout)]
    assert [one["weights"] for one in each] == [4 * 3e6, 4 * 1e6, 4 * 1e6, 4 * 3e6]
    apart = plan(replace(sizes, tied=Part()), there, Layout(pipeline=4))
    assert found.sent["borders"] - apart.sent["borders"] == 4 * 2e6
