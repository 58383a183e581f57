"""The run folder.

    recipe.yaml     what was done
    run.json        which verb made it, from which rows (a hash), with which options, when, whether it is finished
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
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

from melior._version import __version__
from melior.errors import UserError
from melior.findings import plain
from melior.predictor import Predictor
from melior.recipe import Recipe
from melior.runs.identity import identity
from melior.storage import sha256, writable_folder, write_atomic

MANIFEST = "MANIFEST.json"
TOKENS = "tokens"  # a folder in the next one
TRAINING = "training"  # the folder of the final fit of a network
GOES_ON = ("budget",)  # options that may change from one command to the next that goes on with the same run
WAS_FINISHED = "this run was finished before: nothing was trained again"


class Run:
    """A run folder, open for reading or writing."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._begins: tuple[dict[str, Any], str] | None = None  # what `run.json` and `recipe.yaml` say at the beginning

    # ---- making

    @classmethod
    def begin(
        cls, folder: str | Path, verb: str, recipe: Recipe, data: str, options: Mapping[str, Any] | None = None
    ) -> "Run":
        """A new run, or the same one continued: the same verb, recipe, rows and options. Another run there is left
        alone, and one that is finished stays as it is until `replace`.

        data     the hash of the rows (`content_hash`)
        options  what the command was given beside, by the names of its options, where the result depends on it
        """
        run = cls.checked(folder, verb, recipe, data, options)
        run.folder.mkdir(parents=True, exist_ok=True)
        if not run.is_finished():
            run._start()
        return run

    def replace(self) -> None:
        """To be called before the first file of the result is written: a finished run that was begun again is
        unfinished from here on, and was whole until here, however the work before this was ended."""
        if self.is_finished():
            self._start()

    def _start(self) -> None:
        assert self._begins is not None, "only a run that was begun or checked is written anew"
        about, recipe = self._begins
        (self.folder / MANIFEST).unlink(missing_ok=True)
        self.write("run.json", {**about, "state": "running", "started": time.strftime("%Y-%m-%dT%H:%M:%S%z")})
        write_atomic(self.folder / "recipe.yaml", recipe)

    def withdraw(self) -> None:
        """Takes away what `begin` wrote, where nothing else has come of the run."""
        written = [self.folder / name for name in ("recipe.yaml", "run.json")]
        if all(path in written or _begun(path) for path in self.folder.iterdir()):
            for path in written:
                path.unlink(missing_ok=True)

    @classmethod
    def checked(
        cls, folder: str | Path, verb: str, recipe: Recipe, data: str, options: Mapping[str, Any] | None = None
    ) -> "Run":
        """A folder that `begin` would take, untouched; a sentence where it holds something else. Options are not looked
        at where they are None."""
        run = cls(folder)
        about = about_run(verb, recipe, data, options)
        run._begins = (about, recipe.to_yaml())
        if run.folder.exists() and not run.folder.is_dir():
            raise UserError(f"{run.folder} is a file; give a folder with --run.")
        writable_folder(run.folder)
        # listed before it is looked for: another process may be making this very run, and begins with its run.json
        there = list(run.folder.iterdir()) if run.folder.exists() else []
        if (run.folder / "run.json").exists():
            before = run.read("run.json")
            if not _same(before, about, but=before.get("options") or () if options is None else GOES_ON):
                raise UserError(
                    f"{run.folder} holds another run ({_unlike(before, about)}); choose another folder with --run."
                )
        elif any(not _begun(path) for path in there):
            raise UserError(f"{run.folder} is not empty and holds no run; choose another folder with --run.")
        return run

    @classmethod
    def takes(cls, folder: str | Path, verb: str, recipe: Recipe, data: str) -> bool:
        """Whether `begin` would take a folder: it holds nothing, or the same run."""
        try:
            cls.checked(folder, verb, recipe, data)
        except UserError:
            return False
        return True

    @classmethod
    def possible(cls, folder: str | Path) -> None:
        """Refuses, before any work, a folder that a command could not write its run in. One that holds a finished run
        is looked at by `begin`: the same command gives that back and writes nothing."""
        if not cls(folder).is_finished():
            writable_folder(Path(folder))

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
    def training(self) -> Path:
        """Where the last fit of a network goes on: beside a finished run, as long as it is not replaced."""
        return self.trials / TRAINING if self.is_finished() else self.folder / TRAINING

    def take_training(self, aside: Path | None) -> None:
        """Puts a training that went on beside the run in its place."""
        if aside is not None and aside != self.folder / TRAINING:
            rmtree(self.folder / TRAINING, ignore_errors=True)
            if aside.is_dir():
                aside.replace(self.folder / TRAINING)

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
        if not run.is_finished():
            raise UserError(f"{run.folder}: this run was interrupted; give the same command again to continue it.")
        if verify:
            run.verify()
        return run

    def is_finished(self) -> bool:
        """Whether it came to its end; its files are not looked at."""
        if not (self.has("run.json") and self.has(MANIFEST)):
            return False
        return bool(self.read("run.json").get("state") == "finished")

    @classmethod
    def finished(
        cls, folder: str | Path, verb: str, recipe: Recipe, data: str, options: Mapping[str, Any] | None = None
    ) -> "Run | None":
        """The run of the same command (see `begin`) where it came to its end; None where there is none, where Ctrl-C
        ended its training early, and where a file of it is missing or damaged: it is then made again."""
        try:
            run = cls.open(folder)
            about = run.read("run.json")
        except UserError:
            return None
        same = _same(about, about_run(verb, recipe, data, options))
        return run if same and not about.get("interrupted") else None

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


@contextmanager
def unless_refused(made: Run | None) -> Iterator[None]:
    """Inside is what follows the beginning of a run: where the command is refused before anything came of it, the run
    is taken away again, so that the same folder takes the command that was meant."""
    try:
        yield
    except UserError:
        if made is not None:
            made.withdraw()
        raise


def about_run(verb: str, recipe: Recipe, data: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What makes two runs the same, as `run.json` says it; options that say nothing are left out."""
    given = {name: plain(value) for name, value in (options or {}).items() if value}
    about = {"verb": verb, "recipe": identity(recipe), "data": data, "version": __version__}
    return {**about, "options": given} if given else about


def _same(before: Mapping[str, Any], about: Mapping[str, Any], but: Collection[str] = ()) -> bool:
    """Whether what `run.json` says is of the same command; but: options that may be others."""
    alike = all(before.get(key) == about.get(key) for key in ("verb", "recipe", "data", "version"))
    return alike and not _other_options(before, about) - set(but)


def _other_options(before: Mapping[str, Any], about: Mapping[str, Any]) -> set[str]:
    theirs, ours = before.get("options") or {}, about.get("options") or {}
    return {name for name in {*theirs, *ours} if theirs.get(name) != ours.get(name)}


def _unlike(before: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """What another run is, beside this command."""
    if all(before.get(key) == about.get(key) for key in ("verb", "recipe", "data", "version")):
        names = sorted(_other_options(before, about) - set(GOES_ON))
        return f"{before.get('verb')} with another {' and another '.join(f'--{name}' for name in names)}"
    return f"{before.get('verb')}, another recipe, other rows or another version"


def _begun(path: Path) -> bool:
    """Whether this is what processes that begin a run make before its first file (`melior.runs.study`)."""
    if path.name == "trials" and path.is_dir():
        return {inside.name for inside in path.iterdir()} <= {"claims", "session"}
    return path.name.startswith(".run.json.") and path.name.endswith(".aside")
