"""What gan_samples is worth: rare rows and pictures written by a generator let the rare class be heard; trees that rank
well have little to gain, and classes of about one size nothing."""

import io

import numpy as np
import polars as pl

from melior.data.schema import Schema
from melior.data.table import Table
from melior.images.store import ImageStore
from melior.proofs import data
from melior.proofs._base import Case, Given, Proof
from melior.proofs.experiments.oversampling import rare


def pictures(seed: int, rare_rows: int = 20) -> Given:
    """Handwritten 3 and 8 as pictures of 8 by 8 pixels; few of the training rows, and half of the others, are 3."""
    from PIL import Image
    from sklearn.datasets import load_digits

    found = load_digits()
    random = np.random.default_rng([seed, 640])
    eights = random.permutation(np.flatnonzero(found.target == 8))
    threes = random.permutation(np.flatnonzero(found.target == 3))
    train, test = [*eights[:90], *threes[:rare_rows]], [*eights[90:170], *threes[rare_rows : rare_rows + 80]]
    rows = np.array([*train, *test])
    store, cells, contents = ImageStore(), [], []
    for row in rows:
        out = io.BytesIO()
        Image.fromarray((found.images[row] * 15.9).astype(np.uint8)).save(out, format="PNG")
        cells.append(f"digit:{row}")
        contents.append(out.getvalue())
    store.put(cells, contents)
    labels = (found.target[rows] == 3).astype(np.int32)
    frame = pl.DataFrame({"picture": cells})
    table = Table.make(frame, Schema({"picture": "image"}, "digit", ("eight", "three")), labels, images=store)
    return Given(table.take(np.arange(len(train))), table.take(np.arange(len(train), len(rows))))


PROOF = Proof(
    question=9,
    paper="Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017",
    helps=(
        Case(
            "mixed, 1 of 25 rare, until 1 of 5 is",
            lambda seed: rare("mixed 3000", 0.04, seed),
            methods=({"gan_samples": {"ratio": 0.25}},),
            seeds=3,
        ),
        Case(
            "breast cancer, 1 of 10 of one kind, until all are equal, by recall",
            lambda seed: rare("breast_cancer", 0.1, seed),
            methods=("gan_samples",),
            metric="macro_recall",
            seeds=3,
        ),
        Case("pictures of 3 and 8, 20 of 110 are 3", pictures, methods=("gan_samples",), seeds=3),
    ),
    does_not=(
        Case(
            "mixed, 1 of 25 rare, by ranks, trees",
            lambda seed: rare("mixed 3000", 0.04, seed),
            model="trees",
            methods=({"gan_samples": {"ratio": 0.25}},),
            metric="roc_auc",
            seeds=3,
        ),
        Case("wine as it is", lambda seed: data.plain("wine", seed), methods=("gan_samples",), seeds=3),
    ),
)
