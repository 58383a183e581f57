"""Back-translation through folders of sequence-to-sequence models: shapes, seeds, labels, and what is refused."""

import numpy as np
import pytest

pytest.importorskip("torch")

from melior.errors import UserError
from melior.methods.text_augmentation import TextAugmentation
from melior.models.linear import Linear
from melior.networks.translation import load_translator, there_and_back, translated
from melior.testing import tables
from melior.trials.fit import Fitting
from melior.trials.shared import Shared


@pytest.fixture(scope="module")
def translators(tmp_path_factory):
    """Two tiny models that never saw a text: what they say is noise, and the same for the same seed."""
    import torch
    import transformers

    from melior.networks.tokenizers import train_tokenizer

    texts = [text for text in tables.mixed_table().column("note").to_list() if text]
    folders = []
    for number in range(2):
        path = tmp_path_factory.mktemp(f"translator{number}")
        tokenizer = train_tokenizer(texts, vocabulary=320, limit=32)
        size = {"d_model": 16, "d_ff": 32, "num_layers": 1, "num_heads": 2, "d_kv": 8, "vocab_size": len(tokenizer)}
        pad = tokenizer.pad_token_id
        config = transformers.T5Config(**size, pad_token_id=pad, decoder_start_token_id=pad, eos_token_id=1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number)
            transformers.T5ForConditionalGeneration(config).save_pretrained(path)
        tokenizer.save_pretrained(path)
        folders.append(str(path))
    return tuple(folders)


def test_each_text_is_translated_and_the_seed_says_how(translators):
    loaded = load_translator(translators[0])
    texts = ["this was very bad", "we love it so", "", "the same words"]
    found = translated(loaded, texts, seed=1)
    assert len(found) == 4
    assert found == translated(loaded, texts, seed=1)
    assert found != translated(loaded, texts, seed=2)
    assert translated(loaded, texts) == translated(loaded, texts)
    assert len(there_and_back(texts, *translators, 0)) == 4


def test_rows_there_and_back_keep_labels_and_other_columns(translators):
    table = tables.mixed_table().take(np.arange(40))
    method = TextAugmentation(changes=("back_translation",), translators=translators)
    context = Fitting(table, Linear(), (), (), "macro_f1", 0, 1, Shared())
    made = method.rows(table, context)
    added = made.take(np.arange(table.rows, made.rows))
    assert 0 < added.rows <= table.rows
    seeds = np.searchsorted(table.row_ids, added.row_ids)
    assert np.array_equal(added.labels, table.labels[seeds])
    assert added.column("size").equals(table.column("size")[seeds])
    assert made.frame.equals(method.rows(table, context).frame)


def test_another_kind_of_model_is_refused(tmp_path):
    from melior.networks.scratch import small_encoder
    from melior.networks.tokenizers import train_tokenizer

    tokenizer = train_tokenizer(["some words to learn from"] * 20, vocabulary=300, limit=16)
    small_encoder(len(tokenizer), width=16, depth=1, heads=2, context=16).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="sequence-to-sequence"):
        load_translator(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file"):
        load_translator(tmp_path / "file")
