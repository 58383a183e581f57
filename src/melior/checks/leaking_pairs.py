"""Two columns that together are the answer in disguise, though neither is alone: a sum, a difference, a key."""

from itertools import combinations
from typing import Any

import numpy as np
from scipy import special

from melior.checks._base import Check, Context
from melior.checks._each_label import each_label, one_of_columns
from melior.checks._leaks import CLOSE_COPY, NEARLY_THE_ANSWER, copy_explains, marks
from melior.checks._statistics import (
    answered,
    codes,
    entropy,
    explained,
    full_length,
    mean_interval,
    mutual_information,
    share,
)
from melior.data.table import Floats, Labels, Rows, Table
from melior.findings import Finding

FEWEST_ROWS = 100
MOST_COLUMNS = 40  # the pairs of these are looked at
MOST_ROWS = 6000  # for the first look
MOST_PAIRS = 3  # that get a model of their own
BINS = 8
FINE = 48  # bins of a difference, sum or ratio
MOST_VALUES = 40  # of a category
SCREEN = 0.35  # of the limit: bins of a sum or a difference see a part of it
ALONE = 0.75  # of the limit: what says more alone is another check's
GAINED = 1 / 3  # of the limit, by the second column
HIDDEN = 0.1  # of the limit: a column that says less says nothing alone
FALSE_RATE = 1e-4
BEATEN = 0.01  # false rate of the intervals of paired log losses


class LeakingPairs(Check):
    """Every pair of up to 40 columns against the answer: binned together, and two numbers by their difference, sum and
    ratio too; then a model on the strongest pairs alone.

    A pair is named where the two columns together explain as much as a copy of the answer with 5 % of its values wrong,
    where neither alone comes near that (three quarters) and the second adds a third of it, and where they say more than
    all other columns together do (99 % interval over rows). Where the others know the answer as well, the pair is named
    only if each of its columns says nothing alone and it is nearly the answer itself, or its errors have nothing to do
    with the others: a key has these marks, and causes do not. A strong pair of honest causes is possible, so it is a
    question unless the pair says more than the others and is nearly the answer itself. Severity is the share of the
    answer's entropy that the pair explains. Where a row may have several labels, each is looked at by itself.
    """

    symptoms = frozenset({"target_leakage"})
    reads = frozenset({"number", "category"})
    cost = "model"
    needs_target = True
    multilabel = True

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        if table.multilabel:
            return one_of_columns(each_label(self.measure, context))
        known = answered(table, FEWEST_ROWS)
        if known is None:
            return []
        rows, labels = known
        counts = np.bincount(labels, minlength=len(table.classes))
        if len(table.features()) < 3:
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
        tests = context.targets * max(1, len(told) * (len(told) - 1) // 2)
        strong = []
        for one, other in combinations(told, 2):
            left, right = told[one], told[other]
            ways = [left * (int(right.max()) + 1) + right]
            if table.schema.kinds[one] == table.schema.kinds[other] == "number":
                pair = table.numbers(one)[rows], table.numbers(other)[rows]
                ways += [codes(values, FINE) for values in combined(*pair).values()]
            best = 0.0
            for way in ways:
                _, both = np.unique(way, return_inverse=True)
                information = mutual_information(both, labels)
                # twice the rows times the information is chi-squared where there is none (Wilks 1938)
                free = (len(np.unique(both)) - 1) * (len(np.unique(labels)) - 1)
                if float(special.chdtrc(free, 2 * len(labels) * information + free)) * tests * 4 < FALSE_RATE:
                    best = max(best, information / whole)
            if best > SCREEN * limit and best - max(alone[one], alone[other]) > GAINED / 2 * limit:
                strong.append((best, one, other))
        return [(one, other) for _, one, other in sorted(strong, key=lambda item: (-item[0], item[1], item[2]))]

    def together(self, context: Context, pair: tuple[str, str], rows: Rows, labels: Labels) -> Floats:
        """(rows, classes) what the pair says alone, by whichever of a small model and the shares of each class along
        the difference, sum or ratio says most; all of them about rows that they were not learned from."""
        table = context.table
        told = [context.score_of_columns(pair)[rows]]
        if all(table.schema.kinds[name] == "number" for name in pair):
            generator = np.random.default_rng([context.seed, 37])
            ways = combined(*(table.numbers(name)[rows] for name in pair)).values()
            told += [shares_of_others(codes(way, FINE), labels, len(table.classes), generator) for way in ways]
        return max(told, key=lambda scores: explained(scores, labels)[0])

    def judged(
        self, context: Context, pair: tuple[str, str], rows: Rows, labels: Labels, limit: float
    ) -> Finding | None:
        table = context.table
        together = self.together(context, pair, rows, labels)
        explains, losses = explained(together, labels)
        if explains <= limit:
            return None
        apart = [explained(context.score_of_column(name)[rows], labels)[0] for name in pair]
        if max(apart) > ALONE * limit or explains - max(apart) < GAINED * limit:
            return None
        without = context.score_without(pair)
        rest, rest_losses = explained(without[rows], labels)
        level = 1 - BEATEN / context.targets
        nearly, beats = explains > NEARLY_THE_ANSWER, mean_interval(rest_losses - losses, level=level)[1] > 0
        hidden = max(apart) < HIDDEN * limit
        if not beats and not (hidden and (nearly or self.errs_apart(together, without[rows], labels))):
            return None
        certain = nearly and beats
        says = "are the answer in disguise" if certain else "look like the answer in disguise"
        ask = "" if certain else " If they are known before the answer is, name them in data.known_at_prediction."
        measured: dict[str, Any] = {
            "score_alone": context.metric_value(full_length(together, rows, len(table)), rows),
            "score_without": context.metric_value(without, rows),
            "score_with": context.metric_value(context.out_of_fold(), rows),
            "metric": context.recipe.metric,
            "explains_together": explains,
            "explains_apart": dict(zip(pair, apart, strict=True)),
            "explains_without": rest,
            "kind": "pair",
            "beats_all_others": beats,
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

    @staticmethod
    def errs_apart(together: Floats, rest: Floats, labels: Labels) -> bool:
        return marks(together, rest, labels, len(np.unique(labels))).apart


def combined(one: Floats, other: Floats) -> dict[str, Floats]:
    """The usual ways in which two numbers are one: as they are, and brought to one spread."""
    with np.errstate(all="ignore"):
        ratio = np.where(other != 0, one / other, np.nan)
        spread = np.nanstd(one) / max(float(np.nanstd(other)), 1e-300)
        return {
            "difference": one - other,
            "sum": one + other,
            "ratio": ratio,
            "scaled difference": one - spread * other,
        }


def shares_of_others(told: Rows, labels: Labels, classes: int, generator: np.random.Generator) -> Floats:
    """(rows, classes) share of each class among the rows of other folds with the same code, and a row of the whole."""
    fold = generator.integers(0, 5, len(labels))
    prior = np.bincount(labels, minlength=classes) / len(labels)
    counts = np.zeros((5, int(told.max()) + 1, classes))
    np.add.at(counts, (fold, told, labels), 1.0)
    others = counts.sum(axis=0) - counts  # (fold, code, class): what the other folds hold
    own = others[fold, told] + prior
    found: Floats = own / own.sum(axis=1, keepdims=True)
    return found


def small_codes(table: Table, name: str, rows: Rows) -> Rows | None:
    """A number or category as a few whole numbers; None for what has too many values to be a key."""
    kind = table.schema.kinds[name]
    if kind == "number":
        return codes(table.numbers(name)[rows], BINS)
    if kind not in ("category", "language"):
        return None
    values = table.column(name)[rows].fill_null("").rank("dense").to_numpy().astype(np.int64) - 1
    return values if values.max() < MOST_VALUES else None
