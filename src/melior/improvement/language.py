"""Improving a language model: a handful of changed settings, each beside the recipe's own, on the same rows.

The sealed rows are put aside first and looked at once, at the end. The others are split once (folds would cost as many
trainings): the baseline and every candidate are taught the same rows with the same seed and judged on the same rows
that none of them learned, by bits per byte. Rows that say the same are on one side.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from melior.data.language import Row, texts_of
from melior.errors import UserError
from melior.evidence import Evidence
from melior.improvement.improvement import LanguageImprovement
from melior.improvement.language_plan import Change, changes, known_changes
from melior.metrics import Interval
from melior.metrics.bits_per_byte import drawn_gains, errors, paired_bits
from melior.progress import Progress
from melior.recipe import Recipe
from melior.trials.diagnosis import examine
from melior.trials.judge import RESAMPLES, Judged, judged
from melior.trials.language_model import groups_of, put_aside, settings_of
from melior.trials.language_scores import LanguageScores, drawn, scored
from melior.trials.language_trial import LanguageTrial, Rows, folder_of, kept, language_trial

METRIC = "bits_per_byte"
FEWEST = 10  # different rows to judge on, and different sealed rows
WATCHED, MOST_WATCHED = 0.1, 100  # share of the rows to learn whose loss is watched instead, and how many at most
LAST = 0.15  # of the budget, for the last look


@dataclass(frozen=True)
class Improved:
    """The outcome, scores on the sealed rows before and after, and the trial whose model is kept."""

    found: LanguageImprovement
    before: LanguageScores
    after: LanguageScores
    trial: LanguageTrial


@dataclass(frozen=True)
class _Candidate:
    change: Change
    recipe: Recipe
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
    deadline = started + (1 - LAST) * budget
    settings = settings_of(recipe)
    known_changes(*attempt, *never)
    parts, sealed, notes = _parts(rows, test, recipe, name)
    progress("teaching the plain recipe", 0, 1)
    plain = language_trial(store, recipe, parts, name=name, progress=_told(progress, "plain recipe"))
    diagnosis = examine(plain.record(), recipe, name)
    symptoms: set[str] = {finding.symptom for finding in diagnosis.active}

    candidates: list[_Candidate] = []
    refused: list[tuple[str, str]] = []
    late: list[str] = []
    for change in changes(settings, plain.record(), attempt=attempt, never=never):
        changed = change.of(recipe, settings)
        expected = change.times * plain.seconds
        if kept(folder_of(store, changed, parts)) is None and time.monotonic() + expected > deadline:
            late.append(f"{change.name} (about {expected:.0f} s)")
            continue
        try:
            trial = language_trial(store, changed, parts, name=name, progress=_told(progress, change.name))
        except UserError as error:  # it cannot work with this model; the others can
            refused.append((change.name, str(error)))
            continue
        candidates.append(_Candidate(change, changed, trial))
    if late:
        notes.append(f"not begun, because the time would not have sufficed: {', '.join(late)}")

    verdicts = _judged(plain, candidates, parts, recipe.seed, margin)
    evidence = [_evidence(one, verdict, symptoms) for one, verdict in zip(candidates, verdicts, strict=True)]
    helped = [
        (one, verdict) for one, verdict in zip(candidates, verdicts, strict=True) if verdict.verdict == "accepted"
    ]
    winner = max(helped, key=lambda pair: pair[1].effect)[0] if helped else None
    if len(helped) > 1:
        others = ", ".join(one.change.name for one, _ in helped if one is not winner)
        notes.append(
            f"also better than the plain recipe: {others}; they were not tried together, so the best alone is kept"
        )

    progress("the last look, at the sealed rows", 0, 2)
    on = "the sealed rows" if test is None else "the test rows"
    sealed, drawn_note = drawn(sealed, recipe.seed)
    before = after = scored(plain.writer(recipe), sealed, on=on, seed=recipe.seed)
    gain = Interval(0.0, 0.0, 0.0)
    progress("the last look, at the sealed rows", 1, 2)
    if winner is not None:
        after = scored(winner.trial.writer(winner.recipe), sealed, on=on, seed=recipe.seed)
        gain = _gain(before, after, sealed, recipe.seed)
        if gain.high < 0:
            notes.append(f"on the sealed rows {winner.change.name} is provably worse, so it is not used")
            winner, after, gain = None, before, Interval(0.0, 0.0, 0.0)
    notes += drawn_note
    progress("the last look, at the sealed rows", 2, 2)
    trial, better = (plain, recipe) if winner is None else (winner.trial, winner.recipe)
    found = LanguageImprovement(
        metric=METRIC,
        baseline=before[METRIC],
        final=after[METRIC],
        gain=gain,
        reported_before_repair=None,
        findings=diagnosis.findings,
        repairs=(),
        evidence=tuple(evidence),
        refused=tuple(refused),
        notes=tuple(notes),
        accepted=() if winner is None else (winner.change.name,),
        recipe=better,
        writer=trial.writer(better),
        run=None,
        seconds=time.monotonic() - started,
        family=settings.base or "a small model from nothing",
        rows={
            "all": len(rows) + (0 if test is None else len(sealed)),
            "development": sum(len(part) for part in (parts.learned, parts.watched, parts.judged)),
            "sealed": len(sealed),
        },
        baseline_seconds=plain.seconds,
    )
    return Improved(found, before, after, trial)


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


def _judged(
    plain: LanguageTrial, candidates: Sequence[_Candidate], parts: Rows, seed: int, margin: float
) -> list[Judged]:
    if not candidates:
        return []
    groups = groups_of(parts.judged)
    nats = [one.trial.nats for one in candidates]
    gains, resampled = drawn_gains(plain.nats, nats, plain.bytes, groups, seed=seed, resamples=RESAMPLES)
    return judged(gains, resampled, error=errors(resampled, groups), margin=margin)


def _gain(before: LanguageScores, after: LanguageScores, sealed: Sequence[Row], seed: int) -> Interval:
    """What the winner gains on the sealed rows, paired by row."""
    first, last = before.foreseen, after.foreseen
    assert first is not None
    assert last is not None
    found = paired_bits(first.nats, last.nats, first.bytes, groups_of(sealed), seed=seed)
    return Interval(found.value, found.low, found.high, found.level)


def _evidence(one: _Candidate, verdict: Judged, symptoms: set[str]) -> Evidence:
    return Evidence(
        methods=(one.change.name,),
        effect=verdict.effect,
        low=verdict.low,
        high=verdict.high,
        p=verdict.p,
        p_adjusted=verdict.p_adjusted,
        verdict=verdict.verdict,
        seconds=one.trial.seconds,
        trials=1,
        detectable=verdict.detectable,
        reason=verdict.reason,
        treats=tuple(name for name in one.change.treats if name in symptoms),
        settings={key: value for key, value in one.change.settings.items() if value is not None},
    )


def _told(progress: Progress, name: str) -> Progress:
    """Says of each stage whose it is."""

    def told(stage: str, done: float, total: float, note: str = "") -> None:
        progress(f"{stage}: {name.replace('_', ' ')}", done, total, note)

    return told
