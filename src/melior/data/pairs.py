"""Translation pairs: texts that say the same in two languages, from a file of two columns."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import polars as pl

from melior.data.files import read_file
from melior.errors import UserError
from melior.texts.languages import LANGUAGES, MERGED, UNKNOWN, identify

FORMS = '"source" and "target" (and "source_language" and "target_language"), or two columns named by their languages'


@dataclass(frozen=True)
class Pairs:
    """Texts of pairs, (pairs,) each, with their languages (ISO 639), and what messages call them."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    source_language: tuple[str, ...]
    target_language: tuple[str, ...]
    name: str = "pairs"

    def __len__(self) -> int:
        return len(self.source)

    def directions(self) -> Iterator[tuple[str, str, "Pairs"]]:
        """The pairs from each language to each other one that there is, in both directions, in alphabetical order."""
        found: dict[tuple[str, str], list[int]] = {}
        for at, ways in enumerate(zip(self.source_language, self.target_language, strict=True)):
            found.setdefault(ways, []).append(at)
        turned = self.turned()
        for one, other in sorted({*found, *((b, a) for a, b in found)}):
            if one == other:
                continue
            here, back = found.get((one, other), []), found.get((other, one), [])
            yield one, other, self.take(here).joined(turned.take(back))

    def turned(self) -> "Pairs":
        """Source and target changed about."""
        return Pairs(self.target, self.source, self.target_language, self.source_language, self.name)

    def take(self, which: list[int]) -> "Pairs":
        parts = (self.source, self.target, self.source_language, self.target_language)
        source, target, spoken, wanted = (tuple(part[at] for at in which) for part in parts)
        return Pairs(source, target, spoken, wanted, self.name)

    def joined(self, other: "Pairs") -> "Pairs":
        return Pairs(
            self.source + other.source, self.target + other.target, self.source_language + other.source_language,
            self.target_language + other.target_language, self.name,
        )  # fmt: skip

    def digest(self) -> str:
        """Changes when the pairs do."""
        parts = (self.source, self.target, self.source_language, self.target_language)
        return sha256("\x1e".join("\x1f".join(part) for part in parts).encode("utf-8", "surrogatepass")).hexdigest()


def translation_pairs(path: str | Path) -> Pairs:
    """The pairs of a file (CSV, TSV, JSONL, Parquet), each once; those with an empty side are left out.

    Columns: `source` and `target`, with `source_language` and `target_language` or else languages as the texts read;
    or two columns that are named by their languages, such as `en` and `de`. Read once as long as the file is the same.
    """
    return _pairs(str(path), *stamp(path))


@lru_cache(maxsize=4)
def _pairs(path: str, changed: int, size: int) -> Pairs:
    raw = read_file(Path(path))
    frame, name = raw.frame, raw.name
    columns = frame.columns
    if {"source", "target"} <= set(columns):
        sides = ["source", "target"]
        told = [f"{side}_language" if f"{side}_language" in columns else None for side in sides]
        frame = frame.select(*sides, *(column for column in told if column))
    elif len(columns) == 2 and all(is_code(column) for column in columns):
        sides, told = list(columns), [None, None]
    else:
        raise UserError(f"{name}: it has the columns {', '.join(columns[:8])}; {FORMS} are needed.")
    frame = frame.with_columns(pl.col(side).cast(pl.String).str.strip_chars() for side in sides)
    full = pl.all_horizontal(pl.col(side).is_not_null() & (pl.col(side) != "") for side in sides)
    frame = frame.filter(full).unique(maintain_order=True)
    if not frame.height:
        raise UserError(f"{name}: it holds no pairs.")
    languages = []
    for side, column in zip(sides, told, strict=True):
        if column is not None:
            languages.append([code(one) for one in frame.get_column(column).cast(pl.String).fill_null("").to_list()])
        elif side in ("source", "target"):
            languages.append([usual(frame.get_column(side), name)] * frame.height)
        else:
            languages.append([code(side)] * frame.height)
    texts = [tuple(frame.get_column(side).to_list()) for side in sides]
    return Pairs(texts[0], texts[1], tuple(languages[0]), tuple(languages[1]), name)


def stamp(path: str | Path) -> tuple[int, int]:
    """When a file was changed, and its bytes: what was made of it is kept as long as these are the same."""
    try:
        state = Path(path).stat()
    except OSError:
        return 0, 0  # reading it says what is wrong
    return state.st_mtime_ns, state.st_size


def code(name: str) -> str:
    """The code that texts of a language are known by: "pt_BR" is pt, "nb" is no.

    >>> code("pt_BR"), code("NB")
    ('pt', 'no')
    """
    short = name.strip().replace("-", "_").split("_")[0].lower()
    return {"nb": "no"}.get(short, MERGED.get(short, short))


def is_code(name: str) -> bool:
    return code(name) in LANGUAGES


def usual(texts: pl.Series, name: str) -> str:
    """The language of most of the texts."""
    counts = Counter(one for one in identify(texts).names() if one != UNKNOWN)
    if not counts:
        raise UserError(f"{name}: the language of its texts cannot be told; add source_language and target_language.")
    return counts.most_common(1)[0][0]
