"""Texts to terms: words and runs of words (single characters where a script has no spaces), weighted by TF-IDF.

Counting terms needs nothing but the row itself, so it is done once for all rows of a file and shared by every fold;
which terms are kept, and their weights, is learned from training rows only. A term is kept by training rows alone,
so sharing the counts leaks nothing: a word that occurs only in held-out rows is never a feature.

tf-idf of a term in a row: (1 + log count) * (1 + log((1 + rows) / (1 + rows with the term))), each row then scaled to
length 1.  Salton and Buckley, Term-weighting approaches in automatic text retrieval, 1988 (smooth idf).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from melior.data.table import Table
from melior.features._base import as_float32
from melior.features.blocks import Block, Values

# Han, kana and Thai are written without spaces: each character is a word, and pairs of them serve as words.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}"
EMOJI = r"\p{Regional_Indicator}{2}|\p{Extended_Pictographic}[\x{FE0F}\x{1F3FB}-\x{1F3FF}]*"  # one of them is a word
WORD = rf"{EMOJI}|[{UNSPACED}]|[[\p{{L}}\p{{M}}\p{{N}}_']--[{UNSPACED}]]+"
ROWS_AT_ONCE = 100_000

Ids = NDArray[np.int64]


def words_of(texts: pl.Series) -> pl.Series:
    """Each row's words: lower case, compatibility forms folded (full-width letters to plain ones)."""
    return texts.fill_null("").str.normalize("NFKC").str.to_lowercase().str.extract_all(WORD)


@dataclass
class Counts:
    """Terms counted in every row of a column.

    words   the distinct words
    grams   by length: (terms, length) numbers of the words that make each term, the shortest terms first
    counts  (rows, terms) CSR of counts, in the order of grams
    """

    words: list[str]
    grams: list[NDArray[np.int32]]
    counts: csr_matrix


def number_words(texts: pl.Series) -> tuple[list[str], NDArray[np.int32], Ids]:
    """The distinct words, the number of every word in reading order (-1 never), and the words in each row."""
    known: dict[str, int] = {}
    pieces, lengths = [], []
    for start in range(0, max(len(texts), 1), ROWS_AT_ONCE):
        listed = words_of(texts.slice(start, ROWS_AT_ONCE))
        lengths.append(listed.list.len().to_numpy().astype(np.int64))
        flat = listed.list.explode(keep_nulls=False, empty_as_null=False)
        distinct = flat.unique(maintain_order=True).drop_nulls()
        numbers = [known.setdefault(word, len(known)) for word in distinct.to_list()]
        if len(distinct):
            numbered = flat.replace_strict(distinct, pl.Series(numbers, dtype=pl.Int32), return_dtype=pl.Int32)
            pieces.append(numbered.to_numpy())
    flat_numbers = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int32)
    # in order of the words themselves: in order of appearance, rows would say in which order others have their terms
    words = sorted(known)
    place = np.empty(len(words), dtype=np.int32)
    place[[known[word] for word in words]] = np.arange(len(words), dtype=np.int32)
    return words, place[flat_numbers], np.concatenate(lengths)


def number_characters(texts: pl.Series) -> tuple[list[str], NDArray[np.int32], Ids]:
    """The same for characters: lower case, runs of white space are one space, one space around each text."""
    padded = " " + texts.fill_null("").str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s+", " ") + " "
    lengths = padded.str.len_chars().to_numpy().astype(np.int64)
    points = np.frombuffer("".join(padded.to_list()).encode("utf-32-le"), dtype=np.uint32)
    distinct, numbers = np.unique(points, return_inverse=True)
    return [chr(point) for point in distinct], numbers.astype(np.int32), lengths


NUMBERED = {"words": number_words, "characters": number_characters}


def count_terms(texts: pl.Series, shortest: int, longest: int, unit: str = "words") -> Counts:
    """Counts every run of `shortest` to `longest` words (or characters) that occurs in at least two rows."""
    words, flat, lengths = NUMBERED[unit](texts)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    grams: list[NDArray[np.int32]] = []
    blocks: list[csr_matrix] = []
    # term of each position for the current length; -1 where no term starts there
    terms = flat.astype(np.int64)
    shape_words = len(words)
    gram = np.arange(shape_words, dtype=np.int32).reshape(-1, 1)
    for length in range(1, longest + 1):
        if length > 1:
            following = flat[length - 1 :].astype(np.int64)
            before = terms[: len(following)]
            fits = (before >= 0) & (rows[: len(following)] == rows[length - 1 :])
            keys = before * shape_words + following
            distinct, inverse = np.unique(keys[fits], return_inverse=True)
            if not len(distinct):
                break
            gram = np.hstack([gram[distinct // shape_words], (distinct % shape_words).astype(np.int32).reshape(-1, 1)])
            terms = np.full(len(following), -1, dtype=np.int64)
            terms[fits] = inverse
        present = terms >= 0
        shape = (len(lengths), len(gram))
        ones = np.ones(int(present.sum()), dtype=np.float32)
        counted = csr_matrix((ones, (rows[: len(terms)][present], terms[present])), shape=shape)
        # a longer run can occur in two rows only if this one does: the rest need not be looked at again
        often = np.bincount(counted.indices, minlength=shape[1]) >= 2
        renumbered = np.where(often, np.cumsum(often) - 1, -1)
        if length >= shortest:
            grams.append(gram[often])
            blocks.append(counted[:, np.flatnonzero(often)])
        gram = gram[often]
        terms[present] = renumbered[terms[present]]
    return Counts(words, grams, stacked(blocks) if blocks else csr_matrix((len(lengths), 0), dtype=np.float32))


def stacked(blocks: list[csr_matrix]) -> csr_matrix:
    from scipy.sparse import hstack

    joined = hstack(blocks, format="csr", dtype=np.float32)
    joined.sort_indices()
    return joined


class Terms(Block):
    """TF-IDF of one text column.

    shortest, longest  the runs of words (or of characters, where unit is "characters") that are terms
    fewest    a term occurs in at least this many training rows
    most      at most so many terms, those in most rows first
    scale     each row's length after weighting; larger means less penalty on terms than on other features
    """

    def __init__(
        self,
        column: str,
        *,
        unit: str = "words",
        shortest: int = 1,
        longest: int = 2,
        fewest: int = 2,
        most: int = 100_000,
        scale: float = 1.0,
    ) -> None:
        self.column = column
        self.unit = unit
        self.shortest = shortest
        self.longest = longest
        self.fewest = fewest
        self.most = most
        self.scale = scale

    def fit(self, table: Table, seed: int) -> Self:
        counted = self._counted(table)
        counts = counted.counts if table.positions is None else counted.counts[table.positions]
        in_rows = np.bincount(counts.indices, minlength=counts.shape[1])
        kept = np.flatnonzero(in_rows >= self.fewest)
        if len(kept) > self.most:
            # ties in the order of the terms, so that the choice does not depend on the sort
            kept = np.sort(kept[np.argsort(-in_rows[kept], kind="stable")[: self.most]])
        self.idf = 1 + np.log((1 + table.rows) / (1 + in_rows[kept]))
        starts = np.cumsum([0, *(len(gram) for gram in counted.grams)])
        picked = [
            gram[kept[(kept >= starts[n]) & (kept < starts[n + 1])] - starts[n]] for n, gram in enumerate(counted.grams)
        ]
        used = np.unique(np.concatenate([gram.ravel() for gram in picked])) if len(kept) else np.empty(0, np.int64)
        self.words = [counted.words[number] for number in used]
        self.grams = [np.searchsorted(used, gram).astype(np.int32) for gram in picked]
        self._kept = (counted, kept)
        return self

    def transform(self, table: Table) -> Values:
        shared = getattr(self, "_kept", None)
        if shared is not None and table.positions is not None and self._counted(table) is shared[0]:
            counts = shared[0].counts[table.positions][:, shared[1]]
        else:
            counts = self._look_up(table.column(self.column))
        weighted = counts.astype(np.float64)
        weighted.sort_indices()
        np.log(weighted.data, out=weighted.data)
        weighted.data += 1
        weighted.data *= self.idf[weighted.indices]
        length = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        return (diags(self.scale / np.maximum(length, 1e-300)) @ weighted).tocsr()

    def names(self) -> list[str]:
        between = " " if self.unit == "words" else ""
        words = np.array(self.words, dtype=object)
        found: list[str] = []
        for gram in self.grams:
            spelled = f"{self.column}: " + words[gram[:, 0]] if len(gram) else words[:0]
            for place in range(1, gram.shape[1]):
                spelled = spelled + between + words[gram[:, place]]
            found += spelled.tolist()
        return found

    def presence(self, table: Table) -> tuple[csr_matrix, csr_matrix, Callable[[Ids], list[str]]]:
        """Which terms stand in which rows, (rows, terms) of zeros and ones, and which stand there more than once; and a
        function from numbers of terms to their words. Fits nothing: a row's terms depend on the row alone."""
        counted = self._counted(table)
        counts = counted.counts if table.positions is None else counted.counts[table.positions]
        present = counts.copy().astype(np.float64)
        present.data[:] = 1.0
        again = present.copy()
        again.data[:] = counts.data > 1
        starts = np.cumsum([0, *(len(gram) for gram in counted.grams)])
        between = " " if self.unit == "words" else ""

        def names(numbers: Ids) -> list[str]:
            found = []
            for number in numbers:
                length = int(np.searchsorted(starts, number, side="right")) - 1
                gram = counted.grams[length][number - starts[length]]
                found.append(between.join(counted.words[word] for word in gram))
            return found

        return present, again, names

    def _counted(self, table: Table) -> Counts:
        how = (self.shortest, self.longest, self.unit)
        if table.root is None or table.positions is None:
            return count_terms(table.column(self.column), *how)
        root = table.root
        counted: Counts = root.once(
            ("terms", self.column, *how), lambda: count_terms(root.frame.get_column(self.column), *how)
        )
        return counted

    def _look_up(self, texts: pl.Series) -> csr_matrix:
        """Counts of the kept terms in rows of any origin."""
        number = {word: position for position, word in enumerate(self.words)}
        words, flat, lengths = NUMBERED[self.unit](texts)
        known = np.array([number.get(word, -1) for word in words], dtype=np.int64)
        flat_known = known[flat] if len(words) else np.empty(0, dtype=np.int64)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        base = max(len(self.words), 1)
        blocks = []
        for gram in self.grams:
            length = gram.shape[1]
            windows = max(len(flat_known) - length + 1, 0)
            keys = np.zeros(windows, dtype=np.float64 if base**length > 2**62 else np.int64)
            fits = np.ones(windows, dtype=bool)
            own = np.zeros(len(gram), dtype=keys.dtype)
            for place in range(length):
                here = flat_known[place : place + windows]
                fits &= (here >= 0) & (rows[place : place + windows] == rows[:windows])
                keys = keys * base + here
                own = own * base + gram[:, place]
            order = np.argsort(own, kind="stable")
            position = np.searchsorted(own[order], keys)
            position = np.minimum(position, max(len(own) - 1, 0))
            found = fits & (own[order][position] == keys) if len(own) else np.zeros(windows, dtype=bool)
            terms = order[position[found]] if len(own) else np.empty(0, dtype=np.int64)
            ones = np.ones(len(terms), dtype=np.float32)
            blocks.append(csr_matrix((ones, (rows[:windows][found], terms)), shape=(len(lengths), len(gram))))
        return stacked(blocks)


class TextDimensions(Block):
    """A text column in a few dimensions: TF-IDF, then truncated SVD fitted on training rows.

    Deerwester et al., Indexing by latent semantic analysis, 1990; the SVD is randomised (Halko et al. 2011).
    """

    def __init__(self, column: str, *, dimensions: int = 32, most: int = 20_000) -> None:
        self.column = column
        self.dimensions = dimensions
        self.terms = Terms(column, longest=1, most=most)

    def fit(self, table: Table, seed: int) -> Self:
        from sklearn.utils.extmath import randomized_svd

        weighted = self.terms.fit(table, seed).transform(table)
        wanted = min(self.dimensions, min(weighted.shape) - 1)
        if wanted < 1:
            self.axes = np.zeros((0, weighted.shape[1]))
            return self
        sample = weighted
        if weighted.shape[0] > 50_000:  # the axes need no more rows than this; which ones is decided by the seed
            chosen = np.random.default_rng(seed).choice(weighted.shape[0], 50_000, replace=False)
            sample = weighted[np.sort(chosen)]
        _, _, axes = randomized_svd(sample, wanted, n_iter=4, random_state=seed)
        self.axes = as_float32(axes).astype(np.float64)
        return self

    def transform(self, table: Table) -> Values:
        return np.asarray(self.terms.transform(table) @ self.axes.T)

    def names(self) -> list[str]:
        return [f"{self.column}: dimension {number + 1}" for number in range(len(self.axes))]
