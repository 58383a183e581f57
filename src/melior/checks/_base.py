"""What a check is, and what it may ask of its context."""

from abc import ABC, abstractmethod
from functools import cache
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Floats, Rows, Table
from melior.findings import Finding
from melior.recipe import Recipe
from melior.registry import discover, snake
from melior.texts.near import NearCopies

Cost = Literal["instant", "pass", "model"]


class Context(Protocol):
    """The rows a check looks at, and everything expensive, each computed once for all checks.

    table   the rows: all that may be looked at (sealed rows are not among them)
    other   the rows of a second part (the test file, or the sealed part), for overlap only; None where there is none
    folds   that `out_of_fold` and `score_under` are made of
    threads  that a check may compute with
    targets  how many targets are looked at, this one among them: above 1 where it is one of several labels, and what is
            found has to be that much surer
    """

    table: Table
    other: Table | None
    recipe: Recipe
    seed: int
    folds: int
    threads: int
    targets: int

    @property
    def has_target(self) -> bool: ...

    def of_label(self, code: int, targets: int) -> "Context":
        """The same rows with one of several labels as a target of two classes, "not LABEL" and LABEL, by the
        number of the label; targets: how many labels are looked at."""

    def late(self) -> bool:
        """Whether the time for checks is over: one that looks at many targets leaves the rest of them."""

    def numbers(self) -> tuple[NDArray[np.float64], list[str]]:
        """The number columns (rows, columns), missing as nan, and their names."""

    def embedding(self) -> NDArray[np.float64]:
        """(rows, dimensions) every feature column as robustly scaled numbers: numbers, categories, texts in a few
        fitted dimensions. For neighbours, not for models."""

    def neighbours(self, k: int, among: Rows | None = None) -> tuple[Floats, Rows]:
        """Distances and positions (rows, k) of the nearest other rows in `embedding`; of a large table, of the nearest
        among drawn rows. among: look at these rows only; (rows among, k), positions within `among`."""

    def near_texts(self, column: str) -> NearCopies:
        """Near copies in a text column: the rows of `table`, then those of `other` if it has the column."""

    def out_of_fold(self) -> Floats:
        """(rows, classes) probabilities of every row by a suitable model that did not see the row. Rows without a
        label are scored by the average of the folds' models."""

    def fitting_best(self) -> Floats:
        """`out_of_fold`, or the same on number columns brought to a common shape where these rows fit that better:
        for questions about the rows, which the recipe's own misfit should not answer."""

    def in_sample(self) -> Floats:
        """(rows, classes) probabilities of the same model, as the first fold of `out_of_fold` fitted it, for the rows
        that it learned from; nan for the others."""

    def tokens(self, column: str) -> tuple[NDArray[np.int64], int] | None:
        """(rows,) tokens of each text of a column as the recipe's family counts them, and the most that it reads of
        one; None where it reads all."""

    def metric_value(self, scores: Floats, which: Rows | None = None) -> float:
        """The recipe's metric of such scores (rows, classes), on all labelled rows or on these positions only; what the
        other rows hold does not matter."""

    def score_without(self, columns: tuple[str, ...]) -> Floats:
        """`out_of_fold` without these columns."""

    def score_without_phrases(self, column: str, phrases: tuple[str, ...]) -> Floats:
        """`out_of_fold` with these words or runs of words taken out of a text column."""

    def score_of_column(self, column: str) -> Floats:
        """(rows, classes) out-of-fold probabilities from this column alone, by a small model that takes any kind."""

    def score_of_columns(self, columns: tuple[str, ...]) -> Floats:
        """The same from several columns together."""

    def score_under(self, kind: Literal["group", "time"], column: str) -> tuple[Floats, Rows]:
        """(rows, classes) out-of-fold probabilities when the folds are split by this column, and the positions that
        were scored; what the other rows hold means nothing."""

    def out_of_fold_from(self, part: float) -> Floats:
        """`out_of_fold` by models that learned from this part (0 < part <= 1) of each fold's training rows, drawn at
        random from every class; a smaller part is contained in a larger one. At least two rows of a class are kept
        where it has them."""

    def scores_between(self, one: Table, two: Table) -> Floats:
        """(rows of one + rows of two,) probability that a row is of the second table, by a small model of their feature
        columns, from three folds. Times and the target are not read: dates tell any two periods apart."""


class Check(ABC):
    """Measures one family of symptoms.

    symptoms  what it can find
    reads     column kinds that it reads; empty means that it needs no particular kind
    cost      instant (counts), pass (a few passes over the rows), model (needs fitted models)
    multilabel  with needs_target: works where a row may have several labels, too
    for_people  what it finds is for people to know, and nothing in `improve` follows from it: there it is left out
              where rows are many
    """

    name: ClassVar[str]
    symptoms: ClassVar[frozenset[str]]
    reads: ClassVar[frozenset[str]] = frozenset()
    cost: ClassVar[Cost] = "instant"
    needs_target: ClassVar[bool] = False
    multilabel: ClassVar[bool] = False
    for_people: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = snake(cls.__name__)

    @abstractmethod
    def measure(self, context: Context) -> list[Finding]:
        """The findings; an empty list where nothing is wrong."""


@cache
def checks() -> dict[str, type[Check]]:
    """Every check there is, cheapest first."""
    found: dict[str, type[Check]] = discover("checks", Check)  # type: ignore[type-abstract]
    rank = {"instant": 0, "pass": 1, "model": 2}
    return dict(sorted(found.items(), key=lambda item: (rank[item[1].cost], item[0])))
