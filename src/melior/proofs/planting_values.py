"""Faults in the values of columns, planted in clean rows: gaps that depend on the answer, garbage, skew; and two
faults at once."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from melior.proofs.planting import Planted, Which, none
from melior.proofs.tables import Rows

Plant = Callable[[Rows, float, int], Planted]


def telling(rows: Rows, most: int) -> list[str]:
    """Number columns that tell most about the answer, the first first, by the F statistic of the classes."""
    from sklearn.feature_selection import f_classif

    names = [name for name in rows.numbers() if rows.frame[name].n_unique() > 2] or rows.numbers()
    values = rows.frame.select(pl.col(names).cast(pl.Float64)).fill_null(strategy="mean").to_numpy()
    with np.errstate(all="ignore"):
        tells = np.nan_to_num(f_classif(values, rows.labels)[0])
    return [names[column] for column in np.argsort(-tells, kind="stable")[:most]]


def gaps_by_answer(rows: Rows, strength: float, seed: int) -> Planted:
    """The three most telling columns lose a share `strength` of their values where the answer is one of the latter half
    of the classes, and a tenth of that elsewhere; new rows lose as many, whatever the answer.

    Clean are the same rows with as many gaps that depend on nothing.
    """
    random = np.random.default_rng([seed, 231])
    names, codes = np.unique(rows.labels, return_inverse=True)
    late = codes >= (len(names) + 1) // 2
    rate = np.where(late, strength, strength / 10)
    columns = telling(rows, 3)
    drawn = random.integers(0, 2**31)

    def holed(of: Rows, rate: np.ndarray[tuple[int], np.dtype[np.float64]], random: np.random.Generator) -> Rows:
        gone = random.random(len(of.labels)) < rate
        return replace(of, frame=of.frame.with_columns(of.frame[name].set(pl.Series(gone), None) for name in columns))

    def production(new: Rows) -> Rows:
        return holed(new, np.full(len(new.labels), rate.mean()), np.random.default_rng(drawn))

    faulty = holed(rows, rate, random)
    clean = holed(rows, np.full(len(rate), rate.mean()), random)
    symptoms = ("target_leakage", "invalid_values")
    return Planted(faulty, clean, symptoms, none(), tuple(columns), production, bare=production)


def garbage(rows: Rows, strength: float, seed: int) -> Planted:
    """In a share `strength` of training rows every number is drawn anew, from a Cauchy distribution around the middle
    of its column."""
    random = np.random.default_rng([seed, 232])
    picked = np.sort(random.choice(len(rows.labels), round(strength * len(rows.labels)), replace=False))
    made = []
    for name in rows.numbers():
        values = rows.frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
        wide = np.nanstd(values) or 1.0
        values[picked] = np.nanmedian(values) + 3 * wide * np.clip(random.standard_cauchy(len(picked)), -1e4, 1e4)
        made.append(pl.Series(name, values).fill_nan(None))
    return Planted(replace(rows, frame=rows.frame.with_columns(made)), rows, ("outliers", "invalid_values"), picked)


def skewed(rows: Rows, strength: float, seed: int) -> Planted:
    """Every number column becomes exp(strength * z) of its standard score z; new rows come the same way."""
    names = [name for name in rows.numbers() if rows.frame[name].n_unique() > 2]
    middle = {name: (float(rows.frame[name].mean()), float(rows.frame[name].std() or 1.0)) for name in names}  # type: ignore[arg-type]

    def bent(of: Rows) -> Rows:
        changed = [((pl.col(name) - at) / wide * strength).clip(-20, 20).exp() for name, (at, wide) in middle.items()]
        return replace(of, frame=of.frame.with_columns(changed))

    return Planted(bent(rows), rows, ("feature_skew",), none(), tuple(names), bent)


def both(first: Plant, second: Plant, second_strength: float) -> Plant:
    """Two faults at once, the second planted in what the first left; `second` must leave the order of rows."""

    def plant(rows: Rows, strength: float, seed: int) -> Planted:
        one = first(rows, strength, seed)
        two = second(one.faulty, second_strength, seed)

        def production(new: Rows) -> Rows:
            return two.production(one.production(new))

        named: Which = two.rows if len(two.rows) else one.rows
        each = (*(one.each or (one.symptoms,)), two.symptoms)
        columns = (*one.columns, *two.columns)
        return Planted(two.faulty, one.clean, sum(each, ()), named, columns, production, bare=one.bare, each=each)

    return plant
