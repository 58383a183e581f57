"""The run folder.

    recipe.yaml     what was done
    run.json        which verb made it, from which rows (a hash), when, whether it is finished
    findings.json   what was found                         evidence.json  what was tried, and the verdicts
    scores.json     every metric with its interval, curves, confusion matrix
    examples.json   the rows that the report shows
    predictor/      the trained predictor
    training/       how the final fit of a network went: history.jsonl (of each network where there are several), and
                    checkpoints until it is finished, as are the tokens of rows that do not fit in memory
    trials/         one file a finished trial, and what processes at work on the same run tell each other
    report.html     what people look at
    MANIFEST.json   the SHA-256 of every file above but the trials, checkpoints and tokens

Every file is written aside and renamed, the manifest last. A run that was killed is found unfinished and continued.
"""

import json
import time
from pathlib import Path
from shutil import rmtree
from typing import Any

from melior._version import __version__
from melior.errors import UserError
from melior.findings import plain
from melior.predictor import Predictor
from melior.recipe import Recipe
from melior.storage import sha256, write_atomic

MANIFEST = "MANIFEST.json"
TOKENS = "tokens"  # a folder in the next one
TRAINING = "training"  # the folder of the final fit of a network
WAS_FINISHED = "this run was finished before: nothing was trained again"


class Run:
    """A run folder, open for reading or writing."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    # ---- making

    @classmethod
    def begin(cls, folder: str | Path, verb: str, recipe: Recipe, data: str) -> "Run":
        """A new run, or the same one continued: the same verb, recipe and rows. Another run there is left alone.

        data: the hash of the rows (`content_hash`).
        """
        run = cls.checked(folder, verb, recipe, data)
        run.folder.mkdir(parents=True, exist_ok=True)
        (run.folder / MANIFEST).unlink(missing_ok=True)
        about = about_run(verb, recipe, data)
        run.write("run.json", {**about, "state": "running", "started": time.strftime("%Y-%m-%dT%H:%M:%S%z")})
        write_atomic(run.folder / "recipe.yaml", recipe.to_yaml())
        return run

    @classmethod
    def checked(cls, folder: str | Path, verb: str, recipe: Recipe, data: str) -> "Run":
        """A folder that `begin` would take, untouched; a sentence where it holds something else."""
        run = cls(folder)
        about = about_run(verb, recipe, data)
        if run.folder.exists() and not run.folder.is_dir():
            raise UserError(f"{run.folder} is a file; give a folder with --run.")
        # listed before it is looked for: another process may be making this very run, and begins with its run.json
        there = list(run.folder.iterdir()) if run.folder.exists() else []
        if (run.folder / "run.json").exists():
            before = run.read("run.json")
            if {key: before.get(key) for key in about} != about:
                raise UserError(
                    f"{run.folder} holds another run ({before.get('verb')}, another recipe, other rows or another "
                    "version); choose another folder with --run."
                )
        elif any(not _begun(path) for path in there):
            raise UserError(f"{run.folder} is not empty and holds no run; choose another folder with --run.")
        return run

    def write(self, name: str, content: Any) -> Path:
        """Writes a JSON file."""
        path = self.folder / name
        write_atomic(path, json.dumps(plain(content), ensure_ascii=False, indent=1, allow_nan=False))
        return path

    def write_text(self, name: str, content: str) -> Path:
        path = self.folder / name
        write_atomic(path, content)
        return path

    @property
    def trials(self) -> Path:
        return self.folder / "trials"

    @property
    def tokens(self) -> Path:
        """The rows of a language model as tokens, where they do not fit in memory."""
        return self.folder / TRAINING / TOKENS

    def finish(self, **more: Any) -> None:
        """Marks the run finished and writes the manifest. more: what else `run.json` says; `interrupted`, where a
        training ended early, keeps the checkpoints, which are several times the size of the model, and tokens."""
        about = self.read("run.json")
        self.write("run.json", {**about, "state": "finished", **more})
        self.renew_manifest()
        unneeded = () if more.get("interrupted") else [*(self.folder / TRAINING).rglob("checkpoints"), self.tokens]
        for folder in unneeded:
            rmtree(folder, ignore_errors=True)

    def renew_manifest(self) -> None:
        self.write(MANIFEST, {"sha256": {name: sha256(self.folder / name) for name in self._files()}})

    def _files(self) -> list[str]:
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        names = (path.relative_to(self.folder).as_posix() for path in found)
        return [n for n in names if n != MANIFEST and not n.startswith("trials/") and not n.endswith(".aside")
                and "/checkpoints/" not in n and not n.startswith(f"{TRAINING}/{TOKENS}/")]  # fmt: skip

    # ---- reading

    @classmethod
    def open(cls, folder: str | Path, *, verify: bool = True) -> "Run":
        """A finished run; one sentence where there is none, it is unfinished, or a file of it is damaged."""
        run = cls(folder)
        if not (run.folder / "run.json").exists():
            raise UserError(f"{run.folder}: there is no run here (no run.json); give the folder that --run named.")
        if run.read("run.json").get("state") != "finished" or not (run.folder / MANIFEST).exists():
            raise UserError(f"{run.folder}: this run was interrupted; give the same command again to continue it.")
        if verify:
            run.verify()
        return run

    @classmethod
    def finished(cls, folder: str | Path, verb: str, recipe: Recipe, data: str) -> "Run | None":
        """The run of the same command (see `begin`) where it came to its end; None where there is none, where Ctrl-C
        ended its training early, and where a file of it is missing or damaged: it is then made again."""
        try:
            run = cls.open(folder)
            about = run.read("run.json")
        except UserError:
            return None
        same = about_run(verb, recipe, data)
        return run if not about.get("interrupted") and {key: about.get(key) for key in same} == same else None

    def verify(self) -> None:
        """Refuses a run with a missing or changed file, and names the file."""
        for name, digest in self.read(MANIFEST)["sha256"].items():
            path = self.folder / name
            if not path.exists():
                raise UserError(f"{path} is missing: restore it from a copy, or make the run again.")
            if sha256(path) != digest:
                raise UserError(f"{path} is damaged (its SHA-256 changed): restore it, or make the run again.")

    def read(self, name: str) -> Any:
        path = self.folder / name
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise UserError(f"{path} is missing: restore it from a copy, or make the run again.") from None
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise UserError(f"{path} is damaged (not JSON): restore it from a copy, or make the run again.") from None
        if name in (MANIFEST, "run.json") and not isinstance(found, dict):
            raise UserError(f"{path} is damaged (not a mapping): restore it from a copy, or make the run again.")
        return found

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def recipe(self) -> Recipe:
        return Recipe.load(self.folder / "recipe.yaml")

    def predictor(self) -> Predictor:
        if not (self.folder / "predictor").is_dir():
            raise UserError(f"{self.folder}: this run has no predictor; make one with `melior train` or `improve`.")
        return Predictor.load(self.folder / "predictor")

    def save_predictor(self, predictor: Predictor) -> None:
        predictor.save(self.folder / "predictor")


def about_run(verb: str, recipe: Recipe, data: str) -> dict[str, str]:
    """What makes two runs the same, as `run.json` says it."""
    return {"verb": verb, "recipe": recipe.fingerprint(), "data": data, "version": __version__}


def _begun(path: Path) -> bool:
    """Whether this is what processes that begin a run make before its first file (`melior.runs.study`)."""
    if path.name == "trials" and path.is_dir():
        return {inside.name for inside in path.iterdir()} <= {"claims", "session"}
    return path.name.startswith(".run.json.") and path.name.endswith(".aside")
