"""Putting accepted methods together, each addition proved again, because methods interact."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from melior.errors import UserError
from melior.evidence import Evidence
from melior.improvement.plan import changed, combinable
from melior.improvement.race import Race
from melior.improvement.runner import Runner, joined
from melior.recipe import Choice, Recipe
from melior.trials.judge import Judged, Scored, compare


@dataclass(frozen=True)
class Combined:
    """The recipe with what was accepted, and the evidence of every addition that was tried."""

    recipe: Recipe
    evidence: tuple[Evidence, ...]
    scored: Scored


def combine(
    race: Race, judged: Sequence[tuple[Runner, Judged]], over: Callable[[Recipe], str] = lambda recipe: ""
) -> Combined:
    """Forward selection: the best accepted candidate, then each further one that is provably better still. over: why a
    recipe costs more than it may, empty where it does not."""
    accepted = sorted(
        ((runner, verdict) for runner, verdict in judged if verdict.verdict == "accepted"),
        key=lambda pair: -pair[1].effect,
    )
    if not accepted:
        return Combined(race.baseline, (), race.base)
    best = accepted[0][0]
    recipe, scored = best.candidate.recipe, joined(best.results)
    evidence: list[Evidence] = []
    tried: list[Choice] = []
    late: list[str] = []
    for number, (runner, _) in enumerate(accepted[1:]):
        addition = runner.candidate.method
        if addition is None or addition in tried or not combinable(recipe.methods, addition):
            continue  # the family stays that of the best
        tried.append(addition)
        race.progress("combining what helped", number, len(accepted) - 1, addition.name)
        if race.passed(addition.name):
            late.append(addition.name)
            continue
        together = recipe.with_methods(addition)
        folds = sorted(best.results)
        try:
            results = race.trials.many([(together, fold) for fold in folds], late=race.deadline_passed)
        except UserError as error:  # the others leave too few rows of a class for it, say
            race.notes.append(f"{addition.name} cannot be added to the others: {error}")
            continue
        if any(result is None for result in results):
            late.append(addition.name)
            continue  # what is left of them is past as well, and is told
        done = {fold: result for fold, result in zip(folds, results, strict=True) if result is not None}
        entry = joined(done)
        verdict = compare(
            race.metric,
            race.truth,
            scored,
            [entry],
            margin=race.margin,
            groups=race.groups,
            seed=race.seed,
        )[0]
        if verdict.verdict == "accepted" and (costs := over(together)):
            verdict = replace(verdict, verdict="rejected", reason=costs)
        names = changed(race.baseline, together)
        evidence.append(
            verdict.evidence(
                names,
                seconds=sum(result.seconds for result in done.values()),
                trials=len(done),
                reason=f"{addition.name} added to the rest: {verdict.reason}",
                treats=runner.candidate.treats,
                settings=dict(addition.settings),
                stage="combine",
            )
        )
        if verdict.verdict == "accepted":
            recipe, scored = together, entry
    if late:
        race.notes.append(f"no time was left to try it together with the others: {'; '.join(late)}")
    return Combined(recipe, tuple(evidence), scored)
