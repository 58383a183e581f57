"""What `judge` compares: a run, a predictor or predictions from elsewhere, on the same rows with known answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data import target as targets
from melior.data import target_sets
from melior.data.files import Raw
from melior.data.label_sets import LabelSets
from melior.data.naming import instead, named
from melior.data.predicted import PREDICTION, Predicted, read_predictions
from melior.data.read import opened, read, read_like
from melior.data.table import Floats, Table
from melior.errors import UserError
from melior.metrics import one_hot
from melior.predictor import Predictor
from melior.progress import Progress
from melior.recipe import Recipe
from melior.runs.store import Run
from melior.verbs.evaluate import predictor_of

NAMED = ("A", "B")
FEWEST = 2  # rows, groups or blocks of them, and classes
UNKNOWN = "the comparison"


@dataclass(frozen=True)
class Side:
    """One of the two: its name, and either a predictor with the recipe of its run (and that run where it has a folder),
    or predictions that were read."""

    name: str
    predictor: Predictor | None
    recipe: Recipe | None
    predicted: Predicted | None
    run: Run | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that it is known to know; none where only answers were read."""
        if self.predictor is not None:
            return self.predictor.classes
        assert self.predicted is not None
        return tuple(self.predicted.scored)

    @property
    def scored(self) -> bool:
        """Whether it says how likely each class is."""
        return self.predicted is None or bool(self.predicted.scored)


@dataclass(frozen=True)
class Answers:
    """What one side says of the rows: answers (rows,) or (rows, labels), scores (rows, classes) where it has them."""

    answers: NDArray[np.int64]
    scores: Floats | None


@dataclass(frozen=True)
class Rows:
    """The rows with known answers: their truth (rows, classes) as given, their other columns (None where there are
    none), what messages call them, and the target's name."""

    raw: Raw
    table: Table | None
    truth: Floats
    known: NDArray[np.bool_]
    classes: tuple[str, ...]
    sets: LabelSets | None
    target: str


def sides_of(a: Any, b: Any, target: str | None) -> list[Side]:
    """Both sides: run folders, Predictors, what has one, or files and frames of predictions. A file may have its
    answers under the name of the target, which a run on the other side knows."""
    models = {at: _model(what, NAMED[at]) for at, what in enumerate((a, b)) if _is_model(what)}
    learned = next((one.predictor.schema.target for one in models.values() if one.predictor is not None), None)
    if target is None and not models:
        raise UserError("say which column of the data holds the right answers with --target.")
    return [models.get(at) or _read(what, target or learned, NAMED[at]) for at, what in enumerate((a, b))]


def _is_model(what: Any) -> bool:
    if isinstance(what, str | Path):
        return Path(what).is_dir()
    return isinstance(what, Predictor) or isinstance(getattr(what, "predictor", None), Predictor)


def _model(what: Any, name: str) -> Side:
    predictor, folder = predictor_of(what)
    if folder is not None:
        return Side(str(what), predictor, Run(folder).recipe(), None, Run(folder))
    recipe = getattr(what, "recipe", None)
    return Side(name, predictor, recipe if isinstance(recipe, Recipe) else None, None)


def _read(what: Any, target: str | None, name: str) -> Side:
    if isinstance(what, str | Path):
        return Side(str(what), None, None, read_predictions(what, target or ""))
    return Side(name, None, None, read_predictions(what, target or "", f"predictions {name}"))


def target_of(sides: Sequence[Side], target: str | None) -> str:
    """The column of the right answers: the one named, else what the runs learned."""
    learned = {one.name: one.predictor.schema.target or "" for one in sides if one.predictor is not None}
    if target is not None:
        return target
    if len(set(learned.values())) > 1:
        said = " and ".join(f'{name} answers "{column}"' for name, column in learned.items())
        raise UserError(f"{said}: they cannot be compared, unless one column holds the answers of both (--target).")
    return next(iter(learned.values()))


def rows_of(
    sides: Sequence[Side],
    data: Any,
    target: str,
    ignored: Sequence[str],
    separator: str | None,
    notes: list[str],
    progress: Progress,
) -> Rows:
    """The rows of the data, and what is true of them.

    ignored    columns that say nothing of a row's answer: ids, marks
    separator  between the labels of a row, where the target is text and a row may have several
    """
    progress("reading", 0, 1)
    raw = opened(data, target=str(target))
    target = named(target, raw.frame.columns)
    if target not in raw.frame.columns:
        raise UserError(f'{raw.name}: the target "{target}" is no column. {instead(target, raw.frame.columns)}')
    for side in sides:
        # by what is in it and not by its path, of which there are many for one file
        if _answers_as(side, target) and side.predicted is not None and side.predicted.frame.equals(raw.frame):
            raise UserError(f'{side.name}: its "{target}" are the right answers; put predictions beside them, named '
                            '"prediction", or name a file of predictions.')  # fmt: skip
    cells = raw.frame.get_column(target)
    sets = _label_sets(sides, cells, separator)
    classes = _classes(sides, cells, raw.name, sets)
    if sets is None:
        labels = targets.known(cells, raw.name, classes, learned_from=UNKNOWN, otherwise="leave such rows out")
        known = labels >= 0
        truth = one_hot(np.maximum(labels, 0), len(classes))
    else:
        matrix = target_sets.known(cells, raw.name, classes, sets, learned_from=UNKNOWN, otherwise="leave them out")
        known = np.asarray((matrix >= 0).all(axis=1))
        truth = np.maximum(matrix, 0).astype(np.float64)
    meant = _meant(sides, classes, sets, truth[known], f'"{target}" of {raw.name}')
    if not meant.all() and int(meant.sum()) >= FEWEST:  # of two classes, one may be 0 in every row
        left = [label for label, kept in zip(classes, meant, strict=True) if not kept]
        notes.append(f"no row is {targets.listed(left)} or is answered so, and every score of it is 0: it is left out")
        classes, truth = tuple(label for label in classes if label not in left), truth[:, meant]
    if int(known.sum()) < FEWEST:
        raise UserError(f'{raw.name}: {int(known.sum())} rows have a "{target}"; at least {FEWEST} are needed.')
    others = raw.frame.drop(target)
    there = {name: "ignore" for name in ignored if name in others.columns}
    table = read(replace(raw, frame=others, label=None), columns=there) if others.width else None
    return Rows(raw, table, truth, known, classes, sets, target)


def _label_sets(sides: Sequence[Side], cells: pl.Series, separator: str | None) -> LabelSets | None:
    """How several labels of a row are written; None where a row has one class."""
    runs = [one.predictor.schema.label_sets for one in sides if one.predictor is not None]
    if runs and (runs[0] is None) != (runs[-1] is None):
        raise UserError("one of the two answers with one class a row and the other with several labels.")
    if runs:
        return runs[0]
    if not target_sets.is_sets(cells, separator):
        return None
    return LabelSets(separator or ";")


def _classes(sides: Sequence[Side], cells: pl.Series, name: str, sets: LabelSets | None) -> tuple[str, ...]:
    """The classes of both, in order: those that they are known to know, and, where these are none or one that a column
    of scores names, those that are true of some row."""
    told = [label for one in sides for label in one.classes]
    enough = any(one.predictor is not None for one in sides) or len(targets.classes_of(told)) > 1
    if sets is not None:
        learned = () if enough else target_sets.learn(cells, name, sets.separator, "no_label", part=True).classes
        return target_sets.ordered(list(dict.fromkeys([*told, *learned])))
    learned = () if enough else targets.learn(cells, name, "drop", part=True).classes
    return targets.classes_of([*told, *learned])


def _meant(
    sides: Sequence[Side], classes: Sequence[str], sets: LabelSets | None, truth: Floats, known_by: str
) -> NDArray[np.bool_]:
    """(classes,) all but those that are named by columns of zeros alone, and would only lower means over classes.
    truth: of the rows with known answers."""
    meant = np.asarray(truth.any(axis=0))
    for side in sides:
        if side.predictor is not None:
            meant = meant | np.isin(classes, side.predictor.classes)
    for side in sides:
        if side.predicted is not None and not meant.all():
            meant = meant | side.predicted.meant(classes, sets, known_by)
    return meant


def _answers_as(side: Side, target: str) -> bool:
    """Whether the answers were read from a column called like the target."""
    cells = None if side.predicted is None else side.predicted.cells
    return cells is not None and named(cells.name, [target]) == target


def answers_of(side: Side, rows: Rows, ids: pl.Series | None, notes: list[str]) -> Answers:
    """What a side says of every row of the data, in their order and in the classes of both."""
    if side.predictor is not None:
        return _predicted(side, side.predictor, rows, notes)
    assert side.predicted is not None
    found = side.predicted
    several = rows.sets is not None
    place, note = found.places(ids, rows.raw.frame.height, rows.raw.name, rows.raw.frame)
    scores, also = found.scores(rows.classes, several=several)
    answers = found.answers(rows.classes, rows.sets, f'"{rows.target}" of {rows.raw.name}')
    notes += [one for one in (note, also) if one]
    if answers is not None and scores is not None and not several:
        other = int((scores.argmax(axis=1) != answers).sum())
        if other > found.rows / 2:
            notes.append(
                f"{found.name}: in {other:,} of {found.rows:,} rows the class with the highest score is not the "
                f'"{found.cells.name if found.cells is not None else PREDICTION}": see whether the columns of scores '
                "are named as they should be"
            )
    if answers is None:
        assert scores is not None
        answers = (scores >= 0.5).astype(np.int64) if several else scores.argmax(axis=1)
    answers = answers[place]
    right = answers == (rows.truth if several else rows.truth.argmax(axis=1))
    if _answers_as(side, rows.target) and right[rows.known].all():
        notes.append(
            f'{found.name}: its "{rows.target}" is the right answer in every row: see whether it was predicted'
        )
    return Answers(answers, None if scores is None else scores[place])


def _predicted(side: Side, predictor: Predictor, rows: Rows, notes: list[str]) -> Answers:
    table = read_like(rows.raw, replace(predictor.schema, target=None))
    notes += [f"{side.name}: {note}" for note in table.notes if note not in rows.raw.notes]
    own = predictor.scores(table)
    said = predictor.decided(own).astype(np.int64)
    places = [rows.classes.index(label) for label in predictor.classes]
    scores = np.zeros((table.rows, len(rows.classes)))
    scores[:, places] = own
    if not predictor.multilabel:
        return Answers(np.array(places, dtype=np.int64)[said], scores)
    answers = np.zeros(scores.shape, dtype=np.int64)
    answers[:, places] = said
    return Answers(answers, scores)
