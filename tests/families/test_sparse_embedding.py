"""The networks with sparse embeddings: what they learn, what is kept, that gradients are sparse, what is refused."""

import numpy as np
import pytest
import torch

from melior.engine.optimizers import Optimizers
from melior.engine.sparse import SparseEmbedding
from melior.errors import UserError
from melior.features.parts import Ragged
from melior.methods._base import methods
from melior.models.image_network import ImageNetwork
from melior.models.linear import Linear
from melior.models.tabular_network import TabularNetwork
from melior.networks.words import WordsVector
from melior.predictor import Predictor
from melior.recipe import Choice, Recipe
from melior.testing import tables
from melior.trials.fit import fit

QUICK = {
    "epochs": 20, "batch_rows": 32, "width": 16, "depth": 1, "dropout": 0.0, "weight_decay": 0.01, "embedding": "none",
    "precision": "float32", "learning_rate": 0.02,
}  # fmt: skip
METHOD = methods()["sparse_embedding"]


def shops(rows=1500, levels=200, seed=0):
    """Rows of a shop and a few words, each of which leans to an answer of its own."""
    random = np.random.default_rng([seed, 1])
    lean, word_lean = np.random.default_rng(9).normal(size=levels), np.random.default_rng(8).normal(size=60)
    shop, words = random.integers(0, levels, rows), random.integers(0, 60, (rows, 4))
    labels = (2 * lean[shop] + word_lean[words].sum(axis=1) > 0).astype(np.int32)
    columns = {
        "shop": [f"s{number}" for number in shop],
        "note": [" ".join(f"w{word}" for word in some) for some in words],
    }
    return tables.table_of(columns, {"shop": "category", "note": "text"}, labels, ("no", "yes"))


def recipe(**settings):
    return Recipe(model=Choice(name="tabular_network", settings=QUICK), metric="accuracy").with_methods(
        Choice(name="sparse_embedding", settings=settings)
    )


@pytest.mark.parametrize(
    ("more", "least"),
    [({"epochs": 14}, 0.78), ({"attention": True, "epochs": 6}, 0.68),
     ({"optimizer": "muon", "learning_rate": 0.05, "epochs": 5}, 0.75)],
)  # fmt: skip
def test_it_learns_what_shops_and_words_say_and_is_kept(more, least, tmp_path):
    train, test = shops(900, 60), shops(600, 60, seed=1)
    chosen = recipe().with_model(Choice(name="tabular_network", settings={**QUICK, **more}))
    predictor = fit(chosen, train)
    assert np.mean(predictor.answers(test) == test.given_labels()) > least
    predictor.save(tmp_path)
    loaded = Predictor.load(tmp_path)
    assert loaded.scores(test).tobytes() == predictor.scores(test).tobytes()
    if "attention" in more:
        assert fit(chosen, train).scores(test).tobytes() == predictor.scores(test).tobytes()


def test_every_gradient_of_a_table_is_sparse_in_training(monkeypatch):
    seen = []
    step = Optimizers.step

    def watched(self, factor):
        for weight, name in self.names.items():
            if "categories" in name or "texts.0.embedding" in name:
                seen.append((name, weight.grad.is_sparse, weight.grad._nnz(), len(weight)))
        step(self, factor)

    monkeypatch.setattr(Optimizers, "step", watched)
    fit(recipe(), shops(rows=300))
    assert {name for name, *_ in seen} == {"table.categories.0.weight", "texts.0.embedding.weight"}
    assert all(sparse for _, sparse, _, _ in seen)
    assert all(held <= 33 for name, _, held, _ in seen if "categories" in name), "the codes of 32 rows, and no more"


def test_words_that_fill_up_a_row_change_nothing():
    """A row beside a longer one gives the same vector and the same gradient as alone; only its words have one."""
    torch.manual_seed(0)
    words = WordsVector(12, 4, sparse=True)
    alone = torch.tensor([[3, 5]])
    beside = torch.tensor([[3, 5, -1, -1], [7, 7, 8, 1]])
    torch.testing.assert_close(words(beside)[0], words(alone)[0])
    words(beside).square().sum().backward()
    held = words.embedding.weight.grad.coalesce().indices()[0].tolist()
    assert held == [1, 3, 5, 7, 8], "0, the word that is not known, stands in no row"
    dense = WordsVector(12, 4)
    dense.load_state_dict({k: v for k, v in words.state_dict().items() if k != "embedding.size"})
    dense(beside).square().sum().backward()
    torch.testing.assert_close(words.embedding.weight.grad.to_dense(), dense.embedding.weight.grad)
    assert not words(torch.full((2, 3), -1)).any()


def test_bags_can_be_left_out_and_columns_hashed():
    table = shops(rows=400)
    model = METHOD(bags=False).model(TabularNetwork(**QUICK))
    matrix = model.encoder(table, scaled=False).fit(table, 0).transform(table)
    assert not matrix.parts
    assert model.plan(matrix, 2)["sparse"] is True
    hashed = METHOD(most_categories=50).model(TabularNetwork(**QUICK))
    codes = hashed.encoder(table, scaled=False).fit(table, 0).transform(table)
    assert np.nanmax(codes.values[:, 0]) > 1000, "more values than vectors: buckets of their hash"
    assert isinstance(codes.parts["text: note"], Ragged)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"optimizer": "sgd"}, "use adamw or muon"), ({"l1": 0.1}, "l2_penalty"), ({"average": 0.9}, "average to 0")],
)
def test_what_cannot_train_so_is_refused(settings, said):
    table = shops(rows=60)
    assert said in METHOD().unsuitable(Recipe(), table, TabularNetwork(**settings))
    with pytest.raises(UserError, match="sparse_embedding cannot be used here"):
        fit(recipe().with_model(Choice(name="tabular_network", settings={**QUICK, **settings})), table)


def test_a_frozen_model_of_pictures_has_no_steps():
    model = ImageNetwork(base="somewhere", tuning="frozen")
    assert "frozen model" in METHOD().unsuitable(Recipe(), shops(60), model)
    assert METHOD().unsuitable(Recipe(), shops(60), ImageNetwork()) is None


def test_what_has_nothing_to_embed_is_refused():
    assert "linear keeps" in METHOD().unsuitable(Recipe(), shops(60), Linear())
    assert "numbers need no" in METHOD().unsuitable(Recipe(), tables.number_table(40), TabularNetwork())
    chosen = Recipe().with_methods(Choice(name="optimizer_choice", settings={"optimizer": "sgd"}))
    assert "muon can be used" in METHOD().unsuitable(chosen, shops(60), TabularNetwork())
    assert METHOD().unsuitable(Recipe().with_methods("optimizer_choice"), shops(60), TabularNetwork()) is None


def test_a_plan_without_the_word_is_of_a_dense_network():
    """Networks that were kept before there were sparse embeddings."""
    from melior.networks.build import build

    table = shops(rows=60)
    model = TabularNetwork(**QUICK)
    plan = model.plan(model.encoder(table, scaled=False).fit(table, 0).transform(table), 2)
    plan.pop("sparse")
    assert not any(isinstance(one, SparseEmbedding) for one in build("fusion", plan).modules())
