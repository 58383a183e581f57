"""LightGBM as it comes: LGBMClassifier with its defaults, nothing searched.

    python lightgbm_defaults.py FOLDER SECONDS

Neither the metric nor the time limit is known to it. Files and columns: `_rows.py`.
"""

import time

from _rows import case, coded, cores, write
from lightgbm import LGBMClassifier


def main() -> None:
    told = case()
    began = time.perf_counter()
    (train, new), categories, notes = coded(told)
    model = LGBMClassifier(random_state=told.seed, verbose=-1, n_jobs=cores())
    model.fit(train, told.labels, categorical_feature=categories or "auto")
    seconds = time.perf_counter() - began
    write(told, model.predict(new), seconds=seconds, libraries=("lightgbm", "scikit-learn"), notes=notes)


if __name__ == "__main__":
    main()
