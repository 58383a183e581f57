"""A folder with new rows, two runs and two files of predictions, and the command there."""

from functools import partial

import pytest
from judged_rows import predicted, rows_of

import melior


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with new rows, two runs and two files of predictions."""
    folder = tmp_path_factory.mktemp("judge")
    learned, new = rows_of(0), rows_of(1)
    learned.write_csv(folder / "learned.csv")
    new.write_csv(folder / "new.csv")
    how = {"target": "y", "columns": {"key": "id"}}
    melior.train(str(folder / "learned.csv"), **how, model="linear", run=folder / "a")
    narrow = {**how, "columns": {**how["columns"], "size": "ignore", "width": "ignore"}}
    melior.train(str(folder / "learned.csv"), **narrow, model="linear", run=folder / "b")
    for name, skill in (("good", 0.85), ("poor", 0.6)):
        predicted(new["y"], skill, len(name)).write_csv(folder / f"{name}.csv")
    return folder


@pytest.fixture
def command(place, melior_in):
    return partial(melior_in, place, "judge", width=180)
