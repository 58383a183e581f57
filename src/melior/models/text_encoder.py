"""Transformers text encoders that classify: pretrained (frozen, in part, whole, or with a LoRA) or from scratch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

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

if TYPE_CHECKING:
    from melior.networks.windows import Cut

FEW_ROWS = 2000  # below this the fit is the same for any number of threads
PASSES = {"frozen": 1, "full": 3, "last_k": 5, "lora": 5}
ATTENDING = 10  # passes to learn what counts in the states of a frozen encoder
MARKS = (1, 1)  # of a tokenizer from scratch: before and behind a text
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
    pooling     mean of the tokens, cls (the first), or attention: learned weights, shown by `token_weights`. With
                attention a frozen encoder goes over the texts in every epoch
    dropout     before the head, and inside an encoder from scratch, 0..0.9
    longest     most tokens of a row, 4..100,000; the encoder's own limit where that is less
    window      none: a text is cut off at `longest`; else it is read in windows of so many tokens, 8..100,000, at most
                the encoder's own limit
    overlap     share of a window that its neighbour has too, at least, 0..0.9
    windows     most windows of a row, 1..10,000; what is behind them is cut off
    windows_pooling  mean of a row's windows, max (the largest of each number), or attention: learned weights
    attention_window  none: every token attends to all; else to half so many before and half so many behind it and to
                the first tokens, 2..100,000. Then `longest` may be beyond the encoder's own limit: learned positions
                are repeated
    first_tokens  tokens at the beginning that attend to all and that all attend to, where there is an
                attention_window, 1..1,000
    vocabulary  tokens of a tokenizer from scratch, 300..1,000,000
    width, depth, heads   of an encoder from scratch; width is a multiple of heads
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"text"})
    # Devlin et al. 2019, Hu et al. 2021
    rates: ClassVar[Mapping[str, float]] = {"full": 5e-5, "last_k": 2e-4, "lora": 1e-3, "frozen": 3e-3}
    on_gpu: ClassVar[str] = "lora"
    module: ClassVar[str] = "encoded_text"
    cost: ClassVar[int] = 7
    files: ClassVar[tuple[str, ...]] = ("source",)

    source: str = ""
    pooling: Literal["mean", "cls", "attention"] = "mean"
    dropout: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    longest: Annotated[int, Field(ge=4, le=100_000)] = 256
    window: Annotated[int, Field(ge=8, le=100_000)] | None = None
    overlap: Annotated[float, Field(ge=0, le=0.9)] = 0.25
    windows: Annotated[int, Field(ge=1, le=10_000)] = 16
    windows_pooling: Literal["mean", "max", "attention"] = "mean"
    attention_window: Annotated[int, Field(ge=2, le=100_000)] | None = None
    first_tokens: Annotated[int, Field(ge=1, le=1000)] = 1
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
        return reason or self.too_long()

    def too_long(self) -> str | None:
        """Why it cannot read long texts as its settings say, or None."""
        if self.window is not None and self.attention_window is not None:
            return "texts are cut into windows (window), or attention is (attention_window), not both; leave one out"
        if not self.source or (self.window is None and self.attention_window is None):
            return None
        from melior.networks.encoded import local_attention_refused, pretrained

        if self.window is not None:
            limit = pretrained(self.source).limit
            return f"its encoder takes {limit:,} tokens; give a window of no more" if self.window > limit else None
        refused = local_attention_refused(self.source)
        return f"the attention of {self.source} cannot be made local: {refused}; chunking works" if refused else None

    def reads_lengths(self, table: Table) -> bool:
        return bool(table.of_kind("text"))

    def at_once(self) -> int:
        """Tokens that go through the encoder together: a window, or a whole row."""
        if self.window is not None:
            return self.window
        if not self.source or self.attention_window is not None:
            return self.longest
        from melior.networks.encoded import pretrained

        return min(self.longest, pretrained(self.source).limit)

    def cut(self) -> "Cut | None":
        """How rows are cut into windows."""
        if self.window is None:
            return None
        from melior.networks.encoded import pretrained
        from melior.networks.windows import Cut, marks_of

        marks = marks_of(pretrained(self.source).tokenizer) if self.source else MARKS
        return Cut(self.window, int(self.overlap * self.window), *marks)

    def limit(self) -> int:
        """Tokens of a row that are read."""
        cut = self.cut()
        return self.at_once() if cut is None else cut.read(self.windows)

    def local(self) -> dict[str, int] | None:
        """The attention within windows, as plain values."""
        if self.attention_window is None:
            return None
        return {"window": self.attention_window, "first": self.first_tokens}

    def attends(self) -> bool:
        """Whether it learns what of a row counts."""
        return self.pooling == "attention" or (self.window is not None and self.windows_pooling == "attention")

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
        if self.chosen() == "frozen" and not self.attends():
            how = {"limit": self.limit(), "pooling": self.pooling, "local": self.local()}
            cut = self.cut()
            windows = None if cut is None else list(cut)
            return Blocks(
                [FrozenText(columns, source=self.source, cut=windows, windows=self.windows_pooling, **how)]  # type: ignore[arg-type]
            )
        tokens = EncoderTokens(columns, source=self.source, limit=self.limit(), vocabulary=self.vocabulary)
        return NetworkEncoder([], [tokens])

    def plan(self, matrix: Matrix, classes: int) -> dict[str, Any]:
        from melior.networks.encoded import config_of, pretrained
        from melior.networks.longer import lengthened
        from melior.networks.scratch import small_encoder

        tokens = matrix.parts[PART]
        assert isinstance(tokens, Ragged)
        if self.source:
            loaded = pretrained(self.source)
            config, pad = config_of(loaded.model), int(loaded.tokenizer.pad_token_id)
            config = lengthened(config, self.longest) if self.attention_window is not None else config
        else:
            size = max(int(tokens.flat.max(initial=0)) + 1, self.vocabulary)
            # positions beyond the longest text of the training rows would never be trained
            made = small_encoder(
                size, width=self.width, depth=self.depth, heads=self.heads, context=self.at_once(), dropout=self.dropout
            )
            config, pad = config_of(made), 0
        cut, local = self.cut(), self.local()
        return {
            "config": config,
            "text": PART,
            "classes": classes,
            "pooling": self.pooling,
            "dropout": self.dropout,
            **self.tuned(),
            "pad": pad,
            **({} if cut is None else {"cut": list(cut), "windows": self.windows_pooling}),
            **({} if local is None else {"local": local}),
        }

    def begun(self, matrix: Matrix, plan: dict[str, Any]) -> Mapping[str, NDArray[Any]]:
        if not self.source:
            return {}
        from melior.networks.encoded import pretrained_state

        return pretrained_state(self.source, plan)

    def usual_epochs(self, rows: int) -> int:
        if not self.source:
            return super().usual_epochs(rows)
        return ATTENDING if self.chosen() == "frozen" and self.attends() else PASSES[self.chosen()]

    def row_seconds(self, table: Table) -> float:
        lengths = [table.column(name).str.len_chars().fill_null(0).to_numpy() for name in table.of_kind("text")]
        letters = sum(float(one.mean()) for one in lengths if len(one))
        most = self.longest if self.window is None else self.window * self.windows  # no model is loaded to know it
        tokens = min(letters / LETTERS + 1, most)
        if self.window is not None and tokens > self.window:
            tokens /= 1 - self.overlap  # what two windows share is computed twice
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
