"""Cross-lingual transfer: a model that was trained on one language is adapted to another by texts without labels."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from melior.data.language import Row, language_rows, texts_of
from melior.data.table import Table
from melior.errors import UserError
from melior.methods._base import Method
from melior.methods._texts import begun_elsewhere
from melior.models._base import Model
from melior.recipe import Recipe

FILE = r"^$|\.(csv|tsv|jsonl|ndjson|parquet|txt|md)(\.(gz|zst))?$"
NO_TEXTS = "no texts of the other language are named; give a file of them as texts, without labels"
PIECE = 400  # letters of a piece of a file that is one text
FEWEST = 20
FROM_NOTHING, PRETRAINED = 1e-3, 5e-5  # learning rates


class CrossLingualTransfer(Method):
    """Goes on with pretraining on texts of another language before the training rows are learned.

    text_encoder: new tokens for words that its tokenizer cuts into many pieces, each beginning as the mean of its
    pieces, then masked words of the texts. A model from nothing gets its tokenizer and its first weights from the
    texts. A language model (task: generate) gets the texts as further rows. `evaluate` scores each language by itself,
    those without a training row as well (zero-shot); rows of the other language among the training rows are learned
    with the others (few-shot).

    texts       a file of texts without labels, of the other language or better of both: a column `text`, or a .txt or
                .md file
    vocabulary  new tokens at most, 0..100,000, default 1,000; none where the tokenizer is learned from the texts
    passes      over the texts, 1..1,000, default 1
    share       of the tokens that are masked, 0.01..0.9, default 0.15
    rate        the learning rate, above 0 to 1; auto (none): 1e-3 from nothing, 5e-5 for a pretrained encoder
    epochs      over the training rows for an encoder that began from nothing and whose recipe does not say,
                1..100,000, default 20
    most        texts at most, 20..10,000,000, default 50,000, drawn at random
    """

    treats: ClassVar[frozenset[str]] = frozenset({"language_gap"})
    kinds: ClassVar[frozenset[str]] = frozenset({"text", "language"})
    questions: ClassVar[tuple[int, ...]] = (4,)
    reference: ClassVar[str] = "Wang et al., Improving Pre-Trained Multilingual Models with Vocabulary Expansion, 2019"
    order: ClassVar[int] = 4
    networks: ClassVar[bool] = True
    multilabel: ClassVar[bool] = True
    needs: ClassVar[str] = "a file of texts of the other language"
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"vocabulary": 0})
    cost: ClassVar[float] = 3.0
    files: ClassVar[tuple[str, ...]] = ("texts",)

    texts: Annotated[str, Field(max_length=4096, pattern=FILE)] = ""
    vocabulary: Annotated[int, Field(ge=0, le=100_000)] = 1000
    passes: Annotated[int, Field(ge=1, le=1000)] = 1
    share: Annotated[float, Field(ge=0.01, le=0.9)] = 0.15
    rate: Annotated[float, Field(gt=0, le=1)] | None = None
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 20
    most: Annotated[int, Field(ge=20, le=10_000_000)] = 50_000

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if model.name != "text_encoder":
            return (
                f"{model.name} learns nothing from texts without labels; text_encoder does, and bilingual_training and "
                "multilingual_augmentation carry other families into another language"
            )
        return begun_elsewhere(recipe) if self.texts else NO_TEXTS

    def model(self, model: Model) -> Model:
        """The family that begins with an encoder which has read the texts."""
        from melior.models._texts import features_folder
        from melior.models.text_encoder import TextEncoder
        from melior.networks.loading import Loaded
        from melior.networks.masked import go_on
        from melior.networks.prepared import begun_encoder, prepared
        from melior.networks.vocabulary import extend, wanted_words

        assert isinstance(model, TextEncoder)
        texts, new = self.read(), not model.source
        rate = self.rate or (FROM_NOTHING if new else PRETRAINED)
        how = {"method": self.model_dump(exclude={"texts", "epochs"}), "texts": digest(texts), "rate": rate,
               "limit": model.longest}  # fmt: skip

        def begun() -> Loaded:
            return begun_encoder(
                model.source, texts, vocabulary=model.vocabulary, width=model.width, depth=model.depth,
                heads=model.heads, longest=model.longest, seed=0,
            )  # fmt: skip

        def make(loaded: Loaded) -> dict[str, Any]:
            added = 0 if new or not self.vocabulary else extend(
                loaded, wanted_words(loaded.tokenizer, texts, self.vocabulary))  # fmt: skip
            loss = go_on(
                loaded, texts, epochs=self.passes, share=self.share, learning_rate=rate,
                limit=min(model.longest, loaded.limit),
            )  # fmt: skip
            return {"texts": len(texts), "tokens_added": added, "masked_loss": loss}

        folder = prepared(features_folder().parent / "encoders", begun, how, make)
        changes: dict[str, Any] = {"source": str(folder)}
        if new:  # as it would have been trained from nothing: whole, and as fast
            changes |= {
                "tuning": "full" if model.tuning == "auto" else model.tuning,
                "learning_rate": model.learning_rate or model.usual_rate,
                "epochs": model.epochs or self.epochs,
            }
        return model.model_copy(update=changes)

    def read(self) -> list[str]:
        """The texts of the file, each once, at most so many; one long text in pieces of whole lines."""
        rows, name = language_rows(self.texts)
        texts = [texts_of(row) for row in rows]
        if len(texts) == 1:
            texts = pieces(texts[0])
        texts = list(dict.fromkeys(text for text in texts if text.strip()))
        if len(texts) < FEWEST:
            raise UserError(f"{name}: {len(texts)} texts are too few to learn a language from; give at least {FEWEST}.")
        drawn = np.sort(np.random.default_rng(17).permutation(len(texts))[: self.most])
        return [texts[at] for at in drawn.tolist()]

    def language_rows(self, rows: Sequence[Row], seed: int) -> list[Row]:
        """The rows, and the texts beside them."""
        if not self.texts:
            raise UserError(f"methods.{self.name} cannot be used here: {NO_TEXTS}.")
        return [*rows, *({"text": text} for text in self.read())]


def digest(texts: Sequence[str]) -> str:
    """Changes when the texts do."""
    from hashlib import sha256

    return sha256("\x1e".join(texts).encode("utf-8", "surrogatepass")).hexdigest()


def pieces(text: str, letters: int = PIECE) -> list[str]:
    """A long text as pieces of whole lines of some 400 letters.

    >>> pieces("one\\ntwo\\nthree", 7)
    ['one\\ntwo', 'three']
    """
    found: list[str] = []
    held: list[str] = []
    for line in text.splitlines():
        if held and sum(map(len, held)) + len(line) >= letters:
            found.append("\n".join(held))
            held = []
        held.append(line)
    return [*found, "\n".join(held)] if held else found
