"""The residual network of an `image_network` run as the beginning of another: its weights and what it is built from."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from melior.errors import UserError
from melior.networks.loading import read_weights
from melior.networks.pictures import PictureVector
from melior.networks.states import put_state
from melior.storage import Fitted

IMAGE = "images.0."  # where the first column's part stands in the state of a fusion network
PLAN = ("image_channels", "image_depth", "image_stride", "image_normalization", "activation")


def has_predictor(folder: Path) -> bool:
    """Whether a run's predictor lies in the folder, or in its folder `predictor`."""
    return any((one / "predictor.json").exists() for one in (folder, folder / "predictor"))


def residual_base(path: Path, name: str) -> tuple[nn.Module, dict[str, Any]]:
    """The network and the plan of it, from the folder of a run or a predictor, or a file of weights.

    In a file of weights alone names are those of `PictureVector` or of the whole network; what the weights do not say,
    the activation and the stride, is then what `image_network` takes: relu and 2.
    """
    folder = path.parent if path.is_file() else path
    if has_predictor(folder) and (path.is_dir() or path.name == "predictor.safetensors"):
        state, config = _of_run(folder if (folder / "predictor.json").exists() else folder / "predictor", name)
    else:
        state = {key: np.asarray(value.float()) for key, value in read_weights(path).items()}
        state, config = _of_state(state, name)
    channels = int(state["stem.weight"].shape[1])
    with torch.random.fork_rng(devices=[]):
        encoder = PictureVector(channels, config)
    try:
        put_state(encoder, state)
    except UserError:
        raise UserError(f"{name}: its weights are not those of one residual network; give a whole file.") from None
    plan = {"kind": "residual", "config": config, "pooling": "own", "width": encoder.width, "channels": channels}
    return encoder.eval(), plan


def _of_run(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """State and plan of the first residual network in a predictor."""
    from melior.predictor import Predictor

    todo: list[Any] = [Predictor.load(folder)]
    while todo:
        one = todo.pop()
        plan, state = getattr(one, "plan", None), getattr(one, "state", None)
        if isinstance(plan, dict) and isinstance(state, dict) and plan.get("images"):
            column = plan["images"][0][0]
            encoder = plan.get("encoders", {}).get(column)
            own = {key.removeprefix(IMAGE): value for key, value in state.items() if key.startswith(IMAGE)}
            if encoder is None:
                return own, {key: plan[key] for key in PLAN}
            if encoder["kind"] == "residual":
                return {key.removeprefix("encoder."): value for key, value in own.items()}, encoder["config"]
            raise UserError(f"{name}: its network began with a model of its own; give that model as base.")
        if isinstance(one, Fitted):
            todo.extend(one.kept().values())
        elif isinstance(one, list | tuple):
            todo.extend(one)
    raise UserError(f"{name}: there is no network over pictures in this run; give a run of image_network.")


def _of_state(state: dict[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    own = {key.removeprefix(IMAGE): value for key, value in state.items() if key.startswith(IMAGE)} or state
    own = {key.removeprefix("encoder."): value for key, value in own.items()}
    stem = own.get("stem.weight")
    blocks = {key.split(".")[1] for key in own if key.startswith("stages.")}
    if stem is None or stem.ndim != 4 or stem.shape[1] not in (1, 3) or not blocks or len(blocks) % 3:
        raise UserError(
            f"{name}: there is no config.json beside it, and its weights are not those of image_network; put the "
            "config.json and the preprocessor_config.json of the model into the same folder."
        )
    norm = "batch" if "stem_norm.running_mean" in own else "layer" if "stem_norm.weight" in own else "none"
    config = {
        "image_channels": int(stem.shape[0]),
        "image_depth": len(blocks) // 3,
        "image_stride": 2,
        "image_normalization": norm,
        "activation": "relu",
    }
    return own, config
