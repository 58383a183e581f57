"""Rare augmentation: more of the rows that are unlike the others of their class and yet right."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from melior.data.table import Floats, Labels, Rows, Table
from melior.features.neighbours import nearest
from melior.methods._base import Method
from melior.methods._rows import Mask, noisy, row_space
from melior.methods._sampling import dealt
from melior.methods.data_cleaning import CleanNumbers
from melior.models._base import FitContext, Model
from melior.recipe import Recipe

NEIGHBOURS = 10
LEVEL = 0.05  # of the test that a row's neighbours have its label less often than all rows do


def sparseness(space: Floats, labels: Labels, k: int = 5, *, seed: int = 0, threads: int = 1) -> Floats:
    """(rows,) the distance to the k-th nearest other row of the same class (the farthest, where it has fewer), divided
    by the class's median of it; 0 for a class of one row.

    space (rows, dimensions), labels (rows,). Its inverse, to the power of the dimensions, is the density that k nearest
    neighbours estimate.  Loftsgaarden and Quesenberry, A Nonparametric Estimate of a Multivariate Density, 1965.
    """
    found = np.zeros(len(labels))
    for number in np.unique(labels):
        inside = np.flatnonzero(labels == number)
        if len(inside) < 2:
            continue
        distances = nearest(space[inside], k, seed=seed, threads=threads)[0][:, -1]
        middle = float(np.median(distances))
        found[inside] = distances / (middle if middle > 0 else float(distances.mean()) or 1.0)
    return found


def unlike_neighbours(neighbours: Rows, labels: Labels, level: float = LEVEL) -> Mask:
    """(rows,) where the label is suspect: none of the neighbours has it, or so few that it would happen in fewer than
    `level` of rows if neighbours had the labels of any rows (a binomial tail).

    neighbours (rows, k), labels (rows,). A row alone among others cannot be told from a wrong label, so it is suspect.
    """
    from scipy.stats import binom

    same = (labels[neighbours] == labels[:, None]).sum(axis=1)
    share = np.bincount(labels)[labels] / len(labels)
    tail = binom.cdf(same, neighbours.shape[1], share)
    return np.asarray((same == 0) | (tail < level))


def rare_rows(sparse: Floats, labels: Labels, suspect: Mask, share: float) -> Rows:
    """The sparsest `share` of each class (rounded, at least one row), without those that are suspect."""
    chosen = []
    for number in np.unique(labels):
        inside = np.flatnonzero(labels == number)
        order = inside[np.argsort(-sparse[inside], kind="stable")]
        chosen.append(order[: max(1, round(share * len(inside)))])
    rows = np.sort(np.concatenate(chosen))
    return np.asarray(rows[~suspect[rows]], dtype=np.int64)


class RareAugmentation(Method):
    """Finds the rows of each class that have the fewest of their class near them, leaves out those that look wrong, and
    lets the rest count more. Looks wrong: a label that its neighbours do not have, a number out of robust bounds, or
    one that stands for missing.

    kind    copies (default): more rows, their numbers moved a little; weights: the rows themselves count more
    share   0.01..0.5 of the rows of each class that count as rare, default 0.1
    times   1..20 how many more rows (or how much more weight) each rare row gets, default 2
    jitter  0..1 standard deviation of what moves a number of a copy, in spreads of the column, default 0.05
    """

    treats: ClassVar[frozenset[str]] = frozenset({"outliers"})
    questions: ClassVar[tuple[int, ...]] = (12,)
    reference: ClassVar[str] = "Loftsgaarden and Quesenberry, A Nonparametric Estimate of a Density, Ann. Stat. 1965"
    order: ClassVar[int] = 62
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"kind": "weights"})
    cost: ClassVar[float] = 1.5

    kind: Literal["copies", "weights"] = "copies"
    share: Annotated[float, Field(ge=0.01, le=0.5)] = 0.1
    times: Annotated[int, Field(ge=1, le=20)] = 2
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.05

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if self.kind == "weights" and "row_weights" not in model.can:
            return f"{model.name} takes no row weights; use kind: copies"
        if not table.of_kind("number", "category", "language", "text", "image"):
            return "there are no number, category, text or image columns, in which rare rows are seen; use oversampling"
        return None

    def rows(self, train: Table, context: FitContext) -> Table:
        labels = train.given_labels()
        space = row_space(train, context.seed)
        neighbours = nearest(space, NEIGHBOURS, seed=context.seed, threads=context.threads)[1]
        suspect = unlike_neighbours(neighbours, labels) | wrong_numbers(train, context.seed)
        sparse = sparseness(space, labels, seed=context.seed, threads=context.threads)
        rare = rare_rows(sparse, labels, suspect, self.share)
        if not len(rare):
            return train
        if self.kind == "weights":
            factor = np.ones(train.rows)
            factor[rare] += self.times
            return train.with_weights(train.row_weights() * factor)
        random = np.random.default_rng([context.seed, self.order])
        return train.joined(jittered(train, dealt(rare, self.times * len(rare), random), self.jitter, random))


def wrong_numbers(table: Table, seed: int) -> Mask:
    """(rows,) where a number stands for missing, is infinite, or is out of the robust bounds of its column."""
    cleaner = CleanNumbers("missing").fit(table, seed)
    wrong = cleaner.outside(table) > 0
    for name, codes in zip(cleaner.columns, cleaner.placeholders, strict=True):
        values = table.numbers(name)
        wrong |= np.isinf(values) | np.isin(values, codes)
    return np.asarray(wrong)


def jittered(table: Table, rows: Rows, jitter: float, random: np.random.Generator) -> Table:
    """Copies of these rows with normal noise on every number, see `noisy`."""
    new = table.take(rows)
    columns = [
        pl.Series(name, noisy(new.numbers(name), table.numbers(name), 1.0, jitter, random), nan_to_null=True)
        for name in table.of_kind("number")
    ]
    return new.with_frame(new.frame.with_columns(columns))
