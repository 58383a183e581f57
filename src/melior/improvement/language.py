"""Improving a language model: a handful of changed settings, each beside the recipe's own, on the same rows.

The sealed rows are put aside first and looked at once, at the end. The others are split once (folds would cost as many
trainings): the baseline and every candidate are taught the same rows with the same seed and judged on the same rows
that none of them learned, by bits per byte. Rows that say the same are on one side. What is accepted is put together,
each addition proved again, and the recipe that is left is taught all rows but the sealed ones.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from melior.data.language import Row, texts_of
from melior.errors import UserError
from melior.improvement.improvement import LanguageImprovement
from melior.improvement.language_plan import changes, known_changes
from melior.improvement.language_search import Search, Tried, evidence_of, told
from melior.metrics import Interval
from melior.metrics.bits_per_byte import paired_bits
from melior.progress import Progress
from melior.recipe import Recipe
from melior.trials.diagnosis import examine
from melior.trials.language_model import groups_of, put_aside, settings_of
from melior.trials.language_scores import LanguageScores, drawn, scored
from melior.trials.language_trial import LanguageTrial, Rows, language_trial

METRIC = "bits_per_byte"
FEWEST = 10  # different rows to judge on, and different sealed rows
WATCHED, MOST_WATCHED = 0.1, 100  # share of the rows to learn whose loss is watched instead, and how many at most
LAST = 0.15  # of the budget, for the last look
NO_GAIN = Interval(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Improved:
    """The outcome, the trial whose model is kept, and the scores on the sealed rows of the plain recipe and of it."""

    found: LanguageImprovement
    before: LanguageScores
    after: LanguageScores
    trial: LanguageTrial


def improve_rows(
    rows: Sequence[Row],
    recipe: Recipe,
    *,
    store: Path,
    test: Sequence[Row] | None,
    budget: float,
    name: str,
    attempt: Sequence[str],
    never: Sequence[str],
    margin: float,
    progress: Progress,
) -> Improved:
    """Improves the settings of a language recipe. test: rows that are sealed in place of a share of `rows`; budget in
    seconds; finished trials are kept in `store`, and one that was interrupted goes on from there."""
    started = time.monotonic()
    settings = settings_of(recipe)
    known_changes(*attempt, *never)
    parts, sealed, notes = _parts(rows, test, recipe, name)
    progress("teaching the plain recipe", 0, 1)
    trial = language_trial(store, recipe, parts, name=name, progress=told(progress, "plain recipe"))
    plain = Tried(recipe, trial)
    diagnosis = examine(trial.record(), recipe, name)
    symptoms: set[str] = {finding.symptom for finding in diagnosis.active}

    search = Search(store, parts, settings, plain, started + (1 - LAST) * budget, name, margin, progress)
    candidates = search.screen(changes(settings, trial.record(), attempt=attempt, never=never))
    verdicts = search.judged(plain, candidates)
    evidence = [evidence_of(one, verdict, symptoms) for one, verdict in zip(candidates, verdicts, strict=True)]
    best, together = search.combined(candidates, verdicts, symptoms)
    if search.late:
        notes.append(f"not begun, because the time would not have sufficed: {', '.join(search.late)}")

    sealed, drawn_note = drawn(sealed, recipe.seed)
    last = _LastLook(sealed, "the sealed rows" if test is None else "the test rows", recipe.seed, progress)
    before, after, gain = last.confirmed(plain, best)
    if gain.high < 0:
        notes.append(f"on the sealed rows {' and '.join(best.names)} is provably worse, so it is not used")
        best, after, gain = plain, before, NO_GAIN
    whole, shown = search.whole(best), after
    if whole is not None:
        shown = last.scores(Tried(best.recipe, whole))
        if last.gain(after, shown).high < 0:
            notes.append(
                "taught all development rows it is provably worse on the sealed ones: the trial's model is kept"
            )
            whole, shown = None, after
    kept = best.trial if whole is None else whole
    found = LanguageImprovement(
        metric=METRIC,
        baseline=before[METRIC],
        final=after[METRIC],
        gain=gain,
        taught_all=None if whole is None else shown[METRIC],
        reported_before_repair=None,
        findings=diagnosis.findings,
        repairs=(),
        evidence=(*evidence, *together),
        refused=tuple(search.refused),
        notes=(*notes, *search.notes, *drawn_note),
        accepted=best.names,
        recipe=best.recipe,
        writer=kept.writer(best.recipe),
        run=None,
        seconds=time.monotonic() - started,
        family=settings.base or "a small model from nothing",
        rows={
            "all": len(rows) + (0 if test is None else len(sealed)),
            "development": sum(len(part) for part in (parts.learned, parts.watched, parts.judged)),
            "sealed": len(sealed),
        },
        baseline_seconds=trial.seconds,
    )
    return Improved(found, before, shown, kept)


@dataclass(frozen=True)
class _LastLook:
    """The sealed rows."""

    rows: Sequence[Row]
    on: str
    seed: int
    progress: Progress

    def scores(self, tried: Tried) -> LanguageScores:
        self.progress(f"the last look, at {self.on}", 0, 1, " and ".join(tried.names))
        return scored(tried.trial.writer(tried.recipe), self.rows, on=self.on, seed=self.seed)

    def gain(self, before: LanguageScores, after: LanguageScores) -> Interval:
        """What is gained, paired by row."""
        first, last = before.foreseen, after.foreseen
        assert first is not None
        assert last is not None
        found = paired_bits(first.nats, last.nats, first.bytes, groups_of(self.rows), seed=self.seed)
        return Interval(found.value, found.low, found.high, found.level)

    def confirmed(self, plain: Tried, best: Tried) -> tuple[LanguageScores, LanguageScores, Interval]:
        """The scores of both, that were taught the same rows, and the gain."""
        before = after = self.scores(plain)
        if best is plain:
            return before, after, NO_GAIN
        after = self.scores(best)
        return before, after, self.gain(before, after)


def _parts(
    rows: Sequence[Row], test: Sequence[Row] | None, recipe: Recipe, name: str
) -> tuple[Rows, list[Row], list[str]]:
    """Rows to learn, to watch and to be judged on, the sealed ones, and notes."""
    notes = []
    if test is None:
        if not recipe.split.sealed:
            raise UserError("split.sealed is 0 and there is no test file: improve needs rows to confirm a gain on.")
        development, sealed = put_aside(rows, recipe.split.sealed, recipe.seed)
    else:
        sealed, there = list(test), {texts_of(row) for row in test}
        development = [row for row in rows if texts_of(row) not in there]
        if len(development) < len(rows):
            notes.append(f"{len(rows) - len(development):,} rows also stand among the test rows and were left out")
    learned, to_judge = put_aside(development, 1 / recipe.split.folds, recipe.seed, 6)
    for part, what in ((to_judge, "to compare settings on"), (sealed, "to confirm a gain on")):
        if (different := len({texts_of(row) for row in part})) < FEWEST:
            raise UserError(f"{name}: {different} different rows {what}, and {FEWEST} are needed; give more rows.")
    watched: list[Row] = []
    if not settings_of(recipe).stop_share:
        share = min(WATCHED, MOST_WATCHED / len(learned))
        learned, watched = put_aside(learned, share, recipe.seed, 7)
    return Rows(learned, watched, to_judge), sealed, notes
