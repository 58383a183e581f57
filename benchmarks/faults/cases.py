"""The cases: which fault is planted in which rows, how strongly. Pure functions of a seed, so that others can enter
tools of their own: `REPORTED` names the cases, `Case.make(seed)` gives the rows.

The rows of REPORTED cases were used for nothing else in this project. DEVELOPMENT has the same faults in rows on which
checks, methods and plan were built, and its figures are no evidence.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sets import SETS, Set

from melior.proofs import planting, planting_leaks, planting_rows, planting_values
from melior.proofs import tables as known
from melior.proofs.planting import Planted
from melior.proofs.planting_values import Plant, both
from melior.proofs.tables import Rows, split

LEARNT = 0.6  # of the rows; the others stay clean, and no tool sees their answers
MOST = 2400  # training rows: enough to prove something with, few enough for a minute


def irrelevant(rows: Rows, strength: float, seed: int) -> Planted:
    """So many columns of noise beside 400 rows."""
    return planting.irrelevant_columns(rows, strength, seed, training=400)


@dataclass(frozen=True)
class Fault:
    """A kind, under which cases are summed up, and what plants it."""

    kind: str
    strength: float
    plant: Plant


FAULTS: dict[str, Fault] = {
    "labels 20%": Fault("wrong labels", 0.2, planting.wrong_labels),
    "labels 30%": Fault("wrong labels", 0.3, planting.wrong_labels),
    "labels of one class 40%": Fault("wrong labels", 0.4, planting.wrong_labels_of_one_class),
    "leak as number": Fault("leaks", 0.97, planting.leak_as_number),
    "leak as category": Fault("leaks", 0.97, planting.leak_as_category),
    "leak as pair": Fault("leaks", 0.97, planting_leaks.leak_as_pair),
    "leak as gaps": Fault("leaks", 0.97, planting_leaks.leak_as_gaps),
    "leak as phrase": Fault("leaks", 0.97, planting_leaks.leak_as_phrase),
    "copies across": Fault("copies", 0.3, planting.copies_across),
    "measured 4 times": Fault("groups", 4, planting_rows.groups),
    "moving ground": Fault("times", 3.0, planting_rows.times),
    "unit x1000": Fault("units and outliers", 0.2, planting.times_1000),
    "garbage 20%": Fault("units and outliers", 0.2, planting_values.garbage),
    "gaps by answer": Fault("gaps by answer", 0.7, planting_values.gaps_by_answer),
    "imbalance 1:60": Fault("imbalance", 1 / 61, planting.imbalance),
    "irrelevant 400": Fault("irrelevant columns", 400, irrelevant),
    "skew": Fault("skew", 3.0, planting_values.skewed),
    "150 rows": Fault("small data", 150, planting_rows.few),
    "cut texts": Fault("cut texts", 0.7, planting_rows.cut_texts),
    "one language": Fault("mixed languages", 0.05, planting_rows.one_language),
    "leak + labels": Fault("pairs", 0.97, both(planting.leak_as_number, planting.wrong_labels, 0.2)),
    "phrase + labels": Fault("pairs", 0.97, both(planting_leaks.leak_as_phrase, planting.wrong_labels, 0.2)),
    "imbalance + unit": Fault("pairs", 1 / 31, both(planting.imbalance, planting.times_1000, 0.2)),
    "irrelevant + labels": Fault("pairs", 200, both(irrelevant, planting.wrong_labels, 0.2)),
}

OF_TABLES: dict[str, tuple[str, ...]] = {
    "segments": (
        "labels 30%", "labels of one class 40%", "leak as number", "leak as pair", "copies across", "measured 4 times",
        "moving ground", "unit x1000", "garbage 20%", "gaps by answer", "imbalance 1:60", "irrelevant 400", "skew",
        "150 rows", "leak + labels", "irrelevant + labels",
    ),
    "loans": (
        "labels 20%", "leak as category", "leak as gaps", "unit x1000", "gaps by answer", "irrelevant 400",
        "imbalance + unit",
    ),
    "unions": ("labels 20%", "leak as number", "leak as pair", "measured 4 times", "moving ground", "imbalance 1:60"),
    "trial": ("labels 20%", "leak as category", "garbage 20%", "imbalance 1:60", "irrelevant 400", "skew"),
}  # fmt: skip
OF_TEXTS: dict[str, tuple[str, ...]] = {
    "snippets": ("labels 20%", "leak as phrase", "imbalance 1:60", "cut texts", "150 rows", "phrase + labels"),
    "sources": ("labels 30%", "leak as phrase", "cut texts", "imbalance 1:60"),
    "catalogues": ("one language", "labels of one class 40%"),
}
OF_PICTURES: dict[str, tuple[str, ...]] = {
    "glyphs": ("labels 30%", "leak as number", "imbalance 1:60", "150 rows"),
}


@dataclass(frozen=True)
class Case:
    """Rows of one set with one fault."""

    set: str
    fault: str
    load: Callable[[int], Rows]
    picture: str | None = None
    group: str | None = None  # new rows are of other groups than those that were learnt

    @property
    def key(self) -> str:
        return f"{self.set} | {self.fault}"

    @property
    def kind(self) -> str:
        return FAULTS[self.fault].kind if self.fault in FAULTS else "nothing wrong"

    def make(self, seed: int) -> tuple[Planted, Rows]:
        """(what was planted, the clean rows that tools are scored on)."""
        rows = self.load(seed)
        if len(rows.labels) * LEARNT > MOST:
            rows = split(rows, MOST / LEARNT / len(rows.labels), seed + 1)[0]
        learnt, new = split(rows, LEARNT, seed) if self.group is None else by_group(rows, self.group, seed)
        fault = FAULTS[self.fault]
        return fault.plant(learnt, fault.strength, seed), new


def by_group(rows: Rows, column: str, seed: int) -> tuple[Rows, Rows]:
    """Two parts in random order that share no group."""
    random = np.random.default_rng([seed, 241])
    values = rows.frame[column].to_numpy()
    names = random.permutation(np.unique(values))
    learnt = np.isin(values, names[: round(LEARNT * len(names))])
    order = random.permutation(len(values))
    return rows.take(order[learnt[order]]), rows.take(order[~learnt[order]])


def _reported(set: str, fault: str) -> Case:
    of: Set = SETS[set]
    return Case(set, fault, of.load, of.pictures, of.group)


REPORTED = tuple(
    _reported(name, fault) for sets in (OF_TABLES, OF_TEXTS, OF_PICTURES) for name, own in sets.items() for fault in own
)
DEVELOPMENT = tuple(
    Case(name, fault, known.SETS[name])
    for name in ("mixed 3000", "breast_cancer", "digits", "reviews")
    for fault in FAULTS
    if ("phrase" in fault or "cut" in fault) <= (name == "reviews") and fault != "one language"
)
