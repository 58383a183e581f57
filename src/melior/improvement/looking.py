"""What comes before the first trial: rows put aside, the audit, questions, repairs, a family, and the plan."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from melior.checks._base import checks
from melior.data.splits import Fold, fewest_rows, folds, seal
from melior.data.table import Floats, Table
from melior.errors import UserError
from melior.findings import MEASUREMENT_FAULTS, Finding
from melior.improvement.ask import Ask, Question, nobody
from melior.improvement.other_family import of_other_family
from melior.improvement.plan import FIRST, Candidate, Refused, candidates, known_names, shared_out
from melior.improvement.repair import Repair, Repaired, ignoring, repair_recipe, separate
from melior.improvement.ruler import marked, ruler_for, trusted_rows
from melior.metrics import Metric
from melior.metrics.registry import metric
from melior.progress import Progress, silent
from melior.recipe import Recipe
from melior.runs.study import agreed, moment
from melior.trials.audit import Audit, run_checks
from melior.trials.beginnings import beginnings
from melior.trials.context import TableContext
from melior.trials.executors._base import Executor
from melior.trials.family import choose_family
from melior.trials.fit import fit
from melior.trials.threads import one_thread_each
from melior.trials.together import clusters

MANY_ROWS = 10_000  # from here on, improve looks only for what it can act on; an audit looks for everything
FEWER_FOLDS = 3  # of the checks' models from here on: two thirds of so many rows teach nearly as much as four fifths
CHECKING = 0.35  # of the budget, for looking; checks that were not begun by then are left out and named
LONGER = 0.3  # of that time once more, for looking again after each repair
REPAIRS = 2  # rounds: a column that gives the answer away hides that rows of one group do
CHOOSING = 0.15  # of the budget, for the trial of families


@dataclass(frozen=True)
class Parts:
    """Development rows, sealed rows, and whether the sealed ones came as a file of their own."""

    development: Table
    sealed: Table
    given: bool


def put_aside(table: Table, recipe: Recipe, test: Table | None) -> Parts:
    """The sealed part: the test file where one is given, else drawn before anything is looked at."""
    if test is not None:
        return Parts(table, test, True)
    trusted = recipe.data.trusted
    marks = marked(table, trusted) if trusted is not None and trusted in table.frame.columns else None
    development, sealed = seal(table, recipe.split, recipe.seed, marks=marks)
    return Parts(table.take(development), replace(table.take(sealed), name="the sealed part"), False)


@dataclass(frozen=True)
class Looked:
    """All that is known before the first trial.

    recipe   with a family, without the faults of the measurement
    parts    the rows that all is tried on, and the sealed ones
    folds    of the development rows
    planned  candidates, in the order in which they are tried; refused: what would treat what was found and cannot
    faulty   recipe and parts as they were before the repairs
    family   the family and why
    begins   what the recipe begins with beside it, and why; empty where that is nothing
    unseen   checks that only people could act on, left out where rows are many
    waited   seconds that were spent on waiting for answers
    """

    recipe: Recipe
    parts: Parts
    folds: list[Fold]
    audit: Audit
    repairs: tuple[Repair, ...]
    planned: list[Candidate]
    refused: list[Refused]
    notes: tuple[str, ...]
    faulty: tuple[Recipe, Parts]
    family: str
    unseen: tuple[str, ...]
    waited: float
    begins: str = ""

    @property
    def not_looked_for(self) -> tuple[str, ...]:
        """What was drawn rather than looked at whole, and the checks that were left out and why, a sentence each."""
        told = [note for note in self.audit.notes if note not in self.parts.development.notes]
        if self.unseen:
            told.append(f"`melior audit` looks for more that only people can act on: {', '.join(self.unseen)}")
        if self.audit.left_out:
            told.append(f"not looked for, because the time ran out: {', '.join(self.audit.left_out)}")
        return tuple(told)

    def score_before(self, measure: Metric) -> float | None:
        """What the score of the plain recipe would have been believed to be, with all the faults; None where there
        were none."""
        if not self.repairs:
            return None
        recipe, parts = self.faulty
        with one_thread_each():
            plain = recipe.model_copy(update={"methods": (), "model": self.recipe.model})
            predictor = fit(plain, parts.development)
            scores = predictor.scores(parts.sealed)
        return measure.measure(parts.sealed.truth(), scores, predictor.decided(scores))


def look(
    table: Table,
    recipe: Recipe,
    *,
    test: Table | None = None,
    budget: float = 300.0,
    attempt: Sequence[str] = (),
    never: Sequence[str] = (),
    workers: int = 0,
    store: Path | None = None,
    executor: Executor | None = None,
    ask: Ask = nobody,
    progress: Progress = silent,
    settled: bool = False,
) -> Looked:
    """Looks at a table before anything is tried on it. ask: asked what only people know; store, workers, executor: of
    the trials of families (`Trials`); settled: see `Race`."""
    known_names(attempt, never)
    if table.multilabel and recipe.data.trusted is not None:
        raise UserError(
            f'data.trusted: rows can be marked as trusted where a row has one class, and "{table.target}" has several '
            "labels a row. Take data.trusted out of the recipe."
        )
    started = moment("looking")
    parts = put_aside(table, recipe, test)
    many = parts.development.rows >= MANY_ROWS
    unseen = tuple(name for name, check in checks().items() if many and check.for_people)
    audit = run_checks(
        parts.development,
        recipe,
        other=parts.sealed,
        skip=unseen,
        progress=progress,
        context=_context(parts, recipe),
        deadline=started + CHECKING * budget,
    )
    waiting = _Waiting(ask)
    faulty = (recipe, parts)
    found: Sequence[Finding] = audit.active
    notes: list[str] = []
    repairs: list[Repair] = []
    assumed: dict[tuple[str, tuple[str, ...]], str] = {}
    for number in range(1, REPAIRS + 1):
        repaired = repair_recipe(recipe, found, separate_test=parts.given, ask=waiting)
        for finding in found:  # what was suspected, and is surer now, is no longer taken for granted
            assumed.pop((finding.symptom, finding.columns), None)
        assumed |= {(one.finding.symptom, one.finding.columns): one.assumed() for one in repaired.assumed}
        if repaired.repairs:
            whole = ignoring(table, (*repairs, *repaired.repairs))
            repaired, impossible = _splittable(repaired, recipe, whole, test)
            notes += [impossible] if impossible else []
        recipe = repaired.recipe
        if not repaired.repairs:
            break
        repairs += repaired.repairs
        if repaired.reseal:
            # rows leak across a random split, the sealed part included: it is drawn again, along groups or time
            parts = put_aside(whole, recipe, test)
        else:
            gone = repaired.repairs
            parts = Parts(ignoring(parts.development, gone), ignoring(parts.sealed, gone), parts.given)
        late = started + waiting.seconds + (1 + LONGER * number) * CHECKING * budget
        audit, found = _audit_again(audit, parts, recipe, progress, late, repaired.reseal, unseen)
        if not found:
            break
    development, sealed, overlap = separate(
        parts.development, parts.sealed, separate_test=parts.given, fewest=recipe.split.folds
    )
    if overlap is not None:
        repairs.append(overlap)
    for part in (development, sealed):
        trusted_rows(part, recipe)  # too few are refused before the work, not after it
    dealt = folds(development, recipe.split, recipe.seed, groups=clusters(development))
    fewest = fewest_rows(development, dealt)
    chosen = choose_family(
        recipe, development, truth=_truth(development, audit, recipe),
        beginnings=beginnings(recipe, audit.active, development), never=never, fewest=fewest, allowed=CHOOSING * budget,
        progress=progress, workers=workers, store=store, executor=executor,
    )  # fmt: skip
    planned, refused = candidates(chosen.recipe, audit.active, development, attempt=attempt, never=never, fewest=fewest)
    others = of_other_family(
        chosen.recipe, chosen.others, audit.active, development, never=never, fewest=fewest, settled=settled
    )
    # what helps most often against what was found is heard first, of whichever family
    first = [one for one in planned if one.weight >= FIRST]
    planned = shared_out([*first, *others, *(one for one in planned if one not in first)])
    return Looked(
        recipe=chosen.recipe,
        parts=Parts(development, sealed, parts.given),
        folds=dealt,
        audit=audit,
        repairs=tuple(repairs),
        planned=planned,
        refused=refused,
        notes=(*assumed.values(), *notes),
        faulty=faulty,
        family=chosen.reason,
        unseen=unseen,
        waited=waiting.seconds,
        begins=chosen.begins,
    )


def _truth(development: Table, audit: Audit, recipe: Recipe) -> Floats | None:
    """What families are scored against: labels corrected for wrong ones, as in the race, but not the trusted rows
    alone: all labels, wrong ones among them, tell families apart better than some ten right ones."""
    if recipe.data.trusted is not None:
        return None
    measure = metric(recipe.metric, development.classes, multilabel=development.multilabel)
    return ruler_for(development, audit, recipe, measure)[0]


def _context(parts: Parts, recipe: Recipe) -> TableContext:
    drawn = {"folds": FEWER_FOLDS} if parts.development.rows >= MANY_ROWS else {}
    return TableContext(parts.development, recipe, other=parts.sealed, **drawn)


class _Waiting:
    """Asks, and measures how long the answers take; of those at work on a study one is asked, and its wait counts."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self._waits: set[tuple[str, float]] = set()  # what comes back a second time was waited for once

    @property
    def seconds(self) -> float:
        return sum(seconds for _, seconds in self._waits)

    def __call__(self, question: Question) -> bool | None:
        answer, seconds = agreed(f"answer: {question.asked}", partial(self._asked, question))
        self._waits.add((question.asked, seconds))
        return answer

    def _asked(self, question: Question) -> tuple[bool | None, float]:
        began = time.monotonic()
        answer = self.ask(question)
        return answer, time.monotonic() - began


def _splittable(repaired: Repaired, before: Recipe, whole: Table, test: Table | None) -> tuple[Repaired, str]:
    """The repairs, without a change of the split that these rows do not allow (too few groups, say), and why."""
    if repaired.recipe.split == before.split:
        return repaired, ""
    try:
        development = put_aside(whole, repaired.recipe, test).development
        folds(development, repaired.recipe.split, before.seed, groups=clusters(development))
    except UserError as error:
        left = tuple(one for one in repaired.repairs if one.symptom not in ("group_leakage", "time_leakage"))
        recipe = repaired.recipe.model_copy(update={"split": before.split})
        return Repaired(recipe, left, False), f"the split could not be repaired: {error}"
    return repaired, ""


def _audit_again(
    before: Audit,
    parts: Parts,
    recipe: Recipe,
    progress: Progress,
    deadline: float,
    other_rows: bool,
    unseen: Sequence[str],
) -> tuple[Audit, list[Finding]]:
    """After a repair checks look again: a leaking column hides wrong labels, an old split other rows. Where the rows
    are the same, what needed no model stays as it was found, but for the columns that were left out. Beside the audit:
    the faults of the measurement that are seen only now."""
    cheap = () if other_rows else [name for name, check in checks().items() if check.cost != "model"]
    again = run_checks(
        parts.development,
        recipe,
        other=parts.sealed,
        skip=[*cheap, *unseen],
        progress=progress,
        context=_context(parts, recipe),
        deadline=deadline,
    )
    kept = set(parts.development.features()) | {parts.development.target or ""}
    faults = [finding for finding in before.findings if finding.symptom in MEASUREMENT_FAULTS]
    known = {_about(finding): _strength(finding) for finding in faults}
    hidden = [
        finding
        for finding in again.findings
        if finding.symptom in MEASUREMENT_FAULTS
        and (_about(finding) not in known or _strength(finding) > known[_about(finding)])
    ]
    surer = {_about(finding) for finding in hidden}
    faults = [*hidden, *(finding for finding in faults if _about(finding) not in surer)]
    others = [finding for finding in again.findings if finding.symptom not in MEASUREMENT_FAULTS]
    unsaid = {*cheap, *again.left_out}  # what there was no time to look for again stays as it was found
    others += [
        finding
        for finding in before.findings
        if finding.check in unsaid
        and finding.symptom not in MEASUREMENT_FAULTS
        and (not finding.columns or set(finding.columns) & kept)
    ]
    merged = sorted((*faults, *others), key=lambda finding: (bool(finding.muted), -finding.severity))
    seen = {finding.check for finding in merged}
    left_out = dict.fromkeys((*before.left_out, *(name for name in again.left_out if name not in seen)))
    audit = replace(before, findings=tuple(merged), seconds=before.seconds + again.seconds, left_out=tuple(left_out))
    return audit, [one for one in hidden if not one.muted]


def _about(finding: Finding) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """What two findings of the same fault have in common: columns, and of texts the words."""
    return finding.symptom, finding.columns, tuple(finding.measured.get("take_out", ()))


def _strength(finding: Finding) -> tuple[bool, bool]:
    """What makes a suspicion surer: a column that only looked like the answer may be it beyond doubt once another is
    gone."""
    return finding.certain, bool(finding.measured.get("beats_all_others"))
