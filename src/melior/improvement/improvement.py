"""What `improve` gives back: what was wrong, what was tried, what helped, and how good the result is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melior.evidence import Evidence
from melior.findings import Finding, plain
from melior.improvement.regressions import Regression
from melior.improvement.repair import Repair
from melior.methods._done import Done
from melior.metrics import Interval
from melior.predictor import Predictor
from melior.recipe import Recipe

if TYPE_CHECKING:
    from melior.trials.language_model import Writer


@dataclass(frozen=True)
class Aim:
    """One part of a goal with conditions or limits, on the sealed rows, of the plain recipe and of the one that is
    kept.

    bound  what is asked of it; None of the metric that is made better, given where there are conditions
    at_most  whether the bound is an upper one
    unit   of a limit: ms, MB; empty for a metric
    """

    name: str
    before: Interval
    after: Interval
    bound: float | None = None
    at_most: bool = False
    unit: str = ""

    def met(self, value: float) -> bool:
        return self.bound is None or (value <= self.bound if self.at_most else value >= self.bound)

    def said(self) -> str:
        """In one line, with whether it is met."""
        if self.bound is None:
            return f"{self.name}: {self.before} -> {self.after}"
        sign = "<=" if self.at_most else ">="
        if self.unit:
            was, now = (f"{one.value:.2g} {self.unit}" for one in (self.before, self.after))
        else:
            was, now = str(self.before), str(self.after)
        kept = "met" if self.met(self.after.value) else "missed"
        unsure = not self.unit and self.after.low < self.bound < self.after.high
        sure = ", though other rows could say otherwise" if unsure else ""
        return f"{self.name}{sign}{self.bound:g}{' ' if self.unit else ''}{self.unit}: {was} -> {now}, {kept}{sure}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an improvement came to, of whatever kind the model is.

    baseline and final are scores on the sealed rows, which nothing was fitted, chosen or tuned on.

    reported_before_repair  what the score of the baseline was with the faults of the measurement, None where there
                            were none
    gain                    final minus baseline on the same sealed rows, positive is better
    noise                   how wrong labels were taken into account in the scores, empty where they were not
    aims                    each part of the goal, where it has conditions or limits
    as_labelled             what the score is as the labels stand, where it was corrected for wrong ones that may be
                            none; empty elsewhere
    regressions             what became worse all the same: a class, a slice, the calibration, the cost
    begins                  what the recipe begins with beside the family, unproved, and why; empty where that is
                            nothing
    changes                 what the methods that are kept did to training rows, told where there is a run
    """

    metric: str
    baseline: Interval
    final: Interval
    gain: Interval
    reported_before_repair: float | None
    findings: tuple[Finding, ...]
    repairs: tuple[Repair, ...]
    evidence: tuple[Evidence, ...]
    refused: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    accepted: tuple[str, ...]
    recipe: Recipe
    run: Path | None
    seconds: float
    family: str
    noise: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    baseline_seconds: float = 0.0
    changes: tuple[Done, ...] = ()
    aims: tuple[Aim, ...] = ()
    regressions: tuple[Regression, ...] = ()
    as_labelled: str = ""
    begins: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The shape that other programs read."""

        def shown(interval: Interval) -> dict[str, float]:
            return {"score": interval.value, "low": interval.low, "high": interval.high}

        return dict(
            plain(
                {
                    "metric": self.metric,
                    "baseline": shown(self.baseline),
                    "final": shown(self.final),
                    "gain": shown(self.gain),
                    "reported_before_repair": self.reported_before_repair,
                    "findings": [finding.to_dict() for finding in self.findings],
                    "repairs": [repair.to_dict() for repair in self.repairs],
                    "evidence": [evidence.to_dict() for evidence in self.evidence],
                    "refused": [{"method": name, "reason": reason} for name, reason in self.refused],
                    "notes": list(self.notes),
                    "aims": [
                        {
                            **one.__dict__,
                            "before": shown(one.before),
                            "after": shown(one.after),
                            "met": one.met(one.after.value),
                        }
                        for one in self.aims
                    ],
                    "regressions": [one.__dict__ for one in self.regressions],
                    "accepted": list(self.accepted),
                    "recipe": self.recipe.model_dump(mode="json"),
                    "family": self.family,
                    "noise": self.noise,
                    "as_labelled": self.as_labelled,
                    "begins": self.begins,
                    "rows": self.rows,
                    "run": None if self.run is None else str(self.run),
                    "seconds": round(self.seconds, 3),
                    "baseline_seconds": round(self.baseline_seconds, 3),
                }
            )
        )

    def said(self) -> str:
        """The outcome in one sentence."""
        accepted = ", ".join(self.accepted)
        how = "; what a condition lacks counts tenfold" if any(aim.bound and not aim.unit for aim in self.aims) else ""
        labels = f" {self.as_labelled}" if self.as_labelled else ""
        if not self.accepted:
            return (
                f"Nothing {self._more}provably helps; {self._start} scores {self.baseline} in {self.metric}{how}."
                f"{labels}"
            )
        helps = f"{accepted} provably help{'s' if len(self.accepted) == 1 else ''}"
        went = f"{self.metric} on the sealed rows went from {self.baseline} to {self.final}, a gain of {self.gain}{how}"
        if self.gain.low <= 0:  # as the report has it
            unproved = "on the development rows; the sealed rows alone are too few to prove it once more"
            return f"{helps} {unproved}: {went}.{labels}"
        return f"{helps}: {went}.{labels}"

    @property
    def _start(self) -> str:
        return "the recipe as it begins" if self.begins else "the plain recipe"

    @property
    def _more(self) -> str:
        return "more " if self.begins else "that was tried "

    def __repr__(self) -> str:
        tried = [
            f"{one.verdict:<9}  {one.name:<28} {one.effect:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"
            for one in self.evidence
        ]
        return "\n  ".join([f"<Improvement: {self.said()}>", *self._beside(), *tried])

    def _beside(self) -> list[str]:
        """What is to be known beside the outcome itself, a line each."""
        before = self.reported_before_repair
        return [
            *([] if before is None else [f"before repair the score looked like {before:.3f}"]),
            *(f"repaired: {repair.message}" for repair in self.repairs),
            *([self.begins] if self.begins else []),
            *(aim.said() for aim in self.aims),
            *(one.said() for one in self.regressions),
        ]

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(e.name)}</td><td>{e.effect:+.4f}</td>"
            f"<td>[{e.low:+.4f}, {e.high:+.4f}]</td><td>{e.verdict}</td></tr>"
            for e in self.evidence
        )
        head = "<tr><th>tried</th><th>effect</th><th>95 % interval</th><th>verdict</th></tr>"
        beside = "".join(f"<p>{escape(said)}</p>" for said in self._beside())
        return f"<p>{escape(self.said())}</p>{beside}<table>{head}{rows}</table>"


@dataclass(frozen=True, kw_only=True, repr=False)
class Improvement(Outcome):
    """The outcome, and the predictor of the improved recipe.

    confirmed  the predictor whose scores `final` are, where `predictor` was taught the sealed rows too; None where it
               is the same, or was made by another process
    """

    predictor: Predictor
    confirmed: Predictor | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class LanguageImprovement(Outcome):
    """The outcome, and the language model of the improved recipe.

    baseline, final and gain are of the trials' models, which were taught the same rows.

    taught_all  the score on the sealed rows of the model that is kept, where it was taught all development rows; None
                where the time did not suffice, and the model of the trial is kept
    """

    writer: "Writer"
    taught_all: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        own = self.taught_all
        shown = None if own is None else {"score": own.value, "low": own.low, "high": own.high}
        return {**super().to_dict(), "taught_all": shown}

    def said(self) -> str:
        if self.taught_all is None:
            return super().said()
        return f"{super().said()} The model that is kept learned all development rows: {self.taught_all}."
