"""Tiny models of pictures with random weights, as folders of transformers."""

import json

import torch
import transformers

SIZE = 32
SIZED = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
STAGES = {"hidden_sizes": [8, 12, 16], "depths": [1, 2, 1]}
# what a folder of each architecture holds: class of the model, class of the config, its settings
ARCHITECTURES = {
    "vit": ("ViTForImageClassification", "ViTConfig", {**SIZED, "image_size": SIZE, "patch_size": 8}),
    "deit": ("DeiTModel", "DeiTConfig", {**SIZED, "image_size": SIZE, "patch_size": 8}),
    "dinov2": ("Dinov2Model", "Dinov2Config", {**SIZED, "image_size": SIZE, "patch_size": 8, "mlp_ratio": 2}),
    "convnext": (
        "ConvNextForImageClassification",
        "ConvNextConfig",
        {**STAGES, "num_stages": 3, "patch_size": 4, "image_size": SIZE},
    ),
    "resnet": ("ResNetForImageClassification", "ResNetConfig", {**STAGES, "embedding_size": 8, "layer_type": "basic"}),
    "swin": (
        "SwinModel",
        "SwinConfig",
        {"embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2], "window_size": 4, "patch_size": 4, "image_size": SIZE},
    ),
    "mobilenet": ("MobileNetV2Model", "MobileNetV2Config", {"depth_multiplier": 0.25, "image_size": SIZE}),
}
PREPARED = {
    "do_resize": True, "size": {"height": SIZE, "width": SIZE}, "resample": 2, "do_rescale": True,
    "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
}  # fmt: skip


def made(folder, name, prepare=PREPARED, **more):
    """A folder with a tiny model that never saw a picture."""
    model, config, settings = ARCHITECTURES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = getattr(transformers, model)(getattr(transformers, config)(**{**settings, **more}))
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(prepare))
    return str(folder)
