"""What scikit-learn's callers give (arrays, frames, labels, weights) as columns, names of classes and plain arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from melior.data.frames import of_memory, series
from melior.data.table import Floats, said_row
from melior.errors import UserError

CLASSES = ("binary", "multiclass")  # of scikit-learn's types of target


def is_frame(rows: Any) -> bool:
    """Whether rows come as columns with names: a pandas, polars or Arrow table, or a Hugging Face dataset."""
    return isinstance(rows, pl.LazyFrame) or hasattr(rows, "columns") or hasattr(rows, "column_names")


def frame_and_names(rows: Any) -> tuple[pl.DataFrame, list[str]]:
    """The columns of a frame, and its own names of them, all different."""
    from collections import Counter

    pandas = hasattr(rows, "iloc")
    names = list(map(str, rows.columns)) if pandas else []
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f'X has several columns "{twice[0]}"; give each a name of its own.')
    frame = of_memory(rows)[0]
    if frame.width == 0 or frame.height == 0:
        raise UserError(f"X has {frame.height:,} rows and {frame.width:,} columns: there is nothing in it.")
    return frame, names if pandas else frame.columns


def frame_of(values: NDArray[Any], names: Sequence[str]) -> pl.DataFrame:
    """A frame of a matrix (rows, columns) of numbers, texts or objects. nan is missing.

    >>> frame_of(np.array([[1, np.nan], [2, 3]]), ["a", "b"]).row(0)
    (1.0, None)
    """
    if values.dtype.kind in "biuf":
        columns = values.astype(np.float64)
        return pl.DataFrame({name: columns[:, at] for at, name in enumerate(names)}, nan_to_null=True)
    cells = np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values
    return pl.DataFrame({name: column_of(name, cells[:, at]) for at, name in enumerate(names)})


def column_of(name: str, cells: NDArray[Any]) -> pl.Series:
    """A column of values of any type, in which nan is missing whatever the others are."""
    if cells.dtype.kind == "M":
        return series(name, cells, [])
    plain = [None if isinstance(cell, float) and cell != cell else cell for cell in cells.tolist()]
    return series(name, plain, [])


def labels_of(y: Any) -> NDArray[Any]:
    """(rows,) labels that are classes; a sentence for quantities, several labels a row, and what is missing."""
    from sklearn.utils import check_array, column_or_1d
    from sklearn.utils.multiclass import type_of_target

    if y is None:
        raise UserError("this estimator requires y to be passed, but the target y is None.")
    labels: NDArray[Any] = column_or_1d(y, warn=True)
    if labels.dtype == object:
        missing = [at for at, label in enumerate(labels) if label is None or label != label]
        if missing:
            raise UserError(f"Input y contains NaN or None, first in {said_row(missing[0])}; leave such rows out.")
    check_array(labels, ensure_2d=False, dtype=None, input_name="y")
    kind = type_of_target(labels, input_name="y")
    if kind not in CLASSES:
        raise UserError(
            f"Unknown label type: {kind}. y has to hold classes, one a row: put a quantity into a few classes, such as "
            "low and high, or use a regressor."
        )
    return labels


def class_names(classes: NDArray[Any]) -> tuple[str, ...]:
    """What classes (classes,) of any type are called: numbers as they are written, truth values true and false.

    >>> class_names(np.array([1.0, 2.5])), class_names(np.array([False, True]))
    (('1', '2.5'), ('false', 'true'))
    """
    said = [_said(one) for one in classes.tolist()]
    twice = len(set(said)) < len(said)  # 1 and "1", say
    return tuple(f"{one} ({number})" if twice else one for number, one in enumerate(said))


def _said(label: Any) -> str:
    if isinstance(label, bool):
        return str(label).lower()
    if isinstance(label, float) and label.is_integer() and abs(label) < 1e15:
        return str(int(label))
    return str(label)


def weights_of(given: ArrayLike) -> Floats:
    """(rows,) weights of rows, 0 or more, and not all 0."""
    from sklearn.utils import check_array

    weights: Floats = check_array(given, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weights.ndim != 1:
        raise UserError(f"sample_weight has {weights.ndim} dimensions; give one number a row.")
    if (weights < 0).any():
        raise UserError(f"sample_weight, {said_row(int((weights < 0).argmax()))}: a weight is 0 or more.")
    if not weights.any():
        raise UserError("sample_weight: all weights are zero; at least one row has to count.")
    return weights


def free_name(name: str, taken: Sequence[str]) -> str:
    """The name, with a line under it for as long as another column has it.

    >>> free_name("y", ["x", "y"])
    'y_'
    """
    while name in taken:
        name += "_"
    return name
