"""Two columns that together are the answer in disguise, though neither is alone: a sum, a difference, a key."""

from itertools import combinations
from typing import Any

import numpy as np
from scipy import special

from melior.checks._base import Check, Context
from melior.checks._leaks import CLOSE_COPY, NEARLY_THE_ANSWER, copy_explains
from melior.checks._statistics import codes, entropy, explained, labelled, mean_interval, mutual_information, share
from melior.data.table import Labels, Rows, Table
from melior.findings import Finding

FEWEST_ROWS = 100
MOST_COLUMNS = 40  # the pairs of these are looked at
MOST_ROWS = 20_000  # for the first look
MOST_PAIRS = 3  # that get a model of their own
BINS = 8
MOST_VALUES = 40  # of a category
SCREEN = 0.35  # of the limit: bins of a sum or a difference see a part of it
ALONE = 0.75  # of the limit: what says more alone is another check's
GAINED = 1 / 3  # of the limit, by the second column
FALSE_RATE = 1e-4


class LeakingPairs(Check):
    """Every pair of up to 40 columns, binned, against the answer; then a model on the strongest pairs alone.

    A pair is named where the two columns together explain as much as a copy of the answer with 5 % of its values wrong,
    where neither alone comes near that (three quarters) and the second adds a third of it, and where they say more than
    all other columns together do (99 % interval over rows). A strong pair of honest causes is possible, so it is a
    question unless the pair is nearly the answer itself. Severity is the share of the answer's entropy that the pair
    explains.
    """

    symptoms = frozenset({"target_leakage"})
    reads = frozenset({"number", "category"})
    cost = "model"
    needs_target = True

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        rows = labelled(table.labels)
        if table.labels is None or len(rows) < FEWEST_ROWS:
            return []
        labels = table.labels[rows]
        counts = np.bincount(labels, minlength=len(table.classes))
        if np.count_nonzero(counts) < 2 or len(table.features()) < 3:
            return []
        limit = copy_explains(CLOSE_COPY, counts)
        found = []
        for pair in self.screened(context, rows, labels, limit)[:MOST_PAIRS]:
            finding = self.judged(context, pair, rows, labels, limit)
            if finding is not None:
                found.append(finding)
        return found

    def screened(self, context: Context, rows: Rows, labels: Labels, limit: float) -> list[tuple[str, str]]:
        """The pairs that say much more together than apart, the strongest first."""
        table = context.table
        known = context.recipe.data.known_at_prediction
        generator = np.random.default_rng([context.seed, 31])
        if len(rows) > MOST_ROWS:
            some = np.sort(generator.choice(len(rows), MOST_ROWS, replace=False))
            rows, labels = rows[some], labels[some]
        whole = entropy(np.bincount(labels))
        told = {name: found for name in table.features() if name not in known
                if (found := small_codes(table, name, rows)) is not None}  # fmt: skip
        alone = {name: mutual_information(values, labels) / whole for name, values in told.items()}
        told = {name: values for name, values in told.items() if alone[name] < ALONE * limit}
        if len(told) > MOST_COLUMNS:
            kept = sorted(told, key=lambda name: (-alone[name], name))[:MOST_COLUMNS]
            told = {name: told[name] for name in kept}
        tests = max(1, len(told) * (len(told) - 1) // 2)
        strong = []
        for one, other in combinations(told, 2):
            left, right = told[one], told[other]
            both = left * (int(right.max()) + 1) + right
            _, both = np.unique(both, return_inverse=True)
            information = mutual_information(both, labels)
            gained = information / whole - max(alone[one], alone[other])
            # twice the rows times the information is chi-squared where there is none (Wilks 1938)
            free = (len(np.unique(both)) - 1) * (len(np.unique(labels)) - 1)
            p = float(special.chdtrc(free, 2 * len(labels) * information + free))
            if information / whole > SCREEN * limit and gained > GAINED / 2 * limit and p * tests < FALSE_RATE:
                strong.append((information / whole, one, other))
        return [(one, other) for _, one, other in sorted(strong, key=lambda item: (-item[0], item[1], item[2]))]

    def judged(
        self, context: Context, pair: tuple[str, str], rows: Rows, labels: Labels, limit: float
    ) -> Finding | None:
        table = context.table
        together = context.score_of_columns(pair)
        explains, losses = explained(together[rows], labels)
        if explains <= limit:
            return None
        apart = [explained(context.score_of_column(name)[rows], labels)[0] for name in pair]
        if max(apart) > ALONE * limit or explains - max(apart) < GAINED * limit:
            return None
        without = context.score_without(pair)
        rest, rest_losses = explained(without[rows], labels)
        if mean_interval(rest_losses - losses)[1] <= 0:
            return None
        certain = explains > NEARLY_THE_ANSWER
        says = "are the answer in disguise" if certain else "look like the answer in disguise"
        ask = "" if certain else " If they are known before the answer is, name them in data.known_at_prediction."
        measured: dict[str, Any] = {
            "score_alone": context.metric_value(together, rows),
            "score_without": context.metric_value(without, rows),
            "score_with": context.metric_value(context.out_of_fold(), rows),
            "metric": context.recipe.metric,
            "explains_together": explains,
            "explains_apart": dict(zip(pair, apart, strict=True)),
            "explains_without": rest,
            "kind": "pair",
            "beats_all_others": True,
        }
        return Finding(
            symptom="target_leakage",
            severity=min(1.0, max(0.0, explains)),
            message=(
                f"{pair[0]!r} and {pair[1]!r} together {says}: they explain {share(explains)} of {table.target!r}, "
                f"each alone at most {share(max(0.0, *apart))}, all other columns {share(max(0.0, rest))}.{ask}"
            ),
            measured=measured,
            threshold=limit,
            threshold_from=f"what a copy of the answer with {share(CLOSE_COPY)} of its values wrong explains; paired "
            "log losses against the other columns at 99 %",
            columns=pair,
            certain=certain,
        )


def small_codes(table: Table, name: str, rows: Rows) -> Rows | None:
    """A number or category as a few whole numbers; None for what has too many values to be a key."""
    kind = table.schema.kinds[name]
    if kind == "number":
        return codes(table.numbers(name)[rows], BINS)
    if kind not in ("category", "language"):
        return None
    values = table.column(name)[rows].fill_null("").rank("dense").to_numpy().astype(np.int64) - 1
    return values if values.max() < MOST_VALUES else None
