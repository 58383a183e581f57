"""Rows of experiments as tables: what a seed trains on and what it is scored on."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from melior.data.read import read
from melior.proofs._base import Given
from melior.proofs.planting import Fault, imbalance, named, rarest
from melior.proofs.tables import SETS, TARGET, Rows, split

TRAINED = 0.7  # of the rows, where a case says nothing else


def given(train: Rows, test: Rows, **kinds: str) -> Given:
    """Tables of one schema. kinds: of columns that are not what they look like."""
    both = pl.concat([train.whole(), test.whole()], how="vertical_relaxed")
    table = read(both, target=TARGET, columns={**dict.fromkeys(train.texts, "text"), **kinds}, name=train.name)
    inside = np.arange(len(train.labels))
    return Given(table.take(inside), table.take(np.arange(len(train.labels), table.rows)))


def plain(name: str, seed: int, *, share: float = TRAINED, rows: int | None = None) -> Given:
    """A clean set of `melior.proofs.tables`, split anew for each seed; rows: training rows at most."""
    train, test = split(SETS[name](seed), share, seed)
    return given(train if rows is None else few(train, rows, seed), test)


def faulty(
    name: str, fault: Fault | str, seed: int, *, share: float = TRAINED, kinds: Mapping[str, str] | None = None
) -> Given:
    """The same with a fault, or one of FAULTS by its name, planted in the training rows; the others stay clean."""
    train, test = split(SETS[name](seed), share, seed)
    planted = (named(fault) if isinstance(fault, str) else fault)(train, seed)
    return given(planted.faulty, planted.production(test), **dict(kinds or {}))


def rare(name: str, share: float, seed: int) -> Given:
    """A set whose rarest class is thinned to a share of all rows, those that are scored too. The same class for every
    seed, also where rows are drawn and classes are about equal: scores of all seeds are taken together."""
    fewest = rarest(SETS[name](0))
    return given(*split(imbalance(SETS[name](seed), share, seed, rare=fewest).faulty, 0.6, seed))


def few(rows: Rows, count: int, seed: int) -> Rows:
    """So many of the rows, with their classes as they are."""
    return rows if count >= len(rows.labels) else split(rows, count / len(rows.labels), seed)[0]
