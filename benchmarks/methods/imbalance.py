"""Rare classes: SMOTE, EasyEnsemble and RUSBoost, against imbalanced-learn on the same rows and seeds.

    python benchmarks/methods/imbalance.py
    python benchmarks/methods/imbalance.py --quick

Quality: each of both fits the same training rows, of which 1 in 25 is rare, and is scored on the same others; shown are
means over the seeds, and the mean of the differences with its 95 % interval (t). For SMOTE both fit a logistic
regression with the same penalty on standardised numbers and 0/1 categories (SMOTENC where there are categories). The
ensembles have the members that each gives by default: imbalanced-learn ten AdaBoosts of 50 stumps and a boosting of 50,
Melior ten boostings of five small fits and a boosting of ten (`trees` of 20 rounds and 8 leaves). The rows "of stumps"
have imbalanced-learn's members on both sides: `trees` of one round and two leaves, 50 of them, at the rate of AdaBoost.

Speed: sampling alone, from rows to rows, on generated tables; one thread; the median of `--repeats` after one that does
not count. The ratio is imbalanced-learn's seconds over Melior's: above 1, Melior is faster.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import Results, Shown, mean, median, number, options

from melior.proofs._base import Given
from melior.proofs.data import rare
from melior.trials.threads import one_thread_each

SHARE = 0.04
SETS = ("mixed 3000", "breast_cancer", "digits")
METRICS = ("macro_f1", "roc_auc")
SMALL_TREES = {"trees": {"rounds": 20, "leaves": 8}}
STUMPS = {"trees": {"rounds": 1, "leaves": 2, "learning_rate": 1.0}}
OURS: dict[str, dict[str, Any]] = {
    "SMOTE": {"model": "linear", "methods": [{"oversampling": {"kind": "smote"}}]},
    "EasyEnsemble": {"model": SMALL_TREES, "methods": [{"balanced_ensemble": {"kind": "easy_ensemble"}}]},
    "RUSBoost": {"model": SMALL_TREES, "methods": [{"balanced_ensemble": {"kind": "rus_boost"}}]},
    "EasyEnsemble of stumps": {
        "model": STUMPS,
        "methods": [{"balanced_ensemble": {"kind": "easy_ensemble", "rounds": 50, "rate": 1.0}}],
    },
    "RUSBoost of stumps": {
        "model": STUMPS,
        "methods": [{"balanced_ensemble": {"kind": "rus_boost", "members": 50, "rate": 1.0}}],
    },
}


def scored(scores: Any, truth: Any, classes: tuple[str, ...]) -> dict[str, float]:
    from sklearn.metrics import f1_score, roc_auc_score

    ranks = scores[:, 1] if len(classes) == 2 else scores
    return {
        "macro_f1": f1_score(truth, scores.argmax(axis=1), average="macro"),
        "roc_auc": roc_auc_score(truth, ranks, multi_class="ovr", average="macro"),
    }


def ours(name: str, given: Given, seed: int) -> Any:
    from melior.recipe import Recipe
    from melior.trials.fit import fit

    recipe = Recipe.checked({**OURS[name], "metric": "macro_f1", "seed": seed}, name)
    return fit(recipe, given.train).scores(given.test)


def theirs(name: str, given: Given, seed: int) -> Any:
    from imblearn.ensemble import EasyEnsembleClassifier, RUSBoostClassifier
    from imblearn.over_sampling import SMOTE, SMOTENC
    from imblearn.pipeline import make_pipeline
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers, categories = given.train.of_kind("number"), given.train.of_kind("category")
    train, test = (t.frame.select([*numbers, *categories]).to_pandas() for t in (given.train, given.test))
    places = list(range(len(numbers))), list(range(len(numbers), len(numbers) + len(categories)))
    encoded = make_column_transformer(
        (StandardScaler(), places[0]), (OneHotEncoder(handle_unknown="ignore", sparse_output=False), places[1])
    )
    if name == "SMOTE":
        sampler = SMOTENC(places[1], random_state=seed) if categories else SMOTE(random_state=seed)
        model = make_pipeline(sampler, encoded, LogisticRegression(max_iter=500))
    else:
        kind = EasyEnsembleClassifier if name.startswith("EasyEnsemble") else RUSBoostClassifier
        model = make_pipeline(encoded, kind(random_state=seed))
    model.fit(train.to_numpy(dtype=object) if categories else train.to_numpy(), given.train.labels)
    return model.predict_proba(test.to_numpy(dtype=object) if categories else test.to_numpy())


def quality(set_name: str, name: str, seed: int) -> dict[str, Any]:
    given = rare(set_name, SHARE, seed)
    found: dict[str, Any] = {}
    for who, scores in (("melior", ours), ("imbalanced_learn", theirs)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            started = time.perf_counter()
            probabilities = scores(name, given, seed)
            seconds = time.perf_counter() - started
        found[who] = {**scored(probabilities, given.test.labels, given.test.classes), "seconds": seconds}
    return found


def speed(rows: int, repeats: int) -> dict[str, Any]:
    """Seconds of the sampling of 20 numbers, one row in 20 of the rare class, and of closeness on the same rows."""
    from imblearn.over_sampling import SMOTE
    from imblearn.under_sampling import NearMiss, TomekLinks

    from melior.methods._sampling import between, missing_rows, smote_pairs
    from melior.methods.undersampling import most_rows, near_miss, tomek_links

    random = np.random.default_rng([rows, 7])
    values = random.normal(size=(rows, 20))
    labels = (np.arange(rows) % 20 == 0).astype(np.int32)
    values[labels == 1] += 0.5
    inside = values[labels == 1]
    count = int(missing_rows(labels, 2, 1.0)[1])

    def smote() -> Any:
        seeds, mates, shares, _ = smote_pairs(inside, 5, count, np.random.default_rng(0))
        return np.column_stack([between(column, seeds, mates, shares) for column in inside.T])

    pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "SMOTE": (smote, lambda: SMOTE(random_state=0).fit_resample(values, labels)),
        "NearMiss-1": (
            lambda: near_miss(values, labels, 1, 0, int(most_rows(labels, 2, 1.0)[0]), 1),
            lambda: NearMiss(version=1).fit_resample(values, labels),
        ),
        "Tomek links": (lambda: tomek_links(values, labels), lambda: TomekLinks().fit_resample(values, labels)),
    }
    found: dict[str, Any] = {}
    for name, both in pairs.items():
        taken: list[float] = []
        for act in both:
            times = []
            for _ in range(repeats + 1):
                started = time.perf_counter()
                act()
                times.append(time.perf_counter() - started)
            taken.append(median(times[1:]))
        found[name] = {"melior": taken[0], "imbalanced_learn": taken[1], "ratio": taken[1] / taken[0]}
    return found


def difference(values: list[float]) -> str:
    """The mean and its 95 % interval by Student's t."""
    from scipy.stats import t

    if len(values) < 2:
        return number(mean(values), sign=True)
    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    middle = float(np.mean(values))
    return f"{middle:+.3f} [{middle - half:+.3f}, {middle + half:+.3f}]"


def shown(results: Results) -> list[Shown | None]:
    rows = []
    cases = results.finished()
    for set_name in SETS:
        for name in OURS:
            own = [case for key, case in cases.items() if key.startswith(f"quality | {set_name} | {name} |")]
            if not own:
                continue
            for metric in METRICS:
                one, other = ([case[who][metric] for case in own] for who in ("melior", "imbalanced_learn"))
                ratio = median([case["imbalanced_learn"]["seconds"] / case["melior"]["seconds"] for case in own])
                rows.append(
                    (
                        f"{set_name}, {name}, {metric}",
                        number(mean(one)),
                        number(mean(other)),
                        difference([a - b for a, b in zip(one, other, strict=True)]),
                        number(ratio, 1),
                        str(len(own)),
                    )
                )
    timed = [
        (f"{key.removeprefix('speed | ')}, {name}", *(f"{found[who]:.3f}" for who in ("melior", "imbalanced_learn")),
         f"{found['ratio']:.2f}")
        for key, case in cases.items()
        if key.startswith("speed | ")
        for name, found in case.items()
        if isinstance(found, dict)
    ]  # fmt: skip
    headings = ("set, method, metric", "Melior", "imbalanced-learn", "difference", "seconds, ratio", "seeds")
    return [
        Shown("Quality", headings, rows, "ratio: imbalanced-learn's seconds of the whole fit over Melior's"),
        Shown("Speed of sampling alone", ("rows, method", "Melior, s", "imbalanced-learn, s", "ratio"), timed),
    ]


def main() -> None:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--seeds", type=int, default=10)
        parser.add_argument("--repeats", type=int, default=5)

    asked = options(__doc__.splitlines()[0], add)
    seeds, repeats = (2, 1) if asked.quick else (asked.seeds, asked.repeats)
    sizes = (2000,) if asked.quick else (10_000, 100_000)
    settings = {"rare": SHARE, "repeats": repeats}
    results = Results("methods/imbalance", "Rare classes, against imbalanced-learn", asked, settings)
    if not asked.show:
        with one_thread_each():
            for set_name in SETS[:2] if asked.quick else SETS:
                for name in OURS:
                    for seed in range(seeds):
                        key = f"quality | {set_name} | {name} | seed {seed}"
                        results.case(key, lambda s=set_name, n=name, k=seed: quality(s, n, k))
            for rows in sizes:
                results.case(f"speed | {rows:,} rows", lambda r=rows: speed(r, repeats))
    results.show(shown(results))


if __name__ == "__main__":
    main()
