"""Predictions in a file or a frame, as `melior predict` writes them or as anything else does.

A column `prediction` (or one called like the target) says what each row was answered with, and columns `score_CLASS`
how likely each class is; of two classes one such column is enough. Rows are found again by a column of ids, by the
column `row` that `melior predict` writes (from 0), or by their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data import target as targets
from melior.data import target_sets
from melior.data.columns import as_text
from melior.data.files import Raw
from melior.data.label_sets import LabelSets
from melior.data.naming import instead
from melior.data.read import opened
from melior.data.table import Floats, Rows, said_row
from melior.errors import UserError

PREDICTION, ROW, SCORE = "prediction", "row", "score_"
OFF = 0.02  # how far the scores of a row may be from a sum of 1: they may be rounded
ADD = f"give the file a column of scores, {SCORE}CLASS, for every class"


@dataclass(frozen=True)
class Predicted:
    """What one file says, in its own order.

    cells    the answers as they are written; None where there are only scores
    scored   class, as the file names it -> (rows,) its scores; empty where there are none
    """

    name: str
    rows: int
    cells: pl.Series | None
    scored: dict[str, Floats] = field(repr=False)
    frame: pl.DataFrame = field(repr=False)

    def places(
        self, ids: pl.Series | None, rows: int, data: str, frame: pl.DataFrame | None = None
    ) -> tuple[Rows, str]:
        """(rows,) where in this file each row of the data stands, and a note.

        ids    (rows,) of the data, under the name that their column has in both; None: by row number or order
        frame  the data: rows are not compared in their order where a column that both have says that it is another
        """
        if ids is not None:
            return self._by_id(ids, data)
        if self.rows != rows:
            raise UserError(
                f"{self.name} has {self.rows:,} predictions and {data} has {rows:,} rows: give the predictions of the "
                "same rows in the same order, or name a column of ids that both have with --id."
            )
        if ROW not in self.frame.columns:
            if frame is not None and (column := self._in_another_order(frame)) is not None:
                raise UserError(
                    f'{self.name} has the rows of {data} in another order: "{column}", which is different in every '
                    f"row, has the same values there and elsewhere. Compare them by it with --id {_quoted(column)}, or "
                    "take it out of the predictions."
                )
            return np.arange(rows), ""
        numbers = as_text(self.frame.get_column(ROW)).str.strip_chars().cast(pl.Int64, strict=False)
        said = self.frame.get_column(ROW)
        drop = f'Correct it, or take the column "{ROW}" out, and rows are compared in their order.'
        wrong = (numbers.is_null() | (numbers < 0) | (numbers >= rows)).fill_null(True)
        if wrong.any():
            at = int(wrong.arg_true()[0])
            raise UserError(
                f'{self.name}, {said_row(at)}: "{ROW}" is "{said[at]}", and the rows of {data} are 0 to {rows - 1:,}. '
                f"{drop}"
            )
        twice = _first_repeat(numbers)
        if twice is not None:
            raise UserError(f'{self.name}, {said_row(twice)}: "{ROW}" is {numbers[twice]} a second time. {drop}')
        return np.argsort(numbers.to_numpy(), kind="stable").astype(np.int64), ""

    def _in_another_order(self, data: pl.DataFrame) -> str | None:
        """A column that is different in every row and has the same values in both, in another order; None where there
        is none, or one that has them in the same."""
        found = None
        for name in self.frame.columns:
            answer = self.cells is not None and name == self.cells.name
            if answer or name not in data.columns or name.startswith(SCORE) or self.frame.schema[name].is_nested():
                continue
            own, other = (as_text(one.get_column(name)).str.strip_chars() for one in (self.frame, data))
            if own.null_count() or own.n_unique() < len(own):
                continue
            if (own == other).all():
                return None
            if found is None and set(own.to_list()) == set(other.to_list()):
                found = name
        return found

    def _by_id(self, ids: pl.Series, data: str) -> tuple[Rows, str]:
        own = id_cells(self.frame, ids.name, self.name)
        place = {one: at for at, one in enumerate(own.to_list())}
        found = [place.get(one) for one in ids.to_list()]
        if None in found:
            at = found.index(None)
            lacking = found.count(None)
            more = f" ({lacking:,} rows have none)" if lacking > 1 else ""
            raise UserError(
                f'{self.name} has no prediction for the row of {data} whose "{ids.name}" is "{ids[at]}" '
                f"({said_row(at)}){more}: add it, or leave the row out of {data}."
            )
        beyond = self.rows - len(ids)
        note = f'{beyond:,} predictions of {self.name} are of no "{ids.name}" of {data} and were left out'
        return np.array(found, dtype=np.int64), note if beyond else ""

    def answers(self, classes: Sequence[str], sets: LabelSets | None, known_by: str) -> NDArray[np.int64] | None:
        """(rows,) class numbers, or (rows, labels) of 0 and 1; None where there are only scores.

        known_by  who knows the classes, as the middle of a sentence
        """
        if self.cells is None:
            return None
        if sets is not None:
            how = LabelSets(sets.separator, empty_is_none=True)
            matrix = target_sets.known(self.cells, self.name, classes, how, learned_from=known_by, otherwise=ADD)
            return matrix.astype(np.int64)
        codes = targets.known(self.cells, self.name, classes, learned_from=known_by, otherwise=ADD)
        if (codes < 0).any():
            at = int(np.flatnonzero(codes < 0)[0])
            raise UserError(f'{self.name}, {said_row(at)}: "{self.cells.name}" is empty: every row needs a prediction.')
        return codes.astype(np.int64)

    def meant(self, classes: Sequence[str], sets: LabelSets | None, known_by: str) -> NDArray[np.bool_]:
        """(classes,) which of them some row is answered with, or has a score above 0 for. known_by: see `answers`."""
        found = np.zeros(len(classes), dtype=bool)
        for number, values in self._scores_of(classes).items():
            found[number] = values.any()
        answers = self.answers(classes, sets, known_by)
        if answers is None:
            return found
        return found | (np.isin(np.arange(len(classes)), answers) if sets is None else answers.any(axis=0))

    def scores(self, classes: Sequence[str], *, several: bool) -> tuple[Floats | None, str]:
        """(rows, classes) probabilities, and a note; None where there are none. several: a row may have several labels,
        each with a probability of its own."""
        if not self.scored:
            return None, ""
        found = np.full((self.rows, len(classes)), np.nan)
        for number, values in self._scores_of(classes).items():
            found[:, number] = values
        absent = [number for number in range(len(classes)) if np.isnan(found[:, number]).all()]
        note = ""
        if len(absent) == 1 and len(classes) == 2 and not several:
            found[:, absent[0]] = 1 - found[:, 1 - absent[0]]
        elif absent:
            lacking = [classes[number] for number in absent]
            if len(self.scored) == 1:
                raise UserError(
                    f"{self.name}: there is a score for one of {len(classes)} classes, and none for "
                    f"{targets.listed(lacking)}: add columns {SCORE}{lacking[0]} and so on, or take it out."
                )
            found[:, absent] = 0.0
            note = f"{self.name} has no score for {targets.listed(lacking)}: it counts as 0"
        if several:
            return found, note
        sums = found.sum(axis=1)
        off = np.flatnonzero(np.abs(sums - 1) > OFF)
        if len(off):
            raise UserError(
                f"{self.name}, {said_row(int(off[0]))}: the scores sum to {sums[off[0]]:.3g}, and probabilities of one "
                f"class a row sum to 1. Turn them into probabilities, or take the columns {SCORE}... out."
            )
        return found / sums[:, None], note

    def _scores_of(self, classes: Sequence[str]) -> dict[int, Floats]:
        """The number of a class -> (rows,) its scores. A column of zeros alone may be of no class."""
        found = {}
        for name, values in self.scored.items():
            label = name if name in classes else next(iter(targets.classes_of([name])), "")
            if label in classes:
                found[classes.index(label)] = values
            elif values.any():
                raise UserError(
                    f'{self.name}: "{SCORE}{name}" is of no class; they are {targets.listed(classes)}. Name it after '
                    "one of them, or take it out."
                )
        return found


def read_predictions(source: Any, target: str, name: str | None = None) -> Predicted:
    """The predictions of a file (CSV, TSV, JSONL, Parquet, plain or compressed) or a frame.

    target  the answer's column may be called so, where there is none called `prediction`
    name    what messages call it; the file's name otherwise
    """
    raw = opened(source, name=name)
    frame = raw.frame
    column = PREDICTION if PREDICTION in frame.columns else target if target in frame.columns else None
    scored = {one.removeprefix(SCORE): _probabilities(raw, one) for one in frame.columns if one.startswith(SCORE)}
    if column is None and not scored:
        raise UserError(
            f'{raw.name}: there is no column "{PREDICTION}", none called "{target}" and none of scores ({SCORE}CLASS). '
            f"{instead(PREDICTION, frame.columns)}"
        )
    return Predicted(raw.name, frame.height, None if column is None else frame.get_column(column), scored, frame)


def id_cells(frame: pl.DataFrame, column: str, name: str) -> pl.Series:
    """The ids of the rows as text: none empty, none twice."""
    if column not in frame.columns:
        raise UserError(f'{name}: the id "{column}" is no column. {instead(column, frame.columns)}')
    cells = as_text(frame.get_column(column)).str.strip_chars()
    empty = cells.is_null() | (cells == "")
    if empty.any():
        at = int(empty.arg_true()[0])
        raise UserError(f'{name}, {said_row(at)}: "{column}" is empty: every row needs an id.')
    twice = _first_repeat(cells)
    if twice is not None:
        raise UserError(f'{name}, {said_row(twice)}: "{column}" is "{cells[twice]}" a second time: ids must differ.')
    return cells


def _quoted(name: str) -> str:
    """A name as it is written on a command line."""
    return f'"{name}"' if " " in name else name


def _first_repeat(cells: pl.Series) -> int | None:
    repeats = (~cells.is_first_distinct()).arg_true()
    return int(repeats[0]) if len(repeats) else None


def _probabilities(raw: Raw, column: str) -> Floats:
    """(rows,) numbers from 0 to 1."""
    cells = raw.frame.get_column(column)
    values = (as_text(cells) if not cells.dtype.is_numeric() else cells).cast(pl.Float64, strict=False)
    wrong = ~((values >= 0) & (values <= 1)).fill_null(False)
    if wrong.any():
        at = int(wrong.arg_true()[0])
        given = "empty" if cells[at] is None else f'"{cells[at]}"'
        raise UserError(
            f'{raw.name}, {said_row(at)}: "{column}" is {given}, and a score is a probability, from 0 to 1. '
            f"Correct it, or take the columns {SCORE}... out."
        )
    return np.asarray(values.to_numpy(), dtype=np.float64)
