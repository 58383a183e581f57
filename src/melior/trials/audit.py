"""The audit: every check that fits the table, one after the other; a check that fails is a finding of its own."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from melior.checks._base import Check, checks
from melior.checks._each_label import left_out as few_labels
from melior.data.table import Table
from melior.errors import UserError
from melior.findings import SYMPTOMS, Finding, plain
from melior.methods._base import treating
from melior.progress import Progress, numbered, silent
from melior.recipe import Recipe
from melior.runs.study import agreed
from melior.trials.context import TableContext

FEWEST = 10  # rows; fewer show nothing

# what makes a score a lie: everything that is tried later is measured by it
FAULTS_OF_THE_RULER = frozenset(
    {"split_overlap", "target_leakage", "group_leakage", "time_leakage", "preprocessing_leakage"}
)


@dataclass(frozen=True)
class Fixed:
    """A cleaned copy: where it and its log are, rows and columns left out, cells changed; `left` the symptoms of the
    findings of which something was left as it is, for people to look at, one for each finding."""

    path: Path
    log: Path
    rows_before: int
    rows_dropped: int
    cells_changed: int
    columns_dropped: tuple[str, ...]
    left: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "path": str(self.path), "log": str(self.log)}


@dataclass(frozen=True)
class Audit:
    """What was found on a table, the worst first, the muted last."""

    findings: tuple[Finding, ...]
    rows: int
    columns: dict[str, str]
    seconds: float
    name: str = "table"
    left_out: tuple[str, ...] = ()  # checks for which there was no time
    notes: tuple[str, ...] = ()  # what reading changed or left out
    fixed: Fixed | None = None
    unseen: str = ""  # why no check ran; empty where one did

    @property
    def failed(self) -> bool:
        """True where a check could not do its work."""
        return any(finding.symptom == "failed_check" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The shape that other programs read."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "seconds": round(self.seconds, 3),
            "findings": [finding.to_dict() for finding in self.findings],
            **({"notes": list(self.notes)} if self.notes else {}),
            **({"unseen": self.unseen} if self.unseen else {}),
            **({"fixed": plain(self.fixed.to_dict())} if self.fixed else {}),
        }

    @property
    def active(self) -> tuple[Finding, ...]:
        """The findings that are not muted."""
        return tuple(finding for finding in self.findings if not finding.muted)

    def __getitem__(self, symptom: str) -> Finding | None:
        """The worst finding of a symptom that is not muted, or None."""
        return next((finding for finding in self.active if finding.symptom == symptom), None)

    def __contains__(self, symptom: object) -> bool:
        """Whether there is a finding of a symptom that is not muted; a finding is in it where it is one of all."""
        if isinstance(symptom, Finding):
            return any(finding is symptom for finding in self.findings)
        return any(finding.symptom == symptom for finding in self.active)

    def __iter__(self) -> Iterator[Finding]:
        """All findings, the muted last."""
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __bool__(self) -> bool:
        """True, with findings or without: an audit that was made is something."""
        return True

    def __repr__(self) -> str:
        lines = [f"<Audit {self.name}: {self.rows:,} rows, {len(self.findings)} findings>"]
        lines += [f"  {self.unseen}"] if self.unseen else []
        lines += [f"  {f.severity:4.2f}  {f.name:<18}  {f.message}" for f in self.findings]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(f.name)}</td><td>{f.severity:.2f}</td><td>{escape(f.message)}</td>"
            f"<td>{escape(', '.join(f.methods))}</td></tr>"
            for f in self.findings
        )
        head = "<tr><th>symptom</th><th>severity</th><th>what</th><th>treated by</th></tr>"
        return f"<p>{escape(self.name)}: {self.rows:,} rows</p><table>{head}{rows}</table>"


def kinds_of(finding: Finding, table: Table) -> set[str]:
    """The kinds of the columns that a finding names."""
    return {table.schema.kinds[column] for column in finding.columns if column in table.schema.kinds}


def muted(finding: Finding, recipe: Recipe) -> str:
    """The reason why the recipe mutes a finding; empty where it does not."""
    for mute in recipe.mute:
        same = finding.columns and set(finding.columns) <= set(mute.columns)
        if mute.symptom == finding.symptom and (not mute.columns or same):
            return mute.reason
    return ""


def suits(check: Check, table: Table) -> bool:
    """Whether a check has something to look at."""
    if table.rows < FEWEST:
        return False
    if check.needs_target:
        if not table.has_answers or (table.multilabel and not check.multilabel):
            return False
        counted = sorted(table.target_counts().values())
        if len(counted) < 2 or counted[-2] < 2:
            return False
        if check.cost == "model" and not table.features():
            return False
    kinds = set(table.schema.kinds.values())
    return not check.reads or bool(check.reads & kinds)


def _why_unseen(table: Table) -> str:
    if table.rows < FEWEST:
        rows = "1 row is" if table.rows == 1 else f"{table.rows} rows are"
        return f"Nothing was looked for: {rows} too few; {FEWEST} are needed."
    return "Nothing was looked for: none of the checks that were asked for reads such a table."


def _late(context: TableContext) -> bool:
    return context.deadline is not None and time.monotonic() + context.ahead() > context.deadline


def run_checks(
    table: Table,
    recipe: Recipe,
    *,
    other: Table | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    fast: bool = False,
    progress: Progress = silent,
    context: TableContext | None = None,
    deadline: float | None = None,
) -> Audit:
    """Runs the checks, cheapest first. only, skip: names of checks; fast: none that needs models; deadline:
    time.monotonic() from which on no check that needs models begins, nor the first where its fits would not end
    before."""
    started = time.perf_counter()
    known = checks()
    for name in (*only, *skip):
        if name not in known:
            raise UserError(f"there is no check {name!r}; there are {', '.join(known)}.")
        if name in only and name in skip:
            raise UserError(f"--checks and --skip both name {name}: take one of them out.")
    for mute in recipe.mute:
        if mute.symptom not in SYMPTOMS:
            raise UserError(f"mute: there is no symptom {mute.symptom!r}; `melior questions` names them.")
    chosen = [made() for name, made in known.items() if (not only or name in only) and name not in skip]
    chosen = [check for check in chosen if not (fast and check.cost == "model")]
    notes = table.notes
    one_class = [check.name for check in chosen if check.needs_target and not check.multilabel]
    if table.multilabel and one_class:
        why = f'they need one class a row, and "{table.target}" has several labels a row'
        notes = (*notes, f"not looked for: {', '.join(one_class)}: {why}.")
    chosen = [check for check in chosen if suits(check, table)]
    unseen = "" if chosen else _why_unseen(table)
    chosen.sort(key=lambda check: not check.symptoms & FAULTS_OF_THE_RULER)  # where time is short these must not lack
    by_label = any(check.multilabel and check.cost == "model" for check in chosen)
    if by_label and table.multilabel and (few := few_labels(table)):
        notes = (*notes, few)
    context = context or TableContext(table, recipe, other=other)
    context.deadline = deadline
    one_more = numbered(progress, "looking for what is wrong", len(chosen))
    found: list[Finding] = []
    left_out: list[str] = []
    for check in chosen:
        if check.cost == "model" and agreed("checks are late", partial(_late, context), each=True):
            left_out.append(check.name)
            continue
        try:
            measured = check.measure(context)
        except Exception as error:  # one check that fails must not stop the others; it is reported, with the reason
            measured = [
                Finding(
                    symptom="failed_check",
                    severity=0.0,
                    message=f"the check {check.name} could not finish ({type(error).__name__}: {error}).",
                    measured={"check": check.name},
                )
            ]
        for one in measured:
            methods = treating(one.symptom, kinds_of(one, table), multilabel=table.multilabel)
            found.append(replace(one, check=check.name, methods=methods, muted=muted(one, recipe)))
        one_more(check.name)
    found.sort(key=lambda finding: (bool(finding.muted), -finding.severity))
    seconds = time.perf_counter() - started
    return Audit(
        tuple(found),
        table.rows,
        dict(table.schema.kinds),
        seconds,
        table.name,
        tuple(left_out),
        (*notes, *context.notes),
        unseen=unseen,
    )
