"""Several labels a row on real data: which tags Debian's packages have, from their names and one line about them.

    python benchmarks/several_labels.py
    python benchmarks/several_labels.py --quick

The rows are 6,000 packages of the package lists at hand (`apt-cache dumpavail`), drawn with seed 0; the labels are the
30 commonest tags of ten facets (what a package is, what it is written in, how one meets it, what it is for). A fifth is
put aside by iterative stratification, one a seed. Beside the families: scikit-learn's OneVsRestClassifier of logistic
regressions on the very matrix that `linear` reads, and on the terms of a TfidfVectorizer with one and two words.
"""

import argparse
import subprocess
import time
from collections import Counter
from typing import Any

import numpy as np
from common import Results, Shown, fresh, mean, number, options, part_asked

FACETS = frozenset(
    ["role", "interface", "implemented-in", "use", "works-with", "uitoolkit", "scope", "devel", "field", "game"]
)
METRICS = ("macro_f1", "micro_f1", "average_precision", "log_loss", "subset_accuracy")
WAYS: dict[str, Any] = {
    "linear": {"model": "linear"},
    "linear with threshold": {"model": "linear", "methods": ["threshold"]},
    "trees": {"model": "trees"},
    "tabular_network": {"model": "tabular_network"},
    "one against the rest, same matrix": None,
    "one against the rest, TfidfVectorizer": None,
}
ROWS, LABELS = 6000, 30


def packages() -> list[dict[str, Any]]:
    """Name, size, line and tags of every package that has tags, in the order of the lists."""
    text = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    found = []
    for entry in text.split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in entry.splitlines():
            if line.startswith(" "):
                fields[name] = fields.get(name, "") + " " + line.strip()
            else:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
                if name in ("Description", "Description-en"):
                    fields["line"], name = value.strip(), "rest"
        if "Tag" in fields:
            tags = {tag.strip() for tag in fields["Tag"].split(",")}
            size = int(fields.get("Installed-Size", 0))
            found.append({"name": fields["Package"], "size": size, "line": fields.get("line", ""), "tags": tags})
    return found


def scored(way: str, seed: int, quick: bool = False) -> dict[str, Any]:
    from melior.data.read import read
    from melior.data.splits import seal
    from melior.metrics import metric
    from melior.recipe import Recipe, Split
    from melior.trials.fit import fit

    every = packages()
    order = np.random.default_rng(0).permutation(len(every))[: 600 if quick else ROWS]
    counted = Counter(tag for one in every for tag in sorted(one["tags"]) if tag.partition("::")[0] in FACETS)
    kept = {tag for tag, _ in counted.most_common(LABELS)}
    rows = [{**every[at], "tags": sorted(every[at]["tags"] & kept)} for at in order]
    table = read(rows, target="tags", columns={"name": "text", "line": "text"})
    inside, outside = (table.take(part) for part in seal(table, Split(), seed))
    started, processor = time.perf_counter(), time.process_time()
    if WAYS[way] is None:
        scores = one_against_the_rest(inside, outside, own_terms="TfidfVectorizer" in way, seed=seed)
        answers = (scores >= 0.5).astype(int)
    else:
        predictor = fit(Recipe(metric="macro_f1", seed=seed, **WAYS[way]), inside)
        scores = predictor.scores(outside)
        answers = predictor.decided(scores)
    made = {name: metric(name, table.classes, multilabel=True) for name in METRICS}
    return {
        "way": way,
        **{name: one.measure(outside.truth(), scores, answers) for name, one in made.items()},
        "seconds": time.perf_counter() - started,
        "processor_seconds": time.process_time() - processor,
        "rows": inside.rows,
    }


def one_against_the_rest(inside: Any, outside: Any, *, own_terms: bool, seed: int) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    from melior.models.linear import Linear

    if own_terms:
        terms = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        train, test = terms.fit_transform(joined(inside)), terms.transform(joined(outside))
    else:
        encoder = Linear().encoder(inside, scaled=False).fit(inside, seed)
        train, test = encoder.transform(inside).values, encoder.transform(outside).values
    rest = OneVsRestClassifier(LogisticRegression(max_iter=500)).fit(train, inside.label_matrix)
    return rest.predict_proba(test)


def joined(table: Any) -> list[str]:
    columns = [table.column(name).fill_null("").to_list() for name in ("name", "line")]
    return [" ".join(texts) for texts in zip(*columns, strict=True)]


def tables(results: Results) -> list[Shown]:
    rows = []
    for way in WAYS:
        own = [one for one in results.finished().values() if one["way"] == way]
        if own:
            figures = [number(mean([one[name] for one in own])) for name in METRICS]
            rows.append((way, *figures, number(mean([one["processor_seconds"] for one in own]), 0), str(len(own))))
    headings = ("way", *METRICS, "processor seconds", "seeds")
    return [Shown(f"{LABELS} tags of {ROWS:,} packages, four fifths to train on", headings, rows)]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=3)


def main() -> None:
    if part_asked({"scored": scored}):
        return
    given = options(__doc__ or "", more)
    seeds = 1 if given.quick else given.seeds
    results = Results("several_labels", "Several labels a row", given, {"seeds": seeds, "rows": ROWS, "labels": LABELS})
    if not given.show:
        for seed in range(seeds):
            for way in WAYS:
                results.case(
                    f"{way} | seed {seed}",
                    lambda w=way, s=seed: fresh("several_labels", "scored", way=w, seed=s, quick=given.quick),
                )
    results.show(tables(results))


if __name__ == "__main__":
    main()
