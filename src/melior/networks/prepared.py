"""Encoders that were taught something before they are fine-tuned, made once and kept on disk under what they are of."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from melior._version import __version__
from melior.networks.features import content_key
from melior.networks.loading import Loaded, load_encoder, quiet
from melior.storage import write_atomic

ABOUT = "melior.json"  # written last: a folder that has it is whole


def begun_encoder(
    source: str, texts: Iterable[str], *, vocabulary: int, width: int, depth: int, heads: int, longest: int, seed: int
) -> Loaded:
    """The pretrained encoder of a folder or name; where there is none a small one from nothing, with a tokenizer that
    is learned from the texts."""
    if source:
        return load_encoder(source)
    from melior.networks.scratch import small_encoder
    from melior.networks.tokenizers import train_tokenizer

    tokenizer = train_tokenizer(texts, vocabulary=vocabulary, limit=longest)
    model = small_encoder(
        len(tokenizer), width=width, depth=depth, heads=heads, context=longest, pad=int(tokenizer.pad_token_id),
        seed=seed,
    )  # fmt: skip
    return Loaded(model, tokenizer, "a small encoder from nothing", Path())


def prepared(
    folder: Path, loaded: Callable[[], Loaded], how: dict[str, Any], make: Callable[[Loaded], dict[str, Any]]
) -> Path:
    """The folder of an encoder that `make` changed: made once for what it begins from and `how` it is made.

    folder  where such encoders are kept
    loaded  what it begins from
    how     plain values on which the outcome depends
    make    changes the encoder in place, or its tokenizer, and gives figures that are kept with it
    """
    began = loaded()
    key = sha256(
        json.dumps([__version__, content_key(began.model, began.tokenizer), how], sort_keys=True).encode()
    ).hexdigest()[:24]
    kept = folder / key
    if (kept / ABOUT).exists():
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder, prefix=f".{key}."))
    try:
        figures = make(began)
        with quiet():
            began.model.save_pretrained(aside, safe_serialization=True)
            began.tokenizer.save_pretrained(aside)
        write_atomic(aside / ABOUT, json.dumps({"how": how, **figures}, ensure_ascii=False, indent=1))
        if kept.exists():
            shutil.rmtree(kept)  # half of one: it has no `ABOUT`
        os.replace(aside, kept)
    except OSError:
        if not (kept / ABOUT).exists():  # another process was first
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return kept


def about(folder: str | Path) -> dict[str, Any]:
    """What is kept of how an encoder was prepared; empty where it was not."""
    try:
        found = json.loads((Path(folder) / ABOUT).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
