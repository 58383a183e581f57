"""Tokenizers trained on given texts, for models from scratch.

Byte-level BPE: Sennrich et al., Neural Machine Translation of Rare Words with Subword Units, 2016, on bytes as in
Radford et al., Language Models are Unsupervised Multitask Learners, 2019: every text can be written, none is unknown.
WordPiece: Schuster and Nakajima, Japanese and Korean Voice Search, 2012.

The same texts give the same tokenizer.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

from melior.errors import UserError
from melior.networks.library import whole_library

PAD, UNKNOWN, FIRST, LAST, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
END = "<|end|>"
ROLE_MARKS = ("<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")


def train_tokenizer(
    texts: Iterable[str],
    *,
    vocabulary: int = 8000,
    kind: Literal["bpe", "wordpiece"] = "bpe",
    marks: Literal["encoder", "causal"] = "encoder",
    fewest: int = 2,
    limit: int = 2**20,
) -> Any:
    """A transformers tokenizer trained on texts.

    vocabulary  at most so many tokens, 300..1,000,000
    kind        bpe on bytes, or wordpiece (lower case, unknown characters become one token)
    marks       encoder: [CLS] text [SEP], and [PAD]; causal: an end token, which also stands before a text, a pad
                token, marks of the roles in a chat, and a chat template
    fewest      a token must occur so often
    limit       most tokens of a row, kept as model_max_length
    """
    whole_library()
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    if not 300 <= vocabulary <= 1_000_000:
        raise UserError(f"a vocabulary of {vocabulary:,} tokens is out of range; give 300..1,000,000.")
    causal = marks == "causal"
    special = [PAD, END, *ROLE_MARKS] if causal else [PAD, UNKNOWN, FIRST, LAST, MASK]
    if kind == "bpe":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [
                # digits one by one and no run of more than 64 characters: what is rare must not make long tokens
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.Split(Regex(r"\S{64}"), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
        made.decoder = decoders.ByteLevel()
        trainer: Any = trainers.BpeTrainer(
            vocab_size=vocabulary,
            min_frequency=fewest,
            special_tokens=special,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
    else:
        special = [*special, UNKNOWN] if causal else special
        made = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
        made.normalizer = normalizers.BertNormalizer(lowercase=True)
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.decoder = decoders.WordPiece()
        texts = list(texts)
        # the library numbers the inner letters in the order of a hash, and breaks ties by their numbers: named as
        # special tokens they have their numbers beforehand
        inner = _inner_letters(made, texts, vocabulary // 2)
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocabulary, min_frequency=fewest, special_tokens=[*special, *inner], show_progress=False
        )
    made.train_from_iterator(texts, trainer)
    if kind == "wordpiece":
        made = _without_added(made, special)
    if causal:
        names = {"pad_token": PAD, "eos_token": END, "bos_token": END}
    else:
        names = {"pad_token": PAD, "unk_token": UNKNOWN, "cls_token": FIRST, "sep_token": LAST, "mask_token": MASK}
        made.post_processor = processors.TemplateProcessing(
            single=f"{FIRST} $A {LAST}",
            pair=f"{FIRST} $A {LAST} $B:1 {LAST}:1",
            special_tokens=[(FIRST, special.index(FIRST)), (LAST, special.index(LAST))],
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=limit, clean_up_tokenization_spaces=False, **names
    )
    if causal:
        from melior.networks.conversation import TEMPLATE

        tokenizer.chat_template = TEMPLATE
    return tokenizer


def _inner_letters(made: Any, texts: list[str], most: int) -> list[str]:
    """Letters that stand inside words, marked as such, in order; the most frequent where there are many."""
    inside: Counter[str] = Counter()
    for text in texts:
        for word, _ in made.pre_tokenizer.pre_tokenize_str(made.normalizer.normalize_str(text)):
            inside.update(word[1:])
    kept = sorted(inside, key=lambda letter: (-inside[letter], letter))[:most]
    return [f"##{letter}" for letter in sorted(kept)]


def _without_added(made: Any, special: list[str]) -> Any:
    """The same tokenizer, with no special tokens but these."""
    from tokenizers import Tokenizer, models

    fresh = Tokenizer(models.WordPiece(made.get_vocab(), unk_token=UNKNOWN))
    fresh.normalizer, fresh.pre_tokenizer, fresh.decoder = made.normalizer, made.pre_tokenizer, made.decoder
    fresh.add_special_tokens(special)
    return fresh


def saved(tokenizer: Any) -> str:
    """The whole tokenizer as one JSON text, to keep inside a predictor."""
    import json

    named = {key: str(value) for key, value in tokenizer.special_tokens_map.items() if isinstance(value, str)}
    own = json.loads(tokenizer.backend_tokenizer.to_str())
    own.update(truncation=None, padding=None)  # what the last call asked for, not what it is
    kept = {
        "tokenizer": own,
        "names": named,
        "limit": int(min(tokenizer.model_max_length, 2**20)),
        "template": tokenizer.chat_template or None,
    }
    return json.dumps(kept, ensure_ascii=False)


def restored(text: str) -> Any:
    """The tokenizer of `saved`."""
    import json

    whole_library()
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    kept = json.loads(text)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(kept["tokenizer"], ensure_ascii=False)),
        model_max_length=kept["limit"],
        clean_up_tokenization_spaces=False,
        **kept["names"],
    )
    if kept["template"]:
        tokenizer.chat_template = kept["template"]
    return tokenizer
