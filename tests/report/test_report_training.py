"""How training went, in the report and by `diagnose`: from a history, without a network."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import build
from parsed import Page
from typer.testing import CliRunner

import melior
from melior.cli.main import app
from melior.errors import UserError
from melior.recipe import Recipe
from melior.report import render, write
from melior.report.charts import course
from melior.report.charts.course import Series
from melior.runs.store import Run

EVIL = '<script>alert("x")</script>'
NETWORK = Recipe(data={"path": "reviews.csv", "target": "recommended"}, metric="macro_f1", model="linear")


def lines(steps: int = 400) -> list[dict[str, Any]]:
    """A network that learns by heart; names of layers are not to be trusted."""
    weights = {f"{EVIL}{n}.weight": {"kind": "Linear", "shape": [8, 8]} for n in range(30)}
    found: list[dict[str, Any]] = [
        {"kind": "start", "step": 0, "steps": steps, "rows": 100, "said": EVIL, "weights": weights, "settings": {}}
    ]
    for n in range(1, steps + 1):
        loss = 2 * np.exp(-n / 60)
        found.append(
            {"kind": "step", "step": n, "loss": loss, "rate": 1e-3 * (1 - n / steps), "norm": 1.0, "seconds": n / 9,
             "rows_per_second": 300.0, "tokens_per_second": 300.0, "padding": 0.0, "waited": 0.0}
        )  # fmt: skip
        if n % 20 == 0:
            found.append({"kind": "valid", "step": n, "loss": 1 + 2 * (n / steps - 0.3) ** 2})
        if n % 100 == 0 or n == 1:
            layers = {name: {"gradient": 1.0, "rms": 0.1, "update": 0.01} for name in weights}
            found.append({"kind": "layers", "step": n, "layers": layers, "units": {}, "signals": {}})
    return [*found, {"kind": "event", "step": 9, "name": "compile", "what": EVIL}]


def run_with(folder: Path, history: list[dict[str, Any]] | None) -> Run:
    run = build(folder, "train", recipe=NETWORK, predictor=False)
    if history is not None:
        (folder / "training").mkdir()
        text = "".join(json.dumps(line) + "\n" for line in history)
        (folder / "training" / "history.jsonl").write_text(text, encoding="utf-8")
    return run


def test_the_report_shows_how_training_went(tmp_path: Path) -> None:
    page = render(run_with(tmp_path / "run", lines()))
    parsed = Page(page)
    assert "How training went" in parsed.text
    assert "Validation loss was best at step 120" in parsed.text
    assert "<script>alert" not in page
    labels = [str(given.get("aria-label")) for tag, given in parsed.elements if tag == "svg"]
    for what in ("Loss", "Learning rate", "Rows a second", "Norm of the gradient of each layer"):
        assert any(label.startswith(what) for label in labels), what
    assert "validation loss, step 120: 1" in page  # hovering tells
    assert page.count("curve") < 60  # of the thirty layers, some


def test_no_training_no_section(tmp_path: Path) -> None:
    assert "How training went" not in render(run_with(tmp_path / "run", None))


@pytest.mark.parametrize("history", [[], [{"kind": "start", "step": 0}], [{"kind": "step", "step": 1, "loss": None}]])
def test_a_history_without_much_is_no_trouble(tmp_path: Path, history: list[dict[str, Any]]) -> None:
    Page(write(run_with(tmp_path / "run", history)).read_text(encoding="utf-8"))


def test_a_chart_of_a_line_is_that_line() -> None:
    """Corners of a straight line lie in the corners of the plane; unknown values break it."""
    svg = course.draw("a line", "y", [Series("one", [0, 1, 2], [0.0, 1.0, 2.0])])
    (path,) = set(re.findall(r' d="([^"]+)"', svg))
    points = [tuple(map(float, pair.split())) for pair in re.findall(r"[ML]([^ML]+)", path)]
    left, middle, right = points
    assert middle == pytest.approx(tuple((np.array(left) + np.array(right)) / 2), abs=0.02)
    assert (left[0], right[0]) == (course.LEFT, course.WIDTH - course.RIGHT)
    assert (left[1], right[1]) == (course.HEIGHT - course.BOTTOM, course.TOP)
    broken = course.draw("", "y", [Series("one", [0, 1, 2, 3], [0.0, None, 2.0, 3.0])])
    assert broken.count("M") == 4  # two pieces, each drawn and hovered over
    assert course.draw("nothing", "y", [Series("one", [0, 1], [None, None])]) == ""


def test_many_points_are_averaged() -> None:
    x, y = course.thinned(Series("one", list(range(10_000)), list(np.linspace(0, 1, 10_000))))
    assert len(x) == len(y) == course.POINTS
    assert y.mean() == pytest.approx(0.5, abs=0.01)  # pieces are not all of one size


# ---- diagnose


def test_diagnose_finds_and_names_methods(tmp_path: Path) -> None:
    run_with(tmp_path / "run", lines())
    found = melior.diagnose(tmp_path / "run")
    assert found["overfitting"] is not None
    assert found["overfitting"].check == "overfitting_curves"
    assert "early_stopping" in found["overfitting"].methods
    out = tmp_path / "found.json"
    done = CliRunner().invoke(app, ["diagnose", str(tmp_path / "run"), "--json", str(out)])
    assert done.exit_code == 0, done.output
    assert "overfitting" in done.output
    kept = json.loads(out.read_text())
    assert [one["symptom"] for one in kept["findings"]] == [one.symptom for one in found.findings]
    assert kept["steps"] == 400


def test_diagnose_says_why_there_is_nothing_to_see(tmp_path: Path) -> None:
    run_with(tmp_path / "run", None)
    found = melior.diagnose(tmp_path / "run")
    assert found.findings == ()
    assert "linear" in found.why_not
    assert found.why_not.count(". ") == 0
    done = CliRunner().invoke(app, ["diagnose", str(tmp_path / "run")])
    assert done.exit_code == 0
    assert "no history of a training" in done.output.replace("\n", " ")


def test_diagnose_wants_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no run here"):
        melior.diagnose(tmp_path)
    run_with(tmp_path / "run", [])
    with pytest.raises(UserError, match="damaged"):
        melior.diagnose(tmp_path / "run")


def test_what_is_muted_is_shown_as_muted(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", lines())
    text = (run.folder / "recipe.yaml").read_text(encoding="utf-8")
    text += "mute:\n- {symptom: overfitting, reason: it is a toy}\n"
    (run.folder / "recipe.yaml").write_text(text, encoding="utf-8")
    found = melior.diagnose(run.folder)
    assert found["overfitting"] is None
    assert [one.muted for one in found.findings] == ["it is a toy"]


def test_checks_of_a_training_are_listed() -> None:
    done = CliRunner().invoke(app, ["checks"])
    assert "overfitting_curves" in done.output
    assert "melior diagnose RUN" in done.output
