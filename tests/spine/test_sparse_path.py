"""Sparse from reading to fitting: nothing on the way makes terms a dense matrix, and memory follows what is there."""

import tracemalloc

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix, random

from melior.data.read import read
from melior.features._base import Matrix
from melior.features.text_form import FORM
from melior.models._base import resolve
from melior.models.linear import Linear
from melior.models.trees import Trees
from melior.recipe import Choice, Recipe
from melior.trials.fit import fit

ROWS, WORDS = 1500, 20_000
STEPS = ("l1_selection", "dimension_reduction", "sparse_coding", "sparse_dropout", "sparse_augmentation")


def wide(rows=ROWS, words=WORDS, seed=0):
    """Short texts of so many words that a dense matrix of their terms would have a hundred times what they hold."""
    chance = np.random.default_rng(seed)
    lean = chance.normal(size=words)
    drawn = (words ** chance.random((rows, 12))).astype(int) - 1
    drawn[:, 6:] = chance.integers(0, words, (rows, 6))
    said = [" ".join(f"w{word}" for word in row) for row in drawn]
    answers = np.where(lean[drawn].sum(axis=1) > 0, "yes", "no")
    shops = [f"shop {number}" for number in chance.integers(0, 400, rows)]
    frame = pl.DataFrame({"text": said, "shop": shops, "answer": answers})
    return read(frame, target="answer", columns={"text": "text", "shop": "category"})


@pytest.fixture
def densified(monkeypatch):
    """Shapes of every sparse matrix that is made dense on the way."""
    found = []
    kind = csr_matrix
    for base in kind.__mro__:
        for name in ("toarray", "todense"):
            if name in base.__dict__:
                own = base.__dict__[name]

                def watched(self, *given, own=own, **named):
                    found.append(self.shape)
                    return own(self, *given, **named)

                monkeypatch.setattr(base, name, watched)
    return found


def test_the_watch_sees_what_is_made_dense(densified):
    csr_matrix((3, 4)).toarray()
    csr_matrix((5, 6)).todense()
    assert (3, 4) in densified
    assert (5, 6) in densified


@pytest.mark.parametrize("method", [None, *STEPS])
def test_linear_makes_no_dense_matrix(densified, method):
    table = wide()
    recipe = Recipe(model="linear", metric="macro_f1").with_methods(*([method] if method else []))
    predictor = fit(recipe, table)
    predictor.scores(table.take(np.arange(200)))
    large = [shape for shape in densified if np.prod(shape) > 100 * ROWS]
    assert not large, f"matrices of the shapes {large} were made dense"


def test_the_matrix_is_sparse_and_holds_what_the_texts_hold():
    table = wide()
    model = resolve(Choice(name="linear", settings={"characters": False}))
    matrix = model.encoder(table, scaled=False).fit(table, 0).transform(table)
    assert matrix.sparse
    assert matrix.features > 2000
    assert matrix.values.nnz <= ROWS * (12 + 11 + 1 + len(FORM))
    assert (matrix.values.data != 0).all(), "no zeros are stored"


@pytest.mark.parametrize("model", [Linear(rounds=20), Trees(rounds=5)], ids=["linear", "trees"])
def test_families_fit_a_sparse_matrix_as_it_is(densified, model):
    """Trees are given the sparse matrix of somebody else's encoder: LightGBM reads it as it is."""
    values = random(800, 10_000, density=0.002, format="csr", random_state=np.random.RandomState(0))
    names = [f"f{number}" for number in range(10_000)]
    matrix = Matrix(values, names, names)
    labels = (np.asarray(values[:, :5_000].sum(axis=1)).ravel() > 5).astype(np.int32)
    scorer = model.fit(matrix, labels, None, 2, seed=0)
    assert scorer.scores(matrix).shape == (800, 2)
    assert not densified


def test_memory_follows_what_is_there():
    """Reading, encoding and fitting hold a few times the entries, where one dense matrix alone would hold 240 MB."""
    tracemalloc.start()
    try:
        table = wide()
        began = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        fit(Recipe(model="linear", metric="macro_f1"), table)
        peak = tracemalloc.get_traced_memory()[1] - began
    finally:
        tracemalloc.stop()
    model = resolve(Choice(name="linear"))
    features = model.encoder(table, scaled=False).fit(table, 0).transform(table).features
    dense = 8 * ROWS * features
    assert peak < dense / 3, f"{peak / 2**20:.0f} MiB, and a dense matrix is {dense / 2**20:.0f} MiB"
