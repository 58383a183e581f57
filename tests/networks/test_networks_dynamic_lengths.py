"""Rows of like length together: how much is padding with and without, packed and not; and what is scored together."""

import numpy as np
import pytest

pytest.importorskip("torch")

from melior.engine.order import Order
from melior.networks.conversation import Language
from melior.networks.packing import LanguageRows
from melior.networks.scoring import ROWS_AT_ONCE, TOKENS_AT_ONCE, together
from melior.networks.tokens import TextRows, Tokens


def lengths_of_texts(rows, seed=0):
    """Lognormal, as those of real texts are."""
    return np.clip(np.exp(np.random.default_rng(seed).normal(4.0, 0.8, rows)), 8, 512).astype(int)


def padding(source, by_length):
    order = Order(len(source), 16, 0, source.lengths if by_length else None)
    batches = [source.batch(order.step(number)) for number in range(order.steps_per_epoch)]
    assert sum(batch.rows for batch in batches) == len(source)
    assert sum(batch.tokens for batch in batches) == int(source.lengths.sum())
    return sum(batch.padding for batch in batches) / sum(batch.padding + batch.tokens for batch in batches)


def test_batches_by_length_have_little_padding():
    lengths = lengths_of_texts(2000)
    source = TextRows(Tokens.of([np.full(one, 5) for one in lengths]), np.zeros(len(lengths)), None, 0)
    assert padding(source, by_length=False) > 0.5
    assert padding(source, by_length=True) < 0.1


def test_packed_rows_of_a_language_model_have_little_padding():
    texts = Tokens.of([np.full(one, 5) for one in lengths_of_texts(800)])
    rows = Language(texts, np.ones(len(texts.values), dtype=bool))
    assert padding(LanguageRows(rows, 0), by_length=False) > 0.5
    assert padding(LanguageRows(rows, 0, packed=True), by_length=False) < 0.15


def test_rows_of_like_length_are_scored_together_and_each_once():
    lengths = np.random.default_rng(1).integers(1, 20_000, 900)
    found = list(together(lengths, 900))
    assert sorted(np.concatenate(found)) == list(range(900))
    assert all(len(rows) == 1 or len(rows) * lengths[rows].max() <= TOKENS_AT_ONCE for rows in found)
    assert sum(lengths) / sum(len(rows) * lengths[rows].max() for rows in found) > 0.9
    assert [len(rows) for rows in together(None, 600)] == [ROWS_AT_ONCE, ROWS_AT_ONCE, 600 - 2 * ROWS_AT_ONCE]
    assert list(together(np.empty(0, dtype=int), 0)) == []
