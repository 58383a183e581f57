"""A network's weights from encoded training rows: built, begun, trained by the engine."""

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from melior.data.table import Floats
from melior.engine.losses import class_loss
from melior.features._base import Matrix
from melior.networks.build import build
from melior.networks.sources import MatrixRows
from melior.networks.states import put_state, state_of

if TYPE_CHECKING:
    from melior.engine.settings import Training
    from melior.models._network import NetworkModel

# torch's random state belongs to the process: two networks trained at once would draw from each other's
ONE_AT_A_TIME = threading.Lock()


def fitted(
    model: "NetworkModel",
    plan: dict[str, Any],
    matrix: Matrix,
    codes: NDArray[Any],
    weights: Floats | None,
    *,
    seed: int,
    threads: int,
) -> dict[str, NDArray[Any]]:
    """The state of the trained module. codes (rows,) numbers of the classes that have rows; the same settings, rows
    and seed give the same state."""
    from melior.engine.loop import train

    if weights is not None and not weights.all():
        kept = np.flatnonzero(weights)
        matrix, codes, weights = matrix.take(kept), codes[kept], weights[kept]
    held = stratified_part(codes, model.stop_share, seed) if model.stop_share > 0 else np.zeros(len(codes), dtype=bool)
    with ONE_AT_A_TIME, torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        module = build(model.module, plan)
        put_state(module, model.begun(matrix, plan), partly=True)
        source, valid = MatrixRows(matrix, codes, weights), None
        if held.any():
            source, valid = part(source, ~held), part(source, held)
        settings = training(model, len(source), seed=seed, threads=threads, stops=valid is not None)
        train(module, source, class_loss, settings, valid=valid)
    return state_of(module)


def training(model: "NetworkModel", rows: int, *, seed: int, threads: int, stops: bool) -> "Training":
    """The engine's settings for so many rows; stops: there are rows put aside that say when to stop."""
    from melior.engine.settings import Training

    return Training(
        epochs=model.epochs or model.usual_epochs(rows),
        batch_rows=min(model.batch_rows or model.usual_batch(rows), rows),
        micro_batch=model.micro_batch,
        learning_rate=model.learning_rate or model.usual_rate,
        optimizer=model.optimizer,
        schedule=model.schedule,
        warmup=model.warmup,
        weight_decay=model.weight_decay,
        l1=model.l1,
        clip_norm=model.clip_norm or None,
        clip_value=model.clip_value or None,
        precision=model.precision,
        by_length=model.by_length,
        average=model.average,
        patience=model.patience if stops else 0,
        non_finite=model.non_finite,
        compile=model.compile,
        checkpoint_every=0,
        activation_checkpointing=model.checkpointing,
        seed=seed,
        device=model.device,
        threads=threads,
    )


def part(source: MatrixRows, which: NDArray[np.bool_]) -> MatrixRows:
    weights = None if source.weights is None else source.weights[which]
    assert source.labels is not None
    return MatrixRows(source.matrix.take(which), source.labels[which], weights)


def stratified_part(codes: NDArray[Any], share: float, seed: int) -> NDArray[np.bool_]:
    """A mask of about this share of each class; a class of one row stays in training."""
    random = np.random.default_rng(seed)
    held = np.zeros(len(codes), dtype=bool)
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        held[random.permutation(own)[: min(round(share * len(own)), len(own) - 1)]] = True
    return held
