"""One language recipe, taught once and judged once on rows that it did not see; kept, so that it is not done twice."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from melior.checks._training import Record
from melior.data.language import Row
from melior.metrics._base import Floats
from melior.progress import Progress, silent
from melior.recipe import Recipe
from melior.runs.identity import depends_on
from melior.runs.store import TRAINING
from melior.storage import write_atomic
from melior.trials.executors.agree import stamp
from melior.trials.language_model import (
    Writer,
    begun,
    digest_of,
    interrupted_at,
    row_limit,
    rows_learned,
    settings_of,
    taught,
)
from melior.trials.language_scores import foreseen_rows

MODEL, KEPT = "model", "trial.json"


@dataclass(frozen=True)
class Rows:
    """Rows of all trials of one `improve`: to learn, to watch the loss on while learning, to be judged on."""

    learned: Sequence[Row]
    watched: Sequence[Row]
    judged: Sequence[Row]

    def digest(self) -> str:
        return digest_of(
            [{"part": part} | row for part in ("learned", "watched", "judged") for row in getattr(self, part)]
        )


@dataclass(frozen=True)
class LanguageTrial:
    """nats and bytes (rows judged,); seconds that it cost, over all sittings; the folder of its model and training."""

    nats: Floats
    bytes: NDArray[np.int64]
    seconds: float
    limit: int
    folder: Path

    def writer(self, recipe: Recipe) -> Writer:
        """Its model."""
        from melior.networks.finetune import load_tuned

        tuned = load_tuned(self.folder / MODEL)
        return Writer(tuned.model, tuned.tokenizer, settings_of(recipe), self.limit)

    def record(self) -> Record:
        """How its training went."""
        return Record.load(self.folder / TRAINING, "causal_lm")


def folder_of(store: Path, recipe: Recipe, rows: Rows) -> Path:
    """Where a trial is kept: named after everything that it depends on."""
    key = json.dumps([stamp(network=True), depends_on(recipe), rows.digest()])
    return store / sha256(key.encode()).hexdigest()[:16]


def kept(folder: Path) -> LanguageTrial | None:
    """A finished trial; None where there is none, or it is damaged and is done again."""
    try:
        found = json.loads((folder / KEPT).read_bytes())
        nats, size = np.asarray(found["nats"], dtype=np.float64), np.asarray(found["bytes"], dtype=np.int64)
        return LanguageTrial(nats, size, float(found["seconds"]), int(found["limit"]), folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def language_trial(
    store: Path, recipe: Recipe, rows: Rows, *, name: str = "rows", progress: Progress = silent
) -> LanguageTrial:
    """The trial of a recipe: the one that is kept, one that was interrupted gone on with, or a new one."""
    folder = folder_of(store, recipe, rows)
    if (found := kept(folder)) is not None:
        return found
    started = time.perf_counter()
    settings = settings_of(recipe)
    learned = rows_learned(recipe, rows.learned)
    loaded = begun(settings, learned, recipe.seed)
    limit = row_limit(settings, loaded.limit)
    before = time.perf_counter()
    tuned = taught(
        settings, loaded, learned, limit, recipe.seed, folder=folder / TRAINING, name=name, watched=rows.watched,
        progress=progress,
    )  # fmt: skip
    after = time.perf_counter()
    if interrupted_at(tuned):
        raise KeyboardInterrupt  # what was learned so far is on disk; the same command goes on
    scores = foreseen_rows(Writer(tuned.model, tuned.tokenizer, settings, limit), rows.judged)
    tuned.save(folder / MODEL)
    seconds = before - started + Record.load(folder / TRAINING).seconds + time.perf_counter() - after
    content = {"nats": scores.nats.tolist(), "bytes": scores.bytes.tolist(), "seconds": seconds, "limit": limit}
    write_atomic(folder / KEPT, json.dumps(content))
    shutil.rmtree(folder / TRAINING / "checkpoints", ignore_errors=True)  # nothing goes on from here
    return LanguageTrial(scores.nats, scores.bytes, seconds, limit, folder)
