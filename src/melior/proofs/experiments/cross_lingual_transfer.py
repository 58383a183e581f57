"""What cross_lingual_transfer is worth: few labels of a language but many of its texts; not where labels are many."""

from functools import partial

from melior.proofs import languages
from melior.proofs._base import Case, Given, Proof

SMALL = {"width": 48, "depth": 1, "longest": 64, "vocabulary": 3000, "epochs": 12}
MOST = 1000  # unlabelled texts of each language


def adapted(seed: int, *, german: int, french: int, scored: str = "fr") -> Given:
    """The texts are paragraphs of pages that are neither trained on nor scored."""
    languages.texts_file("de", "fr", most=MOST)
    return languages.given({"de": german, "fr": french}, (scored,), seed)


READING = ({"cross_lingual_transfer": {"texts": languages.texts_path("de", "fr", most=MOST), "passes": 2}},)

PROOF = Proof(
    question=4,
    paper="Wang et al., Improving Pre-Trained Multilingual Models with Vocabulary Expansion, CoNLL 2019",
    helps=(
        Case("manual pages: 300 German and 20 French (few-shot), scored in French",
             partial(adapted, german=300, french=20), {"text_encoder": SMALL}, READING, seeds=3),
        Case("manual pages: 300 German (zero-shot), scored in French: order of the scores",
             partial(adapted, german=300, french=0), {"text_encoder": SMALL}, READING, metric="roc_auc", seeds=3),
    ),
    does_not=(
        Case("manual pages: 300 German and 20 French, scored in German",
             partial(adapted, german=300, french=20, scored="de"), {"text_encoder": SMALL}, READING, seeds=3),
    ),
)  # fmt: skip
