"""What the methods for several languages share: the language of each row, and how often a language is to be seen."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.checks.language_imbalance import beyond_errors
from melior.data.table import Floats, Rows, Table
from melior.texts.languages import MOST_TEXTS, identify

OTHER = ""  # the language of a row that is not known
NONE = "there are no text columns and no language column, so no row has a language"


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


def language_shares(languages: NDArray[np.str_], alpha: float, most: float, weights: Floats | None = None) -> Floats:
    """(rows,) how often a row is to be seen, so that a language of n rows has a share proportional to n ** alpha.

    With n* rows of the most frequent language this is (n / n*) ** (alpha - 1) for the rows of a language, at most
    `most`, and 1 for the most frequent; a row whose language is not known counts as one of that. n are sums of weights
    where there are weights. alpha 1 leaves the languages as they are, 0 gives all the same; alpha = 1 / T is sampling
    with temperature T.

    Conneau et al., Unsupervised Cross-lingual Representation Learning at Scale, ACL 2020; Arivazhagan et al., Massively
    Multilingual Neural Machine Translation in the Wild, 2019. The limit: Chung et al., UniMax, ICLR 2023.
    """
    names, number = np.unique(languages, return_inverse=True)
    sums = np.bincount(number, weights=weights, minlength=len(names)).astype(np.float64)
    known = names != OTHER
    if not known.any():
        return np.ones(len(languages))
    often = np.ones(len(names))
    often[known] = np.minimum((sums[known] / sums[known].max()) ** (alpha - 1), most)
    return np.asarray(often[number])


def repeated(often: Floats, random: np.random.Generator) -> Rows:
    """Positions of rows, each as often as `often` says (>= 1): whole copies, and as many of the rest at random."""
    whole = np.floor(often + 1e-9).astype(np.int64)
    again = random.random(len(often)) < often - whole
    return np.repeat(np.arange(len(often)), whole + again)
