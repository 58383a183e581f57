"""A text encoder with a head as a module built from plain values, and what its family asks of transformers."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from melior.networks.build import drawing
from melior.networks.freezing import freeze
from melior.networks.loading import Loaded, found, load_encoder, quiet
from melior.networks.losses import TextClassifier
from melior.networks.tokens import tokenized

AHEAD = "classifier.encoder."  # where the pretrained weights stand in the module


class EncodedText(nn.Module):
    """Token numbers to (rows, classes) logits, by a plan of plain values: config (of the encoder), text (name of the
    part), classes, pooling, dropout, tuning, layers, rank, alpha, pad."""

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__()
        self.text, self.pad = plan["text"], plan["pad"]
        encoder = encoder_of(plan["config"])
        tuned(encoder, plan)
        self.classifier = TextClassifier(encoder, plan["classes"], pooling=plan["pooling"], dropout=plan["dropout"])

    def forward(self, values: Tensor, **parts: Tensor) -> Tensor:
        tokens = parts[self.text]  # (rows, time), -1 where a row has ended
        real = tokens >= 0
        mask = real.clone()
        mask[:, 0] = True  # a row without any token attends its one pad token
        found: Tensor = self.classifier(torch.where(real, tokens, self.pad), mask.long())
        return found


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
    import copy

    encoder = copy.deepcopy(pretrained(source).model)
    with drawing():  # a LoRA's numbers, which are left out
        tuned(encoder, plan)
    state = {name: value for name, value in encoder.state_dict().items() if not name.endswith((".a", ".b"))}
    return {f"{AHEAD}{name}": value.detach().numpy() for name, value in state.items()}


def pretrained(source: str) -> Loaded:
    """The encoder of a folder or name, read once as long as its files are the same."""
    path = found(source)
    state = tuple(sorted((one.name, one.stat().st_mtime_ns, one.stat().st_size) for one in path.iterdir()))
    return _pretrained(source, state)


@lru_cache(maxsize=2)
def _pretrained(source: str, state: Any) -> Loaded:
    return load_encoder(source)


def encoder_state(model: Any) -> dict[str, NDArray[Any]]:
    """Weights by name, as numpy sees them: no copy."""
    return {name: value.detach().numpy() for name, value in model.state_dict().items()}


def rebuilt_encoder(config: dict[str, Any], state: dict[str, NDArray[Any]]) -> Any:
    """The encoder of `config_of` and `encoder_state`."""
    from melior.networks.states import put_state

    with torch.random.fork_rng(devices=[]):
        encoder = encoder_of(config)
    put_state(encoder, state)
    return encoder


def token_numbers(tokenizer: Any, texts: list[str], limit: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """All tokens one after another, and how many each text has."""
    made = tokenized(tokenizer, texts, limit)
    return made.values, made.lengths
