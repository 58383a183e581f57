"""`init`: looks at a file and writes a commented recipe."""

import os
from pathlib import Path
from typing import Any

from melior.data.describe import ColumnSummary, describe
from melior.data.read import read
from melior.data.schema import KINDS
from melior.data.table import Table
from melior.errors import UserError
from melior.storage import of_address, writable_file, write_atomic
from melior.verbs.prepare import with_columns


def init(
    source: str | Path,
    *,
    target: str | None = None,
    label_separator: str | None = None,
    out: str | Path = "melior.yaml",
) -> tuple[Table, list[ColumnSummary]]:
    """Writes a recipe for a file, every setting explained; returns the table and what each column is.

    label_separator: between the labels of a row, where the target is text and a row may have several; that empty cells
    are rows without labels then stands in the recipe; where a row has one class, that rows with an empty target are
    left out. A recipe that is there already is not overwritten.
    """
    source, path = str(of_address(str(source)) or source), Path(out)
    if path.exists():
        raise UserError(f"{path} is there already; choose another name with --out or remove it.")
    writable_file(path)
    empty = "drop" if label_separator is None else "no_label"
    table = read(source, target=target, label_separator=label_separator, missing_target=empty)
    table = with_columns(table, usable=False)
    columns = describe(table)
    where = os.path.relpath(source, path.parent if str(path.parent) else ".")
    write_atomic(path, recipe_text(where, table, columns, label_separator))
    return table, columns


def recipe_text(path: str, table: Table, columns: list[ColumnSummary], label_separator: str | None = None) -> str:
    """The recipe with a comment for every setting."""
    width = max((len(quoted(one.name)) for one in columns), default=8)
    kinds = "\n".join(f"    # {quoted(one.name) + ':':<{width + 1}} {one.kind:<9} # {one.why}" for one in columns)
    target = (
        f"  target: {quoted(table.target)}" if table.target else "  target:                  # the column to predict"
    )
    seen = ""
    if table.target is not None:
        counts = ", ".join(f"{label}: {rows:,}" for label, rows in list(table.target_counts().items())[:8])
        seen = f"   # rows of each {'label' if table.multilabel else 'class'}: {counts}"
    missing = "  # missing_target: stop    # or drop: leave out rows whose target is empty"
    if gone := len(table.without_target):
        missing = (
            f"  missing_target: drop      # {gone:,} rows have no target and are left out; take this line away to be "
            "stopped by them"
        )
    if label_separator is not None:
        none = int((table.truth().sum(axis=1) == 0).sum())
        missing = (
            f"  missing_target: no_label  # {none:,} rows are empty: they have no label; or stop, or drop such rows"
            if none
            else "  # missing_target: stop    # or drop such rows; no_label: rows whose target is empty have no label"
        )
        missing = f"  label_separator: {quoted(label_separator)}      # between the labels of a row\n{missing}"
    return f"""# A recipe: what to do with which data. Lines that begin with # are remarks or defaults.
task: classify

data:
  path: {quoted(path)}
{target}{seen}
  # test: other.csv         # rows to score once at the end; without it a part of the rows is sealed
{missing}
  # trusted: checked        # a column that marks rows whose target is known to be right
  # known_at_prediction: [] # columns that look like the answer in disguise and are legitimate all the same
  # without: {{note: [closed]}} # words that are taken out of a text column before anything reads it
  # columns:                # take the mark away from a line to set another kind: {", ".join(KINDS)}
{kinds}

# split:
#   kind: auto              # random, stratified, group, time or column (the last three name a column)
#   sealed: 0.2             # share of rows that nothing looks at before the end
#   folds: 5

metric: auto                # macro_f1; or accuracy, balanced_accuracy, roc_auc, log_loss, f1[CLASS], ...
model: auto                 # linear, trees, or the better of them by a short trial
methods: []                 # for example [class_weights, {{threshold: {{}}}}]; `melior methods` lists them
seed: 0
"""


def quoted(value: Any) -> str:
    """A YAML scalar that is read back as this text."""
    import yaml

    text = str(yaml.safe_dump(str(value), allow_unicode=True, width=10_000)).strip()
    return text.removesuffix("\n...").strip()
