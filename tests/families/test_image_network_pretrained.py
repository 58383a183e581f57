"""The image network with a pretrained base: tiny models of several architectures, in each way of tuning."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("PIL")

from vision_toys import ARCHITECTURES, PREPARED, SIZE, made  # noqa: E402

from melior.data.label_sets import LabelSets  # noqa: E402
from melior.errors import UserError  # noqa: E402
from melior.methods._base import methods  # noqa: E402
from melior.models.image_network import ImageNetwork  # noqa: E402
from melior.models.tabular_network import TabularNetwork  # noqa: E402
from melior.models.text_encoder import TextEncoder  # noqa: E402
from melior.networks import vision  # noqa: E402
from melior.predictor import Predictor  # noqa: E402
from melior.recipe import Choice, Recipe  # noqa: E402
from melior.testing import images  # noqa: E402
from melior.testing.promises import same_bits  # noqa: E402
from melior.trials.fit import fit  # noqa: E402


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {name: made(tmp_path_factory.mktemp(name), name) for name in ARCHITECTURES}


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    monkeypatch.setenv("MELIOR_CACHE", str(tmp_path / "cache"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(table, **settings):
    return fit(Recipe(model=Choice(name="image_network", settings=settings), metric="accuracy"), table)


def parts(rows=150):
    table = images.image_table(rows)
    return table.take(np.arange(rows - 30)), table.take(np.arange(rows - 30, rows))


TRAINED = {"epochs": 12, "batch_rows": 16, "learning_rate": 0.01}


@pytest.mark.parametrize("name", ["vit", "convnext", "resnet"])
@pytest.mark.parametrize("tuning", ["frozen", "last_k", "lora", "full"])
def test_learns_is_kept_and_needs_the_base_no_more(name, tuning, folders, tmp_path):
    base = shutil.copytree(folders[name], tmp_path / "base")
    inside, outside = parts()
    settings = {"base": str(base), "tuning": tuning, "layers": 1, **TRAINED}
    if (name, tuning) == ("resnet", "lora"):
        with pytest.raises(UserError, match="lora needs linear layers"):
            trained(inside, **settings)
        return
    predictor = trained(inside, **settings)
    scores = predictor.scores(outside)
    assert np.mean(scores.argmax(1) == outside.given_labels()) > 0.55
    predictor.save(tmp_path / "kept")
    shutil.rmtree(base)
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)  # features are made again
    vision._pretrained.cache_clear()
    assert same_bits(Predictor.load(tmp_path / "kept").scores(outside), scores)


def test_the_same_bits_in_a_fresh_process(folders, tmp_path):
    inside, outside = parts(90)
    script = (
        "import sys, numpy as np\n"
        "from melior.predictor import Predictor\n"
        "for folder in sys.argv[2:]:\n"
        "    found = Predictor.load(folder).predict(sys.argv[1])\n"
        "    np.save(folder + '/found.npy', found.select('^score_.*$').to_numpy())\n"
    )
    rows = tmp_path / "rows.csv"
    outside.frame.drop_nulls("picture").write_csv(rows)
    own = {}
    for tuning in ("frozen", "last_k"):
        predictor = trained(inside, base=folders["vit"], tuning=tuning, layers=1, epochs=2)
        predictor.save(tmp_path / tuning)
        own[tmp_path / tuning] = predictor.predict(rows).select("^score_.*$").to_numpy()
    there = {**os.environ, "MELIOR_CACHE": str(tmp_path / "other"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, str(rows), *map(str, own)]
    done = subprocess.run(command, env=there, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for folder, scores in own.items():
        assert same_bits(np.load(folder / "found.npy"), scores)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_features_are_the_librarys(name, folders):
    """A vector is what the library's own model gives for its own preparation of the picture."""
    from PIL import Image

    from melior.images.prepare import prepared

    seen = vision.load_pictures(folders[name])
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    processor = transformers.ViTImageProcessorPil.from_pretrained(folders[name])
    ready = processor(Image.fromarray(pixels), return_tensors="pt")
    with torch.no_grad():
        output = transformers.AutoModel.from_pretrained(folders[name]).eval()(**ready)
    if name in ("vit", "deit"):  # the first has no pooling layer in its folder, the second has one
        wanted = output.pooler_output if name == "deit" else output.last_hidden_state[:, 0]
    else:
        wanted = output.pooler_output.flatten(1)
    module = vision.frozen_module({**seen.plan, "tuning": "frozen"}, vision.as_arrays(seen.encoder))
    found = vision.vectors(module, prepared(pixels, seen.plan["prepare"])[None])
    assert found.shape == (1, seen.plan["width"])
    assert np.allclose(found, wanted.numpy(), atol=1e-5)
    exact = module.double()(torch.from_numpy(prepared(pixels, seen.plan["prepare"])[None]))  # as scores are computed
    assert exact.dtype == torch.float64
    assert np.allclose(exact.detach().numpy(), found, atol=1e-4)


# the last layer or stage, and what stands after it
LAST = {
    "vit": ("layers.2.", {"layernorm"}),
    "deit": ("layers.2.", {"layernorm", "pooler"}),
    "dinov2": ("encoder.layer.2.", {"layernorm"}),
    "convnext": ("encoder.stages.2.", {"layernorm"}),
    "resnet": ("encoder.stages.2.", set()),
    "swin": ("encoder.layers.1.", {"layernorm"}),
    "mobilenet": ("layer.15.", {"conv_1x1"}),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("tuning", ["last_k", "lora", "full", "frozen"])
def test_what_is_trained(name, tuning, folders):
    seen = vision.load_pictures(folders[name])
    plan = {**seen.plan, "tuning": tuning, "layers": 1, "rank": 2, "alpha": 4.0}
    if tuning == "lora" and name in ("resnet", "mobilenet"):
        with pytest.raises(UserError, match="lora needs linear layers"):
            vision.EncodedPicture(plan)
        return
    module = vision.EncodedPicture(plan)
    on = {key for key, value in module.encoder.named_parameters() if value.requires_grad}
    every = {key for key, _ in module.encoder.named_parameters()}
    if tuning == "lora":
        assert on
        assert all(key.endswith((".a", ".b")) for key in on)
        return
    if tuning in ("full", "frozen"):
        assert on == (every if tuning == "full" else set())
        return
    last, after = LAST[name]
    inside = {key for key in every if key.startswith(last)}
    assert inside
    assert on == inside | {key for key in every if key.partition(".")[0] in after}
    assert {key.partition(".")[0] for key in on - inside} == after


def test_frozen_batch_normalisations_stay_as_they_came(folders):
    seen = vision.load_pictures(folders["resnet"])
    plan = {**seen.plan, "tuning": "last_k", "layers": 1, "rank": 2, "alpha": 4.0}
    module = vision.EncodedPicture(plan).train()
    before = {key: value.clone() for key, value in module.encoder.named_buffers()}
    module(torch.randint(0, 256, (8, SIZE, SIZE, 3), dtype=torch.uint8))
    changed = {key for key, value in module.encoder.named_buffers() if not torch.equal(value, before[key])}
    assert changed
    assert all("stages.2." in key for key in changed)


def test_begins_with_the_pretrained_weights(folders):
    """No step is taken in so short a training at a rate of nearly 0: what is kept is what the base has."""
    inside, _ = parts(60)
    predictor = trained(inside, base=folders["vit"], tuning="full", epochs=1, learning_rate=1e-12, weight_decay=0)
    state = predictor.scorer.model.state
    for key, value in vision.load_pictures(folders["vit"]).encoder.state_dict().items():
        assert np.allclose(state[f"images.0.encoder.{key}"], value.numpy(), atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_begins_with_the_best_last_layer(classes, folders):
    """Without a step it answers as a logistic regression on the features and the other columns: far above chance, and
    as likely as scikit-learn finds on what comes into the last layer."""
    from sklearn.linear_model import LogisticRegression

    table = images.image_table(120, classes=classes)
    still = {"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0}
    network = trained(table, base=folders["vit"], tuning="full", **still).scorer
    matrix, labels = network.encoding.transform(table), table.given_labels()
    module, seen = network.model.network(), []
    module.head.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().numpy()))
    scores = network.model.scores(matrix)
    shown = np.concatenate(seen)
    scaled = shown / np.sqrt(shown.var(axis=0).mean())
    wanted = LogisticRegression(max_iter=3000).fit(scaled, labels).predict_proba(scaled)
    assert np.abs(scores - wanted).max() < 0.02
    assert np.mean(scores.argmax(1) == labels) > 1 / classes + 0.2


@pytest.mark.parametrize("tuning", ["frozen", "last_k", "lora", "full"])
def test_rows_of_several_labels(tuning, folders, tmp_path):
    """One of the labels no row has; what was learned is kept, and tells the labels of the classes from one another."""
    table = images.image_table(120, classes=3)
    matrix = np.column_stack([*(table.labels == code for code in range(3)), np.zeros(120)]).astype(np.int8)
    schema = replace(table.schema, classes=("a", "b", "c", "never"), label_sets=LabelSets(";"))
    several = replace(table, schema=schema, labels=None, label_matrix=matrix)
    predictor = trained(several, base=folders["vit"], tuning=tuning, **({} if tuning == "frozen" else TRAINED))
    scores = predictor.scores(several)
    right = ((scores >= 0.5) == matrix).mean(axis=0)
    assert right[3] == 1
    assert right[:3].mean() > matrix[:, :3].mean() / 2 + 0.5
    predictor.save(tmp_path)
    np.testing.assert_array_equal(Predictor.load(tmp_path).scores(several), scores)


def test_frozen_features_are_on_disk_and_shared(folders, tmp_path, monkeypatch):
    inside, outside = parts()
    first = trained(inside, base=folders["resnet"], tuning="frozen").scores(outside)
    assert list((tmp_path / "cache").rglob("*.safetensors"))
    monkeypatch.setattr(vision, "vectors", None)  # nothing is encoded again
    again, elsewhere = parts()
    assert same_bits(trained(again, base=folders["resnet"], tuning="frozen").scores(elsewhere), first)


def test_pictures_are_prepared_once_for_all_folds(folders, monkeypatch):
    from melior.models import _pictures

    table = images.image_table(60)
    seen = []
    true = _pictures.prepared
    monkeypatch.setattr(_pictures, "prepared", lambda pixels, how: seen.append(1) or true(pixels, how))
    model = ImageNetwork(base=folders["vit"], tuning="full")
    for rows in (np.arange(40), np.arange(20, 60)):
        some = table.take(rows)
        matrix = model.encoder(some, scaled=False).fit(some, 0).transform(some)
        part = matrix.parts["image: picture"].take(np.arange(5, 25))
        assert part.pictures(np.arange(4)).shape == (4, SIZE, SIZE, 3)
    assert len(seen) == int(table.pictures("picture").readable.sum())
    gone = ~table.take(np.arange(20, 60)).pictures("picture").readable
    assert gone.any()
    assert (matrix.parts["image: picture"].pictures(np.flatnonzero(gone)) == 0).all()


def test_pictures_in_memory_are_prepared_from_their_own_size(folders):
    import io

    from PIL import Image

    from melior.images.store import ImageStore

    pixels = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    store = ImageStore()
    store.put(["a"], [file.getvalue()])
    shared, places = store.rows([None, "a"]).larger("as it is", (64, 64, 3), lambda whole: whole)
    assert places.tolist() == [0, 1]
    assert np.array_equal(shared[places[1]], pixels)
    assert not shared[0].any()


def test_a_file_that_went_away_is_named(folders, tmp_path):
    table = images.image_table(40, faulty=False)
    paths = table.column("picture").to_list()
    rows = table.pictures("picture")
    for place, path in enumerate(paths):
        os.rename(path, tmp_path / f"{place}.away")
    try:
        with pytest.raises(UserError, match="it was read before, and now there is no such file"):
            rows.larger("w", (24, 24, 3), lambda whole: whole)
    finally:
        for place, path in enumerate(paths):
            os.rename(tmp_path / f"{place}.away", path)


# ---- weights as a file, and runs of our own


def test_weights_as_a_file_beside_their_config(folders, tmp_path):
    from safetensors.torch import load_file

    folder = shutil.copytree(folders["convnext"], tmp_path / "base")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "trained.pth")
    seen = vision.load_pictures(folder / "trained.pth")
    wanted = vision.load_pictures(folders["convnext"])
    assert seen.plan == wanted.plan
    for key, value in wanted.encoder.state_dict().items():
        assert torch.equal(seen.encoder.state_dict()[key], value), key


@pytest.mark.parametrize("how", ["run", "file", "weights"])
def test_a_run_of_image_network_is_a_base(how, tmp_path):
    inside, outside = parts()
    first = trained(inside, image_channels=8, image_depth=1, epochs=8, batch_rows=16)
    first.save(tmp_path / "run" / "predictor")
    state = first.scorer.model.state
    base = {"run": tmp_path / "run", "file": tmp_path / "run" / "predictor" / "predictor.safetensors"}
    base["weights"] = tmp_path / "own.pt"
    torch.save({key: torch.from_numpy(value) for key, value in state.items()}, tmp_path / "own.pt")
    seen = vision.load_pictures(base[how])
    assert seen.plan["kind"] == "residual"
    for key, value in seen.encoder.state_dict().items():
        assert np.array_equal(value.numpy(), state[f"images.0.{key}"])
    for tuning in ("frozen", "last_k", "full"):
        predictor = trained(inside, base=str(base[how]), tuning=tuning, epochs=4, learning_rate=0.01)
        assert np.mean(predictor.answers(outside) == outside.given_labels()) > 0.55
    predictor.save(tmp_path / "second")  # a run that began with a run is a base too
    again = vision.load_pictures(tmp_path / "second")
    assert np.array_equal(
        again.encoder.state_dict()["stem.weight"].numpy(), predictor.scorer.model.state["images.0.encoder.stem.weight"]
    )
    with pytest.raises(UserError, match="lora needs linear layers"):
        trained(inside, base=str(base[how]), tuning="lora")


# ---- what cannot be


def refused(match, table=None, **settings):
    with pytest.raises(UserError, match=match) as told:
        trained(images.image_table(40) if table is None else table, **settings)
    said = str(told.value)
    assert said.startswith("model.image_network cannot be used here: ")
    assert said.endswith(".")
    assert not said.endswith("..")
    assert "\n" not in said


def test_what_is_no_base_is_one_sentence(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refused("no such folder or file", base="./nowhere")
    refused("no such folder or file", base="weights.safetensors")
    refused("cannot be reached", base="nobody/no-such-model")
    (tmp_path / "empty").mkdir()
    refused(r"no config\.json", base=str(tmp_path / "empty"))
    (tmp_path / "notes.md").write_text("# notes")
    refused("no file of weights", base=str(tmp_path / "notes.md"))
    torch.save({"a": torch.zeros(3)}, tmp_path / "other.pth")
    refused("are not those of image_network", base=str(tmp_path / "other.pth"))
    torch.save(ImageNetwork(), tmp_path / "object.pth")
    refused("cannot be read safely", base=str(tmp_path / "object.pth"))
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0")
    refused("damaged", base=str(tmp_path / "cut.safetensors"))


def test_a_model_of_texts_is_named(tmp_path):
    from melior.networks.scratch import small_encoder

    small_encoder(50, width=16, depth=1, heads=2, context=16).save_pretrained(tmp_path)
    refused("no model of pictures alone", base=str(tmp_path))


def test_a_base_that_does_not_fit_itself(folders, tmp_path):
    refused(r"no preprocessor_config\.json", base=without(folders["vit"], tmp_path / "1", "preprocessor_config.json"))
    refused("there are no weights in it", base=without(folders["vit"], tmp_path / "2", "model.safetensors"))
    refused("cannot take them", base=made(tmp_path, "vit", {**PREPARED, "size": {"height": 40, "width": 40}}))
    refused("have 4 channels", base=made(tmp_path, "vit", num_channels=4))
    refused("image_mean has 3 numbers and its pictures have 1 channels", base=made(tmp_path, "vit", num_channels=1))
    wide = shutil.copytree(folders["vit"], tmp_path / "3")
    config = json.loads((wide / "config.json").read_text())
    (wide / "config.json").write_text(json.dumps({**config, "hidden_size": 24}))
    refused("weights do not fit its config", base=str(wide))
    deep = shutil.copytree(folders["vit"], tmp_path / "4")
    (deep / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 5}))
    refused("weights do not fit its config", base=str(deep))
    code = shutil.copytree(folders["vit"], tmp_path / "5")
    own = {**config, "model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (code / "config.json").write_text(json.dumps(own))
    (code / "own.py").write_text("raise SystemExit('executed')")
    refused("code of its own", base=str(code))
    refused("last_k: the model has 3 layers and 7 are asked for", base=folders["vit"], tuning="last_k", layers=7)


def without(folder, copy, name):
    shutil.copytree(folder, copy)
    (copy / name).unlink()
    return str(copy)


def test_a_model_of_grey_pictures(tmp_path):
    grey = {**PREPARED, "image_mean": [0.5], "image_std": [0.5]}
    inside, outside = parts()
    for tuning in ("frozen", "full"):
        base = made(tmp_path, "vit", grey, num_channels=1)
        predictor = trained(inside, base=base, tuning=tuning, **TRAINED)
        assert np.mean(predictor.answers(outside) == outside.given_labels()) > 0.5


# ---- transfer learning


def test_transfer_learning_sets_the_base(folders):
    method, table = methods()["transfer_learning"], images.image_table(40)
    network = ImageNetwork()
    assert "no pretrained model is named" in method().unsuitable(Recipe(), table, network)
    assert method(source=folders["vit"]).unsuitable(Recipe(), table, network) is None
    changed = method(source=folders["vit"], trained="last", layers=1).model(network)
    assert changed == ImageNetwork(base=folders["vit"], tuning="last_k", layers=1)
    own = ImageNetwork(base=folders["vit"])
    assert method().unsuitable(Recipe(), table, own) is None
    assert method(trained="all").model(own) == ImageNetwork(base=folders["vit"], tuning="full")
    text = method(source="somewhere").model(TextEncoder())
    assert text == TextEncoder(source="somewhere", tuning="frozen")
    with pytest.raises(UserError, match="has no pretrained form"):
        TabularNetwork().transferred("", "none", 1)


def test_transfer_learning_in_a_recipe(folders):
    inside, outside = parts()
    recipe = Recipe(
        model=Choice(name="image_network"),
        metric="accuracy",
        methods=({"transfer_learning": {"source": folders["convnext"]}},),
    )
    predictor = fit(recipe, inside)
    assert np.mean(predictor.answers(outside) == outside.given_labels()) > 0.55
    spoilt = recipe.model_copy(update={"methods": ()}).with_model(
        Choice(name="image_network", settings={"base": folders["convnext"], "tuning": "frozen"})
    )
    assert same_bits(fit(spoilt, inside).scores(outside), predictor.scores(outside))


def test_other_columns_join(folders):
    """With a frozen base and with a trained one the scores hang on the number column too."""
    inside, outside = parts()
    other = outside.with_frame(outside.frame.with_columns(size=3 - outside.frame["size"]))
    for tuning in ("frozen", "last_k"):
        predictor = trained(inside, base=folders["vit"], tuning=tuning, layers=1, epochs=4)
        assert np.abs(predictor.scores(other) - predictor.scores(outside)).max() > 0.01


def test_penalties_and_weights_count_with_a_frozen_base(folders):
    inside, _ = parts()
    model = ImageNetwork(base=folders["vit"], tuning="frozen")
    matrix = model.encoder(inside, scaled=False).fit(inside, 0).transform(inside)
    labels = inside.given_labels()

    def scores(network, weights=None):
        return network.fit(matrix, labels, weights, 3, seed=0).scores(matrix)

    plain = scores(model)
    assert scores(model.penalized(l2=100.0)).max() < plain.max()
    assert not same_bits(scores(model.penalized(l1=100.0)), plain)
    assert not same_bits(scores(model, np.where(labels == 0, 5.0, 1.0)), plain)


def test_tabular_network_reads_images_through_a_base(folders, tmp_path):
    inside, outside = parts()
    settings = {"image_base": folders["convnext"], "image_dimensions": 6, "epochs": 20}
    recipe = Recipe(model=Choice(name="tabular_network", settings=settings), metric="accuracy")
    predictor = fit(recipe, inside)
    assert np.mean(predictor.answers(outside) == outside.given_labels()) > 0.55
    predictor.save(tmp_path)
    assert same_bits(Predictor.load(tmp_path).scores(outside), predictor.scores(outside))
    model = TabularNetwork(**settings)
    matrix = model.encoder(inside, scaled=False).fit(inside, 0).transform(inside)
    place = [number for number, name in enumerate(matrix.names) if name.startswith("picture: dimension")]
    assert len(place) == 6
    shown = matrix.values[:, place][inside.pictures("picture").readable]
    spreads = shown.std(axis=0)
    assert spreads[0] == pytest.approx(3.0, rel=1e-3)
    assert (np.diff(spreads) <= 0).all()
    assert np.abs(np.corrcoef(shown.T) - np.eye(6)).max() < 1e-3
    wrong = recipe.with_model(Choice(name="tabular_network", settings={"image_base": str(tmp_path)}))
    with pytest.raises(UserError, match="no network over pictures in this run"):
        fit(wrong, inside)
