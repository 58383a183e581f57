"""A cleaned copy of a table, and a log that says what was done to which row and why. The source is never touched.

Only what is certain is changed: copies but the one that stays where all have the same answer, rows that also stand in
the test file, cells that stand for a missing value or cannot be read, and columns that give the answer away. Everything
else is named in the log and left to people: rare is not wrong, and neither is a label that a model doubts. What is not
changed is written as it stands in the source (`as_written`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from melior.checks.invalid_values import WORDS
from melior.data.files import Raw
from melior.data.table import Table
from melior.errors import UserError
from melior.findings import Finding
from melior.storage import writable_file, write_atomic
from melior.trials.audit import Fixed
from melior.verbs.fix_log import LEFT, LOOK, OUT, Log
from melior.verbs.fix_writing import as_written, rewritten

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


def write_fixed(table: Table, findings: Sequence[Finding], path: Path, raw: Raw | None = None) -> Fixed:
    """Writes the cleaned copy and its log.

    table     all rows, as read
    findings  what the audit found and the recipe does not mute
    path      a file that does not exist yet: .parquet, .csv or .jsonl
    raw       the source as it is written; without it cells are written as they were read
    """
    writable(path)
    log = Log(table)
    gone: set[int] = set()
    columns: list[str] = []
    left: list[str] = []
    frame = as_written(table, raw, path)
    cells = _unread(table, findings, log)
    for row in table.without_target.tolist():
        log.note(row, table.target or "", OUT, "its target is empty (data.missing_target: drop)")
    mixed = _mixed(table, findings)
    for finding in findings:
        before = len(log.lines)
        if finding.symptom == "target_leakage" and finding.certain and finding.columns:
            columns += _leaks(finding, columns, log)
        elif finding.symptom in ("duplicate_rows", "split_overlap", "label_noise"):
            _rows(table, finding, gone, mixed, log)
        elif finding.symptom == "invalid_values" and finding.measured.get("kind") == "unread":
            continue
        elif finding.symptom == "invalid_values":
            frame, changed = _cells(table, frame, finding, log)
            cells += changed
        if finding.symptom == "failed_check":
            continue
        if len(log.lines) == before:
            log.add(finding, LEFT, column=", ".join(finding.columns[:5]))
        if any(line["action"] in (LEFT, LOOK) for line in log.lines[before:]):
            left.append(finding.symptom)
    kept = ~np.isin(table.row_ids, np.fromiter(gone, dtype=np.int64, count=len(gone)))
    if not kept.any():
        raise UserError(f"{path}: no row would be left, so nothing was written; look at the findings first.")
    rewritten(table, frame, raw, log)
    _write(log.frame(), log_of(path))  # first: a copy without its log must not be
    # decimal commas are told by semicolons, and cells stay as they are written
    own = "," if raw is None or raw.separator in ("", "\t") else raw.separator
    _write(frame.filter(pl.Series(kept)).drop(columns), path, own)
    without = len(table.without_target)
    return Fixed(
        path,
        log_of(path),
        table.rows + without,
        int((~kept).sum()) + without,
        cells,
        tuple(columns),
        tuple(left),
    )


def _leaks(finding: Finding, already: Sequence[str], log: Log) -> list[str]:
    new = [column for column in finding.columns if column not in already]
    for column in new:
        log.add(finding, "column left out", column=column)
    return new


def _rows(table: Table, finding: Finding, gone: set[int], mixed: dict[int, str], log: Log) -> None:
    """Rows to leave out: all but the first of a cluster of copies, and rows of the test file. What is not certain,
    labels that look wrong, and copies with different answers are for people to look at."""
    if finding.symptom == "label_noise" or not finding.certain:
        column = (table.target or "") if finding.symptom == "label_noise" else ""
        for row in finding.rows[:MOST_TO_LOOK_AT]:
            log.add(finding, LOOK, int(row), column)
        return
    if finding.symptom == "duplicate_rows":
        for kept, *copies in _clusters(finding):
            for row in (kept, *copies):
                if row in mixed:
                    log.add(finding, LOOK, row, table.target or "", why=mixed[row])
                elif row != kept:
                    _leave_out(finding, row, gone, log, f"a copy of {log.said(kept)}")
        return
    for row in finding.rows:
        _leave_out(finding, int(row), gone, log)


def _clusters(finding: Finding) -> list[list[int]]:
    """The clusters of copies that a finding names, by row numbers from 0, the row to keep first."""
    clusters = finding.measured.get("clusters")
    return [[int(row) for row in cluster] for cluster in clusters] if isinstance(clusters, Sequence) else []


def _mixed(table: Table, findings: Sequence[Finding]) -> dict[int, str]:
    """Row number from 0 -> why it stays: of copies with different answers nobody but people can say which is right."""
    if not table.has_answers:
        return {}
    answers = dict(zip(table.row_ids.tolist(), _answers(table), strict=True))
    found: dict[int, str] = {}
    for finding in findings:
        if finding.symptom != "duplicate_rows" or not finding.certain:
            continue
        for cluster in _clusters(finding):
            rows = [(answers[row], row) for row in cluster if answers.get(row) is not None]
            first: dict[str, int] = {}
            for answer, row in rows:
                first.setdefault(str(answer), row)
            if len(first) > 1:
                said = ", ".join(f'"{answer}" (row {row + 1:,})' for answer, row in list(first.items())[:5])
                found |= dict.fromkeys(cluster, f"copies with different answers: {said}")
    return found


def _answers(table: Table) -> list[str | None]:
    """The answer of each row as text; None where it has none."""
    known = table.answered().tolist()
    if table.multilabel:
        rows = table.given_label_matrix()
        said = [", ".join(table.classes[code] for code in np.flatnonzero(row > 0)) for row in rows]
    else:
        said = [table.classes[code] for code in table.given_labels().tolist()]
    return [answer if there else None for answer, there in zip(said, known, strict=True)]


def _leave_out(finding: Finding, row: int, gone: set[int], log: Log, why: str = "") -> None:
    if row not in gone:
        gone.add(row)
        log.add(finding, OUT, row, why=why)


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
        if column not in frame.columns or column not in table.frame.columns:
            continue
        old = frame.get_column(column)
        stands = _stand_for_missing(table.schema.kinds.get(column, ""), table.column(column), finding)
        if stands is None:
            continue
        for position in stands.arg_true().to_list():
            log.add(finding, "made missing", int(table.row_ids[position]), column, old[position])
        changed += int(stands.sum())
        frame = frame.with_columns(pl.when(~stands).then(pl.col(column)).alias(column))
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


def _write(frame: pl.DataFrame, path: Path, separator: str = ",") -> None:
    import io

    content = io.BytesIO()
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        frame.write_parquet(content)
    elif suffix == ".jsonl":
        frame.write_ndjson(content)
    else:
        frame.write_csv(content, separator=separator)
    write_atomic(path, content.getvalue())
