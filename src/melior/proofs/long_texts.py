"""Real long texts for experiments: manual pages as they are, and reviews that stand late among their paragraphs."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from melior.proofs import data, debian
from melior.proofs._base import Given
from melior.proofs.tables import Rows, all_reviews, split

PACKAGES = ("manpages", "manpages-dev")
SECTIONS = {"2": "system calls", "3": "functions", "7": "overviews"}
DEPARTMENTS = ("Tops", "Dresses", "Bottoms", "Intimate")


@cache
def manual_pages() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(section, paragraphs) of English manual pages of Debian, without markup, each once."""
    folder = debian.unpacked(PACKAGES, "english")
    return tuple(_read(folder))


def _read(folder: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    seen: set[tuple[str, ...]] = set()
    for page in debian.manual_pages(folder):
        if page.section not in SECTIONS:
            continue
        paragraphs = tuple(one for one in debian.without_markup(page.text) if one)
        if len(" ".join(paragraphs)) > 400 and paragraphs not in seen:  # others only name another page
            seen.add(paragraphs)
            yield SECTIONS[page.section], paragraphs


def pages(seed: int, *, rows: int, words: int | None = None) -> Given:
    """Whole manual pages, and which section they stand in: the beginning tells. words: of each, at most."""
    texts = [" ".join(" ".join(paragraphs).split()[:words]) for _, paragraphs in manual_pages()]
    labels = np.array([section for section, _ in manual_pages()])
    return _some(Rows("manual pages", pl.DataFrame({"page": texts}), labels, ("page",)), seed, rows)


def hidden(seed: int, *, rows: int, words: int, late: bool = True) -> Given:
    """Paragraphs of manual pages, about so many words, with a review of clothing among them, and which department the
    piece is of. late: at the end; else anywhere."""
    random = np.random.default_rng([seed, 105])
    found = all_reviews()
    known = found.frame["department"].is_in(list(DEPARTMENTS)) & found.frame["review"].is_not_null()
    of = found.frame.filter(known)
    picked = [_picked(of["department"], name, rows // len(DEPARTMENTS), random) for name in DEPARTMENTS]
    which = random.permutation(np.concatenate(picked))
    paragraphs = [one for _, page in manual_pages() for one in page if 100 < len(one) < 400]
    texts = []
    for review in of["review"].gather(which).to_list():
        around: list[str] = []
        while sum(len(one.split()) for one in around) < words:
            around.append(paragraphs[int(random.integers(len(paragraphs)))])
        place = len(around) if late else int(random.integers(len(around) + 1))
        texts.append(" ".join([*around[:place], review, *around[place:]]))
    labels = of["department"].gather(which).to_numpy().astype(str)
    rowed = Rows("reviews among manual pages", pl.DataFrame({"text": texts}), labels, ("text",))
    return data.given(*split(rowed, data.TRAINED, seed))


def reviews(seed: int, *, rows: int) -> Given:
    """Reviews of clothing alone, and which department the piece is of."""
    return hidden(seed, rows=rows, words=0)


def recommended(seed: int, *, rows: int) -> Given:
    """Reviews of clothing, as many that recommend it as do not."""
    random = np.random.default_rng([seed, 106])
    found = all_reviews()
    labels = pl.Series(found.labels.tolist())
    whole = found.frame["review"].is_not_null() & (found.frame["review"].str.len_chars() > 350)
    of = found.frame.filter(whole)["review"]
    said = labels.filter(whole)
    which = np.concatenate([_picked(said, name, rows // 2, random) for name in said.unique().sort()])
    made = Rows(
        "reviews", pl.DataFrame({"review": of.gather(which)}), said.gather(which).to_numpy().astype(str), ("review",)
    )
    return data.given(*split(made, data.TRAINED, seed))


def _picked(values: pl.Series, value: str, count: int, random: np.random.Generator) -> np.ndarray:
    return random.permutation(np.flatnonzero((values == value).to_numpy()))[:count]


def _some(rows: Rows, seed: int, count: int) -> Given:
    return data.given(*split(data.few(rows, count, seed), data.TRAINED, seed))
