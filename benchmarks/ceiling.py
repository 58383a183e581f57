"""How much of what a fault costs the methods can win back at most, whoever chooses among them.

    python benchmarks/ceiling.py                     half an hour
    python benchmarks/ceiling.py --only wine --faults imbalance

The cases of `planted.py` with other seeds. Every setting of every method that treats the fault is fitted on all faulty
rows, on both families, and scored on the sealed clean rows; nothing is chosen, proved or repaired. Two ceilings follow:
what one setting wins back that is taken every time, and what someone would who knew for each case which is best there.
The second is beyond any honest chooser: it is picked on the rows that it is scored on.
"""

from collections import defaultdict
from functools import partial
from typing import Any

import numpy as np
from common import Results, Shown, mean, number, options
from planted import COST, asked, f1, kind_of, which_cases

from melior.proofs.planting import Fault
from melior.proofs.tables import SETS, TARGET, split

NAMES = ("wine", "breast_cancer", "mixed 600", "mixed 1500 of 4")
KINDS = ("wrong labels", "wrong labels of one class", "imbalance", "irrelevant columns", "wrong unit")
FIRST_SEED = 50  # planted.py reports those from 0 on
FAMILIES = ("linear", "trees")
MOST_SHOWN = 5


def case(name: str, fault: Fault, seed: int) -> dict[str, Any]:
    from melior.errors import UserError
    from melior.methods._base import methods
    from melior.models._base import resolve
    from melior.recipe import Choice
    from melior.trials.family import choose_family
    from melior.trials.fit import fit
    from melior.trials.threads import cores, one_thread_each
    from melior.verbs.prepare import prepare

    training, sealed = split(SETS[name](seed), 0.6, seed)
    planted = fault(training, seed)
    met = planted.production(sealed)
    scores: dict[str, float] = {}
    with one_thread_each():
        plain = {}
        for which, rows, new in (("clean", planted.clean, sealed), ("faulty", planted.faulty, met)):
            ready = prepare(rows.whole(), target=TARGET, seed=seed)
            chosen = choose_family(ready.recipe, ready.table).recipe
            plain[which] = f1(fit(chosen, ready.table, threads=cores()), new)
        for family in FAMILIES:
            bare = chosen.with_model(family).model_copy(update={"methods": ()})
            model = resolve(bare.model)
            scores[f"{family} alone"] = f1(fit(bare, ready.table, threads=cores()), met)
            for method in methods().values():
                if method.networks or not (method.treats & set(planted.symptoms)):
                    continue
                for settings in method.candidates:
                    choice = Choice(name=method.name, settings=settings)
                    if method(**settings).refused(bare, ready.table, model):
                        continue
                    try:
                        fitted = fit(bare.with_methods(choice), ready.table, threads=cores())
                    except UserError:  # impossible on these rows
                        continue
                    scores[f"{family} with {choice}"] = f1(fitted, met)
    return {**plain, "scores": scores}


def tables(results: Results) -> list[Shown]:
    by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for key, one in results.finished().items():
        if one["clean"] - one["faulty"] >= COST:
            by_kind[kind_of(key)].append(one)
    summary, best = [], []
    for kind, cases in by_kind.items():
        share = [
            {name: (score - one["faulty"]) / (one["clean"] - one["faulty"]) for name, score in one["scores"].items()}
            for one in cases
        ]
        everywhere = set.intersection(*(set(one) for one in share))
        means = sorted(((mean([one[name] for one in share]), name) for name in everywhere), reverse=True)
        known = [max(one.values()) for one in share]
        summary.append(
            (kind, str(len(cases)), *(number(mean([one[key] for one in cases])) for key in ("clean", "faulty")),
             means[0][1], number(means[0][0], 2), number(mean(known), 2), number(float(np.median(known)), 2))
        )  # fmt: skip
        best += [
            (kind, name, number(value, 2), number(min(one[name] for one in share), 2))
            for value, name in means[:MOST_SHOWN]
        ]
    return [
        Shown(
            "What could be won back",
            ("fault", "with a cost", "clean", "faulty", "best setting throughout", "recovered",
             "best of each case", "median"),
            summary,
            "recovered as in planted.md, means over cases in which the fault cost 0.02 or more. Both are chosen on the "
            "rows that they are scored on, the last two case by case.",
        ),
        Shown("The best settings, taken every time", ("fault", "setting", "recovered", "at worst"), best),
    ]  # fmt: skip


def main() -> None:
    given = options(__doc__ or "", partial(which_cases, names=NAMES, seeds=2))
    if given.quick:
        given.seeds, given.only, given.faults = 1, given.only or "wine", given.faults or "wrong labels 20"
    results = Results("ceiling", "What could be won back at most", given, {"seeds": f"from {FIRST_SEED} on"})
    if not given.show:
        for key, name, fault, seed in asked(given, NAMES, range(FIRST_SEED, FIRST_SEED + given.seeds)):
            if fault.kind in KINDS:
                results.case(key, partial(case, name, fault, seed))
    results.show(tables(results))


if __name__ == "__main__":
    main()
