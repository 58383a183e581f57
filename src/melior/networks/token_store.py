"""Rows of language modelling as token ids on disk, made once from a file that may be larger than memory.

Each block of the source (`melior.data.row_blocks`) becomes a piece, which is two files: NUMBER.tokens (see `Piece`) and
NUMBER.json, which says what it was made from, its SHA-256, and the rows of the block that were put aside. `tokens.json`
says how many pieces there are. A piece is written aside and renamed, so that one whose making was interrupted is made
anew and the others are kept; so is one that is damaged, or was made from other rows, tokenizer or limit.

Several ranks make a store together: rank r makes the pieces r, r + ranks, ..., and reads nothing else of the source.
All wait for one another, and each opens the whole. Pieces are the same for any number of ranks.

Memory: a megabyte of rows and their tokens at a time (a longer row alone), and 12 bytes a row once it is open.
Disk: the ids, two bytes each (four where the vocabulary has more than 65,536), and a few rows of each block.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from melior._version import __version__
from melior.data.aside import Aside, Kept, drawn_place, lowest, part_of
from melior.data.language import Row
from melior.data.row_blocks import Block, RowBlocks
from melior.errors import UserError
from melior.networks.conversation import NOTHING, Cut, Language, cut_rows, read_row, with_template
from melior.networks.token_pieces import Bits, Files, Piece, StoredTokens, Values, read_lengths
from melior.networks.tokenizers import saved
from melior.progress import Progress, silent
from melior.storage import sha256, write_atomic

LAYOUT = 1
WHOLE = "tokens.json"
AGAIN = "it is made anew"
SMALL = 2**16  # a vocabulary up to here takes two bytes an id


@dataclass(frozen=True)
class Stored:
    """A store, open.

    language  its rows, as `LanguageRows` takes them
    put       how many rows were put aside, under the names of `Aside`
    held      those that were kept of them, in the order of the source
    """

    language: Language
    put: dict[str, int]
    held: dict[str, list[Row]]


class About(NamedTuple):
    """What all pieces of a store have in common. key: a digest of all that they depend on but the rows."""

    key: str
    blocks: int
    width: int
    most: dict[str, int]


@dataclass
class _Counts:
    """Of one piece."""

    rows: int = 0
    tokens: int = 0
    learned: int = 0
    truncated: int = 0
    dropped: int = 0
    put: dict[str, int] = field(default_factory=dict)


def make(
    path: str | Path | RowBlocks,
    tokenizer: Any,
    limit: int,
    folder: Path,
    rank: int = 0,
    ranks: int = 1,
    *,
    asides: Sequence[Aside] = (),
    seed: int = 0,
    progress: Progress = silent,
) -> list[str]:
    """Makes the pieces of one rank that are not there yet; gives back sentences about those that were damaged.

    limit   most tokens of a row, as in `language`
    folder  of the store; what is there already and fits is kept
    asides  rows that are put aside and not learned, drawn with `seed`

    UserError: a row that cannot be read, with the file and the row.
    """
    blocks = path if isinstance(path, RowBlocks) else RowBlocks(path)
    about = _about(blocks, with_template(tokenizer), limit, asides, seed)
    folder.mkdir(parents=True, exist_ok=True)
    if rank == 0:
        _tidy(folder, about.blocks)
        write_atomic(folder / WHOLE, json.dumps(about._asdict()))
    notes: list[str] = []
    own = blocks.blocks[rank::ranks]
    for done, block in enumerate(own):
        progress("writing tokens", done, len(own), f"block {block.number + 1:,} of {about.blocks:,}")
        wanted = [about.key, blocks.digest(block)]
        if not _there(folder, block.number, wanted, notes):
            try:
                _Writer(folder, block, about, wanted).write(blocks, tokenizer, limit, asides, seed)
            except OSError as error:
                said = f"the tokens could not be written ({error.strerror or error})"
                raise UserError(f"{folder}: {said}: make room and give the same command again.") from None
    progress("writing tokens", len(own), len(own))
    return notes


def open(folder: Path) -> Stored:
    """The whole store, once all ranks have made their pieces. UserError: a piece is missing, damaged or of other rows.

    Only sizes are looked at here; `make` reads all of each piece.
    """
    about = About(**_read(folder / WHOLE))
    pieces: list[Piece] = []
    total, held = _Counts(), {name: list[Kept]() for name in about.most}
    for number in range(about.blocks):
        said = _read(_said(folder, number))
        counts = _Counts(**said["counts"])
        piece = Piece(_piece(folder, number), about.width, counts.tokens, counts.rows)
        if said["made"][0] != about.key or not piece.path.is_file() or piece.path.stat().st_size != piece.size:
            raise UserError(f"{piece.path} is damaged or not of this training: give the same command again.")
        pieces.append(piece)
        for name in ("rows", "tokens", "learned", "truncated", "dropped"):
            setattr(total, name, getattr(total, name) + getattr(counts, name))
        for name, most in about.most.items():
            total.put[name] = total.put.get(name, 0) + counts.put.get(name, 0)
            held[name] = lowest([*held[name], *(Kept(*one) for one in said["held"].get(name, ()))], most)
    if not total.rows:
        raise UserError(f"the rows: {NOTHING}")
    lengths = np.zeros(total.rows, dtype=np.int32)
    at = 0
    for piece in pieces:
        lengths[at : at + piece.rows] = read_lengths(piece)
        at += piece.rows
    offsets = np.zeros(total.rows + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    files = Files()
    tokens = StoredTokens(Values(pieces, files), offsets, lengths)
    language = Language(tokens, Bits(pieces, files), total.truncated, total.dropped, total.learned)
    return Stored(language, total.put, {name: [one.row for one in rows] for name, rows in held.items()})


# ---- what a store is about


def _about(blocks: RowBlocks, tokenizer: Any, limit: int, asides: Sequence[Aside], seed: int) -> About:
    how = [LAYOUT, __version__, saved(tokenizer), limit, [asdict(aside) for aside in asides], seed, blocks.size]
    key = hashlib.sha256(json.dumps([*how, blocks.sizes, blocks.kept]).encode("utf-8", "surrogatepass")).hexdigest()
    width = 2 if len(tokenizer) <= SMALL else 4
    return About(key[:32], len(blocks.blocks), width, {aside.name: aside.most for aside in asides})


def _piece(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.tokens"


def _said(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.json"


def _tidy(folder: Path, blocks: int) -> None:
    """Removes pieces beyond the last one, which another source left."""
    for path in folder.iterdir():
        if path.stem.isdigit() and int(path.stem) >= blocks:
            path.unlink()


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found
    except FileNotFoundError:
        raise UserError(f"{path} is missing: give the same command again, and {AGAIN}.") from None
    except ValueError:
        raise UserError(f"{path} is damaged: give the same command again, and {AGAIN}.") from None


def _there(folder: Path, number: int, wanted: list[str], notes: list[str]) -> bool:
    """Whether a whole piece is there that was made so."""
    path, said = _piece(folder, number), _said(folder, number)
    if not said.exists():
        return False
    try:
        found = json.loads(said.read_bytes())
        if found["check"] != _check(found):
            raise ValueError
        if found["made"] != wanted:
            return False
        if path.is_file() and sha256(path) == found["sha256"]:
            return True
        damaged = path
    except (ValueError, KeyError, TypeError):
        damaged = said
    notes.append(f"{damaged.name} of the tokens on disk was {'damaged' if damaged.exists() else 'missing'}; {AGAIN}")
    return False


def _check(said: dict[str, Any]) -> str:
    """A digest of what stands in the second file of a piece."""
    content = {name: value for name, value in said.items() if name != "check"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


# ---- making a piece


class _Writer:
    """One piece, from its block."""

    def __init__(self, folder: Path, block: Block, about: About, wanted: list[str]) -> None:
        self.folder, self.block, self.about, self.wanted = folder, block, about, wanted
        self.counts = _Counts(put=dict.fromkeys(about.most, 0))
        self.marks: list[NDArray[np.bool_]] = []
        self.lengths: list[NDArray[np.int32]] = []
        self.held: dict[str, list[Kept]] = {name: [] for name in about.most}

    def write(self, blocks: RowBlocks, tokenizer: Any, limit: int, asides: Sequence[Aside], seed: int) -> None:
        path = _piece(self.folder, self.block.number)
        _said(self.folder, self.block.number).unlink(missing_ok=True)
        aside = path.with_suffix(".aside")
        digest = hashlib.sha256()
        with aside.open("wb") as file:
            for some in blocks.rows(self.block):
                learned = list(self._learned(some, asides, seed, blocks))
                cut = _cut(tokenizer, learned, limit, blocks, self.block)
                self._put(file, digest, self._ids(cut))
            self._put(file, digest, np.packbits(np.concatenate([_NONE, *self.marks]), bitorder="little"))
            self._put(file, digest, np.concatenate([np.zeros(0, "<i4"), *self.lengths]).astype("<i4"))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        said: dict[str, Any] = {
            "made": self.wanted,
            "counts": asdict(self.counts),
            "held": {name: [list(one) for one in kept] for name, kept in self.held.items()},
            "sha256": digest.hexdigest(),
        }
        write_atomic(_said(self.folder, self.block.number), json.dumps({**said, "check": _check(said)}))

    def _learned(
        self, some: Iterable[tuple[int, Row]], asides: Sequence[Aside], seed: int, blocks: RowBlocks
    ) -> Iterable[tuple[int, Row]]:
        """The rows that are not put aside, with their numbers."""
        for number, row in some:
            aside = part_of(row, seed, asides)
            if aside is None:
                self.counts.learned += 1
                yield number, row
                continue
            _read_aside(row, number, blocks, self.block)
            self.counts.put[aside.name] += 1
            place = drawn_place(seed, self.block.number, number)
            kept = self.held[aside.name]
            kept.append(Kept(place, self.block.number, number, row))
            if len(kept) >= 2 * aside.most:
                kept[:] = lowest(kept, aside.most)

    def _ids(self, cut: Cut) -> NDArray[Any]:
        self.counts.truncated += cut.truncated
        self.counts.dropped += cut.dropped
        lengths = np.fromiter(map(len, cut.ids), dtype=np.int32, count=len(cut.ids))
        ids = np.fromiter(chain.from_iterable(cut.ids), dtype=np.int64, count=int(lengths.sum()))
        assert ids.max(initial=0) < 256**self.about.width, "an id beyond the vocabulary"
        self.marks += [np.asarray(marks, dtype=np.bool_) for marks in cut.counts]
        self.lengths.append(lengths)
        self.counts.rows += len(lengths)
        self.counts.tokens += len(ids)
        return ids.astype(f"<u{self.about.width}")

    def _put(self, file: BinaryIO, digest: Any, array: NDArray[Any]) -> None:
        content = array.tobytes()
        digest.update(content)
        file.write(content)


_NONE = np.zeros(0, dtype=np.bool_)


def _read_aside(row: Row, number: int, blocks: RowBlocks, block: Block) -> None:
    """Nothing of a row that is put aside is learned, and it has to be one all the same."""
    where = blocks.where(block)
    try:
        read_row(row, where)
    except UserError:
        read_row(row, f"{where}, row {1 + blocks.rows_before(block) + number:,}")


def _cut(tokenizer: Any, rows: list[tuple[int, Row]], limit: int, blocks: RowBlocks, block: Block) -> Cut:
    """`cut_rows`; where a row cannot be, the sentence names its file and its number there."""
    if not rows:
        return Cut([], [], 0, 0)
    try:
        return cut_rows(tokenizer, [row for _, row in rows], limit, name=blocks.where(block))
    except UserError:
        before = 1 + blocks.rows_before(block)
        for number, row in rows:
            cut_rows(tokenizer, [row], limit, name=blocks.where(block), first=before + number)
        raise
