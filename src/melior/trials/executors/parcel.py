"""A table as bytes and back, for another machine that fits on the same rows: Arrow and safetensors, nothing executed.

All rows that were read travel, the sealed ones too, though not their labels: words are numbered over all of them, and
a sum over words in another order would not be the same to the last bit.
"""

import io
import json
from dataclasses import fields
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data.schema import Schema
from melior.data.table import Root, Table
from melior.findings import plain
from melior.images.store import ImageStore

ARRAYS = ("labels", "row_ids", "weights", "origin", "positions", "without_target", "label_matrix")
PLAIN = ("name", "notes", "why", "drawn_from", "amounts")
IMAGES = "images/"


def packed(table: Table) -> bytes:
    """The table as bytes.

    >>> from melior.testing import tables
    >>> table = tables.mixed_table(20, seed=1)
    >>> unpacked(packed(table)).frame.equals(table.frame)
    True
    """
    from safetensors.numpy import save

    arrays: dict[str, NDArray[Any]] = {}
    for name in ARRAYS:
        value = getattr(table, name)
        if value is not None:
            arrays[name] = np.ascontiguousarray(value)
    about: dict[str, Any] = {name: getattr(table, name) for name in PLAIN}
    about["schema"] = table.schema.to_dict()
    about["unparsed"] = {column: list(cells.items()) for column, cells in table.unparsed.items()}
    root = table.root
    if root is not None and table.positions is not None:
        arrays["root"] = _arrow(root.frame)
    if root is None or table.positions is None or not _is_part(table.frame, root.frame, table.positions):
        arrays["frame"] = _arrow(table.frame)
    if table.images is not None:
        pictures, about["images"] = table.images.sent()
        arrays.update({f"{IMAGES}{name}": value for name, value in pictures.items()})
    arrays["about"] = np.frombuffer(json.dumps(plain(about)).encode("utf-8", "surrogatepass"), dtype=np.uint8)
    return bytes(save(arrays))


def unpacked(content: bytes, *, advice: str = "") -> Table:
    """The table that was packed, with a root of its own. advice: see `ImageStore.received`."""
    from safetensors.numpy import load

    arrays = load(content)
    about = json.loads(arrays.pop("about").tobytes().decode("utf-8", "surrogatepass"))
    root = Root(_frame(arrays["root"])) if "root" in arrays else None
    given: dict[str, Any] = {name: arrays.get(name) for name in ARRAYS}
    frame = _frame(arrays["frame"]) if "frame" in arrays else None
    if frame is None:
        assert root is not None
        frame = root.frame[given["positions"]]
    images = None
    if "images" in about:
        pictures = {name.removeprefix(IMAGES): value for name, value in arrays.items() if name.startswith(IMAGES)}
        images = ImageStore.received(pictures, about["images"], advice)
    given.update({name: about[name] for name in PLAIN})
    given["notes"] = tuple(given["notes"])
    given["unparsed"] = {column: dict(cells) for column, cells in about["unparsed"].items()}
    schema = Schema.from_dict(about["schema"])
    assert {*given, "frame", "schema", "root", "images"} == {one.name for one in fields(Table)}, "a field is forgotten"
    return Table(frame=frame, schema=schema, root=root, images=images, **given)


def _is_part(frame: pl.DataFrame, root: pl.DataFrame, positions: NDArray[np.int64]) -> bool:
    """Whether the rows are those of the root at these positions, so that they need not be sent a second time."""
    return frame.schema == root.schema and frame.equals(root[positions])


def _arrow(frame: pl.DataFrame) -> NDArray[np.uint8]:
    stream = io.BytesIO()
    frame.write_ipc(stream, compression="lz4")
    return np.frombuffer(stream.getvalue(), dtype=np.uint8)


def _frame(content: NDArray[np.uint8]) -> pl.DataFrame:
    return pl.read_ipc(io.BytesIO(content.tobytes()))
