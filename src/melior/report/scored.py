"""How good the model is: every metric with its interval, before beside after, and the curves behind them."""

from collections.abc import Mapping, Sequence
from typing import Any

from melior.report import numbers, words
from melior.report.charts import confusion, precision_recall, reliability, roc, strip
from melior.report.charts._plane import MOST
from melior.report.charts._svg import shortened
from melior.report.content import Content, Limits
from melior.report.found import rows_of
from melior.report.language import foreseen

BY_CLASS = ("precision", "recall", "f1", "roc_auc", "average_precision")
SAME = 1e-9
SAYS = {
    "ROC curve": "Every threshold is a point. The further the line bends to the upper left, the better; the dashed "
    "line is guessing.",
    "precision-recall curve": "How often an answer is right, and how many rows of the class that catches. The upper "
    "right corner is perfect.",
    "reliability curve": "On the dashed line, probabilities mean what they say. Below it the model is too sure, above "
    "it not sure enough.",
}


def scored(content: Content, limits: Limits) -> dict[str, Any] | None:
    """The tables of scores; None where the run has none."""
    if content.generates:
        return foreseen(content)
    scores = (content.scores or {}).get("scores") or {}
    if not scores:
        return None
    before = (content.scores or {}).get("before") or {}
    before = {} if before == scores else before  # nothing was changed
    overall = {name: value for name, value in scores.items() if "[" not in name and isinstance(value, Mapping)}
    same = _same_as_accuracy(overall)
    chosen = content.metric
    names = sorted((name for name in overall if name not in same or name == chosen), key=lambda name: name != chosen)
    return {
        "groups": [
            _group(title, [n for n in names if words.larger_is_better(n) == larger], overall, before, chosen, same)
            for title, larger in (("Larger is better", True), ("Smaller is better", False))
            if any(words.larger_is_better(n) == larger for n in names)
        ],
        "before": any(name in before for name in names),
        "was": "the plain recipe",
        "languages": [],
        "spoken": _spoken(content),
        "classes": _by_class(content, scores, before, limits),
        "on": str((content.scores or {}).get("on") or "held-out rows"),
        "rows": (content.scores or {}).get("rows"),
        "differs": _differs(content),
    }


def _spoken(content: Content) -> dict[str, Any] | None:
    """The scores of each language; None where there is but one."""
    by = (content.scores or {}).get("by_language") or {}
    rows = {
        name: one for name, one in by.items() if isinstance(one, Mapping) and isinstance(one.get("scores"), Mapping)
    }
    if not rows:
        return None
    names = list(next(iter(rows.values()))["scores"])
    return {
        "metrics": [{"name": words.metric(name), "means": words.meaning(name)} for name in names],
        "told": any(one.get("trained") is not None for one in rows.values()),
        "rows": [
            {
                "name": shortened(name, 60),
                "rows": one.get("rows"),
                "trained": one.get("trained"),
                "cells": [one["scores"].get(metric) for metric in names],
            }
            for name, one in rows.items()
        ],
    }


def _differs(content: Content) -> dict[str, Any] | None:
    """The score that the outcome states, where it is another than the table's: it is corrected for wrong labels."""
    stated = numbers.known(((content.evidence or {}).get("final") or {}).get("score"))
    shown = numbers.known((content.named_score(content.metric) or {}).get("value"))
    if stated is None or shown is None or abs(stated - shown) < 0.0005:
        return None
    return {"stated": stated, "shown": shown, "why": words.sentence((content.evidence or {}).get("noise"))}


def _group(
    title: str,
    names: Sequence[str],
    scores: Mapping[str, Any],
    before: Mapping[str, Any],
    chosen: str,
    same: Sequence[str],
) -> dict[str, Any]:
    bounded = [name for name in names if name != "log_loss"]
    known = [
        end
        for name in bounded
        for found in (scores[name], before.get(name) or {})
        for key in ("value", "low", "high")
        if (end := numbers.known(found.get(key))) is not None
    ]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    return {
        "title": title,
        "low": low,
        "high": high,
        "rows": [
            {
                "name": words.metric(name),
                "means": words.meaning(name),
                "chosen": name == chosen,
                "same": numbers.listed([words.metric(other) for other in same]) if name == "accuracy" else "",
                "after": scores[name],
                "before": before.get(name),
                "strip": strip.draw(scores[name], before.get(name), low, high) if name in bounded else "",
            }
            for name in names
        ],
    }


def _same_as_accuracy(scores: Mapping[str, Any]) -> list[str]:
    """Micro averages that are accuracy under another name."""
    accuracy = numbers.known((scores.get("accuracy") or {}).get("value"))
    micro = [name for name in scores if name.startswith("micro_")]
    values = {name: numbers.known(scores[name].get("value")) for name in micro}
    return [
        n for n, value in values.items() if value is not None and accuracy is not None and abs(value - accuracy) < SAME
    ]


def _by_class(
    content: Content, scores: Mapping[str, Any], before: Mapping[str, Any], limits: Limits
) -> dict[str, Any] | None:
    labels = [str(label) for label in (content.scores or {}).get("classes") or []]
    families = [family for family in BY_CLASS if any(f"{family}[{label}]" in scores for label in labels)]
    if not families:
        return None
    rows = _rows_by_class(content)
    known = [label for label in labels if any(f"{family}[{label}]" in scores for family in families)]
    if len(known) > limits.classes:  # the worst of them
        worst = "f1" if "f1" in families else families[0]
        known.sort(key=lambda label: numbers.known((scores.get(f"{worst}[{label}]") or {}).get("value")) or 0.0)
    return {
        "families": [{"name": words.metric(family), "means": words.meaning(family)} for family in families],
        "rows": [
            {
                "label": shortened(label, 80),
                "rows": rows.get(label),
                "cells": [
                    {"after": scores.get(f"{family}[{label}]"), "before": before.get(f"{family}[{label}]")}
                    for family in families
                ],
            }
            for label in known[: limits.classes]
        ],
        "left_out": max(len(known) - limits.classes, 0),
        "total": len(labels),
    }


def _rows_by_class(content: Content) -> dict[str, float]:
    counted = (content.scores or {}).get("label_rows")
    if isinstance(counted, Mapping):  # rows may have several labels: there is no confusion table
        return {str(label): rows for label, given in counted.items() if (rows := numbers.known(given)) is not None}
    table = (content.scores or {}).get("confusion") or {}
    return {
        str(label): sum(number for item in row if (number := numbers.known(item)) is not None)
        for label, row in zip(table.get("classes") or [], table.get("counts") or [], strict=False)
    }


def curves(content: Content, limits: Limits) -> dict[str, Any] | None:
    """The charts of the scores, and the pairs of classes that are confused most, with rows."""
    scores = content.scores or {}
    table = scores.get("confusion")
    lines = {name: [c for c in scores.get(name) or [] if c] for name in ("roc", "precision_recall", "reliability")}
    if not (table and table.get("classes")) and not any(lines.values()):
        return None
    rocs, falls = lines["roc"], lines["precision_recall"]
    areas = (_areas(content, "roc_auc", rocs), _areas(content, "average_precision", falls))
    charts = [
        {"title": title, "name": name, "svg": drawn, "says": SAYS[name]}
        for title, name, drawn in (
            ("Caught against false alarms", "ROC curve", roc.draw(rocs, areas[0]) if rocs else ""),
            ("Right against caught", "precision-recall curve", precision_recall.draw(falls, areas[1]) if falls else ""),
            ("Claimed against so", "reliability curve", reliability.draw(lines["reliability"])),
        )
        if lines[name.removesuffix(" curve").lower().replace("-", "_")]
    ]
    many = max((len(lines[name]) for name in ("roc", "precision_recall")), default=0)
    return {
        "charts": charts,
        "many": many > 1,
        "hidden": max(many - MOST, 0),
        "confusion": confusion.draw(table) if table and table.get("classes") else "",
        "partial": max(len((table or {}).get("classes") or []) - confusion.MOST, 0),
        "pairs": _pairs(content, table or {}, limits),
    }


def _areas(content: Content, family: str, drawn: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The measured area of each class that is drawn; a binary model's only curve has the overall one."""
    found = {}
    for curve in drawn:
        label = str(curve.get("label"))
        entry = content.named_score(f"{family}[{label}]") or (content.named_score(family) if len(drawn) == 1 else None)
        value = numbers.known((entry or {}).get("value"))
        if value is not None:
            found[label] = value
    return found


def _pairs(content: Content, table: Mapping[str, Any], limits: Limits) -> list[dict[str, Any]]:
    rates = {(str(true), str(answered)): (rows, rate) for true, answered, rows, rate in table.get("worst") or []}
    examples = {(str(entry.get("given")), str(entry.get("answered"))): entry for entry in content.confusions}
    most = max(limits.pairs, 3)
    found = []
    for given, answered in list(dict.fromkeys([*rates, *examples]))[:most]:
        rows, rate = rates.get((given, answered), (None, None))
        entry = examples.get((given, answered))
        found.append(
            {
                "given": shortened(given, 80),
                "answered": shortened(answered, 80),
                "rows": rows if rows is not None else (entry or {}).get("count"),
                "rate": rate,
                "example": rows_of(entry, [], limits),
            }
        )
    return found
