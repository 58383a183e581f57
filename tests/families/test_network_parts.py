"""What networks read, and the layers that they are made of, against plain definitions."""

from hashlib import blake2b

import numpy as np
import polars as pl
import pytest
import torch

from melior.engine.losses import class_loss
from melior.features._base import Matrix
from melior.features.network import Categories, RobustNumbers, Words, bounded, hashed
from melior.features.parts import Pixels, Ragged
from melior.networks.layers import Layer, normalization, started
from melior.networks.sources import MatrixRows
from melior.networks.tables import Columns, Piecewise
from melior.networks.words import WordsVector
from melior.testing import images, tables


def test_ragged_is_a_list_of_lists():
    random = np.random.default_rng(0)
    lists = [random.integers(0, 99, length).tolist() for length in random.integers(0, 6, 40)]
    ragged = Ragged.of(np.concatenate([np.array(one, dtype=np.int64) for one in lists]), [len(one) for one in lists])
    which = random.integers(0, 40, 25)
    some = ragged.take(which)
    for place, row in enumerate(which):
        assert some.flat[some.starts[place] : some.starts[place + 1]].tolist() == lists[row]
    mask = random.random(40) < 0.5
    assert ragged.take(mask).lengths.tolist() == [len(one) for one, kept in zip(lists, mask, strict=True) if kept]
    padded = ragged.padded(which, -1)
    assert [[int(token) for token in row if token >= 0] for row in padded] == [lists[row] for row in which]
    assert ragged.cut(2).lengths.tolist() == [min(len(one), 2) for one in lists]


def test_bounded_is_nearly_the_number_and_never_beyond_three():
    values = np.array([-1e300, -0.01, 0.0, 0.01, 3.0, 1e300])
    assert np.allclose(bounded(values), [-3, -0.01, 0, 0.01, 3 / 2**0.5, 3], atol=1e-6)


def test_numbers_are_scaled_by_quartiles_of_training_rows():
    values = np.random.default_rng(0).normal(50, 10, 400)
    table = tables.table_of({"x": [None, *values[1:]]}, {"x": "number"}, np.zeros(400, dtype=np.int32), ("a",))
    made = RobustNumbers(["x"]).fit(table, 0).transform(table)
    filled = np.concatenate([[np.median(values[1:])], values[1:]])
    scaled = (filled - np.median(filled)) / (np.quantile(filled, 0.75) - np.quantile(filled, 0.25))
    assert np.allclose(made[:, 0], scaled / np.sqrt(1 + (scaled / 3) ** 2))
    assert made[:, 1].tolist() == [bounded(np.array([1.0]))[0], *[0.0] * 399]


def test_categories_unknown_are_missing_and_many_are_hashed():
    values = ["a", "b", "a", "b", None, "rare"]
    table = tables.table_of({"c": values}, {"c": "category"}, np.zeros(6, dtype=np.int32), ("x",))
    codes = Categories(["c"]).fit(table, 0).transform(table)[:, 0]
    assert np.isnan(codes).tolist() == [False, False, False, False, True, True]
    assert codes[0] == codes[2] != codes[1]
    many = hashed(pl.Series(["a", None, "zz"]), 100)
    expected = [int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "big") % 100 for word in ("a", "zz")]
    assert many.tolist() == [expected[0], -1, expected[1]]


def test_codes_that_training_never_had_are_code_zero():
    columns = Columns([0], [[1, 3, 2]])
    numbers, codes = columns(torch.tensor([[0.5, 0.0], [float("nan"), 2.0], [1.0, float("nan")], [1.0, 7.0]]))
    assert numbers[:, 0].tolist() == [0.5, 0.0, 1.0, 1.0]
    assert codes[0].tolist() == [1, 3, 0, 0]


def test_words_are_numbered_by_how_many_rows_have_them():
    texts = ["red blue blue", "red", "blue", "red once"]
    table = tables.table_of({"t": texts}, {"t": "text"}, np.zeros(4, dtype=np.int32), ("x",))
    words = Words("t").fit(table, 0)
    assert words.words == ["red", "blue"]
    assert words.transform(table).padded(np.arange(4), -1).tolist() == [[1, 2, 2], [1, -1, -1], [2, -1, -1], [1, 0, -1]]


def test_shares_of_classes_cost_what_weighted_rows_cost():
    logits = torch.randn(4, 3, dtype=torch.float64)
    shares = np.array([[0.2, 0.8, 0], [1, 0, 0], [0.5, 0.25, 0.25], [0, 0, 1]])
    values = np.zeros((4, 1))
    total, count = class_loss(logits, MatrixRows(Matrix(values, ["x"], ["x"]), shares).batch(np.arange(4)))
    rows, classes = np.nonzero(shares)
    spread = MatrixRows(Matrix(values[rows], ["x"], ["x"]), classes, shares[rows, classes])
    other, weight = class_loss(logits[rows], spread.batch(np.arange(len(rows))))
    assert float(total / count) == pytest.approx(float(other / weight), rel=1e-6)


def test_pieces_count_how_far_a_number_has_come():
    layer = Piecewise(1, 4, 3)
    layer.edges.copy_(torch.tensor([[0.0, 1.0, 1.0, 3.0]]))
    with torch.no_grad():
        layer.weight.copy_(torch.eye(3)[None])
        made = layer(torch.tensor([[-1.0], [0.5], [2.0], [9.0]]))[:, 0, 1:]
    assert torch.allclose(made, torch.tensor([[0, 0, 0], [0.5, 0, 0], [1, 1, 0.5], [1, 1, 1.0]]))


def test_a_text_is_a_weighted_mean_of_its_words():
    layer = WordsVector(5, 3)
    tokens = torch.tensor([[1, 2, -1], [4, -1, -1], [-1, -1, -1]])
    made = layer(tokens)
    seen = layer.embedding.weight[torch.tensor([1, 2])]
    shares = torch.softmax(layer.attention(seen).squeeze(1), 0)
    assert torch.allclose(made[0], shares @ seen, atol=1e-6)
    assert torch.allclose(made[1], layer.embedding.weight[4], atol=1e-6)
    assert made[2].tolist() == [0, 0, 0]


def test_first_weights_keep_the_size_of_signals():
    torch.manual_seed(0)
    for how in ("he", "xavier", "orthogonal"):
        layers = torch.nn.Sequential(*(Layer(256, 256, "none", "relu", 0.0, residual=False) for _ in range(20)))
        size = started(layers, how, "relu")(torch.randn(64, 256)).detach().pow(2).mean().sqrt()
        assert 0.2 < float(size) < 5, how
    weight = started(torch.nn.Linear(40, 40), "orthogonal", "tanh").weight
    assert torch.allclose(weight @ weight.T, torch.eye(40) * (5 / 3) ** 2, atol=1e-4)


@pytest.mark.parametrize("name", ["batch", "layer", "rms"])
def test_normalisation_gives_one_size(name):
    values = torch.randn(64, 32) * 7 + 3
    made = normalization(name, 32)(values)
    if name == "rms":
        assert torch.allclose(made.pow(2).mean(1), torch.ones(64), atol=1e-3)
    else:
        along = 0 if name == "batch" else 1
        assert made.mean(along).abs().max() < 1e-4
        assert torch.allclose(made.std(along, unbiased=False), torch.ones(made.shape[1 - along]), atol=1e-3)
    assert torch.isfinite(normalization(name, 32)(values[:1])).all(), "one row alone"


@pytest.mark.skipif(not images.HAVE_PILLOW, reason="needs Pillow")
def test_pictures_are_grey_only_where_all_are(tmp_path):
    from PIL import Image

    from melior.features.network import Pictures

    paths = []
    for number, colour in enumerate([(9, 9, 9), (200, 200, 200), (0, 255, 0)]):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.new("RGB", (40, 40), colour).save(paths[-1])
    table = tables.table_of({"p": paths}, {"p": "image"}, np.zeros(3, dtype=np.int32), ("x",))
    grey = Pictures("p").fit(table.take(np.arange(2)), 0).transform(table)
    assert isinstance(grey, Pixels)
    assert grey.values[:2, 0, 0].tolist() == [[9], [200]]
    assert abs(int(grey.values[2, 0, 0, 0]) - 0.587 * 255) < 1  # BT.601
    colour = Pictures("p").fit(table, 0).transform(table)
    assert colour.values[:, 5, 5].tolist() == [[9, 9, 9], [200, 200, 200], [0, 255, 0]]
