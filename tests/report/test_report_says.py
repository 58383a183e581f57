"""What the page says: the outcome in one sentence, what there is and nothing else, in the right order."""

from collections.abc import Callable
from pathlib import Path

import pytest
from parsed import Page

from melior.findings import Finding
from melior.report import render
from melior.runs.store import Run

pytestmark = pytest.mark.xdist_group("report")  # the pages are made once, for both files


def shown_sections(page: Page) -> set[str]:
    return {str(given["id"]) for tag, given in page.elements if tag == "section"}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("everything", {"wrong", "tried", "refused", "scores", "curves", "data", "use", "small-print"}),
        ("nothing", {"wrong", "tried", "refused", "scores", "curves", "use", "small-print"}),
        ("train", {"scores", "curves", "use", "small-print"}),
        ("audit", {"wrong", "data", "use", "small-print"}),
    ],
)
def test_shows_what_there_is(parsed: dict[str, Page], kind: str, expected: set[str]) -> None:
    assert shown_sections(parsed[kind]) == expected
    links = {str(given["href"])[1:] for tag, given in parsed[kind].elements if tag == "a"}
    assert links == expected | {"outcome"}


def test_order_of_sections(parsed: dict[str, Page]) -> None:
    order = [str(given["id"]) for tag, given in parsed["everything"].elements if tag == "section"]
    assert order == ["wrong", "tried", "refused", "scores", "curves", "data", "use", "small-print"]


def test_says_what_helped(parsed: dict[str, Page]) -> None:
    text = parsed["everything"].text
    assert "Threshold and label cleaning provably help: macro F1 goes from 0." in text
    assert "on top of threshold" in text
    assert "trees have no weights to penalise; use l1_selection" in text.lower()
    assert "melior predict everything new_rows.csv" in text
    assert 'melior.Predictor.load("everything/predictor")' in text
    assert "label_cleaning: share: 0.08" in text
    assert "Rows and values of the data are inside this file." in text
    assert "row 1,204" not in text  # a table, where the number stands alone
    assert " 1,204 " in text  # rows as people count: 1203 from 0


def test_says_that_nothing_helped(parsed: dict[str, Page]) -> None:
    text = parsed["nothing"].text
    assert "Nothing that was tried provably helps: the plain recipe stays" in text
    assert "2 candidates stayed undecided: on these rows a gain below about 0.020 cannot be seen." in text
    assert "No check found anything that more than chance explains." in text


def test_nothing_changed_needs_no_before(parsed: dict[str, Page]) -> None:
    assert "Before is the plain recipe" not in parsed["nothing"].text
    assert "Before is the plain recipe" in parsed["everything"].text


def test_corrected_scores_are_explained(runs: dict[str, Run], make_run: Callable[..., Run], tmp_path: Path) -> None:
    evidence, scores = runs["everything"].read("evidence.json"), runs["everything"].read("scores.json")
    evidence["final"]["score"] += 0.016
    text = Page(render(make_run(tmp_path / "run", "improve", evidence=evidence, scores=scores))).text
    assert "Here every label is taken as it stands" in text
    assert "Held-out labels are partly wrong too" in text


def test_faults_of_the_measurement_come_first(make_run: Callable[..., Run], tmp_path: Path) -> None:
    findings = [
        Finding("outliers", 0.9, "far away").to_dict(),
        Finding("split_overlap", 0.1, "rows on both sides").to_dict(),
    ]
    rows = {"columns": [], "rows": [{"row": 0, "values": {"a": "the outlier"}}]}
    run = make_run(tmp_path / "run", "audit", findings=findings, examples={"findings": [{"finding": 0, **rows}]})
    text = Page(render(run)).text
    assert text.index("Rows on both sides") < text.index("Outliers") < text.index("the outlier")


def test_nothing_was_tried(runs: dict[str, Run], make_run: Callable[..., Run], tmp_path: Path) -> None:
    evidence = runs["nothing"].read("evidence.json") | {"evidence": []}
    treated = [Finding("label_noise", 0.4, "wrong labels").with_methods(["label_cleaning"]).to_dict()]
    text = Page(render(make_run(tmp_path / "time", "improve", evidence=evidence, findings=treated))).text
    assert "No method was tried: the plain recipe stays" in text
    assert "A larger --budget gives them a chance." in text
    text = Page(render(make_run(tmp_path / "none", "improve", evidence=evidence, findings=[]))).text
    assert "No candidate was tried: no method treats what was found." in text


def test_says_first_that_the_score_was_inflated(pages: dict[str, str], parsed: dict[str, Page]) -> None:
    text = parsed["leak"].text
    assert text.index("believed 0.941") < text.index("The macro F1 of 0.941 was not real: measured honestly, it is 0.")
    assert "believed" not in parsed["everything"].text
    assert "data.known_at_prediction: [Rating]" in text
    assert "98 rows (2.1%)" in text
    assert pages["leak"].count("<b>Repaired.</b>") == 2


def test_a_repair_on_a_suspicion_stays_a_question(
    runs: dict[str, Run], make_run: Callable[..., Run], tmp_path: Path
) -> None:
    findings = [finding | {"certain": False} for finding in runs["leak"].read("findings.json")]
    run = make_run(tmp_path / "run", "improve", findings=findings, evidence=runs["leak"].read("evidence.json"))
    text = Page(render(run)).text
    assert "The macro F1 of 0.941 is probably not real: measured with care, it is 0." in text
    assert "if it was meant to be so, set data.known_at_prediction: [Rating], and the score stands" in text


def test_a_score_that_was_not_inflated(runs: dict[str, Run], make_run: Callable[..., Run], tmp_path: Path) -> None:
    evidence = runs["leak"].read("evidence.json") | {"reported_before_repair": 0.5}
    text = Page(render(make_run(tmp_path / "low", "improve", evidence=evidence))).text
    assert "not made it look better" in text
    assert "was not real" not in text
    loss = evidence | {
        "metric": "log_loss",
        "baseline": {"score": 0.4, "low": 0.39, "high": 0.41},
        "reported_before_repair": 0.1,
    }
    assert "was not real" in Page(render(make_run(tmp_path / "loss", "improve", evidence=loss))).text


def test_sealed_rows_that_prove_nothing_alone(
    runs: dict[str, Run], make_run: Callable[..., Run], tmp_path: Path
) -> None:
    evidence = runs["everything"].read("evidence.json") | {"gain": {"score": 0.01, "low": -0.004, "high": 0.024}}
    text = Page(render(make_run(tmp_path / "run", "improve", evidence=evidence))).text
    assert "the sealed rows alone are too few to prove the gain once more" in text
    assert "zero is inside the interval" in text
    assert "confirm the gain" not in text


def test_a_suspicion_is_a_question(parsed: dict[str, Page]) -> None:
    assert "only you can settle this" in parsed["everything"].text
    assert "only you can settle this" not in parsed["leak"].text
