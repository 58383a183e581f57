"""What only the user can know: asked where somebody can answer, and otherwise taken for granted, which is said."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from melior.findings import Finding

NOTHING = 0.005  # of a score; what a column that may be an honest one is given up for


@dataclass(frozen=True)
class Question:
    """A suspicion that the rows cannot settle.

    asked          a question whose answer is yes or no
    default        what is taken for granted without an answer: the careful reading
    finding        what raised it
    before, after  the score with the fault and without it, if it is one
    """

    asked: str
    default: bool
    finding: Finding
    before: float | None
    after: float | None

    def numbers(self) -> str:
        """Both scores in words; empty where they were not measured."""
        if self.before is None or self.after is None or not isfinite(self.before + self.after):
            return ""
        metric = self.finding.measured.get("metric", "the score")
        kept, honest = {
            "target_leakage": ("with it", "without it"),
            "group_leakage": ("with folds drawn at random", "with new ones held out"),
            "time_leakage": ("with folds drawn at random", "on later rows"),
        }[self.finding.symptom]
        return f"{metric} is {self.before:.3f} {kept} and {self.after:.3f} {honest}"

    def assumed(self) -> str:
        """What is taken for granted, for whoever was not asked."""
        said = self.numbers()
        return f"not asked: {self.asked} Taken as {'yes' if self.default else 'no'}{'; ' if said else ''}{said}"


Ask = Callable[[Question], bool | None]
"""Yes, no, or None where nobody answers."""


def nobody(question: Question) -> None:
    """Answers nothing: every default is taken."""


def taken_to_be_known(question: Question) -> bool | None:
    """Answers that suspected columns are known before the answer is, and nothing else: only certain leaks are left
    out."""
    return True if question.finding.symptom == "target_leakage" else None


def known_before(finding: Finding) -> Question:
    """Whether columns that look like the answer in disguise are known when a prediction is asked for. Those that alone
    say more than all others together are taken to be the answer, and so are those without which the score is no lower:
    if they are honest nothing is lost with them. Words are, unless the texts are about them."""
    named = " and ".join(repr(column) for column in finding.columns)
    if finding.measured.get("kind") == "gaps":
        asked = f"Gaps in {named} depend on the answer. Will values of new rows be missing for the same reason?"
        default = not (finding.measured["as_a_copy"] or costs_nothing(finding))
        return Question(asked, default, finding, *_scores(finding, "score_with", "score_without"))
    if finding.measured.get("kind") == "phrase":
        words = ", ".join(map(repr, finding.measured["take_out"]))
        asked = f"The words {words} in {named} give the answer away. Do they stand there before the answer is known?"
        content = bool(finding.measured.get("content"))
        return Question(asked, content, finding, *_scores(finding, "score_with", "score_without"))
    know, them = ("is", "it") if len(finding.columns) == 1 else ("are", "them")
    asked = f"{named} {know} suspected to be the answer in disguise. Do you know {them} before the answer is known?"
    default = not (finding.measured.get("beats_all_others", False) or costs_nothing(finding))
    return Question(asked, default, finding, *_scores(finding, "score_with", "score_without"))


def costs_nothing(finding: Finding) -> bool:
    """Whether the score without what looks like the answer in disguise is that with it, to within NOTHING."""
    before, after = _scores(finding, "score_with", "score_without")
    return before is not None and after is not None and abs(before - after) < NOTHING


def new_ones_come(finding: Finding, kind: str) -> Question:
    """Whether predictions are for groups, or times, that no training row has. They are taken to be."""
    column = finding.columns[0]
    asked = (
        f"Will predictions be made for new values of {column!r}, not seen in training?"
        if kind == "group"
        else f"Will predictions be made for rows later by {column!r} than those of the training?"
    )
    return Question(asked, True, finding, *_scores(finding, "score_random", f"score_{kind}"))


def _scores(finding: Finding, before: str, after: str) -> tuple[float | None, float | None]:
    return finding.measured.get(before), finding.measured.get(after)
