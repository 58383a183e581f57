"""Rows, a recipe with few candidates, and which trials were fitted where."""

import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl

import melior
from melior.methods._base import methods
from melior.recipe import Recipe, Split

HERE = Path(__file__).resolve().parent
TRIED = ("class_weights", "oversampling", "normalization")
NEVER = tuple(name for name in methods() if name not in TRIED)


def write_rows(path, rows=240):
    random = np.random.default_rng(5)
    x = random.normal(size=(rows, 3))
    frame = pl.DataFrame(
        {
            **{f"x{number}": x[:, number].round(4) for number in range(3)},
            "colour": random.choice(["red", "green", "blue"], rows),
            "y": np.where(x[:, 0] + 0.5 * random.normal(size=rows) > 1, "yes", "no"),
        }
    )
    frame.write_csv(path)


def write_study(folder, **split):
    """A file of rows and the recipe that tries what is in TRIED on them."""
    write_rows(folder / "rows.csv")
    recipe = Recipe(
        model="linear",
        metric="macro_f1",
        data={"path": "rows.csv", "target": "y"},
        split=Split(**{"folds": 3, "repeats": 2, **split}),
    )
    (folder / "study.yaml").write_text(recipe.to_yaml())


def environment(counted, delay=0.0):
    """For processes that leave a line in a file for each trial, and take so many seconds more for it."""
    paths = [str(HERE / "hook"), str(Path(melior.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "COUNTED": str(counted), "DELAY": str(delay),
        "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0",
    }  # fmt: skip


def improving(run, *more):
    """The command that improves the study of `write_study`, from its folder."""
    never = [word for name in NEVER for word in ("--never", name)]
    return [
        sys.executable, "-m", "melior", "improve", "study.yaml", "--budget", "20m", "--run", str(run),
        "--json", f"{run}.json", *never, *more,
    ]  # fmt: skip


class Counted:
    """The lines of a file, by what they say."""

    def __init__(self, path):
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        self.begun = [(key, int(pid)) for word, key, pid in lines if word == "begun"]
        self.ended = [(key, int(pid)) for word, key, pid in lines if word == "ended"]

    def times(self):
        """How often each trial was begun."""
        return Counter(key for key, _ in self.begun)

    def by_process(self):
        return Counter(pid for _, pid in self.begun)

    def unfinished(self, pid):
        """The trials that a process began and did not end."""
        return {key for key, own in self.begun if own == pid} - {key for key, own in self.ended if own == pid}


def judged(told):
    """What a study came to, without the seconds."""
    evidence = [{name: value for name, value in one.items() if name != "seconds"} for one in told["evidence"]]
    same = (
        "metric",
        "baseline",
        "final",
        "gain",
        "findings",
        "repairs",
        "refused",
        "accepted",
        "recipe",
        "family",
        "rows",
    )
    return {**{name: told[name] for name in same}, "evidence": evidence}
