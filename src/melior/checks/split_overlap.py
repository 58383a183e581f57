"""Overlap: rows that stand in both parts of the data, equal or nearly so."""

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._copies import FALSE_RATE, across
from melior.checks._near import CERTAIN, FROM_TEXTS, NearRows, near_numbers, near_texts, same_numbers
from melior.checks._statistics import count, share
from melior.data.table import Rows
from melior.findings import Finding
from melior.texts.chance import FALSE_RATE as CHANCE

FROM = "copies that chance would give, from shuffled columns and from near misses (Poisson)"


class SplitOverlap(Check):
    """Rows of this part that stand in the other part too, beyond what chance gives.

    Equal copies agree exactly in every feature column (missing equals missing), texts and categories without regard to
    case and spacing. Near copies are looked for in two ways, each a finding of its own: rows that are equal up to the
    rounding of numbers, and rows whose texts are near copies (see `duplicate_rows`). The target is not compared.
    Severity is the share of the other part that was seen here.
    """

    symptoms = frozenset({"split_overlap"})
    cost = "pass"

    def measure(self, context: Context) -> list[Finding]:
        if context.other is None or not context.other.rows:
            return []
        same = same_numbers(context.table, context.other)
        found = [self.overlap(context)]
        numbers = near_numbers(context.table, context.other)
        texts = near_texts(context.table, context.near_texts, context.other)
        found.append(self.near(context, same, numbers, "equal a row of {} up to the rounding of numbers"))
        found.append(self.near(context, same, texts, "have nearly the text of a row of {}"))
        return [finding for finding in found if finding is not None]

    def near(self, context: Context, same: Rows, near: NearRows | None, said: str) -> Finding | None:
        table, other = context.table, context.other
        assert other is not None
        if near is None:
            return None
        size = table.rows
        # rows of the other part beside a row of this one; those that are equal to one are the other finding's
        across_both = np.intersect1d(near.group[:size], near.group[size:])
        theirs = np.flatnonzero(np.isin(near.group[size:], across_both) & ~np.isin(same[size:], same[:size]))
        ours = np.flatnonzero(np.isin(near.group[:size], near.group[size:][theirs]))
        if not len(theirs):
            return None
        ours = ours[np.argsort(-near.likeness[ours], kind="stable")]
        part = len(theirs) / other.rows
        certain = near.elsewhere >= CERTAIN
        differ = "" if certain else " Their other columns differ, so it may be right that they are told apart."
        return Finding(
            symptom="split_overlap",
            severity=min(1.0, part),
            message=(
                f"{count(len(theirs))} of {count(other.rows)} rows of {other.name} ({share(part)}) "
                f"{said.format(table.name)}: the score on them is partly memory.{differ}"
            ),
            measured={
                "rows": len(ours),
                "share": len(ours) / table.rows,
                "rows_of_other": other.row_ids[nearest_first(theirs, near, size)],
                "share_of_other": part,
                "agreeing_elsewhere": near.elsewhere,
                **({"p": near.p} if near.p else {}),
            },
            threshold=FALSE_RATE if near.p else CHANCE,
            threshold_from=FROM if near.p else FROM_TEXTS,
            columns=near.columns,
            rows=table.row_ids[ours],
            row_scores=near.likeness[ours],
            certain=certain,
        )

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
            row_scores=np.ones(len(ours)),
        )


def nearest_first(positions: Rows, near: NearRows, size: int) -> Rows:
    """Positions in the second part, the most alike first."""
    return positions[np.argsort(-near.likeness[size + positions], kind="stable")]
