"""What sparse_attention is worth: texts of thousands of tokens become affordable, and what stands late is read; at a
few hundred tokens it saves nothing."""

import time
from typing import Any

from melior.proofs import long_texts
from melior.proofs._base import Case, Proof

WINDOW = 256


def seconds(tokens: int, changed: bool) -> float:
    """Of a forward and backward pass of one text through a small encoder: 4 layers, width 128, float32."""
    from melior.networks.local_attention import attend_locally

    encoder, ids = _encoder(tokens)
    if changed:
        attend_locally(encoder, WINDOW, 1)
    took = []
    for _ in range(3):
        begin = time.perf_counter()
        encoder(input_ids=ids)[0].mean().backward()
        took.append(time.perf_counter() - begin)
    return min(took)


def _encoder(tokens: int) -> tuple[Any, Any]:
    import torch

    from melior.networks.scratch import small_encoder

    encoder = small_encoder(1000, width=128, depth=4, heads=4, context=tokens, dropout=0.0)
    return encoder.train(), torch.randint(3, 1000, (1, tokens), generator=torch.Generator().manual_seed(0))


SCRATCH: dict[str, Any] = {"width": 32, "depth": 1, "heads": 2, "vocabulary": 3000, "epochs": 10, "batch_rows": 16,
                           "learning_rate": 0.005, "longest": 128}  # fmt: skip

PROOF = Proof(
    question=5,
    paper="Beltagy et al., Longformer: The Long-Document Transformer, 2020",
    helps=(
        Case(
            "a text of 4,096 tokens, forward and backward, windows of 256 beside all to all",
            figure=lambda seed, changed: seconds(4096, changed),
            unit="s",
            smaller_is_better=True,
        ),
        Case(
            "the department of a review behind 100 words of a manual page; an encoder from scratch that reads 128 "
            "tokens beside 384",
            lambda seed: long_texts.hidden(seed, rows=400, words=100),
            model={"text_encoder": SCRATCH},
            methods=({"sparse_attention": {"window": 64, "longest": 384}},),
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "a text of 256 tokens, forward and backward, windows of 256 beside all to all",
            figure=lambda seed, changed: seconds(256, changed),
            unit="s",
            smaller_is_better=True,
        ),
        Case(
            "the department of a review alone, windows of 32 beside all to all; an encoder from scratch",
            lambda seed: long_texts.reviews(seed, rows=400),
            model={"text_encoder": SCRATCH},
            methods=({"sparse_attention": {"window": 32, "longest": 128}},),
            seeds=3,
        ),
    ),
)
