"""Encoders taught translation pairs and unlabelled texts, new tokens, and texts that a model writes."""

import json

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import melior  # noqa: E402
from melior.data.schema import Schema  # noqa: E402
from melior.data.table import Table  # noqa: E402
from melior.errors import UserError  # noqa: E402
from melior.methods import cross_lingual_transfer  # noqa: E402
from melior.methods.bilingual_training import BilingualTraining  # noqa: E402
from melior.methods.cross_lingual_transfer import CrossLingualTransfer  # noqa: E402
from melior.models.linear import Linear  # noqa: E402
from melior.models.text_encoder import TextEncoder  # noqa: E402
from melior.networks import alignment, written  # noqa: E402
from melior.networks.loading import Loaded, load_encoder  # noqa: E402
from melior.networks.masked import MaskedNetwork, go_on, masked  # noqa: E402
from melior.networks.prepared import about  # noqa: E402
from melior.networks.scratch import small_causal  # noqa: E402
from melior.networks.tokenizers import train_tokenizer  # noqa: E402
from melior.networks.vocabulary import extend, wanted_words  # noqa: E402
from melior.predictor import Predictor  # noqa: E402
from melior.recipe import Recipe  # noqa: E402
from melior.trials.fit import fit  # noqa: E402

WORDS = [
    "sun",
    "day",
    "bright",
    "warm",
    "moon",
    "night",
    "dark",
    "cold",
    "there",
    "was",
    "much",
    "talk",
    "of",
    "old",
    "roads",
    "and",
    "rivers",
    "today",
]
TINY = {"width": 32, "depth": 1, "heads": 2, "vocabulary": 320, "longest": 24}


def other(word):
    return f"{word[::-1]}ix"


def sentences(many, seed=0):
    random = np.random.default_rng(seed)
    own = [random.choice(WORDS, 4, replace=False) for _ in range(many)]
    return [" ".join(one) for one in own], [" ".join(map(other, one)) for one in own]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MELIOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pairs(tmp_path):
    source, target = sentences(120)
    pl.DataFrame({"en": source, "de": target}).write_csv(tmp_path / "pairs.csv")
    return str(tmp_path / "pairs.csv")


@pytest.fixture
def unlabelled(tmp_path):
    pl.DataFrame({"text": [*sentences(60)[0], *sentences(60)[1]]}).write_ndjson(tmp_path / "texts.jsonl")
    return str(tmp_path / "texts.jsonl")


def table_of(many, seed=0):
    texts, labels = [], []
    for number, text in enumerate(sentences(many, seed)[0]):
        labels.append(number % 2)
        texts.append(f"{text} {'sun bright' if number % 2 else 'moon dark'}")
    return Table.make(pl.DataFrame({"text": texts}), Schema({"text": "text"}, "y", ("0", "1")),
                      np.array(labels, dtype=np.int32))  # fmt: skip


# ---- the loss of pairs


def test_the_loss_is_the_formula():
    """-log exp(s (c_ii - m)) / (exp(s (c_ii - m)) + sum of exp(s c_ij)), in float64 by numpy, both directions."""
    random = np.random.default_rng(0)
    source, target = random.normal(size=(5, 8)), random.normal(size=(5, 8))
    same = np.zeros((5, 5), dtype=bool)
    same[0, 1] = same[1, 0] = True  # the first two say the same: neither is a wrong translation of the other
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (source, target)]
    cosines = unit[0] @ unit[1].T
    expected = np.zeros(5)
    for c in (cosines, cosines.T):
        for i in range(5):
            right = np.exp(20.0 * (c[i, i] - 0.3))
            wrong = sum(np.exp(20.0 * c[i, j]) for j in range(5) if j != i and not same[i, j])
            expected[i] += -np.log(right / (right + wrong)) / 2
    found = alignment.ranking_loss(torch.tensor(source), torch.tensor(target), torch.tensor(same), 20.0, 0.3)
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-5)


def test_retrieval_is_counted_in_both_directions():
    source = np.eye(4)
    assert alignment.retrieval_accuracy(source, 3 * np.eye(4)) == 1
    target = np.eye(4)[[1, 0, 2, 3]]
    assert alignment.retrieval_accuracy(source, target) == 0.5
    assert alignment.retrieval_accuracy(source, np.ones((4, 4))) == 0.25, "all alike: the first is taken"
    # from source all right, from target only the first
    assert alignment.retrieval_accuracy(np.array([[1.0, 0], [0.9, 0.1]]), np.array([[1.0, 0], [1.0, 0.2]])) == 1


@pytest.mark.parametrize("kind", ["contrastive", "distilled"])
def test_an_encoder_learns_which_texts_say_the_same(kind, pairs):
    model = TextEncoder(**TINY)
    if kind == "distilled":  # there is nothing to distil from an encoder from nothing: the reason says so
        method = BilingualTraining(pairs=pairs, kind=kind)
        assert "only what a pretrained encoder knows" in method.unsuitable(Recipe(), table_of(4), model)
        model = model.model_copy(update={"source": _aligned(pairs, model, passes=1).source})
    folder = _aligned(pairs, model, kind=kind, passes=12, rate=5e-3)
    told = about(folder.source)
    assert told["held_pairs"] == 12
    assert told["retrieval"] > max(0.5, told["retrieval_before"])


def _aligned(pairs, model, **settings):
    return BilingualTraining(pairs=pairs, **settings).model(model)


def test_distilled_sources_stay_where_they_were(pairs):
    start = load_encoder(_aligned(pairs, TextEncoder(**TINY), passes=1).source)
    source, target = sentences(40, seed=3)
    before = alignment.encoded_texts(start.model, start.tokenizer, source, pooling="mean", limit=24)
    apart = np.linalg.norm(
        alignment.encoded_texts(start.model, start.tokenizer, target, pooling="mean", limit=24) - before, axis=1
    ).mean()
    alignment.align(start, source, target, kind="distilled", epochs=30, learning_rate=3e-3, limit=24)
    after = [
        alignment.encoded_texts(start.model, start.tokenizer, t, pooling="mean", limit=24) for t in (source, target)
    ]
    moved, now = (np.linalg.norm(one - before, axis=1).mean() for one in after)
    assert now < apart / 2, "the translation comes to where the source was"
    assert moved < apart / 2, "and the source stays there"


def test_made_once_and_found_again(pairs, cache, monkeypatch):
    first = _aligned(pairs, TextEncoder(**TINY), passes=1)
    monkeypatch.setattr(alignment, "align", None)
    assert _aligned(pairs, TextEncoder(**TINY), passes=1).source == first.source
    with pytest.raises(TypeError):
        _aligned(pairs, TextEncoder(**TINY), passes=2)  # other settings: made anew
    assert len([one for one in (cache / "encoders").iterdir() if not one.name.startswith(".")]) == 1


@pytest.mark.parametrize("name", ["bilingual_training", "cross_lingual_transfer"])
def test_saved_equals_loaded(name, pairs, unlabelled, cache, tmp_path):
    import shutil

    settings = {"pairs": pairs, "passes": 2} if name == "bilingual_training" else {"texts": unlabelled, "epochs": 6}
    recipe = Recipe(model={"text_encoder": TINY | {"batch_rows": 16}}, metric="macro_f1", methods=({name: settings},))
    table = table_of(60)
    predictor = fit(recipe, table)
    scores = predictor.scores(table)
    assert (predictor.answers(table) == table.labels).mean() > 0.6
    predictor.save(tmp_path / "kept")
    shutil.rmtree(cache)  # what is kept needs the prepared encoder no more
    assert np.allclose(Predictor.load(tmp_path / "kept").scores(table), scores, atol=1e-6)


# ---- texts without labels


def test_masked_tokens_are_the_share_that_was_asked_for():
    random = np.random.default_rng(0)
    ids = np.full((400, 50), 7)
    allowed = np.ones_like(ids, dtype=bool)
    allowed[:, 0] = False
    changed, labels = masked(ids, allowed, 0.15, 4, 1000, random)
    chosen = labels != -100
    assert not chosen[:, 0].any()
    assert (labels[chosen] == 7).all()
    assert (changed[~chosen] == 7).all(), "what is not to be found stays"
    assert chosen[:, 1:].mean() == pytest.approx(0.15, abs=0.01)
    shares = [(changed[chosen] == 4).mean(), (changed[chosen] == 7).mean()]
    assert shares[0] == pytest.approx(0.8, abs=0.03)
    assert shares[1] == pytest.approx(0.1, abs=0.03)
    one = masked(np.full((1, 3), 7), np.array([[False, True, True]]), 1e-9, 4, 10, random)[1]
    assert (one != -100).sum() == 1, "one at least"


def test_the_loss_of_masked_tokens_is_cross_entropy(encoder):
    encoder.eval()
    network = MaskedNetwork(encoder)
    ids = torch.randint(10, 300, (3, 7))
    labels = torch.full_like(ids, -100)
    labels[0, 2], labels[2, 5] = 11, 12
    found = network(ids, torch.ones_like(ids), labels)
    with torch.no_grad():
        states = encoder(input_ids=ids, attention_mask=torch.ones_like(ids))[0].double()
        made = torch.nn.functional.gelu(states @ network.dense.weight.double().T + network.dense.bias.double())
        centred = made - made.mean(-1, keepdim=True)
        made = centred / torch.sqrt(made.var(-1, unbiased=False, keepdim=True) + network.norm.eps)
        logits = made @ encoder.get_input_embeddings().weight.double().T
        plain = logits.log_softmax(-1)
    assert found.counted == 2
    assert float(found.total.detach()) == pytest.approx(-float(plain[0, 2, 11] + plain[2, 5, 12]), rel=1e-4)


def test_an_encoder_goes_on_learning(encoder, pieces):
    loaded = Loaded(encoder, pieces, "tiny", None)
    texts = list(sentences(120)[1])
    first = go_on(loaded, texts, epochs=1, learning_rate=1e-6, limit=32)
    assert go_on(loaded, texts, epochs=8, learning_rate=3e-3, limit=32) < 0.9 * first
    pieces_without = type("Bare", (), {"mask_token_id": None})()
    with pytest.raises(UserError, match="has no mask"):
        go_on(Loaded(encoder, pieces_without, "tiny", None), texts)


def test_new_tokens_begin_as_the_mean_of_their_pieces(encoder, pieces):
    loaded = Loaded(encoder, pieces, "tiny", None)
    texts = ["verschlüsselung und verschlüsselung", "die verschlüsselung der dateien"] * 3 + ["fox and dog"] * 9
    new = wanted_words(pieces, texts, 10)
    assert new[0] == "verschlüsselung"
    assert "fox" not in new, "a word of one piece needs no token"
    own = pieces(" verschlüsselung", add_special_tokens=False)["input_ids"]
    table = encoder.get_input_embeddings().weight.detach().clone()
    untouched = pieces("the quick fox")["input_ids"]
    assert extend(loaded, new) == len(new)
    number = pieces.convert_tokens_to_ids("verschlüsselung")
    now = encoder.get_input_embeddings().weight.detach()
    torch.testing.assert_close(now[number], table[own].mean(0))
    torch.testing.assert_close(now[: len(table)], table)
    assert pieces("the quick fox")["input_ids"] == untouched
    assert number in pieces("die verschlüsselung der")["input_ids"]
    assert extend(loaded, new) == 0, "they are known now"


def test_new_tokens_of_a_causal_model(causal, words):
    """Its output layer is tied here: the new token's row is the new embedding."""
    loaded = Loaded(causal, words, "tiny", None)
    assert extend(loaded, ["verschlüsselung"]) == 1
    assert causal(torch.tensor([[1, 2, 3]])).logits.shape[-1] >= len(words)


def test_transfer_extends_a_pretrained_encoder(unlabelled, encoder_folder):
    model = TextEncoder(source=str(encoder_folder), longest=24)
    changed = CrossLingualTransfer(texts=unlabelled).model(model)
    told = about(changed.source)
    assert told["tokens_added"] > 0
    assert told["texts"] == 120
    assert (
        len(load_encoder(changed.source).tokenizer)
        == len(load_encoder(encoder_folder).tokenizer) + told["tokens_added"]
    )
    assert changed.tuning == model.tuning


def test_transfer_says_what_it_lacks(tmp_path):
    table = table_of(10)
    assert "text_encoder does" in CrossLingualTransfer(texts="a.txt").unsuitable(Recipe(), table, Linear())
    assert "give a file of them" in CrossLingualTransfer().unsuitable(Recipe(), table, TextEncoder())
    (tmp_path / "few.txt").write_text("one line\n")
    with pytest.raises(UserError, match="too few"):
        CrossLingualTransfer(texts=str(tmp_path / "few.txt")).read()
    assert cross_lingual_transfer.pieces("a" * 300 + "\n" + "b" * 300 + "\nc") == ["a" * 300, "b" * 300 + "\nc"]


@pytest.mark.parametrize("other", ["transfer_learning", "few_shot_head"])
def test_what_an_encoder_is_taught_is_not_lost(other, pairs, unlabelled, encoder_folder):
    """Another method that begins with another encoder would throw away what was taught to this one."""
    table = table_of(10)
    for method in (CrossLingualTransfer(texts=unlabelled), BilingualTraining(pairs=pairs)):
        recipe = Recipe(methods=[{method.name: {}}, {other: {"source": str(encoder_folder)}}])
        assert f"{other} begins with the encoder in" in method.unsuitable(recipe, table, TextEncoder())
        assert method.unsuitable(Recipe(methods=[method.name, other]), table, TextEncoder()) is None


# ---- what a model writes


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    """A tiny causal model that knows nothing, with room for a prompt."""
    folder = tmp_path_factory.mktemp("writer")
    tokenizer = train_tokenizer(sentences(50)[0], vocabulary=400, marks="causal", limit=256)
    small_causal(len(tokenizer), width=16, depth=1, heads=2, context=256, pad=tokenizer.pad_token_id,
                 end=tokenizer.eos_token_id, seed=1).save_pretrained(folder)  # fmt: skip
    tokenizer.save_pretrained(folder)
    return folder


def test_a_causal_model_translates_and_writes(writer):
    texts = ["a shirt that fits well", "the fabric is thin"]
    found = written.translations(writer, texts, "English", "German", maximum=6)
    assert len(found) == 2
    assert written.translations(writer, texts[::-1], "English", "German", maximum=6) == found[::-1]
    drawn = [written.further(writer, [texts] * 3, ["good"] * 3, [""] * 3, seed=seed, maximum=6) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_sequence_to_sequence_model_translates(pieces, tmp_path):
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    config = T5Config(vocab_size=len(pieces), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2,
                      pad_token_id=pieces.pad_token_id, eos_token_id=pieces.sep_token_id,
                      decoder_start_token_id=pieces.pad_token_id)  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "t5")
    pieces.save_pretrained(tmp_path / "t5")
    found = written.translations(tmp_path / "t5", ["the fox", "a dog that is lazy"], "English", "German", maximum=5)
    assert len(found) == 2
    alone = written.translations(tmp_path / "t5", ["the fox"], "English", "German", maximum=5)
    assert alone == found[:1]
    with pytest.raises(UserError, match="name a causal language model"):
        written.further(tmp_path / "t5", [["x"]], ["y"], [""], seed=0)


# ---- a language model


def test_methods_change_the_rows_of_a_language_model(pairs, tmp_path):
    rows = [{"text": text, "language": "en"} for text in sentences(40)[0]]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "task": "generate", "data": {"path": str(tmp_path / "rows.jsonl")},
        "model": {"causal_lm": {"width": 16, "depth": 1, "heads": 2, "vocabulary": 320, "context": 32, "steps": 4}},
        "methods": [{"bilingual_training": {"pairs": pairs, "most": 30}}],
    }  # fmt: skip
    trained = melior.train(melior.Recipe.checked(recipe), run=tmp_path / "run")
    assert trained.rows == 40 - round(0.2 * 40) + 60 or trained.rows > 60 + 25
    for methods, said in (
        (["class_weights"], "changes nothing of task: generate"),
        ([{"bilingual_training": {}}], "give their file as pairs"),
    ):
        with pytest.raises(UserError, match=said):
            melior.train(melior.Recipe.checked({**recipe, "methods": methods}))
    with pytest.raises(UserError, match=r"set data.stream to false"):
        melior.train(melior.Recipe.checked({**recipe, "data": {**recipe["data"], "stream": True}}))
