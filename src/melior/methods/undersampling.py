"""Undersampling: fewer rows of the common classes, at random, or those that lie closest to the rare class."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from melior.data.table import Floats, Labels, Table
from melior.methods._base import Method
from melior.methods._rows import Mask, row_space
from melior.models._base import FitContext, Model
from melior.recipe import Recipe

NEAREST = 3  # rows that a distance is the mean of
AT_ONCE = 4_000_000  # distances
SPACE = ("number", "category", "language", "text", "image")


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


def distance_to_class(space: Floats, labels: Labels, number: int, k: int, *, farthest: bool = False) -> Floats:
    """(rows,) mean distance to the k nearest rows of a class, or to its k farthest (fewer where it has fewer).

    Keeping the rows of the other classes for which the mean to the nearest is least is NearMiss-1, to the farthest
    NearMiss-2: Mani and Zhang, kNN Approach to Unbalanced Data Distributions, ICML workshop 2003.
    """
    from sklearn.neighbors import NearestNeighbors

    there = space[labels == number]
    k = min(k, len(there))
    if not farthest:
        distances, _ = NearestNeighbors(n_neighbors=k).fit(there).kneighbors(space)
        return np.asarray(distances.mean(axis=1))
    from scipy.spatial.distance import cdist

    found = np.empty(len(space))
    step = max(1, AT_ONCE // len(there))
    for start in range(0, len(space), step):
        apart = cdist(space[start : start + step], there)
        found[start : start + step] = np.partition(apart, len(there) - k, axis=1)[:, len(there) - k :].mean(axis=1)
    return found


def near_to_each(space: Floats, labels: Labels, number: int, other: int, k: int) -> Mask:
    """(rows,) the rows of class `other` that are among the k nearest of that class to some row of class `number`."""
    from sklearn.neighbors import NearestNeighbors

    there = np.flatnonzero(labels == other)
    search = NearestNeighbors(n_neighbors=min(k, len(there))).fit(space[there])
    chosen = np.zeros(len(space), dtype=bool)
    chosen[there[np.unique(search.kneighbors(space[labels == number], return_distance=False))]] = True
    return chosen


def near_miss(space: Floats, labels: Labels, rarest: int, other: int, most: int, version: int) -> NDArray[np.int64]:
    """The rows of class `other` that NearMiss keeps beside the rarest class, at most `most` of them.

    version  1: those with the least mean distance to the 3 nearest rows of the rarest class; 2: to its 3 farthest;
             3: among the 3 nearest to each row of the rarest class, those with the largest mean distance to the 3
             nearest of it, so that every rare row keeps its surroundings; that may be fewer than `most`
    Mani and Zhang, kNN Approach to Unbalanced Data Distributions, ICML workshop 2003.
    """
    inside = np.flatnonzero(labels == other)
    if version == 3:
        inside = np.flatnonzero(near_to_each(space, labels, rarest, other, NEAREST))
    both = np.concatenate([inside, np.flatnonzero(labels == rarest)])
    distance = distance_to_class(space[both], labels[both], rarest, NEAREST, farthest=version == 2)[: len(inside)]
    order = np.argsort(-distance if version == 3 else distance, kind="stable")
    return inside[order[:most]]


class Undersampling(Method):
    """Drops rows of the common classes.

    kind     random (default): any rows, down to the rarest class / ratio;
             near_miss: keeps so many, those closest to the rarest class, where classes must be told apart;
             tomek: drops only the rows that are the nearest neighbour of a row of the rarest class and the reverse,
             whatever the ratio
    ratio    0.01..1 rows of the rarest class to rows of any other that are kept, default 1
    version  of near_miss: 1 (default), close to the nearest rows of the rarest class; 2, close to all of it, measured
             at its farthest rows; 3, those that surround each of its rows (that may be fewer)
    """

    treats: ClassVar[frozenset[str]] = frozenset({"class_imbalance"})
    questions: ClassVar[tuple[int, ...]] = (9, 25)
    reference: ClassVar[str] = "Tomek, Two Modifications of CNN, IEEE Transactions on Systems, Man and Cybernetics 1976"
    order: ClassVar[int] = 66
    rivals: ClassVar[frozenset[str]] = frozenset(
        {"weighted_loss", "class_weights", "oversampling", "balanced_ensemble", "gan_samples"}
    )
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"ratio": 0.2}, {"kind": "tomek"})
    cost: ClassVar[float] = 0.7

    kind: Literal["random", "near_miss", "tomek"] = "random"
    ratio: Annotated[float, Field(ge=0.01, le=1)] = 1.0
    version: Literal[1, 2, 3] = 1

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        if self.kind != "random" and not table.of_kind(*SPACE):
            return f"closeness is measured on {', '.join(SPACE)} columns and there are none; use kind: random"
        return None

    def rows(self, train: Table, context: FitContext) -> Table:
        labels = train.given_labels()
        keep = self._kept(train, labels, context.seed)
        return train if keep.all() else train.take(keep)

    def _kept(self, train: Table, labels: Labels, seed: int) -> Mask:
        keep = np.ones(train.rows, dtype=bool)
        counts = np.bincount(labels, minlength=len(train.classes))
        rarest = int(np.argmin(np.where(counts > 0, counts, np.iinfo(np.int64).max)))
        if self.kind == "tomek":
            links = tomek_links(row_space(train, seed), labels)
            links = links[(labels[links] == rarest).any(axis=1)].ravel()  # those of two common classes stay
            common = links[labels[links] != rarest]
            keep[common] = False
            for number in np.unique(labels[common]):  # a class of links only keeps them
                if not keep[labels == number].any():
                    keep[labels == number] = True
            return keep
        space = row_space(train, seed) if self.kind == "near_miss" else None
        rank = np.random.default_rng([seed, self.order]).random(train.rows)
        for number, most in enumerate(most_rows(labels, len(train.classes), self.ratio)):
            inside = np.flatnonzero(labels == number)
            if space is None:
                keep[inside[np.argsort(rank[inside], kind="stable")[most:]]] = False
            elif number != rarest and len(inside) > most:
                keep[inside] = False
                keep[near_miss(space, labels, rarest, number, int(most), self.version)] = True
        return keep
