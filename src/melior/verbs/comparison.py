"""What `judge` gives back: the verdict on two models, the numbers behind it, and where they differ."""

import math
from dataclasses import dataclass
from typing import Any

from melior.findings import plain
from melior.metrics import Interval
from melior.trials.judge import LEVEL
from melior.trials.versus import MetricDifference, Verdict
from melior.trials.where import PartDifference

MOST_PARTS = 12  # classes and slices that are shown; `to_dict` has all
LEADS: dict[Verdict, str] = {
    "b_better": "B is better",
    "a_better": "A is better",
    "no_worse": "B is no worse",
    "alike": "No difference that matters",
    "same": "No difference",
    "not_proved": "Not proved",
}


@dataclass(frozen=True)
class Disagreement:
    """In how many rows the two answer differently, and who of them is right there. Rows with several labels are right
    where all labels are."""

    rows: int
    a_right: int
    b_right: int
    neither: int


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows.

    a, b           what they are called
    on, rows       the rows with known answers, and how many count
    drawn          what is drawn again for the intervals, in words, and `units`, how many of them there are
    asked          the metrics that the verdict is about
    metrics        all metrics of both, those that were asked for first
    verdict        b_better, a_better, no_worse (than `non_inferior`), alike (within `margin`), same, or not_proved
    differ         rows that they answer differently; None for language models
    classes        recall of each class (of several labels a row: how often each is answered right)
    slices         slices in which B is provably worse (adjusted for the `slices_seen` that were looked at)
    calibration    expected calibration error of both; None where one has no scores
    """

    a: str
    b: str
    on: str
    rows: int
    drawn: str
    units: int
    asked: tuple[str, ...]
    metrics: tuple[MetricDifference, ...]
    verdict: Verdict
    margin: float = 0.0
    non_inferior: float | None = None
    differ: Disagreement | None = None
    classes: tuple[PartDifference, ...] = ()
    slices: tuple[PartDifference, ...] = ()
    slices_seen: int = 0
    calibration: tuple[Interval, Interval] | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def __getitem__(self, name: str) -> MetricDifference:
        return next(one for one in self.metrics if one.name == name)

    def said(self) -> str:
        """The verdict in plain words."""
        reasons = [self._reason(self[name]) for name in self.asked]
        return f"{LEADS[self.verdict]}: {'; '.join(reasons)}."

    def _reason(self, one: MetricDifference) -> str:
        gain, size = one.difference, abs(one.difference.value)
        if math.isnan(gain.value):
            return f"{one.name} is not defined on these rows"
        ends = f"[{gain.low:+.3f}, {gain.high:+.3f}]"
        values = f"{one.name} is {one.b.value:.3f} for B and {one.a.value:.3f} for A"
        sure = one.p_adjusted is not None and one.p_adjusted < LEVEL and 0 not in gain
        could = f"these {self.rows:,} rows could have shown a difference of {one.detectable or 0:.3f} in {one.name}"
        if one.verdict in ("b_better", "a_better"):
            worse = "" if self.non_inferior is None or one.verdict == "b_better" else ", more than may be lost"
            if one.p_adjusted is None or worse:
                return f"{values}, B's gain {gain.value:+.3f} {ends}{worse}"
            return (
                f"{values}, B's gain {gain.value:+.3f} {ends}; chance alone shows so much in "
                f"{max(one.p_adjusted, 0.001):.1%} of cases at most"
            )
        if one.verdict == "no_worse":
            return (
                f"of {one.name} it loses less than {self.non_inferior:g}: its gain is {gain.value:+.3f}, and not below "
                f"{gain.low:+.3f} (one-sided 97.5 %)"
            )
        if one.verdict == "alike":
            return f"B's gain in {one.name} is {gain.value:+.3f} {ends}, and {self.margin:g} or more is ruled out"
        if one.verdict == "same":
            return "the two answer all rows alike" if not self._answers_differ() else f"none that {one.name} would see"
        if self.non_inferior is not None:
            return (
                f"B's gain in {one.name} is {gain.value:+.3f} {ends}, and that it loses less than "
                f"{self.non_inferior:g} is not shown; these {self.rows:,} rows could have shown it for "
                f"{one.detectable or 0:.3f}"
            )
        if sure and size < self.margin:
            better = "B" if gain.value > 0 else "A"
            return (
                f"{better} is better in {one.name} by {size:.3f}, {ends}, and whether by the {self.margin:g} that "
                "matters, these rows do not tell"
            )
        return f"{could}; B's gain is {gain.value:+.3f} {ends}"

    def _answers_differ(self) -> bool:
        return self.differ is None or self.differ.rows > 0

    def lines(self) -> list[str]:
        """What stands beside the tables, one sentence each."""
        found = [f"{self.rows:,} rows of {self.on}; drawn again: {self.drawn}."]
        if self.differ is not None:
            one = self.differ
            found.append(
                f"They answer {one.rows:,} rows differently: B alone is right in {one.b_right:,}, A alone in "
                f"{one.a_right:,}, neither in {one.neither:,}."
            )
        if self.calibration is not None:
            a, b = self.calibration
            found.append(f"Expected calibration error: A {a}, B {b}.")
        if self.slices_seen:
            worse = f"in {len(self.slices)}" if self.slices else "in none"
            found.append(f"{self.slices_seen:,} slices were looked at; B is provably worse {worse}.")
        return found

    def to_dict(self) -> dict[str, Any]:
        """The shape that other programs read."""
        differ = self.differ
        return dict(
            plain(
                {
                    "a": self.a,
                    "b": self.b,
                    "on": self.on,
                    "rows": self.rows,
                    "drawn": self.drawn,
                    "units": self.units,
                    "verdict": self.verdict,
                    "said": self.said(),
                    "asked": list(self.asked),
                    "margin": self.margin,
                    "non_inferior": self.non_inferior,
                    "metrics": [one.to_dict() for one in self.metrics],
                    "differ": None if differ is None else vars(differ),
                    "classes": [one.to_dict() for one in self.classes],
                    "slices_seen": self.slices_seen,
                    "slices_worse": [one.to_dict() for one in self.slices],
                    "calibration": None if self.calibration is None else [one.to_dict() for one in self.calibration],
                    "notes": list(self.notes),
                    "seconds": round(self.seconds, 3),
                }
            )
        )

    def metric_rows(self) -> list[tuple[str, ...]]:
        """Metric, A, B, what B gains, p, what could have been seen: as text."""
        return [
            (one.name, str(one.a), str(one.b), gained(one.difference), said_p(one.p if one.p_adjusted is None else
             one.p_adjusted), "" if one.detectable is None else f"{one.detectable:.3f}")
            for one in self.metrics
        ]  # fmt: skip

    def shown_classes(self) -> list[PartDifference]:
        """All classes where they are few, else those that differ most clearly."""
        if len(self.classes) <= MOST_PARTS:
            return list(self.classes)
        return sorted(self.classes, key=lambda one: 1.0 if one.p_adjusted is None else one.p_adjusted)[:MOST_PARTS]

    def __repr__(self) -> str:
        lines = [f"<Comparison: {self.said()}>", f"  A: {self.a}; B: {self.b}"]
        for name, a, b, gain, p, seen in self.metric_rows():
            lines.append(f"  {name:<18} A {a}  B {b}  gain {gain}  p {p}  could have seen {seen}")
        lines += [f"  {one}" for one in self.lines()]
        for title, parts in (("class", self.shown_classes()), ("worse where", list(self.slices))):
            for part in parts:
                name, rows, a, b, gain, p = part_row(part)
                lines.append(f"  {title} {name} ({rows} rows): A {a}  B {b}  gain {gain}  p {p}")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        from html import escape

        def table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
            head = "".join(f"<th>{escape(one)}</th>" for one in headings)
            body = "".join("<tr>" + "".join(f"<td>{escape(one)}</td>" for one in row) + "</tr>" for row in rows)
            return f"<table><tr>{head}</tr>{body}</table>" if rows else ""

        parts = [
            f"<p><b>{escape(self.said())}</b></p><p>A: {escape(self.a)}; B: {escape(self.b)}</p>",
            table(METRIC_HEADINGS, self.metric_rows()),
            "".join(f"<p>{escape(one)}</p>" for one in self.lines()),
            table(("class", *PART_HEADINGS), [part_row(one) for one in self.shown_classes()]),
            table(("B is worse where", *PART_HEADINGS), [part_row(one) for one in self.slices]),
            "".join(f"<p><small>{escape(note)}</small></p>" for note in self.notes),
        ]
        return "".join(parts)


METRIC_HEADINGS = ("metric", "A", "B", "B's gain", "p", "could have seen")
PART_HEADINGS = ("rows", "A", "B", "B's gain", "p")


def part_row(one: PartDifference) -> tuple[str, ...]:
    """Name, rows, A, B, what B gains, p: as text."""
    return one.name, f"{one.rows:,}", f"{one.a:.3f}", f"{one.b:.3f}", gained(one.difference), said_p(one.p_adjusted)


def gained(one: Interval) -> str:
    if math.isnan(one.value):
        return "not defined"
    return f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"


def said_p(p: float | None) -> str:
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
