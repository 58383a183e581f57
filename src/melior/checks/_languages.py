"""The language of each row of a table, as a column says or as its texts read."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.checks.language_imbalance import beyond_errors
from melior.data.table import Table
from melior.texts.languages import MOST_TEXTS, identify

OTHER = ""  # the language of a row that is not known


def languages_of(table: Table, seed: int = 0, most: int = MOST_TEXTS) -> NDArray[np.str_]:
    """(rows,) the language of each row, "" where it is not known.

    What the language column says (the first of several); without one as the texts read, joined, and then a language
    counts only where it has more rows than wrong names explain (see `LanguageImbalance`). Of more than `most` texts
    a random sample is read.
    """
    told = table.of_kind("language")
    if told:
        return np.asarray(table.column(told[0]).fill_null(OTHER).to_list(), dtype=np.str_)
    columns = table.of_kind("text")
    if not columns or not table.rows:
        return np.full(table.rows, OTHER, dtype="<U8")
    parts = [pl.col(name) for name in columns]
    texts = table.frame.select(pl.concat_str(parts, separator="\n", ignore_nulls=True)).to_series()
    return read_languages(texts, seed, most)


def read_languages(texts: pl.Series, seed: int = 0, most: int = MOST_TEXTS) -> NDArray[np.str_]:
    """(rows,) the same as the texts read."""
    found = identify(texts, seed=seed, most=most)
    present = beyond_errors(found)
    known = [name if name in present else OTHER for name in found.languages] + [OTHER]
    return np.asarray(known, dtype=np.str_)[found.codes]
