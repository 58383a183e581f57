"""What intervals cost: 2,000 resamples of 100,000 rows, for every metric.

    python benchmarks/intervals.py
    python benchmarks/intervals.py --quick

Two classes, and five. Each metric alone (of the metrics of single classes, that of the first), then all at once as a
report asks for them, then the paired difference of two predictors.
"""

import argparse
import time
from typing import Any

import numpy as np
from common import Results, Shown, number, options, peak_mib


def predictions(rows: int, classes: int, seed: int) -> Any:
    """Rows whose scores know something of the truth; about 80 % are right."""
    from melior.metrics import Predictions

    labels = np.random.default_rng(401).integers(0, classes, rows)
    random = np.random.default_rng([seed, 402])
    logits = random.normal(size=(rows, classes)) + 2.0 * np.eye(classes)[labels]
    scores = np.exp(logits)
    scores /= scores.sum(axis=1, keepdims=True)
    return Predictions.of(labels, scores)


def one_metric(name: str, rows: int, classes: int, resamples: int) -> dict[str, Any]:
    from melior.metrics import bootstrap, metric

    data = predictions(rows, classes, 0)
    measure = metric(name, [str(n) for n in range(classes)])
    started = time.perf_counter()
    found = bootstrap([measure], data, resamples=resamples)[measure.name]
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "needs": measure.needs, "value": found.value, "low": found.low, "high": found.high}


def all_at_once(rows: int, classes: int, resamples: int) -> dict[str, Any]:
    from melior.metrics import all_scores

    data = predictions(rows, classes, 0)
    started = time.perf_counter()
    found = all_scores(data, [str(n) for n in range(classes)], resamples=resamples)
    return {"seconds": time.perf_counter() - started, "needs": f"{len(found)} metrics", "peak_mib": peak_mib()}


def paired(name: str, rows: int, classes: int, resamples: int) -> dict[str, Any]:
    from melior.metrics import metric, paired_difference

    one, other = predictions(rows, classes, 0), predictions(rows, classes, 1)
    measure = metric(name, [str(n) for n in range(classes)])
    started = time.perf_counter()
    found = paired_difference(measure, one, other, resamples=resamples)
    return {"seconds": time.perf_counter() - started, "needs": measure.needs, "value": found.value,
            "low": found.low, "high": found.high}  # fmt: skip


def wanted(classes: int) -> list[str]:
    """Every overall metric, and of those of single classes the one of the first class."""
    from melior.metrics import names

    every = names([str(n) for n in range(classes)])
    return [name for name in every if "[" not in name or name.endswith("[0]")]


def tables(results: Results) -> list[Shown]:
    rows = []
    for key, one in results.finished().items():
        interval = "" if "value" not in one else f"{number(one['value'])} [{number(one['low'])}, {number(one['high'])}]"
        rows.append((key, one["needs"], number(one["seconds"], 2), interval))
    return [Shown("Seconds", ("what", "needs", "seconds", "value and interval"), rows)]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--resamples", type=int, default=2000)


def main() -> None:
    given = options(__doc__ or "", more)
    if given.quick:
        given.rows, given.resamples = 1000, 200
    settings = {"seeds": "0 and 1", "rows": given.rows, "resamples": given.resamples}
    results = Results("intervals", "What intervals cost", given, settings)
    size = (given.rows, given.resamples)
    if not given.show:
        for classes in (2, 5):
            for name in wanted(classes):
                key = f"{classes} classes | {name}"
                results.case(key, lambda n=name, c=classes: one_metric(n, size[0], c, size[1]))
            results.case(f"{classes} classes | all at once", lambda c=classes: all_at_once(size[0], c, size[1]))
            for name in ("macro_f1", "roc_auc"):
                key = f"{classes} classes | paired difference of {name}"
                results.case(key, lambda n=name, c=classes: paired(n, size[0], c, size[1]))
    note = "All at once resamples metrics of scores less often where rows are many (see metrics/summary.py)."
    results.show(tables(results), [note])


if __name__ == "__main__":
    main()
