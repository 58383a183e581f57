"""Tokens, conversations, packing and losses: known answers, and packed equals padded."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from melior.errors import UserError
from melior.networks.conversation import Language, asked, language
from melior.networks.losses import CausalNetwork, TextClassifier, language_loss, next_token_loss
from melior.networks.packing import LanguageRows, keeps_apart, packed
from melior.networks.scratch import small_causal
from melior.networks.tokenizers import restored, saved, train_tokenizer
from melior.networks.tokens import TextRows, Tokens, tokenized

CHAT = [
    {"role": "user", "content": "Wie geht es dir?"},
    {"role": "assistant", "content": "Mir geht es gut."},
    {"role": "user", "content": "a shirt"},
    {"role": "assistant", "content": "looks good"},
]


# ---- tokenizers


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
@pytest.mark.parametrize("marks", ["encoder", "causal"])
def test_tokenizers_are_deterministic_and_survive_text(kind, marks):
    texts = ["the cat sat", "the mat", "the cat and the mat", "größer 大"] * 3
    first, second = (train_tokenizer(texts, vocabulary=320, kind=kind, marks=marks) for _ in range(2))
    assert saved(first) == saved(second)
    again = restored(saved(first))
    assert again("the größer cat 大")["input_ids"] == first("the größer cat 大")["input_ids"]
    assert (again.pad_token_id, again.eos_token_id) == (first.pad_token_id, first.eos_token_id)


@given(text=st.text(max_size=40))
@settings(max_examples=50, deadline=None)
def test_bytes_write_every_text(words, text):
    text = text.encode("utf-8", "ignore").decode()
    assert words.decode(words(text, add_special_tokens=False)["input_ids"], skip_special_tokens=False) == text


def test_the_most_frequent_pair_is_merged_first():
    # by hand: "ab" occurs 6 times, "bc" 2 times, so the first merged token is "ab"
    made = train_tokenizer(["abab ab", "abab ab", "bc bc"] * 1, vocabulary=300)
    merged = [token for token in made.convert_ids_to_tokens(range(len(made))) if len(token) == 2]
    assert "ab" in merged
    assert made.tokenize("ab") == ["ab"]


def test_vocabulary_out_of_range():
    with pytest.raises(UserError, match="out of range"):
        train_tokenizer(["a"], vocabulary=5)


# ---- tokens


def test_tokenized(pieces):
    texts = ["a shirt", None, "the quick brown fox " * 20]
    made = tokenized(pieces, texts, limit=12)
    first, last = pieces.cls_token_id, pieces.sep_token_id
    assert made.truncated == 1
    assert list(made.row(1)) == [first, last]
    assert len(made.row(2)) == 12
    assert [int(made.row(row)[0]) for row in range(3)] == [first] * 3
    assert [int(made.row(row)[-1]) for row in range(3)] == [last] * 3  # the marks survive the cut
    assert pieces.decode(made.row(0), skip_special_tokens=True) == "a shirt"


def test_batches_are_padded_to_their_longest(pieces):
    tokens = Tokens.of([[1, 2, 3], [4], [5, 6]])
    source = TextRows(tokens, np.array([0, 1, 2]), np.array([1.0, 2.0, 3.0]), pad=9)
    batch = source.batch(np.array([2, 1]))
    assert batch.inputs["input_ids"].tolist() == [[5, 6], [4, 9]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1], [1, 0]]
    assert batch.labels.tolist() == [2, 1]
    assert batch.weights.tolist() == [3, 2]
    assert (batch.rows, batch.tokens, batch.padding) == (2, 3, 1)
    assert source.lengths.tolist() == [3, 1, 2]


def test_padding_changes_no_answer(encoder):
    model = TextClassifier(encoder, 3).eval()
    tokens = Tokens.of([[5, 6, 7, 8, 9], [10, 11]])
    source = TextRows(tokens, np.array([0, 1]), None, pad=0)
    together = model(**source.batch(np.array([0, 1])).inputs)
    alone = model(**source.batch(np.array([1])).inputs)
    assert torch.allclose(together[1], alone[0], atol=1e-6)


# ---- rows of language modelling


def counted(tokenizer, made, row=0):
    own = slice(made.tokens.offsets[row], made.tokens.offsets[row + 1])
    return tokenizer.decode(made.tokens.values[own][made.counts[own]])


def test_what_counts(words):
    made = language(words, ["a shirt", {"text": "a shirt"}, {"prompt": "a shirt ", "answer": "looks good"}, CHAT], 64)
    assert counted(words, made, 0) == counted(words, made, 1) == "a shirt<|end|>"
    assert counted(words, made, 2) == "looks good<|end|>"
    assert counted(words, made, 3) == "Mir geht es gut.<|end|>looks good<|end|>"
    whole = words.decode(made.tokens.row(3))
    assert whole.startswith("<|user|>\nWie geht es dir?<|end|>\n<|assistant|>\nMir geht")
    assert (made.truncated, made.dropped) == (0, 0)


def test_a_chat_is_trained_as_it_is_asked(words):
    """What stands before the answer in training is what the model is given to answer."""
    made = language(words, [CHAT[:2]], 64)
    first = int(np.flatnonzero(made.counts)[0])
    assert words.decode(made.tokens.row(0)[:first]) == asked(words, CHAT[:1])
    assert asked(words, {"prompt": "x"}) == asked(words, "x") == "x"


def test_templates_that_change_earlier_turns(words):
    own = copy.deepcopy(words)
    # shows only what was said last in full: earlier answers are in brackets
    turn = "{% if loop.last %}{{ m['content'] }}{% else %}[{{ m['content'] }}]{% endif %}"
    own.chat_template = f"{{% for m in messages %}}{turn}{{% endfor %}}"
    made = language(own, [CHAT], 64)
    assert counted(own, made) == "Mir geht es gut.looks good"


def test_limits(words):
    long = "the quick brown fox " * 8
    ids = words(long, add_special_tokens=False)["input_ids"]
    made = language(words, [long], 10)
    joined = np.concatenate([made.tokens.row(row) for row in range(len(made.tokens))]).tolist()
    assert joined == [words.bos_token_id, *ids, words.eos_token_id][: len(joined)]
    assert made.tokens.lengths.max() <= 10
    assert made.truncated == 0  # a plain text goes on in the next row
    made = language(words, [{"prompt": long, "answer": "looks good"}], 10)
    assert counted(words, made) == "looks good<|end|>"  # the prompt lost its beginning
    assert made.truncated == 1
    made = language(words, [{"prompt": "a ", "answer": long}], 10)
    assert made.tokens.lengths.tolist() == [10]
    assert long.startswith(counted(words, made))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([{"content": "x"}], r'row 2, message 1 has no "role"'),
        ([*CHAT, {"role": "assistant"}], r'row 2, message 5 has no "content"'),
        ([{"role": "human", "content": "x"}], 'the role is "human" and can be system, user'),
        ([{"role": "user", "content": "x"}], "row 2: the assistant says nothing"),
        (["x"], r"row 2, message 1 is no object"),
        ([], "row 2 has no messages"),
        ({"prompt": "x"}, r'row 2 has no "answer"'),
        ({"answer": "x"}, r'row 2 has no "prompt"'),
        ({"other": "x"}, r'row 2 has no "text"'),
        (7, r'row 2 has no "text"'),
    ],
)
def test_rows_that_cannot_be_read(words, row, said):
    with pytest.raises(UserError, match=said) as caught:
        language(words, ["fine", row], 64, name="chats.jsonl")
    assert str(caught.value).startswith("chats.jsonl, row 2")


# ---- packing


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_packed_holds_every_row_once_and_wastes_little(lengths):
    lengths = np.array(lengths)
    lines = packed(lengths)
    assert sorted(row for line in lines for row in line) == list(range(len(lengths)))
    size = lengths.max()
    assert all(lengths[line].sum() <= size for line in lines)
    # no two lines could be one: what first-fit promises
    filled = [lengths[line].sum() for line in lines]
    assert all(a + b > size for n, a in enumerate(filled) for b in filled[n + 1 :])


def rows_of(lengths, vocabulary=200, seed=0):
    random = np.random.default_rng(seed)
    tokens = Tokens.of([random.integers(8, vocabulary, length) for length in lengths])
    counts = random.random(len(tokens.values)) < 0.7
    return Language(tokens, counts)


def loss_and_gradient(network, source, rows):
    network.zero_grad()
    batch = source.batch(rows)
    total, count = language_loss(network(**batch.inputs), batch)
    total.backward()
    return (
        float(total.detach()),
        float(count),
        {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None},
    )


def gpt2(vocabulary):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=vocabulary, n_embd=32, n_layer=2, n_head=2, n_positions=64, bos_token_id=0, eos_token_id=0
    )
    return GPT2LMHeadModel(config).eval()


@pytest.mark.parametrize("made", [lambda: small_causal(200, width=32, depth=2, heads=2), lambda: gpt2(200)])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_is_padded(made, attention):
    model = made()
    model.set_attn_implementation(attention)
    assert keeps_apart(model)
    rows = rows_of([13, 4, 6, 1, 9, 3, 2])
    which = np.arange(7)
    network = CausalNetwork(model)
    plain = loss_and_gradient(network, LanguageRows(rows, pad=0), which)
    source = LanguageRows(rows, pad=0, packed=True)
    assert source.batch(which).inputs["input_ids"].shape[0] < 7
    assert source.batch(which).padding < LanguageRows(rows, pad=0).batch(which).padding
    together = loss_and_gradient(network, source, which)
    assert together[1] == plain[1]
    assert together[0] == pytest.approx(plain[0], rel=1e-5)
    for name, gradient in plain[2].items():
        assert torch.allclose(together[2][name], gradient, atol=1e-5 * max(1, float(gradient.abs().max()))), name


def test_packed_rows_do_not_see_one_another():
    """Changing one packed row leaves the logits of the others bit for bit as they were."""
    model = small_causal(200, width=32, depth=2, heads=2)
    rows, other = rows_of([9, 4, 5]), rows_of([9, 4, 5])
    other.tokens.values[9:13] = 7  # the second row
    made = [LanguageRows(one, pad=0, packed=True).batch(np.arange(3)).inputs for one in (rows, other)]
    line, places = next((n, line) for n, line in enumerate(packed(np.array([9, 4, 5]))) if 1 in line)
    assert sorted(places) == [1, 2]
    first, second = (model(one["input_ids"], position_ids=one["position_ids"], use_cache=False).logits for one in made)
    order = dict(zip(places, np.cumsum([0, *[[9, 4, 5][p] for p in places]]), strict=False))
    assert torch.equal(first[line, order[2] : order[2] + 5], second[line, order[2] : order[2] + 5])
    assert not torch.equal(first[line, order[1] : order[1] + 4], second[line, order[1] : order[1] + 4])


def test_a_model_without_separation_is_found_out():
    class Blind(torch.nn.Module):  # attends to everything before, whatever the positions say
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def get_input_embeddings(self):
            return self.inner.get_input_embeddings()

        def forward(self, input_ids, use_cache=False, position_ids=None):
            return self.inner(input_ids=input_ids, attention_mask=torch.ones_like(input_ids), use_cache=False)

    torch.manual_seed(0)
    inner = small_causal(200, width=32, depth=2, heads=2)
    for parameter in inner.parameters():  # the small weights of the start hide nearly everything
        parameter.data *= 5
    assert keeps_apart(inner)
    assert not keeps_apart(Blind(inner))


# ---- losses


@pytest.mark.parametrize("cells", [1, 700, 2**20])
def test_next_token_loss_is_cross_entropy(cells):
    """In pieces or whole: the value and the gradients of the formula in float64."""
    torch.manual_seed(0)
    hidden = torch.randn(3, 8, 6, requires_grad=True)
    head = torch.nn.Linear(6, 50, bias=False)
    labels = torch.randint(0, 50, (3, 8))
    labels[0, :4] = -100
    labels[:, 0] = -100
    total, count = next_token_loss(hidden, head, labels, cells)
    total.backward()
    logits = (hidden.detach().double() @ head.weight.detach().double().T).requires_grad_()
    wanted = torch.zeros((), dtype=torch.float64)
    for row in range(3):
        for time in range(7):
            if labels[row, time + 1] != -100:
                wanted = wanted - logits[row, time].log_softmax(-1)[labels[row, time + 1]]
    wanted.backward()
    assert int(count) == int((labels[:, 1:] != -100).sum())
    assert float(total.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
    assert torch.allclose(hidden.grad.double(), logits.grad @ head.weight.detach().double(), atol=1e-5)


def test_no_targets_give_zero_and_a_gradient():
    hidden = torch.randn(2, 4, 6, requires_grad=True)
    total, count = next_token_loss(hidden, torch.nn.Linear(6, 9), torch.full((2, 4), -100))
    total.backward()
    assert (float(total.detach()), float(count)) == (0, 0)
    assert hidden.grad is not None


def test_models_with_more_than_a_head_use_their_own_logits():
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=60, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
        intermediate_size=32, final_logit_softcapping=0.05, pad_token_id=0, eos_token_id=1, bos_token_id=2,
    )  # fmt: skip
    model = Gemma2ForCausalLM(config).eval()
    network = CausalNetwork(model)
    assert not network.plain_head
    ids = torch.randint(3, 60, (2, 6))
    total, count = network(input_ids=ids, labels=ids)
    assert float((total / count).detach()) == pytest.approx(
        float(model(input_ids=ids, labels=ids).loss.detach()), rel=1e-5
    )


def test_the_network_agrees_with_the_library(causal):
    network = CausalNetwork(causal)
    assert network.plain_head
    ids = torch.randint(8, 200, (3, 7))
    total, count = network(input_ids=ids, labels=ids)
    assert float((total / count).detach()) == pytest.approx(
        float(causal(input_ids=ids, labels=ids).loss.detach()), rel=1e-5
    )


def test_the_loss_of_many_tokens_does_not_hang_on_how_they_are_dealt_out():
    # 5,000 tokens of some 8 nats: a sum in float32 has steps of 4e-3, so that portions of them would differ by 1e-6
    torch.manual_seed(0)
    hidden, head = torch.randn(8, 626, 16), torch.nn.Linear(16, 3000)
    labels = torch.randint(0, 3000, (8, 626))
    with torch.no_grad():
        whole, count = next_token_loss(hidden, head, labels)
        parts = [next_token_loss(hidden[rows], head, labels[rows]).total for rows in ([0, 1, 2], [3], [4, 5, 6, 7])]
    assert count == 5000
    assert float(sum(parts) / count) == pytest.approx(float(whole / count), abs=1e-9)
