"""Drift: new rows, or later ones, do not look like those that were trained on."""

from typing import Any

import numpy as np
import polars as pl

from melior.checks._base import Check, Context
from melior.checks._moved import Moved, Told, columns_moved, counts_moved, holm, told_apart
from melior.checks._statistics import count, listed, share
from melior.data.table import Rows, Table
from melior.findings import Finding

FALSE_RATE = 1e-3  # for each of: columns, all columns together, answers
MATTERS = 0.1  # of the rows moved, or the two told apart in so many more pairs than by chance
FEWEST_ROWS = 50  # in each part
MOST_ROWS = 5_000  # of each part for the model that tells them apart
SHUFFLES = 199
FOLDS = 3  # of the model, see `Context.scores_between`
PERIODS = 3  # the first is compared with the last
FROM = "Holm over the columns, and shuffled parts; each 0.1 %"


class Drift(Check):
    """Compares the rows with those of a test file, or of a later sealed part, and the first third of the rows in time
    with the last.

    columns  each number and length of text by Kolmogorov and Smirnov's test, each category by chi-squared, missing
             values by a test of their own, adjusted for all columns (Holm)
    model    a small model that tells the two parts apart from all columns, its ROC-AUC out of fold against shuffled
             parts. Rows with the same answer are compared, so that a change of the answers alone is not taken for one
             of the columns
    answers  the shares of the answers by chi-squared

    A finding about the columns says what moved most; one about the answers says whether the columns moved only along
    with them (label shift) or by themselves too. Only what moved at least one row in ten is named, or lets the model
    order a tenth more of the pairs than chance; of the answers, one row in twenty. Severity is the larger of the
    distance of the most moved column and 2 AUC - 1, for the answers the share of rows that would have to change. A
    random sealed part is like the rest by construction and is not compared. Of more than 5,000 rows a part the model
    reads a sample; columns are compared in all rows.
    """

    symptoms = frozenset({"drift"})
    cost = "model"
    for_people = True

    def measure(self, context: Context) -> list[Finding]:
        table, other = context.table, context.other
        found: list[Finding] = []
        if other is not None and (of_its_own(other) or context.recipe.split.kind == "time"):
            named = f"The rows of {other.name} are not like those of {table.name}"
            if not of_its_own(other):
                named = f"The latest rows of {table.name}, which were put aside, are not like the others"
            found += self.compared(context, table, other, named, other.name, ())
        for names, (early, late) in orders(table):
            alike = f" (as by {listed(names[1:])})" if len(names) > 1 else ""
            named = f"The last third of the rows by {names[0]!r}{alike} is not like the first"
            first, last = table.take(early), table.take(late)
            found += self.compared(context, first, last, named, f"last third by {names[0]}", tuple(names))
        return found

    def compared(
        self, context: Context, one: Table, two: Table, named: str, part: str, columns: tuple[str, ...]
    ) -> list[Finding]:
        if min(one.rows, two.rows) < FEWEST_ROWS:
            return []
        generator = np.random.default_rng([context.seed, 47])
        moved = columns_moved(one, two)
        adjusted = holm(np.array([each.p for each in moved]))
        beyond = [
            each for each, p in zip(moved, adjusted, strict=True) if p < FALSE_RATE and each.distance >= MATTERS
        ]  # fmt: skip
        beyond.sort(key=lambda each: -each.distance)
        model, within, rows = self.model(context, one, two, generator)
        apart = within.p < FALSE_RATE and within.auc - 0.5 >= MATTERS / 2
        answers = self.answers(one, two)
        found = []
        facts: dict[str, Any] = {
            "compared_with": part,
            "rows": one.rows,
            "rows_of_other": two.rows,
            "rows_read_by_model": rows,
            "auc": model.auc,
            "auc_interval": [model.low, model.high],
            "auc_p": model.p,
            "auc_same_answer": within.auc,
            "auc_same_answer_interval": [within.low, within.high],
            "auc_same_answer_p": within.p,
            "columns": {each.column: {"distance": each.distance, "p": each.p} for each in beyond[:50]},
            "columns_moved": len(beyond),
        }
        if apart or (beyond and answers is None):
            found.append(self.of_columns(named, beyond, within, apart, facts, columns))
        if answers is not None:
            found.append(self.of_answers(named, answers, two, apart, beyond, facts, columns))
        return found

    def model(
        self, context: Context, one: Table, two: Table, generator: np.random.Generator
    ) -> tuple[Told, Told, list[int]]:
        """How well a model tells the parts apart, in all and among rows of the same answer, and the rows it read."""
        few, many = (some(table, generator) for table in (one, two))
        second = np.repeat(np.array([0, 1], dtype=np.int32), [few.rows, many.rows])
        none = Told(0.5, 0.0, 1.0, 1.0)
        if not few.features():
            return none, none, [0, 0]
        scores = context.scores_between(few, many)
        whole = told_apart(
            scores, second, np.zeros(len(second), dtype=np.int64), generator, folds=FOLDS, times=SHUFFLES
        )
        if few.labels is None or many.labels is None or (many.labels < 0).all():
            return whole, whole, [few.rows, many.rows]
        strata = np.concatenate([few.labels, many.labels]).astype(np.int64)
        return whole, told_apart(scores, second, strata, generator, folds=FOLDS, times=SHUFFLES), [few.rows, many.rows]

    def answers(self, one: Table, two: Table) -> tuple[float, float, int, list[float]] | None:
        """(p, share moved, class that moved most, its two shares), None where the answers are not known or the same."""
        if one.labels is None or two.labels is None:
            return None
        many = len(one.classes)
        given = (one.labels, two.labels)
        counts = np.stack([np.bincount(labels[labels >= 0], minlength=many) for labels in given])
        if counts.sum(axis=1).min() < FEWEST_ROWS:
            return None
        p, distance, place = counts_moved(counts)
        if p >= FALSE_RATE or distance < MATTERS / 2:
            return None
        return p, distance, place, [float(part) for part in counts[:, place] / counts.sum(axis=1)]

    def of_columns(
        self,
        named: str,
        beyond: list[Moved],
        within: Told,
        apart: bool,
        facts: dict[str, Any],
        columns: tuple[str, ...],
    ) -> Finding:
        others = max(len(beyond) - 1, 0)
        more = f", and {count(others)} more {'column' if others == 1 else 'columns'} moved" if others else ""
        what = f": {beyond[0].said}{more}" if beyond else ": no single column moved much, but their combinations did"
        told = ""
        if apart:
            told = (
                f" A small model puts a pair of them, with the same answer where it is known, into the right order in "
                f"{share(within.auc)} of cases, where chance gives 50 %."
            )
        farthest = beyond[0].distance if beyond else 0.0
        return Finding(
            symptom="drift",
            severity=float(np.clip(max(farthest, 2 * within.auc - 1 if apart else 0.0), 0.0, 1.0)),
            message=f"{named}{what}.{told}",
            measured={"kind": "columns", **facts},
            threshold=FALSE_RATE,
            threshold_from=FROM,
            columns=(*columns, *(each.column for each in beyond)),
        )

    def of_answers(
        self, named: str, answers: tuple[float, float, int, list[float]], two: Table, apart: bool, beyond: list[Moved],
        facts: dict[str, Any], columns: tuple[str, ...],
    ) -> Finding:  # fmt: skip
        p, distance, place, parts = answers
        if apart:
            along = " The columns moved by themselves too, so this is more than other shares of the same answers."
        elif beyond or facts["auc_p"] < FALSE_RATE:
            along = " The columns moved only along with the answers: rows of the same answer look as before."
        else:
            along = " The columns did not move."
        target = (two.target,) if two.target else ()
        return Finding(
            symptom="drift",
            severity=float(np.clip(distance, 0.0, 1.0)),
            message=(
                f"{named}: {two.classes[place]!r} went from {share(parts[0])} to {share(parts[1])} of the rows.{along}"
            ),
            measured={"kind": "answers", "p": p, "share_moved": distance, "columns_too": apart, **facts},
            threshold=FALSE_RATE,
            threshold_from="chi-squared of the answers in the two parts, 0.1 %",
            columns=(*columns, *target),
        )


def of_its_own(other: Table) -> bool:
    """Whether the second part came as a file of its own, which can differ from the first."""
    return other.origin is not None and len(other.origin) > 0 and bool((other.origin == 1).all())


def first_and_last(table: Table, name: str) -> tuple[Rows, Rows] | None:
    """Positions of the first and the last third of the rows by this time, rows of one time kept together; None where
    there are too few rows or times."""
    moments = table.column(name).dt.epoch("us").cast(pl.Float64).fill_null(float("nan")).to_numpy()
    known = np.flatnonzero(np.isfinite(moments))
    if len(known) < PERIODS * FEWEST_ROWS:
        return None
    ordered = np.sort(moments[known])
    first, last = ordered[len(known) // PERIODS], ordered[len(known) - len(known) // PERIODS]
    parts = known[moments[known] < first], known[moments[known] >= last]
    if first >= last or min(len(part) for part in parts) < FEWEST_ROWS:
        return None
    return parts


def orders(table: Table) -> list[tuple[list[str], tuple[Rows, Rows]]]:
    """Columns of time with the first and the last third of the rows by them; those that part the rows alike together,
    as one date written in several ways does."""
    found: dict[tuple[bytes, bytes], tuple[list[str], tuple[Rows, Rows]]] = {}
    for name in table.of_kind("time"):
        thirds = first_and_last(table, name)
        if thirds is not None:
            key = (np.sort(thirds[0]).tobytes(), np.sort(thirds[1]).tobytes())
            found.setdefault(key, ([], thirds))[0].append(name)
    return list(found.values())


def some(table: Table, generator: np.random.Generator) -> Table:
    """The table, or a sample of it where it is large."""
    if table.rows <= MOST_ROWS:
        return table
    return table.take(np.sort(generator.choice(table.rows, MOST_ROWS, replace=False)))
