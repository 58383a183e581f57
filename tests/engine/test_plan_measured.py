"""What a plan says of a network at hand is what torch holds, counts and saves."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "parallel"))
torch = pytest.importorskip("torch")

from engine_toys import Numbers, Texts, net  # noqa: E402
from torch import distributed as dist  # noqa: E402
from torch import nn  # noqa: E402

from melior.engine.losses import class_loss  # noqa: E402
from melior.engine.optimizers import Optimizers  # noqa: E402
from melior.engine.plan import auto, machine  # noqa: E402
from melior.engine.plan.layouts import choose, plan  # noqa: E402
from melior.engine.plan.machine import cluster_here  # noqa: E402
from melior.engine.plan.measured import heads_of, parts_of, sizes_of  # noqa: E402
from melior.engine.plan.ready import about_to_train, readied  # noqa: E402
from melior.engine.plan.sizes import Cluster, layer_activations, together, transformer  # noqa: E402
from melior.engine.settings import Training  # noqa: E402
from melior.layout import Layout  # noqa: E402

HERE = Cluster(ranks=1, per_machine=1, memory=1e12, flops=1e9, within=1e9, between=1e9)


class Deep(nn.Module):
    def __init__(self, width=16, depth=4):
        super().__init__()
        self.first = nn.Linear(6, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width), nn.Tanh()) for _ in range(depth)
        )
        self.head = nn.Linear(width, 3)

    def forward(self, input):
        seen = self.first(input)
        for block in self.blocks:
            seen = seen + block(seen)
        return self.head(seen)


def trained_once(module, settings):
    """Bytes that torch holds after a step: weights, gradients, the optimiser's state."""
    optimizers = Optimizers(module, settings)
    total, _ = class_loss(module(torch.randn(4, 6)), Numbers(8).batch(np.arange(4)))
    total.backward()
    optimizers.step(1.0)
    weights = sum(one.nbytes for one in module.parameters())
    gradients = sum(one.nbytes for one in optimizers.gradients())
    return weights, gradients, sum(one.nbytes for _, one in optimizers.tensors())


@pytest.mark.parametrize("frozen", [False, True], ids=["all trained", "blocks frozen"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "adafactor", "muon"])
def test_bytes_are_those_that_torch_holds(optimizer, frozen):
    torch.manual_seed(0)
    module = Deep()
    if frozen:
        module.blocks[:3].requires_grad_(False)
    settings = Training(optimizer=optimizer, device="cpu", precision="float32")
    sizes = sizes_of(module, Numbers(8), settings)
    found = plan(sizes, HERE, Layout()).memory
    held = trained_once(module, settings)
    assert (found["weights"], found["gradients"], found["optimizer"]) == held


def test_weights_stand_where_they_stand():
    module = Deep(width=16, depth=4)
    before, blocks, after = parts_of(module, Training())
    assert (before.trained, after.trained) == (6 * 16 + 16, 16 * 3 + 3)
    assert [one.trained for one in blocks] == [16 * 16 + 16 + 32] * 4
    assert [one.matrices for one in blocks] == [256] * 4
    assert heads_of(module) == 16
    assert together((before, *blocks, after)).all == sum(one.numel() for one in module.parameters())
    assert parts_of(net(0), Training())[1] == ()


def test_tensor_ranks_share_matrices_beside_which_adapters_stand():
    from spread_toys import made

    plain, adapted = made("causal")[0], made("lora")[0]
    assert heads_of(adapted) == heads_of(plain) == 2
    blocks = parts_of(adapted, Training())[1]
    assert all(0 < one.trained < one.matrices <= one.frozen for one in blocks)


def test_the_work_of_a_row_is_counted():
    """Two operations for a multiplication and its addition: 2 x the entries of every matrix."""
    sizes = sizes_of(Deep(), Numbers(8), Training(device="cpu", precision="float32"))
    assert sizes.row_flops == 2 * (6 * 16 + 4 * 16 * 16 + 16 * 3)
    assert sizes.row_states == 16


def test_activations_grow_with_the_rows_as_they_are_saved():
    from melior.engine.memory import saved_bytes

    torch.manual_seed(0)
    module, rows = Deep(), Numbers(32)
    sizes = sizes_of(module, rows, Training(device="cpu", precision="float32"))
    many = saved_bytes(module, rows.batch(np.arange(24))) - saved_bytes(module, rows.batch(np.arange(4)))
    assert sizes.row_activations == many / 20


def test_the_longest_row_counts_for_memory_and_the_mean_for_time():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.head = nn.Embedding(50, 8), nn.Linear(8, 3)

        def forward(self, tokens, mask):
            return self.head(self.words(tokens)).mean(1)

    texts = Texts(40)
    sizes = sizes_of(Mean(), texts, Training(device="cpu", precision="float32"))
    lengths = np.asarray(texts.lengths)
    assert sizes.tokens in lengths
    assert abs(sizes.tokens - lengths.mean()) < 1
    assert sizes.row_flops == 2 * 8 * 3 * sizes.tokens


def test_a_transformer_at_hand_and_on_its_card_are_the_same():
    pytest.importorskip("transformers")
    from spread_toys import made

    module, rows, _, _ = made("causal")
    settings = Training(device="cpu", precision="float32", batch_rows=16)
    sizes = sizes_of(module, rows, settings)
    card = transformer(layers=4, width=32, heads=4, kv_heads=2, inner=48, gated=True, vocabulary=40,
                       tokens=int(sizes.tokens), rows=16, cast=4)  # fmt: skip
    assert sizes.weights.all == card.weights.all
    assert [one.all for one in sizes.blocks] == [one.all for one in card.blocks]
    assert (sizes.before.all, sizes.after.all) == (card.before.all, card.after.all)
    assert [one.matrices for one in sizes.blocks] == [one.matrices for one in card.blocks]
    assert sizes.row_flops == card.row_flops
    assert (sizes.row_states, sizes.row_logits, sizes.heads) == (card.row_states, card.row_logits, card.heads)
    longest = int(rows.lengths.max())
    on_paper = 4 * layer_activations(longest, 32, 4, 48, gated=True, number=4)
    assert 0.5 < sizes.row_activations / on_paper < 2  # norms and rotations keep more than the formula counts


def test_planning_changes_nothing():
    torch.manual_seed(0)
    module, rows = net(0), Numbers(16)
    module.train()
    kept = {name: one.clone() for name, one in module.state_dict().items()}
    settings = Training(device="cpu", precision="float32")
    sizes = sizes_of(module, rows, settings)
    threads = torch.get_num_threads()
    there = cluster_here(module, rows, class_loss, settings, sizes, 2)
    assert torch.get_num_threads() == threads
    assert module.training
    assert all(one.grad is None for one in module.parameters())
    assert all(torch.equal(one, kept[name]) for name, one in module.state_dict().items())
    assert there.ranks == there.per_machine == 2
    assert there.overlap == 0
    assert min(there.flops, there.memory, there.memory_speed) > 0
    assert "assumed" in " ".join(there.assumed)
    assert there.memory == pytest.approx(cluster_here(module, rows, class_loss, settings, sizes, 4).memory * 2)


def test_a_plan_stops_what_would_train():
    begun = []

    def act():
        try:
            about_to_train("module", "rows", "loss", "settings")
        except Exception:  # what wraps a fit takes no plan for an error
            begun.append("taken for an error")
        begun.append("trained")

    found = readied(act)
    assert (found.module, found.settings) == ("module", "settings")
    assert begun == []
    assert readied(lambda: None) is None
    act()
    assert begun == ["trained"]


STARTED = """
import json, torch
from spread_toys import made
from melior.engine.parallel.mesh import Mesh
from melior.engine.plan.layouts import plan
from melior.engine.plan.auto import chosen_here
from melior.engine.plan.machine import measured_link
from melior.engine.plan.measured import sizes_of
from melior.engine.plan.sizes import Cluster
from melior.engine.parallel.ranks import joined
from melior.engine.settings import Training
from melior.engine.parallel.spread import local, spread
from melior.layout import Layout

torch.set_num_threads(1)
assert measured_link(torch.device("cpu")) is None
module, rows, loss, _ = made("deep")
settings = Training(device="cpu", precision="float32", batch_rows=16, micro_batch=4)
sizes = sizes_of(module, rows, settings)
shards = Layout(sharded=True)
there = Cluster(ranks=2, per_machine=2, memory=1e12, flops=1e9, within=1e9, between=1e9)
planned = plan(sizes, there, shards).memory
with joined(60) as ranks:
    link = measured_link(torch.device("cpu"))
    chosen, why = chosen_here(module, rows, loss, settings, ranks)
    held = spread(module, Mesh.of(shards, torch.device("cpu")), torch.device("cpu"))
    total, _ = loss(held.forward(**rows.batch([0, 1, 2]).inputs), rows.batch([0, 1, 2]))
    total.backward()
    weights = list(held.module.parameters())
    bytes_of = [sum(local(one).nbytes for one in some) for some in (weights, [one.grad for one in weights])]
    print(json.dumps([link, chosen.model_dump(), why, bytes_of, planned["weights"], planned["gradients"]]))
"""


@pytest.fixture(scope="module")
def both_ranks():
    from started import ended, start

    codes, said, errors = ended(start(2, [sys.executable, "-c", STARTED]), seconds=120)
    assert codes == [0, 0], errors
    return [json.loads(one.splitlines()[-1]) for one in said]


def test_a_link_is_measured_where_ranks_were_started(both_ranks):
    links = [one[0] for one in both_ranks]
    assert links[0] == links[1]  # every rank plans with the same
    speed, latency = links[0]
    assert 1e6 < speed < 1e12
    assert 0 < latency < 1


def test_a_small_message_that_was_kept_waiting_makes_no_link_of_any_speed(monkeypatch):
    class Kept:
        """Two ranks, of which this is one; the small message comes later than the large one."""

        ReduceOp = dist.ReduceOp
        is_available = is_initialized = staticmethod(lambda: True)
        get_world_size = staticmethod(lambda: 2)

        @staticmethod
        def all_reduce(data, op=None):
            if data.numel() > 2:
                time.sleep(0.004 if data.nbytes == machine.PROBES[0] else 0.002)

    monkeypatch.setattr(machine, "dist", Kept)
    speed, latency = machine.measured_link(torch.device("cpu"))
    assert 0 < speed < 10 * machine.PROBES[1] / 0.002
    assert latency > 0


def test_all_ranks_take_the_layout_that_the_first_chooses(both_ranks):
    (_, first, why, *_), (_, second, other, *_) = both_ranks
    assert (first, why) == (second, other)
    assert Layout(**first) == Layout(data=2)
    assert "measured" in " ".join(why) or "fit" in why[0]


def test_shards_hold_what_the_plan_says(both_ranks):
    """Both ranks together hold the weights once, and gradients once after the last micro-batch; until then the plan
    counts them whole on each."""
    weights = [one[3][0] for one in both_ranks]
    gradients = [one[3][1] for one in both_ranks]
    planned, whole = both_ranks[0][4:]
    assert sum(weights) == 2 * planned
    assert sum(gradients) == whole == 2 * planned


@pytest.mark.parametrize(
    ("depth", "memory", "taken", "instead", "said"),
    [
        (2, 1.1e5, Layout(tensor=2), Layout(pipeline=2), "is the fastest that does"),
        (5, 2.77e5, Layout(sharded=True), Layout(), "Nothing fits"),
    ],
)
def test_adafactor_is_given_no_layout_that_deals_matrices_out(depth, memory, taken, instead, said, monkeypatch):
    class One:
        count = 2

        def together(self, act):
            return act()

        def told(self, one):
            return [one]

    there = Cluster(ranks=2, per_machine=2, memory=memory, flops=1e9, within=1e9, between=1e9)
    monkeypatch.setattr(auto, "cluster_here", lambda *about: there)
    chosen = Training(device="cpu", precision="float32", batch_rows=16, micro_batch=8, optimizer="adafactor")
    module, rows = Deep(64, depth), Numbers(61)
    sizes = sizes_of(module, rows, chosen)
    assert choose(replace(sizes, whole_matrices=False), there)[0] == taken.fits(2)
    layout, why = auto.chosen_here(module, rows, class_loss, chosen, One())
    assert layout == instead.fits(2)
    assert said in " ".join(why)
    assert "adafactor needs whole matrices" in why[-1]
    with pytest.raises(ValueError, match="adafactor needs whole matrices"):
        plan(sizes, there, taken)
