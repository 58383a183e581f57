"""Undersampling: fewer rows of the common classes, at random, or those that lie closest to the rare class."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from melior.data.table import Floats, Labels, Table
from melior.methods._base import Method
from melior.methods._rows import Mask, mixed_space
from melior.models._base import FitContext, Model
from melior.recipe import Recipe


def most_rows(labels: Labels, classes: int, ratio: float) -> NDArray[np.int64]:
    """(classes,) the rows that each class may keep: those of the rarest class that occurs, / ratio."""
    counts = np.bincount(labels, minlength=classes)
    return np.asarray(np.minimum(counts, np.ceil(counts[counts > 0].min() / ratio)), dtype=np.int64)


def tomek_links(space: Floats, labels: Labels) -> NDArray[np.int64]:
    """(links, 2) pairs of rows of different classes that are each other's nearest neighbour.

    space (rows, dimensions), labels (rows,).  Tomek, Two Modifications of CNN, IEEE Trans. SMC 1976.
    """
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=2).fit(space).kneighbors(space, return_distance=False)
    rows = np.arange(len(space))
    nearest = np.where(near[:, 0] == rows, near[:, 1], near[:, 0])
    linked = (nearest[nearest] == rows) & (labels[nearest] != labels) & (rows < nearest)
    return np.column_stack([rows[linked], nearest[linked]])


def distance_to_class(space: Floats, labels: Labels, number: int, k: int) -> Floats:
    """(rows,) mean distance to the k nearest rows of a class (fewer where it has fewer).

    Keeping the rows of the other classes for which it is least is NearMiss-1: Mani and Zhang, kNN Approach to
    Unbalanced Data Distributions, 2003.
    """
    from sklearn.neighbors import NearestNeighbors

    there = space[labels == number]
    distances, _ = NearestNeighbors(n_neighbors=min(k, len(there))).fit(there).kneighbors(space)
    return np.asarray(distances.mean(axis=1))


class Undersampling(Method):
    """Drops rows of the common classes.

    kind   random (default): any rows, down to the rarest class / ratio;
           near_miss: keeps so many, those closest to the rarest class, where classes must be told apart;
           tomek: drops only the rows that are the nearest neighbour of a row of the rarest class and the reverse,
           whatever the ratio
    ratio  0.01..1 rows of the rarest class to rows of any other that are kept, default 1
    """

    treats: ClassVar[frozenset[str]] = frozenset({"class_imbalance"})
    questions: ClassVar[tuple[int, ...]] = (9, 25)
    reference: ClassVar[str] = "Tomek, Two Modifications of CNN, IEEE Transactions on Systems, Man and Cybernetics 1976"
    order: ClassVar[int] = 66
    rivals: ClassVar[frozenset[str]] = frozenset(
        {"class_weights", "oversampling", "balanced_ensemble", "weighted_loss"}
    )
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"ratio": 0.2}, {"kind": "tomek"})
    cost: ClassVar[float] = 0.7

    kind: Literal["random", "near_miss", "tomek"] = "random"
    ratio: Annotated[float, Field(ge=0.01, le=1)] = 1.0

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if self.kind != "random" and not table.of_kind("number", "category", "language"):
            return "closeness is measured on number and category columns and there are none; use kind: random"
        return None

    def rows(self, train: Table, context: FitContext) -> Table:
        labels = train.given_labels()
        keep = self._kept(train, labels, np.random.default_rng([context.seed, self.order]))
        return train if keep.all() else train.take(keep)

    def _kept(self, train: Table, labels: Labels, random: np.random.Generator) -> Mask:
        keep = np.ones(train.rows, dtype=bool)
        counts = np.bincount(labels, minlength=len(train.classes))
        rarest = int(np.argmin(np.where(counts > 0, counts, np.iinfo(np.int64).max)))
        if self.kind == "tomek":
            links = tomek_links(mixed_space(train), labels).ravel()
            common = links[labels[links] != rarest]
            keep[common] = False
            for number in np.unique(labels[common]):  # a class of links only keeps them
                if not keep[labels == number].any():
                    keep[labels == number] = True
            return keep
        rank = random.random(train.rows)
        if self.kind == "near_miss":
            rank = distance_to_class(mixed_space(train), labels, rarest, 3)
        for number, most in enumerate(most_rows(labels, len(train.classes), self.ratio)):
            inside = np.flatnonzero(labels == number)
            keep[inside[np.argsort(rank[inside], kind="stable")[most:]]] = False
        return keep
