"""The Table: rows with typed columns, a target, row numbers, weights, and the file that each row came from."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data.deal import rarest
from melior.data.phrases import noted, without
from melior.data.schema import Schema
from melior.errors import UserError
from melior.images.store import ImageRows, ImageStore

Rows = NDArray[np.int64]
Labels = NDArray[np.int32]
LabelMatrix = NDArray[np.int8]
Floats = NDArray[np.float64]


def said_row(row_id: int) -> str:
    """A row as people count: the first row of data is row 1, the header is none.

    >>> said_row(1203)
    'row 1,204'
    """
    return f"row {row_id + 1:,}"


_roots = count()  # a number of its own for every root, since an address is used again when an object is gone


class Root:
    """The rows as they were read, shared by every table cut out of them.

    What is computed from a row alone (its words, say) is computed once for all rows here and shared by all folds
    and trials; what is fitted is never kept here. `once` is the only door.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self.number = next(_roots)
        self._kept: dict[Any, Any] = {}
        self._lock = threading.RLock()  # folds run side by side; what one computes, the others wait for

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            return self._kept[key]


def characters_of(texts: pl.Series) -> tuple[float, int]:
    """Characters of a text on average, and of all; missing ones count for nothing."""
    lengths = texts.cast(pl.String).str.len_chars()
    mean = lengths.mean()
    return (mean if isinstance(mean, float) else 0.0), int(lengths.sum() or 0)


def no_rows() -> Rows:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Table:
    """Rows with typed columns. Immutable: every change is a new table that shares what it can.

    frame      all columns but the target, each stored as its kind says (STORED_AS); null is missing
    schema     kinds, target, classes
    labels     (rows,) class numbers into schema.classes, -1 where the target is missing; None without a target, and
               where a row may have several labels
    row_ids    (rows,) the row's number in its file, from 0
    weights    (rows,) how much each row counts in training; None means 1 each
    origin     (rows,) 0 for the main file, 1 for the test file
    root       the rows as they were read, and positions (rows,) where in it each row of this table stands. None as
               soon as a row's values were changed or made up.
    unparsed   column -> {row id: the text found where a number or a time was expected}
    name       what messages call the table, usually the file's name
    notes      what reading changed or left out, one sentence each, for people
    why        column -> why it has its kind, for people
    drawn_from rows in the file where only some of them were read, drawn at random; None where all were
    without_target  row numbers in the file that were left out because their target is empty
    images     the decoded images by what their cells say (image columns hold paths); None where there are none yet
    amounts    text column -> characters on average, and of all texts, as they were read: the same for every fold, and
               for rows that were made of these, so that no part of a table is read in another way than the others
    label_matrix (rows, labels) where a row may have several labels: 1 where it has the label, else 0, and -1 in all of
               a row whose labels are not known; None in every other table
    """

    frame: pl.DataFrame
    schema: Schema
    labels: Labels | None
    row_ids: Rows
    weights: Floats | None = None
    origin: NDArray[np.int8] | None = None
    root: Root | None = field(default=None, repr=False, compare=False)
    positions: Rows | None = field(default=None, repr=False, compare=False)
    unparsed: Mapping[str, Mapping[int, str]] = field(default_factory=dict, repr=False)
    name: str = "table"
    notes: tuple[str, ...] = ()
    why: Mapping[str, str] = field(default_factory=dict, repr=False)
    drawn_from: int | None = None
    without_target: Rows = field(default_factory=no_rows, repr=False, compare=False)
    images: ImageStore | None = field(default=None, repr=False, compare=False)
    amounts: Mapping[str, tuple[float, int]] = field(default_factory=dict, repr=False, compare=False)
    label_matrix: LabelMatrix | None = None

    @classmethod
    def make(
        cls,
        frame: pl.DataFrame,
        schema: Schema,
        labels: Labels | None = None,
        *,
        unparsed: Mapping[str, Mapping[int, str]] | None = None,
        name: str = "table",
        row_ids: Rows | None = None,
        notes: tuple[str, ...] = (),
        why: Mapping[str, str] | None = None,
        drawn_from: int | None = None,
        without_target: Rows | None = None,
        images: ImageStore | None = None,
        label_matrix: LabelMatrix | None = None,
    ) -> "Table":
        """A table of freshly read rows: numbered from 0, its own root."""
        rows = np.arange(frame.height, dtype=np.int64)
        return cls(
            frame=frame,
            schema=schema,
            labels=labels,
            row_ids=rows if row_ids is None else row_ids,
            origin=np.zeros(frame.height, dtype=np.int8),
            root=Root(frame),
            positions=rows,
            unparsed=unparsed or {},
            name=name,
            notes=notes,
            why=why or {},
            drawn_from=drawn_from,
            without_target=no_rows() if without_target is None else without_target,
            images=ImageStore() if images is None and schema.of_kind("image") else images,
            amounts={column: characters_of(frame.get_column(column)) for column in schema.of_kind("text")},
            label_matrix=label_matrix,
        )

    # ---- looking

    def __len__(self) -> int:
        return self.frame.height

    @property
    def rows(self) -> int:
        return self.frame.height

    @property
    def classes(self) -> tuple[str, ...]:
        return self.schema.classes

    @property
    def target(self) -> str | None:
        return self.schema.target

    def of_kind(self, *kinds: str) -> list[str]:
        return self.schema.of_kind(*kinds)

    def features(self) -> list[str]:
        return self.schema.features()

    def column(self, name: str) -> pl.Series:
        return self.frame.get_column(name)

    def numbers(self, name: str) -> Floats:
        """A number column, missing as nan."""
        return np.asarray(self.frame.get_column(name).fill_null(float("nan")).to_numpy(), dtype=np.float64)

    def pictures(self, name: str) -> ImageRows:
        """The images of an image column, one a row, decoded once and shared by all tables cut out of this one."""
        store = ImageStore() if self.images is None else self.images
        if self.root is None or self.positions is None:
            return store.rows(self.column(name).to_list())
        root = self.root
        whole: ImageRows = root.once(("images", name), lambda: store.rows(root.frame.get_column(name).to_list()))
        return whole.take(self.positions)

    @property
    def multilabel(self) -> bool:
        """Whether a row may have several labels, or none."""
        return self.schema.multilabel

    @property
    def has_answers(self) -> bool:
        """Whether there is a target with its labels, one a row or several."""
        return self.labels is not None or self.label_matrix is not None

    def given_labels(self) -> Labels:
        """The labels, one a row; a sentence when there is no target."""
        if self.labels is None and self.multilabel:
            raise UserError(
                f'{self.name}: "{self.target}" has several labels a row, and this needs one class a row. '
                "Name a target of one class."
            )
        if self.labels is None:
            raise UserError(f"{self.name}: no target was named; say which column to predict with --target.")
        return self.labels

    def given_label_matrix(self) -> LabelMatrix:
        """(rows, labels), see `label_matrix`; a sentence when there is no target."""
        if self.label_matrix is None:
            raise UserError(f"{self.name}: no target was named; say which column to predict with --target.")
        return self.label_matrix

    def answered(self) -> NDArray[np.bool_]:
        """(rows,) whether the labels of a row are known."""
        if self.multilabel:
            return np.asarray((self.given_label_matrix() >= 0).all(axis=1))
        return np.asarray(self.given_labels() >= 0)

    def truth(self) -> Floats:
        """(rows, classes) 1 where a row is of the class or has the label, else 0."""
        if self.multilabel:
            return np.maximum(self.given_label_matrix(), 0).astype(np.float64)
        labels = self.given_labels()
        return np.asarray(labels[:, None] == np.arange(len(self.classes)), dtype=np.float64)

    def strata(self) -> Labels:
        """(rows,) one class a row, for what deals rows out by class: its label, of several the rarest, and a number of
        its own where it has none."""
        if self.multilabel:
            return rarest(self.given_label_matrix() > 0).astype(np.int32)
        return self.given_labels()

    def combinations(self) -> Labels:
        """(rows,) equal where rows have the same labels: the class number, or that of the combination."""
        if self.multilabel:
            return np.unique(self.given_label_matrix(), axis=0, return_inverse=True)[1].ravel().astype(np.int32)
        return self.given_labels()

    def target_counts(self) -> dict[str, int]:
        """Class -> rows, in the order of the classes; a row with several labels counts for each."""
        if self.multilabel:
            sums = np.maximum(self.given_label_matrix(), 0).sum(axis=0, dtype=np.int64)
            return dict(zip(self.classes, sums.tolist(), strict=True))
        labels = self.given_labels()
        counts = np.bincount(labels[labels >= 0], minlength=len(self.classes))
        return {label: int(count) for label, count in zip(self.classes, counts, strict=True)}

    def row_weights(self) -> Floats:
        return np.ones(self.rows) if self.weights is None else self.weights

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from self.frame.iter_rows(named=True)

    # ---- changing

    def take(self, which: NDArray[Any]) -> "Table":
        """The rows at these positions (or where a mask is true), in that order, repeats allowed."""
        which = np.flatnonzero(which) if which.dtype == bool else which.astype(np.int64)
        return replace(
            self,
            frame=self.frame[which],
            labels=None if self.labels is None else self.labels[which],
            label_matrix=None if self.label_matrix is None else self.label_matrix[which],
            row_ids=self.row_ids[which],
            weights=None if self.weights is None else self.weights[which],
            origin=None if self.origin is None else self.origin[which],
            positions=None if self.positions is None else self.positions[which],
        )

    def with_labels(self, labels: Labels) -> "Table":
        return replace(self, labels=labels.astype(np.int32))

    def with_label_matrix(self, matrix: LabelMatrix) -> "Table":
        return replace(self, label_matrix=matrix.astype(np.int8))

    def with_weights(self, weights: Floats | None) -> "Table":
        return replace(self, weights=weights)

    def with_schema(self, schema: Schema) -> "Table":
        return replace(self, schema=schema)

    def without_columns(self, columns: Sequence[str]) -> "Table":
        return replace(self, schema=self.schema.without(columns))

    def without_phrases(self, taken: Mapping[str, Sequence[str]]) -> "Table":
        """The same with words taken out of its text columns, and of those of all rows read by its schema. taken:
        column -> words or runs of words."""
        texts = {name: phrases for name, phrases in taken.items() if name in self.of_kind("text") and phrases}
        if not texts:
            return self
        frame = self.frame.with_columns(without(self.column(name), phrases) for name, phrases in texts.items())
        return self.with_frame(frame).with_schema(replace(self.schema, notation=noted(self.schema.notation, texts)))

    def with_frame(self, frame: pl.DataFrame) -> "Table":
        """The same rows with changed values: what was computed from the old values is forgotten."""
        return replace(self, frame=frame, root=None, positions=None)

    def joined(self, other: "Table") -> "Table":
        """The rows of both, this one's first. Kinds and classes are this table's."""
        weights = None
        if self.weights is not None or other.weights is not None:
            weights = np.concatenate([self.row_weights(), other.row_weights()])
        same_root = self.root is not None and self.root is other.root
        labels = None
        if self.labels is not None and other.labels is not None:
            labels = np.concatenate([self.labels, other.labels])
        matrix = None
        if self.label_matrix is not None and other.label_matrix is not None:
            matrix = np.concatenate([self.label_matrix, other.label_matrix])
        origin = None
        if self.origin is not None and other.origin is not None:
            origin = np.concatenate([self.origin, other.origin])
        positions = None
        if same_root and self.positions is not None and other.positions is not None:
            positions = np.concatenate([self.positions, other.positions])
        return replace(
            self,
            frame=pl.concat([self.frame, other.frame.select(self.frame.columns)]),
            labels=labels,
            label_matrix=matrix,
            row_ids=np.concatenate([self.row_ids, other.row_ids]),
            weights=weights,
            origin=origin,
            root=self.root if same_root else None,
            positions=positions,
        )

    # ---- showing itself

    def __repr__(self) -> str:
        kinds: dict[str, int] = {}
        for kind in self.schema.kinds.values():
            kinds[kind] = kinds.get(kind, 0) + 1
        said = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        what = "labels, several a row" if self.multilabel else "classes"
        target = f"; target {self.target!r} with {len(self.classes)} {what}" if self.target else ""
        return f"<Table {self.name}: {self.rows:,} rows; {said}{target}>"

    def _repr_html_(self) -> str:
        from html import escape

        head = "".join(f"<th>{escape(n)}<br><small>{k}</small></th>" for n, k in self.schema.kinds.items())
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(str(v)[:60])}</td>" for v in row.values()) + "</tr>"
            for row in self.frame.select(list(self.schema.kinds)).head(5).iter_rows(named=True)
        )
        return f"<p>{escape(repr(self))}</p><table><tr>{head}</tr>{body}</table>"
