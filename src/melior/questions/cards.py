"""Cards: what an answer was worth where it was measured, read from the files that `melior prove` wrote."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).parent / "cards"
Found = Literal["better", "worse", "not shown"]
SHARE = 1.5  # measures up to here are shares, or nearly


@dataclass(frozen=True)
class CardCase:
    """One comparison with a change and without it, over several seeds.

    name      what was looked at
    helps     whether it was meant to help there; False: it was expected to bring nothing, or harm
    model, change   the family, and what was changed
    measure   the metric, or the unit of a measured figure
    before, after   of each seed
    baseline, changed  over all seeds
    effect, low, high  by how much it is better (positive) with its 95 % interval, in the unit of the measure
    found     better or worse where the interval leaves out 0, else not shown
    seconds, mib    medians of a fit without the change and with it, in a process of its own; None where not measured
    """

    name: str
    helps: bool
    model: str
    change: str
    measure: str
    smaller_is_better: bool
    before: tuple[float, ...]
    after: tuple[float, ...]
    baseline: float
    changed: float
    effect: float
    low: float
    high: float
    found: Found
    seconds: tuple[float, float] | None
    mib: tuple[float, float] | None

    def figure(self, value: float) -> str:
        """A value of this case as people read it: three digits of a share, else as many as tell something."""
        if max(abs(self.baseline), abs(self.changed)) <= SHARE:
            return f"{value:.3f}"
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

    def gain(self, value: float) -> str:
        """A difference, with its sign."""
        return ("+" if value >= 0 else "−") + self.figure(abs(value))

    @property
    def from_to(self) -> str:
        """Without the change and with it."""
        return f"{self.figure(self.baseline)} → {self.figure(self.changed)}"

    @property
    def better_by(self) -> str:
        """The effect with its interval."""
        return f"{self.gain(self.effect)} [{self.gain(self.low)}, {self.gain(self.high)}]"


@dataclass(frozen=True)
class Card:
    """The record of one answer: where it was measured, with what, and what came of it.

    experiment  a digest of the experiment's file: a card of another experiment is out of date
    """

    name: str
    question: int
    paper: str
    experiment: str
    date: str
    machine: Mapping[str, Any]
    cases: tuple[CardCase, ...]
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def proved(self) -> bool:
        """Whether it helped anywhere."""
        return any(case.found == "better" for case in self.cases)

    @property
    def best(self) -> CardCase:
        """The case to show first: where it was meant to help, and the interval is furthest from 0."""
        return max(self.cases, key=lambda case: (case.helps, case.low / max(case.high - case.low, 1e-9)))


def read_card(path: Path) -> Card:
    """The card of a file."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    pairs = ("before", "after", "seconds", "mib")
    cases = []
    for case in kept.pop("cases"):
        case.update({key: tuple(case[key]) for key in pairs if case[key] is not None})
        cases.append(CardCase(**case))
    return Card(**kept, cases=tuple(cases))


@cache
def cards() -> dict[str, Card]:
    """Every card of this version, by the name of its answer."""
    return {path.stem: read_card(path) for path in sorted(FOLDER.glob("*.json"))}


def cards_of(answer: str, by: tuple[str, ...] = ()) -> tuple[Card, ...]:
    """The cards of an answer: its own, else those of the methods that give it."""
    known = cards()
    if answer in known:
        return (known[answer],)
    return tuple(known[name] for name in by if name in known)


def questions_told() -> list[dict[str, Any]]:
    """All thirty with their answers and cards, as plain values."""
    from melior.questions import questions

    told = []
    for one in questions():
        answers = [
            {
                **asdict(answer),
                "cards": [{**asdict(card), "proved": card.proved} for card in cards_of(answer.id, answer.by)],
            }
            for answer in one.answers
        ]
        told.append({**asdict(one), "answers": answers})
    return told
