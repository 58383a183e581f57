"""`task: generate`: teaches a language model rows of text, scores it on rows put aside, and answers new prompts."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melior.data.language import Row, language_rows, split_answer, texts_of
from melior.errors import MissingExtra, UserError
from melior.metrics import Interval
from melior.models._generator import resolve_generator
from melior.models.causal_lm import CausalLm
from melior.progress import Progress, silent
from melior.recipe import Recipe
from melior.runs.store import Run

MODEL, TRAINING = "model", "training"  # folders of a run
MOST_SCORED = 500  # rows; answers are written token by token
USUAL = 1024  # tokens of a row where the recipe does not say
FROM_NOTHING = 256
RESAMPLES = 2000
TASK = "generate"


@dataclass(frozen=True)
class LanguageScores:
    """How well a language model foresees rows, and answers prompts.

    scores      perplexity and bits_per_byte (lower is better), exact_match and token_f1 (0..1) where rows have answers
    by_language perplexity and bits per byte of each language
    """

    scores: Mapping[str, Interval]
    by_language: Mapping[str, Mapping[str, float]]
    rows: int
    on: str
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def __getitem__(self, name: str) -> Interval:
        return self.scores[name]

    def overall(self) -> Mapping[str, Interval]:
        return self.scores

    def to_dict(self) -> dict[str, Any]:
        shown = {name: {"value": one.value, "low": one.low, "high": one.high} for name, one in self.scores.items()}
        by = {name: dict(one) for name, one in self.by_language.items()}
        return {"task": TASK, "rows": self.rows, "on": self.on, "scores": shown, "by_language": by,
                "notes": list(self.notes), "seconds": round(self.seconds, 3)}  # fmt: skip

    def __repr__(self) -> str:
        lines = [f"<LanguageScores on {self.on}: {self.rows:,} rows>"]
        return "\n".join(lines + [f"  {name:<16} {one}" for name, one in self.scores.items()])


@dataclass(frozen=True)
class LanguageTraining:
    """A taught language model, and its scores on rows that it did not see, before and after."""

    writer: "Writer"
    evaluation: LanguageScores | None
    before: LanguageScores | None
    recipe: Recipe
    rows: int
    run: Path | None
    seconds: float
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        return {
            "task": TASK,
            "rows": self.rows,
            "recipe": self.recipe.model_dump(mode="json"),
            "before": None if self.before is None else self.before.to_dict(),
            "evaluation": None if self.evaluation is None else self.evaluation.to_dict(),
            "run": None if self.run is None else str(self.run),
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return f"<LanguageTraining on {self.rows:,} rows, {self.seconds:.1f} s>\n{self.evaluation!r}"


class Writer:
    """A language model that answers: `answers` many prompts, `stream` one in pieces."""

    def __init__(self, model: Any, tokenizer: Any, settings: CausalLm, limit: int) -> None:
        self.model, self.tokenizer, self.settings, self.limit = model, tokenizer, settings, limit

    def generation(self, **changes: Any) -> Any:
        from melior.networks.generate import Generation

        own = self.settings
        given = {
            "temperature": own.temperature, "top_k": own.top_k, "top_p": own.top_p, "stop": own.stop,
            "repetition_penalty": own.repetition_penalty, "maximum": own.answer_tokens, **changes,
        }  # fmt: skip
        return Generation(**given)

    def answers(self, rows: Sequence[Any], **changes: Any) -> list[str]:
        """The answers to prompts (texts, {"prompt": ...} or chats); changes: settings of generation."""
        from melior.networks.generate import answers

        return answers(self.model, self.tokenizer, rows, self.generation(**changes))

    def stream(self, row: Any, **changes: Any) -> Iterator[str]:
        from melior.networks.generate import stream

        return stream(self.model, self.tokenizer, row, self.generation(**changes))


def need_networks() -> None:
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise MissingExtra("task: generate", "networks")


def train_language(
    recipe: Recipe, source: Any, *, test: Any = None, run: str | Path | None = None, progress: Progress = silent
) -> LanguageTraining:
    """Teaches the model of a recipe its rows. The same command goes on with a run that was interrupted."""
    started = time.perf_counter()
    settings = resolve_generator(recipe.model)
    assert isinstance(settings, CausalLm)
    if recipe.methods:
        raise UserError(f"methods.{recipe.methods[0].name}: methods are for task: classify; take it out.")
    need_networks()
    progress("reading", 0, 1)
    rows, name = language_rows(source)
    if not rows:
        raise UserError(f"{name}: it holds no rows.")
    rows, held = _apart(rows, recipe) if test is None else (rows, language_rows(test)[0])
    made = None if run is None else Run.begin(run, "train", recipe, _digest(rows))
    folder = None if made is None else made.folder / TRAINING
    progress("loading the model", 0, 1)
    loaded = _begun(settings, rows, recipe.seed)
    limit = _limit(settings, loaded.limit)
    before = None
    if held and settings.base is not None:
        before = scored(Writer(loaded.model, loaded.tokenizer, settings, limit), held, on=name, seed=recipe.seed,
                        progress=progress, stage="scoring the model as it comes")  # fmt: skip
    tuned = _taught(settings, loaded, rows, limit, recipe.seed, folder, name, progress)
    writer = Writer(tuned.model, tuned.tokenizer, settings, limit)
    notes = list(tuned.notes)
    if tuned.trained is not None and tuned.trained.stopped == "interrupted":
        raise KeyboardInterrupt  # what was learned so far is on disk; the same command goes on
    after = scored(writer, held, on=f"{name}, rows put aside" if test is None else str(test), seed=recipe.seed,
                   progress=progress) if held else None  # fmt: skip
    seconds = time.perf_counter() - started
    if made is not None:
        made.write_text("recipe.yaml", recipe.to_yaml())
        tuned.save(made.folder / MODEL)
        made.write("limit.json", {"limit": limit})
        if after is not None:
            made.write("scores.json", {**after.to_dict(), "before": None if before is None else before.to_dict()})
        made.finish(seconds=seconds, name=name, family=settings.base or "a small model from nothing", notes=notes)
    return LanguageTraining(
        writer, after, before, recipe, len(rows), None if run is None else Path(run), seconds, tuple(notes)
    )


def _apart(rows: list[Row], recipe: Recipe) -> tuple[list[Row], list[Row]]:
    """Rows to learn from, and the share that is put aside; the same row never stands on both sides."""
    share = recipe.split.sealed
    if not share or len(rows) < 2:
        return rows, []
    keys = [texts_of(row) for row in rows]
    groups = np.unique(keys, return_inverse=True)[1]
    order = np.random.default_rng([recipe.seed, 0]).permutation(int(groups.max()) + 1)
    aside = set(order[: max(1, round(share * len(order)))].tolist()) if len(order) > 1 else set()
    kept = [row for row, group in zip(rows, groups, strict=True) if int(group) not in aside]
    return kept, [row for row, group in zip(rows, groups, strict=True) if int(group) in aside]


def _digest(rows: Sequence[Row]) -> str:
    return sha256(json.dumps(list(rows), sort_keys=True, default=str).encode()).hexdigest()[:32]


def _begun(settings: CausalLm, rows: Sequence[Row], seed: int) -> Any:
    """The model and tokenizer to begin from."""
    from melior.networks.loading import Loaded, load_causal

    if settings.base is not None:
        return load_causal(settings.base)
    from melior.networks.scratch import small_causal
    from melior.networks.tokenizers import train_tokenizer

    context = settings.context or FROM_NOTHING
    tokenizer = train_tokenizer((texts_of(row) for row in rows), vocabulary=settings.vocabulary, marks="causal")
    model = small_causal(
        len(tokenizer), width=settings.width, depth=settings.depth, heads=settings.heads, context=context,
        pad=tokenizer.pad_token_id, end=tokenizer.eos_token_id, seed=seed,
    )  # fmt: skip
    return Loaded(model, tokenizer, "a small model from nothing", Path())


def _limit(settings: CausalLm, most: int) -> int:
    if settings.context is not None and settings.context > most:
        raise UserError(f"model.causal_lm.context: {settings.context:,} tokens, and the model takes {most:,} at most.")
    return settings.context or min(most, USUAL)


def _taught(
    settings: CausalLm,
    loaded: Any,
    rows: list[Row],
    limit: int,
    seed: int,
    folder: Path | None,
    name: str,
    progress: Progress,
) -> Any:
    from melior.engine.settings import Training
    from melior.networks.finetune import finetune

    valid: list[Row] | None = None
    if settings.stop_share and len(rows) > 1:
        order = np.random.default_rng([seed, 3]).permutation(len(rows))
        cut = max(1, round(settings.stop_share * len(rows)))
        valid, rows = [rows[at] for at in order[:cut]], [rows[at] for at in np.sort(order[cut:])]
    training = Training(
        epochs=settings.epochs, steps=settings.steps, batch_rows=settings.batch_rows, learning_rate=settings.rate,
        optimizer=settings.optimizer, schedule=settings.schedule, warmup=settings.warmup,
        weight_decay=settings.weight_decay, clip_norm=settings.clip_norm, precision=settings.precision,
        activation_checkpointing=settings.checkpointing, checkpoint_every=settings.checkpoint_every,
        patience=settings.patience if valid else 0, device=settings.device, seed=seed,
    )  # fmt: skip
    tuning = "full" if settings.base is None else settings.tuning
    how: dict[str, Any] = {"layers": settings.layers} if tuning == "last_k" else {}
    if tuning == "lora":
        how = {"rank": settings.rank, "alpha": settings.alpha, "dropout": settings.dropout}
    return finetune(
        loaded, rows, training, valid=valid, tuning=tuning, packed=settings.packed, limit=limit, name=name,
        folder=folder, progress=progress, **how,
    )  # fmt: skip


def load_writer(run: str | Path) -> tuple[Writer, Recipe]:
    """The language model of a run."""
    need_networks()
    opened = Run.open(run)
    recipe = opened.recipe()
    settings = resolve_generator(recipe.model)
    assert isinstance(settings, CausalLm)
    from melior.networks.finetune import load_tuned

    tuned = load_tuned(opened.folder / MODEL)
    return Writer(tuned.model, tuned.tokenizer, settings, int(opened.read("limit.json")["limit"])), recipe


def is_language_run(what: Any) -> bool:
    """Whether a folder is the run of a language model."""
    if not isinstance(what, str | Path) or not (Path(what) / "recipe.yaml").is_file():
        return False
    return Recipe.load(Path(what) / "recipe.yaml").task == TASK


def evaluate_language(run: str | Path, source: Any, *, seed: int = 0, progress: Progress = silent) -> LanguageScores:
    """Scores the language model of a run on other rows."""
    writer, _ = load_writer(run)
    rows, name = language_rows(source)
    return scored(writer, rows, on=name, seed=seed, progress=progress)


def answer_rows(run: str | Path, source: Any) -> list[str]:
    """The answer to each row's prompt, chat or text."""
    writer, _ = load_writer(run)
    rows, _ = language_rows(source, answered=False)
    return writer.answers([_question(row) for row in rows])


def _question(row: Row) -> Any:
    found = split_answer(row)
    if found is not None:
        return found[0]
    return row["text"] if "text" in row and "prompt" not in row else row


# ---- scores


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
    from melior.networks.perplexity import Foreseen, foreseen, foreseen_answers

    started = time.perf_counter()
    notes = []
    if len(rows) > MOST_SCORED:
        drawn = np.sort(np.random.default_rng([seed, 4]).choice(len(rows), MOST_SCORED, replace=False))
        notes.append(f"scored on {MOST_SCORED:,} rows drawn from {len(rows):,}")
        rows = [rows[at] for at in drawn]
    progress(stage, 0, 2, f"{len(rows):,} rows")
    plain = [row for row in rows if split_answer(row) is None and not row.get("messages")]
    others = [row for row in rows if split_answer(row) is not None or row.get("messages")]
    parts = []
    if plain:
        parts.append(foreseen(writer.model, writer.tokenizer, [row["text"] for row in plain], limit=writer.limit))
    if others:
        parts.append(foreseen_answers(writer.model, writer.tokenizer, others, limit=writer.limit))
    found = Foreseen(*(np.concatenate([getattr(part, key) for part in parts]) for key in ("nats", "tokens", "bytes")))
    progress(stage, 1, 2)
    scores = {
        "perplexity": _interval(lambda w: np.exp((w @ found.nats) / np.maximum(w @ found.tokens, 1)), len(rows), seed),
        "bits_per_byte": _interval(
            lambda w: (w @ found.nats) / np.log(2) / np.maximum(w @ found.bytes, 1), len(rows), seed
        ),
    }
    asked = [pair for row in rows if (pair := split_answer(row)) is not None]
    if asked:
        given = writer.answers([question for question, _ in asked])
        for name, measure in (("exact_match", exact_match), ("token_f1", token_f1)):
            each = np.array([measure([one], [right]) for one, (_, right) in zip(given, asked, strict=True)])
            scores[name] = _interval(partial(_mean, each), len(each), seed)
    progress(stage, 2, 2)
    ordered = [*plain, *others]
    by = {
        language: {"perplexity": found.perplexity(which), "bits_per_byte": found.bits_per_byte(which)}
        for language, which in _languages(ordered).items()
    }
    return LanguageScores(scores, by, len(rows), on, tuple(notes), time.perf_counter() - started)


def _mean(values: NDArray[np.float64], weights: Any) -> Any:
    return weights @ values / weights.sum(axis=-1)


def _languages(rows: Sequence[Row]) -> dict[str, NDArray[np.bool_]]:
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
