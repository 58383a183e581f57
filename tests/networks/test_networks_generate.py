"""Generation, perplexity and answers against the library and known answers."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from melior.errors import UserError
from melior.networks.answers import exact_match, token_f1
from melior.networks.generate import Generation, Prompt, Writing, answers, penalized, probabilities, stream, tokens
from melior.networks.perplexity import foreseen, foreseen_answers

PLAIN = Generation(temperature=0, maximum=12)


def livelier(model):
    """Weights large enough that the likeliest token is not always the same."""
    torch.manual_seed(3)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data.normal_(std=0.3)
    return model


# ---- drawing


@given(
    logits=st.lists(st.floats(-5, 5), min_size=2, max_size=8, unique=True),
    temperature=st.floats(0.1, 3),
    top_k=st.integers(0, 9),
    top_p=st.floats(0.05, 1),
)
@settings(max_examples=200, deadline=None)
def test_probabilities(logits, temperature, top_k, top_p):
    """Step by step as the papers say: scale, keep the k likeliest, keep the fewest that have p together."""
    found = probabilities(
        torch.tensor([logits], dtype=torch.float64), Generation(temperature=temperature, top_k=top_k, top_p=top_p)
    )[0].numpy()
    wanted = np.exp(np.array(logits, dtype=np.float32) / np.float32(temperature)).astype(np.float64)
    order = np.argsort(-wanted, kind="stable")
    kept = order[:top_k] if top_k else order
    shares = wanted[kept] / wanted[kept].sum()
    before = np.cumsum(shares) - shares
    if np.abs(before - top_p).min() < 1e-5 or len(np.unique(wanted)) < len(wanted):
        return  # rounding decides
    chosen = kept[before < top_p] if top_p < 1 else kept
    expected = np.zeros(len(logits))
    expected[chosen] = wanted[chosen] / wanted[chosen].sum()
    assert found == pytest.approx(expected, abs=1e-5)


def test_penalty():
    logits = torch.tensor([[2.0, -2.0, 1.0]])
    seen = torch.tensor([[True, True, False]])
    assert penalized(logits, seen, 2.0).tolist() == [[1.0, -4.0, 1.0]]


def test_draws_follow_the_probabilities(causal, words):
    """The first token of many rows: chi-square against the model's own probabilities."""
    from scipy.stats import chisquare

    livelier(causal)
    settings = Generation(temperature=1.5, top_k=4, top_p=1, maximum=1)
    ids = [words.bos_token_id, *words("a shirt", add_special_tokens=False)["input_ids"]]
    with torch.no_grad():
        shares = probabilities(causal(torch.tensor([ids])).logits[:, -1], settings)[0].double().numpy()
    drawn = next(tokens(causal, [Prompt(ids, row, 1) for row in range(400)], settings, pad=0, ends=frozenset()))
    likely = np.flatnonzero(shares)
    counts = np.array([drawn.count(int(token)) for token in likely])
    assert counts.sum() == 400
    assert chisquare(counts, 400 * shares[likely] / shares[likely].sum()).pvalue > 1e-4


# ---- generation


def test_greedy_is_the_librarys(causal, words):
    livelier(causal)
    ids = torch.tensor([[words.bos_token_id, *words("a shirt that", add_special_tokens=False)["input_ids"]]])
    theirs = causal.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
    wanted = words.decode(theirs[0, ids.shape[1] :], skip_special_tokens=True)
    assert wanted
    assert answers(causal, words, ["a shirt that"], PLAIN) == [wanted]
    assert "".join(stream(causal, words, "a shirt that", PLAIN)) == wanted


def test_together_as_alone(causal, words):
    livelier(causal)
    rows = ["a", "the quick brown fox jumps", "Wie geht", "这件"]
    assert answers(causal, words, rows, PLAIN) == [answers(causal, words, [row], PLAIN)[0] for row in rows]
    # drawn answers hang on the seed and the number of the row: the first of a batch is the one alone
    drawn = Generation(temperature=1.0, top_p=0.9, repetition_penalty=1.3, maximum=12, seed=4)
    assert answers(causal, words, rows, drawn)[0] == answers(causal, words, rows[:1], drawn)[0]
    assert answers(causal, words, rows, drawn) == answers(causal, words, rows, drawn)


def test_an_answer_has_the_room_that_its_prompt_leaves(causal, words):
    """As much of the answer as fits, whatever stands beside it and however many tokens are asked for."""
    livelier(causal)
    rows = ["the quick brown fox jumps " * 4, "a", "the quick brown fox jumps over the lazy dog " * 3]
    sizes = [1 + len(words(row, add_special_tokens=False)["input_ids"]) for row in rows]
    assert all(size < 64 for size in sizes)
    plain = Generation(temperature=0, maximum=500)
    for row, size, one in zip(rows, sizes, answers(causal, words, rows, plain), strict=True):
        assert [one] == answers(causal, words, [row], Generation(temperature=0, maximum=64 - size))
        assert one == "".join(stream(causal, words, row, plain))


def test_a_model_with_counted_places_stops_at_its_last(words):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(words), n_positions=32, n_embd=16, n_layer=1, n_head=2)).eval()
    livelier(model)
    rows = ["the quick brown fox jumps over the lazy", "a"]
    settings = Generation(temperature=0, maximum=100)
    assert answers(model, words, rows, settings) == [answers(model, words, [row], settings)[0] for row in rows]


def test_draws_hang_on_the_number_of_the_row_alone(causal, words):
    livelier(causal)
    drawn = Generation(temperature=2, top_p=1, maximum=8, seed=3)
    same = answers(causal, words, ["a"] * 20, drawn)
    assert len(set(same)) == 20
    # whatever stands beside them, shorter or longer, and however many go through at once
    rows = ["the quick brown fox", "a", "a shirt that fits"] + ["a"] * 17
    among = answers(causal, words, rows, drawn)
    assert [one for one, row in zip(among, rows, strict=True) if row == "a"] == [same[1], *same[3:]]
    assert among == answers(causal, words, rows, drawn, together=3)


def test_seeds(causal, words):
    livelier(causal)
    made = {seed: answers(causal, words, ["a"], Generation(temperature=2, maximum=10, seed=seed))[0] for seed in (1, 2)}
    torch.manual_seed(99)
    assert answers(causal, words, ["a"], Generation(temperature=2, maximum=10, seed=1))[0] == made[1]
    assert made[1] != made[2]


def test_stop_texts_end_an_answer(causal, words):
    livelier(causal)
    whole = answers(causal, words, ["a shirt"], PLAIN)[0]
    stop = whole[4:6]
    settings = Generation(temperature=0, maximum=12, stop=(stop,))
    cut = whole[: whole.index(stop)]
    assert answers(causal, words, ["a shirt"], settings) == [cut]
    assert "".join(stream(causal, words, "a shirt", settings)) == cut


def test_pieces_hold_back_what_may_change(words):
    text = "good 大家 STO no, STOP it"
    writing = Writing(words, ("STOP",))
    pieces = [writing.add(token) for token in words(text, add_special_tokens=False)["input_ids"]]
    pieces.append(writing.add(None))
    assert "".join(pieces) == "good 大家 STO no, "
    assert not any("\ufffd" in piece for piece in pieces)
    assert writing.ended


def test_an_end_token_ends(causal, words):
    with torch.no_grad():  # the end token always wins
        causal.get_output_embeddings().weight.zero_()
    causal.config.eos_token_id = 0
    assert answers(causal, words, ["a", "the"], PLAIN) == ["", ""]


def test_chats_and_prompts_that_do_not_fit(causal, words):
    assert isinstance(answers(causal, words, [[{"role": "user", "content": "a"}]], PLAIN)[0], str)
    long, short = "the quick brown fox " * 20, "the quick brown fox"
    assert answers(causal, words, [long, short], PLAIN) == [None, *answers(causal, words, [short], PLAIN)]
    with pytest.raises(UserError, match="the model takes 64 with the answer; shorten"):
        next(stream(causal, words, long, PLAIN))
    with pytest.raises(UserError, match='has no "content"'):
        answers(causal, words, [[{"role": "user"}]], PLAIN)


# ---- perplexity


def test_a_model_that_knows_nothing(causal, words):
    """Equal logits: perplexity is the size of the vocabulary, bits per byte follow from the numbers of tokens."""
    with torch.no_grad():
        causal.get_output_embeddings().weight.zero_()
    texts = ["a shirt", "这件衣服", ""]
    found = foreseen(causal, words, texts, limit=64)
    size = causal.get_input_embeddings().weight.shape[0]
    assert found.perplexity() == pytest.approx(size, rel=1e-4)
    count = sum(len(words(text, add_special_tokens=False)["input_ids"]) for text in texts)
    assert found.bits_per_byte() == pytest.approx(math.log2(size) * count / (7 + 12), rel=1e-4)
    assert math.isnan(found.perplexity(np.array([False, False, True])))


def test_every_token_once_with_and_without_windows(causal, words):
    livelier(causal)
    texts = ["the quick brown fox jumps over the lazy dog " * 3, "a", "Wie geht es dir?"]
    whole = foreseen(causal, words, texts, limit=64)
    for row, text in enumerate(texts):
        ids = torch.tensor([[words.bos_token_id, *words(text, add_special_tokens=False)["input_ids"]]])
        if ids.shape[1] <= 64:
            loss = causal(input_ids=ids, labels=ids).loss * (ids.shape[1] - 1)
            assert whole.nats[row] == pytest.approx(float(loss.detach()), rel=1e-4)
    # windows by hand: 16 tokens, each new one keeps the last 8 of what was seen
    ids = [words.bos_token_id, *words(texts[0], add_special_tokens=False)["input_ids"]]
    wanted, scored, first = 0.0, 1, 0
    while scored < len(ids):
        piece = torch.tensor([ids[first : first + 16]])
        shares = causal(piece).logits[0].log_softmax(-1)
        for place in range(scored - first, piece.shape[1]):
            wanted -= float(shares[place - 1, piece[0, place]].detach())
        scored = first + piece.shape[1]
        first = scored - 8
    assert foreseen(causal, words, texts, limit=16).nats[0] == pytest.approx(wanted, rel=1e-4)


def test_an_answer_longer_than_the_context_is_scored_to_its_end(causal, words):
    """Whatever the context, all tokens and all bytes count; by hand, in windows that overlap by half."""
    livelier(causal)
    answer = "the quick brown fox jumps over the lazy dog " * 2
    row = {"prompt": "a shirt ", "answer": answer}
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": answer}]
    end = words.eos_token_id
    ids = [*words(answer, add_special_tokens=False)["input_ids"], end]
    whole = [words.bos_token_id, *words("a shirt ", add_special_tokens=False)["input_ids"], *ids]
    for limit in (64, 16, 9):
        found = foreseen_answers(causal, words, [row, chat], limit=limit)
        assert found.tokens.tolist() == [len(ids)] * 2
        assert found.bytes.tolist() == [len(answer)] * 2
        wanted, scored, first = 0.0, len(whole) - len(ids), 0
        while scored < len(whole):
            piece = torch.tensor([whole[first : first + limit]])
            shares = causal(piece).logits[0].log_softmax(-1)
            for place in range(scored - first, piece.shape[1]):
                wanted -= float(shares[place - 1, piece[0, place]].detach())
            scored = max(first + piece.shape[1], scored)
            first += piece.shape[1] - max(limit // 2, 1)
        assert found.nats[0] == pytest.approx(wanted, rel=1e-4)


def test_a_chat_that_goes_on_for_long_is_scored_by_its_answers(causal, words):
    long = {"role": "user", "content": "the quick brown fox " * 60}
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "good"}, long]
    alone, before = (foreseen_answers(causal, words, [one], limit=16) for one in (chat[:2], chat))
    assert before.nats[0] == pytest.approx(alone.nats[0], rel=1e-4)
    behind = foreseen_answers(causal, words, [[long, *chat[:2]]], limit=16)
    assert behind.tokens.tolist() == alone.tokens.tolist()
    assert behind.bytes.tolist() == alone.bytes.tolist() == [4]


def test_by_language(causal, words):
    found = foreseen(causal, words, ["a shirt", "Wie geht", "looks"], limit=64)
    by = found.by_group(["en", "de", "en"])
    assert list(by) == ["de", "en"]
    assert by["de"][0] == pytest.approx(math.exp(found.nats[1] / found.tokens[1]))


# ---- answers


def test_exact_match_and_f1():
    assert exact_match(["The answer!", "no"], ["answer", "yes"]) == 0.5
    assert token_f1(["a red house"], ["the red car"]) == 0.5
    assert token_f1(["", "x"], ["", "y"]) == 0.5
    assert token_f1(["很好看"], ["很好"]) == pytest.approx(2 * 2 / 5)
    assert token_f1(["b b c"], ["b c c"]) == pytest.approx(2 * 2 / 6)
    assert math.isnan(exact_match([], []))
