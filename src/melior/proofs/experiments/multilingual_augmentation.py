"""What multilingual_augmentation is worth: labels in one language, scored in another; not in the language that has
labels."""

from functools import partial

from melior.proofs import languages
from melior.proofs._base import Case, Given, Proof


def carried(seed: int, *, other: str, scored: str, labels: int = 0) -> Given:
    """500 German pages and so many of the other language; the pairs are messages and pages that are not scored."""
    languages.pairs_file("de", other)
    return languages.given({"de": 500, other: labels}, (scored,), seed)


def switching(other: str) -> tuple[dict[str, dict[str, str]], ...]:
    return ({"multilingual_augmentation": {"pairs": languages.pairs_path("de", other)}},)


PROOF = Proof(
    question=4,
    paper="Qin et al., CoSDA-ML: Multi-Lingual Code-Switching Data Augmentation for Zero-Shot Cross-Lingual NLP, 2020",
    helps=(
        Case("manual pages: 500 German, scored in French: order",
             partial(carried, other="fr", scored="fr"),
             "linear", switching("fr"), metric="roc_auc"),
        Case("manual pages: 500 German, scored in Spanish: order",
             partial(carried, other="es", scored="es"),
             "linear", switching("es"), metric="roc_auc"),
        Case("manual pages: 500 German, scored in French: answers", partial(carried, other="fr", scored="fr"),
             "linear", switching("fr")),
    ),
    does_not=(
        Case("manual pages: 500 German, scored in German", partial(carried, other="fr", scored="de"), "linear",
             switching("fr")),
        Case("manual pages: 500 German and 150 French, scored in French", partial(carried, other="fr", scored="fr",
             labels=150), "linear", switching("fr")),
    ),
)  # fmt: skip
