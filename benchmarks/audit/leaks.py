"""Planted leaks are found, honest columns are not taken for leaks.

    python benchmarks/audit/leaks.py            200 planted cases of each kind, 200 honest ones
    python benchmarks/audit/leaks.py --quick

The rows are generated anew for every case: 300 to 3,000 of them, two to four classes, some weak and some strong honest
columns, sometimes a text made from the reviews. Then one leak is planted, or none:

    number        the answer as numbers with some noise around each class, up to 8 % of them of a wrong class
    category      the answer under other names, up to 8 % wrong
    missing       a column that is empty where the answer is one class, up to 5 % wrong
    pair          two columns that are the answer together and nothing alone, up to 3 % wrong
    phrase        a stamp in the texts of one class, up to 8 % wrong
    file name     paths whose folder is the answer, as exports of images and documents have them
    row order     rows sorted by the answer
    scaled        number columns scaled over training and test rows together
    honest        none of these; the strongest honest column alone gives an ROC-AUC of 0.80 to 0.97

Found: a finding of target_leakage (scaled: preprocessing_leakage) that names the planted column, or a row order. False:
any such finding on an honest case. Wanted: at least 95 % found, at most 2 % false.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, mean, number, options, share_interval

from melior.proofs.tables import TARGET, labels_of, reviews

CHECKS = ("target_leakage", "leaking_pairs", "leaking_phrases", "row_order", "preprocessing_leakage")
Random = np.random.Generator
Case = dict[str, Any]


def base(random: Random) -> tuple[pl.DataFrame, np.ndarray]:
    """Honest columns and the class of each row."""
    rows, classes = int(random.integers(300, 3001)), int(random.choice([2, 2, 2, 3, 4]))
    shares = random.dirichlet(np.full(classes, 6.0))
    answer = random.choice(classes, rows, p=shares)
    columns: dict[str, Any] = {}
    for place in range(int(random.integers(3, 9))):
        means = random.normal(size=classes) * random.uniform(0, 1.2)
        columns[f"measure {place}"] = means[answer] + random.normal(size=rows)
    strong = random.normal(size=classes)
    strong = (strong - strong.mean()) / max(strong.std(), 1e-9) * random.uniform(0.6, 1.3)
    columns["strong"] = strong[answer] + random.normal(size=rows)
    words = np.array(["red", "green", "blue", "white", "black"])
    # a category that told the classes well would be a copy of the answer with some values wrong, by its very pattern
    tilt = 0.6 * random.dirichlet(np.full(5, 2.0)) + 0.4 * random.dirichlet(np.full(5, 2.0), classes)
    columns["colour"] = [words[random.choice(5, p=tilt[code])] for code in answer]
    return pl.DataFrame(columns), answer


def with_text(frame: pl.DataFrame, random: Random) -> pl.DataFrame:
    texts = reviews().frame["review"].fill_null("").to_numpy()
    return frame.with_columns(pl.Series("note", texts[random.integers(0, len(texts), len(frame))].tolist()))


def spoiled(answer: np.ndarray, most: float, random: Random) -> np.ndarray:
    """The answer with up to this share of its values wrong."""
    classes = int(answer.max()) + 1
    wrong = random.random(len(answer)) < random.uniform(0, most)
    return np.where(wrong, (answer + random.integers(1, max(classes, 2), len(answer))) % classes, answer)


def number_leak(frame: pl.DataFrame, answer: np.ndarray, random: Random) -> pl.DataFrame:
    centres = random.permutation(int(answer.max()) + 1) * 10.0
    values = centres[spoiled(answer, 0.08, random)] + random.normal(size=len(answer)) * random.uniform(0.2, 1.5)
    return frame.with_columns(pl.Series("leak", values))


def category_leak(frame: pl.DataFrame, answer: np.ndarray, random: Random) -> pl.DataFrame:
    names = np.array(["alpha", "beta", "gamma", "delta"])
    return frame.with_columns(pl.Series("leak", names[spoiled(answer, 0.08, random)].tolist()))


def missing_leak(frame: pl.DataFrame, answer: np.ndarray, random: Random) -> pl.DataFrame:
    empty = spoiled((answer == np.bincount(answer).argmax()).astype(int), 0.05, random) == 1
    values = np.where(empty, np.nan, random.normal(size=len(answer)))
    return frame.with_columns(pl.Series("leak", values, nan_to_null=True))


def pair_leak(frame: pl.DataFrame, answer: np.ndarray, random: Random) -> pl.DataFrame:
    told = spoiled(answer, 0.03, random)
    classes = int(answer.max()) + 1
    if random.random() < 0.5:  # a key: the second column turns the first into the answer
        first = random.integers(0, classes, len(answer))
        letters = np.array(list("abcd"))
        return frame.with_columns(
            pl.Series("leak", letters[first].tolist()),
            pl.Series("leak too", np.array(list("wxyz"))[(told - first) % classes].tolist()),
        )
    first = random.uniform(0, 100, len(answer))  # a difference: the distance of two numbers is the answer
    away = (told - (classes - 1) / 2) * 8 + random.uniform(-2.5, 2.5, len(answer))
    return frame.with_columns(pl.Series("leak", first), pl.Series("leak too", first + away))


def phrase_leak(frame: pl.DataFrame, answer: np.ndarray, random: Random) -> pl.DataFrame:
    frame = with_text(frame, random)
    stamp = str(random.choice(["[resolved]", "Refund issued.", "forwarded to legal", "案件已关闭"]))
    stamped = spoiled((answer == np.bincount(answer).argmax()).astype(int), 0.08, random) == 1
    texts = [f"{text} {stamp}" if own else text for text, own in zip(frame["note"].to_list(), stamped, strict=True)]
    return frame.with_columns(pl.Series("note", texts))


def file_name_leak(frame: pl.DataFrame, answer: np.ndarray, random: Random) -> pl.DataFrame:
    folders = np.array(["cats", "dogs", "birds", "fish"])[spoiled(answer, 0.03, random)]
    numbers = random.permutation(len(answer))
    paths = [f"export/{folder}/{place:06d}.txt" for folder, place in zip(folders, numbers, strict=True)]
    return frame.with_columns(pl.Series("leak", paths))


def same(frame: pl.DataFrame, answer: np.ndarray, random: Random) -> pl.DataFrame:
    return with_text(frame, random) if random.random() < 0.3 else frame


PLANTED: dict[str, tuple[Callable[..., pl.DataFrame], set[str]]] = {
    "number": (number_leak, {"leak"}),
    "category": (category_leak, {"leak"}),
    "missing": (missing_leak, {"leak"}),
    "pair": (pair_leak, {"leak", "leak too"}),
    "phrase": (phrase_leak, {"note"}),
    "file name": (file_name_leak, {"leak"}),
    "row order": (same, set()),
    "scaled": (same, set()),
    "honest": (same, set()),
}


def one(kind: str, seed: int) -> Case:
    """One generated table, looked at by every check of leaks."""
    from melior.checks._base import checks
    from melior.data.read import read, read_pair
    from melior.recipe import Recipe
    from melior.trials.audit import run_checks

    random = np.random.default_rng([seed, list(PLANTED).index(kind), 601])
    frame, answer = base(random)
    plant, columns = PLANTED[kind]
    frame = plant(frame, answer, random).with_columns(pl.Series(TARGET, labels_of(answer).tolist()))
    test = None
    if kind == "row order":
        order = np.argsort(answer + 0.3 * random.normal(size=len(answer)), kind="stable")
        frame = frame[order]
    if kind == "scaled":
        measures = [name for name in frame.columns if name.startswith("measure")]
        frame = frame.with_columns((pl.col(name) - pl.col(name).mean()) / pl.col(name).std() for name in measures)
        columns = set(measures)
        cut = round(0.8 * len(frame))
        frame, test = frame[:cut], frame[cut:]
    if test is None:
        table, other = read(frame, target=TARGET), None
    else:
        table, other = read_pair(frame, test, target=TARGET)
    here = [name for name in CHECKS if name in checks()]
    audit = run_checks(table, Recipe(metric="macro_f1"), other=other, only=here)
    leaks = [f for f in audit.findings if f.symptom in ("target_leakage", "preprocessing_leakage")]
    right = [f for f in leaks if (set(f.columns) & columns) or (kind == "row order" and f.check == "row_order")]
    return {
        "rows": len(frame),
        "classes": int(answer.max()) + 1,
        "right": bool(right),
        "certain": any(finding.certain for finding in right),
        "others": sorted({f"{f.check}: {', '.join(f.columns)}" for f in leaks if f not in right}),
        "failed_checks": [f.message for f in audit.findings if f.symptom == "failed_check"],
    }


def case(kind: str, first: int, count: int) -> Case:
    made = [one(kind, seed) for seed in range(first, first + count)]
    return {
        "cases": count,
        "found": sum(each["right"] for each in made),
        "certain": sum(each["certain"] for each in made),
        "others": sum(bool(each["others"]) for each in made),
        "names_of_others": sorted({name for each in made for name in each["others"]})[:12],
        "missed": [first + place for place, each in enumerate(made) if not each["right"]],
        "failed_checks": [said for each in made for said in each["failed_checks"]][:3],
    }


def tables(results: Results) -> list[Shown]:
    kinds: dict[str, list[Case]] = {}
    for key, made in results.finished().items():
        kinds.setdefault(key.split(" | ")[0], []).append(made)
    rows = []
    for kind, own in kinds.items():
        many = sum(each["cases"] for each in own)
        found = "–" if kind == "honest" else share_interval(sum(each["found"] for each in own), many)
        certain = "–" if kind == "honest" else number(mean([each["certain"] / each["cases"] for each in own]), 2)
        others = share_interval(sum(each["others"] for each in own), many)
        rows.append((kind, str(many), found, certain, others))
    note = "Found: the planted column is named. False: another column is, or any where nothing was planted."
    return [Shown("Leaks", ("planted", "cases", "found", "certain", "false"), rows, note)]


def main() -> None:
    given = options(__doc__ or "", lambda parser: parser.add_argument("--cases", type=int, default=200))
    each = 5 if given.quick else 20
    given.cases = each if given.quick else given.cases
    results = Results("audit/leaks", "Planted leaks and honest columns", given, {"cases": given.cases})
    if not given.show:
        for kind in PLANTED:
            for first in range(0, given.cases, each):
                results.case(f"{kind} | {first}", lambda k=kind, f=first: case(k, f, each))
    results.show(tables(results))


if __name__ == "__main__":
    main()
