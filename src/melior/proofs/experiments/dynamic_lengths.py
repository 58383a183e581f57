"""What dynamic_lengths is worth: in texts of mixed length padding is most of the work of a batch; texts that are all
alike have none."""

import time
from collections.abc import Callable

import numpy as np

from melior.proofs._base import Case, Proof

ROWS = 400
FIRST = 32  # rows of an epoch that does not count: what is loaded and set up once is no work of a row


def rows_a_second(lengths: np.ndarray, by_length: bool) -> float:
    """Of an epoch of a small encoder (2 layers, width 64) on texts of these lengths, 16 a step."""
    from melior.engine.loop import train
    from melior.engine.losses import class_loss
    from melior.engine.settings import Training
    from melior.networks.losses import TextClassifier
    from melior.networks.scratch import small_encoder
    from melior.networks.tokens import TextRows, Tokens

    def epoch(lengths: np.ndarray) -> None:
        random = np.random.default_rng(0)
        texts = Tokens.of([random.integers(3, 1000, length).astype(np.int32) for length in lengths])
        source = TextRows(texts, random.integers(0, 2, len(lengths)), None, 0)
        module = TextClassifier(small_encoder(1000, width=64, depth=2, heads=2, context=256), 2)
        settings = Training(epochs=1, batch_rows=16, by_length=by_length, precision="float32", device="cpu", threads=1)
        train(module, source, class_loss, settings)

    return timed(epoch, lengths)


def timed(epoch: Callable[[np.ndarray], None], lengths: np.ndarray) -> float:
    """Rows a second of an epoch, after a short one."""
    epoch(lengths[:FIRST])
    begin = time.perf_counter()
    epoch(lengths)
    return len(lengths) / (time.perf_counter() - begin)


def mixed(seed: int) -> np.ndarray:
    """Lengths as those of real texts are: lognormal, 8 to 256."""
    random = np.random.default_rng([seed, 107])
    return np.clip(np.exp(random.normal(4.0, 0.8, ROWS)), 8, 256).astype(int)


def packed_rows_a_second(seed: int, packed: bool) -> float:
    """Of some steps of a small causal model on texts of mixed length, packed behind one another or padded."""
    from melior.engine.loop import train
    from melior.engine.settings import Training
    from melior.networks.conversation import Language
    from melior.networks.losses import CausalNetwork, language_loss
    from melior.networks.packing import LanguageRows
    from melior.networks.scratch import small_causal
    from melior.networks.tokens import Tokens

    def epoch(lengths: np.ndarray) -> None:
        random = np.random.default_rng([seed, 108])
        texts = Tokens.of([random.integers(3, 1000, length).astype(np.int32) for length in lengths])
        rows = Language(texts, np.ones(len(texts.values), dtype=bool))
        module = CausalNetwork(small_causal(1000, width=64, depth=2, heads=2, context=256, pad=0, end=1))
        settings = Training(epochs=1, batch_rows=16, by_length=False, precision="float32", device="cpu", threads=1)
        train(module, LanguageRows(rows, 0, packed=packed), language_loss, settings)

    return timed(epoch, mixed(seed))


PROOF = Proof(
    question=5,
    paper="Khomenko et al., Accelerating recurrent neural network training using sequence bucketing, 2016",
    helps=(
        Case(
            "texts of 8 to 256 tokens, batches by length",
            figure=lambda seed, changed: rows_a_second(mixed(seed), changed),
            unit="rows a second",
        ),
        Case(
            "texts of 8 to 256 tokens for a language model, packed",
            figure=packed_rows_a_second,
            unit="rows a second",
        ),
    ),
    does_not=(
        Case(
            "texts of 64 tokens each, batches by length",
            figure=lambda seed, changed: rows_a_second(np.full(ROWS, 64), changed),
            unit="rows a second",
        ),
    ),
)
