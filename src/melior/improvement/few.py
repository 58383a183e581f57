"""Rows that are too few to prove anything on, and the plain recipe that is fitted to them instead."""

import math

import numpy as np
import polars as pl

from melior.data.splits import folds
from melior.data.table import Table
from melior.data.target import FEW
from melior.errors import UserError
from melior.improvement.looking import put_aside
from melior.models._base import families
from melior.predictor import Predictor
from melior.recipe import Recipe
from melior.trials.fit import fit
from melior.trials.threads import one_thread_each
from melior.trials.together import clusters, same_rows

FEWEST_SEALED = 30  # rows; the 95 % interval of a share of fewer is up to 36 points wide: 2 * 1.96 * sqrt(0.25 / 30)
FEWEST_OF_CLASS = 10  # rows of the second class: two of them are sealed, and each of five folds tests one or two


def too_few(table: Table, recipe: Recipe) -> str:
    """Why nothing can be proved on these rows, in one sentence; empty where it may be.

    Equal rows count as one, as they do for the judge.
    """
    counts = sorted((count for count in table.target_counts().values() if count), reverse=True)
    if len(counts) < 2:
        return "all rows are of one class, and it is the answer to every row"
    different = len(np.unique(same_rows(table)[0]))
    needed = math.ceil(FEWEST_SEALED / recipe.split.sealed)
    if different < needed:
        return (
            f"of {different:,} different rows {recipe.split.sealed:.0%} are fewer than the {FEWEST_SEALED} to be put "
            f"aside for a proof; that takes {needed:,}"
        )
    if counts[1] < FEWEST_OF_CLASS:
        but = "but for one class, " if counts[0] >= FEWEST_OF_CLASS else ""
        return f"{but}no class has the {FEWEST_OF_CLASS} rows that a proof takes"
    if len(counts) > max(FEW, table.rows / 5):
        return f"{len(counts):,} classes are too many for rows of each to be put aside among {table.rows:,}"
    try:
        development = put_aside(table, recipe, None).development
        folds(development, recipe.split, recipe.seed, groups=clusters(development))
    except UserError as error:
        return str(error).rstrip(".")
    return ""


def fit_plain(recipe: Recipe, table: Table) -> tuple[Recipe, Predictor]:
    """The recipe with its family named (of `auto` the plainest that reads the table) and what it gives on all rows.

    Any number of rows will do, and of classes. A row of weight 3 is the same as three such rows, and the order of the
    rows does not count.
    """
    if recipe.model.name == "auto":
        able = [name for name, family in families().items() if family().unsuitable(table) is None]
        if not able:
            kinds = ", ".join(f'"{name}" is {kind}' for name, kind in table.schema.kinds.items())
            raise UserError(
                f"{table.name}: there is no column to learn from ({kinds}). Say what they are with columns, such as "
                '{"zip": "category"}, or give others.'
            )
        recipe = recipe.with_model(able[0])
    with one_thread_each():
        return recipe, fit(recipe, merged(table), few=True)


def merged(table: Table) -> Table:
    """Equal rows of one class as one row that counts as much as they do together, ordered by what they hold."""
    columns = table.features()
    frame = table.frame.select(columns).with_columns(
        pl.Series("melior label", table.given_labels()),
        pl.Series("melior weight", table.row_weights()),
        pl.Series("melior row", np.arange(table.rows)),
    )
    own = [*columns, "melior label"]
    whole = frame.group_by(own).agg(pl.col("melior weight").sum(), pl.col("melior row").min()).sort(own)
    weights = whole.get_column("melior weight").to_numpy()
    rows = table.take(whole.get_column("melior row").to_numpy())
    return rows.with_weights(None if (weights == 1).all() else weights.astype(np.float64))
