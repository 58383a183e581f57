"""Bilingual training: translation pairs teach a model that two texts say the same."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from melior.data.language import Row
from melior.data.pairs import Pairs, translation_pairs
from melior.data.table import Table
from melior.errors import UserError
from melior.methods._base import Method
from melior.methods._texts import begun_elsewhere
from melior.models._base import FamilyLearner, Learner, Model
from melior.recipe import Recipe
from melior.texts.names import NAMES

FILE = r"^$|\.(csv|tsv|jsonl|ndjson|parquet)(\.(gz|zst))?$"
NO_PAIRS = "no translation pairs are named; give their file as pairs"
HELD, FEWEST = 0.1, 20  # of the pairs, on which retrieval is measured; and how many pairs there must be
MOST_HELD = 500


class BilingualTraining(Method):
    """Learns from translation pairs, before the training rows.

    text_encoder: the encoder, pretrained or from nothing, is taught that the texts of a pair say the same, and kept on
    disk for other trials. Other families that read texts (linear, trees, tabular_network) get words that the training
    rows do not have as their likeliest translation (IBM model 1). A language model (task: generate) gets the pairs as
    rows, in both directions.

    pairs     a file of translation pairs: `source` and `target` (with `source_language` and `target_language`), or
              two columns named by their languages
    kind      of a text_encoder: contrastive (default: nearer to its translation than to others) or distilled (both
              sides where the encoder, as it came, puts the source: for a pretrained encoder of one language)
    passes    over the pairs, 1..1,000, default 3
    together  pairs at once, 2..65,536, default 64: as many wrong translations a right one is told from
    rate      the learning rate, above 0 to 1; auto (none): 1e-3 from nothing, 5e-5 for a pretrained encoder
    most      pairs at most, 20..10,000,000, default 50,000, drawn at random
    """

    treats: ClassVar[frozenset[str]] = frozenset({"language_gap"})
    kinds: ClassVar[frozenset[str]] = frozenset({"text", "language"})
    questions: ClassVar[tuple[int, ...]] = (4,)
    reference: ClassVar[str] = "Feng et al., Language-agnostic BERT Sentence Embedding, ACL 2022"
    order: ClassVar[int] = 5
    multilabel: ClassVar[bool] = True
    needs: ClassVar[str] = "a file of translation pairs"
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "distilled"})
    cost: ClassVar[float] = 3.0
    files: ClassVar[tuple[str, ...]] = ("pairs",)

    pairs: Annotated[str, Field(max_length=4096, pattern=FILE)] = ""
    kind: Literal["contrastive", "distilled"] = "contrastive"
    passes: Annotated[int, Field(ge=1, le=1000)] = 3
    together: Annotated[int, Field(ge=2, le=65_536)] = 64
    rate: Annotated[float, Field(gt=0, le=1)] | None = None
    most: Annotated[int, Field(ge=20, le=10_000_000)] = 50_000

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if not table.of_kind("text"):
            return "there are no text columns to align; joint_training balances the languages of rows of any kind"
        if not self.pairs:
            return NO_PAIRS
        if model.name == "text_encoder":
            if self.kind == "distilled" and not getattr(model, "source", ""):
                return "only what a pretrained encoder knows can be distilled; name its folder as source, or use " \
                       "kind: contrastive"  # fmt: skip
            return begun_elsewhere(recipe)
        return None if "text" in model.kinds else f"{model.name} reads no texts; text_encoder and linear do"

    def model(self, model: Model) -> Model:
        return self.aligned(model) if model.name == "text_encoder" else model

    def learner(self, learner: Learner) -> Learner:
        if not isinstance(learner, FamilyLearner) or learner.model.name == "text_encoder":
            return learner
        from melior.features.aligned import AlignedWords

        step = AlignedWords(self.pairs, translation_pairs(self.pairs).digest())
        return FamilyLearner(learner.model, (*learner.table_steps, step), learner.matrix_steps)

    def aligned(self, model: Any) -> Model:
        """The family with an encoder that was taught the pairs as its source."""
        from melior.models._texts import features_folder
        from melior.networks.alignment import align, retrieved
        from melior.networks.loading import Loaded
        from melior.networks.prepared import begun_encoder, prepared

        pairs, held = parted(translation_pairs(self.pairs), self.most)
        limit = min(model.longest, 128)
        rate = self.rate or (5e-5 if model.source else 1e-3)
        how = {
            "method": self.model_dump(exclude={"pairs"}), "pairs": pairs.digest(), "held": held.digest(),
            "pooling": model.pooling, "limit": limit, "rate": rate,
        }  # fmt: skip

        def begun() -> Loaded:
            return begun_encoder(
                model.source, (*pairs.source, *pairs.target), vocabulary=model.vocabulary, width=model.width,
                depth=model.depth, heads=model.heads, longest=model.longest, seed=0,
            )  # fmt: skip

        def make(loaded: Loaded) -> dict[str, Any]:
            where: dict[str, Any] = {"pooling": model.pooling, "limit": limit}
            before = retrieved(loaded, held.source, held.target, **where)
            align(
                loaded, pairs.source, pairs.target, kind=self.kind, epochs=self.passes, batch_rows=self.together,
                learning_rate=rate, **where,
            )  # fmt: skip
            after = retrieved(loaded, held.source, held.target, **where)
            return {"pairs": len(pairs), "held_pairs": len(held), "retrieval_before": before, "retrieval": after}

        folder = prepared(features_folder().parent / "encoders", begun, how, make)
        changed: Model = model.model_copy(update={"source": str(folder)})
        return changed

    def language_rows(self, rows: Sequence[Row], seed: int) -> list[Row]:
        """The rows, and the pairs as rows of the same form: translations asked for, or both texts one after another."""
        if not self.pairs:
            raise UserError(f"methods.{self.name} cannot be used here: {NO_PAIRS}.")
        pairs = translation_pairs(self.pairs)
        drawn = np.sort(np.random.default_rng([seed, self.order]).permutation(len(pairs))[: self.most])
        pairs = pairs.take(drawn.tolist())
        return [*rows, *translation_rows(pairs, rows[0] if rows else {"text": ""})]


def parted(pairs: Pairs, most: int) -> tuple[Pairs, Pairs]:
    """Pairs to learn, and a tenth (500 at most) on which retrieval is measured; no text stands on both sides."""
    if len(pairs) < FEWEST:
        raise UserError(f"{pairs.name}: {len(pairs)} pairs are too few to learn from; give at least {FEWEST}.")
    order = np.random.default_rng(17).permutation(len(pairs))[:most].tolist()
    held = order[: max(2, min(MOST_HELD, round(HELD * len(order))))]
    known = {pairs.source[at] for at in held} | {pairs.target[at] for at in held}
    rest = [at for at in order[len(held) :] if not known & {pairs.source[at], pairs.target[at]}]
    return pairs.take(sorted(rest)), pairs.take(sorted(held))


def translation_rows(pairs: Pairs, like: Row) -> list[Row]:
    """Each pair in both directions, as rows of the form of `like`: a chat, a prompt with its answer, or a text."""
    found: list[Row] = []
    for way in (pairs, pairs.turned()):
        parts = (way.source, way.target, way.source_language, way.target_language)
        for source, target, spoken, wanted in zip(*parts, strict=True):
            asked = f"Translate from {NAMES.get(spoken, spoken)} to {NAMES.get(wanted, wanted)}: {source}"
            if like.get("messages"):
                messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": target}]
                found.append({"messages": messages})
            elif "prompt" in like:
                found.append({"prompt": f"{asked}\n", "answer": target})
            else:
                found.append({"text": f"{source}\n{target}"})
    if like.get("language"):
        named = [*pairs.target_language, *pairs.source_language]
        found = [{**row, "language": language} for row, language in zip(found, named, strict=True)]
    return found
