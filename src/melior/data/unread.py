"""What of new rows cannot be read as the training rows were, and is missing to the model: told, column by column."""

from collections.abc import Mapping

import polars as pl

from melior.data.schema import Schema
from melior.data.table import Rows, said_row
from melior.data.target import listed

BEYOND = 0.1  # share of a column's cells with unseen values, beyond what is usual, from which it is told
SHOWN = 8  # columns that get a sentence of their own
AS = {"number": ("a number", "numbers"), "time": ("a time", "times")}
OF_NAMES = ("category", "language")


def unread(
    frame: pl.DataFrame, schema: Schema, unparsed: Mapping[str, Mapping[int, str]], rows: Rows
) -> tuple[str, ...]:
    """A sentence for each column that is not what it was in training, the worst first.

    frame  the cells as they were read, in the order of `rows`; unparsed: those that were not, by number of the row
    """
    found: list[tuple[float, str, str]] = []
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
