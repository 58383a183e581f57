"""Passages that stand word for word in many otherwise different texts: signatures, disclaimers, navigation."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]

# Words of a passage at least. Where words are not put apart each letter is a token, and it takes more of them to say as
# much: a Chinese or Japanese word has about two letters, a Thai or Khmer one about five.
WORDS = 12
LETTERS = {r"[\p{Han}\p{Hiragana}\p{Katakana}]": 24, r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]": 60}
MOST_TEXTS = 20_000
MOST_WORDS = 1_000  # of a text
MOST_TOKENS = 4_000_000
NEARLY_ALL = 0.8
TOKEN = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]|[\p{L}\p{M}\p{N}]+"
_STEP = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Passages:
    """Repeated passages of a column.

    positions  (texts,) texts that hold one and are otherwise their own, those it makes up most first
    shares     (texts,) share of each text's words that stands in such passages
    share      of all words looked at
    longest    the most frequent passage, as it is written in one of the texts
    texts      how many of the texts that were looked at hold that one
    looked     (looked,) positions looked at: each distinct text once, a sample of more than 20,000
    """

    positions: Rows
    shares: Floats
    share: float
    longest: str
    texts: int
    looked: Rows


def passages(texts: pl.Series, fewest: int, seed: int = 0) -> Passages | None:
    """Passages of twelve words and more that stand in `fewest` distinct texts and more; None where there are none.

    texts (rows,) of strings, null where missing; case, punctuation and white space do not count. In Chinese and
    Japanese 24 letters count as twelve words, in Thai, Lao, Khmer and Burmese 60. Texts of which passages make up more
    than four fifths are copies of one another, and not counted among the texts that share one. Of each text the first
    thousand words are read, of more than four million words in all a sample of the texts.

    >>> hotels = ["clean and quiet", "loud", "far from the sea", "good value", "a bit old"]
    >>> ending = "this review was written on a phone and sent by the app of our hotels"
    >>> found = passages(pl.Series([f"Our room in this hotel was {said}. {ending}" for said in hotels]), fewest=5)
    >>> found.longest
    'this review was written on a phone and sent by the app of our hotels'
    """
    once = texts.cast(pl.String).str.slice(0, 12 * MOST_WORDS).to_frame("text").with_row_index("row")
    once = once.drop_nulls().unique("text", keep="first", maintain_order=True)
    generator = np.random.default_rng(seed)
    if once.height > MOST_TEXTS:
        once = once[np.sort(generator.choice(once.height, MOST_TEXTS, replace=False))]
    many = once.get_column("text").str.count_matches(TOKEN)
    size = int(many.clip(0, MOST_WORDS).sum())
    if size > MOST_TOKENS:
        fewer = max(1, int(once.height * MOST_TOKENS / size))
        once = once[np.sort(generator.choice(once.height, fewer, replace=False))]
    looked = once.get_column("row").to_numpy().astype(np.int64)
    lists = once.get_column("text").str.extract_all(TOKEN).list.head(MOST_WORDS)
    sizes = lists.list.len().to_numpy().astype(np.int64)
    if not sizes.any() or fewest > once.height:
        return None
    row = np.repeat(np.arange(len(sizes)), sizes)
    words = lists.explode(empty_as_null=False).str.to_lowercase()
    length = next(
        (long for script, long in LETTERS.items() if 2 * words.str.contains(script).sum() > len(words)), WORDS
    )
    hashes = words.hash(seed=7).to_numpy()
    shared, start = _shared(hashes, row, fewest, length)
    covered = _spread(shared, length)
    part = np.bincount(row[covered], minlength=len(sizes)) / np.maximum(sizes, 1)
    copies = part > NEARLY_ALL
    if copies.any():  # copies share all their words: what is left is judged without them
        shared, start = _shared(hashes, row, fewest, length, ~copies[row])
        covered = _spread(shared, length)
        part = np.bincount(row[covered], minlength=len(sizes)) / np.maximum(sizes, 1)
    hits = np.flatnonzero(part > 0)
    if not len(hits):
        return None
    hits = hits[np.argsort(-part[hits], kind="stable")]
    text, texts_of = _longest(once.get_column("text"), words, row, shared, start, length)
    return Passages(looked[hits], part[hits], float(covered.sum() / len(row)), text, texts_of, looked)


def _shared(
    words: NDArray[np.uint64], row: Rows, fewest: int, length: int, wanted: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """For each word whether a passage that `fewest` texts share starts there, and the hash of its words."""
    start = np.zeros(len(words), dtype=np.uint64)
    last = len(words) - length + 1
    whole = np.zeros(len(words), dtype=bool)
    if last > 0:
        for step in range(length):
            start[:last] = start[:last] * _STEP + words[step : step + last]
        whole[:last] = row[:last] == row[length - 1 :]  # all words are of one text
    if wanted is not None:
        whole &= wanted
    where = np.flatnonzero(whole)
    order = where[np.lexsort((row[where], start[where]))]
    hashes, rows = start[order], row[order]
    new_hash = np.concatenate([[True], hashes[1:] != hashes[:-1]])
    new_text = new_hash | np.concatenate([[True], rows[1:] != rows[:-1]])
    texts_of = np.bincount(np.cumsum(new_hash) - 1, weights=new_text) if len(order) else np.empty(0)
    shared = np.zeros(len(words), dtype=bool)
    shared[order] = texts_of[np.cumsum(new_hash) - 1] >= fewest if len(order) else False
    return shared, start


def _spread(shared: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """From the words at which passages start to all words in them."""
    covered = shared.copy()
    for step in range(1, length):
        covered[step:] |= shared[:-step]
    return covered


def _longest(
    texts: pl.Series, words: pl.Series, row: Rows, shared: NDArray[np.bool_], start: NDArray[np.uint64], length: int
) -> tuple[str, int]:
    """The passage that stands in most texts, grown to both sides as long as as many texts share it."""
    where = np.flatnonzero(shared)
    hashes, first, number = np.unique(start[where], return_index=True, return_inverse=True)
    pairs = np.unique(np.column_stack([number, row[where]]), axis=0)
    texts_of = np.bincount(pairs[:, 0], minlength=len(hashes))
    begin = int(where[first[texts_of.argmax()]])
    count = dict(zip(where.tolist(), texts_of[number].tolist(), strict=True))
    most = int(texts_of.max())
    left = right = begin
    while count.get(left - 1, 0) >= most and row[left - 1] == row[begin]:
        left -= 1
    while count.get(right + 1, 0) >= most and row[right + 1] == row[begin]:
        right += 1
    text = texts[int(row[begin])]
    before = left - int(np.searchsorted(row, row[begin]))
    spans = pl.select(pl.lit(text).str.extract_all(TOKEN)).item().to_list()
    at = begin_at = 0
    for number_of, token in enumerate(spans[: before + right + length - left]):
        at = text.index(token, at)
        if number_of == before:
            begin_at = at
        at += len(token)
    return " ".join(text[begin_at:at].split()), most
