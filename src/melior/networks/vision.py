"""Pretrained encoders of pictures: what they are, how they are read, and the module that gives a vector a picture.

A base is a transformers model of pictures (a folder, a name, or a file of weights with its config.json beside it), or
the residual network of `image_network` (a run's predictor, or a file of its weights). What is read is put into plain
values, from which the module is built again without the base.
"""

import inspect
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from melior.errors import UserError
from melior.images.prepare import preparation, size_of
from melior.networks.build import drawing
from melior.networks.encoded import config_of, tuned
from melior.networks.freezing import standing_after
from melior.networks.library import whole_library
from melior.networks.loading import WEIGHTS, config_at, first_line, found, kind_of, quiet, with_weights
from melior.networks.lora import linear_names
from melior.networks.pictures import PictureVector

OPTIONAL = ("pooler.", "mask_token")  # weights that a checkpoint for classification may lack: not used, or done without
AHEAD = "encoder."  # where the pretrained weights stand in `EncodedPicture`


@dataclass(frozen=True)
class Seen:
    """A pretrained encoder of pictures.

    encoder  the module, float32, in evaluation mode
    plan     plain values of which `encoder_of` builds it again: kind, config, pooling, prepare, width, channels
    name     what it was asked for by
    """

    encoder: nn.Module
    plan: dict[str, Any]
    name: str


class EncodedPicture(nn.Module):
    """(rows, height, width, channels) bytes to (rows, width): a pretrained encoder, by a plan of plain values: those of
    `Seen`, and tuning, layers, rank and alpha."""

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__()
        self.encoder = encoder_of(plan)
        self.pooling: str = plan["pooling"]
        self.width: int = plan["width"]
        trained_part(self.encoder, plan)
        if plan["kind"] == "transformers":
            how = plan["prepare"]
            self.register_buffer("mean", torch.tensor(how["mean"], dtype=torch.float64).float())
            self.register_buffer("spread", torch.tensor(how["spread"], dtype=torch.float64).float())

    def forward(self, pixels: Tensor) -> Tensor:
        if self.pooling == "own":
            own: Tensor = self.encoder(pixels)
            return own
        mean = self.get_buffer("mean")
        seen = ((pixels.to(mean.dtype) - mean) / self.get_buffer("spread")).permute(0, 3, 1, 2).contiguous()
        return pooled(self.encoder(pixel_values=seen), self.pooling)

    def train(self, mode: bool = True) -> "EncodedPicture":
        """Batch normalisations that are not trained keep the means and variances that they came with."""
        super().train(mode)
        for module in self.encoder.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and not any(
                parameter.requires_grad for parameter in module.parameters()
            ):
                module.eval()
        return self


def pooled(output: Any, pooling: str) -> Tensor:
    """(rows, width): the model's own pooling, its first token, or the mean over places."""
    if pooling == "pooler":
        vector: Tensor = output.pooler_output
        return vector.flatten(1)
    last: Tensor = output.last_hidden_state  # (rows, places, width) or (rows, width, height, width)
    if pooling == "cls":
        return last[:, 0]
    return last.mean(dim=1) if last.dim() == 3 else last.mean(dim=(2, 3))


def encoder_of(plan: dict[str, Any]) -> nn.Module:
    """The encoder with weights from torch's random state."""
    if plan["kind"] == "residual":
        return PictureVector(plan["channels"], plan["config"]).eval()
    whole_library()
    from transformers import AutoConfig, AutoModel

    with quiet():
        config = AutoConfig.for_model(**plan["config"])
        kind = kind_of(AutoModel, "this model", config)
        return made_of(kind, config, pooling=plan["pooling_layer"])


def made_of(kind: Any, config: Any, *, pooling: bool) -> nn.Module:
    takes = "add_pooling_layer" in inspect.signature(kind.__init__).parameters
    made: nn.Module = kind(config, add_pooling_layer=pooling).eval() if takes else kind(config).eval()
    return made


def trained_part(encoder: nn.Module, plan: dict[str, Any]) -> None:
    """Sets what of the encoder is trained; after the last layers all that follows them, pooling and convolutions too.
    UserError: more layers than there are, a LoRA without linear layers."""
    if plan["tuning"] == "lora":
        needs_linear(encoder)
    if not isinstance(encoder, PictureVector) or plan["tuning"] != "last_k":
        tuned(encoder, plan)
        for module in standing_after(encoder) if plan["tuning"] == "last_k" else []:
            module.requires_grad_(True)
        return
    encoder.requires_grad_(False)
    own, layers = list(encoder.stages), plan["layers"]
    if layers > len(own):
        raise UserError(f"last_k: the model has {len(own)} layers and {layers} are asked for; give 1..{len(own)}.")
    for block in own[len(own) - layers :]:
        block.requires_grad_(True)


def needs_linear(encoder: nn.Module) -> None:
    """UserError where a LoRA has no layer to stand beside."""
    if isinstance(encoder, PictureVector) or not linear_names(encoder):
        raise UserError("tuning lora needs linear layers, and this model has convolutions; use last_k, full or frozen.")


def pretrained_pictures(base: str) -> Seen:
    """The encoder of a folder, a name or a file, read once as long as its files are the same."""
    path = found(base)
    files = sorted(path.iterdir()) if path.is_dir() else [*sorted(path.parent.glob("*.json")), path]
    state = tuple((one.name, one.stat().st_mtime_ns, one.stat().st_size) for one in files)
    return _pretrained(base, state)


@lru_cache(maxsize=2)
def _pretrained(base: str, state: Any) -> Seen:
    with drawing():  # weights that are missing and not used are drawn
        return load_pictures(base)


def load_pictures(base: str | Path) -> Seen:
    """An encoder of pictures by folder, name or file of weights; nothing in it is executed.

    UserError: it cannot be reached, is damaged, would need code of its own, reads texts, does not say how pictures are
    prepared, its weights do not fit its config, or its pictures have another number of channels or another size.
    """
    from melior.networks.residual_base import has_predictor, residual_base

    path = found(base)
    if path.is_file() and path.suffix not in WEIGHTS:
        raise UserError(f"{base} is no file of weights; give {', '.join(WEIGHTS)}, or a folder with config.json.")
    folder = path.parent if path.is_file() else path
    if not (folder / "config.json").exists() and (path.is_file() or has_predictor(folder)):
        encoder, plan = residual_base(path, str(base))
        return Seen(encoder, plan, str(base))
    return _transformer(path, folder, str(base))


def _transformer(path: Path, folder: Path, name: str) -> Seen:
    whole_library()
    from transformers import AutoModel

    config = config_at(folder, name)
    kind = kind_of(AutoModel, name, config)
    if getattr(kind, "main_input_name", "") != "pixel_values" or hasattr(config, "text_config"):
        raise UserError(
            f"{name}: {config.model_type} is no model of pictures alone; use one that reads pixel values, or "
            "text_encoder for a model of texts."
        )
    channels = int(getattr(config, "num_channels", 3) or 3)
    if channels not in (1, 3):
        raise UserError(f"{name}: its pictures have {channels} channels; grey (1) and colour (3) are what is read.")
    prepare = preparation(folder, name, channels)
    model, missing = with_weights(path, name, config, kind, pooling=True, optional=OPTIONAL)
    layer = not any("pooler." in key for key in missing)
    if not layer:  # one that nobody trained
        model, _ = with_weights(path, name, config, kind, pooling=False, optional=OPTIONAL)
    pooling, width = _shown(model, name, prepare)
    plan = {
        "kind": "transformers",
        "config": {key: value for key, value in config_of(model).items() if key not in ("id2label", "label2id")},
        "pooling_layer": layer,
        "pooling": pooling,
        "prepare": prepare,
        "width": width,
        "channels": channels,
    }
    return Seen(model, plan, name)


@torch.no_grad()
def _shown(model: Any, name: str, prepare: dict[str, Any]) -> tuple[str, int]:
    """How a vector is got from the model, and its width, by showing it one black picture."""
    height, width = size_of(prepare)
    try:
        with quiet():
            output = model(pixel_values=torch.zeros(1, prepare["channels"], height, width))
        if getattr(output, "pooler_output", None) is not None:
            pooling = "pooler"
        else:
            first = any(key.rpartition(".")[2] in ("cls_token", "class_embedding") for key in model.state_dict())
            pooling = "cls" if first else "mean"
        vector = pooled(output, pooling)
    except Exception as error:
        raise UserError(
            f"{name}: its preprocessor_config.json makes pictures of {height} by {width} pixels, and the model cannot "
            f"take them ({first_line(error)}); use the file that belongs to the model."
        ) from None
    if vector.dim() != 2 or not torch.isfinite(vector).all():
        raise UserError(f"{name}: it gives no vector of numbers for a picture; use another model.")
    return pooling, int(vector.shape[1])


def pretrained_weights(base: str, plan: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The pretrained weights under their names in `EncodedPicture`, a LoRA's own left out."""
    import copy

    encoder = copy.deepcopy(pretrained_pictures(base).encoder)
    with drawing():
        trained_part(encoder, plan)
    state = {name: value for name, value in encoder.state_dict().items() if not name.endswith((".a", ".b"))}
    return {f"{AHEAD}{name}": value.detach().numpy() for name, value in state.items()}


def can_tune(base: str, plan: dict[str, Any]) -> None:
    """UserError where the base cannot be trained so."""
    import copy

    encoder = pretrained_pictures(base).encoder
    try:
        if plan["tuning"] == "lora":
            needs_linear(encoder)
        if plan["tuning"] == "last_k":
            trained_part(copy.deepcopy(encoder), plan)
    except UserError as error:
        raise UserError(f"{base}: {error}") from None


def frozen_module(plan: dict[str, Any], state: dict[str, NDArray[Any]]) -> EncodedPicture:
    """The module of a frozen encoder, with its weights, in evaluation mode."""
    from melior.networks.states import put_state

    with drawing():  # weights that are then overwritten
        module = EncodedPicture(plan)
    put_state(module.encoder, state)
    return module.eval()


@torch.inference_mode()
def vectors(module: EncodedPicture, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(pictures, width) of (pictures, height, width, channels): one at a time, so that the last digits of one do not
    hang on those beside it."""
    made = [module(torch.from_numpy(np.array(one[None]))).numpy() for one in pixels]
    return np.concatenate(made).astype(np.float32)


def as_arrays(encoder: nn.Module) -> dict[str, NDArray[np.generic]]:
    """Weights by name, as numpy sees them: no copy."""
    return {name: value.detach().numpy() for name, value in encoder.state_dict().items()}
