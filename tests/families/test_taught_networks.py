"""What methods attach to networks: killed and gone on with, a training comes to the same; settings are looked at."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from melior.engine import loop as engine  # noqa: E402
from melior.methods._base import methods  # noqa: E402
from melior.methods.dynamic_weights import Pace  # noqa: E402
from melior.methods.noise_training import Noise  # noqa: E402
from melior.models._place import trained_in  # noqa: E402
from melior.models.tabular_network import TabularNetwork  # noqa: E402
from melior.models.text_encoder import TextEncoder  # noqa: E402
from melior.recipe import Choice, Recipe  # noqa: E402
from melior.testing import tables  # noqa: E402
from melior.testing.promises import same_state  # noqa: E402
from melior.trials.fit import fit  # noqa: E402

QUICK = {"epochs": 6, "batch_rows": 16, "width": 16, "depth": 1, "texts": "words", "embedding": "none",
         "precision": "float32", "learning_rate": 0.02, "checkpoint_every": 5}  # fmt: skip


class Killed(BaseException):
    """As if the process ended."""


def encoded(model, table):
    encoder = model.encoder(table, scaled=False).fit(table, 0)
    return encoder.transform(table), table.given_labels()


@pytest.mark.parametrize(
    "acting",
    [
        (Pace("co_teaching", 0.3, 0.3, True), Noise(0.1, 0.2, 0.0)),
        (methods()["adversarial_training"](steps=2), methods()["robust_loss"]()),
    ],
    ids=["two networks and noise", "attacks and a robust loss"],
)
def test_killed_and_gone_on_with_is_the_same(acting, tmp_path, monkeypatch):
    table = tables.mixed_table(rows=90)
    model = TabularNetwork(**QUICK).taught_by(*acting)
    matrix, labels = encoded(model, table)

    def trained(folder):
        with trained_in(folder, unfinished_counts=True):
            return model.fit(matrix, labels, None, 3, seed=1)

    undisturbed = trained(tmp_path / "one")
    usual, steps = engine.Loop.after_step, []

    def ends(loop):
        usual(loop)
        steps.append(loop.place.step)
        if loop.place.step == 17:
            raise Killed

    monkeypatch.setattr(engine.Loop, "after_step", ends)
    with pytest.raises(Killed):
        trained(tmp_path / "two")
    monkeypatch.undo()
    begun = []
    monkeypatch.setattr(
        engine.Loop, "step", lambda loop, batches: begun.append(loop.place.step) or stepped(loop, batches)
    )
    again = trained(tmp_path / "two")
    assert begun[0] in (10, 15), "it went on from a checkpoint, not from the first step"
    assert same_state(undisturbed, again)


stepped = engine.Loop.step


def test_the_network_that_is_kept_is_an_ordinary_one():
    table = tables.mixed_table(rows=90)
    plain, paced = (
        fit(Recipe(model=Choice(name="tabular_network", settings=QUICK), metric="macro_f1", methods=chosen), table)
        for chosen in ([], [Choice(name="dynamic_weights", settings={"kind": "co_teaching", "rate": 0.2})])
    )
    shapes = [{name: value.shape for name, value in one.scorer.model.state.items()} for one in (plain, paced)]
    assert shapes[0] == shapes[1]
    assert not np.array_equal(plain.scores(table), paced.scores(table))


@pytest.mark.parametrize("name", ["robust_loss", "weighted_loss", "adversarial_training"])
def test_a_frozen_model_trains_nothing_that_could_be_changed(name, tmp_path):
    frozen = TextEncoder(source=str(tmp_path), tuning="frozen")
    reason = methods()[name]().refused(Recipe(), tables.mixed_table(), frozen)
    assert "frozen" in reason
    assert "lora" in reason


def test_what_works_with_every_family_says_where_it_does_not():
    table, linear = tables.mixed_table(), "linear"
    from melior.models._base import families

    linear = families()["linear"]()
    known = methods()
    assert known["dynamic_weights"]().refused(Recipe(), table, linear) is None
    assert "small_loss" in known["dynamic_weights"](kind="co_teaching").refused(Recipe(), table, linear)
    assert "kind: rows" in known["noise_correction"](kind="backward").refused(Recipe(), table, linear)
    assert known["noise_training"]().refused(Recipe(), table, linear) is None
    texts = table.without_columns(table.of_kind("number"))
    assert "no number columns" in known["noise_training"]().refused(Recipe(), texts, linear)
    assert known["noise_training"]().refused(Recipe(), texts, TabularNetwork(texts="words")) is None
    only = table.without_columns([one for one in table.features() if table.schema.kinds[one] not in ("category",)])
    assert "category" in known["adversarial_training"]().refused(Recipe(), only, TabularNetwork())


def test_attacks_reach_the_words_of_a_transformer():
    pytest.importorskip("transformers")
    from melior.engine.lessons import Moment
    from melior.networks.adversarial import Attack, word_embeddings
    from melior.networks.build import build
    from melior.networks.sources import MatrixRows
    from melior.networks.teaching import Known, loss_of

    table = tables.mixed_table(rows=60)
    family = TextEncoder(width=16, depth=1, heads=2, vocabulary=320, longest=24)
    matrix, labels = encoded(family, table)
    torch.manual_seed(0)
    network = build("encoded_text", family.plan(matrix, 3))
    network.train()
    (layer,) = word_embeddings(network)
    assert layer is network.classifier.encoder.get_input_embeddings()
    batch = MatrixRows(matrix, labels).batch(np.arange(20))
    loss = loss_of([], Known(torch.ones(3), 60, False, 0))

    def run(batch):
        return loss(network(**batch.inputs), batch)

    network.eval()
    before = float(run(batch)[0].detach())
    for norm, steps in (("l2", 1), ("linf", 3)):
        found = Attack(norm, 0.5, steps).against(run, network, batch, Moment(0, 1, torch.Generator()).random)
        assert set(found.words) == {layer}
        with found.applied(network):
            assert float(run(batch)[0].detach()) > before
        if steps == 1:
            assert not found.words[layer].delta[batch.inputs["text: all"] < 0].any(), "padding has no say"
