"""What was tried, with what came of it, and what was refused."""

import math
from collections.abc import Mapping
from typing import Any

from melior.report import numbers, words
from melior.report.charts import forest
from melior.report.charts._svg import shortened
from melior.report.content import Content

ALONE, TOGETHER = "Each added to the plain recipe", "Added to what was already accepted"
ORDER = {ALONE: 0, TOGETHER: 1}


def tried(content: Content) -> dict[str, Any] | None:
    """The candidates, the largest effect first, as a plot and as a table; None where the run compares nothing."""
    if content.evidence is None:
        return None
    entries = [_entry(entry) for entry in content.evidence.get("evidence") or []]
    entries.sort(key=lambda entry: (ORDER[entry["group"]], -entry["sort"]))
    grouped = len({entry["group"] for entry in entries}) > 1
    lines = [
        forest.Line(
            name=entry["name"],
            effect=entry["sort"] if math.isfinite(entry["sort"]) else math.nan,
            low=_float(entry["low"]),
            high=_float(entry["high"]),
            verdict=entry["verdict"],
            seconds=_float(entry["seconds"]),
            group=entry["group"] if grouped else "",
            told=entry["told"],
        )
        for entry in entries
    ]
    verdicts = [entry["verdict"] for entry in entries]
    return {
        "groups": [
            {"name": group if grouped else "", "entries": [entry for entry in entries if entry["group"] == group]}
            for group in ORDER
            if any(entry["group"] == group for entry in entries)
        ],
        "total": len(entries),
        "could": any(finding.get("methods") for finding in content.findings or []),
        "plot": forest.draw(lines) if lines else "",
        "narrow": forest.draw(lines, narrow=True) if lines else "",
        "plotted": min(len(lines), forest.MOST),
        "counted": [
            {"verdict": name, "count": verdicts.count(name), "means": means, "mark": forest.shape(name)}
            for name, means in words.VERDICTS.items()
        ],
        "family": shortened(words.sentence(content.evidence.get("family")), 400),
        "seconds": content.evidence.get("seconds"),
        "baseline_seconds": content.evidence.get("baseline_seconds"),
    }


def refused(content: Content) -> list[dict[str, str]] | None:
    """Methods that treat what was found and could not be tried, and why."""
    if content.evidence is None or (content.generates and not content.evidence.get("refused")):
        return None
    return [
        {
            "name": words.plain(str(entry.get("method"))),
            "does": words.method(str(entry.get("method"))),
            "reason": shortened(words.sentence(entry.get("reason")), 600),
        }
        for entry in content.evidence.get("refused") or []
    ]


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    methods = [str(name) for name in entry.get("methods") or []]
    together = entry.get("stage") == "combine" and len(methods) > 1
    added = methods[-1:] if together else methods
    settings = ", ".join(f"{key} = {value}" for key, value in (entry.get("settings") or {}).items())
    name = " + ".join(map(words.plain, added)) + (f" ({settings})" if settings else "")
    effect, low, high = entry.get("effect"), entry.get("low"), entry.get("high")
    verdict = str(entry.get("verdict") or "undecided")
    between = "" if numbers.known(low) is None else f" [{numbers.signed(low)}, {numbers.signed(high)}]"
    said = str(entry.get("reason") or "")
    for one in methods:
        said = said.replace(one, words.plain(one))
    reason = words.sentence(said)
    return {
        "name": shortened(name, 90),
        "does": words.method(added[-1]) if added else "",
        "with": numbers.listed([words.plain(other) for other in methods[:-1]]) if together else "",
        "group": TOGETHER if together else ALONE,
        "effect": effect,
        "low": low,
        "high": high,
        "sort": -math.inf if (known := numbers.known(effect)) is None else known,
        "p": entry.get("p"),
        "p_adjusted": entry.get("p_adjusted"),
        "verdict": verdict,
        "mark": forest.shape(verdict),
        "reason": shortened(reason, 400),
        "seconds": entry.get("seconds"),
        "trials": entry.get("trials"),
        "detectable": entry.get("detectable"),
        "treats": [words.symptom(str(treated))[0] for treated in entry.get("treats") or []],
        "told": shortened(f"{name}: {numbers.signed(effect)}{between}. {verdict.capitalize()}. {reason}", 400),
    }


def _float(value: Any) -> float:
    return math.nan if (known := numbers.known(value)) is None else known
