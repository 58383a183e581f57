"""A network's weights from encoded training rows: built, begun, trained by the engine."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from melior.data.table import Floats
from melior.engine.loop import train
from melior.engine.losses import class_loss
from melior.engine.outputs import scores
from melior.engine.rate_range import rate_range
from melior.engine.settings import Training
from melior.features._base import Matrix
from melior.networks.build import build, drawing
from melior.networks.sources import MatrixRows
from melior.networks.states import put_state, state_of
from melior.progress import Progress, silent

LEAST_SPREAD = 1e-6
ROWS_AT_ONCE = 64
RANGE_STEPS = 60  # of a learning-rate range test
TRUSTED = 30.0  # times the usual rate, or a part of it, that a range test may say


def fitted(
    kind: str,
    plan: dict[str, Any],
    begun: Mapping[str, NDArray[Any]],
    rows: MatrixRows,
    settings: Training,
    *,
    valid: MatrixRows | None = None,
    find_rate: bool = False,
    folder: Path | None = None,
    progress: Progress = silent,
) -> dict[str, NDArray[Any]]:
    """The state of the trained module; the same plan, rows and settings give the same.

    kind, plan  see `build`
    begun       arrays put into the module first, by their name in its state
    find_rate   the learning rate is what a range test on the rows suggests
    folder      an unfinished training there is gone on with
    """
    with drawing():
        torch.manual_seed(settings.seed)
        module = build(kind, plan)
        put_state(module, begun, partly=True)
        if find_rate:
            found = rate_range(module, rows, class_loss, settings, steps=RANGE_STEPS)
            usual = settings.learning_rate  # a test of so few steps may be far off on few rows
            rate = min(max(found.suggested, usual / TRUSTED), usual * TRUSTED)
            settings = settings.model_copy(update={"learning_rate": rate})
        trained = train(module, rows, class_loss, settings, valid=valid, folder=folder, progress=progress)
    if trained.stopped == "interrupted" and folder is None:
        raise KeyboardInterrupt  # nothing is on disk to go on from
    return state_of(module)


def probed_head(
    kind: str, plan: dict[str, Any], begun: Mapping[str, NDArray[Any]], rows: MatrixRows, settings: Training
) -> dict[str, NDArray[Any]]:
    """Weights and biases of the module's last layer, `head`, that answer best while all before it stays as it begins:
    a logistic regression on what comes into it. Training then begins from there, and does not first spoil what is
    pretrained with the errors of a last layer that knows nothing.

    Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution, ICLR 2022.
    """
    from sklearn.linear_model import LogisticRegression

    assert rows.labels is not None
    with drawing():
        torch.manual_seed(settings.seed)  # what is drawn is what `fitted` draws
        module: Any = build(kind, plan)
    put_state(module, begun, partly=True)
    outputs, module.head = module.head.out_features, nn.Identity()
    shown = scores(module, rows, settings.model_copy(update={"batch_rows": ROWS_AT_ONCE, "precision": "float32"}))
    count = np.ones(len(shown)) if rows.weights is None else rows.weights  # a row of weight 2 is two rows
    mean = np.average(shown, axis=0, weights=count)
    spread = float(np.sqrt(np.average((shown - mean) ** 2, axis=0, weights=count).mean()))
    spread = spread if spread > LEAST_SPREAD else 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stopped early: a beginning all the same
        probe = LogisticRegression(tol=1e-6, max_iter=1000)
        probe.fit((shown - mean) / spread, rows.labels, sample_weight=rows.weights)
    coef, intercept = probe.coef_, probe.intercept_
    if outputs == 2:  # one row of odds for two classes
        coef, intercept = np.concatenate([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
    weight = coef / spread
    bias = intercept - weight @ mean
    return {"head.weight": weight.astype(np.float32), "head.bias": bias.astype(np.float32)}


def counting(matrix: Matrix, labels: NDArray[Any], weights: Floats | None) -> MatrixRows:
    """The rows that count: those of weight 0 are left out."""
    if weights is None or weights.all():
        return MatrixRows(matrix, labels, weights)
    kept = np.flatnonzero(weights)
    return MatrixRows(matrix.take(kept), labels[kept], weights[kept])


def put_aside(rows: MatrixRows, share: float, seed: int) -> tuple[MatrixRows, MatrixRows | None]:
    """Rows to train on and rows that say when to stop: about this share of each class; None where there
    are too few."""
    assert rows.labels is not None
    held = stratified_part(rows.labels, share, seed) if share > 0 else np.zeros(len(rows), dtype=bool)
    return (rows.take(~held), rows.take(held)) if held.any() else (rows, None)


def stratified_part(codes: NDArray[Any], share: float, seed: int) -> NDArray[np.bool_]:
    """A mask of about this share of each class; a class of one row stays in training."""
    random = np.random.default_rng(seed)
    held = np.zeros(len(codes), dtype=bool)
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        held[random.permutation(own)[: min(round(share * len(own)), len(own) - 1)]] = True
    return held
