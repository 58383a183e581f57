"""A training of the network on rows of one very wide category column, with sparse gradients of its vectors or dense."""

from time import perf_counter, process_time
from typing import Any

import numpy as np

WARM = 5  # steps before the clock starts


class Clock:
    """Rows that start the clock when the first steps were collated, so that what is done once is not counted."""

    def __init__(self, rows: Any) -> None:
        self.rows, self.asked, self.began = rows, 0, (0.0, 0.0)
        self.lengths = None

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Any) -> Any:
        self.asked += len(rows) > 2
        if self.asked == WARM + 1:
            self.began = perf_counter(), process_time()
        return self.rows.batch(rows)


def trained(
    *, rows: int, levels: int, steps: int, batch: int, sparse: bool, seed: int = 0, rate: float = 1e-3
) -> dict[str, float]:
    """Time and processor time of a step in milliseconds, MiB of the table of vectors, and the accuracy on other rows.

    Two numbers and a code out of `levels`, all of which the answer leans on; one thread, AdamW.
    """
    import torch

    from melior.engine.loop import train
    from melior.engine.losses import class_loss
    from melior.engine.settings import Training
    from melior.features._base import Matrix
    from melior.models.tabular_network import TabularNetwork
    from melior.networks.build import build, drawing
    from melior.networks.scoring import probabilities
    from melior.networks.sources import MatrixRows

    random = np.random.default_rng([seed, levels, 213])
    lean = random.normal(size=levels)
    codes = random.integers(0, levels, 2 * rows)
    codes[0] = levels - 1
    numbers = random.normal(size=(2 * rows, 2))
    labels = (lean[codes] + numbers[:, 0] - numbers[:, 1] + 0.5 * random.normal(size=2 * rows) > 0).astype(np.int64)
    names = ("a", "b", "code")
    matrix = Matrix(np.column_stack([numbers, codes]).astype(np.float64), names, names, categorical=(2,))
    first = np.arange(rows)
    plan = TabularNetwork(sparse=sparse, embedding="none", dropout=0.1).plan(matrix.take(first), 2)
    with drawing():
        torch.manual_seed(seed)
        module = build("fusion", plan)
    settings = Training(
        steps=steps + WARM, batch_rows=batch, micro_batch=batch, learning_rate=rate, weight_decay=0.1, seed=seed,
        schedule="constant", precision="float32", device="cpu", threads=1, checkpoint_every=0, non_finite="skip",
    )  # fmt: skip
    source = Clock(MatrixRows(matrix.take(first), labels[first]))
    train(module, source, class_loss, settings)
    wall, cpu = perf_counter() - source.began[0], process_time() - source.began[1]
    scores = probabilities(module.double(), matrix.take(first + rows), exact=True)
    return {
        "ms_a_step": 1000 * wall / steps,
        "cpu_ms_a_step": 1000 * cpu / steps,
        "table_mib": 4 * (plan["categories"][0][1] + 1) * plan["categories"][0][2] / 2**20,
        "accuracy": float((scores.argmax(axis=1) == labels[rows:]).mean()),
    }
