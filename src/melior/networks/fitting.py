"""A network's weights from encoded training rows: built, begun, trained by the engine."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from melior.data.table import Floats
from melior.engine.lessons import Lesson
from melior.engine.loop import train
from melior.engine.losses import class_loss, multi_label_loss
from melior.engine.outputs import scores
from melior.engine.plan.ready import about_to_train
from melior.engine.problem import Loss
from melior.engine.rate_range import rate_range
from melior.engine.settings import Training
from melior.features._base import Matrix
from melior.networks.build import build, drawing
from melior.networks.sources import MatrixRows
from melior.networks.states import put_state, state_of
from melior.networks.teaching import Taught, known_of, loss_of
from melior.progress import Progress, silent
from melior.storage import write_atomic

RANGE = "rate_range.json"  # what a range test gave, beside the history
LEAST_SPREAD = 1e-6
ROWS_AT_ONCE = 64
RANGE_STEPS = 60  # of a learning-rate range test
TRUSTED = 30.0  # times the usual rate, or a part of it, that a range test may say


@dataclass(frozen=True)
class Fitted:
    """state: the weights by name. interrupted: "step 12 of 100" where ctrl-C ended it early, else empty."""

    state: dict[str, NDArray[Any]]
    interrupted: str = ""


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
    several: bool = False,
    methods: Sequence[Any] = (),
) -> Fitted:
    """The state of the trained module; the same plan, rows and settings give the same.

    kind, plan  see `build`
    begun       arrays put into the module first, by their name in its state
    find_rate   the learning rate is what a range test on the rows suggests
    folder      an unfinished training there is gone on with
    several     rows may have several labels: a loss for each label, labels (rows, labels) of 0 and 1
    methods     what acts inside training, in order: see `teaching`
    """
    usual = multi_label_loss if several else class_loss
    known = known_of(rows, int(plan["classes"]), several, settings.seed)
    loss, lessons = loss_of(methods, known), [Taught(one) for one in methods]
    changing = [one for one in methods if "network" in one.acts()]
    with drawing():
        torch.manual_seed(settings.seed)
        module = build(kind, plan)
        put_state(module, begun, partly=True)
        for one in changing:
            module = one.network(module, known)
        about_to_train(module, rows, usual, settings)
        if find_rate:
            found = _found_rate(module, rows, loss, settings, folder, lessons)
            settings = settings.model_copy(update={"learning_rate": found})
        trained = train(
            module, rows, loss, settings,
            valid=valid, valid_loss=usual, lessons=lessons, folder=folder, progress=progress,
        )  # fmt: skip
        for one in reversed(changing):
            module = one.finished(module)
    planned = next((line.get("steps") for line in trained.history if line["kind"] == "start"), None)
    early = f"step {trained.steps:,} of {planned:,}" if trained.stopped == "interrupted" else ""
    return Fitted(state_of(module), early)


def _found_rate(
    module: torch.nn.Module,
    rows: MatrixRows,
    loss: Loss,
    settings: Training,
    folder: Path | None,
    lessons: Sequence[Lesson],
) -> float:
    """The rate that a range test suggests; what it gave is kept beside the history, where `diagnose` reads it."""
    kept = None if folder is None else folder / RANGE
    if kept is not None and kept.exists():
        suggested = float(json.loads(kept.read_bytes())["suggested"])
    else:
        found = rate_range(module, rows, loss, settings, steps=RANGE_STEPS, lessons=lessons)
        suggested = found.suggested
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(kept, json.dumps({"suggested": suggested, "highest": found.highest}))
    usual = settings.learning_rate  # a test of so few steps may be far off on few rows
    return min(max(suggested, usual / TRUSTED), usual * TRUSTED)


def probed_head(
    kind: str, plan: dict[str, Any], begun: Mapping[str, NDArray[Any]], rows: MatrixRows, settings: Training
) -> dict[str, NDArray[Any]]:
    """Weights and biases of the module's last layer, `head`, that answer best while all before it stays as it begins:
    a logistic regression on what comes into it. Training then begins from there, and does not first spoil what is
    pretrained with the errors of a last layer that knows nothing.

    Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution, ICLR 2022.
    """
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
    labels = np.asarray(rows.labels)
    each = [labels] if labels.ndim == 1 else list(labels.T)
    odds = [_odds((shown - mean) / spread, one, rows.weights) for one in each]  # of each label where there are several
    coef, intercept = np.concatenate([one for one, _ in odds]), np.concatenate([one for _, one in odds])
    if labels.ndim == 1 and outputs == 2:  # one row of odds for two classes
        coef, intercept = np.concatenate([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
    weight = coef / spread
    bias = intercept - weight @ mean
    return {"head.weight": weight.astype(np.float32), "head.bias": bias.astype(np.float32)}


def _odds(shown: NDArray[Any], labels: NDArray[Any], weights: NDArray[Any] | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Coefficients (outputs, width) and intercepts (outputs,) of a logistic regression; nothing known of a label that
    all rows have, or none."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) < 2:
        return np.zeros((1, shown.shape[1])), np.zeros(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stopped early: a beginning all the same
        probe = LogisticRegression(tol=1e-6, max_iter=1000).fit(shown, labels, sample_weight=weights)
    return probe.coef_, probe.intercept_


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
    """A mask of about this share of each class; a class of one row stays in training. Where rows have several labels,
    (rows, labels), a share of all rows at random."""
    random = np.random.default_rng(seed)
    held = np.zeros(len(codes), dtype=bool)
    if codes.ndim == 2:
        held[random.permutation(len(codes))[: min(round(share * len(codes)), len(codes) - 1)]] = True
        return held
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        held[random.permutation(own)[: min(round(share * len(own)), len(own) - 1)]] = True
    return held
