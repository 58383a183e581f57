"""Text columns as a text encoder reads them: token numbers, or features of a frozen encoder."""

import os
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data.table import Table
from melior.features.blocks import Block, Values
from melior.features.network import NetworkEncoder, PartBlock
from melior.features.parts import Ragged
from melior.models._base import Encoding, MatrixScorer
from melior.models._network import NetworkScorer

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

    def spelled(self, table: Table) -> list[list[str]]:
        """The tokens of each row as they stand in its text; marks by their names."""
        from melior.networks.tokenizers import restored

        tokenizer: Any = restored(self.tokenizer)
        how = {"truncation": True, "max_length": self.limit, "return_offsets_mapping": True, "verbose": False}
        found = []
        for text in joined(table, self.columns):
            made = tokenizer(text, **how)
            names = tokenizer.convert_ids_to_tokens(made["input_ids"])
            places = zip(made["offset_mapping"], names, strict=True)
            found.append([text[start:end] if end > start else name for (start, end), name in places])
        return found


def shown_weights(encoding: Encoding, model: MatrixScorer, table: Table) -> pl.DataFrame | None:
    """`row`, `token`, `text`, `weight` of a fitted text encoder that learned what counts; None for any other."""
    encoder = encoding.encoder
    if not isinstance(model, NetworkScorer) or not isinstance(encoder, NetworkEncoder):
        return None
    parts = [part for part in encoder.parts if isinstance(part, EncoderTokens)]
    if not parts or "attention" not in (model.plan.get("pooling"), model.plan.get("windows")):
        return None
    from melior.networks.scoring import token_weights

    changed = table
    for step in encoding.table_steps:
        changed = step.transform(changed)
    read = parts[0].transform(changed)
    lengths = read.lengths
    return pl.DataFrame(
        {
            "row": np.repeat(table.row_ids, lengths),
            "token": np.arange(len(read.flat)) - np.repeat(read.starts[:-1], lengths),
            "text": [token for row in parts[0].spelled(changed) for token in row],
            "weight": token_weights(model.network(), read),
        }
    )


class FrozenText(Block):
    """Text columns as features of a frozen pretrained encoder, which is kept with the predictor. Features are kept on
    disk under what they are of (MELIOR_CACHE, or ~/.cache/melior), so that folds and trials share them."""

    def __init__(
        self,
        columns: list[str],
        *,
        source: str,
        limit: int,
        pooling: str,
        cut: list[int] | None = None,
        windows: str = "mean",
        local: dict[str, int] | None = None,
    ) -> None:
        """cut, windows: how long texts are cut (`melior.networks.windows`), and how their windows become one vector.
        local: attention within windows, up to `limit` tokens, whatever the encoder itself takes."""
        self.columns = columns
        self.source = source
        self.limit = limit
        self.pooling = pooling
        self.cut = cut
        self.windows = windows
        self.local = local

    def fit(self, table: Table, seed: int) -> Self:
        from melior.networks.encoded import config_of, encoder_state, pretrained, with_config
        from melior.networks.features import content_key
        from melior.networks.longer import lengthened, with_local_attention
        from melior.networks.tokenizers import saved

        loaded = pretrained(self.source)
        model = loaded.model
        if self.local is not None:
            model = with_config(model, lengthened(config_of(model), self.limit))
        self.tokenizer = saved(loaded.tokenizer)
        self.config = config_of(model)
        self.state: dict[str, NDArray[Any]] = encoder_state(model)
        self.key = content_key(model, loaded.tokenizer)
        if self.local is not None:
            self.key += f"-local-{self.local['window']}-{self.local['first']}"
        self._loaded = (with_local_attention(model, self.local), loaded.tokenizer)
        return self

    def transform(self, table: Table) -> Values:
        from melior.networks.encoded import rebuilt_encoder
        from melior.networks.features import frozen_features
        from melior.networks.tokenizers import restored
        from melior.networks.windows import Cut

        if getattr(self, "_loaded", None) is None:
            encoder = rebuilt_encoder(self.config, self.state, getattr(self, "local", None))
            self._loaded = (encoder, restored(self.tokenizer))
        cut = getattr(self, "cut", None)  # predictors of earlier versions say nothing of windows
        how: dict[str, Any] = {"limit": self.limit, "pooling": self.pooling}
        if cut is not None:
            how |= {"cut": Cut(*cut), "windows": self.windows}
        return frozen_features(*self._loaded, joined(table, self.columns), cache=features_folder(), key=self.key, **how)

    def names(self) -> list[str]:
        return [f"text: feature {number + 1}" for number in range(self.config["hidden_size"])]

    def sources(self) -> list[str]:
        return [self.columns[0]] * int(self.config["hidden_size"])


def features_folder() -> Path:
    """Where features are kept between runs."""
    return Path(os.environ.get("MELIOR_CACHE", Path.home() / ".cache" / "melior")) / "features"
