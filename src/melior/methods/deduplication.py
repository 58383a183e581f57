"""Deduplication: rows that say the same thing many times are kept once, so that they do not shout down the rest."""

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from melior.checks._image_copies import of_tables
from melior.checks._near import CERTAIN, near_numbers, near_texts, preferences
from melior.data.table import Labels, Rows, Table
from melior.methods._base import Method
from melior.methods._rows import Mask, groups_of_equal_rows, none_emptied
from melior.models._base import FitContext
from melior.texts.near import merged, near_copies

Conflicts = Literal["majority", "drop", "each"]


def first_of_each(groups: NDArray[np.int64], labels: Labels, conflicts: Conflicts) -> Mask:
    """(rows,) which rows to keep when each group of equal rows is to stand once.

    groups, labels (rows,). Of a group whose labels agree the first row is kept. Where they disagree: `majority`
    keeps the first row of the commonest label, and none where the commonest labels tie (nobody knows which is right);
    `drop` keeps none; `each` keeps the first row of every label. Rows without a label (-1) have no vote and are kept
    only where no copy has one.
    """
    keep = np.zeros(len(groups), dtype=bool)
    order = np.lexsort((np.arange(len(groups)), groups))
    cuts = np.flatnonzero(np.diff(groups[order])) + 1
    for rows in np.split(order, cuts):
        labelled = rows[labels[rows] >= 0]
        if not len(labelled):
            keep[rows[:1]] = True
            continue
        found, first, counts = np.unique(labels[labelled], return_index=True, return_counts=True)
        if len(found) == 1 or conflicts == "each":
            keep[labelled[first]] = True
        elif conflicts == "majority" and (counts == counts.max()).sum() == 1:
            keep[labelled[first[counts.argmax()]]] = True
    return keep


class Deduplication(Method):
    """Keeps one row of each set of training rows whose features are all equal, or nearly so.

    conflicts  what happens where equal rows have different labels: `majority` (default) keeps the commonest label and
               drops the set on a tie, `drop` drops the set, `each` keeps one row for every label

    near       True also joins rows that are equal up to the rounding of numbers, and rows whose texts or images are
               near copies (as the checks duplicate_rows and image_copies find them, where their other columns agree
               too); of near copies the row
               that misses least is kept, then that of the longest texts, then that of the most digits, then the
               first. Default False

    A class that would lose all its rows keeps its first.
    """

    treats: ClassVar[frozenset[str]] = frozenset({"duplicate_rows", "small_data"})
    questions: ClassVar[tuple[int, ...]] = (23,)
    multilabel: ClassVar[bool] = True
    reference: ClassVar[str] = "Lee et al., Deduplicating Training Data Makes Language Models Better, ACL 2022"
    order: ClassVar[int] = 10
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"conflicts": "each"}, {"near": True})

    conflicts: Conflicts = "majority"
    near: bool = False

    def rows(self, train: Table, context: FitContext) -> Table:
        labels = train.combinations()
        groups = groups_of_equal_rows(train)
        order = np.arange(train.rows)
        if self.near:
            groups, order = with_near_copies(train, groups, context.seed)
        keep = np.zeros(train.rows, dtype=bool)
        keep[order] = first_of_each(groups[order], labels[order], self.conflicts)
        keep = none_emptied(train.strata(), keep, -np.arange(train.rows, dtype=np.float64))
        return train if keep.all() else train.take(keep)


def with_near_copies(train: Table, groups: Rows, seed: int) -> tuple[Rows, Rows]:
    """(rows,) the groups of equal rows with near copies made one, and the positions, those to keep first in front."""
    found = [near_numbers(train), near_texts(train, lambda name: near_copies(train.column(name), seed=seed))]
    for near in found:
        if near is not None and near.elsewhere >= CERTAIN:
            ends = np.concatenate([joined_by(near.group), joined_by(groups)])
            groups = merged(np.arange(train.rows), ends)
    if train.of_kind("image"):
        alike = groups_of_equal_rows(train, lambda name: of_tables([train], name)[0].group)
        groups = merged(np.arange(train.rows), np.concatenate([joined_by(alike), joined_by(groups)]))
    concerned = np.flatnonzero(np.bincount(groups, minlength=train.rows)[groups] > 1)
    wanted = [values for values, _ in preferences(train, concerned)]
    return groups, np.lexsort([np.arange(train.rows), *(-values for values in reversed(wanted))])


def joined_by(groups: Rows) -> Rows:
    """(rows, 2) each row and the first row of its group."""
    _, first, number = np.unique(groups, return_index=True, return_inverse=True)
    return np.column_stack([np.arange(len(groups)), first[number]])
