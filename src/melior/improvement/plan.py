"""From findings to candidates: which methods, with which settings, are worth a trial."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from melior.data.table import Table
from melior.errors import UserError
from melior.evidence import FAMILY
from melior.findings import MEASUREMENT_FAULTS, Finding
from melior.methods._base import Method, methods, never_together, reaches
from melior.models._base import resolve
from melior.recipe import Choice, Recipe
from melior.trials.audit import kinds_of

FIRST = 4.0  # times the share of the judge's level that others have, at least, of what helps most often


@dataclass(frozen=True)
class Candidate:
    """A recipe to try beside the baseline.

    name    what tables call it
    method  the method that it adds; None where it is another family alone
    recipe  the baseline's recipe with the method, and of the other family
    treats  the symptoms found for which it is tried; empty where it is tried on every table
    cost    fits of the baseline that one fit of it costs, roughly
    seconds what its own work takes beside on one core, whatever the baseline
    weight  its share of the judge's level beside the others: more for what helps most often against what was found
    family  the other family; empty where it is the baseline's
    further whether it is a method in another setting than the usual one
    """

    name: str
    method: Choice | None
    recipe: Recipe
    treats: tuple[str, ...]
    cost: float
    weight: float = 1.0
    seconds: float = 0.0
    family: str = ""
    further: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What it changes, as the evidence names it."""
        method = () if self.method is None else (self.method.name,)
        return (FAMILY + self.family, *method) if self.family else method

    @property
    def settings(self) -> dict[str, Any]:
        """Those of its method."""
        return {} if self.method is None else dict(self.method.settings)

    def takes(self, fold: float, cores: int = 1) -> float:
        """Seconds of a fold, from those of the baseline's, as it is done on so many cores side by side."""
        return self.cost * fold + self.seconds / cores


@dataclass(frozen=True)
class Refused:
    """A method that treats what was found and cannot be tried here, and why."""

    name: str
    reason: str


def candidates(
    recipe: Recipe,
    findings: Sequence[Finding],
    table: Table,
    *,
    attempt: Sequence[str] = (),
    never: Sequence[str] = (),
    fewest: Table | None = None,
) -> tuple[list[Candidate], list[Refused]]:
    """The candidates that the findings suggest, and the refused ones. Every method as it is usually set, those that
    treat the worst findings first, and then the other settings in the same order: where time is short, each is heard.

    attempt: methods to try whatever the findings; never: methods to leave out; fewest: the training rows of the fold
    that has fewest of a class, on which a method must be possible too.
    """
    known_names(attempt, never)
    model = resolve(recipe.model)
    severity: dict[str, float] = {}
    treatable = [finding for finding in findings if finding.symptom not in MEASUREMENT_FAULTS]
    for finding in treatable:
        severity[finding.symptom] = max(severity.get(finding.symptom, 0.0), finding.severity)
    standing = {choice.name for choice in recipe.methods}
    usual: list[Candidate] = []
    others: list[Candidate] = []
    refused: list[Refused] = []
    for name, method in methods().items():
        treats = tuple(sorted({one.symptom for one in treatable if reaches(method, one.symptom, kinds_of(one, table))}))
        wanted = treats or method.always or name in attempt
        if not wanted or name in never or name in standing:
            continue
        if method.networks and not model.is_network and name not in attempt:
            continue  # of no interest to whoever has no network
        rival = next((other for other in sorted(standing) if never_together(method, methods()[other])), None)
        if rival is not None:
            refused.append(Refused(name, f"it is never used together with {rival}, which the recipe has"))
            continue
        reasons, made = [], 0
        for number, settings in enumerate(method.candidates):
            tried: Method = method(**settings)
            reason = tried.refused(recipe, table, model)
            if not reason and fewest is not None:
                reason = tried.refused(recipe, fewest, model)
            if reason:
                reasons.append(reason)
                continue
            made += 1
            choice = Choice(name=name, settings=settings)
            weight = FIRST if number == 0 and method.first_for & set(treats) else 1.0
            one = Candidate(str(choice), choice, recipe.with_methods(choice), treats, tried.fits(model), weight,
                            tried.seconds(table), further=made > 1)  # fmt: skip
            (usual if made == 1 else others).append(one)
        if not made:
            refused.append(Refused(name, reasons[0]))
    ordered = (
        sorted(some, key=lambda c: (-_weight(c, severity), c.seconds, c.cost, c.name)) for some in (usual, others)
    )
    return [one for some in ordered for one in some], refused


def shared_out(planned: Sequence[Candidate]) -> list[Candidate]:
    """The candidates with their shares of the judge's level: at least half of it for those of the chosen family that
    help most often against what was found, each no less than FIRST times what a candidate without a finding has. What
    the other family is tried with is one candidate among the others."""
    first = [one for one in planned if one.weight >= FIRST and not one.family]
    weight = max(FIRST, (len(planned) - len(first)) / max(len(first), 1))
    return [replace(one, weight=weight if one in first else 1.0) for one in planned]


def known_names(attempt: Sequence[str], never: Sequence[str]) -> None:
    """Refuses names that are no method."""
    for name in (*attempt, *never):
        if name not in methods():
            near = get_close_matches(name, methods(), 1)
            hint = f"did you mean {near[0]}?" if near else "`melior methods` lists what there is."
            raise UserError(f"there is no method {name!r}; {hint}")


def _weight(candidate: Candidate, severity: dict[str, float]) -> float:
    return max((severity[symptom] for symptom in candidate.treats), default=0.0)


def changed(before: Recipe, after: Recipe) -> tuple[str, ...]:
    """What a recipe has that the one before has not, as the evidence names it: another family, and methods."""
    family = () if after.model.name == before.model.name else (FAMILY + after.model.name,)
    return (*family, *(choice.name for choice in after.methods if choice not in before.methods))


def combinable(first: Sequence[Choice], second: Choice) -> bool:
    """Whether a method may join these: it is not there already, and none makes the other pointless."""
    known = methods()
    for choice in first:
        if choice.name == second.name:
            return False
        if never_together(known[choice.name], known[second.name]):
            return False
    return True
