"""A folder of images to rows: one folder a class, or images without classes."""

import os
from pathlib import Path

import polars as pl

from melior.data.files import Raw
from melior.errors import UserError
from melior.images.decode import ENDINGS

IMAGE, LABEL = "image", "label"
PARTS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"})


def read_folder(path: Path, *, image: str = IMAGE, label: str = LABEL, name: str | None = None) -> Raw | None:
    """A row for every image file under a folder, in order of their paths; None where there is none.

    Column `image` holds paths from the folder. Column `label` is the name of the first folder below it; it is left out
    where all images lie in the folder itself. Files and folders whose names begin with a dot, and
    links to folders, are not looked at; files that have no image's ending are counted in a note.

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
    for where, folders, files in os.walk(path):
        folders[:] = sorted(one for one in folders if not one.startswith((".", "__MACOSX")))
        parts = Path(where).relative_to(path).parts
        for file in files:
            if file.startswith("."):
                continue
            if file.lower().endswith(ENDINGS):
                found.append((*parts, file))
            else:
                others.append("/".join((*parts, file)))
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
    return Raw(frame, name, tuple(notes), folder=path, listed=True, label=label if folders_seen else None)


def _whole(text: str) -> str:
    """A file's name as text. Bytes that are no UTF-8 are replaced: such a file is then among those not found."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
