"""The rows of one training of a language model: in memory, or through the disk where they are too many for it."""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from melior.data.aside import Aside, part_of
from melior.data.language import Row, language_rows
from melior.data.row_blocks import RowBlocks
from melior.errors import UserError
from melior.progress import Progress, silent
from melior.recipe import Recipe
from melior.runs.store import Run
from melior.trials.language_model import digest_of, put_aside, rows_learned, settings_of
from melior.trials.language_scores import MOST_SCORED

if TYPE_CHECKING:
    from melior.networks.conversation import Language

SHARE = 0.25  # of the free memory: rows of more bytes go through the disk; in memory they take several times as much
MOST_STOPPING = 2000  # rows that say when to stop, of rows on disk
SPELLED = 2**28  # bytes of rows from which a tokenizer is learned
STREAM = "stream-"  # begins the digest of rows that go through the disk
SEALED, STOP = "sealed", "stop"


Wait = Callable[[], None]


def at_once() -> None:
    """What a single process waits for."""


@dataclass(frozen=True)
class Ready:
    """Rows to learn, and those that they are scored on.

    learned   rows, or their tokens on disk       rows   how many
    stopping  rows that say when to stop, where they are apart from `learned`
    held      rows to be scored                   on     what they are called
    """

    learned: "Sequence[Row] | Language"
    rows: int
    held: list[Row]
    on: str
    stopping: Sequence[Row] = ()
    notes: tuple[str, ...] = ()


class InMemory:
    """Rows that are all read. name: what messages call them. digest: changes when they do."""

    def __init__(self, recipe: Recipe, source: Any, test: Any) -> None:
        from melior.networks.conversation import numbered

        given, self.name = language_rows(source)
        if not given:
            raise UserError(f"{self.name}: it holds no rows.")
        rows: list[Row] = [*numbered(given, self.name)]
        if test is None:
            self.rows, self.held = put_aside(rows, recipe.split.sealed, recipe.seed)
            self.on = f"{self.name}, rows put aside"
        else:
            held, self.on = language_rows(test)
            self.rows, self.held = rows, [*numbered(held, self.on)]
        self.rows = rows_learned(recipe, self.rows)
        self.digest = digest_of([*self.rows, *self.held])

    def spelled(self) -> Iterable[Row]:
        """Rows from which a tokenizer is learned."""
        return self.rows

    @contextmanager
    def ready(
        self,
        tokenizer: Any,
        limit: int,
        folder: Path | None,
        progress: Progress = silent,
        *,
        rank: int = 0,
        ranks: int = 1,
        wait: Wait = at_once,
    ) -> Iterator[Ready]:
        """See `Streamed.ready`; in memory every rank has all rows."""
        yield Ready(self.rows, len(self.rows), self.held, self.on)


class Streamed:
    """Rows that are read block by block, and written to disk as tokens once.

    Those to be scored, and those that say when to stop, are put aside by a digest of their text and the seed; at most
    500 are scored and at most 2,000 say when to stop, drawn at random.

    why  what is said of it, as `why_streamed` found
    """

    def __init__(self, recipe: Recipe, blocks: RowBlocks, test: Any, why: str, progress: Progress = silent) -> None:
        if recipe.methods:
            raise UserError(
                f"methods.{recipe.methods[0].name}: methods change rows in memory, and these go through the disk, "
                f"{why}; take it out, or set data.stream to false."
            )
        self.blocks, self.seed, self.why, self.progress = blocks, recipe.seed, why, progress
        self.name = blocks.name
        self.on = f"{self.name}, rows put aside"
        self.test: list[Row] | None = None
        if test is not None:
            from melior.networks.conversation import numbered

            held, self.on = language_rows(test)
            self.test = [*numbered(held, self.on)]
        sealed = recipe.split.sealed if test is None else 0.0
        self.asides = (
            Aside(SEALED, sealed, MOST_SCORED), Aside(STOP, settings_of(recipe).stop_share, MOST_STOPPING),
        )  # fmt: skip

    @cached_property
    def digest(self) -> str:
        """Changes when the rows do. All of the source is read for it, so of several ranks one should ask."""
        what = [self.blocks.identity(self.progress), None if self.test is None else digest_of(self.test)]
        return STREAM + sha256(json.dumps(what).encode()).hexdigest()[:25]

    def spelled(self) -> Iterator[Row]:
        """Rows from which a tokenizer is learned: of the whole source, or of blocks all over it."""
        every = self.blocks.blocks
        many = max(1, min(len(every), len(every) * SPELLED // max(self.blocks.bytes, 1)))
        for at in np.linspace(0, len(every) - 1, many).round().astype(int).tolist():
            for some in self.blocks.rows(every[at]):
                yield from (row for _, row in some if part_of(row, self.seed, self.asides[:1]) is None)

    @contextmanager
    def ready(
        self,
        tokenizer: Any,
        limit: int,
        folder: Path | None,
        progress: Progress = silent,
        *,
        rank: int = 0,
        ranks: int = 1,
        wait: Wait = at_once,
    ) -> Iterator[Ready]:
        """folder: of the store; none: one that is removed afterwards. An unfinished store goes on.

        Each of several ranks makes its share in the same folder; `wait` gives back when all have.
        """
        from melior.networks import token_store

        if folder is None and ranks > 1:
            raise UserError("data.stream: several processes share the tokens in a run; name one with --run.")
        with tempfile.TemporaryDirectory() as aside:
            where = folder or Path(aside)
            damaged = token_store.make(
                self.blocks, tokenizer, limit, where, rank, ranks, asides=self.asides, seed=self.seed,
                progress=progress,
            )  # fmt: skip
            wait()
            store = token_store.open(where)
            held = store.held[SEALED] if self.test is None else self.test
            stopping = store.held[STOP]
            notes = [*self.blocks.notes, self._said(where), *damaged]
            for name, kept, what in ((SEALED, held, "are scored"), (STOP, stopping, "say when to stop")):
                if store.put[name]:
                    notes.append(f"{store.put[name]:,} rows were put aside by their text; {len(kept):,} of them {what}")
            yield Ready(store.language, store.language.rows, held, self.on, stopping, tuple(notes))

    def _said(self, folder: Path) -> str:
        size = sum(path.stat().st_size for path in folder.iterdir())
        return f"rows are learned from {size:,} bytes of tokens on disk, {self.why}"


def rows_of(recipe: Recipe, source: Any, test: Any, why: str, progress: Progress = silent) -> InMemory | Streamed:
    """The rows of a training. why: of `why_streamed`."""
    return Streamed(recipe, RowBlocks(source), test, why, progress) if why else InMemory(recipe, source, test)


def why_streamed(recipe: Recipe, source: Any, run: str | Path | None) -> str:
    """Why the rows go through the disk, in words; empty where they are read into memory.

    As the recipe says; a folder always does; as the run began; where they are larger than a quarter of the free memory,
    which ranks on several machines may see differently: one should ask and tell the others.
    """
    asked = recipe.data.stream
    if not isinstance(source, str | Path):
        if asked:
            raise UserError("data.stream: the rows are in memory already; give a file, or take it out.")
        return ""
    if asked is not None:
        return "as data.stream says" if asked else ""
    if Path(source).is_dir():
        return "as they are a folder"
    began = _began(run)
    if began is not None:
        return "as this run began so" if began else ""
    try:
        size = RowBlocks(source).bytes
    except UserError:  # another format, or no file: reading it says so
        return ""
    free = _free()
    if size <= SHARE * free:
        return ""
    return f"as they are {size / 1e9:,.1f} GB and {free / 1e9:,.1f} GB of memory are free"


def _began(run: str | Path | None) -> bool | None:
    """Whether the rows of a run go through the disk; None where there is no run yet."""
    if run is None or not Run(run).has("run.json"):
        return None
    return str(Run(run).read("run.json").get("data", "")).startswith(STREAM)


def _free() -> float:
    import torch

    from melior.engine.memory import free_bytes

    return free_bytes(torch.device("cpu"))
