"""What was wrong: findings with their numbers, what was done about faults of the measurement, and example rows."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from melior.findings import MEASUREMENT_FAULTS
from melior.report import numbers, words
from melior.report.charts import clusters, histogram, rowmap
from melior.report.charts._svg import shortened
from melior.report.content import Content, Limits

ITEMS = 12  # of a list or mapping behind a finding
FIRST = 6  # numbers behind a finding that are always shown
BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")  # nothing else goes into the address of a picture
SIDE = 12  # classes of a matrix behind a finding


def found(content: Content, limits: Limits) -> dict[str, Any] | None:
    """The findings in their order, each with its repairs and example rows; None where nothing was looked for."""
    evidence = content.evidence or {}
    repairs = [_repair(repair) for repair in evidence.get("repairs") or []]
    if content.findings is None and not repairs:
        return None
    findings = content.findings or []
    classes = [str(label) for label in (content.scores or {}).get("classes") or []]
    examples = {entry.get("finding"): entry for entry in content.examples}
    drawn = {entry.get("finding"): entry for entry in content.pictures.get("findings") or []}
    shown = []
    # faults of the measurement first: until they are repaired, no score means anything
    order = sorted(
        range(len(findings)),
        key=lambda n: (bool(findings[n].get("muted")), findings[n].get("symptom") not in MEASUREMENT_FAULTS),
    )
    for number in order[: limits.findings]:
        finding = findings[number]
        entry = finding_of(finding, classes)
        entry["repairs"] = [repair for repair in repairs if not repair["placed"] and _same(finding, repair)]
        for repair in entry["repairs"]:
            repair["placed"] = True
        entry["example"] = rows_of(examples.get(number), finding.get("columns") or [], limits)
        entry["pictures"] = _pictures(drawn.get(number) or {})
        shown.append(entry)
    return {
        "findings": shown,
        "left_out": len(findings) - len(shown),
        "repairs": [repair for repair in repairs if not repair["placed"]],
        "total": len(findings),
        "faults": any(finding.get("symptom") in MEASUREMENT_FAULTS for finding in findings),
    }


def finding_of(finding: Mapping[str, Any], classes: Sequence[str] = ()) -> dict[str, Any]:
    """A finding, ready to show; its repairs, example rows and pictures are for the caller to add."""
    name = str(finding.get("symptom"))
    title, meaning = words.symptom(name)
    severity = min(max(numbers.known(finding.get("severity")) or 0.0, 0.0), 1.0)
    columns = [str(column) for column in finding.get("columns") or []]
    behind = {key: value for key, value in (finding.get("measured") or {}).items() if key != "clusters"}  # drawn
    measured = [measure(key, value, classes) for key, value in list(behind.items())[:24]]
    threshold = numbers.known(finding.get("threshold"))
    return {
        "symptom": name,
        "title": title,
        "meaning": meaning,
        "severity": severity,
        "severe": "serious" if severity >= 2 / 3 else "moderate" if severity >= 1 / 3 else "slight",
        "message": shortened(words.sentence(finding.get("message")), 1000),
        "columns": [shortened(column, 60) for column in columns[:ITEMS]],
        "more_columns": max(len(columns) - ITEMS, 0),
        "rows": len(finding.get("rows") or []),
        "measured": measured[:FIRST],
        "more_measured": measured[FIRST:],
        "threshold": None if threshold is None else numbers.number(threshold),
        "threshold_from": shortened(finding.get("threshold_from") or "", 300),
        "methods": [{"name": str(name), "does": words.method(str(name))} for name in finding.get("methods") or []],
        "certain": finding.get("certain") is not False,
        "muted": shortened(words.sentence(finding.get("muted")), 300) if finding.get("muted") else "",
        "check": str(finding.get("check") or ""),
        "repairs": [],
        "example": None,
        "pictures": None,
    }


def _pictures(own: Mapping[str, Any]) -> dict[str, Any] | None:
    """The charts of a finding: histograms of its columns, and clusters of copies."""
    bars = [
        (one.get("column"), histogram.draw(one), sum(one.get("named") or [])) for one in own.get("histograms") or []
    ]
    dots = clusters.draw(own.get("clusters") or [])
    shown = [{"column": shortened(column, 60), "svg": svg, "named": named} for column, svg, named in bars if svg]
    return {"histograms": shown, "clusters": dots} if shown or dots else None


def row_map(content: Content, limits: Limits) -> dict[str, Any] | None:
    """The map of the rows; None where there is none, or no room for it."""
    given = content.pictures.get("map")
    if not given or not limits.map:
        return None
    svg, symptoms = rowmap.draw(given)
    if not svg:
        return None
    names = [words.symptom(symptom)[0].lower() for symptom in symptoms]
    kept = names if len(names) <= rowmap.KINDS else [*names[: rowmap.KINDS - 1], "something else"]
    shown = len(given.get("x") or [])
    part = shown < given.get("rows", 0)
    tsne = given.get("by") == "tsne"
    return {"svg": svg, "kinds": kept, "rows": given.get("rows"), "shown": shown, "part": part, "tsne": tsne}


def measure(name: str, value: Any, classes: Sequence[str] = ()) -> dict[str, Any]:
    """A number behind a finding, ready to show: text, or a small table where it is a matrix."""
    label = words.plain(name)
    if isinstance(value, Mapping):
        pairs = [f"{shortened(key, 40)}: {_brief(name, item)}" for key, item in list(value.items())[:ITEMS]]
        more = f" … and {numbers.count(len(value) - ITEMS)} more" if len(value) > ITEMS else ""
        return {"name": label, "text": "; ".join(pairs) + more}
    if isinstance(value, Sequence) and not isinstance(value, str):
        square = value and all(isinstance(row, Sequence) and not isinstance(row, str) for row in value)
        if square and len(value) <= SIDE and all(len(row) <= SIDE for row in value):
            rows = [[_brief(name, item) for item in row] for row in value]
            fits = len(classes) == len(value) and all(len(row) == len(value) for row in value)
            heads = [shortened(one, 30) for one in classes] if fits else [str(n + 1) for n in range(len(value))]
            across = heads if fits else [str(n + 1) for n in range(max(len(row) for row in value))]
            return {"name": label, "matrix": list(zip(heads, rows, strict=True)), "across": across, "text": ""}
        if square:
            return {"name": label, "text": f"a table of {len(value)} by {max(len(row) for row in value)} numbers"}
        more = f" … and {numbers.count(len(value) - ITEMS)} more" if len(value) > ITEMS else ""
        return {"name": label, "text": ", ".join(_brief(name, item) for item in value[:ITEMS]) + more}
    if name == "metric":
        return {"name": label, "text": words.metric(str(value))}
    return {"name": label, "text": shortened(numbers.measured(name, value), 200)}


def _brief(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{words.plain(str(key))} {_brief(str(key), item)}" for key, item in value.items())
        return shortened(inner, 120)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return shortened(", ".join(_brief(name, item) for item in value), 120)
    return shortened(numbers.measured(name, value), 60)


def _repair(repair: Mapping[str, Any]) -> dict[str, Any]:
    before, after = repair.get("before"), repair.get("after")
    both = numbers.known(before) is not None and numbers.known(after) is not None
    return {
        "symptom": str(repair.get("symptom")),
        "title": words.symptom(str(repair.get("symptom")))[0],
        "columns": [str(column) for column in repair.get("columns") or []],
        "message": shortened(words.sentence(repair.get("message")), 1000),
        "undo": str(repair.get("undo") or ""),
        "change": {"before": before, "after": after} if both else None,
        "scored_on": str(repair.get("scored_on") or ""),
        "rows": repair.get("rows") or 0,
        "placed": False,
    }


def _same(finding: Mapping[str, Any], repair: Mapping[str, Any]) -> bool:
    """Whether the repair mends this finding."""
    columns = {str(column) for column in finding.get("columns") or []}
    return finding.get("symptom") == repair["symptom"] and (
        not columns or not repair["columns"] or bool(columns & set(repair["columns"]))
    )


def rows_of(entry: Mapping[str, Any] | None, first: Sequence[Any], limits: Limits) -> dict[str, Any] | None:
    """Example rows as a table: the columns concerned first, long texts cut, and how much is left out said."""
    rows = list((entry or {}).get("rows") or [])
    if not rows or not limits.rows:
        return None
    columns = list(dict.fromkeys([*map(str, (entry or {}).get("columns") or first)]))
    others = dict.fromkeys(str(column) for row in rows for column in row.get("values") or {})
    columns = [column for column in dict.fromkeys([*columns, *others]) if column in others]
    shown = columns[: limits.columns]
    concerned = {str(column) for column in first}
    groups = [row.get("group") for row in rows]
    return {
        "columns": [{"name": shortened(column, 60), "concerned": column in concerned} for column in shown],
        "rows": [
            {
                "row": row.get("row"),
                "note": shortened(row.get("note") or "", 200),
                "score": row.get("score"),
                "apart": group != before and before is not None,  # another cluster begins
                "cells": [
                    cell((row.get("values") or {}).get(column), limits.letters, (row.get("images") or {}).get(column))
                    for column in shown
                ],
            }
            for row, group, before in zip(rows[: limits.rows], groups, [None, *groups], strict=False)
        ],
        "notes": any(row.get("note") for row in rows),
        "scores": any(row.get("score") is not None for row in rows),
        "columns_left_out": len(columns) - len(shown),
        "rows_left_out": len(rows) - min(len(rows), limits.rows),
    }


def cell(value: Any, letters: int, image: Any = None) -> dict[str, Any]:
    """One value of the user's data; `image` a WebP file in base64, where the cell names one."""
    if value is None:
        return {"text": "", "empty": True, "more": 0, "image": ""}
    text = str(value)
    more = len(text) - letters if len(text) > letters + 20 else 0
    picture = image if isinstance(image, str) and BASE64.fullmatch(image) else ""
    return {"text": text[:letters].rstrip() if more else text, "empty": text == "", "more": more, "image": picture}
