"""What a recipe begins with where rows are too few to prove anything: is it right?

    python benchmarks/beginnings.py                     a quarter of an hour
    python benchmarks/beginnings.py --only wine --faults "wrong labels 20"

Clean and faulty rows of the data sets of `planted.py`, 60 % of them to work on, with other seeds than any that it
reports and than those by which this was built (50 to 52). The checks for wrong labels and for too many columns look at
four fifths of those rows, as `improve` does; then `model: auto` chooses on them

    family   among families alone
    begun    among families, each also with what usually helps against what was found

and what was chosen is fitted on all faulty rows and scored in macro F1 on the clean sealed rows. `always` has the
method that could be begun with whether it looks better or not, with the family that looks best with it.
"""

from collections import defaultdict
from functools import partial
from typing import Any

from common import Results, Shown, mean, number, options
from planted import asked, f1, which_cases

from melior.proofs.planting import FAULTS, Fault, Planted
from melior.proofs.tables import SETS, TARGET, split

NAMES = ("wine", "breast_cancer", "mixed 600", "mixed 1500 of 4")
KINDS = ("wrong labels", "wrong labels of one class", "irrelevant columns")
CLEAN = Fault("nothing", "nothing", 0.0, lambda rows, strength, seed: Planted(rows, rows, ()))
PLANTED = (CLEAN, *(fault for fault in FAULTS if fault.kind in KINDS))
FIRST_SEED = 60


def case(name: str, fault: Fault, seed: int) -> dict[str, Any]:
    from melior.checks.high_dimension import HighDimension
    from melior.checks.label_noise import LabelNoise
    from melior.improvement.looking import put_aside
    from melior.improvement.ruler import truth_of
    from melior.metrics.registry import metric
    from melior.recipe import Choice
    from melior.trials.beginnings import beginnings
    from melior.trials.context import TableContext
    from melior.trials.family import choose_family
    from melior.trials.fit import fit
    from melior.trials.threads import cores, one_thread_each
    from melior.verbs.prepare import prepare

    training, sealed = split(SETS[name](seed), 0.6, seed)
    planted = fault(training, seed)
    met = planted.production(sealed)
    ready = prepare(planted.faulty.whole(), target=TARGET, seed=seed)
    parts = put_aside(ready.table, ready.recipe, None)
    context = TableContext(parts.development, ready.recipe, other=parts.sealed)
    noise = [one for one in LabelNoise().measure(context) if "noise_matrix" in one.measured]
    found = [*noise, *HighDimension().measure(context)]
    measure = metric(ready.recipe.metric, parts.development.classes)
    truth = truth_of(parts.development, noise[0] if noise else None, ready.recipe, measure)
    able = beginnings(ready.recipe, found, parts.development)
    alone = choose_family(ready.recipe, parts.development, truth=truth)
    begun = choose_family(ready.recipe, parts.development, beginnings=able, truth=truth) if able else alone
    with_it = {one: begun.scores.get(one, -1.0) for one in begun.scores if any(f" with {b.name}" in one for b in able)}
    always = alone.recipe
    if with_it:
        family, _, method = max(with_it, key=lambda one: with_it[one]).partition(" with ")
        always = alone.recipe.with_model(family).model_copy(update={"methods": (Choice(name=method),)})

    def scored(recipe: Any) -> float:
        with one_thread_each():
            return f1(fit(recipe, ready.table, threads=cores()), met)

    return {
        "found": [one.symptom for one in found],
        "p": noise[0].measured["p"] if noise else None,
        "able": [one.name for one in able],
        "begins": [one.name for one in begun.recipe.methods if one in able],
        "family": scored(alone.recipe),
        "begun": scored(begun.recipe),
        "always": scored(always),
    }


def tables(results: Results) -> list[Shown]:
    by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
    rows = []
    for key, one in results.finished().items():
        fault = key.split(" | ")[1]
        kind = next(each.kind for each in PLANTED if each.name == fault)
        by_kind[kind].append(one)
        rows.append(
            (key, ", ".join(one["found"]) or "–", ", ".join(one["begins"]) or "nothing",
             *(number(one[which]) for which in ("family", "begun", "always")))
        )  # fmt: skip
    summary = []
    for kind, own in by_kind.items():
        able = [one for one in own if one["able"]]
        gains = [one["begun"] - one["family"] for one in able]
        summary.append(
            (kind, str(len(own)), str(len(able)), str(sum(bool(one["begins"]) for one in own)),
             *(number(mean([one[which] for one in able])) if able else "–" for which in ("family", "begun", "always")),
             number(min(gains), sign=True) if gains else "–")
        )  # fmt: skip
    return [
        Shown(
            "Macro F1 on clean rows",
            ("planted", "cases", "could begin", "begins", "family", "begun", "always", "at worst"),
            summary,
            "family to always are means over the cases in which something could be begun with; at worst is the least "
            "of begun less family among them.",
        ),
        Shown("Every case", ("case", "found", "begins with", "family", "begun", "always"), rows),
    ]


def main() -> None:
    given = options(__doc__ or "", partial(which_cases, names=NAMES, seeds=2))
    if given.quick:
        given.seeds, given.only, given.faults = 1, given.only or "wine", given.faults or "wrong labels 20"
    about = {"seeds": f"from {FIRST_SEED} on"}
    results = Results("beginnings", "What a recipe begins with where nothing can be proved", given, about)
    if not given.show:
        for key, name, fault, seed in asked(given, NAMES, range(FIRST_SEED, FIRST_SEED + given.seeds), PLANTED):
            results.case(key, partial(case, name, fault, seed))
    results.show(tables(results))


if __name__ == "__main__":
    main()
