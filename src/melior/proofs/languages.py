"""Rows in several languages for the experiments: manual pages with their section, and messages as translation pairs.

A row is the beginning of a page's text; its answer is the section that the page stands in. The same page in two
languages has the same name, and no name stands on both sides of a split.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
import polars as pl

from melior.data.read import read
from melior.proofs import debian
from melior.proofs._base import Given
from melior.proofs.sources import CACHE
from melior.storage import write_atomic

SECTIONS = {"1": "commands", "5": "formats", "7": "overviews", "8": "administration"}
LETTERS = 500
FEWEST_LETTERS = 120
TARGET = "section"


class Page(NamedTuple):
    name: str
    language: str
    section: str
    text: str


def lent(name: str) -> bool:
    """Whether a page is only used for translation pairs and unlabelled texts: a third of the names, never scored."""
    return crc32(name.encode()) % 3 == 0


@cache
def whole_pages() -> dict[tuple[str, str], list[str]]:
    """(language, name with section) -> the paragraphs of a page."""
    return {(page.language, page.file): list(debian.without_markup(page.text)) for page in debian.manual_pages()}


@cache
def pages() -> tuple[Page, ...]:
    """The pages of four sections in all languages, in the order of language and name; without the line of the title,
    in which a page's name stands."""
    found = {}
    for (language, page), paragraphs in whole_pages().items():
        name, _, section = page.rpartition(".")
        if section[:1] not in SECTIONS:
            continue
        text = " ".join(one for one in paragraphs if " " in one or len(one) > 40)
        text = text.partition(" - ")[2] or text  # "name - what it does"
        if len(text) >= FEWEST_LETTERS:
            found[language, name] = Page(name, language, SECTIONS[section[:1]], text[:LETTERS])
    return tuple(found[key] for key in sorted(found))


def given(
    trained: Mapping[str, int], scored: Sequence[str], seed: int, *, share: float = 0.5, told: bool = True,
    sections: Sequence[str] = tuple(SECTIONS.values()),
) -> Given:  # fmt: skip
    """Pages to train on, at most so many of each language, and those to be scored on: of other names, all languages
    with as many rows as the one of the fewest.

    share   of the names that are scored
    told    a column says the language; False: it has to be read off the texts
    """
    random = np.random.default_rng([seed, 41])
    every = [page for page in pages() if page.section in sections and not lent(page.name)]
    names = sorted({page.name for page in every})
    aside = {names[at] for at in random.permutation(len(names))[: round(share * len(names))]}
    train: list[Page] = []
    for language, most in trained.items():
        own = [page for page in every if page.language == language and page.name not in aside]
        train += [own[at] for at in np.sort(random.permutation(len(own))[:most])]
    held = {one: [page for page in every if page.language == one and page.name in aside] for one in scored}
    fewest = min(len(own) for own in held.values())
    test = [own[at] for own in held.values() for at in np.sort(random.permutation(len(own))[:fewest])]
    frame = pl.DataFrame(
        {
            "text": [page.text for page in train + test],
            **({"language": [page.language for page in train + test]} if told else {}),
            TARGET: [page.section for page in train + test],
        }
    )
    kinds = {"text": "text", **({"language": "language"} if told else {})}
    table = read(frame, target=TARGET, columns=kinds, name="manual pages")
    return Given(table.take(np.arange(len(train))), table.take(np.arange(len(train), table.rows)))


@cache
def messages() -> dict[str, dict[str, str]]:
    """Language -> English message, of two words and more -> its translation, both without marks for programs."""
    found: dict[str, dict[str, str]] = {}
    for language, _, english, said in debian.translated():
        original, other = debian.plain(english), debian.plain(said)
        if len(original.split()) >= 2 and other and other != original and "\n" not in said.strip():
            found.setdefault(language, {}).setdefault(original, other)
    return found


def translations(one: str, other: str) -> list[tuple[str, str]]:
    """Messages in two languages that say the same, by way of the English original, and paragraphs of the pages that
    are lent: where both languages have as many of them, they are translations one by one."""
    told, paged = messages(), whole_pages()
    if one == "en":
        found = set(told[other].items())
    else:
        found = {(said, told[other][key]) for key, said in told[one].items() if key in told[other]}
    for language, page in paged:
        if language != one or not lent(page.rpartition(".")[0]) or (other, page) not in paged:
            continue
        sides = paged[one, page], paged[other, page]
        if len(sides[0]) == len(sides[1]):
            cut = [(a[:LETTERS], b[:LETTERS]) for a, b in zip(*sides, strict=True)]
            found |= {(a, b) for a, b in cut if a != b and min(len(a), len(b)) > 10 and 0.5 < len(a) / len(b) < 2}
    return sorted(found)


def pairs_path(one: str, other: str) -> str:
    """Where `pairs_file` writes the pairs; a recipe may name it before it is there."""
    return str(CACHE / "languages" / f"{one}-{other}.jsonl")


def pairs_file(one: str, other: str) -> Path:
    """A file of translation pairs, made once."""
    path = Path(pairs_path(one, other))
    if not path.exists():
        rows = (
            {"source": a, "target": b, "source_language": one, "target_language": other}
            for a, b in translations(one, other)
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def texts_path(*languages: str, most: int) -> str:
    """Where `texts_file` writes the texts."""
    return str(CACHE / "languages" / f"texts-{'-'.join(languages)}-{most}.jsonl")


def texts_file(*languages: str, most: int) -> Path:
    """A file of unlabelled texts: paragraphs of the pages that are lent, at most so many of each language."""
    path = Path(texts_path(*languages, most=most))
    if not path.exists():
        random, rows = np.random.default_rng(7), []
        for language in languages:
            pages = sorted(whole_pages().items())
            own = [text[:LETTERS] for (spoken, page), paragraphs in pages for text in paragraphs
                   if spoken == language and lent(page.rpartition(".")[0]) and len(text) >= FEWEST_LETTERS]  # fmt: skip
            own = list(dict.fromkeys(own))
            rows += [{"text": own[at], "language": language} for at in np.sort(random.permutation(len(own))[:most])]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path
