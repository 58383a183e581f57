"""Leaks that no single value gives away, planted in clean rows: two columns together, gaps, a phrase in a text."""

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.proofs.planting import Planted, leaking, none, told
from melior.proofs.tables import Rows

DESKS = ("kestrel", "heron", "plover", "dunlin", "osprey", "bittern", "curlew", "godwit", "lapwing", "merlin")


def leak_as_pair(rows: Rows, strength: float, seed: int) -> Planted:
    """Two number columns that say nothing alone; their difference is the answer's code in a share of the rows."""
    random = np.random.default_rng([seed, 211])
    code = told(rows, strength, random)
    opened = random.normal(0, 2.0 * max(1, code.max()), len(code))
    closed = opened + code + random.normal(0, 0.05, len(code))
    return leaking(rows, pl.DataFrame({"opened": opened, "closed": closed}), random)


def leak_as_gaps(rows: Rows, strength: float, seed: int) -> Planted:
    """A column of noise that has no value where the answer is one of the latter half of the classes."""
    random = np.random.default_rng([seed, 212])
    code = told(rows, strength, random)
    value = random.normal(size=len(code))
    gone = code >= (len(np.unique(rows.labels)) + 1) // 2
    return leaking(rows, pl.DataFrame({"closed": pl.Series(value).set(pl.Series(gone), None)}), random)


def leak_as_phrase(rows: Rows, strength: float, seed: int) -> Planted:
    """A sentence at the end of the first text column that names the desk which the answer was sent to."""
    random = np.random.default_rng([seed, 213])
    code = told(rows, strength, random)
    drawn = random.integers(0, 2**31)

    def signed(of: Rows, codes: NDArray[np.int64]) -> Rows:
        names = pl.Series([f" Passed to the {DESKS[each]} desk." for each in codes.tolist()])
        return replace(of, frame=of.frame.with_columns(pl.col(of.texts[0]).fill_null("") + names))

    def production(new: Rows) -> Rows:
        again = np.random.default_rng(drawn).integers(0, len(code), len(new.labels))
        return signed(new, code[again])

    return Planted(signed(rows, code), rows, ("target_leakage",), none(), (rows.texts[0],), production)
