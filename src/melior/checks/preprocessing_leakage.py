"""Preprocessing leakage: the rows to test on had a say in how the columns were prepared."""

import numpy as np
from scipy import stats

from melior.checks._base import Check, Context
from melior.checks._copies import copies
from melior.checks._statistics import count, listed, share
from melior.data.table import Floats
from melior.findings import Finding

FEWEST_ROWS = 30
DIGITS = 1e-6  # a mean of so many standard deviations is no accident: chance gives 1 / sqrt(rows)
LOOSER = 100.0  # times that, for the part: there it must not hold
FALSE_RATE = 1e-3
FEWEST_COPIES = 10


class PreprocessingLeakage(Check):
    """Signs in the rows themselves that they were prepared before they were split.

    scaled  a column whose mean is 0 and whose standard deviation is 1 (or whose ends are 0 and 1) over the rows to
            train on and to test on together, to six digits, but not over the rows to train on alone: the scale was
            learned from the test rows too. Chance gives such a mean with a probability below rows**0.5 / 10**6.
    copied  rows repeated until the classes are of equal size, and hardly a copy in one class, which was the largest:
            whatever is split afterwards has copies on both sides

    A column that only looks so (a score that is published standardised) is possible: the finding is a question.
    Severity is the share of number columns that were scaled together, or of rows that are copies.
    """

    symptoms = frozenset({"preprocessing_leakage"})
    cost = "pass"

    def measure(self, context: Context) -> list[Finding]:
        return [finding for finding in (self.scaled(context), self.copied(context)) if finding is not None]

    def scaled(self, context: Context) -> Finding | None:
        table, other = context.table, context.other
        if other is None or len(table) < FEWEST_ROWS or len(other) < 2:
            return None
        numbers, names = context.numbers()
        found: dict[str, str] = {}
        for position, name in enumerate(names):
            if name not in other.frame.columns or other.schema.kinds.get(name) != "number":
                continue
            own = numbers[:, position]
            how = standard(np.concatenate([own, other.numbers(name)]), own)
            if how:
                found[name] = how
        if not found:
            return None
        first = next(iter(found))
        return Finding(
            symptom="preprocessing_leakage",
            severity=len(found) / len(names),
            message=(
                f"{count(len(found))} of {count(len(names))} number columns, {listed(list(found))}, were scaled over "
                f"training and test rows together: {found[first]} holds for both, to six digits, and not for the "
                f"training rows alone. Scale on training rows only; the recipe does so by itself from the raw values."
            ),
            measured={"kind": "scaled", "columns": found},
            threshold=DIGITS,
            threshold_from="six digits; a mean of unrelated values is farther from 0 by the root of the rows",
            columns=tuple(found),
            certain=False,
        )

    def copied(self, context: Context) -> Finding | None:
        table = context.table
        if table.labels is None or len(table) < FEWEST_ROWS:
            return None
        sizes = np.array(sorted(table.target_counts().values()))
        if len(sizes) < 2 or sizes[0] < FEWEST_COPIES or sizes[-1] - sizes[0] > max(1, 0.01 * sizes[-1]):
            return None
        found = copies(table)
        if not found.beyond_chance or found.extra < FEWEST_COPIES:
            return None
        extra = np.concatenate([cluster[1:] for cluster in found.clusters])
        by_class = np.bincount(table.labels[extra][table.labels[extra] >= 0], minlength=len(table.classes))
        most, least = int(by_class.argmax()), int(by_class.min())
        # the class that was the largest already has hardly a copy: how likely is that, were copies spread evenly?
        chance = len(by_class) * float(stats.binom.cdf(least, len(extra), 1 / len(by_class)))
        if chance > FALSE_RATE:
            return None
        part = len(extra) / len(table)
        return Finding(
            symptom="preprocessing_leakage",
            severity=min(1.0, part),
            message=(
                f"The classes are of equal size because rows were copied: {count(len(extra))} of {count(len(table))} "
                f"rows ({share(part)}) repeat another, most of them {table.classes[most]!r}. Copy rows after the "
                f"split, or let the recipe do it (oversampling): else copies of test rows are learned."
            ),
            measured={"kind": "copied", "copies": dict(zip(table.classes, by_class.tolist(), strict=True))},
            threshold=FALSE_RATE,
            threshold_from="copies beyond chance, in classes of equal size to 1 %; binomial chance that a class has so "
            "few of them",
            rows=table.row_ids[np.concatenate(found.clusters)],
            certain=False,
        )


def standard(both: Floats, own: Floats) -> str:
    """How a column was scaled over all rows but not over its own, in words; empty where it was not."""
    both, own = both[np.isfinite(both)], own[np.isfinite(own)]
    if len(own) < FEWEST_ROWS or len(both) <= len(own) or len(np.unique(own)) < 3:
        return ""
    spread = float(both.std())
    if abs(float(both.mean())) < DIGITS and min(abs(spread - 1), abs(float(both.std(ddof=1)) - 1)) < DIGITS:
        alone = max(abs(float(own.mean())), abs(float(own.std()) - 1))
        return "mean 0 and standard deviation 1" if alone > LOOSER * DIGITS else ""
    if abs(float(both.min())) < DIGITS and abs(float(both.max()) - 1) < DIGITS:
        outside = both[len(own) :]
        ends = outside.min() <= DIGITS and own.min() > LOOSER * DIGITS
        ends = ends or (outside.max() >= 1 - DIGITS and own.max() < 1 - LOOSER * DIGITS)
        # whole numbers and shares are 0 to 1 by nature
        return "0 to 1" if ends and len(np.unique(both)) > 20 and not shares_by_nature(both) else ""
    return ""


def shares_by_nature(values: Floats) -> bool:
    """Whether values between 0 and 1 are written with few digits, as shares and grades are."""
    return bool(np.allclose(values * 1000, np.round(values * 1000), atol=1e-6))
