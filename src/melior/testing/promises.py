"""What the suites share: how a promise is put, what is compared bit for bit, and a process that has fitted nothing."""

import atexit
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from melior.data.table import Floats, Table
from melior.errors import UserError
from melior.predictor import Predictor
from melior.storage import Fitted, load_fitted, pack, save_fitted

NAME = re.compile(r"[a-z][a-z0-9_]*")
FRESH = """
import importlib, json, pathlib, sys
import numpy, polars
from melior.data.schema import Schema
from melior.data.table import Table
from melior.predictor import Predictor
from melior.storage import load_fitted
for line in sys.stdin:
    asked = json.loads(line)
    try:
        for module in asked["modules"]:
            importlib.import_module(module)
        loaded = load_fitted(pathlib.Path(asked["folder"]), asked["name"])
        assert isinstance(loaded, Predictor)
        frame = polars.read_parquet(asked["folder"] + "/rows.parquet")
        table = Table.make(frame, Schema.from_dict(asked["schema"]))
        scores = loaded.scores(table)
        numpy.save(asked["folder"] + "/scores.npy", scores)
        numpy.save(asked["folder"] + "/answers.npy", loaded.decided(scores))
        print("done", flush=True)
    except Exception as error:
        print(f"{type(error).__name__}: {error}".replace(chr(10), " "), flush=True)
"""


def holds(truth: Any, what: str) -> None:
    """One promise."""
    if not truth:
        raise AssertionError(what)


def refused(act: Callable[[], Any], what: str) -> None:
    """Bad input is refused with a sentence (UserError) or by validation, never taken and never another error."""
    try:
        act()
    except (UserError, ValidationError) as error:
        holds(str(error).strip(), f"{what}: refused without a word")
        return
    raise AssertionError(f"{what}: taken, and should be refused")


def described(subject: type) -> None:
    """A docstring of its own that begins with a sentence."""
    own = subject.__dict__.get("__doc__") or ""
    first = own.strip().split("\n\n")[0].replace("\n", " ")
    holds(re.search(r"[.:](\s|$)", first), f"{subject.__name__}: the documentation does not begin with a sentence")


def settings_described(subject: type[BaseModel]) -> None:
    """Every setting stands in the docstring at the beginning of a line, alone or in a list."""
    for name in subject.model_fields:
        found = re.search(rf"^\s*(?:\w+, )*{name}(?:, \w+)* +\S", subject.__doc__ or "", re.MULTILINE)
        holds(found, f"{subject.__name__}: the setting {name} is not documented")


def settings_checked(subject: type[BaseModel], settings: dict[str, Any]) -> None:
    """Unknown settings and nonsense are refused; what was made cannot be changed."""
    made = subject(**settings)
    refused(lambda: subject(**{**settings, "no_such_setting": 1}), "an unknown setting")
    nonsense = {"neither": ["this", {"nor": "that"}]}
    for name, field in subject.model_fields.items():
        refused(lambda name=name: setattr(made, name, getattr(made, name)), f"changing {name}")  # type: ignore[misc]
        if field.annotation is not dict:
            refused(lambda n=name: subject(**{**settings, n: nonsense}), f"{name}: {nonsense}")  # type: ignore[misc]
        if isinstance(getattr(made, name), int | float) and not isinstance(getattr(made, name), bool):
            refused(lambda n=name: subject(**{**settings, n: float("nan")}), f"{name}: nan")  # type: ignore[misc]
            refused(lambda n=name: subject(**{**settings, n: -1e12}), f"{name}: -1e12")  # type: ignore[misc]


def state(fitted: Fitted) -> tuple[str, list[NDArray[Any]]]:
    """All that was learnt: the tree as text and the arrays, for comparison bit for bit."""
    arrays: dict[str, NDArray[Any]] = {}
    tree = json.dumps(pack(fitted, arrays), sort_keys=True)
    return tree, [arrays[key] for key in sorted(arrays, key=int)]


def same_state(one: Fitted, other: Fitted) -> bool:
    (tree, arrays), (other_tree, other_arrays) = state(one), state(other)
    if tree != other_tree or len(arrays) != len(other_arrays):
        return False
    return all(same_bits(a, b) for a, b in zip(arrays, other_arrays, strict=True))


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def probabilities(scores: Floats, table: Table) -> None:
    """(rows, classes), finite, from 0 to 1; each row sums to 1 where it has one class."""
    shape = (table.rows, len(table.classes))
    holds(scores.shape == shape, f"scores are {scores.shape}, and should be {shape}: every row, every class")
    holds(np.isfinite(scores).all(), "scores are not all finite")
    holds(scores.min() >= 0 and scores.max() <= 1 + 1e-9, f"scores go from {scores.min()} to {scores.max()}")
    holds(
        table.multilabel or np.abs(scores.sum(axis=1) - 1).max() <= 1e-9,
        "the scores of a row do not sum to 1 within 1e-9",
    )


def kept_bit_for_bit(predictor: Predictor, table: Table, *, fresh: bool, modules: tuple[str, ...] = ()) -> None:
    """Saved and loaded, here and in a process that fitted nothing, a predictor gives the same bits."""
    scores = predictor.scores(table)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        predictor.save(folder)
        loaded = Predictor.load(folder)
        holds(same_state(predictor, loaded), "what was loaded is not what was saved")
        again = Table.make(table.frame, table.schema, table.labels)
        holds(same_bits(scores, loaded.scores(again)), "a loaded predictor gives other scores")
        answers = predictor.decided(scores)
        holds(np.array_equal(answers, loaded.answers(again)), "a loaded predictor gives other answers")
        save_fitted(loaded, folder, "again")
        for end in ("json", "safetensors"):
            one, two = ((folder / f"{name}.{end}").read_bytes() for name in ("predictor", "again"))
            holds(one == two, f"saved again, the {end} file is another")
        if fresh:
            elsewhere = _elsewhere(folder, table, modules)
            holds(same_bits(scores, elsewhere[0]), "in a fresh process the loaded predictor gives other scores")
            holds(np.array_equal(answers, elsewhere[1]), "in a fresh process it gives other answers")


def loaded_again(fitted: Fitted) -> Any:
    """A fitted object after a way through its files."""
    with tempfile.TemporaryDirectory() as folder:
        save_fitted(fitted, Path(folder), "fitted")
        return load_fitted(Path(folder), "fitted")


def _elsewhere(folder: Path, table: Table, modules: tuple[str, ...]) -> tuple[Floats, NDArray[np.int32]]:
    table.frame.write_parquet(folder / "rows.parquet")
    known = [name for name in modules if name != "__main__"]
    asked = {"folder": str(folder), "name": "predictor", "schema": table.schema.to_dict(), "modules": known}
    process = _fresh_process()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline().strip()
    holds(answer == "done", f"a fresh process cannot use the saved predictor: {answer or 'it ended'}")
    return np.load(folder / "scores.npy"), np.load(folder / "answers.npy")


@cache
def _fresh_process() -> "subprocess.Popen[str]":
    """One process for all suites: it loads and scores, and never fits."""
    path = os.pathsep.join(dict.fromkeys([*filter(None, sys.path), os.environ.get("PYTHONPATH", "")]))
    process = subprocess.Popen(
        [sys.executable, "-c", FRESH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    atexit.register(process.kill)
    return process


def run(suite: type) -> dict[str, str]:
    """Runs a suite without pytest: the promises that do not hold, each with what is wrong; empty where all hold."""
    broken: dict[str, str] = {}
    for name in dir(suite):
        if name.startswith("test_"):
            try:
                getattr(suite(), name)()
            except Exception as error:
                broken[name] = f"{type(error).__name__}: {error}"
    return broken
