"""What the terminal shows: progress with the time left, findings, evidence and scores as tables."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table as Table
from rich.text import Text as Text

if TYPE_CHECKING:
    from melior.evidence import Evidence
    from melior.findings import Finding
    from melior.improvement.ask import Question
    from melior.improvement.improvement import Outcome
    from melior.improvement.repair import Repair
    from melior.metrics import Interval
    from melior.progress import Progress
    from melior.trials.audit import Audit, Fixed
    from melior.trials.diagnosis import Diagnosis
    from melior.trials.language_scores import LanguageScores
    from melior.verbs.evaluate import Evaluation
    from melior.verbs.language import LanguageTraining

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

COLOURS = {"accepted": "green", "rejected": "red", "undecided": "yellow"}
MARKS = {"accepted": "●", "rejected": "✕", "undecided": "○"}
MOST_FINDINGS = 12

_bars: list[Any] = []  # what moves on the terminal now


@contextmanager
def progress(budget: float | None = None) -> Iterator["Progress"]:
    """Shows what is being done, what is being tried and how long is left, on standard error.

    On a terminal a bar; elsewhere a line whenever a stage begins. budget: seconds after which all must be done.
    """
    started = time.monotonic()
    if not err.is_terminal:
        seen: set[str] = set()

        def lines(stage: str, done: float, total: float, note: str = "") -> None:
            if stage not in seen:
                seen.add(stage)
                left = "" if budget is None else f", at most {max(budget - (time.monotonic() - started), 0):.0f} s left"
                print(f"[{time.monotonic() - started:5.1f} s{left}] {stage}", file=sys.stderr, flush=True)

        yield lines
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[budget]}"),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=err, transient=True) as bars:
        _bars.append(bars)
        tasks: dict[str, Any] = {}

        def bar(stage: str, done: float, total: float, note: str = "") -> None:
            whole = ""
            if budget is not None:
                left = max(budget - (time.monotonic() - started), 0)
                whole = f"[dim]at most {left // 60:.0f}:{left % 60:02.0f} left in all"
            if stage not in tasks:
                for task in tasks.values():
                    bars.update(task, visible=False)
                tasks[stage] = bars.add_task(stage, total=max(total, 1), note=note, budget=whole)
            bars.update(tasks[stage], completed=done, total=max(total, 1), note=note, budget=whole)

        try:
            yield bar
        finally:
            _bars.remove(bars)


def ask(question: "Question") -> bool | None:
    """Asks on the terminal, with both scores where there are two; None where nobody sits there."""
    if not (sys.stdin.isatty() and err.is_terminal):
        return None
    for bars in _bars:
        bars.stop()  # a bar that moves would be drawn over what is typed
    try:
        err.print(Text(question.asked, style="bold"))
        if question.numbers():
            err.print(Text(f"  {question.numbers()}", style="dim"))
        while True:
            said = err.input(f"  yes or no [{'yes' if question.default else 'no'}]: ", markup=False).strip().lower()
            if not said:
                return question.default
            if said in ("y", "yes", "n", "no", "是", "否"):
                return said in ("y", "yes", "是")
    except EOFError:
        return None
    finally:
        for bars in _bars:
            bars.start()


def findings(found: Sequence["Finding"]) -> None:
    muted = [finding for finding in found if finding.muted]
    found = [finding for finding in found if not finding.muted]
    for finding in muted:
        about = f" ({', '.join(finding.columns[:3])})" if finding.columns else ""
        out.print(Text(f"muted: {finding.symptom}{about}: {finding.muted}", style="dim"))
    if not found:
        out.print("Nothing was found to be wrong." if not muted else "Nothing else was found to be wrong.")
        return
    table = Table(title="What was found", title_justify="left", title_style="bold", show_lines=False, expand=False)
    table.add_column("severity")
    table.add_column("symptom", style="bold")
    table.add_column("what", ratio=1)
    table.add_column("treated by", ratio=0)
    for finding in found[:MOST_FINDINGS]:
        treated = ", ".join(finding.methods[:3]) + (" …" if len(finding.methods) > 3 else "")
        table.add_row(severity(finding.severity), finding.name, Text(finding.message), treated)
    out.print(table)
    if len(found) > MOST_FINDINGS:
        out.print(f"… and {len(found) - MOST_FINDINGS} milder findings (all of them with --json or in the report).")


def severity(value: float) -> Text:
    filled = round(value * 5)
    colour = "red" if value >= 0.6 else "yellow" if value >= 0.3 else "cyan"
    return Text("■" * filled + "·" * (5 - filled), style=colour)


def evidence(tried: Sequence["Evidence"]) -> None:
    if not tried:
        out.print("Nothing was tried.")
        return
    table = Table(title="What was tried", title_justify="left", title_style="bold", expand=False)
    table.add_column("")
    table.add_column("method", style="bold")
    table.add_column("effect", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("p adj.", justify="right")
    table.add_column("cost", justify="right")
    table.add_column("verdict", ratio=1)
    shown: dict[tuple[object, ...], Evidence] = {}
    for one in sorted(tried, key=lambda e: (e.stage == "combine", e.stage == "screen", -e.effect)):
        shown.setdefault((one.stage == "combine", one.methods), one)  # the setting of a method that went furthest
    for one in sorted(shown.values(), key=lambda e: (e.stage == "combine", -e.effect)):
        table.add_row(
            Text(MARKS[one.verdict], style=COLOURS[one.verdict]),
            one.name,
            f"{one.effect:+.4f}",
            f"{one.low:+.4f} … {one.high:+.4f}",
            "" if one.p_adjusted is None else f"{one.p_adjusted:.3f}",
            f"{one.seconds:.1f} s",
            Text(f"{one.verdict}: {one.reason}", style=COLOURS[one.verdict]),
        )
    out.print(table)


def note(said: str) -> None:
    out.print(Text(f"note: {said}", style="dim"))


def audit(found: "Audit") -> None:
    kinds: dict[str, int] = {}
    for kind in found.columns.values():
        kinds[kind] = kinds.get(kind, 0) + 1
    said = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    out.print(f"[bold]{found.name}[/]: {found.rows:,} rows; columns: {said}.")
    for said in found.notes:
        note(said)
    if found.unseen:
        out.print(Text(found.unseen, style="yellow"))
    else:
        findings(found.findings)


def diagnosis(found: "Diagnosis") -> None:
    if found.why_not:
        out.print(found.why_not)
        return
    whose = f"{found.family}, " if found.family else ""
    out.print(f"[bold]{found.name}[/]: {whose}{found.steps:,} steps in {found.seconds:.1f} s.")
    findings(found.findings)


def fixed(copy: "Fixed") -> None:
    """What a cleaned copy holds."""
    dropped = f", without {', '.join(copy.columns_dropped)}" if copy.columns_dropped else ""
    out.print(
        f"cleaned copy: {copy.path}: {copy.rows_before - copy.rows_dropped:,} of {copy.rows_before:,} rows, "
        f"{copy.cells_changed:,} cells changed{dropped}. What was done to which row, and why: {copy.log}"
    )
    if copy.left:
        many = "1 finding was" if len(copy.left) == 1 else f"{len(copy.left):,} findings were"
        names = ", ".join(dict.fromkeys(copy.left))
        out.print(f"{many} left as found, in part or whole, for you to look at: {names}.")


def repairs(done: "Sequence[Repair]") -> None:
    """Faults of the measurement, with the score as it was believed to be and as it is."""
    for repair in done:
        out.print(Text.assemble(("repaired  ", "bold magenta"), repair.message))
        if repair.before is not None and repair.after is not None and repair.before > repair.after:
            where = f" on {repair.scored_on}" if repair.scored_on else ""
            out.print(Text(f"          looked like {repair.before:.3f}, is {repair.after:.3f}{where}", style="magenta"))
        if repair.undo:
            out.print(Text(f"          to keep it as it was: {repair.undo}", style="dim"))


def begins(said: str) -> None:
    """What the recipe begins with without a proof."""
    if said:
        out.print(Text.assemble(("begins    ", "bold magenta"), said))


def improvement(found: "Outcome") -> None:
    findings(found.findings)
    repairs(found.repairs)
    begins(found.begins)
    evidence(found.evidence)
    for name, reason in found.refused:
        out.print(Text(f"not tried: {name}: {reason}", style="dim"))
    for said in found.notes:
        note(said)
    out.print(Text(f"model: {found.family}", style="dim"))
    if found.noise:
        out.print(found.noise, style="dim")
    out.print()
    if found.reported_before_repair is not None:
        out.print(
            Text.assemble(
                f"Before repair the score looked like {found.metric} ",
                (f"{found.reported_before_repair:.3f}", "bold"),
                "; on honest rows the same recipe scores ",
                (str(found.baseline), "bold"),
                ".",
            )
        )
    for aim in found.aims:
        met = aim.met(aim.after.value)
        out.print(Text(aim.said(), style="" if aim.bound is None else "green" if met else "bold red"))
    out.print(Text(found.said(), style="bold green" if found.accepted else "bold"))
    for one in found.regressions:
        out.print(Text(one.said(), style="yellow"))


def language(found: "LanguageTraining") -> None:
    """What a language model was before it was taught, and after."""
    out.print(f"taught {found.rows:,} rows in {found.seconds:.1f} s.")
    for note in found.notes:
        out.print(Text(f"  {note}", style="dim"))
    if found.evaluation is None:
        return
    own = found.evaluation
    table = Table(title=f"Scores on {own.on}: {own.rows:,} rows", title_justify="left", title_style="bold")
    for heading in ("metric", *(["before"] if found.before else []), "after", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for name, one in own.scores.items():
        was = [f"{found.before.scores[name].value:.4f}"] if found.before else []
        table.add_row(name, *was, f"{one.value:.4f}", f"{one.low:.4f} … {one.high:.4f}")
    out.print(table)
    if own.by_language:
        table = Table(title="By language", title_justify="left", title_style="bold")
        for heading in ("language", "perplexity", "bits per byte"):
            table.add_column(heading, justify="left" if heading == "language" else "right")
        for name, of in own.by_language.items():
            table.add_row(name, f"{of['perplexity']:.2f}", f"{of['bits_per_byte']:.3f}")
        out.print(table)


def evaluation(found: "Evaluation | LanguageScores", before: "Mapping[str, Interval] | None" = None) -> None:
    table = Table(title=f"Scores on {found.on}: {found.rows:,} rows", title_justify="left", title_style="bold")
    table.add_column("metric", style="bold")
    table.add_column("score", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, one in found.overall().items():
        table.add_row(name, f"{one.value:.4f}", f"{one.low:.4f} … {one.high:.4f}")
    out.print(table)
    for said in found.notes:
        note(said)
    spoken: Any = found.by_language
    if not spoken or not all(hasattr(one, "scores") for one in spoken.values()):
        return
    names = list(next(iter(spoken.values())).scores)
    table = Table(title="By language", title_justify="left", title_style="bold")
    told = any(of.trained is not None for of in spoken.values())
    for heading in ("language", "rows", *(["trained on"] if told else []), *names):
        table.add_column(heading, justify="left" if heading == "language" else "right")
    for name, of in spoken.items():
        cells = [f"{of.scores[one].value:.3f} [{of.scores[one].low:.2f} … {of.scores[one].high:.2f}]" for one in names]
        trained = ["" if of.trained is None else f"{of.trained:,}"] if told else []
        table.add_row(name, f"{of.rows:,}", *trained, *cells)
    out.print(table)
