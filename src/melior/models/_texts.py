"""Text columns as a text encoder reads them: token numbers, or features of a frozen encoder."""

import os
from pathlib import Path
from typing import Any, Self

import polars as pl
from numpy.typing import NDArray

from melior.data.table import Table
from melior.features.blocks import Block, Values
from melior.features.network import PartBlock
from melior.features.parts import Ragged

PART = "text: all"


def joined(table: Table, columns: list[str]) -> list[str]:
    """One text a row: its text columns, those that are not empty, each on a line of its own."""
    texts = table.frame.select(pl.concat_str([pl.col(name) for name in columns], separator="\n", ignore_nulls=True))
    return [text or "" for text in texts.to_series().to_list()]


class EncoderTokens(PartBlock):
    """Text columns as tokens of a pretrained encoder (source), or of a tokenizer trained on the training rows."""

    def __init__(self, columns: list[str], *, source: str, limit: int, vocabulary: int) -> None:
        self.name = PART
        self.columns = columns
        self.source = source
        self.limit = limit
        self.vocabulary = vocabulary

    def fit(self, table: Table, seed: int) -> Self:
        from melior.networks.encoded import pretrained
        from melior.networks.tokenizers import saved, train_tokenizer

        if self.source:
            tokenizer = pretrained(self.source).tokenizer
        else:
            tokenizer = train_tokenizer(joined(table, self.columns), vocabulary=self.vocabulary, limit=self.limit)
        self.tokenizer = saved(tokenizer)
        self.pad = int(tokenizer.pad_token_id)
        self.size = len(tokenizer)
        return self

    def transform(self, table: Table) -> Ragged:
        from melior.networks.encoded import token_numbers
        from melior.networks.tokenizers import restored

        if getattr(self, "_tokenizer", None) is None:
            self._tokenizer = restored(self.tokenizer)
        return Ragged.of(*token_numbers(self._tokenizer, joined(table, self.columns), self.limit))


class FrozenText(Block):
    """Text columns as features of a frozen pretrained encoder, which is kept with the predictor. Features are kept on
    disk under what they are of (MELIOR_CACHE, or ~/.cache/melior), so that folds and trials share them."""

    def __init__(self, columns: list[str], *, source: str, limit: int, pooling: str) -> None:
        self.columns = columns
        self.source = source
        self.limit = limit
        self.pooling = pooling

    def fit(self, table: Table, seed: int) -> Self:
        from melior.networks.encoded import config_of, encoder_state, pretrained
        from melior.networks.features import content_key
        from melior.networks.tokenizers import saved

        loaded = pretrained(self.source)
        self.tokenizer = saved(loaded.tokenizer)
        self.config = config_of(loaded.model)
        self.state: dict[str, NDArray[Any]] = encoder_state(loaded.model)
        self.key = content_key(loaded.model, loaded.tokenizer)
        self._loaded = (loaded.model, loaded.tokenizer)
        return self

    def transform(self, table: Table) -> Values:
        from melior.networks.encoded import rebuilt_encoder
        from melior.networks.features import frozen_features
        from melior.networks.tokenizers import restored

        if getattr(self, "_loaded", None) is None:
            self._loaded = (rebuilt_encoder(self.config, self.state), restored(self.tokenizer))
        texts, how = joined(table, self.columns), {"limit": self.limit, "pooling": self.pooling}
        return frozen_features(*self._loaded, texts, cache=features_folder(), key=self.key, **how)  # type: ignore[arg-type]

    def names(self) -> list[str]:
        return [f"text: feature {number + 1}" for number in range(self.config["hidden_size"])]

    def sources(self) -> list[str]:
        return [self.columns[0]] * int(self.config["hidden_size"])


def features_folder() -> Path:
    """Where features are kept between runs."""
    return Path(os.environ.get("MELIOR_CACHE", Path.home() / ".cache" / "melior")) / "features"
