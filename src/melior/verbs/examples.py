"""Example rows for the report: a few of each finding, a few of each confusion, and what the columns hold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melior.data.describe import describe
from melior.data.table import Floats, Table
from melior.findings import Finding

ROWS_OF_FINDING = 8
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
        rows = [int(row) for row in finding.rows if int(row) in place][:ROWS_OF_FINDING]
        if not rows:
            continue
        columns = columns_shown(table, finding.columns)
        entries = []
        for at, row in enumerate(rows):
            note = "" if finding.row_scores is None else f"{finding.row_scores[at]:.3g}"
            entries.append({"row": row, "values": values_shown(table, place[row], columns), "note": note})
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
        "confusions": [] if scored is None or answers is None else _confusions(scored, scores, answers),
    }


def columns_shown(table: Table, first: Sequence[str]) -> list[str]:
    """The finding's own columns, then those that people read: texts, categories, numbers."""
    own = [column for column in first if column in table.frame.columns]
    others = [column for kind in ("text", "category", "number", "time", "id") for column in table.of_kind(kind)]
    chosen = list(dict.fromkeys([*own, *others]))[: max(COLUMNS, len(own[:COLUMNS]))]
    return [*chosen, table.target] if table.target is not None else chosen


def values_shown(table: Table, position: int, columns: Sequence[str]) -> dict[str, str]:
    values = {}
    for column in columns:
        if column == table.target:
            label = -1 if table.labels is None else int(table.labels[position])
            values[column] = table.classes[label] if label >= 0 else ""
            continue
        value = table.frame.get_column(column)[position]
        text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
        values[column] = text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"
    return values


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
                        "values": values_shown(table, int(row), columns),
                        "score": None if scores is None else float(scores[row, answered]),
                    }
                    for row in rows
                ],
            }
        )
    return found
