"""LoRA adapters on disk in PEFT's format: adapter_config.json and adapter_model.safetensors.

A weight is called `base_model.model.NAME.lora_A.weight` (rank, inputs) or `...lora_B.weight` (outputs, rank), with
NAME the layer's full name in the transformers model.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from melior.errors import UserError
from melior.networks.lora import LoraLayer, add_lora, lora_layers, matching
from melior.storage import write_atomic

BEFORE = "base_model.model."
# variants of LoRA that a config may ask for and that are not read: each changes what the numbers mean
OTHER = ("use_dora", "alora_invocation_tokens", "layer_replication", "modules_to_save", "trainable_token_indices")


def save_adapter(model: nn.Module, folder: str | Path, *, base: str, causal: bool) -> list[Path]:
    """Writes the LoRA layers of a transformers model; returns the two paths.

    base    the name or folder of the model that it belongs to, for whoever reads it
    causal  whether that is a causal language model (PEFT's task type)
    """
    from safetensors.torch import save

    layers = lora_layers(model)
    assert layers, "add_lora comes before save_adapter"
    first = next(iter(layers.values()))
    largest = max(layer.rank for layer in layers.values())
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM" if causal else "FEATURE_EXTRACTION",
        "base_model_name_or_path": base,
        "r": largest,
        "lora_alpha": first.alpha,
        "lora_dropout": first.dropout,
        "target_modules": _targets(model, layers),
        "rank_pattern": {name: layer.rank for name, layer in layers.items() if layer.rank != largest},
        "alpha_pattern": {},
        "bias": "none",
        "fan_in_fan_out": first.transposed,
        "use_rslora": first.root,
        "inference_mode": True,
    }
    tensors = {}
    for name, layer in layers.items():
        tensors[f"{BEFORE}{name}.lora_A.weight"] = layer.a.detach().cpu().contiguous()
        tensors[f"{BEFORE}{name}.lora_B.weight"] = layer.b.detach().cpu().contiguous()
    weights, settings = Path(folder) / "adapter_model.safetensors", Path(folder) / "adapter_config.json"
    write_atomic(weights, save(tensors, metadata={"format": "pt"}))
    write_atomic(settings, json.dumps(config, indent=2, ensure_ascii=False))
    return [settings, weights]


def load_adapter(model: nn.Module, folder: str | Path) -> list[str]:
    """Puts the adapter of a folder on a transformers model (which has none yet); returns the names of its layers.

    UserError: no adapter there, a variant of LoRA that is not read, an adapter of another model, damaged weights.
    """
    from melior.networks.loading import read_weights

    folder = Path(folder)
    config = _config(folder)
    path = next((p for p in (folder / "adapter_model.safetensors", folder / "adapter_model.bin") if p.exists()), None)
    if path is None:
        raise UserError(f"{folder}: adapter_model.safetensors is missing; restore it from a copy.")
    tensors = _by_layer(read_weights(path), path)
    unknown = sorted(set(tensors) - {name for name, _ in model.named_modules()})
    if unknown:
        raise UserError(f"{folder}: the model has no layer {unknown[0]}: the adapter belongs to another model.")
    if not tensors:
        raise UserError(f"{path} holds no LoRA weights: it is damaged, or not PEFT's format.")
    for name, parts in tensors.items():  # looked at whole before the model is changed
        _fits(model, name, parts, folder)
    dropout = float(config.get("lora_dropout") or 0.0)
    root = bool(config.get("use_rslora", False))
    for name, (a, b) in tensors.items():
        rank = a.shape[0]
        alpha = _pattern(config.get("alpha_pattern") or {}, name, config.get("lora_alpha", 8))
        add_lora(model, rank=rank, alpha=float(alpha), dropout=dropout, targets=[name], root=root)
        layer = lora_layers(model)[name]
        with torch.no_grad():
            layer.a.copy_(a)
            layer.b.copy_(b)
    for layer in lora_layers(model).values():
        layer.a.requires_grad_(True)
        layer.b.requires_grad_(True)
    return list(tensors)


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "adapter_config.json"
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{folder}: there is no adapter_config.json in it, so it is no adapter.") from None
    except ValueError:
        raise UserError(f"{path} is damaged (not JSON): restore it from a copy.") from None
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise UserError(f"{path}: it is no LoRA adapter; other kinds are not read.")
    asked = [key for key in OTHER if config.get(key)]
    if config.get("bias", "none") != "none":
        asked.append("bias")
    if asked:
        raise UserError(f"{path}: {asked[0]} is not read; merge the adapter into its model with the tool that made it.")
    return config


def _by_layer(tensors: dict[str, Tensor], path: Path) -> dict[str, tuple[Tensor, Tensor]]:
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name = key.removeprefix(BEFORE)
        for part in ("lora_A", "lora_B"):
            if name.endswith(f".{part}.weight"):
                found.setdefault(name.removesuffix(f".{part}.weight"), {})[part] = tensor
                break
        else:
            raise UserError(f"{path}: {key} is no LoRA weight of a linear layer; only those are read.")
    half = sorted(name for name, parts in found.items() if len(parts) < 2)
    if half:
        raise UserError(f"{path}: {half[0]} has one of its two weights only: the file is damaged.")
    return {name: (parts["lora_A"], parts["lora_B"]) for name, parts in found.items()}


def _fits(model: nn.Module, name: str, parts: tuple[Tensor, Tensor], folder: Path) -> None:
    shape = tuple(getattr(model.get_submodule(name), "weight", torch.empty(0)).shape)
    a, b = parts
    made = (b.shape[0], a.shape[1])
    if a.shape[0] != b.shape[1] or sorted(made) != sorted(shape):
        raise UserError(
            f"{folder}: {name} is {list(shape)} in the model and {list(made)} in the adapter: it belongs to another."
        )


def _targets(model: nn.Module, layers: dict[str, LoraLayer]) -> list[str]:
    """Ends of names that mean exactly these layers, or else their full names."""
    ends = sorted({name.rpartition(".")[2] for name in layers})
    return ends if _outer(model, ends) == set(layers) else sorted(layers)


def _outer(model: nn.Module, ends: list[str]) -> set[str]:
    inside = tuple(f"{name}." for name in lora_layers(model))
    wrapped = set(lora_layers(model))
    names = {name for name in matching(model, ends) if not name.startswith(inside)}
    return names | {name for name in wrapped if name.rpartition(".")[2] in ends}


def _pattern(patterns: dict[str, Any], name: str, otherwise: Any) -> Any:
    """PEFT's patterns: a key is the end of a layer's name, or a regular expression of it."""
    import re

    for key, value in patterns.items():
        if re.fullmatch(rf"(.*\.)?({key})", name):
            return value
    return otherwise
