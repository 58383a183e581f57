"""Outliers: values and rows so far out that the rest of the data does not predict them."""

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._statistics import count, listed, share
from melior.checks._tails import FEWEST_VALUES, upper_outliers
from melior.checks._unusual import NEIGHBOURS as VIEWED
from melior.checks._unusual import unusual
from melior.data.table import Floats
from melior.findings import Finding

FALSE_RATE = 0.01  # of a whole clean table, half for the columns and half for the rows
NEIGHBOURS = 10
MOST_COLUMNS = 500
FROM = "generalized Pareto tail of the other values, 1 % a table for all tests, divided by columns and tails"


class Outliers(Check):
    """Values beyond a gap that the tail of the column does not predict, and rows far from all other rows.

    Both use the same test of one tail (see `_tails`): on each number column upwards and downwards, and on the distance
    of each row to its tenth nearest neighbour in the embedding, as it is, over that of its neighbours (after the local
    outlier factor, Breunig et al. 2000), and with what rows of shuffled columns tell (see `_unusual`). A heavy tail is
    learned, not flagged. More than 5 % of the rows are never outliers, and neither is a small group of its own kind.
    Severity is ten times the share of rows.
    In tables of more than 500 number columns only the 500 with the most extreme values are tested.
    """

    symptoms = frozenset({"outliers"})
    cost = "pass"

    def measure(self, context: Context) -> list[Finding]:
        if len(context.table) < FEWEST_VALUES:
            return []
        columns = self.in_columns(context)
        rows = self.far_rows(context, columns[0].rows if columns else np.empty(0, dtype=np.int64))
        return [*columns, *rows]

    def in_columns(self, context: Context) -> list[Finding]:
        table = context.table
        numbers, names = context.numbers()
        if not names:
            return []
        scores = np.zeros(len(table))
        found: dict[str, tuple[int, float, float]] = {}
        tested = most_extreme(numbers)
        allowed = FALSE_RATE / 2 / (2 * len(names))
        for j in tested:
            known = np.flatnonzero(np.isfinite(numbers[:, j]))
            for sign in (1.0, -1.0):
                beyond = upper_outliers(sign * numbers[known, j], allowed)
                if beyond is None:
                    continue
                places = known[beyond.positions]
                np.maximum.at(scores, places, np.maximum(beyond.scores, 1e-6))
                many, farthest, limit = len(places), float(numbers[places[0], j]), sign * beyond.limit
                if names[j] in found:
                    many += found[names[j]][0]
                found[names[j]] = (many, farthest, limit)
        if not found:
            return []
        rows = np.flatnonzero(scores > 0)
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        first = max(found, key=lambda name: found[name][0])
        many, farthest, limit = found[first]
        others = [name for name in found if name != first]
        finding = Finding(
            symptom="outliers",
            severity=min(1.0, 10 * len(rows) / len(table)),
            message=(
                f"{count(many)} of {count(len(table))} values of {first!r} lie far beyond the tail of the others: "
                f"{count(farthest)} where {count(limit)} is the last that fits."
                + (f" So do values of {listed(others)}." if others else "")
            ),
            measured={
                "rows": len(rows),
                "share": len(rows) / len(table),
                "columns": {n: {"values": m, "farthest": f, "last_that_fits": e} for n, (m, f, e) in found.items()},
            },
            threshold=allowed,
            threshold_from=FROM,
            columns=tuple(found),
            rows=table.row_ids[rows],
            row_scores=scores[rows],
        )
        return [finding]

    def far_rows(self, context: Context, named: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[Finding]:
        table = context.table
        pictures = table.of_kind("image")
        if (len(table.features()) < 2 and not pictures) or len(table) <= 2 * NEIGHBOURS:
            return []
        viewed, near = context.neighbours(min(VIEWED, len(table) - 1))
        if not viewed.shape[1]:
            return []
        reach, near_ten = viewed[:, min(NEIGHBOURS, viewed.shape[1]) - 1], near[:, :NEIGHBOURS]
        if len(np.unique(reach)) < len(reach) / 2:
            return []  # rows on a grid of few values: their distances are steps, which have no tail
        scores = np.zeros(len(table))
        p = 1.0
        usual = np.maximum(reach[near_ten].mean(axis=1), np.quantile(reach[reach > 0], 0.05))  # copies are at 0
        unlike = unusual(context.embedding(), viewed, near, seed=context.seed, threads=context.threads)
        # of the logarithm, because distances are measured in ratios; the tail of a heavy one becomes exponential
        views = [*np.log(np.maximum([reach, reach / usual], 1e-300)), unlike]
        allowed = FALSE_RATE / 2 / len(views)
        for values in views:
            known = np.flatnonzero(np.isfinite(values))
            beyond = upper_outliers(values[known], allowed)
            if beyond is not None:
                np.maximum.at(scores, known[beyond.positions], np.maximum(beyond.scores, 1e-6))
                p = min(p, beyond.p)
        places = np.flatnonzero(scores > 0)
        places = places[np.argsort(-scores[places], kind="stable")]
        fresh = ~np.isin(table.row_ids[places], named)
        if not fresh.any():
            return []
        part = len(places) / len(table)
        finding = Finding(
            symptom="outliers",
            severity=min(1.0, 10 * part),
            message=(
                f"{count(len(places))} of {count(len(table))} images ({share(part)}) look unlike all others: they may "
                "not belong here."
                if table.features() == pictures
                else f"{count(len(places))} of {count(len(table))} rows ({share(part)}) are far from all others, "
                f"{count(int(fresh.sum()))} of them though no single value is extreme: combinations that occur nowhere "
                f"else."
            ),
            measured={"rows": len(places), "share": part, "neighbour": NEIGHBOURS, "p": p},
            threshold=allowed,
            threshold_from="generalized Pareto tail of the distances to the tenth neighbour, of their ratio, and of "
            "three views of how unlike the others a row is",
            columns=tuple(pictures) if table.features() == pictures else (),
            rows=table.row_ids[places],
            row_scores=scores[places],
        )
        return [finding]


def most_extreme(numbers: Floats) -> list[int]:
    """The columns to test: all, or those whose extremes are farthest out."""
    if numbers.shape[1] <= MOST_COLUMNS:
        return list(range(numbers.shape[1]))
    known = np.where(np.isfinite(numbers), numbers, 0.0)
    low, median, high = np.quantile(known, [0.25, 0.5, 0.75], axis=0)
    reach = np.abs(known - median).max(axis=0) / np.maximum(high - low, 1e-300)
    return sorted(np.argsort(-reach, kind="stable")[:MOST_COLUMNS].tolist())
