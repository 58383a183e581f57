"""Finished trials on disk, by name, and who runs those that are not finished."""

from pathlib import Path

from melior.recipe import Recipe
from melior.runs.claims import Claims
from melior.runs.study import CLAIMS, STUDY
from melior.storage import write_atomic
from melior.trials.bench import Result


class Kept:
    """A folder with one file a finished trial; None keeps nothing, and everything may be run."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._claims: Claims | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            study = STUDY.get()
            self._claims = Claims(folder / CLAIMS) if study is None else study.claims

    def find(self, key: str) -> Result | None:
        """What a trial gave, where it is finished."""
        return None if self.folder is None else Result.read(self._path(key))

    def claim(self, key: str) -> bool:
        """Whether this process may run a trial; not while one does."""
        return self._claims is None or self._claims.take(key)

    def keep(self, key: str, result: Result, recipe: Recipe) -> None:
        """Keeps what a trial gave, and lets go of it."""
        if self.folder is not None:
            write_atomic(self._path(key), result.to_bytes(recipe))
        self.let_go(key)

    def let_go(self, key: str) -> None:
        if self._claims is not None:
            self._claims.release(key)

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.safetensors"
