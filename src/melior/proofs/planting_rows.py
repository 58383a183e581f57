"""Faults of which rows there are, planted in clean rows: copies of one subject, an order in time, few rows, one
language, texts that were cut."""

from dataclasses import replace

import numpy as np
import polars as pl

from melior.proofs.planting import Planted, Which, none
from melior.proofs.tables import Rows, split

MEASURED_AGAIN = 0.1  # standard deviations between two measurements of one subject
PERIODS, DAYS = 24, 10  # of the rows that there are; those to come are of later periods
CUT = 40  # characters


def groups(rows: Rows, strength: float, seed: int) -> Planted:
    """Each subject was measured `strength` times, and the column `person` says which; new rows are of new people.

    Clean are the same people, each measured once.
    """
    random = np.random.default_rng([seed, 221])
    times = int(strength)
    once = split(rows, 1 / times, seed)[0]
    people = len(once.labels)
    which = np.repeat(np.arange(people), times)
    again = once.take(which)
    changed = [
        pl.Series(name, values + random.normal(0, MEASURED_AGAIN * (np.nanstd(values) or 1.0), len(values)))
        for name in once.numbers()
        for values in [again.frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()]
    ]
    frame = again.frame.with_columns(series.fill_nan(None) for series in changed)
    numbers = random.permutation(90_000)[: people * 2] + 10_000

    def known(of: Rows, ids: Which) -> Rows:
        return replace(of, frame=of.frame.with_columns(pl.Series("person", [f"P{each}" for each in ids.tolist()])))

    def production(new: Rows) -> Rows:
        return known(new, np.arange(100_000, 100_000 + len(new.labels)))

    order = random.permutation(len(which))
    faulty = known(replace(again, frame=frame), numbers[which]).take(order)
    return Planted(faulty, once, ("group_leakage",), none(), ("person",), production)


def times(rows: Rows, strength: float, seed: int) -> Planted:
    """A column `level` tells the answer within each ten days, on a ground that moves from one to the next; `day` says
    when. New rows are of later days, so what a random split measures is not what comes.

    strength: standard deviation of the ground, in steps between two classes.
    """
    random = np.random.default_rng([seed, 222])
    _, codes = np.unique(rows.labels, return_inverse=True)
    drawn = random.integers(0, 2**31)

    def dated(of: Rows, codes: Which, random: np.random.Generator, first: int) -> Rows:
        day = random.integers(0, PERIODS * DAYS, len(codes))
        ground = random.normal(0, strength, PERIODS)
        level = ground[day // DAYS] + codes + random.normal(0, 0.2, len(codes))
        when = pl.Series("day", day + first).cast(pl.Int32) + 19_700
        return replace(of, frame=of.frame.with_columns(when.cast(pl.Date), pl.Series("level", level)))

    def production(new: Rows) -> Rows:
        own = np.unique(new.labels, return_inverse=True)[1]
        return dated(new, own, np.random.default_rng(drawn), PERIODS * DAYS)

    faulty = dated(rows, codes, random, 0)
    return Planted(faulty, rows, ("time_leakage", "drift"), none(), ("level",), production)


def few(rows: Rows, strength: float, seed: int) -> Planted:
    """Only `strength` training rows are left; what the others knew cannot come back."""
    return Planted(split(rows, strength / len(rows.labels), seed)[0], rows, ("small_data",))


def one_language(rows: Rows, strength: float, seed: int, *, language: str = "language") -> Planted:
    """All languages but the commonest are thinned to a share `strength` of their training rows. No tool is told the
    languages."""
    random = np.random.default_rng([seed, 223])
    names, counts = np.unique(rows.frame[language].to_numpy(), return_counts=True)
    common = (rows.frame[language] == names[counts.argmax()]).to_numpy()
    kept = np.flatnonzero(common | (random.random(len(common)) < strength))
    return Planted(rows.take(kept), rows, ("language_imbalance", "language_gap"))


def cut_texts(rows: Rows, strength: float, seed: int) -> Planted:
    """Forty characters are left of the texts of a share `strength` of rows; new rows come whole."""
    random = np.random.default_rng([seed, 224])
    name = rows.texts[0]
    long = np.flatnonzero((rows.frame[name].str.len_chars() > CUT).fill_null(False).to_numpy())
    picked = np.sort(random.choice(long, round(strength * len(long)), replace=False))
    texts = rows.frame[name].to_list()
    for row in picked.tolist():
        texts[row] = texts[row][:CUT]
    faulty = replace(rows, frame=rows.frame.with_columns(pl.Series(name, texts)))
    return Planted(faulty, rows, ("truncated_text",), picked, (name,))
