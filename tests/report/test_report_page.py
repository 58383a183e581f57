"""The page: complete, self-contained, small, escaped, well-formed, and honest about what it leaves out."""

import base64
import hashlib
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parsed import Page

from melior.findings import Finding
from melior.report import render, write
from melior.report.page import LARGEST
from melior.runs.store import MANIFEST, Run

pytestmark = pytest.mark.xdist_group("report")  # the pages are made once, for both files

KINDS = ["everything", "nothing", "leak", "twelve", "train", "audit", "hostile"]


@pytest.mark.parametrize("kind", KINDS)
def test_well_formed(parsed: dict[str, Page], kind: str) -> None:
    page = parsed[kind]
    ids = [given["id"] for _, given in page.elements if "id" in given]
    assert len(set(ids)) == len(ids)
    links = [str(given["href"]) for tag, given in page.elements if tag == "a"]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert {str(given["aria-labelledby"]) for _, given in page.elements if "aria-labelledby" in given} <= set(ids)


@pytest.mark.parametrize("kind", KINDS)
def test_needs_nothing_else(pages: dict[str, str], parsed: dict[str, Page], kind: str) -> None:
    assert not re.search(r"https?://", pages[kind])
    assert "url(" not in pages[kind]
    assert "@import" not in pages[kind]
    assert len(pages[kind].encode()) < LARGEST
    for tag, given in parsed[kind].elements:
        assert tag not in {"img", "iframe", "object", "embed", "base", "form"}
        for name, value in given.items():
            assert name != "src"
            assert not name.startswith("on"), f"{name} on <{tag}>"
            if name in {"href", "xlink:href", "action"}:
                assert str(value).startswith(("#", "data:"))


@pytest.mark.parametrize("kind", KINDS)
def test_only_our_own_script_may_run(pages: dict[str, str], parsed: dict[str, Page], kind: str) -> None:
    assert [tag for tag, _ in parsed[kind].elements].count("script") == 1
    script = pages[kind].partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(str(given["content"]) for tag, given in parsed[kind].elements if given.get("http-equiv"))
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("kind", KINDS)
def test_can_be_read_aloud(pages: dict[str, str], parsed: dict[str, Page], kind: str) -> None:
    elements = parsed[kind].elements
    headings = [int(tag[1]) for tag, _ in elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))
    for table in re.findall(r"<table.*?</table>", pages[kind], flags=re.DOTALL):
        assert 'scope="col"' in table
        assert 'scope="row"' in table
    for tag, given in elements:
        if tag == "svg" and given.get("role") != "img":  # shapes inside charts, and marks beside words
            assert given.get("aria-hidden") == "true" or "at" in str(given.get("class")).split()
        if given.get("role") == "img" or given.get("role") == "region":
            assert given.get("aria-label")


def test_escapes_everything(pages: dict[str, str], parsed: dict[str, Page]) -> None:
    page = pages["hostile"]
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "<b>bold" not in page
    assert "<h1>out" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in parsed["hostile"].text
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202d\u202e]", page)


def test_other_scripts_stand_as_they_are(parsed: dict[str, Page]) -> None:
    text = parsed["hostile"].text
    assert "这件衣服非常漂亮，面料柔软，尺码合适，强烈推荐给大家。" in text
    assert "هذا الفستان جميل جدا والقماش ناعم، أنصح به بشدة." in text
    rows = [given for tag, given in parsed["hostile"].elements if tag == "td" and given.get("dir") == "auto"]
    assert rows


def test_long_cells_are_cut_and_say_so(pages: dict[str, str], parsed: dict[str, Page]) -> None:
    assert "w" * 301 not in pages["hostile"]
    assert "a" * 301 not in pages["hostile"]
    assert "… and 9,700 more letters" in parsed["hostile"].text


def test_many_rows_stay_small(make_run: Callable[..., Run], tmp_path: Path) -> None:
    """A finding of ten thousand rows among a hundred and fifty, all with wide examples."""
    random = np.random.default_rng(0)
    finding = Finding(
        "outliers",
        0.9,
        "ten thousand rows lie far away",
        rows=np.arange(10_000),
        row_scores=random.random(10_000),
        columns=tuple(f"column {n}" for n in range(500)),
    ).to_dict()
    values = {f"column {n}": "word " * 60 for n in range(14)}
    rows = [{"row": n, "values": values, "note": "far " * 50} for n in range(14)]
    columns = [
        {"name": f"column {n}", "kind": "text", "missing": 0.1, "distinct": 9, "examples": ["word " * 50] * 5}
        for n in range(3000)
    ]
    run = make_run(
        tmp_path / "run",
        "audit",
        findings=[finding] + [finding | {"rows": [], "row_scores": None}] * 149,
        examples={
            "table": {"name": "wide.csv", "rows": 10_000, "columns": columns},
            "findings": [{"finding": n, "columns": ["column 3"], "rows": rows} for n in range(150)],
        },
    )
    page = render(run)
    assert len(page.encode()) < LARGEST
    text = Page(page).text
    assert "rows concerned 10,000" in text
    assert "more findings of less severity are in findings.json" in text
    assert "more columns are in examples.json" in text
    assert "Left out here:" in text


def test_hundreds_of_classes(make_run: Callable[..., Run], tmp_path: Path) -> None:
    classes = [f"class number {n}" for n in range(300)]
    steps = np.linspace(0, 1, 200).tolist()
    score = {"value": 0.7, "low": 0.65, "high": 0.75}
    counts = np.random.default_rng(0).integers(0, 50, (300, 300)) + 500 * np.eye(300)
    run = make_run(
        tmp_path / "run",
        "train",
        scores={
            "metric": "macro_f1",
            "rows": 10_000,
            "classes": classes,
            "scores": {"macro_f1": score} | {f"{m}[{c}]": score for m in ("f1", "recall") for c in classes},
            "before": None,
            "confusion": {
                "classes": classes,
                "counts": counts.tolist(),
                "rates": (counts / counts.sum(axis=1, keepdims=True)).tolist(),
                "worst": [[classes[0], classes[1], 49.0, 0.01]],
            },
            "roc": [
                {"label": c, "false_positive_rate": steps, "true_positive_rate": steps, "thresholds": steps}
                for c in classes
            ],
            "precision_recall": [
                {"label": c, "recall": steps, "precision": steps, "thresholds": steps} for c in classes
            ],
            "reliability": [],
        },
    )
    page = render(run)
    assert len(page.encode()) < 1_000_000
    text = Page(page).text
    assert "The easiest 288 are not drawn." in text
    assert "286 others are not drawn" in text
    assert "the other 240 are in scores.json" in text


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"evidence": {}},
        {"scores": {}},
        {"examples": {}},
        {"findings": []},
        {"scores": {"metric": "accuracy", "scores": {"accuracy": {"value": None, "low": None, "high": None}}}},
        {"evidence": {"metric": "accuracy", "evidence": [{"methods": ["x"], "verdict": "undecided"}]}},
        {"findings": [{"symptom": "outliers"}], "examples": {"findings": [{"finding": 9, "rows": []}]}},
        {"findings": [{"symptom": "a_new_symptom", "severity": 7, "measured": {"a": [], "b": [[]], "c": {}}}]},
        {"examples": {"table": {"columns": [{"name": "a"}]}, "confusions": [{"given": "a", "answered": "b"}]}},
        {"scores": {"scores": {}, "confusion": {"classes": [], "counts": [], "rates": [], "worst": []}}},
    ],
)
def test_whatever_is_missing_is_left_out(make_run: Callable[..., Run], tmp_path: Path, files: dict[str, Any]) -> None:
    Page(render(make_run(tmp_path / "run", "improve", predictor=False, **files)))


def test_recipe_that_this_version_cannot_read(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "train", findings=[])
    run.write_text("recipe.yaml", "task: classify\nfrom_the_future: true\n")
    assert "from_the_future: true" in Page(render(run)).text


def test_write_renews_the_manifest(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "audit", findings=[])
    path = write(run)
    assert path == run.folder / "report.html"
    assert "report.html" in run.read(MANIFEST)["sha256"]
    Run.open(run.folder)
    assert write(run).read_text(encoding="utf-8") == render(run)
    assert not list(run.folder.glob("*.aside"))


def test_write_leaves_an_unfinished_run_unfinished(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "audit", findings=[])
    run.write("run.json", run.read("run.json") | {"state": "running"})
    (run.folder / MANIFEST).unlink()
    assert "this run is not finished" in write(run).read_text(encoding="utf-8")
    assert not run.has(MANIFEST)


def test_no_path_of_this_machine(runs: dict[str, Run], pages: dict[str, str]) -> None:
    for kind, page in pages.items():
        assert str(runs[kind].folder.parent) not in page


def test_contrast() -> None:
    """Text on its background, light and dark: at least 4.5 to 1 (WCAG AA)."""
    style = (Path(__file__).parents[2] / "src/melior/report/templates/report.css").read_text(encoding="utf-8")

    def luminance(colour: str) -> float:
        code = colour.lstrip("#")
        code = "".join(2 * letter for letter in code) if len(code) == 3 else code
        parts = (int(code[place : place + 2], 16) / 255 for place in (0, 2, 4))
        light = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return float(np.dot(light, (0.2126, 0.7152, 0.0722)))

    blocks = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)[:2]
    assert len(blocks) == 2
    for block in blocks:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", block))
        for text, ground in [
            *((text, ground) for text in ("ink", "soft", "accent", "warn") for ground in ("paper", "wash")),
            ("accent", "accent-wash"),
            ("warn", "warn-wash"),
            ("on-deep", "heat"),
            ("on-deep", "heat-wrong"),
        ]:
            one, two = sorted((luminance(colours[text]), luminance(colours[ground])))
            assert (two + 0.05) / (one + 0.05) >= 4.5, (text, ground)
