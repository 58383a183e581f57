"""Repeated rows: rows that say the same thing more than once, word for word or nearly so."""

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._copies import FALSE_RATE, copies
from melior.checks._near import CERTAIN, FROM_TEXTS, NearRows, near_numbers, near_texts, same_numbers, told
from melior.checks._statistics import count, listed, share
from melior.data.table import Labels, Rows
from melior.findings import Finding
from melior.texts.chance import FALSE_RATE as CHANCE

FROM = "copies that chance would give, from shuffled columns and from near misses (Poisson)"


class DuplicateRows(Check):
    """Rows that repeat another row of the same part, beyond what chance gives. Up to three findings:

    equal     every feature column is equal (missing equals missing), texts and categories without regard to case and
              spacing; severity is the share that could be dropped
    rounded   the same, but that numbers of one are those of the other with fewer digits
    texts     the texts are near copies: at least 0.4 of their shingles (runs of two words, or of a few characters) in
              common, and rarer ones than unrelated texts of like length share. Of several text columns all must agree
              that can tell. Where the other columns differ in most such pairs, the finding is a question

    The target is not compared: copies with different answers are counted apart. `measured` holds the clusters as row
    ids (10,000 at most), in front the row to keep: one with an answer, then of the fewest missing values, then of the
    longest texts, then of the most digits, then the first.
    """

    symptoms = frozenset({"duplicate_rows"})
    cost = "pass"

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        if table.rows < 2:
            return []
        same = same_numbers(table)
        numbers = near_numbers(table)
        texts = near_texts(table, context.near_texts, context.other)
        if texts is not None:  # without the rows of the other part, which stand behind
            rows = slice(0, table.rows)
            texts = NearRows(texts.group[rows], texts.likeness[rows], texts.columns, texts.elsewhere, texts.p)
        found = [
            self.equal(context),
            self.near(context, same, numbers, "equal another row but for the rounding of numbers"),
            self.near(context, same, texts, "have nearly the same text as another row"),
        ]
        return [finding for finding in found if finding is not None]

    def equal(self, context: Context) -> Finding | None:
        table = context.table
        found = copies(table)
        if not found.beyond_chance:
            return None
        members = np.concatenate(found.clusters)
        conflicts = conflicting(found.clusters, table.labels)
        part = found.extra / table.rows
        return Finding(
            symptom="duplicate_rows",
            severity=min(1.0, part),
            message=(
                f"{count(found.extra)} of {count(table.rows)} rows ({share(part)}) repeat an earlier row in every "
                f"column, in {count(len(found.clusters))} groups.{differing(conflicts)} Any random split puts copies "
                f"on both sides."
            ),
            measured={
                "pairs": found.pairs,
                "pairs_by_chance": found.expected,
                "repeated_rows": found.extra,
                "share": part,
                "conflicting_clusters": conflicts,
                "p": found.p,
                **told(table, found.clusters),
            },
            threshold=FALSE_RATE,
            threshold_from=FROM,
            rows=table.row_ids[members],
            row_scores=np.ones(len(members)),
        )

    def near(self, context: Context, same: Rows, near: NearRows | None, said: str) -> Finding | None:
        table = context.table
        clusters = [] if near is None else near.clusters(same)
        if near is None or not clusters:
            return None
        members = np.concatenate(clusters)
        members = members[np.argsort(-near.likeness[members], kind="stable")]
        extra = len(members) - len(clusters)
        conflicts = conflicting(clusters, table.labels)
        part = extra / table.rows
        certain = near.elsewhere >= CERTAIN
        where = f" ({listed(list(near.columns))})" if near.p == 0 else ""
        last = (
            "A random split puts them on both sides."
            if certain
            else "Their other columns differ, so they may be different things that are described alike."
        )
        return Finding(
            symptom="duplicate_rows",
            severity=min(1.0, part),
            message=(
                f"{count(len(members))} of {count(table.rows)} rows ({share(len(members) / table.rows)}) {said}"
                f"{where}, in {count(len(clusters))} groups.{differing(conflicts)} {last}"
            ),
            measured={
                "near_rows": len(members),
                "repeated_rows": extra,
                "share": part,
                "conflicting_clusters": conflicts,
                "agreeing_elsewhere": near.elsewhere,
                **({"p": near.p} if near.p else {}),
                **told(table, clusters),
            },
            threshold=FALSE_RATE if near.p else CHANCE,
            threshold_from=FROM if near.p else FROM_TEXTS,
            columns=near.columns,
            rows=table.row_ids[members],
            row_scores=near.likeness[members],
            certain=certain,
        )


def conflicting(clusters: list[Rows], labels: Labels | None) -> int:
    """How many clusters carry more than one label."""
    if labels is None:
        return 0
    return sum(1 for c in clusters if len(np.unique(labels[c][labels[c] >= 0])) > 1)


def differing(conflicts: int) -> str:
    return f" In {count(conflicts)} of these groups the answers differ." if conflicts else ""
