"""Run folders like those that the verbs leave."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from simulated import (
    CANDIDATES,
    COLUMNS,
    GROUPS,
    HOSTILE,
    IMBALANCE,
    LEAK,
    NOISE,
    TEXTS,
    example_rows,
    outcome,
    scores_of,
    shown,
    simulated,
    tried,
)

from melior.findings import Finding
from melior.recipe import Recipe
from melior.runs.store import Run


def build(
    folder: Path,
    verb: str,
    *,
    about: dict[str, Any] | None = None,
    recipe: Recipe | None = None,
    predictor: bool = True,
    **files: Any,
) -> Run:
    """A finished run that holds these JSON files."""
    recipe = recipe or Recipe(data={"path": "reviews.csv", "target": "recommended"}, metric="macro_f1", model="linear")
    run = Run.begin(folder, verb, recipe, "3f786850e387550fdab836ed7e6dc881de23001b")
    for name, content in files.items():
        run.write(f"{name}.json", content)
    if predictor:
        run.write_text("predictor/predictor.json", "{}")
    run.finish(**{"name": "reviews.csv", "seconds": 252.3, **(about or {})})
    return run


def improve_everything(folder: Path) -> Run:
    """Three methods help, little was wrong with the measurement."""
    classes = ["no", "yes"]
    before, after = (simulated([0.18, 0.82], skill, 4698, 3) for skill in (1.5, 2.2))
    mistaken = [
        {"row": 91 + n, "values": {"Review Text": TEXTS[n], "Age": 40}, "score": 0.93 - n / 50} for n in range(4)
    ]
    evidence = {
        **outcome(before, after, classes, "macro_f1"),
        "reported_before_repair": None,
        "repairs": [],
        "evidence": [one.to_dict() for one in CANDIDATES],
        "refused": [
            {"method": "l1_penalty", "reason": "trees have no weights to penalise; use l1_selection"},
            {"method": "early_stopping", "reason": "a linear model is fitted to the end in one go; use l2_penalty"},
        ],
        "notes": ["stacking: no time left to try it together with the others"],
        "accepted": ["threshold", "label_cleaning"],
        "family": "linear models score 0.731 and trees 0.702 in macro F1 on the same folds, so linear was taken",
        "noise": "held-out labels are partly wrong too: scores are corrected with the estimated noise matrix",
        "rows": {"all": 23486, "development": 18788, "sealed": 4698},
        "seconds": 252.3,
        "baseline_seconds": 18.2,
    }
    return build(
        folder,
        "improve",
        about={"command": "melior improve reviews.csv --target recommended"},
        recipe=Recipe(
            data={"path": "reviews.csv", "target": "recommended"},
            metric="macro_f1",
            model={"linear": {"c": 0.5}},
            methods=["threshold", {"label_cleaning": {"share": 0.08}}],
        ),
        findings=[one.to_dict() for one in (NOISE, IMBALANCE, GROUPS)],
        evidence=evidence,
        scores=scores_of(after, classes, "macro_f1", before),
        examples={
            "table": {"name": "reviews.csv", "rows": 23486, "columns": COLUMNS},
            "findings": [example_rows(0, ["recommended", "Review Text"], 14)],
            "confusions": [{"given": "no", "answered": "yes", "count": 301, "rows": mistaken}],
        },
    )


def improve_nothing(folder: Path) -> Run:
    """Clean data: nothing helped, and that is an answer."""
    classes = ["0", "1"]
    same = simulated([0.55, 0.45], 2.5, 1200, 4)
    undecided = [
        tried("bagging", 0.004, 0.015, "undecided", "not proved: these rows could have shown a gain of 0.021"),
        tried("threshold", -0.001, 0.014, "undecided", "not proved: these rows could have shown a gain of 0.020"),
        tried("l2_penalty", 0.0, 0.0, "rejected", "it changes no answer", p=None, p_adjusted=None, detectable=None),
    ]
    found = outcome(same, same, classes, "macro_f1")
    return build(
        folder,
        "improve",
        findings=[],
        evidence={
            **found,
            "gain": shown(0.0, 0.0, 0.0),
            "evidence": [one.to_dict() for one in undecided],
            "repairs": [],
            "refused": [],
            "notes": [],
            "accepted": [],
            "reported_before_repair": None,
            "family": "",
            "noise": "",
            "rows": {"all": 6000, "development": 4800, "sealed": 1200},
            "seconds": 88.0,
        },
        scores=scores_of(same, classes, "macro_f1", same),
    )


def improve_leak(folder: Path) -> Run:
    """The score was inflated by a column and by rows on both sides."""
    classes = ["no", "yes"]
    before, after = (simulated([0.18, 0.82], skill, 4600, 3) for skill in (1.5, 1.54))
    repairs = [
        {
            "symptom": "target_leakage",
            "columns": ["Rating"],
            "message": "left out 'Rating': it gives the answer away, so the score with it says nothing about new rows",
            "undo": "data.known_at_prediction: [Rating]",
            "before": 0.941,
            "after": 0.790,
            "rows": 0,
        },
        {
            "symptom": "split_overlap",
            "columns": [],
            "message": "left 98 rows (2.1%) out of the sealed part: rows that look the same are trained on",
            "undo": "",
            "before": None,
            "after": None,
            "rows": 98,
        },
    ]
    return build(
        folder,
        "improve",
        findings=[one.to_dict() for one in (LEAK, IMBALANCE)],
        evidence={
            **outcome(before, after, classes, "macro_f1"),
            "reported_before_repair": 0.941,
            "repairs": repairs,
            "evidence": [one.to_dict() for one in CANDIDATES[:1] + CANDIDATES[3:9]],
            "refused": [],
            "notes": [],
            "accepted": ["threshold"],
            "family": "",
            "noise": "",
            "rows": {"all": 23486, "development": 18788, "sealed": 4600},
            "seconds": 301.0,
        },
        scores=scores_of(after, classes, "macro_f1", before),
        examples={
            "table": {"name": "reviews.csv", "rows": 23486, "columns": COLUMNS},
            "findings": [example_rows(0, ["Rating", "recommended"])],
        },
    )


TWELVE = ["billing", "delivery", "refund", "complaint", "praise", "technical fault", "account access", "cancellation",
          "opening hours and location", "warranty", "gift cards", "other"]  # fmt: skip


def improve_twelve(folder: Path) -> Run:
    """Twelve classes of uneven size."""
    shares = np.linspace(3, 0.4, 12)
    given = (shares / shares.sum()).tolist()
    before, after = (simulated(given, skill, 3000, 5, hard=0.5) for skill in (2.6, 2.9))
    return build(
        folder,
        "improve",
        findings=[IMBALANCE.to_dict()],
        evidence={
            **outcome(before, after, TWELVE, "macro_f1"),
            "evidence": [one.to_dict() for one in CANDIDATES[:6]],
            "repairs": [],
            "refused": [],
            "notes": [],
            "accepted": ["class_weights"],
            "reported_before_repair": None,
            "family": "",
            "noise": "",
            "rows": {"all": 15000, "development": 12000, "sealed": 3000},
            "seconds": 612.0,
        },
        scores=scores_of(after, TWELVE, "macro_f1", before),
        examples={
            "table": {"name": "tickets.parquet", "rows": 15000, "columns": COLUMNS[:3]},
            "confusions": [{"given": "other", "answered": "billing", "count": 22, "rows": [
                {"row": 5, "values": {"text": TEXTS[0]}, "score": 0.8}]}],
        },
        about={"name": "tickets.parquet"},
    )  # fmt: skip


def train_only(folder: Path) -> Run:
    """No findings, no evidence."""
    classes = ["ham", "spam"]
    return build(folder, "train", scores=scores_of(simulated([0.7, 0.3], 2.4, 900, 6), classes, "roc_auc"))


def audit_only(folder: Path) -> Run:
    """Findings, and nothing fitted to keep."""
    return build(
        folder,
        "audit",
        predictor=False,
        findings=[one.to_dict() for one in (LEAK, NOISE, IMBALANCE, GROUPS)],
        examples={
            "table": {"name": "reviews.csv", "rows": 23486, "columns": COLUMNS},
            "findings": [example_rows(1, ["recommended"])],
        },
    )


def hostile(folder: Path) -> Run:
    """Every string tries to break out, is in another script, or far too long."""
    classes = [HOSTILE, "中文类别", "عربي ‮ evil", '"><img onerror=alert(1)>', "a" * 10_000]
    predictions = simulated([0.3, 0.25, 0.2, 0.15, 0.1], 2.0, 600, 8)
    columns = [
        HOSTILE,
        "评论内容",
        "نص المراجعة",
        "'; DROP TABLE--",
        "{{ 7 * 7 }}",
        "x" * 3000,
        "bell \x07 nul \x00",
        "</script></style>",
    ]
    values: dict[str, Any] = {
        columns[0]: HOSTILE,
        columns[1]: "这件衣服非常漂亮，面料柔软，尺码合适，强烈推荐给大家。",
        columns[2]: "هذا الفستان جميل جدا والقماش ناعم، أنصح به بشدة.",
        columns[3]: "w" * 10_000,
        columns[4]: "</td></tr></table></details><h1>out</h1>",
        columns[5]: None,
        columns[6]: "half a letter \x07",
        columns[7]: '" onmouseover="alert(1)',
    }
    finding = Finding(
        "outliers",
        0.5,
        f"column {columns[0]!r}: {HOSTILE} & <b>bold</b> {'so long ' * 500}",
        {HOSTILE: HOSTILE, "matrix": [[HOSTILE, 1], [2, 3]], "map": {HOSTILE: 1.0}, "nan": float("nan"), "none": None},
        3.0,
        HOSTILE,
        tuple(columns),
        np.arange(4),
        methods=(HOSTILE, "../../etc/passwd"),
    )
    bad = tried(HOSTILE, 0.05, 0.02, "accepted", HOSTILE, settings={HOSTILE: HOSTILE}, treats=(HOSTILE,))
    return build(
        folder,
        "improve",
        about={"name": f"{HOSTILE}.csv", "command": f"melior improve '{HOSTILE}'"},
        findings=[finding.to_dict()],
        evidence={
            **outcome(predictions, predictions, classes, "macro_f1"),
            "repairs": [{"symptom": HOSTILE, "columns": [HOSTILE], "message": HOSTILE, "undo": HOSTILE, "rows": 1}],
            "evidence": [bad.to_dict()],
            "refused": [{"method": HOSTILE, "reason": HOSTILE}],
            "notes": [HOSTILE],
            "accepted": [HOSTILE],
            "reported_before_repair": 0.99,
            "family": HOSTILE,
            "noise": HOSTILE,
            "rows": {},
        },
        scores=scores_of(predictions, classes, "macro_f1", predictions, on=HOSTILE),
        examples={
            "table": {
                "name": HOSTILE,
                "rows": 600,
                "columns": [
                    {"name": name, "kind": HOSTILE, "missing": 0.5, "distinct": 3, "examples": [HOSTILE, "w" * 10_000]}
                    for name in columns
                ],
            },
            "findings": [
                {
                    "finding": 0,
                    "columns": columns,
                    "rows": [{"row": n, "values": values, "note": HOSTILE} for n in range(4)],
                }
            ],
            "confusions": [
                {"given": classes[0], "answered": classes[1], "count": 3, "rows": [{"row": 0, "values": values}]}
            ],
        },
    )


MAKERS: dict[str, Callable[[Path], Run]] = {
    "everything": improve_everything,
    "nothing": improve_nothing,
    "leak": improve_leak,
    "twelve": improve_twelve,
    "train": train_only,
    "audit": audit_only,
    "hostile": hostile,
}
