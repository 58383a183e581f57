"""AutoGluon: TabularPredictor with the preset best_quality, told the metric, the time limit and the seed.

    python autogluon_tabular.py FOLDER SECONDS

It gets the columns as they are, texts too, and makes its own n-grams. Its neural networks (PyTorch and fastai) are
installed, on the CPU; ray is not, so that it fits folds one after the other and its check for overfitted stacks runs in
this process. Its models lie in a temporary folder that is removed. Files: `_rows.py`.
"""

import time
from tempfile import TemporaryDirectory

from _rows import TARGET, case, cores, write
from autogluon.tabular import TabularPredictor


def main() -> None:
    told = case()
    train, new = (table.to_pandas(date_as_object=False) for table in (told.train, told.new))
    train[TARGET] = told.labels
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        predictor = TabularPredictor(TARGET, eval_metric="f1_macro", path=folder, verbosity=0)
        predictor.fit(
            train,
            presets="best_quality",
            time_limit=told.seconds,
            num_cpus=cores(),
            num_gpus=0,
            ag_args_ensemble={"model_random_seed": told.seed},
        )
        seconds = time.perf_counter() - began
        answers = predictor.predict(new).tolist()
        board = predictor.leaderboard()
        failed = predictor.model_failures()
        notes = [f"best: {predictor.model_best}", f"models: {len(board)}"]
        notes += [f"failed: {row.model}: {row.exc_type}: {row.exc_str}" for row in failed.itertuples()]
        best = board.loc[board["model"] == predictor.model_best, "score_val"].item()
    libraries = ("autogluon.tabular", "lightgbm", "catboost", "xgboost-cpu", "torch", "fastai", "scikit-learn")
    write(told, answers, seconds=seconds, libraries=libraries, reported=float(best), notes=notes)


if __name__ == "__main__":
    main()
