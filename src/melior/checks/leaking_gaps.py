"""Gaps that depend on the answer: values that are missing much more often in the rows of one class."""

from typing import Any

import numpy as np
from scipy import stats

from melior.checks._base import Check, Context
from melior.checks._statistics import entropy, labelled, listed, mutual_information, share
from melior.checks.target_leakage import FEWEST_OF_CLASS, gap, gaps_tell
from melior.data.table import Labels, Rows
from melior.findings import Finding

DIFFERENT = 0.25  # of the rows of a class that have a gap, and of the others; survey answers differ by less
FALSE_RATE = 1e-4
MOST = 3  # patterns of gaps that are named


class LeakingGaps(Check):
    """Columns whose values are missing far more often where the answer is one class, or is any other one.

    A model reads the gap, and that is honest only where values of new rows are missing for the same reason. The rows
    cannot tell, so it is a question. Named where a class and the rest differ by a quarter of their rows and by far more
    than chance (chi-squared). Columns with the same gaps are one finding; gaps of a single column that say as much as a
    copy of the answer would are left to target_leakage, which cannot see them where another column has the same.
    Severity is the share of the answer's entropy that the gap explains.
    """

    symptoms = frozenset({"target_leakage"})
    reads = frozenset({"number", "category", "time", "text", "language"})
    cost = "model"
    needs_target = True

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        rows = labelled(table.labels)
        if table.labels is None or table.multilabel or len(rows) < 2 * FEWEST_OF_CLASS:
            return []
        labels = table.labels[rows]
        counts = np.bincount(labels, minlength=len(table.classes))
        patterns: dict[bytes, list[str]] = {}
        for name in table.features():
            gaps = gap(table, name)[rows]
            if name not in context.recipe.data.known_at_prediction and gaps.any() and not gaps.all():
                patterns.setdefault(np.packbits(gaps).tobytes(), []).append(name)
        found = []
        for names in patterns.values():
            gaps = gap(table, names[0])[rows]
            worst = most_different(gaps, labels, counts)
            as_a_copy = gaps_tell(gaps, labels, counts) is not None
            if worst is None or (as_a_copy and len(names) == 1):
                continue
            code, own, others, p = worst
            if abs(own - others) >= DIFFERENT and p < FALSE_RATE / len(patterns):
                found.append(self.finding(context, names, gaps, rows, labels, (code, own, others, p), as_a_copy))
        return sorted(found, key=lambda finding: -finding.severity)[:MOST]

    def finding(
        self,
        context: Context,
        names: list[str],
        gaps: np.ndarray[Any, Any],
        rows: Rows,
        labels: Labels,
        worst: tuple[int, float, float, float],
        as_a_copy: bool,
    ) -> Finding:
        table, (code, own, others, p) = context.table, worst
        told = mutual_information(gaps.astype(np.int64), labels) / entropy(np.bincount(labels))
        has = "has" if len(names) == 1 else "have"
        return Finding(
            symptom="target_leakage",
            severity=min(1.0, told),
            message=(
                f"{listed(names)} {has} no value in {share(own)} of the rows of {table.classes[code]!r} and in "
                f"{share(others)} of the others: a model reads the gap. If values of new rows are missing for other "
                "reasons, its score is too high; if for the same, name the column in data.known_at_prediction."
            ),
            measured={
                "gaps_of_class": own,
                "gaps_of_others": others,
                "class": table.classes[code],
                "p": p,
                "score_with": context.metric_value(context.out_of_fold(), rows),
                "score_without": context.metric_value(context.score_without(tuple(names)), rows),
                "metric": context.recipe.metric,
                "kind": "gaps",
                "as_a_copy": as_a_copy,
            },
            threshold=DIFFERENT,
            threshold_from="a quarter of the rows, and beyond chance (chi-squared, divided by the patterns of gaps)",
            columns=tuple(names),
            certain=False,
        )


def most_different(
    gaps: np.ndarray[Any, Any], labels: Labels, counts: np.ndarray[Any, Any]
) -> tuple[int, float, float, float] | None:
    """(class, share of its rows with a gap, share of the others, p) of the class that differs most; p for all."""
    known = [int(code) for code in np.flatnonzero(counts >= FEWEST_OF_CLASS)]
    if len(known) < 2:
        return None
    found = []
    for each in known:
        inside = labels == each
        found.append((each, float(gaps[inside].mean()), float(gaps[~inside].mean())))
    code, own, others = max(found, key=lambda one: abs(one[1] - one[2]))
    kept = np.isin(labels, known)
    table = np.zeros((2, len(counts)))
    np.add.at(table, (gaps[kept].astype(np.int64), labels[kept]), 1.0)
    table = table[:, known]
    if (table.sum(axis=1) == 0).any():
        return None
    return code, own, others, float(stats.chi2_contingency(table).pvalue)
