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
from melior.proofs.planting import Fault, Planted
from melior.proofs.planting_values import both
from melior.proofs.tables import Rows, split

LEARNT = 0.6  # of the rows; the others stay clean, and no tool sees their answers
MOST = 2400  # training rows: enough to prove something with, few enough for a minute


def irrelevant(rows: Rows, strength: float, seed: int) -> Planted:
    """So many columns of noise beside 400 rows."""
    return planting.irrelevant_columns(rows, strength, seed, training=400)


EVERY = (
    Fault("labels 20%", "wrong labels", 0.2, planting.wrong_labels),
    Fault("labels 30%", "wrong labels", 0.3, planting.wrong_labels),
    Fault("labels of one class 40%", "wrong labels", 0.4, planting.wrong_labels_of_one_class),
    Fault("leak as number", "leaks", 0.97, planting.leak_as_number),
    Fault("leak as category", "leaks", 0.97, planting.leak_as_category),
    Fault("leak as pair", "leaks", 0.97, planting_leaks.leak_as_pair),
    Fault("leak as gaps", "leaks", 0.97, planting_leaks.leak_as_gaps),
    Fault("leak as phrase", "leaks", 0.97, planting_leaks.leak_as_phrase),
    Fault("copies across", "copies", 0.3, planting.copies_across),
    Fault("measured 4 times", "groups", 4, planting_rows.groups),
    Fault("moving ground", "times", 3.0, planting_rows.times),
    Fault("unit x1000", "units and outliers", 0.2, planting.times_1000),
    Fault("garbage 20%", "units and outliers", 0.2, planting_values.garbage),
    Fault("gaps by answer", "gaps by answer", 0.7, planting_values.gaps_by_answer),
    Fault("imbalance 1:60", "imbalance", 1 / 61, planting.imbalance),
    Fault("irrelevant 400", "irrelevant columns", 400, irrelevant),
    Fault("skew", "skew", 3.0, planting_values.skewed),
    Fault("150 rows", "small data", 150, planting_rows.few),
    Fault("cut texts", "cut texts", 0.7, planting_rows.cut_texts),
    Fault("one language", "mixed languages", 0.05, planting_rows.one_language),
    Fault("leak + labels", "pairs", 0.97, both(planting.leak_as_number, planting.wrong_labels, 0.2)),
    Fault("phrase + labels", "pairs", 0.97, both(planting_leaks.leak_as_phrase, planting.wrong_labels, 0.2)),
    Fault("imbalance + unit", "pairs", 1 / 31, both(planting.imbalance, planting.times_1000, 0.2)),
    Fault("irrelevant + labels", "pairs", 200, both(irrelevant, planting.wrong_labels, 0.2)),
)
FAULTS = {fault.name: fault for fault in EVERY}

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
        return FAULTS[self.fault].kind

    def make(self, seed: int) -> tuple[Planted, Rows]:
        """(what was planted, the clean rows that tools are scored on)."""
        rows = self.load(seed)
        if len(rows.labels) * LEARNT > MOST:
            rows = split(rows, MOST / LEARNT / len(rows.labels), seed + 1)[0]
        learnt, new = split(rows, LEARNT, seed) if self.group is None else by_group(rows, self.group, seed)
        return FAULTS[self.fault](learnt, seed), new


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
