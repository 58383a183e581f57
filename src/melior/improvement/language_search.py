"""The trials of a language model's improvement: the plain recipe, its candidates, what is accepted put together, and
the recipe that is left taught all rows. Nothing is begun that the time will not suffice for."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from melior.errors import UserError
from melior.evidence import Evidence
from melior.improvement.language_plan import Change
from melior.metrics.bits_per_byte import drawn_gains, errors
from melior.models.causal_lm import CausalLm
from melior.progress import Progress
from melior.recipe import Recipe
from melior.trials.judge import RESAMPLES, Judged, judged
from melior.trials.language_model import groups_of
from melior.trials.language_trial import LanguageTrial, Rows, folder_of, kept, language_trial

WHOLE = "the recipe on all rows"


@dataclass(frozen=True)
class Tried:
    """A recipe and its trial; the changes that it adds to the plain recipe, in the order in which they were proved."""

    recipe: Recipe
    trial: LanguageTrial
    changes: tuple[Change, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(change.name for change in self.changes)


@dataclass
class Search:
    """Trials on the same rows with the same seed, within the time; what was refused and noted on the way.

    deadline  by time.monotonic(), when trainings are over
    late      changes that were not begun, with the seconds that they would have taken
    """

    store: Path
    parts: Rows
    settings: CausalLm
    plain: Tried
    deadline: float
    name: str
    margin: float
    progress: Progress
    notes: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

    def screen(self, changes: Sequence[Change]) -> list[Tried]:
        """A trial of each change that there is time for."""
        found = []
        for change in changes:
            recipe = change.of(self.plain.recipe, self.settings)
            expected = change.times * self.plain.trial.seconds
            if not self._in_time(recipe, self.parts, expected + self._all_rows(self.plain)):
                self.late.append(f"{change.name} (about {expected:.0f} s)")
                continue
            if (trial := self._trial(change.name, recipe)) is not None:
                found.append(Tried(recipe, trial, (change,)))
        return found

    def judged(self, base: Tried, candidates: Sequence[Tried]) -> list[Judged]:
        """Every candidate beside the base, on the rows that neither learned."""
        if not candidates:
            return []
        groups = groups_of(self.parts.judged)
        nats = [one.trial.nats for one in candidates]
        gains, resampled = drawn_gains(
            base.trial.nats, nats, base.trial.bytes, groups, seed=base.recipe.seed, resamples=RESAMPLES
        )
        return judged(gains, resampled, error=errors(resampled, groups), margin=self.margin)

    def combined(
        self, candidates: Sequence[Tried], verdicts: Sequence[Judged], symptoms: set[str]
    ) -> tuple[Tried, list[Evidence]]:
        """Forward selection: the best accepted change, then each further one that is provably better still, because
        changes interact. Two changes of the same setting exclude one another."""
        accepted = sorted(
            (pair for pair in zip(candidates, verdicts, strict=True) if pair[1].verdict == "accepted"),
            key=lambda pair: -pair[1].effect,
        )
        if not accepted:
            return self.plain, []
        best = accepted[0][0]
        evidence: list[Evidence] = []
        for one, _ in accepted[1:]:
            change = one.changes[0]
            if rivals := [there.name for there in best.changes if there.excludes(change)]:
                self.notes.append(f"{change.name} helps too, and cannot be joined with {rivals[0]}, which helps more")
                continue
            recipe = change.of(best.recipe, self.settings)
            expected = change.times * best.trial.seconds
            if not self._in_time(recipe, self.parts, expected + self._all_rows(best)):
                self.notes.append(f"{change.name} helps too: no time left to try it together with the others")
                continue
            names = (*best.names, change.name)
            if (trial := self._trial(" and ".join(names), recipe)) is None:
                continue
            together = Tried(recipe, trial, (*best.changes, change))
            verdict = self.judged(best, [together])[0]
            evidence.append(evidence_of(together, verdict, symptoms, stage="combine"))
            if verdict.verdict == "accepted":
                best = together
        return best, evidence

    def whole(self, tried: Tried) -> LanguageTrial | None:
        """A recipe taught all development rows; None, and a note, where there is no time for that or it fails."""
        parts = self.parts
        rows = Rows([*parts.learned, *parts.watched, *parts.judged], (), ())
        expected = self._all_rows(tried)
        stays = f"the model that is kept learned {len(parts.learned):,} of the {len(rows.learned):,} development rows"
        if not self._in_time(tried.recipe, rows, expected):
            self.notes.append(f"{stays}: there was no time to teach it all of them (about {expected:.0f} s)")
            return None
        try:
            return language_trial(self.store, tried.recipe, rows, name=self.name, progress=told(self.progress, WHOLE))
        except UserError as error:  # such as a loss that became no number; what was proved stands
            self.notes.append(f"{stays}: it could not be taught all of them: {error}")
            return None

    def _all_rows(self, tried: Tried) -> float:
        """Seconds that it takes to teach a recipe all development rows."""
        learned, others = len(self.parts.learned), len(self.parts.watched) + len(self.parts.judged)
        return tried.trial.seconds * (1.0 if self.settings.steps is not None else (learned + others) / learned)

    def _in_time(self, recipe: Recipe, rows: Rows, seconds: float) -> bool:
        """Whether a trial is there, or there is time for it."""
        return kept(folder_of(self.store, recipe, rows)) is not None or time.monotonic() + seconds <= self.deadline

    def _trial(self, name: str, recipe: Recipe) -> LanguageTrial | None:
        try:
            return language_trial(self.store, recipe, self.parts, name=self.name, progress=told(self.progress, name))
        except UserError as error:  # it cannot work with this model; the others can
            self.refused.append((name, str(error)))
            return None


def evidence_of(tried: Tried, verdict: Judged, symptoms: set[str], *, stage: str = "confirm") -> Evidence:
    """What the trial of the last of its changes showed."""
    last = tried.changes[-1]
    added = f"{last.name} added to the rest: " if stage == "combine" else ""
    return verdict.evidence(
        tried.names,
        seconds=tried.trial.seconds,
        trials=1,
        reason=f"{added}{verdict.reason}",
        treats=tuple(name for name in last.treats if name in symptoms),
        settings={key: value for key, value in last.settings.items() if value is not None},
        stage=stage,
    )


def told(progress: Progress, name: str) -> Progress:
    """Says of each stage whose it is."""

    def said(stage: str, done: float, total: float, note: str = "") -> None:
        progress(f"{stage}: {name.replace('_', ' ')}", done, total, note)

    return said
