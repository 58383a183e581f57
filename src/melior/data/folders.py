"""A folder of images to rows: one folder a class, or images without classes."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from melior.data.files import Raw
from melior.data.target import listed
from melior.errors import UserError
from melior.images.decode import ENDINGS

WRAPPED = "all images lie in "  # how the sentence begins that names the folder to give instead
IMAGE, LABEL = "image", "label"
PARTS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"})


def read_folder(path: Path, *, image: str = IMAGE, label: str = LABEL, name: str | None = None) -> Raw | None:
    """A row for every image file under a folder, in order of their paths; None where there is none.

    Column `image` holds paths from the folder. Column `label` is the name of the first folder below it; it is left out
    where all images lie in the folder itself. Links to folders are followed, but not back into a folder that they lie
    in. Files and folders whose names begin with a dot are not looked at; files that have no image's ending are counted
    in a note.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
    ...         Path(folder, name).parent.mkdir(exist_ok=True)
    ...         Path(folder, name).touch()
    ...     raw = read_folder(Path(folder))
    >>> raw.frame.rows()
    [('cat/1.png', 'cat'), ('cat/2.png', 'cat'), ('dog/1.png', 'dog')]
    """
    found: list[tuple[str, ...]] = []
    others: list[str] = []
    for parts in _files(path, (), frozenset()):
        if parts[-1].lower().endswith(ENDINGS):
            found.append(parts)
        else:
            others.append("/".join(parts))
    if not found:
        return None
    found.sort()
    name = name or path.name or str(path.resolve().name)
    folders_seen = {parts[0] for parts in found if len(parts) > 1}
    splits = sorted(one for one in folders_seen if one.lower() in PARTS)
    if len(splits) > 1 and len(splits) == len(folders_seen):
        held = next((one for one in splits if one.lower().startswith(("test", "val", "dev", "eval"))), splits[-1])
        main = next((one for one in splits if one.lower().startswith("train")), splits[0])
        raise UserError(
            f"{name}: its folders are parts of the data ({', '.join(splits)}) and no classes; name one part, and "
            f"another with --test, such as {path / main} --test {path / held}."
        )
    columns: dict[str, list[str | None]] = {image: ["/".join(_whole(part) for part in parts) for parts in found]}
    if folders_seen:
        columns[label] = [_whole(parts[0]) if len(parts) > 1 else None for parts in found]
    notes = []
    if others:
        said = f'"{sorted(others)[0]}"' + (f" and {len(others) - 1:,} more" if len(others) > 1 else "")
        notes.append(f"{said} left out: no image's ending ({', '.join(ENDINGS[:4])}, ...).")
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    below = _wrapped(path, found)
    return Raw(frame, name, tuple(notes), folder=path, listed=True, label=label if folders_seen else None, below=below)


def _files(path: Path, parts: tuple[str, ...], above: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """The files under a folder, as parts of their paths; links to folders are followed, but never into one of `above`,
    the real paths of the folders that it lies in."""
    real = os.path.realpath(path)
    if real in above:
        return
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError:  # a folder that may not be read
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            yield (*parts, entry.name)
        elif not entry.name.startswith("__MACOSX"):
            yield from _files(path / entry.name, (*parts, entry.name), above | {real})


def _wrapped(path: Path, found: Sequence[tuple[str, ...]]) -> str:
    """A sentence where all images lie in one folder below, whose folders may be the classes; empty elsewhere."""
    depth = 0
    while all(len(parts) > depth + 1 for parts in found):
        names = sorted({parts[depth] for parts in found})
        if len(names) > 1:
            inner = "/".join(map(_whole, (str(path), *found[0][:depth])))
            return f"{WRAPPED}{inner}, whose folders are {listed(names, 4)}: name {inner}." if depth else ""
        depth += 1
    return ""


def usable_answers(raw: Raw, target: str | None, missing_target: str) -> None:
    """Refuses a folder whose folders' names are to be the answers and cannot be: a folder that wraps the one with the
    classes, and images that lie beside the classes' folders, where missing_target is stop."""
    if raw.label is None or target != raw.label:
        return
    if raw.below:
        raise UserError(f"{raw.name}: {raw.below}")
    beside = raw.frame.filter(pl.col(raw.label).is_null())
    if missing_target != "stop" or not beside.height:
        return
    image = next(name for name in raw.frame.columns if name != raw.label)
    more = beside.height - 1
    many = f" (and so {'does' if more == 1 else 'do'} {more:,} more)" if more else ""
    raise UserError(
        f'{raw.name}: "{beside.item(0, image)}" lies in the folder itself and not in the folder of a class{many}. Move '
        "it into one, or leave such images out with data.missing_target: drop in a recipe; `melior init` writes one "
        "that does."
    )


def _whole(text: str) -> str:
    """A file's name as text. Bytes that are no UTF-8 are replaced: such a file is then among those not found."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
