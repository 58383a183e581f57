"""What a proof is: cases in which an answer should help, cases in which it should not, and where it comes from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from melior.data.table import Table

Choices = Sequence[str | dict[str, Any]]


@dataclass(frozen=True)
class Given:
    """Rows of one seed: training rows, which may be faulty, and clean rows that no fit sees."""

    train: Table
    test: Table


@dataclass(frozen=True)
class Case:
    """One comparison, drawn anew for each seed: the same rows and seed with a change and without it.

    name      what is looked at, in words: "reviews, 1 of 30 recommended"
    data      the rows for a seed: another split, or other rows, for each seed
    model     the family, by name or {name: {settings}}
    methods   the change: methods as in a recipe
    base      methods that both sides have
    baseline_model  the family without the change, where the change is another family or other settings of it
    metric    of the clean rows
    seeds     how often: 5 at least, 3 where a network is trained
    figure    instead of recipes: a figure for (seed, with the change), such as seconds or MiB. `data` is not asked then
    unit      of that figure
    smaller_is_better  of that figure
    """

    name: str
    data: Callable[[int], Given] | None = None
    model: str | dict[str, Any] = "linear"
    methods: Choices = ()
    base: Choices = ()
    baseline_model: str | dict[str, Any] | None = None
    metric: str = "macro_f1"
    seeds: int = 5
    figure: Callable[[int, bool], float] | None = None
    unit: str = ""
    smaller_is_better: bool = False


@dataclass(frozen=True)
class Proof:
    """What is measured for one answer.

    question  the number of a question that it answers
    paper     where the method comes from
    helps     where it is meant to help; the figures decide
    does_not  another data set or family, on which nothing or harm is to be expected
    """

    question: int
    paper: str
    helps: tuple[Case, ...]
    does_not: tuple[Case, ...]
