"""Where a row may have several labels: each label looked at as a target of its own, that a row has or has not.

The labels with enough rows on both sides are looked at, the most frequent first, and as many as the rows allow: their
number times the rows is bounded, because each may need models of its own. What is measured of one label in many has
to be as much surer as there are labels (Bonferroni).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from melior.checks._base import Context
from melior.checks._statistics import count, listed
from melior.data.table import Table
from melior.findings import Finding

MOST_LABELS, FEWEST_LABELS = 30, 3
MOST_CELLS = 60_000  # rows times labels; three labels are looked at in any case
FEWEST_ROWS = 20  # with the label, and without it


def looked_at(table: Table) -> list[int]:
    """The numbers of the labels that are looked at, the most frequent first."""
    matrix = table.given_label_matrix()[table.answered()]
    rows, having = len(matrix), matrix.sum(axis=0, dtype=np.int64)
    enough = np.flatnonzero((having >= FEWEST_ROWS) & (rows - having >= FEWEST_ROWS))
    most = int(np.clip(MOST_CELLS // max(rows, 1), FEWEST_LABELS, MOST_LABELS))
    chosen: list[int] = enough[np.argsort(-having[enough], kind="stable")][:most].tolist()
    return chosen


def each_label(measure: Callable[[Context], list[Finding]], context: Context) -> list[Finding]:
    """What `measure` finds of each label, and which label it is about."""
    chosen = looked_at(context.table)
    found = []
    for code in chosen:
        if context.late():
            break
        label = context.table.classes[code]
        found += [about(finding, label) for finding in measure(context.of_label(code, len(chosen)))]
    return found


def about(finding: Finding, label: str) -> Finding:
    """The finding, and which label it is about."""
    said = finding.message
    return replace(
        finding,
        message=f"The label {label!r}: {said[:1].lower()}{said[1:]}",
        measured={**finding.measured, "label": label},
    )


def one_of_columns(findings: list[Finding]) -> list[Finding]:
    """One finding of the same columns, the surest and worst; the other labels that it is about are named in it."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.columns, []).append(finding)
    joined = []
    for own in groups.values():
        first = max(own, key=lambda finding: (finding.certain, finding.severity))
        others = list(dict.fromkeys(one.measured["label"] for one in own if one is not first))
        also = f" So it is with the label{'s' if len(others) > 1 else ''} {listed(others)}." if others else ""
        joined.append(
            replace(
                first,
                message=first.message + also,
                measured={**first.measured, "labels": [first.measured["label"], *others]},
            )
        )
    return joined


def left_out(table: Table) -> str:
    """A sentence on the labels that are not looked at; empty where there are none."""
    chosen, labels = len(looked_at(table)), len(table.classes)
    if chosen == labels:
        return ""
    return (
        f"leaks and wrong labels were looked for at {count(chosen)} of the {count(labels)} labels: the most frequent, "
        f"each on at least {FEWEST_ROWS} rows."
    )
