"""FLAML: AutoML told the task, the metric, the time limit and the seed; all else its defaults.

    python flaml_automl.py FOLDER SECONDS

It leaves sparse matrices as they are, and not all of its models take gaps or text labels then: what it does itself with
frames (medians for gaps in numbers, labels as integers) is done before. Files and columns: `_rows.py`.
"""

import time

import numpy as np
from _rows import case, cores, filled, write
from flaml import AutoML


def main() -> None:
    told = case()
    began = time.perf_counter()
    (train, new), notes = filled(told)
    classes, labels = np.unique(told.labels, return_inverse=True)
    search = AutoML()
    search.fit(
        train,
        labels,
        task="classification",
        metric="macro_f1",
        time_budget=told.seconds,
        seed=told.seed,
        n_jobs=cores(),
        verbose=0,
    )
    seconds = time.perf_counter() - began
    if search.model is None:
        raise SystemExit("FLAML found no model in its time")
    write(
        told,
        classes[search.predict(new).astype(int)],
        seconds=seconds,
        libraries=("FLAML", "lightgbm", "xgboost", "scikit-learn"),
        reported=1 - float(search.best_loss),
        notes=[*notes, f"best: {search.best_estimator}"],
    )


if __name__ == "__main__":
    main()
