"""Texts that a model of the user writes on this machine: translations, and further examples of a class.

What was written is remembered as long as the process lives, so that folds which ask for the same do not wait again.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from melior.errors import UserError
from melior.networks.generate import Generation, answers
from melior.networks.library import whole_library
from melior.networks.loading import (
    Loaded,
    config_at,
    found,
    kind_of,
    load_causal,
    load_tokenizer,
    token_limit,
    with_weights,
)

REMEMBERED = 50_000  # answers
TOGETHER = 16
PREFIXED = ("t5", "umt5", "longt5")  # models that are told in words what to do
_WRITTEN: OrderedDict[tuple[Any, ...], str] = OrderedDict()


@dataclass(frozen=True)
class Author:
    """A model that writes. translates: it turns one text into another (a sequence-to-sequence model); else it goes on
    from a prompt (a causal model)."""

    model: Any
    tokenizer: Any
    translates: bool
    key: str

    @property
    def chats(self) -> bool:
        return bool(self.tokenizer.chat_template)


def author(source: str | Path) -> Author:
    """The model of a folder, name or GGUF file, read once as long as its files are the same."""
    path = found(source)
    files = [path] if path.is_file() else sorted(path.iterdir())
    return _author(str(source), tuple((one.name, one.stat().st_mtime_ns, one.stat().st_size) for one in files))


@lru_cache(maxsize=1)
def _author(source: str, state: Any) -> Author:
    path, key = found(source), f"{source} {state}"
    if path.is_dir():
        config = config_at(path, source)
        if getattr(config, "is_encoder_decoder", False):
            whole_library()
            from transformers import AutoModelForSeq2SeqLM

            kind = kind_of(AutoModelForSeq2SeqLM, source, config)
            model, _ = with_weights(path, source, config, kind, pooling=False, optional=("embed", "lm_head"))
            return Author(model.eval(), load_tokenizer(path, source)[0], True, key)
    loaded: Loaded = load_causal(source)
    return Author(loaded.model.eval(), loaded.tokenizer, False, key)


def translations(
    source: str | Path, texts: Sequence[str], spoken: str, wanted: str, *, maximum: int = 200
) -> list[str]:
    """Each text in another language; spoken, wanted: the names of the languages in English. Empty where the model gives
    nothing.

    A causal model is asked in words, greedily; a sequence-to-sequence model gets the text as it is (T5 and its kin with
    the words that they were taught with).
    """
    own = author(source)
    if own.translates:
        prefix = f"translate {spoken} to {wanted}: " if own.model.config.model_type in PREFIXED else ""
        return _remembered(own, [prefix + text for text in texts], ("greedy", maximum), lambda rows: _turned(
            own, rows, maximum))  # fmt: skip
    if own.chats:
        asked = [f"Translate from {spoken} to {wanted}. Answer with the translation alone.\n\n{text}" for text in texts]
    else:
        asked = [f"{spoken}: {text}\n{wanted}:" for text in texts]
    return written(source, asked, temperature=0.0, maximum=maximum)


def further(
    source: str | Path, examples: Sequence[Sequence[str]], labels: Sequence[str], spoken: Sequence[str], *, seed: int,
    temperature: float = 0.8, maximum: int = 120,
) -> list[str]:  # fmt: skip
    """One new text for each list of examples of a label, in the language named (in English; empty: not said).

    Yoo et al., GPT3Mix: Leveraging Large-scale Language Models for Text Augmentation, EMNLP Findings 2021.
    """
    own = author(source)
    if own.translates:
        raise UserError(f"{source} translates and goes on from no prompt: name a causal language model, or use kind: "
                        "translation.")  # fmt: skip
    asked = []
    for texts, label, language in zip(examples, labels, spoken, strict=True):
        listed = "".join(f"Text: {' '.join(text.split())}\n" for text in texts)
        said = f" in {language}" if language else ""
        if own.chats:
            asked.append(f"These are texts of the kind {label!r}:\n\n{listed}\nWrite one more text of this kind{said}. "
                         "Answer with the text alone.")  # fmt: skip
        else:
            asked.append(f"Texts of the kind {label!r}{said}.\n{listed}Text:")
    return written(source, asked, temperature=temperature, maximum=maximum, seed=seed)


def written(
    source: str | Path, prompts: Sequence[str], *, temperature: float, maximum: int, seed: int = 0
) -> list[str]:
    """What a causal model goes on with, one line (a chat model: its answer), without marks around it."""
    own = author(source)
    settings = Generation(
        temperature=temperature, maximum=maximum, seed=seed, stop=() if own.chats else ("\n",), repetition_penalty=1.1
    )

    def made(rows: list[str]) -> list[str]:
        asked: list[Any] = [[{"role": "user", "content": row}] for row in rows] if own.chats else list(rows)
        return [text or "" for text in answers(own.model, own.tokenizer, asked, settings)]

    return _remembered(own, [_fitting(own, one, maximum) for one in prompts], (temperature, maximum, seed), made)


def _fitting(own: Author, prompt: str, maximum: int) -> str:
    """The prompt, without its middle where it would leave no room for the answer: the end says what is asked for."""
    room = token_limit(own.model.config, own.tokenizer) - maximum - 32
    ids = own.tokenizer(prompt, add_special_tokens=False, verbose=False)["input_ids"]
    if len(ids) <= room:
        return prompt
    if room < 32:
        raise UserError(f"the model takes {room + maximum + 32:,} tokens, too few to be asked for texts.")
    half = room // 2
    return str(own.tokenizer.decode(ids[:half]) + " … " + own.tokenizer.decode(ids[-half + 4 :]))


def _remembered(own: Author, prompts: Sequence[str], how: tuple[Any, ...], make: Any) -> list[str]:
    keys = [
        (own.key, prompt, number if how[0] not in ("greedy", 0.0) else 0, *how) for number, prompt in enumerate(prompts)
    ]
    todo = [at for at, key in enumerate(keys) if key not in _WRITTEN]
    if todo:
        # all together, since what is drawn depends on a row's number
        rows = list(range(len(prompts))) if how[0] not in ("greedy", 0.0) else todo
        for at, text in zip(rows, make([prompts[at] for at in rows]), strict=True):
            _WRITTEN[keys[at]] = bare(text)
    given = [_WRITTEN[key] for key in keys]
    while len(_WRITTEN) > REMEMBERED:
        _WRITTEN.popitem(last=False)
    return given


@torch.no_grad()
def _turned(own: Author, texts: Sequence[str], maximum: int) -> list[str]:
    """What a sequence-to-sequence model gives for each text, greedily; those of like length together."""
    given = [""] * len(texts)
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    most = token_limit(own.model.config, own.tokenizer)
    for start in range(0, len(order), TOGETHER):
        part = order[start : start + TOGETHER]
        ids = own.tokenizer([texts[at] for at in part], padding=True, truncation=True, max_length=most,
                            return_tensors="pt")  # fmt: skip
        made = own.model.generate(
            input_ids=ids["input_ids"], attention_mask=ids["attention_mask"], max_new_tokens=maximum, num_beams=1,
            do_sample=False,
        )  # fmt: skip
        for at, text in zip(part, own.tokenizer.batch_decode(made, skip_special_tokens=True), strict=True):
            given[at] = text
    return given


def bare(text: str) -> str:
    """A written text without what models put around it: "Text:", quotation marks, space.

    >>> bare(' Text: "A fine shirt." ')
    'A fine shirt.'
    """
    text = re.sub(r"^\s*(?:text|translation|answer)\s*:\s*", "", text.strip(), flags=re.IGNORECASE)
    if len(text) > 1 and text[0] in "\"“«„'" and text[-1] in "\"”»“'":
        text = text[1:-1]
    return text.strip()
