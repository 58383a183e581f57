"""The family with a tiny pretrained encoder, in each of its ways; the contract suite runs it from scratch."""

import numpy as np
import pytest

pytest.importorskip("torch")

from melior.errors import UserError
from melior.models.text_encoder import TextEncoder
from melior.networks.scratch import small_encoder
from melior.networks.tokenizers import train_tokenizer
from melior.predictor import Predictor
from melior.testing import tables
from melior.trials.fit import Fitting
from melior.trials.shared import Shared


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny encoder that never saw a text."""
    path = tmp_path_factory.mktemp("encoder")
    texts = [text for text in tables.mixed_table().column("note").to_list() if text]
    tokenizer = train_tokenizer(texts, vocabulary=400, limit=32)
    small_encoder(len(tokenizer), width=16, depth=2, heads=2, context=32, seed=4).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return str(path)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MELIOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fitted(table, **settings):
    context = Fitting(table, TextEncoder(**settings), (), (), "macro_f1", 0, 1, Shared())
    scorer = context.base_learner().fit(table, context)
    return Predictor(table.schema, scorer, family="text_encoder", metric="macro_f1")


@pytest.mark.parametrize("tuning", ["frozen", "last_k", "lora", "full"])
def test_pretrained(folder, tmp_path, tuning):
    import shutil

    table = tables.mixed_table()
    inside, outside = table.take(np.arange(120)), table.take(np.arange(120, 150))
    own = shutil.copytree(folder, tmp_path / "encoder")
    settings = {"layers": 1, "epochs": 25, "batch_rows": 16, "longest": 24, "learning_rate": 0.01, "dropout": 0.0}
    predictor = fitted(inside, source=str(own), tuning=tuning, **settings)
    scores = predictor.scores(outside)
    assert np.mean(scores.argmax(1) == outside.given_labels()) > 0.55
    predictor.save(tmp_path / "kept")
    shutil.rmtree(own)  # what is kept needs the folder no more
    again = Predictor.load(tmp_path / "kept").scores(outside)
    assert np.allclose(again, scores, atol=1e-6)


def test_frozen_features_are_on_disk_and_shared(folder, cache, monkeypatch):
    from melior.networks import features

    table = tables.mixed_table()
    first = fitted(table, source=folder, tuning="frozen").scores(table)
    monkeypatch.setattr(features, "encoded_texts", None)  # nothing is encoded again
    assert list(cache.rglob("*.safetensors"))
    assert np.array_equal(fitted(table, source=folder, tuning="frozen").scores(table), first)


def test_tokens_are_the_encoders(folder):
    table = tables.mixed_table()
    model = TextEncoder(source=folder, longest=100)
    assert model.token_limit(table) == 32  # the encoder's own
    assert TextEncoder().token_limit(table) is None
    from melior.networks.loading import load_encoder

    tokenizer = load_encoder(folder).tokenizer
    notes = table.column("note")
    wanted = [0 if text is None else len(tokenizer(text)["input_ids"]) for text in notes.to_list()]
    assert model.tokens(notes).tolist() == wanted


def test_a_name_that_is_not_there():
    with pytest.raises(UserError, match="no such folder"):
        fitted(tables.mixed_table(), source="./nowhere")


def test_heads_share_the_width():
    assert "not shared evenly" in TextEncoder(width=10, heads=4).unsuitable(tables.mixed_table())
