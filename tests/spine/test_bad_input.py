"""Odd files: the audit looks at each from beginning to end, or says in one sentence why it cannot."""

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import melior
from melior.checks._base import checks
from melior.cli import show
from melior.errors import UserError

ROWS = 60


def columns(**more):
    random = np.random.default_rng(0)
    return {
        "a": random.normal(size=ROWS),
        "b": random.choice(["x", "y", "z"], ROWS),
        "words": [f"row {number} says {random.integers(0, 99)} things" for number in range(ROWS)],
        **more,
        "y": ["no", "yes"] * (ROWS // 2),
    }


ODD = {
    "one value": {"same": ["k"] * ROWS, "zero": np.zeros(ROWS)},
    "all missing": {"none": [None] * ROWS, "nan": [float("nan")] * ROWS},
    "mixed types": {"mixed": [str(n) if n % 3 else ("n/a" if n % 2 else "2024-01-05") for n in range(ROWS)]},
    "NaN and infinities": {"odd": [float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324] * (ROWS // 6)},
    "a date in the year 0001": {"day": ["0001-01-01", "", *["2024-03-05", "9999-12-31"] * (ROWS // 2 - 1)]},
    "a cell of 5 MB": {"long": ["w " * 2_500_000, *["short text of a row"] * (ROWS - 1)]},
    "control letters": {"control": ["\x00\x01 a\u202eb \ufeff", *["a plain text"] * (ROWS - 1)]},
    "names": {"": ["u"] * ROWS, " ": np.arange(ROWS) % 7, "中文": np.arange(ROWS) % 5, "a" * 3000: np.arange(ROWS)},
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_odd_columns_stop_no_check(what, tmp_path):
    given = columns(**ODD[what])
    frame = pl.DataFrame({name: list(values) for name, values in given.items()}, strict=False)
    frame.write_parquet(tmp_path / "odd.parquet")
    found = melior.audit(tmp_path / "odd.parquet", target="y", run=tmp_path / "run")
    assert not found.failed
    assert (tmp_path / "run" / "report.html").stat().st_size < 3_000_000
    json.loads((tmp_path / "run" / "findings.json").read_text())


def test_a_lone_surrogate_is_read_and_said(tmp_path):
    rows = [{"text": f"a text {n}", "y": "no" if n % 2 else "yes"} for n in range(ROWS)]
    lines = [json.dumps(row) for row in rows]
    lines[3] = lines[3].replace("a text", "a \\ud83d text")  # half of a pair
    (tmp_path / "half.jsonl").write_text("\n".join(lines))
    found = melior.audit(tmp_path / "half.jsonl", target="y")
    assert not found.failed
    assert any("surrogate" in note for note in found.notes)


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_hardly_any_rows(rows, tmp_path):
    frame = pl.DataFrame({"a": [1.5, 2.5, 3.5][:rows], "y": ["no", "yes", "no"][:rows]})
    frame.write_csv(tmp_path / "few.csv")
    try:
        assert not melior.audit(tmp_path / "few.csv", target="y").failed
    except UserError as error:
        said = str(error)
        assert "few.csv" in said
        assert said.count(". ") <= 2
        assert "\n" not in said


@pytest.mark.parametrize("rows", [2, 9])
def test_an_audit_of_too_few_rows_says_that_nothing_was_looked_for(rows, tmp_path, capsys):
    frame = pl.DataFrame({"a": np.arange(rows) / 3, "y": (["no", "yes"] * 5)[:rows]})
    found = melior.audit(frame, target="y", run=tmp_path / "run")
    assert "too few; 10 are needed" in found.unseen
    assert found.to_dict()["unseen"] == found.unseen
    assert found.unseen in repr(found)
    show.audit(found)
    said = capsys.readouterr().out
    assert "too few" in said
    assert "Nothing was found" not in said
    page = (tmp_path / "run" / "report.html").read_text()
    assert found.unseen in page
    assert "Nothing was found" not in page


def test_an_audit_of_which_no_check_suits_says_so():
    frame = pl.DataFrame({"a": np.arange(30) / 3})
    assert "none of the checks" in melior.audit(frame, checks=["label_noise"]).unseen
    assert not melior.audit(frame).unseen


def test_ids_alone_are_audited_and_said_to_be_nothing_to_predict_from(tmp_path):
    frame = pl.DataFrame({"id": range(40), "y": ["no", "yes"] * 20})
    assert any("there is no column to predict from: id is of kind id" in note for note in melior.audit(
        frame, target="y").notes)  # fmt: skip


def test_ten_thousand_columns(tmp_path):
    random = np.random.default_rng(0)
    frame = pl.DataFrame(random.normal(size=(40, 10_000)), schema=[f"c{number}" for number in range(10_000)])
    frame.with_columns(pl.Series("y", ["no", "yes"] * 20)).write_parquet(tmp_path / "wide.parquet")
    found = melior.audit(tmp_path / "wide.parquet", target="y", fast=True)
    assert not found.failed
    assert any(finding.symptom == "high_dimension" for finding in found.findings)


def test_a_check_that_fails_is_a_finding_and_the_exit_code_says_so(tmp_path, monkeypatch):
    """In a process of its own, with one check broken on purpose."""
    name, check = next((name, check) for name, check in checks().items() if name == "class_imbalance")
    pl.DataFrame({key: list(values) for key, values in columns().items()}).write_csv(tmp_path / "a.csv")
    code = (
        "import sys, importlib\n"
        f"check = getattr(importlib.import_module({check.__module__!r}), {check.__name__!r})\n"
        "def measure(self, context): raise ZeroDivisionError('of no use')\n"
        "check.measure = measure\n"
        "from melior.cli.main import run\n"
        "run()\n"
    )
    asked = ["audit", tmp_path / "a.csv", "--target", "y", "--json", tmp_path / "o"]
    done = subprocess.run([sys.executable, "-c", code, *map(str, asked)], capture_output=True, text=True)
    assert done.returncode not in (0, 2), done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads((tmp_path / "o").read_text())["findings"]
    failed = [finding for finding in found if "of no use" in finding["message"]]
    assert len(failed) == 1
    assert name in failed[0]["message"]
    assert len(found) > 1  # the others looked all the same
