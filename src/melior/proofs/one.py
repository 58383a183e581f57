"""One side of a case, in a process of its own: `python -m melior.proofs.one NAME CASE SIDE FOLDER SEED ...`.

A file a seed is written as soon as it is done: scores, answers and truth of the clean rows, or a figure; seconds of the
fit, and the most memory that the process has held so far. Files that are there already are left alone.
"""

import sys
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from melior.proofs._base import Case, Proof


def proof_of(name: str) -> Proof:
    """The experiment of an answer."""
    found: Proof = import_module(f"melior.proofs.experiments.{name}").PROOF
    return found


def cases_of(proof: Proof) -> tuple[tuple[Case, bool], ...]:
    """All cases, each with whether it is meant to help there."""
    return (*((case, True) for case in proof.helps), *((case, False) for case in proof.does_not))


def side(case: Case, seed: int, changed: bool) -> dict[str, Any]:
    """Arrays: what the case gives for a seed, with the change or without."""
    if case.figure is not None:
        began = perf_counter()
        value = case.figure(seed, changed)
        return {"value": np.array(value), "seconds": np.array(perf_counter() - began)}
    from melior.recipe import Recipe
    from melior.trials.fit import fit
    from melior.trials.threads import one_thread_each

    assert case.data is not None, f"{case.name}: a case has data or a figure"
    given = case.data(seed)
    model = case.model if changed or case.baseline_model is None else case.baseline_model
    methods = [*case.base, *(case.methods if changed else ())]
    recipe = Recipe.checked({"model": model, "methods": methods, "metric": case.metric, "seed": seed}, case.name)
    began = perf_counter()
    with one_thread_each():
        predictor = fit(recipe, given.train)
    seconds = perf_counter() - began
    scores = predictor.scores(given.test)
    return {
        "scores": scores,
        "answers": predictor.decided(scores),
        "truth": given.test.given_labels(),
        "rows": given.test.frame.hash_rows(seed=1).to_numpy(),
        "seconds": np.array(seconds),
        "classes": np.array(given.test.classes),
    }


def place(folder: Path, number: int, seed: int, side: str) -> Path:
    """The file of one seed of one side."""
    return folder / f"{number}-{seed}-{side}.npz"


def main() -> None:
    import resource

    name, number, changed, folder, *seeds = sys.argv[1:]
    case, _ = cases_of(proof_of(name))[int(number)]
    for seed in map(int, seeds):
        out = place(Path(folder), int(number), seed, changed)
        if out.exists():
            continue
        found = side(case, seed, changed == "changed")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        aside = out.with_suffix(".aside.npz")
        np.savez(aside, mib=np.array(peak), **found)
        aside.replace(out)


if __name__ == "__main__":
    main()
