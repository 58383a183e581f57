"""Melior's families beside the libraries below them, called directly with their defaults.

    python benchmarks/defaults.py                    quality, speed of encoding, and a large sparse fit of 200,000 texts
    python benchmarks/defaults.py --texts 1000000    ... of a million
    python benchmarks/defaults.py --quick

Quality: five folds, three times, the same for everybody; accuracy, macro F1 and log loss by scikit-learn. Each
contender runs on each data set in a process of its own, so that its peak of memory is its own. Everybody starts in
every fold from rows that nothing was computed of, and the time of a fit includes encoding; reading is not timed.
"""

import argparse
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from common import Results, Shown, fresh, mean, median, number, options, part_asked, peak_mib
from numpy.typing import NDArray

from melior.proofs.tables import SETS, TARGET, Rows

TEXT = "reviews text"
NAMES = ("digits", "wine", "breast_cancer", "mixed 3000", "mixed 1500 of 4", "mixed 600")
Fitted = Callable[[pl.DataFrame], tuple[NDArray[np.str_], NDArray[np.float64]]]  # rows to answers and probabilities
Contender = Callable[[Rows], Callable[[], Fitted]]  # training rows to what is timed, and that to the fitted


def data_of(name: str) -> Rows:
    if name != TEXT:
        return SETS[name](0)
    rows = SETS["reviews"](0)
    return Rows(TEXT, rows.frame.select(pl.col("review").fill_null("")), rows.labels, ("review",))


# ---- contenders


def melior_family(family: str) -> Contender:
    def prepared(train: Rows) -> Callable[[], Fitted]:
        from melior.data.read import read
        from melior.recipe import Recipe
        from melior.trials.fit import fit
        from melior.trials.threads import cores, one_thread_each

        recipe = Recipe(metric="macro_f1").with_model(family)
        kinds = dict.fromkeys(train.texts, "text")
        table = read(train.whole(), target=TARGET, columns=kinds)  # read anew, so that no fold shares anything

        def fitting() -> Fitted:
            with one_thread_each():
                predictor = fit(recipe, table, threads=cores())

            def answer(frame: pl.DataFrame) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
                found = predictor.predict(frame)
                order = sorted(predictor.classes)
                return found["prediction"].to_numpy(), found.select([f"score_{label}" for label in order]).to_numpy()

            return answer

        return fitting

    return prepared


def of_sklearn(make: Callable[[Rows], Any]) -> Contender:
    """Anything with fit, predict and predict_proba, on a pandas frame."""

    def prepared(train: Rows) -> Callable[[], Fitted]:
        estimator, frame = make(train), pandas(train.frame, train)
        kinds = {name: frame[name].cat.categories for name in train.categories()}

        def fitting() -> Fitted:
            estimator.fit(frame if not train.texts else frame[train.texts[0]], train.labels)

            def answer(new: pl.DataFrame) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
                given = pandas(new, train)
                for name, categories in kinds.items():
                    given[name] = given[name].cat.set_categories(categories)
                values = given if not train.texts else given[train.texts[0]]
                return estimator.predict(values), estimator.predict_proba(values)

            return answer

        return fitting

    return prepared


def pandas(frame: pl.DataFrame, rows: Rows) -> Any:
    """A pandas frame with names that every library takes, categories as such."""
    found = frame.to_pandas()
    for name in rows.categories():
        found[name] = found[name].astype("category")
    return found


def logistic(rows: Rows, *, scaled: bool) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = StandardScaler() if scaled else "passthrough"
    hot = OneHotEncoder(handle_unknown="ignore")
    columns = ColumnTransformer([("numbers", numbers, rows.numbers()), ("categories", hot, rows.categories())])
    return make_pipeline(columns, LogisticRegression())


def lightgbm_defaults(rows: Rows) -> Any:
    import lightgbm

    return lightgbm.LGBMClassifier(verbosity=-1)


def tfidf(rows: Rows) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(TfidfVectorizer(), LogisticRegression())


CONTENDERS: dict[str, Contender] = {
    "melior linear": melior_family("linear"),
    "LogisticRegression, scaled": of_sklearn(lambda rows: logistic(rows, scaled=True)),
    "LogisticRegression, raw": of_sklearn(lambda rows: logistic(rows, scaled=False)),
    "melior trees": melior_family("trees"),
    "LGBMClassifier": of_sklearn(lightgbm_defaults),
    "TfidfVectorizer, LogisticRegression": of_sklearn(tfidf),
}
ON_TEXT = ("melior linear", "melior trees", "TfidfVectorizer, LogisticRegression")
BESIDE = {
    "melior linear": ("LogisticRegression, scaled", "TfidfVectorizer, LogisticRegression"),
    "melior trees": ("LGBMClassifier",),
}


# ---- parts, each in a process of its own


def held() -> float:
    """The memory of the process once everything that anybody needs is imported, so that imports are nobody's cost."""
    import lightgbm  # noqa: F401
    import pandas  # noqa: F401
    import sklearn.compose
    import sklearn.feature_extraction.text
    import sklearn.linear_model  # noqa: F401

    import melior.trials.fit  # noqa: F401
    from melior.registry import import_rooms

    import_rooms()
    return peak_mib()


def quality(name: str, contender: str, folds: int, repeats: int) -> dict[str, Any]:
    from sklearn.metrics import accuracy_score, f1_score, log_loss
    from sklearn.model_selection import RepeatedStratifiedKFold

    warnings.simplefilter("ignore")  # that raw columns do not converge is seen in the scores
    rows = data_of(name)
    labels = sorted(set(rows.labels))
    made: dict[str, list[float]] = defaultdict(list)
    before = held()
    for train, test in RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=0).split(
        rows.labels, rows.labels
    ):
        fitting = CONTENDERS[contender](rows.take(train))
        started = time.perf_counter()
        fitted = fitting()
        made["seconds"].append(time.perf_counter() - started)
        answers, scores = fitted(rows.frame[test])
        truth = rows.labels[test]
        made["accuracy"].append(float(accuracy_score(truth, answers)))
        made["macro_f1"].append(float(f1_score(truth, answers, average="macro")))
        made["log_loss"].append(float(log_loss(truth, scores, labels=labels)))
    return {**made, "peak_mib": peak_mib(), "before_mib": before}


def encoding(which: str, everything: bool) -> dict[str, Any]:
    """Terms of one text column, fitted and transformed once."""
    from melior.proofs.tables import all_reviews, reviews

    rows = all_reviews() if everything else reviews()
    texts = rows.frame["review"].fill_null("")
    before = held()
    if which == "melior":
        from melior.data.read import read
        from melior.features.texts import Terms

        table = read(pl.DataFrame({"review": texts}), columns={"review": "text"})
        started = time.perf_counter()
        matrix = Terms("review", longest=2).fit(table, 0).transform(table)
    else:
        from sklearn.feature_extraction.text import TfidfVectorizer

        listed = texts.to_list()
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2 if "two rows" in which else 1)
        started = time.perf_counter()
        matrix = vectorizer.fit_transform(listed)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "rows": matrix.shape[0],
        "terms": matrix.shape[1],
        "peak_mib": peak_mib(),
        "before_mib": before,
    }


def texts_of(rows: int, terms: int, seed: int) -> tuple[list[str], NDArray[np.str_]]:
    """Short texts of eight to sixteen words, common words much commoner; some words lean to one of two answers."""
    random = np.random.default_rng([seed, 501])
    letters = np.array(list("aeioubcdfghklmnprstvw"))
    words = np.array(["".join(random.choice(letters, 4)) + format(number, "x") for number in range(terms)])
    leaning = random.normal(size=terms)
    lengths = random.integers(8, 17, rows)
    # half of the words are common ones (falling as one over rank), half come from all alike, so that all occur
    ranks = np.where(random.random(lengths.sum()) < 0.5, (terms ** random.random(lengths.sum())).astype(np.int64) - 1,
                     random.integers(0, terms, lengths.sum()))  # fmt: skip
    ends = np.cumsum(lengths)
    sums = np.add.reduceat(leaning[ranks], ends - lengths)
    answers = np.where(random.random(rows) < 1 / (1 + np.exp(-sums)), "yes", "no")
    picked = words[ranks]
    return [" ".join(picked[end - length : end]) for end, length in zip(ends, lengths, strict=True)], answers


def sparse_fit(which: str, rows: int, terms: int) -> dict[str, Any]:
    """One fit on generated short texts, encoding included, and the score on the last tenth."""
    warnings.simplefilter("ignore")
    texts, answers = texts_of(rows, terms, 0)
    cut = rows - rows // 10
    frame = pl.DataFrame({"text": texts})
    data = Rows("texts", frame[:cut], answers[:cut], ("text",))
    bytes_of_texts = sum(map(len, texts))
    del texts
    new = frame[cut:]
    fitting = (melior_family("linear") if which == "melior linear" else of_sklearn(tfidf_pairs))(data)
    before = held()
    started = time.perf_counter()
    fitted = fitting()
    seconds = time.perf_counter() - started
    peak = peak_mib()
    found, _ = fitted(new)
    return {
        "rows": cut, "seconds": seconds, "accuracy": float((found == answers[cut:]).mean()), "peak_mib": peak,
        "before_mib": before, "texts_mib": bytes_of_texts / 2**20,
    }  # fmt: skip


def tfidf_pairs(rows: Rows) -> Any:
    """The library set to what Melior's family does: words and pairs, at most 100,000 of them, in two rows at least."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=100_000), LogisticRegression())


PARTS = {"quality": quality, "encoding": encoding, "sparse_fit": sparse_fit}
ENCODERS = ("melior", "TfidfVectorizer", "TfidfVectorizer, terms in two rows at least")
SPARSE = ("melior linear", "TfidfVectorizer, LogisticRegression")


# ---- tables


def tables(results: Results) -> list[Shown]:
    cases = results.finished()
    rows = []
    for key, one in cases.items():
        part, name, contender = [*key.split(" | "), ""][:3]
        if part == "quality":
            beside = next((b for b in BESIDE.get(contender, ()) if f"quality | {name} | {b}" in cases), None)
            rows.append(line(name, contender, one, beside, cases.get(f"quality | {name} | {beside}")))
    headings = ("rows from", "who", "accuracy", "macro F1", "log loss", "fit, s", "memory, MiB",
                "macro F1 over its peer", "time over it")  # fmt: skip
    note = (
        "Means over folds; medians of seconds; memory is the peak over that of the process before its first fit. Over "
        "its peer: the mean paired difference, its standard error corrected for overlapping folds (Nadeau and Bengio), "
        "and the ratio of median seconds. Peers: LogisticRegression scaled, or behind TfidfVectorizer; LGBMClassifier."
    )
    encoded = [
        (name, f"{one['rows']:,}", f"{one['terms']:,}", number(median(one["seconds"]), 2), number(one["memory"], 0))
        for key, one in cases.items()
        if key.startswith("encoding | ")
        for name in [key.split(" | ")[1]]
    ]
    sparse = [
        (key.split(" | ")[1], f"{one['rows']:,}", number(one["accuracy"]), number(one["seconds"], 1),
         number(one["peak_mib"], 0), number(one["peak_mib"] - one["before_mib"], 0), number(one["texts_mib"], 0))
        for key, one in cases.items()
        if key.startswith("sparse ")
    ]  # fmt: skip
    return [
        Shown("Quality, time and memory", headings, rows, note),
        Shown("Words and pairs of words to TF-IDF", ("who", "texts", "terms", "seconds", "memory, MiB"), encoded),
        Shown("A large sparse fit, encoding included",
              ("who", "training texts", "accuracy", "seconds", "peak, MiB", "beyond the data, MiB", "texts, MiB"),
              sparse),
    ]  # fmt: skip


def line(name: str, who: str, one: dict[str, Any], beside: str | None, peer: dict[str, Any] | None) -> tuple[str, ...]:
    over, times = "", ""
    if beside is not None and peer is not None:
        differences = np.array(one["macro_f1"]) - np.array(peer["macro_f1"])
        # corrected resampled t: 1/15 + n2/n1 with n2/n1 = 1/4 for five folds
        error = np.sqrt((1 / len(differences) + 1 / (one["folds"] - 1)) * differences.var(ddof=1))
        over = f"{number(float(differences.mean()), 4, True)} ± {number(float(error), 4)}"
        times = number(median(one["seconds"]) / median(peer["seconds"]), 2)
    scores = [number(mean(one[key])) for key in ("accuracy", "macro_f1", "log_loss")]
    memory = number(one["peak_mib"] - one["before_mib"], 0)
    return (name, who, *scores, number(median(one["seconds"])), memory, over, times)


def encode(which: str, everything: bool, repeats: int) -> dict[str, Any]:
    made = [fresh("defaults", "encoding", which=which, everything=everything) for _ in range(repeats)]
    memory = median([one["peak_mib"] - one["before_mib"] for one in made])
    return {
        "seconds": [one["seconds"] for one in made],
        "memory": memory,
        "rows": made[0]["rows"],
        "terms": made[0]["terms"],
    }


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--texts", type=int, default=200_000, help="generated texts of the large sparse fit")
    parser.add_argument("--terms", type=int, default=100_000)
    parser.add_argument("--only", default="", help="quality, encoding or sparse, commas between")


def main() -> None:
    if part_asked(PARTS):
        return
    given = options(__doc__ or "", more)
    names, everything = (*NAMES, TEXT), True
    if given.quick:
        given.folds, given.repeats, given.texts, given.terms = 2, 1, 2000, 1000
        names, everything = ("wine", "mixed 600", TEXT), False
    settings = {"seed": 0, "folds": given.folds, "repeats": given.repeats, "terms": given.terms}
    results = Results("defaults", "Melior's families beside the libraries below them", given, settings)
    wanted = given.only.split(",") if given.only else ("quality", "encoding", "sparse")
    if not given.show:
        if "quality" in wanted:
            for name in names:
                for who in CONTENDERS:
                    if (who in ON_TEXT) if name == TEXT else (who != ON_TEXT[-1]):
                        results.case(f"quality | {name} | {who}", lambda n=name, w=who: {
                            **fresh("defaults", "quality", name=n, contender=w, folds=given.folds,
                                    repeats=given.repeats),
                            "folds": given.folds,
                        })  # fmt: skip
        if "encoding" in wanted:
            for which in ENCODERS:
                results.case(f"encoding | {which}", lambda w=which: encode(w, everything, max(given.repeats, 1)))
        if "sparse" in wanted:
            for which in SPARSE:
                size = {"rows": given.texts, "terms": given.terms}
                results.case(f"sparse of {given.texts:,} | {which}", lambda w=which, s=size: fresh(
                    "defaults", "sparse_fit", which=w, **s))  # fmt: skip
    notes = [
        "Categories are one-hot for LogisticRegression and pandas categories for LGBMClassifier; texts are one column.",
        "The peer of the large sparse fit is set to what Melior's family does: words and pairs, 100,000 terms at most.",
        "All use the cores there are, as their defaults say; Melior holds BLAS at one thread while it fits.",
    ]
    results.show(tables(results), notes)


if __name__ == "__main__":
    main()
