"""Faults, planted in clean rows: pure functions of rows, strength and seed that also tell what they did.

Each function gets the clean training rows and gives back a `Planted`.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.proofs.tables import Rows

Which = NDArray[np.int64]


def none() -> Which:
    return np.empty(0, dtype=np.int64)


def unchanged(new: Rows) -> Rows:
    return new


@dataclass(frozen=True)
class Planted:
    """Faulty training rows and the truth about them.

    faulty      the training rows with the fault
    clean       the training rows without it, which the fault is measured against
    symptoms    findings that would be right, any of them
    rows        positions in `faulty` of the rows that were spoiled, or copied
    columns     columns that were spoiled, or added
    production  what becomes of new rows: an added column comes with them, but says nothing there
    bare        what becomes of new rows without the fault, where clean rows are not quite as they came
    test        a test file of the user's, where the fault is about one
    each        where several faults were planted, the right findings of each
    """

    faulty: Rows
    clean: Rows
    symptoms: tuple[str, ...]
    rows: Which = field(default_factory=none)
    columns: tuple[str, ...] = ()
    production: Callable[[Rows], Rows] = unchanged
    bare: Callable[[Rows], Rows] = unchanged
    test: Rows | None = None
    each: tuple[tuple[str, ...], ...] = ()

    def named(self, found: set[str]) -> bool:
        """Whether every fault has a right one among the symptoms found."""
        return all(found & set(own) for own in self.each or (self.symptoms,))


def wrong_labels(rows: Rows, strength: float, seed: int) -> Planted:
    """A share `strength` of all labels becomes another one, each other class alike."""
    random = np.random.default_rng([seed, 201])
    picked = np.sort(random.choice(len(rows.labels), round(strength * len(rows.labels)), replace=False))
    return _mislabelled(rows, picked, random)


def wrong_labels_of_one_class(rows: Rows, strength: float, seed: int) -> Planted:
    """The commonest class is mislabelled at the rate `strength`, the others at a quarter of it."""
    random = np.random.default_rng([seed, 202])
    names, counts = np.unique(rows.labels, return_counts=True)
    rate = np.where(rows.labels == names[counts.argmax()], strength, strength / 4)
    return _mislabelled(rows, np.flatnonzero(random.random(len(rate)) < rate), random)


def _mislabelled(rows: Rows, picked: Which, random: np.random.Generator) -> Planted:
    names, codes = np.unique(rows.labels, return_inverse=True)
    codes[picked] = (codes[picked] + random.integers(1, len(names), len(picked))) % len(names)
    return Planted(replace(rows, labels=names[codes]), rows, ("label_noise",), picked)


def leak_as_number(rows: Rows, strength: float, seed: int) -> Planted:
    """A number column that equals the answer's code in a share `strength` of rows, with a little jitter."""
    random = np.random.default_rng([seed, 203])
    code = told(rows, strength, random)
    return leaking(rows, pl.DataFrame({"settled": code + random.normal(0, 0.1, len(code))}), random)


def leak_as_category(rows: Rows, strength: float, seed: int) -> Planted:
    """A category column that stands for the answer, in other words, in a share `strength` of rows."""
    random = np.random.default_rng([seed, 203])
    words = np.array([f"stage {letter}" for letter in "qwertyuiopas"])
    return leaking(rows, pl.DataFrame({"settled": words[told(rows, strength, random)].tolist()}), random)


def told(rows: Rows, strength: float, random: np.random.Generator) -> Which:
    """(rows,) the answer's code in a share `strength` of rows, another one elsewhere."""
    names, codes = np.unique(rows.labels, return_inverse=True)
    differs = random.random(len(codes)) >= strength
    other = (codes + random.integers(1, len(names), len(codes))) % len(names)
    return np.where(differs, other, codes).astype(np.int64)


def leaking(rows: Rows, columns: pl.DataFrame, random: np.random.Generator) -> Planted:
    """The rows with columns that give the answer away, and new rows with the same columns saying nothing."""
    drawn = random.integers(0, 2**31)

    def production(new: Rows) -> Rows:
        """The columns drawn again, together, without regard to the answer, which nobody knows yet."""
        again = np.random.default_rng(drawn).integers(0, columns.height, len(new.labels))
        return replace(new, frame=new.frame.hstack(columns[again]))

    faulty = replace(rows, frame=rows.frame.hstack(columns))
    return Planted(faulty, rows, ("target_leakage",), none(), tuple(columns.columns), production)


def copies_across(rows: Rows, strength: float, seed: int) -> Planted:
    """A quarter of the rows is the user's test file; a share `strength` of the training rows are copies of its rows."""
    random = np.random.default_rng([seed, 204])
    in_test = np.zeros(len(rows.labels), dtype=bool)
    for label in np.unique(rows.labels):
        own = np.flatnonzero(rows.labels == label)
        in_test[random.choice(own, max(1, round(len(own) / 4)), replace=False)] = True
    own, test = np.flatnonzero(~in_test), np.flatnonzero(in_test)
    number = min(round(strength / (1 - strength) * len(own)), len(test))
    order = random.permutation(np.concatenate([own, random.choice(test, number, replace=False)]))
    copied = np.flatnonzero(in_test[order])
    return Planted(rows.take(order), rows.take(own), ("split_overlap",), copied, test=rows.take(test))


def wrong_unit(rows: Rows, strength: float, seed: int, *, factor: float, share: float = 0.1) -> Planted:
    """A share of the values of one of the three most telling number columns, times a factor.

    Only training rows are spoiled: a source that wrote another unit has been mended, and new rows come right.
    """
    from sklearn.feature_selection import f_classif

    random = np.random.default_rng([seed, 205])
    names = rows.numbers()
    values = rows.frame.select(names).to_numpy()
    middle = np.nanmedian(values, axis=0)
    filled = np.where(np.isnan(values), middle, values)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a constant column tells nothing: its statistic is nan
        tells = np.nan_to_num(f_classif(filled, rows.labels)[0])
    # a column that is mostly 0 cannot be spoiled by a factor
    tells[(filled == 0).mean(axis=0) > 0.5] = -1
    name = names[int(random.choice(np.argsort(-tells, kind="stable")[: min(3, int((tells >= 0).sum()))]))]
    picked = np.sort(random.choice(len(rows.labels), round(share * len(rows.labels)), replace=False))
    spoiled = rows.frame[name].cast(pl.Float64).to_numpy().copy()
    spoiled[picked] *= factor
    faulty = replace(rows, frame=rows.frame.with_columns(pl.Series(name, spoiled)))
    symptoms = ("invalid_values", "outliers", "scale_mismatch", "feature_skew")
    return Planted(faulty, rows, symptoms, picked, (name,))


def times_1000(rows: Rows, strength: float, seed: int) -> Planted:
    return wrong_unit(rows, strength, seed, factor=1000, share=strength)


def times_2_54(rows: Rows, strength: float, seed: int) -> Planted:
    return wrong_unit(rows, strength, seed, factor=2.54, share=strength)


def rarest(rows: Rows) -> str:
    """The class of the fewest rows."""
    names, counts = np.unique(rows.labels, return_counts=True)
    return str(names[counts.argmin()])


def imbalance(rows: Rows, strength: float, seed: int, *, rare: str | None = None) -> Planted:
    """A class, the rarest unless one is named, is thinned to a share `strength` of the training rows; at least five of
    it are left."""
    random = np.random.default_rng([seed, 206])
    own = np.flatnonzero(rows.labels == (rarest(rows) if rare is None else rare))
    left = max(5, round(strength / (1 - strength) * (len(rows.labels) - len(own))))
    gone = random.permutation(own)[left:]
    kept = np.setdiff1d(np.arange(len(rows.labels)), gone)
    return Planted(rows.take(kept), rows, ("class_imbalance",))


def irrelevant_columns(rows: Rows, strength: float, seed: int, *, training: int = 150) -> Planted:
    """`strength` columns of Gaussian noise beside 150 training rows; new rows have such columns too."""
    random = np.random.default_rng([seed, 207])
    number = int(strength)
    parts = []
    for label in np.unique(rows.labels):
        own = random.permutation(np.flatnonzero(rows.labels == label))
        parts.append(own[: max(2, round(training * len(own) / len(rows.labels)))])
    few = rows.take(np.sort(np.concatenate(parts)))
    names = [f"noise {column}" for column in range(number)]
    drawn = random.integers(0, 2**31, size=2)

    def noisy(of: Rows, draw: int) -> Rows:
        values = np.random.default_rng(int(draw)).normal(size=(len(of.labels), number))
        return replace(of, frame=of.frame.hstack(pl.DataFrame(values, schema=names)))

    symptoms = ("high_dimension", "overfitting", "small_data")
    return Planted(noisy(few, drawn[0]), few, symptoms, none(), tuple(names), lambda new: noisy(new, drawn[1]))


@dataclass(frozen=True)
class Fault:
    """One fault at one strength."""

    name: str
    kind: str
    strength: float
    plant: Callable[[Rows, float, int], Planted]

    def __call__(self, rows: Rows, seed: int) -> Planted:
        return self.plant(rows, self.strength, seed)


FAULTS: tuple[Fault, ...] = (
    *(Fault(f"wrong labels {s:.0%}", "wrong labels", s, wrong_labels) for s in (0.1, 0.2, 0.3, 0.4)),
    *(Fault(f"wrong labels of one class {s:.0%}", "wrong labels of one class", s, wrong_labels_of_one_class)
      for s in (0.2, 0.4)),
    *(Fault(f"leak as number {s:.0%}", "leak", s, leak_as_number) for s in (0.9, 0.97)),
    *(Fault(f"leak as category {s:.0%}", "leak", s, leak_as_category) for s in (0.9, 0.97)),
    Fault("copies across the splits 10%", "copies across the splits", 0.1, copies_across),
    Fault("wrong unit x1000 10%", "wrong unit", 0.1, times_1000),
    Fault("wrong unit x2.54 10%", "wrong unit", 0.1, times_2_54),
    Fault("imbalance 1:50", "imbalance", 0.02, imbalance),
    Fault("500 irrelevant columns", "irrelevant columns", 500, irrelevant_columns),
)  # fmt: skip
_BY_NAME = {fault.name: fault for fault in FAULTS}


def named(fault: str) -> Fault:
    """One of FAULTS."""
    return _BY_NAME[fault]
