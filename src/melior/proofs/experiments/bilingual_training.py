"""What bilingual_training is worth: whether translations are found, and labels of one language used in another; not in
the language that has labels."""

from functools import partial
from typing import Any

import numpy as np

from melior.proofs import languages
from melior.proofs._base import Case, Given, Proof

SMALL = {"width": 48, "depth": 1, "longest": 64, "vocabulary": 3000, "epochs": 12}


def carried(seed: int, *, other: str, scored: str, labels: int = 0, german: int = 500) -> Given:
    languages.pairs_file("de", other)
    return languages.given({"de": german, other: labels}, (scored,), seed)


def learned(other: str, **settings: Any) -> tuple[dict[str, dict[str, Any]], ...]:
    return ({"bilingual_training": {"pairs": languages.pairs_path("de", other), **settings}},)


def found(seed: int, changed: bool) -> float:
    """Of 240 German and French messages and paragraphs put aside, how many find their translation: a small encoder
    from nothing, and the same after three passes over 2,160 other pairs."""
    from melior.data.pairs import translation_pairs
    from melior.methods.bilingual_training import parted
    from melior.networks.alignment import align, retrieved
    from melior.networks.prepared import begun_encoder

    every = translation_pairs(languages.pairs_file("de", "fr"))
    drawn = np.sort(np.random.default_rng(seed).permutation(len(every))[:2400])
    pairs, held = parted(every.take(drawn.tolist()), len(drawn))
    loaded = begun_encoder(
        "", (*pairs.source, *pairs.target), vocabulary=3000, width=64, depth=1, heads=4, longest=64, seed=seed
    )
    if changed:
        align(loaded, pairs.source, pairs.target, epochs=3, learning_rate=1e-3, limit=64, seed=seed)
    return retrieved(loaded, held.source, held.target, limit=64)


PROOF = Proof(
    question=4,
    paper="Feng et al., Language-agnostic BERT Sentence Embedding, ACL 2022",
    helps=(
        Case("German and French messages: translations found, small encoder", figure=found, unit="share", seeds=3),
        Case("manual pages: 500 German, scored in French: order",
             partial(carried, other="fr", scored="fr"),
             "linear", learned("fr"), metric="roc_auc"),
        Case("manual pages: 500 German, scored in Spanish: order",
             partial(carried, other="es", scored="es"),
             "linear", learned("es"), metric="roc_auc"),
    ),
    does_not=(
        Case("manual pages: 500 German, scored in German", partial(carried, other="fr", scored="de"), "linear",
             learned("fr")),
        Case("manual pages: 300 German and 20 French, scored in French, small encoder",
             partial(carried, other="fr", scored="fr", labels=20, german=300), {"text_encoder": SMALL},
             learned("fr", most=2000), seeds=3),
    ),
)  # fmt: skip
