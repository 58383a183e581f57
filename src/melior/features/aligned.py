"""Words of other languages as words of the language that most training rows are in, by translation pairs."""

from collections import Counter
from typing import Self

import numpy as np
import polars as pl

from melior.data.dictionaries import dictionaries
from melior.data.pairs import code
from melior.data.table import Table
from melior.features._base import TableStep
from melior.texts.dictionary import switched, words
from melior.texts.languages import UNKNOWN, identify


class AlignedWords(TableStep):
    """Writes words that the training rows do not have, but the pairs, as their likeliest translation, so that words
    that say the same are one feature. A word that is also one of the main language stays.

    What Conneau et al. (XNLI, EMNLP 2018) call translating the test rows, word by word.

    pairs   a file of translation pairs
    digest  of its pairs, so that a changed file is another step
    """

    def __init__(self, pairs: str, digest: str) -> None:
        self.pairs = pairs
        self.digest = digest
        self.instead: dict[str, str] = {}

    def fit(self, table: Table, seed: int) -> Self:
        self.instead = {}  # its own: the step that it was made from keeps none
        main = main_language(table)
        ways = dictionaries(self.pairs)
        known = {word for name in table.of_kind("text") for text in table.column(name).drop_nulls().to_list()
                 for word in words(text)}  # fmt: skip
        known |= {word for own in (ways.get(main) or {}).values() for word in own}
        for language in sorted(ways):
            for word, said in (ways[language].get(main) or {}).items():
                if language != main and word not in known:
                    self.instead.setdefault(word, said[0])
        return self

    def transform(self, table: Table) -> Table:
        if not self.instead:
            return table
        as_said = {word: (said,) for word, said in self.instead.items()}
        random = np.random.default_rng(0)  # every word is replaced: nothing is drawn
        columns = []
        for name in table.of_kind("text"):
            texts = [None if text is None else switched(text, as_said, 1.0, random)[0]
                     for text in table.column(name).to_list()]  # fmt: skip
            columns.append(pl.Series(name, texts, dtype=pl.String))
        return table.with_frame(table.frame.with_columns(columns))


def main_language(table: Table) -> str:
    """The code of the language of most rows, as a language column says or else as the texts read; "" where it cannot be
    told."""
    told = table.of_kind("language")
    if told:
        names = [code(name) for name in table.column(told[0]).drop_nulls().to_list()]
    else:
        parts = [pl.col(name) for name in table.of_kind("text")]
        texts = table.frame.select(pl.concat_str(parts, separator="\n", ignore_nulls=True)).to_series()
        names = [name for name in identify(texts).names() if name != UNKNOWN]
    return Counter(names).most_common(1)[0][0] if names else ""
