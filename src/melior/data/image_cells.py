"""Columns of images: paths, or bytes in memory as Hugging Face datasets keep them, decoded once as they are read."""

from collections.abc import Callable, Mapping

import polars as pl

from melior.data.columns import as_text, is_picture
from melior.data.files import Raw
from melior.data.table import Rows, said_row
from melior.errors import UserError
from melior.images.decode import FAULTS
from melior.images.store import ImageStore


def with_images(
    raw: Raw, frame: pl.DataFrame, kinds: Mapping[str, str], rows: Rows, tell: Callable[[str], None]
) -> tuple[pl.DataFrame, ImageStore | None]:
    """The image columns as names of images, and the store in which every one of them is decoded.

    Images that are in memory are put there under names of their own. A column in which no image can be read is refused.
    rows (rows,) numbers in the file, for messages.
    """
    columns = [name for name, kind in kinds.items() if kind == "image" and name in frame.columns]
    if not columns:
        return frame, None
    images = ImageStore(raw.folder, listed=raw.listed)

    def told(done: int, of: int) -> None:
        tell(f"decoding images, {done:,} of {of:,}")

    for column in columns:
        cells = frame.get_column(column)
        if is_picture(cells.dtype):
            inside = cells.struct.field("bytes").to_list()
            paths = cells.struct.field("path").to_list()
            said = [_named(column, int(row), path, data) for row, path, data in zip(rows, paths, inside, strict=True)]
            held = [(name, data) for name, data in zip(said, inside, strict=True) if name is not None and data]
            images.put([name for name, _ in held], [data for _, data in held], told)
            cells = pl.Series(column, said, dtype=pl.String)
        else:
            cells = as_text(cells)
        frame = frame.with_columns(cells.alias(column))
        found = images.rows(cells.to_list(), told)
        if cells.null_count() < len(cells) and not found.readable.any():
            first = next(number for number, fault in enumerate(found.faults()) if fault is not None)
            fault = found.faults()[first]
            assert fault is not None
            raise UserError(
                f'{raw.name}, {said_row(int(rows[first]))}: none of the images of "{column}" can be read; of '
                f"{str(cells[first])[:80]}, {FAULTS[fault]}. Paths begin at the folder of the table; or leave the "
                f"column out with data.columns: {{{column}: ignore}}."
            )
    return frame, images


def _named(column: str, row: int, path: str | None, data: bytes | None) -> str | None:
    """What an image in memory is called: by its row and its path; an image that is only a path is the path."""
    if data:
        return f"{said_row(row)}: {path}" if path else f"{column} of {said_row(row)}"
    return path
