"""Which rows `judge` counts, what is true of them, and which of them are drawn together."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melior.data import target as targets
from melior.data.naming import instead
from melior.data.splits import group_numbers, time_ranks
from melior.data.table import Floats, Table
from melior.errors import UserError
from melior.improvement.ruler import FEWEST_TRUSTED, marked
from melior.metrics import Metric, Predictions, blocks_in_order, label_weights
from melior.metrics.probabilities import brier_losses
from melior.runs.store import Run
from melior.trials.where import share_right
from melior.verbs.judge_inputs import FEWEST, Rows, Side
from melior.verbs.learned_rows import made_from

FEW_UNITS = 20


def of_recipes(sides: Sequence[Side], what: str) -> str | None:
    """The column of trusted rows, or of the split by `what`, that a recipe of the two names; A's goes first."""
    for side in sides:
        if side.recipe is None:
            continue
        if what == "trusted" and side.recipe.data.trusted is not None:
            return side.recipe.data.trusted
        if side.recipe.split.kind == what:
            return side.recipe.split.column
    return None


def counted_rows(
    rows: Rows, column: str | None, sides: Sequence[Side], data: Any, notes: list[str]
) -> NDArray[np.bool_]:
    """(rows,) those that count: with a known answer, and marked as right where such a column is named. data: where they
    were read from."""
    counted = rows.known
    if not counted.all():
        notes.append(f'{int((~counted).sum()):,} rows have no "{rows.target}" and were left out')
    there = rows.table is not None and column in rows.table.frame.columns
    if column is not None and not there and column == of_recipes(sides, "trusted"):
        notes.append(
            f'{rows.raw.name} has no column "{column}" that marks trusted rows, as the recipe names: all count'
        )
    elif column is not None:
        counted = counted & trusted(rows, column)
        notes.append(f'only the {int(counted.sum()):,} rows that "{column}" marks as trusted count')
    if int(counted.sum()) < FEWEST:
        raise UserError(f"{rows.raw.name}: {int(counted.sum())} rows are left to compare on; give more.")
    for side in sides:
        path = None if side.recipe is None else side.recipe.data.path
        if side.run is not None and side.recipe is not None and made_from(side.run, side.recipe, data):
            notes.append(
                f"{side.name} was made from this file: among its rows are those it learned, which prove nothing"
            )
        elif path is not None and Path(path).name == rows.raw.name:
            notes.append(f"{side.name} was made from a file of the same name: rows that it learned prove nothing")
    return counted


def classes_without_rows(rows: Rows, counted: NDArray[np.bool_]) -> list[str]:
    """What is to be known of the scores where no row that counts is of a class: a note, or none."""
    there = np.asarray(rows.truth[counted].any(axis=0))
    absent = [label for label, so in zip(rows.classes, there, strict=True) if not so]
    if not absent:
        return []
    also = "" if rows.sets is not None else "; balanced_accuracy leaves it out"
    what = f"means over all classes (macro_f1, macro_recall, macro_precision) count it as 0{also}"
    return [f"no row that counts is {targets.listed(absent)}: {what}"]


@dataclass(frozen=True)
class Together:
    """Which rows are drawn together: those of one of `groups`, or those that follow one another by `ranks`; single rows
    where there is neither. Both are (rows of the data,) numbers from the column of that name."""

    column: str = ""
    groups: NDArray[np.int64] | None = None
    ranks: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Units:
    """(rows that count,) what is drawn as one for the difference, and for each model alone; None for single rows. said:
    the same in words."""

    paired: NDArray[np.int64] | None
    alone: NDArray[np.int64] | None
    said: str


def together_of(rows: Rows, groups: str | None, order: str | None, sides: Sequence[Side], notes: list[str]) -> Together:
    """By the columns that are named, else by those by which the recipes split their rows."""
    if groups is None and order is None:
        groups, order = _of_splits(rows, sides, notes)
    if groups is not None:
        return Together(groups, groups=group_numbers(column_of(rows, groups, "--groups"), groups))
    if order is not None:
        why = "and rows are ordered by it. Fill it, or remove such rows."
        return Together(order, ranks=time_ranks(column_of(rows, order, "--order"), order, why))
    return Together()


def units_of(
    together: Together,
    counted: NDArray[np.bool_],
    pair: Sequence[Predictions],
    asked: Sequence[Metric],
    name: str,
    notes: list[str],
) -> Units:
    """The units of the rows that count. How long blocks must be depends on how the rows of both models hang together.

    name  what messages call the data
    """
    if together.groups is not None:
        found = np.unique(together.groups[counted], return_inverse=True)[1]
        many = _enough(int(found.max()) + 1, f'the groups of "{together.column}"', name, notes)
        return Units(found, found, f'{many:,} whole groups of "{together.column}"')
    if together.ranks is None:
        return Units(None, None, "single rows")
    ranks = together.ranks[counted]
    right = [share_right(one) for one in pair]
    series = [right[1] - right[0]]
    if any(one.needs == "scores" for one in asked):
        series.append(np.subtract(*(_squares(one) for one in pair)))
    found, alone = blocks_in_order(ranks, series), blocks_in_order(ranks, [*series, *right])
    many = _enough(int(found.max()) + 1, f'the blocks in the order of "{together.column}"', name, notes)
    return Units(
        found, alone, f'{many:,} blocks of about {len(ranks) / many:.0f} rows in the order of "{together.column}"'
    )


def _of_splits(rows: Rows, sides: Sequence[Side], notes: list[str]) -> tuple[str | None, str | None]:
    """The columns of groups and of the order by which the recipes split their rows, where the data has them."""
    there = () if rows.table is None else rows.table.frame.columns
    found = [of_recipes(sides, kind) for kind in ("group", "time")]
    notes += [
        f'{rows.raw.name} has no column "{column}", by which a recipe splits its rows: they are drawn one by one'
        for column in found
        if column is not None and column not in there
    ]
    groups, order = (column if column in there else None for column in found)
    return groups, None if groups is not None else order


def _enough(many: int, what: str, name: str, notes: list[str]) -> int:
    if many < FEWEST:
        raise UserError(f"{name}: {what} are {many}, and of one nothing can be drawn again: give more rows.")
    if many < FEW_UNITS:
        notes.append(f"{what} are only {many}: intervals are wide, and lean on their being alike")
    return many


def _squares(one: Predictions) -> Floats:
    """(rows,) the Brier loss of each row."""
    assert one.scores is not None
    if one.multilabel:
        return np.asarray(((one.scores - one.truth) ** 2).mean(axis=1))
    return np.asarray((one.truth * brier_losses(one.scores)).sum(axis=1))


def column_of(rows: Rows, column: str, option: str) -> Table:
    """The table, which has this column."""
    there = [] if rows.table is None else rows.table.frame.columns
    if rows.table is None or column not in there:
        what = "the target" if column == rows.target else "no column"
        hint = instead(column, there) if there else ""
        raise UserError(f'{rows.raw.name}: {option} names "{column}", which is {what}. {hint}'.rstrip())
    return rows.table


def trusted(rows: Rows, column: str) -> NDArray[np.bool_]:
    """(rows,) whether the user marks the row's answer as right."""
    table = column_of(rows, column, "--trusted")
    found = marked(table, column)
    if (many := int(found.sum())) < FEWEST_TRUSTED:
        raise UserError(
            f'{rows.raw.name}: --trusted: "{column}" marks {many or "no"} row{"" if many == 1 else "s"} as right (with '
            f"1, true or yes), and a comparison takes at least {FEWEST_TRUSTED}. Mark more, or name another column."
        )
    return found


def corrected(rows: Rows, noise: Any) -> Floats:
    """Label weights (rows, classes) that take known label noise out of the scores.

    noise  the folder of a run whose audit estimated it, a JSON file {"classes": [...], "matrix": [[...]]}, or a matrix
           (classes, classes) in the order of the classes: P(given label | true label) in row t, column g
    """
    if rows.sets is not None:
        raise UserError("--noise corrects labels of one class a row, and here a row may have several.")
    classes, matrix = _noise_of(noise, rows.classes)
    unknown = [one for one in rows.classes if one not in classes]
    if unknown or matrix.shape != (len(classes), len(classes)):
        lacking = f"none for {targets.listed(unknown)}" if unknown else f"a matrix of {matrix.shape}"
        raise UserError(f"--noise: there is {lacking}; a row and a column for each of {targets.listed(rows.classes)}.")
    order = [classes.index(one) for one in rows.classes]
    if len(order) < len(classes):
        raise UserError(f"--noise: it has classes that are not compared; they are {targets.listed(rows.classes)}.")
    return label_weights(rows.truth.argmax(axis=1), matrix[np.ix_(order, order)], classes=rows.classes)


def _noise_of(noise: Any, classes: Sequence[str]) -> tuple[list[str], Floats]:
    if not isinstance(noise, str | Path):
        return list(classes), np.asarray(noise, dtype=np.float64)
    path = Path(noise)
    if path.is_dir():
        run = Run.open(path)
        for finding in run.read("findings.json") if run.has("findings.json") else ():
            measured = finding.get("measured", {})
            if finding.get("symptom") == "label_noise" and "noise_matrix" in measured and "label" not in measured:
                if not measured.get("corrects_scores", True):
                    raise UserError(
                        f"{path}: what its audit says of wrong labels is too unsure to correct scores with."
                    )
                return list(measured["classes"]), np.asarray(measured["noise_matrix"], dtype=np.float64)
        raise UserError(f"{path}: this run found no wrong labels to estimate a noise matrix from.")
    try:
        found = json.loads(path.read_bytes())
        return [str(one) for one in found["classes"]], np.asarray(found["matrix"], dtype=np.float64)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file or run.") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f'{path}: a noise matrix is {{"classes": [...], "matrix": [[...], ...]}} in JSON.') from None
