"""Copies: rows that stand in both parts of the data, and rows that stand twice in one."""

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._copies import FALSE_RATE, across, copies
from melior.checks._statistics import count, share
from melior.findings import Finding

FROM = "copies that chance would give, from shuffled columns and from near misses (Poisson)"


class SplitOverlap(Check):
    """Rows whose feature columns are all equal to those of another row, beyond what chance gives.

    split_overlap   rows of this part that stand in the other part too. Severity is the share of the other part that
                    was seen here.
    duplicate_rows  rows equal to an earlier row of the same part. Severity is the share that could be dropped.

    Equal means exactly equal (missing equals missing), texts and categories without regard to case and spacing. Near
    copies are not looked for. The target is not compared: copies with different answers are counted apart.
    """

    symptoms = frozenset({"split_overlap", "duplicate_rows"})
    cost = "pass"

    def measure(self, context: Context) -> list[Finding]:
        found = []
        if context.other is not None:
            overlap = self.overlap(context)
            if overlap is not None:
                found.append(overlap)
        repeated = self.repeated(context)
        return [*found, repeated] if repeated is not None else found

    def overlap(self, context: Context) -> Finding | None:
        table, other = context.table, context.other
        assert other is not None
        counts, ours, theirs = across(table, other)
        if not counts.beyond_chance:
            return None
        part = len(theirs) / other.rows
        return Finding(
            symptom="split_overlap",
            severity=min(1.0, part),
            message=(
                f"{count(len(theirs))} of {count(other.rows)} rows of {other.name} ({share(part)}) also stand in "
                f"{table.name}: the score on them is memory, not skill."
            ),
            measured={
                "rows": len(ours),
                "share": len(ours) / table.rows,
                "rows_of_other": other.row_ids[theirs],
                "share_of_other": part,
                "pairs": counts.pairs,
                "pairs_by_chance": counts.expected,
                "p": counts.p,
            },
            threshold=FALSE_RATE,
            threshold_from=FROM,
            rows=table.row_ids[ours],
        )

    def repeated(self, context: Context) -> Finding | None:
        table = context.table
        found = copies(table)
        if not found.beyond_chance:
            return None
        members = np.concatenate(found.clusters)
        conflicts = 0
        if table.labels is not None:
            conflicts = sum(1 for c in found.clusters if len(np.unique(table.labels[c][table.labels[c] >= 0])) > 1)
        part = found.extra / table.rows
        differ = f" In {count(conflicts)} of these groups the answers differ." if conflicts else ""
        return Finding(
            symptom="duplicate_rows",
            severity=min(1.0, part),
            message=(
                f"{count(found.extra)} of {count(table.rows)} rows ({share(part)}) repeat an earlier row in every "
                f"column, in {count(len(found.clusters))} groups.{differ} Any random split puts copies on both sides."
            ),
            measured={
                "pairs": found.pairs,
                "pairs_by_chance": found.expected,
                "clusters": len(found.clusters),
                "repeated_rows": found.extra,
                "share": part,
                "conflicting_clusters": conflicts,
                "p": found.p,
            },
            threshold=FALSE_RATE,
            threshold_from=FROM,
            rows=table.row_ids[members],
        )
