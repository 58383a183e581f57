"""`model: auto`: which family suits the rows, by a short paired trial, and why."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from melior.data.splits import Fold, fewest_rows, folds
from melior.data.table import Floats, Table
from melior.errors import UserError
from melior.methods._base import methods
from melior.metrics.registry import metric
from melior.models._base import Hardware, Model, families, have_gpu, resolve
from melior.progress import Progress, silent
from melior.recipe import Choice, Limits, Recipe, Split
from melior.runs.study import agreed
from melior.trials.cost import cost_of, exceeded
from melior.trials.executors._base import Executor
from melior.trials.family_trial import run_trial
from melior.trials.fit import fit
from melior.trials.threads import cores, one_thread_each
from melior.trials.together import clusters, drawn_together

ROWS = 4000  # enough to tell families apart, quick enough not to be noticed
FOLDS = 3
MANY = 5  # times the rows of a trial that a table has; where it has twice as many, the families meet on more rows
MOST_ROWS = 100_000  # of that second trial
LONGEST = 3.0  # times what a trial may take: what the cross-validation and the last fits of the family may take
RARE = 100  # rows of the rarest class, below which what weighting the classes brings can seldom be proved
UNEVEN = 3.0  # times as many rows as the rarest class has, had all classes the same
WEIGHTED = Choice(name="class_weights")
OF_ANSWERS = ("macro_f1", "macro_recall", "balanced_accuracy")  # metrics in which every class has the same say


@dataclass(frozen=True)
class FamilyChoice:
    """The recipe with a family named, the reason, and each family's score in the trial.

    others  the families that were tried in the same way and could be taken as well, as `families` lists them, and how
            many times the seconds of the chosen one a fit of them takes
    begins  what the recipe begins with beside the family, and why, in a sentence; empty where that is nothing
    """

    recipe: Recipe
    reason: str
    scores: dict[str, float]
    others: dict[str, float] = field(default_factory=dict)
    begins: str = ""


def choose_family(
    recipe: Recipe,
    table: Table,
    *,
    allowed: float | None = None,
    beginnings: Sequence[Choice] = (),
    truth: Floats | None = None,
    never: Collection[str] = (),
    fewest: Table | None = None,
    progress: Progress = silent,
    workers: int = 0,
    store: Path | None = None,
    executor: Executor | None = None,
) -> FamilyChoice:
    """Names the family of a recipe that says auto; any other recipe comes back as it is.

    allowed     seconds that the trial may take: families that would take longer are left out
    beginnings  methods with which each family is tried too (`trials.beginnings`)
    never       methods that it may not begin with
    fewest      rows on which it must be possible too: of the fold that leaves fewest of a class, of those to come
    truth       (rows, classes) label weights that scores are taken against; None: the labels as they are
    store       and workers and executor: see `Trials`

    Every family that can read the table is cross-validated on the same rows and folds with its defaults, or as it is
    fitted quickly where those would take longer than is allowed (`Model.brief`). The one with the best score is taken,
    unless a cheaper one is not provably worse and as good to within a hundredth (one with the same beginning, for what
    was found speaks for that). What is best on 4,000 rows need not be best on many more: of tables of 40,000 rows and
    more, a second trial on a fifth of the rows decides, in one fold. Where the metric gives every class the
    same say and the rarest has too few rows for a proof, each family is tried with weighted classes too, and with each
    of the beginnings: that is a choice of where to begin, as that of the family is.
    """
    if recipe.model.name != "auto":
        return FamilyChoice(recipe, f"{recipe.model.name}, as the recipe says", {})
    whole_truth = table.truth() if truth is None else truth
    sample, truth = table, whole_truth
    if table.rows > ROWS:
        kept = some_rows(table, recipe.seed)
        sample, truth = table.take(kept), truth[kept]
    # of processes at work on one study, the hardware of the one that comes first decides
    suited, left_out = agreed("suited families", partial(suited_families, table, sample, allowed))
    left_out = dict(left_out)
    if not suited:
        kinds = ", ".join(sorted(set(table.schema.kinds.values())))
        raise UserError(f"{table.name}: no family of models reads its columns ({kinds}); give kinds with --column.")
    sizes = agreed("sizes of families", lambda: {name: sized(name, sample, allowed).settings for name in suited})
    made = {name: Choice(name=name, settings=sizes[name]) for name in suited}
    plain = recipe.model_copy(update={"methods": ()})
    split = recipe.split.model_copy(update={"folds": FOLDS, "repeats": 1})
    wanted = [*([WEIGHTED] if _weighted(recipe, table) else []), *beginnings]
    wanted = [one for one in wanted if one.name not in never]
    dealt = _dealt(sample, split, recipe.seed) if wanted or len(suited) > 1 else []
    least = [sample, fewest_rows(sample, dealt), *([] if fewest is None else [fewest])] if wanted else []
    with_too = agreed("beginnings", partial(_with_too, recipe, least, made, wanted, allowed))
    if len(suited) == 1 and not with_too[suited[0]]:
        why = "there is time for" if left_out else "reads these columns"
        only = f"{suited[0]}: the only family that {why}"
        return FamilyChoice(recipe.with_model(made[suited[0]]), with_left_out(only, left_out), {})
    quick = {name for name, choice in made.items() if choice.settings}
    tried, begun = {}, {}  # cheapest first
    for name in suited:
        tried[name], begun[name] = recipe.with_model(made[name]), plain.with_model(made[name])
        for method in with_too[name]:
            both = f"{name} with {method}"
            tried[both], begun[both] = (one[name].with_methods(Choice(name=method)) for one in (tried, begun))
    measure = metric(recipe.metric, sample.classes, multilabel=sample.multilabel)
    run = partial(
        run_trial, measure=measure, plain=plain, progress=progress, workers=workers, store=store, executor=executor
    )
    trial = run(sample, truth, recipes=begun, dealt=dealt, told="choosing a family of models")
    left_out |= trial.impossible
    suited = list(trial.scores)
    not_taken: dict[str, str] = {}
    if allowed is not None:
        took = trial.seconds
        needs = {name: agreed(f"takes: {name}", partial(_needs, took[name], table, sample, recipe)) for name in suited}
        swift = [name for name in suited if needs[name] <= LONGEST * allowed] or [min(suited, key=needs.__getitem__)]
        not_taken = {
            name: f"with its last fits it would take some {needs[name]:,.0f} seconds, too much of the budget"
            for name in suited
            if name not in swift
        }
        suited = swift
    if recipe.limits != Limits():
        over = {name: why for name in suited if (why := agreed(f"over: {name}", partial(_over, begun[name], sample)))}
        if len(over) < len(suited):
            left_out |= over
            suited = [name for name in suited if name not in over]
    best = trial.best(suited)
    against = next((one for name in beginnings if best.endswith(one := f" with {name.name}")), "")
    same = [name for name in suited if name.endswith(against)]
    best = trial.best(same, groups=drawn_together(sample, recipe), seed=recipe.seed, cheaper=True)
    reason = f"{recipe.metric} on {sample.rows:,} rows in {FOLDS} folds was {trial.said()}"
    beside_it = best.removeprefix(tried[best].model.name)  # what the recipe begins with, if anything
    again = [name for name in suited if name == f"{tried[name].model.name}{beside_it}"]
    again = agreed("on more rows", partial(_swift, again, trial.seconds, table, sample, allowed))
    quickest = trial.quickest
    if best in again and len(again) > 1:
        larger = some_rows(table, recipe.seed, min(table.rows // MANY, MOST_ROWS))
        more = table.take(larger)
        second = run(
            more, whole_truth[larger], recipes={name: begun[name] for name in again},
            dealt=_dealt(more, split, recipe.seed)[:1], told="choosing a family of models, on more rows",
        )  # fmt: skip
        quickest = second.quickest
        ahead = second.best(again)
        # a cheaper one is as good only where more rows have not left it further behind
        near = [name for name in again if name == ahead or second.lead(ahead, name) <= trial.lead(ahead, name)]
        best = second.best(near, groups=drawn_together(more, recipe), seed=recipe.seed, cheaper=True)
        reason += f", and on {more.rows:,} rows in one fold {second.said()}"
    reason = "; ".join([f"{best}: {reason}", *(f"{name} was not taken: {why}" for name, why in not_taken.items())])
    if quick:
        reason += f"; {', '.join(sorted(quick))} with settings that are fitted quickly, for more takes too long here"
    times = {
        name: agreed(f"beside {best}: {name}", partial(_ratio, quickest[variant], quickest[best]))
        for name in families()
        if name not in {tried[best].model.name, *quick}
        and (variant := f"{name}{beside_it}") in suited
        and variant in quickest
        and best in quickest
    }
    begins = _begins(recipe, tried[best], best, trial.scores, bool(against))
    return FamilyChoice(tried[best], with_left_out(reason, left_out), trial.scores, times, begins)


def _begins(recipe: Recipe, taken: Recipe, best: str, scores: dict[str, float], found: bool) -> str:
    """What the recipe begins with beside the family, and why, in a sentence."""
    new = [one.name for one in taken.methods if one not in recipe.methods]
    if not new:
        return ""
    few = "so few rows cannot prove what helps against what was found" if found else "so few rare rows prove nothing"
    both = f"{scores[best]:.3f} with it and {scores[taken.model.name]:.3f} without"
    return (
        f"the recipe begins with {new[0]}, unproved: {few}, and {recipe.metric} in {FOLDS} folds was {both}; "
        f"--never {new[0]} begins without it"
    )


def _dealt(sample: Table, split: Split, seed: int) -> list[Fold]:
    """Folds that keep the copies of a row together, as those of the race do: what knows a row by heart would else look
    better than what learns. Where hardly any row differs from all others, they are dealt out all the same."""
    copies = clusters(sample)
    if copies is not None and len(np.unique(copies)) < 2 * FOLDS:
        copies = None
    return folds(sample, split, seed, groups=copies)


def _ratio(seconds: float, other: float) -> float:
    return seconds / max(other, 1e-9)


def _with_too(
    recipe: Recipe, least: Sequence[Table], made: dict[str, Choice], wanted: Sequence[Choice], allowed: float | None
) -> dict[str, list[str]]:
    """Those of the wanted methods that each family is tried with too: those that it can have on the rows of the trial
    (the first of `least`) and on all others there, as long as there is time."""
    found: dict[str, list[str]] = {name: [] for name in made}
    for name, choice in made.items() if wanted else ():
        family = resolve(choice)
        once = spent = takes(family, least[0])
        for method in (methods()[one.name]() for one in wanted):
            spent += once * method.fits(family)
            able = all(method.refused(recipe, rows, family) is None for rows in least)
            if able and (allowed is None or spent <= allowed):
                found[name].append(method.name)
    return found


def _weighted(recipe: Recipe, table: Table) -> bool:
    """Whether weighted classes are tried too: where rare rows are too few to prove what weights bring."""
    counts = [count for count in table.target_counts().values() if count]
    uneven = min(counts, default=0) * UNEVEN * len(counts) < table.rows
    return recipe.metric in OF_ANSWERS and not recipe.methods and uneven and min(counts) < RARE and not table.multilabel


def sized(name: str, sample: Table, allowed: float | None) -> Choice:
    """The family with its defaults, or as it is fitted quickly where its trial would take longer than is allowed."""
    family = families()[name]()
    if allowed is not None and not have_gpu() and takes(family, sample) > allowed:
        family = family.brief()
    return Choice(name=name, settings=family.model_dump(exclude_defaults=True))


def _trial(name: str, sample: Table, allowed: float | None) -> float:
    return takes(resolve(sized(name, sample, allowed)), sample)


def takes(family: Model, sample: Table) -> float:
    """Seconds of a family's trial, as it estimates them."""
    return family.seconds(sample) * FOLDS / min(cores(), FOLDS)


def _needs(took: float, table: Table, sample: Table, recipe: Recipe) -> float:
    """Seconds of a family's cross-validation and its two last fits, from those of a fold of its trial."""
    fit_of_all = took * FOLDS / (FOLDS - 1) * table.rows / sample.rows
    return fit_of_all * (recipe.split.folds - 1 + 2) / cores()


def _swift(
    names: Sequence[str], took: dict[str, float], table: Table, sample: Table, allowed: float | None
) -> list[str]:
    """Those that meet on more rows: none where the table has hardly more than the sample, and all whose one fold there
    is over in the time that is allowed."""
    size = min(table.rows // MANY, MOST_ROWS)
    if size < 2 * sample.rows:
        return []
    return [name for name in names if allowed is None or took[name] * size / sample.rows <= allowed]


def _over(recipe: Recipe, sample: Table) -> str:
    """Why a family costs more than the recipe's limits allow; empty where it does not."""
    with one_thread_each():
        return exceeded(cost_of(fit(recipe, sample), sample), recipe.limits)


def suited_families(
    table: Table, sample: Table | None = None, allowed: float | None = None
) -> tuple[list[str], dict[str, str]]:
    """The families that are tried on a table, cheapest first, and why others that could read it are left out: what the
    family says itself, or that its trial on the sample takes longer than is allowed."""
    hardware, rows = Hardware(cores(), have_gpu()), table if sample is None else sample
    able = {name: made for name, family in families().items() if (made := family()).unsuitable(table) is None}
    untried = {name: reason for name, made in able.items() if (reason := made.untried(table, hardware))}
    left_out = dict(untried)
    for name in able:
        seconds = _trial(name, rows, allowed)
        if allowed is not None and not hardware.gpu and seconds > allowed and name not in left_out:
            left_out[name] = f"its trial takes some {seconds:,.0f} seconds, of which the budget allows {allowed:,.0f}"
    if able and len(left_out) == len(able):  # better slow than not at all
        better = [name for name in able if name not in untried] or able
        quickest = min(better, key=lambda name: _trial(name, rows, allowed))
        left_out.pop(quickest)
        return [quickest], left_out
    return [name for name in able if name not in left_out], left_out


def with_left_out(reason: str, left_out: dict[str, str]) -> str:
    """The reason for a family, and why others were not tried."""
    said = "; ".join(f"{name} was not tried: {why}" for name, why in left_out.items())
    return f"{reason}; {said}" if said else reason


def some_rows(table: Table, seed: int, size: int = ROWS) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """So many rows, each class with its share and at least a few."""
    random = np.random.default_rng([seed, 3])
    labels = table.strata()
    share = size / table.rows
    kept = []
    for code in np.unique(labels):
        own = np.flatnonzero(labels == code)
        kept.append(random.choice(own, min(len(own), max(round(share * len(own)), 20)), replace=False))
    return np.sort(np.concatenate(kept))
