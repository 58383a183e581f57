"""What the methods for several languages share: how often a language is to be seen."""

import numpy as np
from numpy.typing import NDArray

from melior.checks._languages import OTHER
from melior.data.table import Floats, Rows

NONE = "there are no text columns and no language column, so no row has a language; use class_weights for rare classes"


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
