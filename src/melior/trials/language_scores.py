"""How well a language model foresees rows that it did not learn, and how right its answers to prompts are."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from melior.data.language import Row, split_answer, texts_of
from melior.metrics import Interval
from melior.metrics.intervals import wilson
from melior.progress import Progress, silent
from melior.trials.language_model import TASK, Writer

if TYPE_CHECKING:
    from melior.networks.perplexity import Foreseen

MOST_SCORED = 500  # rows; answers are written token by token
RESAMPLES = 2000
NAMED, NAME = 3, 40  # prompts named in a note, and characters of each


@dataclass(frozen=True)
class Answered:
    """A prompt as one text, the right answer, and the answer that was given; None where there was no room for one."""

    prompt: str
    right: str
    given: str | None


@dataclass(frozen=True)
class LanguageScores:
    """How well a language model foresees rows, and answers prompts.

    scores      perplexity and bits_per_byte (lower is better), exact_match and token_f1 (0..1) where rows have answers
    by_language perplexity and bits per byte of each language
    answered    the prompts that were asked, in the order of the rows
    foreseen    of each row that was scored; None where the scores were read from a run
    run         the folder that holds them, where they are of `melior evaluate`
    """

    scores: Mapping[str, Interval]
    by_language: Mapping[str, Mapping[str, float]]
    rows: int
    on: str
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    answered: tuple[Answered, ...] = field(default=(), repr=False)
    foreseen: "Foreseen | None" = field(default=None, repr=False, compare=False)
    run: Path | None = field(default=None, repr=False, compare=False)

    def __getitem__(self, name: str) -> Interval:
        return self.scores[name]

    def overall(self) -> Mapping[str, Interval]:
        return self.scores

    def shown(self) -> dict[str, dict[str, float]]:
        """The scores as plain values."""
        return {name: {"value": one.value, "low": one.low, "high": one.high} for name, one in self.scores.items()}

    def to_dict(self) -> dict[str, Any]:
        by = {name: dict(one) for name, one in self.by_language.items()}
        return {"task": TASK, "rows": self.rows, "on": self.on, "scores": self.shown(), "by_language": by,
                "notes": list(self.notes), "seconds": round(self.seconds, 3)}  # fmt: skip

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "LanguageScores":
        """What `to_dict` gave."""

        def number(value: Any) -> float:
            return float("nan") if value is None else float(value)

        scores = {
            name: Interval(number(one["value"]), number(one["low"]), number(one["high"]))
            for name, one in given["scores"].items()
        }
        by = {name: {key: number(value) for key, value in one.items()} for name, one in given["by_language"].items()}
        return cls(scores, by, int(given["rows"]), str(given["on"]), tuple(given["notes"]), float(given["seconds"]))

    def __repr__(self) -> str:
        lines = [f"<LanguageScores on {self.on}: {self.rows:,} rows>"]
        return "\n".join(lines + [f"  {name:<16} {one}" for name, one in self.scores.items()])


def scored(
    writer: Writer,
    rows: Sequence[Row],
    *,
    on: str,
    seed: int = 0,
    progress: Progress = silent,
    stage: str = "scoring",
) -> LanguageScores:
    """Perplexity and bits per byte of texts and answers, and how right the answers to prompts are."""
    from melior.networks.answers import exact_match, token_f1

    started = time.perf_counter()
    rows, notes = drawn(rows, seed)
    progress(stage, 0, 2, f"{len(rows):,} rows")
    found = foreseen_rows(writer, rows)
    progress(stage, 1, 2)
    scores = {
        "perplexity": _interval(lambda w: np.exp((w @ found.nats) / np.maximum(w @ found.tokens, 1)), len(rows), seed),
        "bits_per_byte": _interval(
            lambda w: (w @ found.nats) / np.log(2) / np.maximum(w @ found.bytes, 1), len(rows), seed
        ),
    }
    asked = [pair for row in rows if (pair := split_answer(row)) is not None]
    given = writer.answers([question for question, _ in asked]) if asked else []
    compared = [(one, wanted) for one, (_, wanted) in zip(given, asked, strict=True) if one is not None]
    if len(compared) < len(asked):
        notes = (*notes, _no_room([question for one, (question, _) in zip(given, asked, strict=True) if one is None]))
    if compared:
        right = [exact_match([one], [wanted]) for one, wanted in compared]
        scores["exact_match"] = Interval(float(np.mean(right)), *wilson(sum(right), len(right)))
        shared = np.array([token_f1([one], [wanted]) for one, wanted in compared])
        scores["token_f1"] = _interval(partial(_mean, shared), len(shared), seed)
    progress(stage, 2, 2)
    by = {
        language: {"perplexity": found.perplexity(which), "bits_per_byte": found.bits_per_byte(which)}
        for language, which in languages_in(rows).items()
    }
    answered = tuple(Answered(texts_of(q), right, one) for one, (q, right) in zip(given, asked, strict=True))
    seconds = time.perf_counter() - started
    return LanguageScores(scores, by, len(rows), on, notes, seconds, answered, found)


def _no_room(questions: Sequence[Row]) -> str:
    """A note on prompts that were left out. Their words name them: rows that were put aside have lost their numbers."""
    named = [" ".join(texts_of(question).split()) for question in questions[:NAMED]]
    listed = ", ".join(f"{one[:NAME]}…" if len(one) > NAME else one for one in named)
    more = f" and {len(questions) - NAMED:,} more" if len(questions) > NAMED else ""
    said = "1 prompt leaves" if len(questions) == 1 else f"{len(questions):,} prompts leave"
    return f"{said} the model no room for an answer, and no answer to it is scored: {listed}{more}"


def drawn(rows: Sequence[Row], seed: int) -> tuple[list[Row], tuple[str, ...]]:
    """The rows that are scored, all or as many as time allows, and a note where some are left out."""
    if len(rows) <= MOST_SCORED:
        return list(rows), ()
    places = np.sort(np.random.default_rng([seed, 4]).choice(len(rows), MOST_SCORED, replace=False))
    return [rows[at] for at in places], (f"scored on {MOST_SCORED:,} rows drawn from {len(rows):,}",)


def foreseen_rows(writer: Writer, rows: Sequence[Row]) -> "Foreseen":
    """nats, tokens and bytes of each row, in their order: of texts all of it, of prompts and chats the answers."""
    from melior.networks.perplexity import Foreseen, foreseen, foreseen_answers

    plain = np.array([split_answer(row) is None and not row.get("messages") for row in rows], dtype=bool)
    parts = []
    if plain.any():
        texts = [rows[at]["text"] for at in np.flatnonzero(plain).tolist()]
        parts.append((plain, foreseen(writer.model, writer.tokenizer, texts, limit=writer.limit)))
    if not plain.all():
        others = [rows[at] for at in np.flatnonzero(~plain).tolist()]
        parts.append((~plain, foreseen_answers(writer.model, writer.tokenizer, others, limit=writer.limit)))
    whole = Foreseen(np.zeros(len(rows)), np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64))
    for which, part in parts:
        whole.nats[which], whole.tokens[which], whole.bytes[which] = part.nats, part.tokens, part.bytes
    return whole


def _mean(values: NDArray[np.float64], weights: Any) -> Any:
    return weights @ values / weights.sum(axis=-1)


def languages_in(rows: Sequence[Row]) -> dict[str, NDArray[np.bool_]]:
    """Rows of each language, as the column `language` says, else as the texts read; none where there is but one."""
    import polars as pl

    from melior.texts.languages import identify

    told = [str(row["language"]) if row.get("language") else None for row in rows]
    names = told if any(told) else identify(pl.Series([texts_of(row) for row in rows], dtype=pl.String)).names()
    kinds = sorted({name for name in names if name})
    if len(kinds) < 2:
        return {}
    return {kind: np.array([name == kind for name in names]) for kind in kinds}


def _interval(value: Callable[[Any], Any], rows: int, seed: int) -> Interval:
    """A figure of weighted rows with its 95 % bootstrap interval over rows."""
    random = np.random.default_rng([seed, 12])
    drawn = np.asarray(value(random.multinomial(rows, np.full(rows, 1 / rows), RESAMPLES).astype(float)))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(value(np.ones(rows))), float(low), float(high), 0.95)
