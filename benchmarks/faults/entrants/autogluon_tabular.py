"""AutoGluon: TabularPredictor with the preset best_quality, told the metric, the time limit and the seed.

    python autogluon_tabular.py FOLDER SECONDS

It gets the columns as they are, texts too, and makes its own n-grams. Its neural networks (PyTorch and fastai) are
installed, on the CPU. Ray is not: it fits folds one after the other and so keeps to its time, and its check for
overfitted stacks runs in this process; where the check ends in an error, it cannot go on without ray, and the rest of
the time goes to a fit without the check, as ray would have it. Of more than two classes it never answers those
of fewer than 10 rows. Its own estimate is its out-of-fold score. Its models lie in a temporary folder that is removed.
Files: `_rows.py`.
"""

import time
from tempfile import TemporaryDirectory

import pandas as pd
from _rows import TARGET, Case, case, cores, write
from autogluon.tabular import TabularPredictor
from sklearn.metrics import f1_score


def fitted(told: Case, train: pd.DataFrame, folder: str, seconds: float, **more: bool) -> TabularPredictor:
    """A predictor fitted for so many seconds."""
    return TabularPredictor(TARGET, eval_metric="f1_macro", path=folder, verbosity=0).fit(
        train,
        presets="best_quality",
        time_limit=seconds,
        num_cpus=cores(),
        num_gpus=0,
        ag_args_ensemble={"model_random_seed": told.seed},
        **more,
    )


def main() -> None:
    told = case()
    train, new = (table.to_pandas(date_as_object=False) for table in (told.train, told.new))
    train[TARGET] = told.labels
    notes = []
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        try:
            predictor = fitted(told, train, f"{folder}/first", told.seconds)
        except AssertionError as error:
            if "already fit" not in str(error):
                raise
            notes.append("the check for overfitted stacks failed and was left out")
            rest = told.seconds - (time.perf_counter() - began)
            predictor = fitted(told, train, f"{folder}/second", rest, dynamic_stacking=False)
        seconds = time.perf_counter() - began
        answers = predictor.predict(new).tolist()
        board = predictor.leaderboard()
        best = board.loc[board["model"] == predictor.model_best, "score_val"].item()
        if predictor.problem_type == "binary":  # that score is at 0.5, the answers are at the threshold it chose
            kept = predictor.predict_oof()
            best = f1_score(train.loc[kept.index, TARGET], kept, average="macro")
            notes.append(f"threshold: {predictor.decision_threshold:.3f}")
        notes += [f"best: {predictor.model_best}", f"models: {len(board)}"]
        notes += [f"failed: {row.model}: {row.exc_type}" for row in predictor.model_failures().itertuples()]
    libraries = ("autogluon.tabular", "lightgbm", "catboost", "xgboost-cpu", "torch", "fastai", "scikit-learn")
    write(told, answers, seconds=seconds, libraries=libraries, reported=float(best), notes=notes)


if __name__ == "__main__":
    main()
