"""A text encoder with a head as a module built from plain values, and what its family asks of transformers."""

from functools import lru_cache
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from melior.networks.build import drawing
from melior.networks.freezing import freeze
from melior.networks.library import whole_library
from melior.networks.loading import Loaded, found, load_encoder, quiet
from melior.networks.longer import repeated_positions, why_not, with_local_attention
from melior.networks.losses import TextClassifier
from melior.networks.tokens import tokenized
from melior.networks.windows import Cut, Windows, windows_of

AHEAD = "classifier.encoder."  # where the pretrained weights stand in the module


class EncodedText(nn.Module):
    """Token numbers to (rows, classes) logits, by a plan of plain values: config (of the encoder), text (name of the
    part), classes, pooling, dropout, tuning, layers, rank, alpha, pad; cut (of `melior.networks.windows`) and windows
    (how they are pooled) where long texts are cut; local (window, first) where attention is local."""

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__()
        self.text, self.pad = plan["text"], plan["pad"]
        self.cut = Cut(*plan["cut"]) if plan.get("cut") else None
        self.resting = plan["tuning"] == "frozen"
        encoder = encoder_of(plan["config"])
        tuned(encoder, plan)
        with_local_attention(encoder, plan.get("local"))
        how = {"pooling": plan["pooling"], "dropout": plan["dropout"], "windows": plan.get("windows")}
        self.classifier = TextClassifier(encoder, plan["classes"], **how)

    def forward(self, values: Tensor, **parts: Tensor) -> Tensor:
        ids, mask, windows = self.read(parts[self.text])
        found: Tensor = self.classifier(ids, mask, windows)
        return found

    def read(self, tokens: Tensor) -> tuple[Tensor, Tensor, Windows | None]:
        """What the encoder is given for tokens (rows, time), -1 where a row has ended."""
        windows = None if self.cut is None else windows_of(tokens, self.cut)
        tokens = tokens if windows is None else windows.tokens
        real = tokens >= 0
        mask = real.clone()
        mask[:, 0] = True  # a row without any token attends its one pad token
        return torch.where(real, tokens, self.pad), mask.long(), windows

    def train(self, mode: bool = True) -> Self:
        """A frozen encoder drops nothing out: its states are the same in every epoch."""
        super().train(mode)
        if self.resting:
            self.classifier.encoder.eval()
        return self

    @torch.no_grad()
    def token_weights(self, tokens: Tensor) -> Tensor:
        """(rows, time) what each token counts in its row, summing to 1; a token of several windows in all of them."""
        ids, mask, windows = self.read(tokens)
        own, of_window = self.classifier.token_weights(ids, mask, windows)
        if windows is None:
            return own
        weights = own * of_window[:, None]
        found = weights.new_zeros(tokens.shape)
        at = (windows.owners[:, None].expand_as(weights), windows.sources.clamp(min=0))
        return found.index_put(at, weights, accumulate=True)


def tuned(encoder: Any, plan: dict[str, Any]) -> None:
    """What of the encoder is trained, as the plan says; the random A of a LoRA comes from torch's random state."""
    how: dict[str, Any] = {}
    if plan["tuning"] == "last_k":
        how = {"layers": plan["layers"]}
    if plan["tuning"] == "lora":
        how = {"rank": plan["rank"], "alpha": plan["alpha"], "seed": int(torch.randint(2**31, ()))}
    freeze(encoder, plan["tuning"], **how)


def encoder_of(config: dict[str, Any]) -> Any:
    """An encoder with weights from torch's random state."""
    whole_library()
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding

    with quiet():
        made = AutoConfig.for_model(**config)
        auto = AutoModelForTextEncoding if getattr(made, "is_encoder_decoder", False) else AutoModel
        kind = auto._model_mapping[type(made)]
        kind = kind[0] if isinstance(kind, tuple) else kind
        try:
            return kind(made, add_pooling_layer=False).eval()
        except TypeError:
            return kind(made).eval()


def config_of(model: Any) -> dict[str, Any]:
    """The config as plain values, without where it came from."""
    import json

    kept = json.loads(model.config.to_json_string(use_diff=True))
    left_out = ("transformers_version", "_name_or_path", "architectures", "_model_name_or_path")
    return {"model_type": model.config.model_type, **{k: v for k, v in kept.items() if k not in left_out}}


def pretrained_state(source: str, plan: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The pretrained weights under their names in `EncodedText`."""
    encoder = with_config(pretrained(source).model, plan["config"])
    with drawing():  # a LoRA's numbers, which are left out
        tuned(encoder, plan)
    state = {name: value for name, value in encoder.state_dict().items() if not name.endswith((".a", ".b"))}
    return {f"{AHEAD}{name}": value.detach().numpy() for name, value in state.items()}


def pretrained(source: str) -> Loaded:
    """The encoder of a folder or name, read once as long as its files are the same."""
    return _pretrained(source, _files(source))


def _files(source: str) -> tuple[tuple[str, int, int], ...]:
    return tuple(sorted((one.name, one.stat().st_mtime_ns, one.stat().st_size) for one in found(source).iterdir()))


@lru_cache(maxsize=2)
def _pretrained(source: str, state: Any) -> Loaded:
    return load_encoder(source)


def encoder_state(model: Any) -> dict[str, NDArray[Any]]:
    """Weights by name, as numpy sees them: no copy."""
    return {name: value.detach().numpy() for name, value in model.state_dict().items()}


def rebuilt_encoder(config: dict[str, Any], state: dict[str, NDArray[Any]], local: dict[str, int] | None = None) -> Any:
    """The encoder of `config_of` and `encoder_state`; local: with such attention."""
    from melior.networks.states import put_state

    with torch.random.fork_rng(devices=[]):
        encoder = encoder_of(config)
    put_state(encoder, state)
    return with_local_attention(encoder, local)


def with_config(model: Any, config: dict[str, Any]) -> Any:
    """A copy of a pretrained encoder; `config` is its own, or the same for longer texts."""
    import copy

    own = config_of(model)
    if own.get("max_position_embeddings") == config.get("max_position_embeddings"):
        return copy.deepcopy(model)
    return rebuilt_encoder(config, repeated_positions(encoder_state(model), own, config))


@lru_cache(maxsize=8)
def _local_attention_refused(source: str, state: Any) -> str | None:
    loaded = _pretrained(source, state)
    config, weights = config_of(loaded.model), encoder_state(loaded.model)
    return why_not(lambda: rebuilt_encoder(config, weights), len(loaded.tokenizer), loaded.limit)


def local_attention_refused(source: str) -> str | None:
    """Why the encoder of a folder or name cannot attend within windows, or None."""
    return _local_attention_refused(source, _files(source))


def token_numbers(tokenizer: Any, texts: list[str], limit: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """All tokens one after another, and how many each text has."""
    made = tokenized(tokenizer, texts, limit)
    return made.values, made.lengths
