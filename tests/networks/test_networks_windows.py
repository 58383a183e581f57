"""Windows of long texts: what they hold, and what becomes of them, against plain loops."""

import numpy as np
import pytest
import torch

from melior.networks.features import encoded_texts
from melior.networks.losses import TextClassifier
from melior.networks.pooling import AttentionPool
from melior.networks.scratch import small_encoder
from melior.networks.windows import Cut, by_text, marks_of, pooled_windows, shares, windows_of

CUT = Cut(window=10, overlap=3, ahead=1, behind=2)


def some_texts(lengths, seed=0):
    random = np.random.default_rng(seed)
    tokens = np.full((len(lengths), max(max(lengths), 1)), -1)
    for row, length in enumerate(lengths):
        tokens[row, :length] = random.integers(5, 1000, length)
    return torch.from_numpy(tokens)


@pytest.mark.parametrize("cut", [CUT, Cut(8, 0, 0, 0), Cut(9, 6, 1, 1), Cut(30, 7, 2, 0)])
def test_windows_hold_each_text_whole(cut):
    lengths = [3, 4, 10, 11, 12, 25, 40, 41, 57]
    tokens = some_texts(lengths)
    made = windows_of(tokens, cut)
    for row, length in enumerate(lengths):
        text = tokens[row, :length].tolist()
        head, middle, tail = text[: cut.ahead], text[cut.ahead : length - cut.behind], text[length - cut.behind :]
        own = [one[one >= 0].tolist() for one in made.tokens[made.owners == row]]
        assert made.places[made.owners == row].tolist() == list(range(len(own)))
        at = [one[one >= 0] for one in made.sources[made.owners == row]]
        assert all(tokens[row, places].tolist() == window for places, window in zip(at, own, strict=True))
        inner = [window[cut.ahead : len(window) - cut.behind] for window in own]
        assert all(window[: cut.ahead] == head for window in own)
        assert all(window[len(window) - cut.behind :] == tail for window in own)
        if len(text) <= cut.window:
            assert own == [text]
            continue
        assert all(len(window) == cut.window for window in own)  # nothing is padding
        starts = [int(places[cut.ahead]) - cut.ahead for places in at]
        size = cut.window - cut.ahead - cut.behind
        assert starts[0] == 0
        assert starts[-1] == len(middle) - size
        assert max(np.diff(starts)) <= size - cut.overlap
        assert len(own) == 1 + int(np.ceil((len(middle) - size) / (size - cut.overlap)))  # as few as can be
        assert all(middle[start : start + size] == window for start, window in zip(starts, inner, strict=True))


def test_so_many_windows_read_so_much():
    for windows in (1, 2, 5):
        tokens = some_texts([CUT.read(windows), CUT.read(windows) + 1])
        assert torch.bincount(windows_of(tokens, CUT).owners).tolist() == [windows, windows + 1]


def test_a_text_without_tokens_is_one_window():
    made = windows_of(torch.full((2, 1), -1), Cut(8, 2, 0, 0))
    assert made.owners.tolist() == [0, 1]
    assert (made.tokens == -1).all()


@pytest.mark.parametrize("pooling", ["mean", "cls", "attention"])
@pytest.mark.parametrize("windows", ["mean", "max", "attention"])
def test_a_classifier_is_the_same_as_window_by_window(pooling, windows):
    encoder = small_encoder(1000, width=16, depth=1, heads=2, context=10, dropout=0.0, seed=2)
    torch.manual_seed(0)
    module = TextClassifier(encoder, 3, pooling=pooling, windows=windows, dropout=0.0).double().eval()
    for one in (module.attention, module.window_attention):
        if one is not None:
            torch.nn.init.normal_(one.query.weight)
    tokens = some_texts([4, 30, 11, 10])
    made = windows_of(tokens, CUT)
    real = made.tokens >= 0

    def alone(attention, states):  # (time, width)
        if isinstance(attention, AttentionPool):
            said = torch.tanh(states @ attention.hidden.weight.T + attention.hidden.bias) @ attention.query.weight[0]
            return torch.exp(said) / torch.exp(said).sum()
        return torch.full((len(states),), 1 / len(states), dtype=torch.float64)

    with torch.no_grad():
        found = module(made.tokens.clamp(min=0), real.long(), made)
        own, of_text = module.token_weights(made.tokens.clamp(min=0), real.long(), made)
        for row in range(4):
            vectors = []
            for number in (made.owners == row).nonzero().flatten():
                states = encoder(input_ids=made.tokens[number][real[number]][None])[0][0]
                inside = alone(module.attention, states)
                assert torch.allclose(own[number][real[number]], inside, atol=1e-12)
                vectors.append(states[0] if pooling == "cls" else inside @ states)
            vectors = torch.stack(vectors)
            of_windows = alone(module.window_attention, vectors)
            pooled = vectors.amax(0) if windows == "max" else of_windows @ vectors
            assert torch.allclose(module.head(pooled), found[row], atol=1e-12)
            if windows != "max":
                assert torch.allclose(of_text[made.owners == row], of_windows, atol=1e-12)
            assert float(of_text[made.owners == row].sum()) == pytest.approx(1)


def test_a_window_counts_by_the_numbers_it_is_the_largest_in():
    vectors = torch.tensor([[3.0, 0, 0, 9], [1, 2, 3, 4], [5, 5, 5, 5]])
    made = windows_of(some_texts([13, 5]), CUT)
    assert made.owners.tolist() == [0, 0, 1]
    grid, real = by_text(vectors, made)
    assert shares(grid, real, "max").tolist() == [[0.5, 0.5], [1, 0]]
    assert pooled_windows(grid, real, "max").tolist() == [[3, 2, 3, 9], [5, 5, 5, 5]]
    assert pooled_windows(grid, real, "mean")[0].tolist() == [2, 1, 1.5, 6.5]


def test_features_of_a_frozen_encoder_are_those_of_its_windows(pieces, encoder):
    assert marks_of(pieces) == (1, 1)
    cut = Cut(window=12, overlap=3, ahead=1, behind=1)
    texts = ["the quick brown fox jumps over the lazy dog " * 5, "a shirt", "", "the fabric is thin, and it tore " * 3]
    for windows in ("mean", "max"):
        found = encoded_texts(encoder, pieces, texts, pooling="mean", limit=60, cut=cut, windows=windows)
        for row, text in enumerate(texts):
            ids = pieces(text, truncation=True, max_length=60)["input_ids"]
            made = windows_of(torch.tensor([ids]), cut)
            with torch.no_grad():
                own = [encoder(input_ids=one[one >= 0][None])[0][0].mean(0).numpy() for one in made.tokens]
            wanted = np.max(own, axis=0) if windows == "max" else np.mean(own, axis=0)
            assert len(own) == max(1, int(np.ceil((len(ids) - 2 - 10) / 7)) + 1 if len(ids) > 12 else 1)
            np.testing.assert_allclose(found[row], wanted, atol=1e-5)
