"""Which networks are tried and why not, what the methods change, and life without torch."""

import subprocess
import sys

import polars as pl
import pytest

from melior.errors import MissingExtra
from melior.methods._base import methods
from melior.models._base import Hardware, families, resolve
from melior.models.image_network import ImageNetwork
from melior.models.tabular_network import TabularNetwork
from melior.models.text_encoder import TextEncoder
from melior.recipe import Choice, Recipe
from melior.testing import images, tables
from melior.trials.family import choose_family, suited_families

SET = {
    "activation_choice": ({}, {"activation": "gelu"}),
    "batch_normalization": ({"kind": "rms"}, {"normalization": "rms"}),
    "dropout": ({"rate": 0.4}, {"dropout": 0.4}),
    "feature_attention": ({"width": 16}, {"attention": True, "width": 16}),
    "gradient_clipping": ({"norm": 0.2, "value": 0.1}, {"clip_norm": 0.2, "clip_value": 0.1}),
    "learning_rate_adjustment": ({"factor": 2.0}, {"learning_rate": 2e-3}),
    "learning_rate_schedule": ({"schedule": "plateau"}, {"schedule": "plateau", "stop_share": 0.15}),
    "mixed_precision": ({"precision": "bfloat16"}, {"precision": "bfloat16"}),
    "optimizer_choice": (
        {"optimizer": "sgd", "factor": 5.0},
        {"optimizer": "sgd", "learning_rate": 5e-3, "weight_decay": 1e-3},
    ),
    "weight_initialization": ({}, {"initialization": "orthogonal"}),
    "early_stopping": ({"share": 0.2, "patience": 3}, {"stop_share": 0.2, "patience": 3}),
    "l2_penalty": ({"strength": 4.0}, {"weight_decay": 4.0}),
}


@pytest.mark.parametrize("name", SET)
def test_a_method_changes_its_settings_and_no_other(name):
    given, expected = SET[name]
    before = TabularNetwork(learning_rate=1e-3)
    changed = methods()[name](**given).model(before)
    assert changed == before.model_copy(update=expected)
    assert TabularNetwork(**changed.model_dump()) == changed, "the changed settings are valid settings"


def test_a_factor_is_of_the_rate_of_what_is_trained():
    """Of a pretrained model a hundredth of the rate of a network from scratch, and less where more of it is trained."""
    cases = [
        (TextEncoder(source="somewhere", tuning=tuning), TextEncoder.rates[tuning]) for tuning in TextEncoder.rates
    ]
    cases += [(ImageNetwork(base="somewhere", tuning=tuning), rate) for tuning, rate in ImageNetwork.rates.items()]
    cases += [(TextEncoder(), TextEncoder.usual_rate), (ImageNetwork(), ImageNetwork.usual_rate)]
    for family, usual in cases:
        assert family.rate() == usual
        assert methods()["learning_rate_adjustment"](factor=0.3).model(family).rate() == pytest.approx(0.3 * usual)
        assert methods()["optimizer_choice"](optimizer="sgd", factor=7).model(family).rate() == pytest.approx(7 * usual)
        found = family.model_copy(update={"learning_rate": "found"})
        assert found.rate() == usual, "where a range test begins to look"
        assert methods()["optimizer_choice"]().model(found).learning_rate == "found"
    frozen = ImageNetwork(base="somewhere", tuning="frozen")
    assert methods()["learning_rate_adjustment"](factor=0.3).model(frozen).rate() > 0, "no rate, and no fault either"


@pytest.mark.parametrize("name", [name for name, method in methods().items() if method.networks])
def test_other_families_are_refused_with_what_to_use(name):
    for family in ("linear", "trees"):
        reason = methods()[name]().refused(Recipe(), tables.mixed_table(), families()[family]())
        assert reason
        assert family in reason


def test_dynamic_lengths_and_transfer_learning_say_what_is_missing():
    pytest.importorskip("torch")
    table, dynamic = tables.mixed_table(), methods()["dynamic_lengths"](longest=7)
    assert "one length" in dynamic.unsuitable(Recipe(), table, TabularNetwork())
    words = TabularNetwork(texts="words", by_length=False)
    assert dynamic.unsuitable(Recipe(), table, words) is None
    assert dynamic.model(words) == TabularNetwork(texts="words", by_length=True, longest=7)
    assert "no pretrained form" in methods()["transfer_learning"]().unsuitable(Recipe(), table, TabularNetwork())


def test_auto_weighs_the_hardware_and_the_rows():
    small, large = tables.number_table(400), tables.number_table(20_000)
    network = TabularNetwork()
    few, many, gpu = Hardware(2, False), Hardware(32, False), Hardware(2, True)
    assert "seldom" in network.untried(small, few)
    assert "2 cores without a GPU" in network.untried(large, few)
    assert network.untried(large, gpu) is None
    assert network.untried(tables.number_table(2000), many) is None
    assert network.seconds(large) > network.seconds(small)
    if images.HAVE_PILLOW:
        assert "cores" in ImageNetwork(epochs=100).untried(images.image_table(), few)


def test_the_work_of_a_text_encoder_grows_with_texts_and_layers():
    short, long = tables.mixed_table(300), tables.mixed_table(300)
    long = long.with_frame(long.frame.with_columns(pl.col("note") + " and so on" * 40))
    encoder = TextEncoder()
    assert encoder.seconds(long) > 3 * encoder.seconds(short)
    assert TextEncoder(depth=4).seconds(long) == pytest.approx(2 * encoder.seconds(long), rel=0.05)
    whole, frozen = (TextEncoder(source="a/name", tuning=tuning) for tuning in ("full", "frozen"))
    assert whole.seconds(long) > encoder.seconds(long)
    assert frozen.seconds(long) < whole.seconds(long) / 8
    assert "2 cores without a GPU" in encoder.untried(long, Hardware(2, False))


def test_auto_leaves_out_what_takes_longer_than_is_allowed():
    pytest.importorskip("torch")
    table = tables.number_table(1200)
    assert "tabular_network" in suited_families(table, table, 1000.0)[0]
    suited, left_out = suited_families(table, table, 0.1)
    assert suited == ["linear", "trees"]
    assert "the budget allows 0" in left_out["tabular_network"]


def test_auto_says_why_networks_are_left_out():
    pytest.importorskip("torch")
    chosen = choose_family(Recipe(metric="accuracy", model="auto"), tables.number_table(60), workers=1)
    assert chosen.recipe.model.name in ("linear", "trees")
    assert "tabular_network was not tried: " in chosen.reason


def test_without_torch_networks_are_not_there(monkeypatch):
    from melior.models import _base, _network

    for module in (_base, _network):
        monkeypatch.setattr(module, "have_torch", lambda: False)
    assert "pip install 'melior[networks]'" in TabularNetwork().unsuitable(tables.mixed_table())
    with pytest.raises(MissingExtra, match=r"model\.tabular_network needs .*pip install 'melior\[networks\]'"):
        resolve(Choice(name="tabular_network"))
    chosen = choose_family(Recipe(metric="accuracy", model="auto"), tables.number_table(60), workers=1)
    assert "network" not in chosen.reason


def test_everything_but_networks_works_in_a_process_without_torch():
    """Families and methods are listed, and trees are fitted."""
    script = (
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "class Without(PathFinder):\n"  # as if they were not installed
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        gone = name.split('.')[0] in ('torch', 'transformers', 'tokenizers')\n"
        "        return None if gone else super().find_spec(name, path, target)\n"
        "sys.meta_path[:] = [Without if one is PathFinder else one for one in sys.meta_path]\n"
        "from melior.methods._base import methods\n"
        "from melior.models._base import families\n"
        "from melior.recipe import Recipe\n"
        "from melior.testing import tables\n"
        "from melior.trials.fit import fit\n"
        "assert {'tabular_network', 'image_network'} <= set(families())\n"
        "assert 'dropout' in methods()\n"
        "fit(Recipe(model='trees', metric='accuracy'), tables.number_table(60))\n"
        "from melior.models._base import have_torch\n"
        "assert not have_torch()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
