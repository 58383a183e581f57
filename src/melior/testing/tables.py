"""Small tables made on the spot: every column kind, gaps, Chinese, rare classes, and rows spoiled on purpose."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data.label_sets import LabelSets
from melior.data.schema import STORED_AS, Schema
from melior.data.table import Labels, Table

WORDS: dict[str, Any] = {
    "common": ["the", "a", "it", "was", "and", "so", "very", "this", "we", "they"],
    "told": [["bad", "broken", "refund"], ["fine", "okay", "average"], ["great", "love", "perfect"]],
    "new": ["zyzzyva", "quixotry", "syzygy"],
}
CHINESE: dict[str, list[Any]] = {
    "common": ["这个", "商品", "我们", "今天", "收到", "的", "了", "也"],
    "told": [["很差", "退货", "坏了"], ["一般", "还行", "普通"], ["喜欢", "完美", "推荐"]],
    "new": ["龘龘", "貔貅", "饕餮"],
}
COLOURS = ["red", "green", "blue"]
MISSING = 0.06
CLEAR = 0.85  # share of rows whose words and colour tell the class


def table_of(columns: dict[str, Any], kinds: dict[str, str], labels: Labels | None, classes: tuple[str, ...]) -> Table:
    """A table as if freshly read, each column stored as its kind says."""
    series = []
    for name, values in columns.items():
        made = pl.Series(name, values, strict=False).cast(STORED_AS[kinds[name]])
        series.append(made.fill_nan(None) if kinds[name] == "number" else made)
    schema = Schema(kinds, None if labels is None else "answer", classes if labels is not None else ())
    return Table.make(pl.DataFrame(series), schema, labels)


def mixed_table(
    rows: int = 150, classes: int = 3, seed: int = 0, *, share: list[float] | None = None, words: Any = WORDS
) -> Table:
    """Every kind of column that a family may read, each of some use, with missing values, and one column to ignore."""
    random = np.random.default_rng(seed)
    labels = random.choice(classes, rows, p=share)
    labels[: 6 * classes] = np.repeat(np.arange(classes), 6)  # even a rare class has a few rows
    values = random.normal(size=(rows, 3)) + 1.5 * np.eye(classes, 3)[labels]
    values[random.random((rows, 3)) < MISSING] = np.nan
    seen = np.where(random.random(rows) < CLEAR, labels, random.integers(0, classes, rows)) % 3
    texts = [_text(random, words, number) for number in seen]
    days = random.integers(0, 700, rows) + 40 * labels
    columns = {
        "size": values[:, 0],
        "weight": 100 + 10 * values[:, 1],
        "price": np.exp(values[:, 2]),
        "colour": _gaps(random, [COLOURS[number] for number in seen]),
        "language": _gaps(random, random.choice(["en", "zh"], rows).tolist()),
        "day": _gaps(random, (np.datetime64("2022-01-01", "us") + days.astype("timedelta64[D]")).tolist()),
        "note": _gaps(random, texts),
        "number_of_row": [str(row) for row in range(rows)],
    }
    kinds = {
        "size": "number", "weight": "number", "price": "number", "colour": "category", "language": "language",
        "day": "time", "note": "text", "number_of_row": "ignore",
    }  # fmt: skip
    return table_of(columns, kinds, labels.astype(np.int32), tuple(f"class {k}" for k in range(classes)))


def chinese_table(rows: int = 150, seed: int = 0) -> Table:
    """The same with Chinese texts."""
    return mixed_table(rows, seed=seed, words=CHINESE)


def rare_table(rows: int = 200, seed: int = 0) -> Table:
    """One class of three has nearly all rows."""
    return mixed_table(rows, seed=seed, share=[0.9, 0.07, 0.03])


def binary_table(rows: int = 150, seed: int = 0) -> Table:
    """Two classes."""
    return mixed_table(rows, classes=2, seed=seed)


def number_table(rows: int = 200, classes: int = 3, columns: int = 5, seed: int = 0) -> Table:
    """Gaussian numbers without a gap, the first few of which tell the classes apart."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(rows) % classes)
    values = random.normal(size=(rows, columns)) + 1.2 * np.eye(classes, columns)[labels]
    names = [f"x{number}" for number in range(columns)]
    kinds = dict.fromkeys(names, "number")
    made = dict(zip(names, values.T, strict=True))
    return table_of(made, kinds, labels.astype(np.int32), tuple(f"class {k}" for k in range(classes)))


def clean_table(rows: int = 400, seed: int = 0) -> Table:
    """Two classes of the same size, Gaussian numbers, right labels, no copies: nothing that a check should report."""
    return number_table(rows, classes=2, columns=4, seed=seed)


def odd_table(rows: int = 60, seed: int = 0) -> Table:
    """Columns with nothing in them: constant, empty, one value in all but one row, infinite, the same text."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(rows) % 2)
    ones = np.ones(rows)
    columns = {
        "constant": 7 * ones,
        "empty": np.nan * ones,
        "nearly constant": np.where(np.arange(rows) == 3, 1e6, 0.0),
        "huge": 1e300 * random.normal(size=rows),
        "number": random.normal(size=rows) + labels,
        "one category": ["a"] * rows,
        "no category": [None] * rows,
        "own category": [f"c{row}" for row in range(rows)],
        "no text": [None] * rows,
        "blank text": [" "] * rows,
        "same text": ["the very same words in every row"] * rows,
        "no time": [None] * rows,
    }
    kinds = {name: name.split()[-1] for name in columns}
    kinds |= dict.fromkeys(("constant", "empty", "nearly constant", "huge"), "number")
    return table_of(columns, kinds, labels.astype(np.int32), ("no", "yes"))


def tiny_table(seed: int = 0) -> Table:
    """Ten rows."""
    return mixed_table(rows=12, classes=2, seed=seed).take(np.arange(1, 11))


def new_rows(table: Table, seed: int = 0) -> Table:
    """The rows as a file never seen before might have them: unknown categories and words, far numbers, gaps."""
    random = np.random.default_rng([seed, 1])
    changed = []
    for name in table.features():
        kind = table.schema.kinds[name]
        values = table.column(name).to_list()
        for row in np.flatnonzero(random.random(table.rows) < 0.5):
            values[row] = _strange(kind, int(random.integers(3)))
        changed.append(pl.Series(name, values, dtype=STORED_AS[kind], strict=False))
    return Table.make(table.frame.with_columns(changed), table.schema, table.labels, label_matrix=table.label_matrix)


def spoiled(table: Table, rows: NDArray[np.int64], seed: int = 0) -> Table:
    """The table read anew with other values and labels in some rows; the others are as they were."""
    random = np.random.default_rng([seed, 2])
    changed = []
    for name in table.features():
        kind = table.schema.kinds[name]
        values = table.column(name).to_list()
        for row in rows:
            values[row] = _strange(kind, int(random.integers(3)))
        changed.append(pl.Series(name, values, dtype=STORED_AS[kind], strict=False))
    labels = table.given_labels().copy()
    labels[rows] = random.integers(0, len(table.classes), len(rows))
    return Table.make(table.frame.with_columns(changed), table.schema, labels)


def several_labels(table: Table, seed: int = 0) -> Table:
    """The rows of three classes with several labels each: "low" of the first two classes, "middle" of the second, and
    "rare", which nothing tells; rows of the third have none or that one."""
    classes = table.given_labels()
    matrix = np.column_stack([classes < 2, classes == 1, np.random.default_rng([seed, 4]).random(table.rows) < 0.1])
    schema = replace(table.schema, classes=("low", "middle", "rare"), label_sets=LabelSets(";"))
    return replace(table, schema=schema, labels=None, label_matrix=matrix.astype(np.int8))


def without_class(table: Table, number: int) -> Table:
    """The rows of the other classes; the class itself is still one of the table's."""
    return table.take(table.given_labels() != number)


def _strange(kind: str, which: int) -> Any:
    if which == 0:
        return None
    if kind == "number":
        return (-999.0, 1e6)[which - 1]
    if kind == "time":
        return (np.datetime64("1970-01-01", "us"), np.datetime64("2100-12-31T23:59", "us"))[which - 1].item()
    if kind == "text":
        return (" ".join(WORDS["new"]), "".join(CHINESE["new"]) + " great 😀")[which - 1]
    if kind == "image":
        return ("no such image.jpg", "")[which - 1]
    return ("a value never seen", "")[which - 1]


def _text(random: np.random.Generator, words: Any, told: int) -> str:
    chosen = [*random.choice(words["common"], 4), *random.choice(words["told"][told], 2)]
    return ("" if words is CHINESE else " ").join(random.permutation(chosen))


def _gaps(random: np.random.Generator, values: list[Any]) -> list[Any]:
    return [None if gone else value for value, gone in zip(values, random.random(len(values)) < MISSING, strict=True)]
