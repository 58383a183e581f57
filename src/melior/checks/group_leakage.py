"""Group leakage: rows of one group share their answers, so a random split lets the model recognise the group."""

import re
from typing import Any

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._statistics import count, entropy, full_length, labelled, log_losses, mean_interval, permutation_z
from melior.data.table import Labels, Rows, Table
from melior.features.neighbours import closeness_sample
from melior.findings import Finding

FEWEST_SHARE, MOST_SHARE = 0.02, 0.6
FEWEST_GROUPS = 20  # fewer give no interval
MOST_FITS = 3
SCREEN_Z = 3.1  # one in a thousand
MATTERS = 0.01  # of the answer's entropy: folds by group have uneven classes, which costs a little without any leak
NEIGHBOURS = 5
MOST_ROWS = 20_000  # of whole groups, among which it is looked whether they are close, or share their answers
LIKE_ID = re.compile(
    r"(^|[^a-z])(id|ids|key|code|no|nr|num|number|uuid|user|customer|client|patient|subject|person|member|account|"
    r"session|device|store|shop|site|school|hospital|household|family|group|product|item|sku|batch|author|speaker)"
    r"([^a-z]|$)"
)


class GroupLeakage(Check):
    """Scores of folds drawn at random against folds in which no group stands on both sides.

    A column can be the group if it is an id, a category, or whole numbers, with one value for every 2 to 50 rows or so,
    and at least 20 of them. It is tried only if rows of a group share their answers, or stand close in the other
    columns, more than shuffled groups do (z above 3.1). Whole numbers that are not named like an id may be an amount:
    there rows of one value must share their answers more than they do with those of the next value. It is named if the
    log loss under the group split is higher by more than its 99 % interval (clustered by group) and a hundredth of the
    answer's entropy, and the recipe's metric is lower. Whether new groups will come is for the user to say, so the
    finding is not certain.
    Severity is the part of the score above chance that is lost.
    """

    symptoms = frozenset({"group_leakage"})
    reads = frozenset({"id", "category", "number"})
    cost = "model"
    needs_target = True

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        rows = labelled(table.labels)
        if table.labels is None or len(rows) < 50 or len(np.unique(table.labels[rows])) < 2:
            return []
        if context.recipe.split.kind == "group":
            return []
        screened = []
        for name in candidates(table):
            groups = numbered(table, name)
            amount = table.schema.kinds[name] == "number" and not LIKE_ID.search(name.lower().replace("_", " "))
            z = beside_the_next(context, groups, rows) if amount else self.closeness(context, groups, rows)
            if z > SCREEN_Z:
                screened.append((z, name, groups))
        screened.sort(key=lambda item: (-item[0], item[1]))
        found = [self.judged(context, name, groups, rows, z) for z, name, groups in screened[:MOST_FITS]]
        return [finding for finding in found if finding is not None]

    def closeness(self, context: Context, groups: Rows, rows: Rows) -> float:
        """How far the groups' answers, or their rows' places, are from those of shuffled groups."""
        table = context.table
        labels = table.given_labels()[rows]
        generator = np.random.default_rng(context.seed)
        z = permutation_z(lambda values: between(groups[rows], values), labels, generator)
        if z > SCREEN_Z or not table.features():
            return z
        some = closeness_sample(groups, MOST_ROWS, context.seed)
        whole = len(some) == len(table)
        near = context.neighbours(min(NEIGHBOURS, len(some) - 1), None if whole else some)[1]

        def together(values: Any) -> float:
            return float((values[near] == values[:, None]).mean())

        return permutation_z(together, groups[some].astype(np.int32), generator, 29)

    def judged(self, context: Context, name: str, groups: Rows, rows: Rows, z: float) -> Finding | None:
        table = context.table
        labels = table.given_labels()
        drawn = context.out_of_fold()
        scores, positions = context.score_under("group", name)
        apart = full_length(scores, positions, len(table))
        scored = rows[np.isin(rows, positions) & np.isfinite(apart[rows, 0])]
        if len(scored) < 20:
            return None
        losses = log_losses(apart[scored], labels[scored]) - log_losses(drawn[scored], labels[scored])
        gap, low, high = mean_interval(losses, groups[scored])
        random, honest = context.metric_value(drawn, scored), context.metric_value(apart, scored)
        by_chance = np.bincount(labels[scored], minlength=len(table.classes)) / len(scored)
        base = context.metric_value(np.tile(by_chance, (len(table), 1)), scored)
        if low <= MATTERS * entropy(np.bincount(labels[scored])) or honest >= random:
            return None
        size = len(np.unique(groups))
        return Finding(
            symptom="group_leakage",
            severity=float(np.clip((random - honest) / max(random - base, 1e-9), 0.0, 1.0)),
            message=(
                f"Rows of one {name!r} know each other's answers: folds drawn at random score {random:.3f}, folds "
                f"without a common {name!r} score {honest:.3f}. If new ones will come, only the second is true: "
                f"split by this column ({count(size)} groups)."
            ),
            measured={
                "score_random": random,
                "score_group": honest,
                "metric": context.recipe.metric,
                "log_loss_gap": gap,
                "log_loss_gap_low": low,
                "log_loss_gap_high": high,
                "groups": size,
                "z_of_screen": z,
            },
            threshold=MATTERS * entropy(np.bincount(labels[scored])),
            threshold_from="99 % interval of the paired log loss difference, clustered by group",
            columns=(name,),
            certain=False,
        )


def beside_the_next(context: Context, groups: Rows, rows: Rows) -> float:
    """How far the answers within groups are from those where each group and the next exchange their rows.

    Rows of one amount share their answers with those of nearly the same amount, rows of one person do not with those of
    the next number.
    """
    generator = np.random.default_rng(context.seed)
    pairs = (np.unique(groups[rows], return_inverse=True)[1] + int(generator.integers(2))) // 2
    some = closeness_sample(pairs, MOST_ROWS, context.seed)
    own, pairs, labels = groups[rows][some], pairs[some], context.table.given_labels()[rows][some]
    places = np.argsort(pairs, kind="stable")

    def statistic(order: Rows) -> float:
        return between(own, labels[order])

    def exchanged() -> Rows:
        order = np.empty(len(own), dtype=np.int64)
        order[places] = np.lexsort((generator.random(len(own)), pairs))
        return order

    null = np.array([statistic(exchanged()) for _ in range(99)])
    spread = null.std(ddof=1)
    return float((statistic(np.arange(len(own))) - null.mean()) / spread) if spread > 0 else 0.0


def candidates(table: Table) -> list[str]:
    """Columns that could be groups."""
    found = []
    for name, kind in table.schema.kinds.items():
        if kind not in ("id", "category", "number"):
            continue
        known = table.column(name).drop_nulls()
        if len(known) < 20:
            continue
        if kind == "number" and not bool((known == known.round()).all()):
            continue
        groups = known.n_unique()
        if groups >= FEWEST_GROUPS and FEWEST_SHARE <= groups / len(known) <= MOST_SHARE:
            found.append(name)
    return found


def numbered(table: Table, name: str) -> Rows:
    """The groups as numbers; each row without a group is one of its own."""
    values = table.column(name)
    numbers = values.rank("dense").cast(float).fill_null(0.0).to_numpy().astype(np.int64)
    gaps = np.flatnonzero(numbers == 0)
    numbers[gaps] = numbers.max() + 1 + np.arange(len(gaps))
    return np.asarray(numbers, dtype=np.int64)


def between(groups: Rows, labels: Labels) -> float:
    """Sum over groups of squared class counts by rows of the group: high where groups are of one class."""
    many, classes = int(groups.max()) + 1, int(labels.max()) + 1
    counts = np.bincount(groups * classes + labels, minlength=many * classes).reshape(many, classes)
    sizes = np.maximum(counts.sum(axis=1), 1)
    return float(((counts.astype(np.float64) ** 2).sum(axis=1) / sizes).sum())
