"""Long texts as a family reads them: windows, learned attention, local attention; and what keeps and shows it."""

import numpy as np
import polars as pl
import pytest

pytest.importorskip("torch")

from melior.checks.truncated_text import TruncatedText
from melior.errors import UserError
from melior.methods._base import check, methods
from melior.models._base import resolve
from melior.models.text_encoder import TextEncoder
from melior.networks.scratch import small_encoder
from melior.networks.tokenizers import train_tokenizer
from melior.predictor import Predictor
from melior.recipe import Choice, Recipe
from melior.testing import tables
from melior.trials.context import TableContext
from melior.trials.fit import fit

FILLER = [
    "the", "cloth", "was", "here", "and", "there", "with", "some", "more", "words", "about", "a", "day", "in", "town",
]  # fmt: skip
ANSWERS = {"good": "yes", "awful": "no"}
SCRATCH = {
    "epochs": 12, "batch_rows": 16, "width": 16, "depth": 1, "heads": 2, "vocabulary": 400, "longest": 16,
    "learning_rate": 0.02, "dropout": 0.0, "precision": "float32",
}  # fmt: skip
SLOWER = {**SCRATCH, "epochs": 20, "learning_rate": 0.005}


def texts(rows, words, seed, late=False, answers=ANSWERS):
    """Texts of so many words of filler with one that tells; late: near the end."""
    random = np.random.default_rng(seed)
    made, labels = [], []
    classes = tuple(sorted(answers.values()))
    for _ in range(rows):
        own = [str(word) for word in random.choice(FILLER, words)]
        word = str(random.choice(list(answers)))
        place = words - 1 - int(random.integers(4)) if late else int(random.integers(words))
        own[place] = word
        made.append(" ".join(own))
        labels.append(classes.index(answers[word]))
    return tables.table_of({"note": made}, {"note": "text"}, np.array(labels, dtype=np.int32), classes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny encoder of 16 positions that never saw a text."""
    path = tmp_path_factory.mktemp("encoder")
    tokenizer = train_tokenizer([" ".join([*FILLER, *ANSWERS])] * 3, vocabulary=400, limit=16)
    small_encoder(len(tokenizer), width=16, depth=2, heads=2, context=16, dropout=0.0, seed=4).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return str(path)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MELIOR_CACHE", str(tmp_path / "cache"))


def fitted(table, settings, *chosen):
    return fit(Recipe(model=Choice(name="text_encoder", settings=settings), metric="accuracy", methods=chosen), table)


def right(predictor, table):
    return float((predictor.answers(table) == table.given_labels()).mean())


WINDOWS = {"chunking": {"windows": 6, "pooling": "max"}}
NEAR = {"sparse_attention": {"window": 8, "longest": 64}}


@pytest.mark.parametrize("change", [WINDOWS, NEAR], ids=["chunking", "sparse_attention"])
def test_what_stands_late_in_a_text_is_learned(change):
    train, new = texts(160, 40, 0, late=True), texts(80, 40, 1, late=True)
    if change is WINDOWS:
        assert right(fitted(train, SCRATCH), new) < 0.7  # the first 16 tokens say nothing
    chosen = (change,) if change is WINDOWS else (change, "attention_pooling")  # few rows: let it learn where to look
    assert right(fitted(train, SLOWER, *chosen), new) > 0.9


def test_the_word_that_tells_has_the_largest_weight():
    answers = {"good": "yes", "town": "no"}  # the second is filler: what is there or not is the first alone
    train, new = texts(200, 24, 0, answers=answers), texts(50, 24, 1, answers=answers)
    predictor = fitted(train, {**SCRATCH, "longest": 40}, "attention_pooling")
    assert right(predictor, new) > 0.9
    shown = predictor.token_weights(new)
    assert shown.columns == ["row", "token", "text", "weight"]
    sums = shown.group_by("row").agg(pl.col("weight").sum())["weight"].to_numpy()
    np.testing.assert_allclose(sums, 1, atol=1e-9)
    assert shown["weight"].min() >= 0
    for row, note in zip(new.row_ids[:5], new.column("note").to_list()[:5], strict=True):
        own = shown.filter(pl.col("row") == row)["text"].to_list()
        assert (own[0], own[-1]) == ("[CLS]", "[SEP]")
        assert "".join(own[1:-1]) == note
    largest = shown.sort("weight", descending=True).group_by("row", maintain_order=True).first().sort("row")
    told = new.column("note").str.contains("good").to_numpy()
    assert 15 < told.sum() < 35
    assert (largest["text"].str.strip_chars().to_numpy() == "good")[told].mean() > 0.9
    assert largest["weight"].to_numpy()[told].mean() > 0.5


def test_windows_share_the_weight_of_a_text():
    train, new = texts(160, 40, 0, late=True), texts(40, 40, 1, late=True)
    both = ({"chunking": {"windows": 6}}, "attention_pooling")
    predictor = fitted(train, SLOWER, *both)
    assert right(predictor, new) > 0.9
    shown = predictor.token_weights(new)
    sums = shown.group_by("row").agg(pl.col("weight").sum())["weight"].to_numpy()
    np.testing.assert_allclose(sums, 1, atol=1e-9)
    assert shown.filter(pl.col("token") >= 30)["weight"].sum() / len(sums) > 0.5


def test_weights_that_were_not_learned_are_not_shown():
    table = texts(40, 10, 0)
    with pytest.raises(UserError, match="attention_pooling"):
        fitted(table, {**SCRATCH, "epochs": 1}).token_weights(table)
    linear = fit(Recipe(model="linear", metric="accuracy"), table)
    with pytest.raises(UserError, match="attention_pooling"):
        linear.token_weights(table)


CHANGES = {
    "windows": ({"chunking": {"windows": 4}},),
    "most": ({"chunking": {"windows": 4, "pooling": "max"}},),
    "attended windows": ({"chunking": {"windows": 4}}, "attention_pooling"),
    "near": ({"sparse_attention": {"window": 6, "longest": 40}},),
    "near and attended": ({"sparse_attention": {"window": 6, "longest": 40}}, "attention_pooling"),
}


@pytest.mark.parametrize("tuning", ["frozen", "last_k", "lora", "full"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_way_is_kept_bit_for_bit(folder, tmp_path, tuning, change):
    table, new = texts(40, 30, 0), texts(12, 30, 1)
    settings = {"source": folder, "tuning": tuning, "layers": 1, "epochs": 1, "batch_rows": 16, "precision": "float32"}
    predictor = fitted(table, settings, *change)
    scores = predictor.scores(new)
    assert np.array_equal(fitted(table, settings, *change).scores(new), scores)
    predictor.save(tmp_path / "kept")
    kept = Predictor.load(tmp_path / "kept")
    assert np.array_equal(kept.scores(new), scores)
    if "attention_pooling" in change:
        assert kept.token_weights(new).equals(predictor.token_weights(new))
    # each row is read by itself
    alone = np.concatenate([predictor.scores(new.take(np.array([row]))) for row in range(3)])
    np.testing.assert_allclose(alone, scores[:3], atol=1e-6)


@pytest.mark.parametrize("tuning", ["frozen", "last_k", "lora", "full"])
def test_a_frozen_part_stays_as_it_was(folder, tuning):
    table = texts(40, 30, 0)
    settings = {"source": folder, "tuning": tuning, "layers": 1, "epochs": 2, "batch_rows": 16, "learning_rate": 0.01}
    change = {"sparse_attention": {"window": 6, "longest": 40}}
    network = fitted(table, settings, change, "attention_pooling").scorer.model
    from safetensors.numpy import load_file

    before = load_file(f"{folder}/model.safetensors")
    layer = "encoder.layer.1.output.dense."
    name = f"classifier.encoder.{layer}" + ("base.weight" if tuning == "lora" else "weight")
    changed = not np.array_equal(network.state[name], before[f"{layer}weight"])
    assert changed == (tuning in ("last_k", "full"))


def test_what_is_read_is_said(folder):
    table = texts(30, 48, 0)
    read = {}
    for name, change in {"plain": (), "windows": (WINDOWS,), "near": (NEAR,)}.items():
        recipe = Recipe(
            model=Choice(name="text_encoder", settings={"source": folder}), metric="accuracy", methods=change
        )
        found = TruncatedText().measure(TableContext(table, recipe))
        read[name] = [one.measured["limit"] for one in found if one.measured["kind"] == "model"]
    assert read == {"plain": [16], "windows": [], "near": []}  # with them all tokens are read
    step = 14 - 4  # a window of 16 with two marks, a quarter of it shared
    assert TextEncoder(source=folder, window=16, windows=6).token_limit(table) == 16 + 5 * step
    assert TextEncoder(source=folder, attention_window=8, longest=64).token_limit(table) == 64


@pytest.mark.parametrize(
    ("settings", "change", "said"),
    [
        ({}, {"chunking": {"window": 64}}, "takes 16 tokens"),
        ({"attention_window": 8}, {"chunking": {"window": 8}}, "not both"),
        ({"window": 8}, {"sparse_attention": {"window": 8}}, "not both"),
        ({}, {"sparse_attention": {"longest": 64}, "dynamic_lengths": {"longest": 32}}, "dynamic_lengths 32"),
    ],
)
def test_what_cannot_work_is_refused(folder, settings, change, said):
    with pytest.raises(UserError, match=said) as error:
        fitted(texts(30, 20, 0), {"source": folder, **settings}, *({name: own} for name, own in change.items()))
    assert str(error.value).count(". ") == 0


def test_an_encoder_that_cannot_attend_locally_is_refused(tmp_path):
    from transformers import MPNetConfig, MPNetModel

    tokenizer = train_tokenizer([" ".join(FILLER)] * 3, vocabulary=400, limit=16)
    config = MPNetConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40,
    )  # fmt: skip
    MPNetModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="cannot be set from outside; chunking"):
        fitted(texts(30, 20, 0), {"source": str(tmp_path)}, {"sparse_attention": {"longest": 64}})


@pytest.mark.parametrize("name", ["chunking", "attention_pooling", "sparse_attention"])
@pytest.mark.parametrize("family", ["linear", "trees", "tabular_network"])
def test_other_families_are_told_what_to_use(name, family):
    recipe = Recipe(model=family, metric="accuracy", methods=(name,))
    with pytest.raises(UserError, match="text_encoder"):
        check(recipe, texts(30, 20, 0), resolve(recipe.model))
    assert name in methods()
