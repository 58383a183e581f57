"""Transformers text encoders that classify: pretrained (frozen, in part, whole, or with a LoRA) or from scratch."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from melior.data.table import Floats, LabelMatrix, Labels, Table
from melior.features._base import Encoder, Matrix
from melior.features.blocks import Blocks
from melior.features.network import NetworkEncoder
from melior.features.parts import Ragged
from melior.models._base import MatrixScorer
from melior.models._network import TUNINGS
from melior.models._pretrained import PretrainedNetwork
from melior.models._texts import PART, EncoderTokens, FrozenText

FEW_ROWS = 2000  # below this the fit is the same for any number of threads
PASSES = {"frozen": 1, "full": 3, "last_k": 5, "lora": 5}
LETTERS = 4.0  # of a token, about
TOKEN_SECONDS = 2.5e-3  # to train on one, of an encoder of 22 million weights, as measured
ENCODED = 1 / 8  # of that, to encode one


class TextEncoder(PretrainedNetwork):
    """A transformer over the text columns (joined, a line each) with a linear head.

    Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers, NAACL 2019.

    source      folder or name of a pretrained encoder; empty: a small one from scratch, with a tokenizer (BPE) trained
                on the training rows
    tuning      what is trained of a pretrained encoder: frozen (features once, a logistic regression on them), last_k,
                lora, full; auto: lora on a GPU, frozen without, where fine-tuning some thousand texts takes hours
    layers      how many of the last layers last_k trains, 1..1,000
    rank, alpha of the LoRA, 1..4,096 and > 0
    pooling     mean of the tokens, or cls (the first)
    dropout     before the head, and inside an encoder from scratch, 0..0.9
    longest     most tokens of a row, 4..100,000; the encoder's own limit where that is less
    vocabulary  tokens of a tokenizer from scratch, 300..1,000,000
    width, depth, heads   of an encoder from scratch; width is a multiple of heads
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"text"})
    # Devlin et al. 2019, Hu et al. 2021
    rates: ClassVar[Mapping[str, float]] = {"full": 5e-5, "last_k": 2e-4, "lora": 1e-3}
    on_gpu: ClassVar[str] = "lora"
    module: ClassVar[str] = "encoded_text"
    cost: ClassVar[int] = 7

    source: str = ""
    pooling: Literal["mean", "cls"] = "mean"
    dropout: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    longest: Annotated[int, Field(ge=4, le=100_000)] = 256
    vocabulary: Annotated[int, Field(ge=300, le=1_000_000)] = 8000
    width: Annotated[int, Field(ge=4, le=8192)] = 64
    depth: Annotated[int, Field(ge=1, le=64)] = 2
    heads: Annotated[int, Field(ge=1, le=64)] = 4

    def pretrained_source(self) -> str:
        return self.source

    def transferred(self, source: str, trained: str, layers: int) -> Self:
        changes = {"source": source or self.source, "tuning": TUNINGS[trained], "layers": layers}
        return self.model_copy(update=changes)

    def unsuitable(self, table: Table) -> str | None:
        reason = super().unsuitable(table)
        if reason is None and not self.source and self.width % self.heads:
            reason = f"a width of {self.width} is not shared evenly by {self.heads} heads"
        return reason

    def reads_lengths(self, table: Table) -> bool:
        return bool(table.of_kind("text"))

    def limit(self) -> int:
        """Tokens of a row that are read."""
        if not self.source:
            return self.longest
        from melior.networks.encoded import pretrained

        return min(self.longest, pretrained(self.source).limit)

    def token_limit(self, table: Table) -> int | None:
        return self.limit() if self.source and table.of_kind("text") else None

    def tokens(self, texts: pl.Series) -> NDArray[np.int64]:
        if not self.source:
            return super().tokens(texts)
        from melior.networks.encoded import pretrained, token_numbers

        _, lengths = token_numbers(pretrained(self.source).tokenizer, texts.fill_null("").to_list(), 2**30)
        return np.where(texts.is_null().to_numpy(), 0, lengths)

    def encoder(self, table: Table, *, scaled: bool) -> Encoder:
        columns = list(table.of_kind("text"))
        if not columns:
            return NetworkEncoder([], [])
        if self.chosen() == "frozen":
            return Blocks([FrozenText(columns, source=self.source, limit=self.limit(), pooling=self.pooling)])
        tokens = EncoderTokens(columns, source=self.source, limit=self.limit(), vocabulary=self.vocabulary)
        return NetworkEncoder([], [tokens])

    def plan(self, matrix: Matrix, classes: int) -> dict[str, Any]:
        from melior.networks.encoded import config_of, pretrained
        from melior.networks.scratch import small_encoder

        tokens = matrix.parts[PART]
        assert isinstance(tokens, Ragged)
        if self.source:
            loaded = pretrained(self.source)
            config, pad = config_of(loaded.model), int(loaded.tokenizer.pad_token_id)
        else:
            size = max(int(tokens.flat.max(initial=0)) + 1, self.vocabulary)
            # positions beyond the longest text of the training rows would never be trained
            made = small_encoder(
                size, width=self.width, depth=self.depth, heads=self.heads, context=self.longest, dropout=self.dropout
            )
            config, pad = config_of(made), 0
        return {
            "config": config,
            "text": PART,
            "classes": classes,
            "pooling": self.pooling,
            "dropout": self.dropout,
            **self.tuned(),
            "pad": pad,
        }

    def begun(self, matrix: Matrix, plan: dict[str, Any]) -> Mapping[str, NDArray[Any]]:
        if not self.source:
            return {}
        from melior.networks.encoded import pretrained_state

        return pretrained_state(self.source, plan)

    def usual_epochs(self, rows: int) -> int:
        return PASSES[self.chosen()] if self.source else super().usual_epochs(rows)

    def row_seconds(self, table: Table) -> float:
        lengths = [table.column(name).str.len_chars().fill_null(0).to_numpy() for name in table.of_kind("text")]
        letters = sum(float(one.mean()) for one in lengths if len(one))
        tokens = min(letters / LETTERS + 1, self.longest)
        if self.source:
            return tokens * TOKEN_SECONDS * (ENCODED if self.chosen() == "frozen" else 1.0)
        return tokens * self.depth * (1.2e-5 + 7.7e-10 * self.width**2)  # as measured for widths 64 and 128

    def fit(
        self,
        matrix: Matrix,
        labels: Labels,
        weights: Floats | None,
        classes: int,
        *,
        seed: int,
        threads: int = 1,
    ) -> MatrixScorer:
        threads = 1 if len(labels) < FEW_ROWS else threads  # sums in another order are other weights
        return super().fit(matrix, labels, weights, classes, seed=seed, threads=threads)

    def fit_labels(
        self, matrix: Matrix, labels: LabelMatrix, weights: Floats | None, *, seed: int, threads: int = 1
    ) -> MatrixScorer:
        threads = 1 if len(labels) < FEW_ROWS else threads
        return super().fit_labels(matrix, labels, weights, seed=seed, threads=threads)
