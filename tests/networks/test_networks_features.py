"""Features of a frozen encoder: the formula, and a cache that survives kills and damage."""

import numpy as np
import pytest
import torch

from melior.networks import features
from melior.networks.features import content_key, frozen_features

TEXTS = [
    "a shirt that fits",
    "Wie geht es dir?",
    None,
    "the quick brown fox jumps over the lazy dog",
    "a shirt that fits",
]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_formula(encoder, pieces, pooling):
    found = frozen_features(encoder, pieces, TEXTS, pooling=pooling, limit=12)
    for row, text in enumerate(TEXTS):
        ids = pieces(text or "", truncation=True, max_length=12)["input_ids"]
        with torch.no_grad():
            states = encoder(torch.tensor([ids]))[0][0].numpy()
        wanted = states.mean(0) if pooling == "mean" else states[0]
        np.testing.assert_allclose(found[row], wanted, atol=1e-5)


def test_kept_and_read_again(encoder, pieces, tmp_path, monkeypatch):
    first = frozen_features(encoder, pieces, TEXTS, cache=tmp_path)
    encoded = []
    own = features.encoded_texts
    monkeypatch.setattr(
        features, "encoded_texts", lambda m, t, texts, **k: encoded.append(texts) or own(m, t, texts, **k)
    )
    assert np.array_equal(frozen_features(encoder, pieces, TEXTS[::-1], cache=tmp_path), first[::-1])
    assert encoded == []
    frozen_features(encoder, pieces, [*TEXTS, "new"], cache=tmp_path)
    assert encoded == [["new"]]


def test_the_key_is_the_content(encoder, pieces, tmp_path):
    before = content_key(encoder, pieces)
    first = frozen_features(encoder, pieces, TEXTS, cache=tmp_path)
    with torch.no_grad():
        encoder.embeddings.position_embeddings.weight[1, 0] += 1
    assert content_key(encoder, pieces) != before
    second = frozen_features(encoder, pieces, TEXTS, cache=tmp_path)
    assert not np.array_equal(first, second)  # another model never gets the features of this one
    other = frozen_features(encoder, pieces, TEXTS, cache=tmp_path, limit=5)
    assert not np.array_equal(other, second)


def test_a_kill_loses_one_piece(encoder, pieces, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "PIECE", 2)
    texts = [f"text number {number}" for number in range(8)]
    whole = frozen_features(encoder, pieces, texts)
    own, calls = features.encoded_texts, []

    def killed(*given, **more):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        return own(*given, **more)

    monkeypatch.setattr(features, "encoded_texts", killed)
    with pytest.raises(KeyboardInterrupt):
        frozen_features(encoder, pieces, texts, cache=tmp_path)
    seen = []
    monkeypatch.setattr(features, "encoded_texts", lambda m, t, part, **k: seen.extend(part) or own(m, t, part, **k))
    assert np.allclose(frozen_features(encoder, pieces, texts, cache=tmp_path), whole, atol=1e-6)
    assert len(seen) == 4


def test_damaged_pieces_are_made_again(encoder, pieces, tmp_path):
    first = frozen_features(encoder, pieces, TEXTS, cache=tmp_path)
    (piece,) = tmp_path.rglob("*.safetensors")
    content = bytearray(piece.read_bytes())
    content[-3] ^= 255
    piece.write_bytes(bytes(content))
    assert np.array_equal(frozen_features(encoder, pieces, TEXTS, cache=tmp_path), first)
    piece.write_bytes(bytes(content[:40]))
    assert np.array_equal(frozen_features(encoder, pieces, TEXTS, cache=tmp_path), first)


def test_no_texts(encoder, pieces):
    assert frozen_features(encoder, pieces, []).shape == (0, 32)
