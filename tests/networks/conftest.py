"""Tiny models with random weights, made on the spot."""

from importlib.util import find_spec

import pytest

if find_spec("torch") is None or find_spec("transformers") is None:  # without the extra there is nothing to test
    collect_ignore_glob = ["test_*.py"]

TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "a shirt that fits well and looks good",
    "the fabric is thin, and it tore after one day",
    "Wie geht es dir? Mir geht es gut.",
    "这件衣服很好看，我很喜欢。",
] * 20


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def words():
    """A tokenizer for causal models."""
    from melior.networks.tokenizers import train_tokenizer

    return train_tokenizer(TEXTS, vocabulary=400, marks="causal", limit=64)


@pytest.fixture(scope="session")
def pieces():
    """A tokenizer for encoders."""
    from melior.networks.tokenizers import train_tokenizer

    return train_tokenizer(TEXTS, vocabulary=400, marks="encoder", limit=64)


@pytest.fixture
def causal(words):
    from melior.networks.scratch import small_causal

    return small_causal(
        len(words), width=32, depth=2, heads=2, context=64, pad=words.pad_token_id, end=words.eos_token_id, seed=1
    )


@pytest.fixture
def encoder(pieces):
    from melior.networks.scratch import small_encoder

    return small_encoder(len(pieces), width=32, depth=3, heads=2, context=64, dropout=0.0, seed=1)


@pytest.fixture
def encoder_folder(encoder, pieces, tmp_path):
    folder = tmp_path / "encoder"
    encoder.save_pretrained(folder)
    pieces.save_pretrained(folder)
    return folder


@pytest.fixture
def causal_folder(causal, words, tmp_path):
    folder = tmp_path / "causal"
    causal.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
