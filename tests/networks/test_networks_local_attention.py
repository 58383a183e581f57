"""Attention of a window and the first tokens, against the same in one matrix; and encoders that are given it."""

import numpy as np
import pytest
import torch

from melior.engine.memory import saved_bytes
from melior.engine.problem import Batch
from melior.networks.encoded import config_of, encoder_of, encoder_state, rebuilt_encoder
from melior.networks.local_attention import attend_locally, local_attention
from melior.networks.longer import lengthened, repeated_positions, why_not
from melior.networks.scratch import small_encoder

SIZES = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 80, "pad_token_id": 1,
}  # fmt: skip
OTHER = {
    "distilbert": {"dim": 16, "n_heads": 2, "n_layers": 2, "hidden_dim": 32},
    "electra": {"embedding_size": 16},
    "albert": {"embedding_size": 8},
    "longformer": {"attention_window": 8},
}


def one_matrix(query, key, value, real, window, first):
    """The definition, with all pairs."""
    at = torch.arange(query.shape[2])
    allowed = ((at[:, None] - at).abs() <= window / 2) | (at[:, None] < first) | (at < first)
    said = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
    said = said.masked_fill(~(allowed & real[:, None, None, :]), float("-inf"))
    return torch.softmax(said, dim=-1) @ value


def drawn(time, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(3, 2, 3, time, 8, generator=generator, dtype=dtype)
    real = torch.arange(time) < torch.tensor([[time], [max(time // 3, 1)]])
    return states, real


@pytest.mark.parametrize(
    ("time", "window", "first"),
    [
        (100, 20, 1),
        (100, 2, 3),
        (100, 3, 1),
        (37, 2, 1),
        (64, 64, 2),
        (130, 40, 5),
        (5, 2, 1),
        (33, 32, 40),
        (257, 64, 1),
    ],
)
def test_is_the_matrix_with_all_but_windows_masked(time, window, first):
    states, real = drawn(time)
    seen = real[:, None, :, None]
    wanted = one_matrix(*states, real, window, first) * seen
    found = local_attention(*states, real, window=window, first=first) * seen
    assert torch.allclose(found, wanted, rtol=0, atol=1e-12)
    single = local_attention(*states.float(), real, window=window, first=first) * seen
    assert torch.allclose(single.double(), wanted, rtol=0, atol=1e-5)


def test_gradients_are_those_of_the_matrix():
    found = []
    for how in (one_matrix, lambda *given: local_attention(*given[:4], window=given[4], first=given[5])):
        states, real = drawn(70)
        states.requires_grad_()
        (how(*states, real, 16, 2) * real[:, None, :, None]).square().sum().backward()
        found.append(states.grad)
    assert torch.allclose(*found, rtol=0, atol=1e-11)
    assert float(found[0].abs().max()) > 0.1


def test_padding_changes_nothing():
    states, _ = drawn(90)
    real = torch.ones(3, 90, dtype=torch.bool)[:2, :60]
    short = local_attention(*(one[:2, :, :60] for one in states), real, window=16)
    padded = torch.arange(90).expand(2, -1) < 60
    long = local_attention(*(one[:2] for one in states), padded, window=16)
    assert torch.allclose(short, long[:, :, :60], rtol=0, atol=1e-12)


def test_an_encoder_with_a_window_over_all_is_as_before_and_a_small_one_does_not_look_far():
    encoder = small_encoder(60, width=32, depth=2, heads=2, context=128, dropout=0.0, seed=3)
    tokens = torch.randint(60, (2, 100), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(100) < torch.tensor([[100], [40]])).long()
    with torch.no_grad():
        full = encoder(input_ids=tokens, attention_mask=mask)[0]
        attend_locally(encoder, 400, 1)
        wide = encoder(input_ids=tokens, attention_mask=mask)[0]
        assert torch.allclose(wide * mask[..., None], full * mask[..., None], atol=1e-5)
        attend_locally(encoder, 8, 1)
        near = encoder(input_ids=tokens, attention_mask=mask)[0]
        assert not torch.allclose(near * mask[..., None], full * mask[..., None], atol=1e-3)
        changed = tokens.clone()
        changed[0, 60] = (tokens[0, 60] + 1) % 60
        moved = (encoder(input_ids=changed, attention_mask=mask)[0] - near).abs().amax(dim=2)[0]
    # what changes reaches 4 places on each side in the first layer and 8 in the second; the first token tells it on
    one_layer = small_encoder(60, width=32, depth=1, heads=2, context=128, dropout=0.0, seed=3)
    attend_locally(one_layer, 8, 1)
    with torch.no_grad():
        apart = one_layer(input_ids=changed)[0] - one_layer(input_ids=tokens)[0]
    reached = (apart.abs().amax(dim=2)[0] > 1e-7).nonzero().flatten().tolist()
    assert reached == [0, *range(56, 65)]
    assert float(moved.min()) > 0  # by way of the first token, all of it


def test_memory_grows_with_the_length():
    def kept(time, window):
        encoder = small_encoder(60, width=16, depth=1, heads=2, context=2048, dropout=0.0)
        encoder.set_attn_implementation("eager")
        if window:
            attend_locally(encoder, window, 1)
        ids = torch.zeros(1, time, dtype=torch.long)
        batch = Batch({"input_ids": ids}, torch.zeros(1), None, 1, time)
        return saved_bytes(encoder.train(), batch)

    assert kept(2048, 64) / kept(1024, 64) < 2.05
    assert kept(2048, None) / kept(1024, None) > 3.5


def model_of(name):
    from melior.networks.encoded import quiet

    settings = {"model_type": name, **SIZES, **OTHER.get(name, {})}
    with quiet():
        torch.manual_seed(0)
        made = encoder_of(settings)
    return config_of(made), encoder_state(made)


@pytest.mark.parametrize(
    ("name", "refused"),
    [("bert", None), ("roberta", None), ("distilbert", None), ("electra", None), ("albert", None), ("nomic_bert", None),
     ("mpnet", "cannot be set"), ("deberta-v2", "cannot be set"), ("longformer", "by itself"),
     ("llama", "one direction")],
)  # fmt: skip
def test_whose_attention_can_be_set(name, refused):
    config, state = model_of(name)
    said = why_not(lambda: rebuilt_encoder(config, state), 50, 70)
    assert (said is None) if refused is None else (refused in said)


@pytest.mark.parametrize(("name", "reserved"), [("bert", 0), ("roberta", 2)])
def test_positions_are_repeated(name, reserved):
    config, state = model_of(name)
    longer = lengthened(config, 200)
    assert longer["max_position_embeddings"] == 200 + reserved
    weights = repeated_positions(state, config, longer)
    key = "embeddings.position_embeddings.weight"
    old, new = state[key], weights[key]
    assert len(new) == 200 + reserved
    assert np.array_equal(new[:80], old)
    for place in (80 - reserved, 120, 199):  # the place of a token, from 0
        assert np.array_equal(new[reserved + place], old[reserved + place % (80 - reserved)])
    short = torch.randint(3, 50, (2, 60), generator=torch.Generator().manual_seed(0))
    long = torch.randint(3, 50, (2, 200), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, after = rebuilt_encoder(config, state), rebuilt_encoder(longer, weights)
        assert torch.equal(before(input_ids=short)[0], after(input_ids=short)[0])
        assert after(input_ids=long)[0].isfinite().all()
    assert lengthened(config, 40) == config  # nothing is made shorter


def test_rotary_encoders_have_no_positions_to_repeat():
    config, state = model_of("nomic_bert")
    longer = lengthened(config, 300)
    weights = repeated_positions(state, config, longer)
    assert all(np.array_equal(weights[name], state[name]) for name in state)
    with torch.no_grad():
        found = rebuilt_encoder(longer, weights, {"window": 16, "first": 1})(input_ids=torch.full((1, 300), 5))[0]
    assert found.isfinite().all()
