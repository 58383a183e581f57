"""A cleaned copy of a table, and a log that says what was done to which row and why. The source is never touched.

Only what is certain is changed: copies but the one that stays, rows that also stand in the test file, cells that stand
for a missing value or cannot be read, and columns that give the answer away. Everything else is named in the log and
left to people: rare is not wrong, and neither is a label that a model doubts. The target is written as text, last.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from melior.checks.invalid_values import WORDS
from melior.data.table import Table
from melior.errors import UserError
from melior.findings import Finding
from melior.storage import writable_file, write_atomic
from melior.trials.audit import Fixed

FORMATS = (".parquet", ".csv", ".jsonl")
MOST_TO_LOOK_AT = 1000  # lines of one finding
NOT_WORDS = frozenset({"unknown", "unbekannt", "inconnu", "desconocido", "未知"})  # may be an answer of its own


def writable(path: Path) -> None:
    """Refuses a path that cannot take the copy, before any work."""
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: a cleaned copy is written as {', '.join(FORMATS)}; give the file such a name.")
    for one in (path, log_of(path)):
        if one.exists():
            raise UserError(f"{one}: there is such a file already, and nothing is overwritten; name another.")
    if not path.resolve().parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}; make it first.")
    writable_file(path)


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}.log.csv")


@dataclass
class Log:
    """Lines of the log: what was done to which row (its number in the file, from 1) and column, and why."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def add(self, finding: Finding, action: str, row: int | None = None, column: str = "", before: Any = None,
            after: Any = None, why: str = "") -> None:  # fmt: skip
        self.lines.append(
            {
                "row": None if row is None else row + 1,
                "column": column,
                "action": action,
                "before": None if before is None else str(before),
                "after": None if after is None else str(after),
                "symptom": finding.symptom,
                "check": finding.check,
                "why": why or finding.message,
            }
        )

    def note(self, row: int, column: str, action: str, why: str) -> None:
        """What reading did, without a finding."""
        self.lines.append({"row": row + 1, "column": column, "action": action, "before": None, "after": None,
                           "symptom": None, "check": None, "why": why})  # fmt: skip

    def frame(self) -> pl.DataFrame:
        names = ("row", "column", "action", "before", "after", "symptom", "check", "why")
        schema = {name: pl.Int64 if name == "row" else pl.String for name in names}
        return pl.DataFrame(self.lines, schema=schema)


def write_fixed(table: Table, findings: Sequence[Finding], path: Path) -> Fixed:
    """Writes the cleaned copy and its log.

    table     all rows, as read
    findings  what the audit found and the recipe does not mute
    path      a file that does not exist yet: .parquet, .csv or .jsonl
    """
    writable(path)
    log = Log()
    gone: set[int] = set()
    columns: list[str] = []
    frame = _with_paths(table, path)
    cells = _unread(table, findings, log)
    for row in table.without_target.tolist():
        log.note(row, table.target or "", "row left out", "its target is empty (data.missing_target: drop)")
    for finding in findings:
        before = len(log.lines)
        if finding.symptom == "target_leakage" and finding.certain and finding.columns:
            columns += _leaks(finding, columns, log)
        elif finding.symptom in ("duplicate_rows", "split_overlap", "label_noise"):
            _rows(table, finding, gone, log)
        elif finding.symptom == "invalid_values" and finding.measured.get("kind") == "unread":
            continue
        elif finding.symptom == "invalid_values":
            frame, changed = _cells(table, frame, finding, log)
            cells += changed
        if len(log.lines) == before and finding.symptom != "failed_check":
            log.add(finding, "left as it is", column=", ".join(finding.columns[:5]))
    kept = ~np.isin(table.row_ids, np.fromiter(gone, dtype=np.int64, count=len(gone)))
    if not kept.any():
        raise UserError(f"{path}: no row would be left, so nothing was written; look at the findings first.")
    if table.target is not None and table.label_matrix is not None:
        frame = frame.with_columns(_label_cells(table, as_text=path.suffix.lower() == ".csv"))
    if table.target is not None and table.labels is not None:
        words = np.array([*table.classes, None], dtype=object)
        frame = frame.with_columns(pl.Series(table.target, words[table.labels].tolist(), dtype=pl.String))
    _write(log.frame(), log_of(path))  # first: a copy without its log must not be
    _write(frame.filter(pl.Series(kept)).drop(columns), path)
    without = len(table.without_target)
    return Fixed(path, log_of(path), table.rows + without, int((~kept).sum()) + without, cells, tuple(columns))


def _label_cells(table: Table, *, as_text: bool) -> pl.Series:
    """The labels of each row as they were read: a list, or text where the file holds none; null where not known."""
    sets, matrix = table.schema.label_sets, table.given_label_matrix()
    assert sets is not None
    cells: list[Any] = [
        None if (row < 0).any() else [table.classes[code] for code in np.flatnonzero(row)] for row in matrix
    ]
    if as_text:
        joined = [None if cell is None else sets.separator.join(cell) for cell in cells]
        return pl.Series(table.target, joined, dtype=pl.String)
    return pl.Series(table.target, cells, dtype=pl.List(pl.String))


def _with_paths(table: Table, path: Path) -> pl.DataFrame:
    """The rows with paths of images as they are found from the copy's folder."""
    frame = table.frame
    if table.images is None or os.path.abspath(table.images.folder) == os.path.abspath(path.parent):
        return frame
    for column in table.of_kind("image"):
        moved = []
        for cell in table.column(column).to_list():
            there = None if cell is None else table.images.folder / cell
            relative = there is not None and not Path(cell).is_absolute() and os.path.lexists(there)
            moved.append(os.path.relpath(str(there), path.parent) if relative else cell)
        frame = frame.with_columns(pl.Series(column, moved, dtype=pl.String))
    return frame


def _leaks(finding: Finding, already: Sequence[str], log: Log) -> list[str]:
    new = [column for column in finding.columns if column not in already]
    for column in new:
        log.add(finding, "column left out", column=column)
    return new


def _rows(table: Table, finding: Finding, gone: set[int], log: Log) -> None:
    """Rows to leave out: all but the first of a cluster of copies, and rows of the test file. What is not certain, and
    labels that look wrong, are for people to look at."""
    if finding.symptom == "label_noise" or not finding.certain:
        column = (table.target or "") if finding.symptom == "label_noise" else ""
        for row in finding.rows[:MOST_TO_LOOK_AT]:
            log.add(finding, "to be looked at", int(row), column)
        return
    if finding.symptom == "duplicate_rows":
        clusters = finding.measured.get("clusters")
        for cluster in clusters if isinstance(clusters, Sequence) else ():
            kept, *copies = (int(row) for row in cluster)
            for row in copies:
                _leave_out(finding, row, gone, log, f"a copy of row {kept + 1}")
        return
    for row in finding.rows:
        _leave_out(finding, int(row), gone, log)


def _leave_out(finding: Finding, row: int, gone: set[int], log: Log, why: str = "") -> None:
    if row not in gone:
        gone.add(row)
        log.add(finding, "row left out", row, why=why)


def _unread(table: Table, findings: Sequence[Finding], log: Log) -> int:
    """Cells that reading could not turn into a number or a time are missing in the copy; how many."""
    told = [finding for finding in findings if finding.measured.get("kind") == "unread"]
    known = Finding("invalid_values", 0.0, "it could not be read as the kind of its column", check="invalid_values")
    for column, cells in table.unparsed.items():
        for row, text in cells.items():
            log.add(told[0] if told else known, "made missing", row, column, text, why=known.message)
    return sum(len(cells) for cells in table.unparsed.values())


def _cells(table: Table, frame: pl.DataFrame, finding: Finding, log: Log) -> tuple[pl.DataFrame, int]:
    """Cells that the finding says stand for a missing value become missing; how many."""
    changed = 0
    for column in finding.columns:
        old = frame.get_column(column) if column in frame.columns else None
        stands = None if old is None else _stand_for_missing(table.schema.kinds.get(column, ""), old, finding)
        if old is None or stands is None:
            continue
        for position in stands.arg_true().to_list():
            log.add(finding, "made missing", int(table.row_ids[position]), column, old[position])
        changed += int(stands.sum())
        frame = frame.with_columns(old.set(stands, None))
    return frame, changed


def _stand_for_missing(kind: str, cells: pl.Series, finding: Finding) -> pl.Series | None:
    """Which cells are what the finding is about: infinite numbers, its codes, or words for missing. None where the
    finding is about something that is not certain (another unit, a sign), or not to be undone cell by cell."""
    what = finding.measured.get("kind")
    if kind == "number" and what == "infinite":
        return cells.is_infinite().fill_null(False)
    if kind == "number" and what == "placeholder":
        codes = [float(shown.replace(",", "")) for shown in finding.measured["values"][cells.name]]
        return cells.is_in(codes).fill_null(False)
    if kind in ("category", "text", "language") and what == "placeholder":
        return cells.str.strip_chars().str.to_lowercase().is_in(sorted(WORDS - NOT_WORDS)).fill_null(False)
    return None


def _write(frame: pl.DataFrame, path: Path) -> None:
    import io

    content = io.BytesIO()
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        frame.write_parquet(content)
    elif suffix == ".jsonl":
        frame.write_ndjson(content)
    else:
        frame.write_csv(content)
    write_atomic(path, content.getvalue())
