"""cleanlab: CleanLearning around LGBMClassifier, both with their defaults.

    python cleanlab_learning.py FOLDER SECONDS

It cross-validates (5 folds), leaves out the rows whose labels look wrong and fits again. Neither the metric nor the
time limit is known to it. Files and columns: `_rows.py`.
"""

import time

import numpy as np
from _rows import case, coded, cores, write
from cleanlab.classification import CleanLearning
from lightgbm import LGBMClassifier


def main() -> None:
    told = case()
    began = time.perf_counter()
    (train, new), categories, notes = coded(told)
    classes, labels = np.unique(told.labels, return_inverse=True)
    model = LGBMClassifier(random_state=told.seed, verbose=-1, n_jobs=cores())
    cleaning = CleanLearning(model, seed=told.seed, find_label_issues_kwargs={"n_jobs": cores()})
    cleaning.fit(train, labels, clf_kwargs={"categorical_feature": categories or "auto"})
    seconds = time.perf_counter() - began
    left_out = int(cleaning.get_label_issues()["is_label_issue"].sum())
    write(
        told,
        classes[cleaning.predict(new)],
        seconds=seconds,
        libraries=("cleanlab", "lightgbm", "scikit-learn"),
        notes=[*notes, f"{left_out} of {len(labels)} rows left out as wrongly labelled"],
    )


if __name__ == "__main__":
    main()
