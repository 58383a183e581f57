"""Translation by a sequence-to-sequence model of a folder, and there and back: a text in other words."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from melior.errors import UserError
from melior.networks.build import drawing
from melior.networks.library import whole_library
from melior.networks.loading import Loaded, _loaded, _model, config_at, found

AT_ONCE = 16  # texts that are translated at once
LONGER = 2  # times as many tokens as went in, and a few more, may come out
FEW = 8


def load_translator(name: str | Path) -> Loaded:
    """A sequence-to-sequence model by folder or name. UserError: it cannot be read, or is of another kind."""
    whole_library()
    from transformers import AutoModelForSeq2SeqLM

    path = found(name)
    if path.is_file():
        raise UserError(f"{name} is a file: a translation model is a folder with config.json, weights and a tokenizer.")
    config = config_at(path, name)
    if type(config) not in AutoModelForSeq2SeqLM._model_mapping:
        raise UserError(
            f"{name}: {config.model_type} gives no other text for a text; name a sequence-to-sequence model."
        )
    return _loaded(_model(path, name, config, AutoModelForSeq2SeqLM), path, name)


@lru_cache(maxsize=2)
def _kept(name: str) -> Loaded:
    return load_translator(name)


@torch.no_grad()
def translated(loaded: Loaded, texts: Sequence[str], *, seed: int | None = None) -> list[str]:
    """(texts,) each by itself; seed: drawn from the model's probabilities instead of the likeliest, for variety (Edunov
    et al., Understanding Back-Translation at Scale, EMNLP 2018)."""
    made: list[str] = []
    order = sorted(range(len(texts)), key=lambda row: (len(texts[row]), row))
    with drawing():
        torch.manual_seed(0 if seed is None else seed)
        for start in range(0, len(order), AT_ONCE):
            some = [texts[row] for row in order[start : start + AT_ONCE]]
            given = loaded.tokenizer(some, return_tensors="pt", padding=True, truncation=True, max_length=loaded.limit)
            how: dict[str, Any] = {"do_sample": True, "top_k": 0} if seed is not None else {"do_sample": False}
            most = min(LONGER * given["input_ids"].shape[1] + FEW, loaded.limit)
            tokens = loaded.model.generate(
                input_ids=given["input_ids"],
                attention_mask=given["attention_mask"],
                num_beams=1,
                max_new_tokens=most,
                **how,
            )
            made += loaded.tokenizer.batch_decode(tokens, skip_special_tokens=True)
    back = [""] * len(texts)
    for row, text in zip(order, made, strict=True):
        back[row] = text.strip()
    return back


def there_and_back(texts: Sequence[str], there: str, back: str, seed: int) -> list[str]:
    """(texts,) each translated by one model and back by the other.

    Sennrich, Haddow and Birch, Improving Neural Machine Translation Models with Monolingual Data, ACL 2016.
    """
    return translated(_kept(back), translated(_kept(there), texts, seed=seed))
