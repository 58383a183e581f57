"""Pictures as preprocessor_config.json asks: against transformers' own processors, and against the formula."""

import json

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image

from melior.errors import UserError
from melior.images.prepare import middle, preparation, prepared, size_of

HALF = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}
# class of transformers without torchvision, and its settings
PROCESSORS = {
    "square": ("ViTImageProcessorPil", {"size": {"height": 20, "width": 24}, "resample": 3, **HALF}),
    "shortest and crop": (
        "BitImageProcessorPil",
        {"size": {"shortest_edge": 21}, "crop_size": {"height": 16, "width": 17}, "resample": 3, **HALF},
    ),
    "crop larger than the picture": (
        "BitImageProcessorPil",
        {"do_resize": False, "crop_size": {"height": 61, "width": 60}, **HALF},
    ),
    "convnext": ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 28}, "crop_pct": 0.875, "resample": 3}),
    "convnext large": ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 384}}),
    "deit": ("DeiTImageProcessorPil", {"size": {"height": 26, "width": 26}, "crop_size": {"height": 22, "width": 22}}),
    "levit": ("LevitImageProcessorPil", {"size": {"shortest_edge": 21}, "crop_size": {"height": 21, "width": 21}}),
    "mobilevit": (
        "MobileViTImageProcessorPil",
        {"size": {"shortest_edge": 28}, "crop_size": {"height": 24, "width": 24}},
    ),
    "mobilenet": (
        "MobileNetV2ImageProcessorPil",
        {"size": {"shortest_edge": 28}, "crop_size": {"height": 24, "width": 24}},
    ),
    "efficientnet": (
        "EfficientNetImageProcessorPil",
        {"size": {"height": 24, "width": 24}, "rescale_factor": 1 / 127.5, "rescale_offset": True, **HALF},
    ),
    "nothing scaled": ("ViTImageProcessorPil", {"size": {"height": 8, "width": 8}, "do_rescale": False}),
    "not normalised": ("ViTImageProcessorPil", {"size": {"height": 8, "width": 8}, "do_normalize": False}),
}


def picture(height=47, width=35, seed=0):
    random = np.random.default_rng(seed)
    rough = Image.fromarray(random.integers(0, 256, (9, 7, 3), dtype=np.uint8))
    return np.asarray(rough.resize((width, height), Image.Resampling.BICUBIC))


def read(made, how):
    """What the model reads of prepared bytes: (channels, height, width)."""
    return ((made.astype(np.float64) - how["mean"]) / how["spread"]).transpose(2, 0, 1)


def written(folder, **said):
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


@pytest.mark.parametrize("case", PROCESSORS)
@pytest.mark.parametrize("shape", [(47, 35), (30, 52), (33, 33)])
def test_as_transformers_prepares(case, shape, tmp_path):
    transformers = pytest.importorskip("transformers")
    name, settings = PROCESSORS[case]
    processor = getattr(transformers, name)(**settings)
    processor.save_pretrained(tmp_path)
    how = preparation(tmp_path, "model", 3)
    pixels = picture(*shape)
    made = prepared(pixels, how)
    assert made.shape == (*size_of(how), 3)
    wanted = processor(Image.fromarray(pixels), return_tensors="np")["pixel_values"][0]
    assert np.allclose(read(made, how), wanted, atol=1e-5)


def test_as_the_formula_says(tmp_path):
    """Resized so that the shorter side is 20, the middle 16 cut out, x / 255, minus the mean, by the deviation."""
    said = {"size": {"shortest_edge": 20}, "do_center_crop": True, "crop_size": 16, "resample": 2, **HALF}
    how = preparation(written(tmp_path, **said), "model", 3)
    pixels = picture(50, 40)
    small = np.asarray(Image.fromarray(pixels).resize((20, 25), Image.Resampling.BILINEAR))
    cut = small[4:20, 2:18].astype(np.float64)
    wanted = (cut / 255 - HALF["image_mean"]) / HALF["image_std"]
    assert np.allclose(read(prepared(pixels, how), how), wanted.transpose(2, 0, 1), atol=1e-12)


def test_old_files_say_less(tmp_path):
    square = preparation(written(tmp_path, size=24, feature_extractor_type="ViTFeatureExtractor", **HALF), "m", 3)
    assert square["resize"] == [24, 24]
    crop = {"crop_pct": 0.875, "feature_extractor_type": "ConvNextFeatureExtractor"}
    cut = preparation(written(tmp_path, size=224, **crop, **HALF), "m", 3)
    assert (cut["resize"], cut["crop"]) == ([256], [224, 224])


def test_grey_for_models_of_one_channel(tmp_path):
    how = preparation(written(tmp_path, size=24, image_mean=[0.5], image_std=[0.25]), "m", 1)
    pixels = picture(24, 24)
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    made = prepared(pixels, how)
    assert made.shape == (24, 24, 1)
    assert np.array_equal(made[:, :, 0], grey)
    assert np.allclose(read(made, how)[0], (grey / 255 - 0.5) / 0.25)


def test_the_middle_of_a_small_picture_has_black_around():
    made = middle(np.full((2, 3, 1), 9, dtype=np.uint8), 4, 4)[:, :, 0]
    assert made.sum() == 9 * 6
    assert (made[1:3, 1:4] == 9).all()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"size": {"shortest_edge": 20}}, "sizes that differ"),
        ({"size": {"shortest_edge": 20, "longest_edge": 30}}, "longest_edge and shortest_edge"),
        ({"size": 20, "do_pad": True}, "do_pad, which is not known"),
        ({"size": 20, "image_mean": [0.5], "image_std": [0.5]}, "image_mean has 1 numbers and its pictures have 3"),
        ({"size": 20, "image_mean": 0.5, "image_std": 0.0}, "damaged"),
        ({"size": 20, "image_mean": 0.5}, "damaged"),
        ({"size": "large"}, "damaged"),
        ({"size": 10**9}, "sides of 1 to"),
        ({"size": 20, "resample": 77}, "damaged"),
        ([1, 2], "damaged"),
    ],
)
def test_faults_of_the_file(said, sentence, tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    with pytest.raises(UserError, match=sentence) as told:
        preparation(tmp_path, "model", 3)
    assert str(told.value).startswith("model: ")


def test_a_file_that_is_missing_or_no_json(tmp_path):
    with pytest.raises(UserError, match=r"there is no preprocessor_config\.json"):
        preparation(tmp_path, "model", 3)
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        preparation(tmp_path, "model", 3)
