"""A language model of a recipe: its rows put aside, begun, taught, and asked."""

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from melior.data.language import Row, texts_of
from melior.errors import MissingExtra, UserError
from melior.layout import Layout
from melior.methods._base import Method, methods, resolve
from melior.models._generator import resolve_generator
from melior.models.causal_lm import CausalLm
from melior.progress import Progress, silent
from melior.recipe import Recipe

if TYPE_CHECKING:
    from melior.networks.conversation import Language
    from melior.networks.finetune import Tuned
    from melior.networks.loading import Loaded

USUAL = 1024  # tokens of a row where the recipe does not say
FROM_NOTHING = 256
TASK = "generate"


class Writer:
    """A language model that answers: `answers` many prompts, `stream` one in pieces. On a GPU, where there is one,
    unless its settings say cpu."""

    def __init__(self, model: Any, tokenizer: Any, settings: CausalLm, limit: int) -> None:
        import torch

        self.model, self.tokenizer, self.settings, self.limit = model, tokenizer, settings, limit
        if settings.device != "cpu" and torch.cuda.is_available():
            model.to("cuda")

    def generation(self, **changes: Any) -> Any:
        from melior.networks.generate import Generation

        own = self.settings
        given = {
            "temperature": own.temperature, "top_k": own.top_k, "top_p": own.top_p, "stop": own.stop,
            "repetition_penalty": own.repetition_penalty, "maximum": own.answer_tokens, **changes,
        }  # fmt: skip
        return Generation(**given)

    def answers(self, rows: Sequence[Any], **changes: Any) -> list[str | None]:
        """The answers to prompts (texts, {"prompt": ...} or chats); None where a prompt leaves the model no room for
        one. changes: settings of generation."""
        from melior.networks.generate import answers

        return answers(self.model, self.tokenizer, rows, self.generation(**changes))

    def stream(self, row: Any, **changes: Any) -> Iterator[str]:
        from melior.networks.generate import stream

        return stream(self.model, self.tokenizer, row, self.generation(**changes))


def need_networks() -> None:
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise MissingExtra("task: generate", "networks")


def imported() -> None:
    """Imports what a training needs. That takes seconds, once, and they are no trial's."""
    need_networks()
    from melior.networks import finetune  # noqa: F401
    from melior.networks.scratch import small_causal

    small_causal(8, width=8, depth=1, heads=1)  # the libraries import much when a model is first made


def settings_of(recipe: Recipe) -> CausalLm:
    """The settings of the model that a recipe of `task: generate` asks for; methods that do nothing there are
    refused."""
    settings = resolve_generator(recipe.model)
    assert isinstance(settings, CausalLm)
    for method in resolve(recipe.methods):
        if type(method).language_rows is Method.language_rows:
            able = [name for name, one in methods().items() if one.language_rows is not Method.language_rows]
            raise UserError(
                f"methods.{method.name} cannot be used here: it changes nothing of task: generate; there "
                f"{', '.join(able)} can be used."
            )
    return settings


def rows_learned(recipe: Recipe, rows: Sequence[Row]) -> list[Row]:
    """What the methods of a recipe of `task: generate` make of its training rows, in the order in which they act."""
    for method in resolve(recipe.methods):
        rows = method.language_rows(rows, recipe.seed)
    return list(rows)


def groups_of(rows: Sequence[Row]) -> NDArray[np.int64]:
    """(rows,) a number for each text: rows that say the same have the same."""
    found: NDArray[np.int64] = np.unique([texts_of(row) for row in rows], return_inverse=True)[1]
    return found.reshape(-1)


def put_aside(rows: Sequence[Row], share: float, seed: int, number: int = 0) -> tuple[list[Row], list[Row]]:
    """Rows to go on with, and about this share put aside; the same row never stands on both sides.

    number  another one draws others with the same seed
    """
    if not share or len(rows) < 2:
        return list(rows), []
    groups = groups_of(rows)
    order = np.random.default_rng([seed, number]).permutation(int(groups.max()) + 1)
    aside = set(order[: max(1, round(share * len(order)))].tolist()) if len(order) > 1 else set()
    kept = [row for row, group in zip(rows, groups, strict=True) if int(group) not in aside]
    return kept, [row for row, group in zip(rows, groups, strict=True) if int(group) in aside]


def digest_of(rows: Sequence[Row]) -> str:
    """Changes when the rows do."""
    return sha256(json.dumps(list(rows), sort_keys=True, default=str).encode()).hexdigest()[:32]


def begun(settings: CausalLm, rows: Iterable[Row], seed: int) -> "Loaded":
    """The model and tokenizer to begin from. rows: those that a tokenizer is learned from, where none is given."""
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


def row_limit(settings: CausalLm, most: int) -> int:
    """Tokens of a row; most: what the model takes."""
    if settings.context is not None and settings.context > most:
        raise UserError(f"model.causal_lm.context: {settings.context:,} tokens, and the model takes {most:,} at most.")
    return settings.context or min(most, USUAL)


def taught(
    settings: CausalLm,
    loaded: "Loaded",
    rows: "Sequence[Row] | Language",
    limit: int,
    seed: int,
    *,
    folder: Path | None = None,
    name: str = "rows",
    watched: Sequence[Row] = (),
    stopping: Sequence[Row] = (),
    progress: Progress = silent,
    parallel: Layout | Literal["auto"] | None = None,
) -> "Tuned":
    """The model, taught these rows. An unfinished training in `folder` goes on.

    rows      in memory or on disk
    watched   rows whose loss is written into the history and changes nothing, where the settings name no `stop_share`
    stopping  rows that say when to stop, where `rows` are on disk; else a share of `rows` does
    parallel  how processes that were started together share it
    """
    from melior.engine.settings import Training
    from melior.networks.conversation import Language
    from melior.networks.finetune import finetune

    valid: list[Row] | None = list(watched) or None
    if isinstance(rows, Language):
        stops = bool(stopping)
        valid = list(stopping) or valid
    else:  # a text that is learned says nothing of when to stop
        rows, aside = put_aside(rows, settings.stop_share, seed, 3)
        stops, valid = bool(aside), aside or valid
    training = Training(
        epochs=settings.epochs, steps=settings.steps, batch_rows=settings.batch_rows, learning_rate=settings.rate,
        optimizer=settings.optimizer, schedule=settings.schedule, warmup=settings.warmup,
        weight_decay=settings.weight_decay, clip_norm=settings.clip_norm, precision=settings.precision,
        activation_checkpointing=settings.checkpointing, checkpoint_every=settings.checkpoint_every,
        validate_every=max(1, settings.steps // 5) if watched and settings.steps else None,
        patience=settings.patience if stops else 0, device=settings.device, seed=seed,
        micro_batch=settings.micro_batch, average=settings.average, compile=settings.compile,
        non_finite=settings.non_finite, log_to=settings.log_to if folder is not None else (),
        parallel=parallel,
    )  # fmt: skip
    tuning = "full" if settings.base is None else settings.tuning
    how: dict[str, Any] = {"layers": settings.layers} if tuning == "last_k" else {}
    if tuning == "lora":
        how = {"rank": settings.rank, "alpha": settings.alpha, "dropout": settings.dropout}
    return finetune(
        loaded, rows, training, valid=valid, tuning=tuning, packed=settings.packed, limit=limit, name=name,
        folder=folder, progress=progress, **how,
    )  # fmt: skip


def interrupted_at(tuned: "Tuned") -> str:
    """Where Ctrl-C ended a training, as "step 12 of 100"; empty where it came to its end."""
    trained = tuned.trained
    if trained is None or trained.stopped != "interrupted":
        return ""
    planned = next((line["steps"] for line in trained.history if line.get("kind") == "start"), trained.steps)
    return f"step {trained.steps:,} of {planned:,}"
