"""Whether a file is the one that a run was made from: most of its rows were learned, and tell little of new ones."""

from datetime import datetime
from pathlib import Path
from typing import Any

from melior.recipe import Recipe
from melior.runs.store import Run
from melior.storage import sha256

STARTED = "%Y-%m-%dT%H:%M:%S%z"  # as `run.json` has it


def made_from(run: Run, recipe: Recipe, source: Any) -> bool:
    """Whether a file has the bytes of the one that the run's recipe names, which was not changed since the run began;
    False where that cannot be told: rows that are in no file, or a file that was moved."""
    if not isinstance(source, str | Path) or recipe.data.path is None:
        return False
    own, other = Path(recipe.data.path), Path(source)
    try:
        began = datetime.strptime(run.read("run.json")["started"], STARTED).timestamp()
        if not own.is_file() or not other.is_file() or own.stat().st_mtime > began + 1:  # it has whole seconds
            return False
        return own.samefile(other) or (own.stat().st_size == other.stat().st_size and sha256(own) == sha256(other))
    except (OSError, KeyError, ValueError):
        return False
