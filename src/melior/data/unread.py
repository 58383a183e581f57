"""What of rows cannot be read as their columns' kinds say, or of new rows as the training rows were, and is missing to
the model: told, column by column."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import polars as pl

from melior.data.schema import Schema
from melior.data.table import Rows, Table, said_row
from melior.data.target import listed
from melior.images.decode import FAULTS
from melior.images.store import ImageStore

BEYOND = 0.1  # share of a column's cells with unseen values, beyond what is usual, from which it is told
SHOWN = 8  # columns that get a sentence of their own
AS = {"number": ("a number", "numbers"), "time": ("a time", "times")}
OF_NAMES = ("category", "language")


def unread(
    frame: pl.DataFrame,
    schema: Schema,
    unparsed: Mapping[str, Mapping[int, str]],
    rows: Rows,
    images: ImageStore | None = None,
) -> tuple[str, ...]:
    """A sentence for each column that is not what it was in training, the worst first.

    frame   the cells as they were read, in the order of `rows`; unparsed: those that were not, by number of the row
    images  where the images of its image columns were decoded
    """
    found: list[tuple[float, str, str]] = [] if images is None else list(_pictures(frame, schema, rows, images))
    for name, wrong in unparsed.items():
        filled = frame.height - frame.get_column(name).null_count() + len(wrong)
        row, cell = next(iter(wrong.items()))
        one, several = AS[schema.kinds[name]]
        many = f"{len(wrong):,} of {filled:,} cells"
        example = f'{said_row(row)}: "{" ".join(cell.split())[:40]}"'
        if len(wrong) == filled:
            said = f'no cell of "{name}" can be read as {one} ({example}): the whole column counts as missing.'
        else:
            said = f'{many} of "{name}" cannot be read as {several} ({example}) and count as missing.'
        found.append((len(wrong) / filled, name, said))
    for name, seen in schema.seen.items():
        if schema.kinds.get(name) not in OF_NAMES:
            continue
        cells = frame.get_column(name)
        new = (cells.is_not_null() & ~cells.is_in(list(seen.values))).fill_null(False)
        filled, strange = frame.height - cells.null_count(), int(new.sum())
        if not strange or strange / filled <= BEYOND + seen.once:
            continue
        place = int(new.arg_true()[0])
        example = f'{said_row(int(rows[place]))}: "{" ".join(str(cells[place]).split())[:40]}"'
        was = f"the training rows have {listed(seen.values, 3)}"
        if strange == filled:
            said = f'no cell of "{name}" has a value that was seen in training ({example}; {was}): it says nothing.'
        else:
            said = f'{strange:,} of {filled:,} cells of "{name}" have values never seen in training ({example}; {was}).'
        found.append((strange / filled, name, said))
    found.sort(key=lambda one: -one[0])
    more = [name for _, name, _ in found[SHOWN:]]
    rest = (f"cells of {listed(more, 5)} cannot be read as they were in training either.",) if more else ()
    return (*(said for _, _, said in found[:SHOWN]), *rest)


def unread_of(table: Table) -> tuple[str, ...]:
    """The same of a table that was read on its own: nothing in it is new."""
    return unread(table.frame, replace(table.schema, seen={}), table.unparsed, table.row_ids, table.images)


def _pictures(frame: pl.DataFrame, schema: Schema, rows: Rows, images: ImageStore) -> Iterator[tuple[float, str, str]]:
    """Share, column and sentence of each image column with images that cannot be read."""
    for name in schema.of_kind("image"):
        cells = frame.get_column(name)
        faults = images.rows(cells.to_list()).faults()
        wrong = [place for place, fault in enumerate(faults) if fault is not None]
        if not wrong:
            continue
        first, filled = wrong[0], frame.height - cells.null_count()
        fault = faults[first]
        assert fault is not None
        example = f"{said_row(int(rows[first]))}: {str(cells[first])[:80]}, {FAULTS[fault]}"
        said = f'{len(wrong):,} of {filled:,} images of "{name}" cannot be read ({example}) and count as missing.'
        yield len(wrong) / filled, name, said
