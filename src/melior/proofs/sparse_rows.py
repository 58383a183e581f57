"""Rows of many features of which each has few: short messages and paragraphs of manual pages, and made ones."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import polars as pl

from melior.proofs._base import Given
from melior.proofs.data import few, given
from melior.proofs.debian import manual_pages, plain, translated, without_markup
from melior.proofs.tables import Rows, split

SECTIONS = ("4", "5", "7", "8")  # of English manual pages: devices, files, conventions, programs of administrators
SHORTEST, MOST = 80, 500  # letters of a paragraph; paragraphs of a section


@lru_cache
def messages() -> Rows:
    """English messages of four words and more, and the program that says each: five classes, some 2,500 rows."""
    found: dict[str, str] = {}
    for language, catalogue, original, _ in translated():
        said = plain(original)
        if language == "de" and len(said.split()) >= 4:  # what was translated: catalogues hold no English alone
            found.setdefault(said, catalogue)
    return _rows("messages", found)


@lru_cache
def sections() -> Rows:
    """Paragraphs of English manual pages and the section that each is from: four classes."""
    pages = [page for page in manual_pages() if page.language == "en"]
    found: dict[str, str] = {}
    for section in SECTIONS:
        own: dict[str, str] = {}
        for page in pages:
            if page.section == section:
                own |= dict.fromkeys((p for p in without_markup(page.text) if len(p) >= SHORTEST), f"section {section}")
        chosen = np.random.default_rng(0).permutation(len(own))[:MOST]
        found |= {text: label for number, (text, label) in enumerate(own.items()) if number in set(chosen.tolist())}
    return _rows("manual pages", found)


def _rows(name: str, found: dict[str, str]) -> Rows:
    texts = pl.DataFrame({"text": list(found)})
    return Rows(name, texts, np.array(list(found.values())), ("text",))


def of(rows: Rows, seed: int, *, training: int | None = None, share: float = 0.7) -> Given:
    """Split anew for each seed, with at most so many training rows."""
    train, test = split(rows, share, seed)
    return given(train if training is None else few(train, training, seed), test)


def with_gaps(new: Rows, share: float, seed: int) -> Rows:
    """The rows with a share of their words and categories gone, each by chance: forms left open, texts cut short."""
    random = np.random.default_rng([seed, 214])
    columns = []
    for name in [*new.texts, *new.categories()]:
        cells = new.frame[name].to_list()
        if name in new.texts:
            words = [(cell or "").split() for cell in cells]
            made: list[str | None] = [" ".join(w for w in own if random.random() >= share) for own in words]
        else:
            made = [cell if random.random() >= share else None for cell in cells]
        columns.append(pl.Series(name, made, dtype=pl.String))
    return replace(new, frame=new.frame.with_columns(columns))


def gaps_later(rows: Rows, seed: int, *, share: float, training: int | None = None) -> Given:
    """Training rows as they are, and new rows of which a share of words and categories is gone."""
    train, test = split(rows, 0.7, seed)
    return given(train if training is None else few(train, training, seed), with_gaps(test, share, seed))


def shops(rows: int, levels: int, seed: int) -> Rows:
    """Generated rows of a shop, one of very many, and two numbers; the answer leans on both."""
    random = np.random.default_rng([seed, levels, 210])
    lean = random.normal(size=levels)
    shop = random.integers(0, levels, rows)
    numbers = random.normal(size=(rows, 2))
    sure = 1.5 * lean[shop] + numbers @ np.array([1.0, -1.0])
    labels = np.where(random.random(rows) < 1 / (1 + np.exp(-2 * sure)), "yes", "no")
    frame = pl.DataFrame({"shop": [f"s{number}" for number in shop], "a": numbers[:, 0], "b": numbers[:, 1]})
    return Rows(f"{levels:,} shops", frame, labels)
