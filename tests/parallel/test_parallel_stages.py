"""How networks are cut, without ranks: the stages of a pipeline one after the other in one process."""

from contextlib import nullcontext
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from spread_toys import Deep, made
from stage_toys import staged

from melior.engine.blocks import chains
from melior.engine.parallel.stages import Stage, split
from melior.engine.parallel.traced import trace


def slowest(seconds, firsts):
    blocks = [seconds[0] + seconds[1], *seconds[2:]]
    return max(sum(blocks[start:end]) for start, end in pairwise(firsts))


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_the_slowest_stage_is_as_fast_as_any_cut_makes_it(stages):
    random = np.random.default_rng(1000 + stages)
    for blocks in range(stages, 8):
        seconds = list(random.exponential(size=blocks + 1))
        cut = split(seconds, stages)
        every = [[0, *inner, blocks] for inner in combinations(range(1, blocks), stages - 1)]
        assert cut in every
        assert slowest(seconds, cut) == pytest.approx(min(slowest(seconds, one) for one in every), rel=1e-12)


def test_what_stands_before_and_after_counts_where_it_is_computed():
    assert split([5, 1, 1, 1, 1], 2) == [0, 1, 4]  # a dear beginning goes with few blocks
    assert split([0, 1, 1, 1, 6], 2) == [0, 3, 4]  # and so does a dear end, which is timed with the last block


def test_blocks_are_timed_with_what_follows_them():
    """A head that takes far longer than all blocks leaves one of them beside it."""
    module, source, _, _ = made("deep", rows=12, seed=1000)
    module.head = torch.nn.Sequential(torch.nn.Linear(16, 4000), torch.nn.Linear(4000, 4000), torch.nn.Linear(4000, 3))
    seen = trace(module, list(module.blocks), source.batch(np.arange(8)).inputs, nullcontext())
    assert len(seen.seconds) == 5
    assert min(seen.seconds) > 0
    assert split(seen.seconds, 2) == [0, 3, 4]


def cut(toy, number, stages=2, rows=12, **how):
    """A stage of a fresh toy, and some rows of it."""
    module, source, _, _ = staged(toy, rows=rows, seed=1000, **how) or made(toy, rows=rows, seed=1000, **how)
    inputs = source.batch(np.arange(8)).inputs
    (chain,) = [one for one in chains(module) if len(one) == 4]
    seen = trace(module, chain, inputs, nullcontext())
    return Stage(module, seen, split([1, 1, 1, 1, 1], stages), number), source


TOYS = ["deep", "causal", "bert", "distilbert", "tied", "gpt2", "layers", "attending"]


@pytest.mark.parametrize("toy", TOYS)
def test_stages_one_after_the_other_are_the_whole_network(toy):
    """Outputs, and gradients of every weight; on other rows than those by which the network was cut."""
    whole, source, loss, _ = staged(toy, rows=12, seed=1000) or made(toy, rows=12, seed=1000)
    batch = source.batch(np.arange(7, 12))
    total, _ = loss(whole(**batch.inputs), batch)
    total.backward()
    first, last = (cut(toy, number)[0] for number in (0, 1))
    for stage in (first, last):
        stage.free()
        stage.module.train()
    state = first.run(batch.inputs)
    sent = state.detach().clone().requires_grad_()
    out = last.run(batch.inputs, lambda here: here.copy_(sent))
    made_total, _ = loss(out, batch)
    assert float(made_total.detach()) == pytest.approx(float(total.detach()), rel=1e-6)
    made_total.backward()
    state.backward(sent.grad)
    held = [dict(stage.module.named_parameters()) for stage in (first, last)]
    for name, weight in whole.named_parameters():
        parts = [one[name].grad for one in held if name in one and one[name].grad is not None]
        if weight.grad is None:
            assert not parts, name
        else:
            torch.testing.assert_close(sum(parts), weight.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("toy", TOYS)
def test_a_stage_holds_its_own_weights_and_no_others(toy):
    whole = dict((staged(toy, rows=12, seed=1000) or made(toy, rows=12, seed=1000))[0].named_parameters())
    held = []
    for number in range(2):
        stage, _ = cut(toy, number)
        stage.free()
        own = dict(stage.module.named_parameters())
        held.append(set(own))
        for name, one in stage.parameters.items():
            assert one.numel() == (whole[name].numel() if name in own else 0), name
        stage.undo()
        assert list(dict(stage.module.named_parameters())) == list(whole)
    assert held[0] | held[1] == set(whole)
    both = held[0] & held[1]
    assert both == (
        {next(name for name in whole if "embed_tokens" in name or "wte" in name)} if toy in ("tied", "gpt2") else set()
    )


@pytest.mark.parametrize("toy", ["deep", "causal", "layers"])
def test_sizes_are_those_of_what_comes_and_goes(toy):
    (first, source), (last, _) = cut(toy, 0), cut(toy, 1)
    for rows in (np.arange(3), np.arange(3, 12)):
        inputs = source.batch(rows).inputs
        state = first.run(inputs)
        assert first.sizes(inputs)[1].shape == last.sizes(inputs)[0].shape == state.shape
        assert first.sizes(inputs)[0] is None
        assert last.sizes(inputs)[1] is None


@pytest.mark.parametrize(("toy", "right"), [("deep", True), ("twice", False), ("gated", False)])
def test_a_cut_that_changes_the_network_is_noticed(toy, right):
    stage, source = cut(toy, 1)
    inputs = source.batch(np.arange(8)).inputs
    assert stage.right(inputs, nullcontext()) is right


def test_a_cut_that_is_undone_leaves_no_trace():
    stage, source = cut("deep", 1)
    stage.undo()
    inputs = source.batch(np.arange(8)).inputs
    assert torch.equal(stage.module(**inputs), Deep(1000)(**inputs))


def test_blocks_that_are_not_entered_in_order_are_no_chain():
    module, source, _, _ = made("deep", rows=12, seed=1000)
    inputs = source.batch(np.arange(8)).inputs
    blocks = list(module.blocks)
    assert trace(module, blocks, inputs, nullcontext()) is not None
    assert trace(module, blocks[::-1], inputs, nullcontext()) is None
