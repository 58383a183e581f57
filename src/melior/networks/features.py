"""Features of texts and pictures by a frozen encoder, made once and kept on disk under what they are of.

A feature depends on the encoder's numbers, its tokenizer (or how pictures are prepared), the pooling, the limit of
tokens and the text or the file of the picture: the hash of these is its key. Features are written some hundred at a
time, each piece aside and renamed: killed at any moment it loses one piece, and a damaged piece is made again.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from melior.networks.losses import encoded
from melior.networks.tokenizers import saved
from melior.networks.tokens import tokenized
from melior.networks.windows import Cut, by_text, pooled_windows, windows_of
from melior.progress import Progress, silent
from melior.storage import write_atomic

Pooling = Literal["mean", "cls"]
PIECE = 512  # texts or pictures that are written at once
KEY = 16  # bytes of the key of one of them
CELLS = 32 * 1024  # tokens that go through the encoder at once


def content_key(model: Any, tokenizer: Any) -> str:
    """A name of a model and its tokenizer by what they are, wherever they lie: SHA-256 over the weights."""
    return weights_key(model, saved(tokenizer))


def weights_key(model: Any, beside: str) -> str:
    """A name of a model's weights and of what stands beside them in words."""
    digest = hashlib.sha256(beside.encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:32]


def frozen_features(
    model: Any,
    tokenizer: Any,
    texts: Sequence[str | None],
    *,
    pooling: Pooling = "mean",
    limit: int = 256,
    cut: Cut | None = None,
    windows: str = "mean",
    cache: Path | None = None,
    key: str | None = None,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """(rows, width) float32, in the order of the texts; the same text is encoded once.

    pooling  mean of the tokens, or cls: the first token's state
    limit    tokens of a text that are read
    cut      how a text is cut into windows, or None: it goes through the encoder whole
    windows  mean of a text's windows, or max: the largest of each number
    cache    folder where features are kept, or None
    key      of `content_key`, where it is known already
    """
    plain = [text or "" for text in texts]
    own = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY).digest() for text in plain]
    cuts = "" if cut is None else f"-{windows}-{cut.window}-{cut.overlap}"
    folder = None if cache is None else cache / f"{key or content_key(model, tokenizer)}-{pooling}-{limit}{cuts}"

    def make(rows: list[int]) -> NDArray[np.float32]:
        some = [plain[row] for row in rows]
        return encoded_texts(model, tokenizer, some, pooling=pooling, limit=limit, cut=cut, windows=windows)

    found = remembered(own, make, folder, size=lambda row: len(plain[row]), what="texts", progress=progress)
    return found if own else np.zeros((0, model.config.get_text_config().hidden_size), dtype=np.float32)


def remembered(
    keys: Sequence[bytes],
    make: Callable[[list[int]], NDArray[np.float32]],
    folder: Path | None,
    *,
    size: Callable[[int], int] = lambda row: 0,
    what: str = "rows",
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """(rows, width): features by key, those of the folder and, where they are not there, what `make` gives for the rows
    of these numbers; each key once, the largest rows (`size`) last. No rows give (0, 0)."""
    known = {} if folder is None else _read(folder, set(keys))
    todo: dict[bytes, int] = {}
    for row, name in enumerate(keys):
        if name not in known:
            todo.setdefault(name, row)
    # the order in no way depends on the rest of the call
    names = sorted(todo, key=lambda name: (size(todo[name]), name))
    for start in range(0, len(names), PIECE):
        part = names[start : start + PIECE]
        made = make([todo[name] for name in part])
        known.update(zip(part, made, strict=True))
        if folder is not None:
            _write(folder, part, made)
        progress(f"encoding {what}", min(start + PIECE, len(names)), len(names))
    return np.stack([known[name] for name in keys]) if len(keys) else np.zeros((0, 0), dtype=np.float32)


@torch.no_grad()
def encoded_texts(
    model: Any,
    tokenizer: Any,
    texts: Sequence[str],
    *,
    pooling: Pooling,
    limit: int,
    cut: Cut | None = None,
    windows: str = "mean",
) -> NDArray[np.float32]:
    """The same without a cache; texts of like length go through together, each with all its windows."""
    device = next(model.parameters()).device
    model.eval()
    tokens = tokenized(tokenizer, texts, limit)
    lengths = tokens.lengths
    order = np.argsort(lengths, kind="stable")
    found: NDArray[np.float32] | None = None
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * max(lengths[order[stop]], 1) <= CELLS:
            stop += 1
        rows = order[start:stop]
        ids, mask = tokens.padded(rows, tokenizer.pad_token_id)
        made = text_vectors(model, ids.to(device), mask.to(device), pooling, cut, windows).float().cpu().numpy()
        if found is None:
            found = np.zeros((len(order), made.shape[1]), dtype=np.float32)
        found[rows] = made
        start = stop
    if found is None:
        return np.zeros((0, model.config.get_text_config().hidden_size), dtype=np.float32)
    return found


def text_vectors(model: Any, ids: Tensor, mask: Tensor, pooling: str, cut: Cut | None, windows: str) -> Tensor:
    """(texts, width) of texts that go through an encoder at once, whole or in windows."""
    if cut is None:
        return encoded(model, ids, mask, pooling)
    parts = windows_of(torch.where(mask > 0, ids, -1), cut)
    real = parts.tokens >= 0
    vectors = encoded(model, torch.where(real, parts.tokens, ids[0, 0]), real.long(), pooling)
    return pooled_windows(*by_text(vectors, parts), windows)


def _write(folder: Path, names: list[bytes], features: NDArray[np.float32]) -> None:
    from safetensors.numpy import save

    keys = np.frombuffer(b"".join(names), dtype=np.uint8).reshape(len(names), KEY)
    content = save({"keys": np.ascontiguousarray(keys), "features": np.ascontiguousarray(features)})
    write_atomic(folder / f"{hashlib.sha256(content).hexdigest()[:24]}.safetensors", content)


def _read(folder: Path, wanted: set[bytes]) -> dict[bytes, NDArray[np.float32]]:
    """What is known of these texts. A piece whose name is not the hash of its content is damaged and is taken away:
    it is made again."""
    from safetensors.numpy import load

    found: dict[bytes, NDArray[np.float32]] = {}
    for path in sorted(folder.glob("[0-9a-f]*.safetensors")):
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:24] != path.stem:
            path.unlink(missing_ok=True)
            continue
        piece = load(content)
        for row, key in enumerate(piece["keys"]):
            name = key.tobytes()
            if name in wanted:
                found[name] = piece["features"][row]
    return found
