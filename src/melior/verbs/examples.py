"""Example rows for the report: a few of each finding, a few of each confusion, and what the columns hold."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melior.data.describe import describe, number_shown
from melior.data.table import Floats, Table
from melior.findings import Finding

ROWS_OF_FINDING = 8
ROWS_OF_CLUSTER = 3
COLUMNS = 6
CONFUSIONS = 6
ROWS_OF_CONFUSION = 4
LETTERS = 280


def examples_of(
    table: Table,
    findings: Sequence[Finding],
    *,
    scored: Table | None = None,
    scores: Floats | None = None,
    answers: NDArray[np.int32] | None = None,
) -> dict[str, Any]:
    """What the report shows of the rows. table: the rows the findings speak of; scored: rows with answers."""
    place = {int(row): position for position, row in enumerate(table.row_ids)}
    shown = []
    for number, finding in enumerate(findings):
        named = [at for at, row in enumerate(finding.rows) if int(row) in place]
        group = groups_of(finding)
        if group:
            named = side_by_side([int(row) for row in finding.rows], named, group)
        if not named:
            continue
        columns = columns_shown(table, finding.columns)
        entries = []
        for at in named[:ROWS_OF_FINDING]:
            row = int(finding.rows[at])
            note = "" if finding.row_scores is None else f"{finding.row_scores[at]:.3g}"
            entry = {"row": row, **row_shown(table, place[row], columns), "note": note}
            entries.append({**entry, "group": group[row]} if group else entry)
        shown.append({"finding": number, "columns": columns, "rows": entries})
    return {
        "table": {
            "name": table.name,
            "rows": table.rows,
            "columns": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "missing": one.missing,
                    "distinct": one.distinct,
                    "examples": list(one.examples),
                }
                for one in describe(table)
            ],
        },
        "findings": shown,
        "confusions": []
        if scored is None or answers is None or scored.multilabel
        else _confusions(scored, scores, answers),
    }


def groups_of(finding: Finding) -> dict[int, int]:
    """row -> number of its cluster, for a finding that names clusters of rows; empty for any other."""
    clusters = finding.measured.get("clusters")
    if not isinstance(clusters, Sequence) or isinstance(clusters, str):
        return {}
    lists = [one for one in clusters if isinstance(one, Sequence | np.ndarray)]
    return {int(row): number for number, one in enumerate(lists) for row in one}


def side_by_side(rows: Sequence[int], named: Sequence[int], group: Mapping[int, int]) -> list[int]:
    """Of the places in `rows` that are `named`, those whose row is in a cluster: a few of each cluster, side by side,
    the cluster of the first row first."""
    members: dict[int, list[int]] = {}
    for at in named:
        if rows[at] in group:
            members.setdefault(group[rows[at]], []).append(at)
    return [at for own in members.values() for at in own[:ROWS_OF_CLUSTER] if len(own) > 1]


def columns_shown(table: Table, first: Sequence[str]) -> list[str]:
    """The finding's own columns, then those that people read: texts, categories, numbers."""
    own = [column for column in first if column in table.frame.columns]
    others = [
        column for kind in ("image", "text", "category", "number", "time", "id") for column in table.of_kind(kind)
    ]
    chosen = list(dict.fromkeys([*own, *others]))[: max(COLUMNS, len(own[:COLUMNS]))]
    return [*chosen, table.target] if table.target is not None else chosen


def row_shown(table: Table, position: int, columns: Sequence[str]) -> dict[str, Any]:
    """The values of a row by column as text, and its images by column as small WebP files in base64."""
    values = values_shown(table, position, columns)
    images = {}
    for column in columns:
        cell = table.frame.get_column(column)[position] if table.schema.kinds.get(column) == "image" else None
        small = None if cell is None or table.images is None else table.images.thumbnail(cell)
        if small is not None:
            images[column] = b64encode(small).decode()
    return {"values": values, "images": images} if images else {"values": values}


def values_shown(table: Table, position: int, columns: Sequence[str]) -> dict[str, str]:
    values = {}
    for column in columns:
        if column == table.target:
            values[column] = answer_shown(table, position)
            continue
        value = table.frame.get_column(column)[position]
        text = "" if value is None else number_shown(value) if isinstance(value, float) else str(value)
        values[column] = text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"
    return values


def answer_shown(table: Table, position: int) -> str:
    """The label of a row, or its labels; empty where they are not known."""
    if table.label_matrix is not None:
        return ", ".join(table.classes[code] for code in np.flatnonzero(table.label_matrix[position] > 0))
    label = -1 if table.labels is None else int(table.labels[position])
    return table.classes[label] if label >= 0 else ""


def _confusions(table: Table, scores: Floats | None, answers: NDArray[np.int32]) -> list[dict[str, Any]]:
    """The commonest wrong answers, each with the rows in which the model was surest."""
    labels = table.given_labels()
    size = len(table.classes)
    wrong = (labels >= 0) & (labels != answers)
    counts = np.bincount(labels[wrong].astype(np.int64) * size + answers[wrong], minlength=size * size)
    found = []
    for pair in np.argsort(-counts, kind="stable")[:CONFUSIONS]:
        if counts[pair] == 0:
            break
        given, answered = divmod(int(pair), size)
        rows = np.flatnonzero((labels == given) & (answers == answered))
        sure = np.ones(len(rows)) if scores is None else scores[rows, answered]
        rows = rows[np.argsort(-sure, kind="stable")][:ROWS_OF_CONFUSION]
        columns = [column for column in columns_shown(table, ()) if column != table.target]
        found.append(
            {
                "given": table.classes[given],
                "answered": table.classes[answered],
                "count": int(counts[pair]),
                "rows": [
                    {
                        "row": int(table.row_ids[row]),
                        **row_shown(table, int(row), columns),
                        "score": None if scores is None else float(scores[row, answered]),
                    }
                    for row in rows
                ],
            }
        )
    return found
