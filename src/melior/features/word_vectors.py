"""Vectors of words learned from the texts at hand, and which words stand in the same company.

The positive pointwise mutual information of words and their neighbours, cut to few dimensions by a singular value
decomposition: Levy and Goldberg, Neural Word Embedding as Implicit Matrix Factorization, NeurIPS 2014, with the
smoothing and the weighting of Levy, Goldberg and Dagan, Improving Distributional Similarity, TACL 2015.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from melior.data.table import Floats

Ids = NDArray[np.int64]

WINDOW = 4
DIMENSIONS = 64
SMOOTHED = 0.75  # power of the counts of context words
CHANCE = 0.01  # of pairs of words that have nothing in common are as near as neighbours must be
SAMPLED = 1000  # words whose pairs are looked at for that
ROWS_AT_ONCE = 1000


def company(words: Ids, lengths: Ids, size: int, window: int = WINDOW) -> csr_matrix:
    """(size, size) how often words stand near each other: at distance d, (window + 1 - d) / window.

    words    numbers of the words in reading order, -1 for one that does not count
    lengths  (texts,) words of each text
    size     how many words are known
    """
    text = np.repeat(np.arange(len(lengths)), lengths)
    total = csr_matrix((size, size))
    for apart in range(1, window + 1):
        first, second = words[:-apart], words[apart:]
        near = (text[:-apart] == text[apart:]) & (first >= 0) & (second >= 0)
        share = np.full(int(near.sum()), (window + 1 - apart) / window)
        total = total + csr_matrix((share, (first[near], second[near])), shape=(size, size))
    return (total + total.T).tocsr()


def positive_information(counts: csr_matrix, smoothed: float = SMOOTHED) -> csr_matrix:
    """max(0, log(p(w, c) / (p(w) p'(c)))) where it is not 0; p' is the share of a context after raising its count to
    the power `smoothed`."""
    found = counts.tocoo()
    total = found.data.sum()
    if not total:
        return counts
    word = np.asarray(counts.sum(axis=1)).ravel() / total
    context = np.asarray(counts.sum(axis=0)).ravel() ** smoothed
    context = context / context.sum()
    information = np.log(found.data / total / (word[found.row] * context[found.col]))
    kept = information > 0
    return csr_matrix((information[kept], (found.row[kept], found.col[kept])), shape=counts.shape)


def word_vectors(words: Ids, lengths: Ids, size: int, *, dimensions: int = DIMENSIONS, seed: int = 0) -> Floats:
    """(size, dimensions) vectors of length 1, or 0 for a word without company; see `company` for what is given."""
    from sklearn.utils.extmath import randomized_svd

    information = positive_information(company(words, lengths, size))
    wanted = min(dimensions, size - 1)
    if wanted < 1 or not information.nnz:
        return np.zeros((size, 1))
    left, strengths, _ = randomized_svd(information, wanted, random_state=seed)
    vectors = left * np.sqrt(strengths)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 1e-12))


def by_chance(words: Ids, lengths: Ids, size: int, *, dimensions: int = DIMENSIONS, seed: int = 0) -> float:
    """The cosine below which 99 of 100 pairs of words stay when the words of all texts are shuffled, so that company
    says nothing."""
    random = np.random.default_rng([seed, 11])
    vectors = word_vectors(random.permutation(words), lengths, size, dimensions=dimensions, seed=seed)
    some = np.sort(random.choice(size, min(size, SAMPLED), replace=False))
    likeness = vectors[some] @ vectors[some].T
    apart = likeness[~np.eye(len(some), dtype=bool)]
    return float(np.quantile(apart, 1 - CHANCE)) if len(apart) else 1.0


def nearest(vectors: Floats, most: int, least: float) -> list[Ids]:
    """For each word the at most `most` nearest others whose cosine is above `least`, nearest first. No vector, no
    neighbour."""
    found: list[Ids] = []
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        near = vectors[start : start + ROWS_AT_ONCE] @ vectors.T
        near[np.arange(len(near)), start + np.arange(len(near))] = -np.inf
        order = np.argsort(-near, axis=1, kind="stable")[:, :most]
        for row, own in zip(near, order, strict=True):
            found.append(own[(row[own] > least) & (row[own] > 1e-9)])
    return found
