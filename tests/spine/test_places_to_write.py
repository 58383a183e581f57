"""Where a result cannot be written, or would take the place of something of the user's: one sentence, before the
work."""

import errno
import json
import os

import numpy as np
import polars as pl
import pytest

from melior.errors import UserError
from melior.storage import writable_file, writable_folder, write_atomic


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    from melior.verbs.train import train

    folder = tmp_path_factory.mktemp("places")
    random = np.random.default_rng(0)
    x = random.normal(size=120)
    rows = pl.DataFrame({"x": x, "z": random.normal(size=120), "y": np.where(x > 0, "yes", "no")})
    rows.write_csv(folder / "rows.csv")
    (folder / "folder").mkdir()
    (folder / "mine.json").write_text('{\n "rows": [1, 2], "findings": "of mine"\n}\n')
    train(str(folder / "rows.csv"), target="y", model="linear", run=folder / "run")
    return folder


@pytest.fixture
def melior(place, melior_in):
    """Runs a command in the folder of the files: code and standard error."""

    def command(*arguments):
        code, _, err = melior_in(place, *arguments)
        return code, err

    return command


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def never(*_, **__):
    raise AssertionError("the work was begun")


COMMANDS = {
    "audit": ("audit", "rows.csv", "-t", "y", "--fast"),
    "improve": ("improve", "rows.csv", "-t", "y", "--run", "new"),
    "improve --plan": ("improve", "rows.csv", "-t", "y", "--plan"),
    "train": ("train", "rows.csv", "-t", "y", "--run", "new"),
    "train --plan": ("train", "rows.csv", "-t", "y", "--plan"),
    "evaluate": ("evaluate", "run", "rows.csv"),
    "judge": ("judge", "run", "run", "--data", "rows.csv"),
    "diagnose": ("diagnose", "run"),
    "questions": ("questions",),
}
TAKEN = ("rows.csv", "mine.json", "run/run.json", "run/scores.json", "folder", "rows.csv/x.json")


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("name", COMMANDS)
def test_json_overwrites_nothing_but_its_own(name, taken, melior, place, monkeypatch):
    for verb in ("audit.audit", "train.train", "evaluate.evaluate", "judge.judge", "diagnose.diagnose"):
        monkeypatch.setattr(f"melior.verbs.{verb}", never)
    before = everything(place)
    code, err = melior(*COMMANDS[name], "--json", taken)
    assert code == 2
    assert err.startswith("melior: ")
    assert taken in err
    assert err.count("\n") == 1
    assert everything(place) == before
    assert not (place / "new").exists()


def test_json_replaces_its_own_and_what_is_empty(melior, place):
    (place / "again.json").touch()
    for _ in range(2):
        assert melior("questions", "--json", "again.json")[0] == 0
        assert len(json.loads((place / "again.json").read_text())["questions"]) == 30
    os.truncate(place / "again.json", 11)
    assert melior("questions", "--json", "again.json")[0] == 2


def test_json_does_not_replace_what_the_command_itself_wrote(melior, place):
    code, err = melior("audit", "rows.csv", "-t", "y", "--fast", "--fix", "copy.jsonl", "--json", "copy.jsonl")
    assert code == 2
    assert "copy.jsonl" in err
    assert len((place / "copy.jsonl").read_text().splitlines()) == 120


NOWHERE = {
    "predict": ("predict", "run", "rows.csv", "--out", "rows.csv/x.csv"),
    "train": ("train", "rows.csv", "-t", "y", "--run", "rows.csv/x"),
    "improve": ("improve", "rows.csv", "-t", "y", "--run", "rows.csv/x/y"),
    "audit": ("audit", "rows.csv", "-t", "y", "--run", "rows.csv"),
    "audit --fix": ("audit", "rows.csv", "-t", "y", "--fix", "rows.csv/x.csv"),
    "evaluate": ("evaluate", "run", "rows.csv", "--run", "rows.csv/x"),
    "init": ("init", "rows.csv", "-o", "rows.csv/q.yaml"),
    "a long name": ("predict", "run", "rows.csv", "--out", f"{'a' * 252}.csv"),
}


@pytest.mark.parametrize("name", NOWHERE)
def test_a_place_where_nothing_can_be_written_is_refused_first(name, melior, place, monkeypatch):
    for work in ("verbs.train.fit", "verbs.improve.improve_table", "verbs.audit.run_checks", "verbs.evaluate.measured",
                 "predictor.Predictor.predict"):  # fmt: skip
        monkeypatch.setattr(f"melior.{work}", never)
    before = everything(place)
    code, err = melior(*NOWHERE[name])
    said = [line for line in err.splitlines() if not line.startswith("[")]
    assert code == 2
    assert len(said) == 1
    assert said[0].startswith("melior: ")
    assert NOWHERE[name][-1] in said[0]
    assert everything(place) == before


def test_a_folder_without_the_right_to_write_is_named(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "x")

    monkeypatch.setattr("melior.storage.NamedTemporaryFile", denied)
    monkeypatch.setattr("melior.storage.TemporaryFile", denied)
    for refused in (writable_file, writable_folder):
        with pytest.raises(UserError, match=r"new.* cannot be written \(Permission denied\); name another place\."):
            refused(tmp_path / "new" / "x")


def test_what_can_be_written_is_not_refused_and_nothing_is_made(tmp_path):
    writable_file(tmp_path / "a" / "b.csv")
    writable_folder(tmp_path / "a" / "b")
    writable_folder(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_after_all_is_one_sentence(melior, place, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("melior.storage.os.fsync", full)
    code, err = melior("predict", "run", "rows.csv", "--out", "full.csv")
    assert code == 2
    assert err.startswith("melior: full.csv cannot be written or read (No space left on device);")
    assert "Traceback" not in err
    with pytest.raises(OSError, match="No space left"):
        write_atomic(place / "full.csv", "x")
    assert not list(place.glob("*full.csv*"))


def test_a_recipe_is_written_for_a_path_as_for_its_name(tmp_path):
    from melior.verbs.init import init

    source = tmp_path / "rows.csv"
    source.write_text("a,y\n" + "1,x\n2,z\n" * 20)
    found = [init(given, target="y", out=tmp_path / f"{number}.yaml")[0]
             for number, given in enumerate((source, str(source), source.as_uri()))]  # fmt: skip
    assert [table.rows for table in found] == [40] * 3
    assert len({(tmp_path / f"{number}.yaml").read_text() for number in range(3)}) == 1
