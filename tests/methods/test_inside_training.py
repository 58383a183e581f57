"""What acts inside training: rows left out by their loss, two networks, attacks, and noise."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from melior.engine.lessons import Moment  # noqa: E402
from melior.engine.problem import Batch  # noqa: E402
from melior.methods.dynamic_weights import Pace, kept_share, smallest_losses, wrong_share  # noqa: E402
from melior.networks.adversarial import Attack, adversarial, word_embeddings  # noqa: E402
from melior.networks.noise import noisy_numbers, noisy_pixels, number_places, without_words  # noqa: E402
from melior.networks.teaching import Known, loss_of, row_loss  # noqa: E402
from melior.networks.twin import Twin, lowest  # noqa: E402
from melior.networks.words import WordsVector  # noqa: E402

FEATURES, CLASSES = 5, 3


class Line(nn.Module):
    """Values straight to logits."""

    def __init__(self, features=FEATURES):
        super().__init__()
        self.head = nn.Linear(features, CLASSES)

    def forward(self, values, **parts):
        return self.head(values)


def batch_of(rows=8, weights=None, seed=0):
    random = torch.Generator().manual_seed(seed)
    values = torch.randn((rows, FEATURES), generator=random)
    labels = torch.randint(CLASSES, (rows,), generator=random)
    return Batch({"values": values}, labels, weights, rows, rows)


def run_of(network, acting=()):
    loss = loss_of(acting, Known(torch.ones(CLASSES), 100, False, 0))
    return lambda batch: loss(network(**batch.inputs), batch)


def at(step, steps=10):
    return Moment(step, steps, torch.Generator().manual_seed(step))


# ---- dynamic weights


def test_the_share_that_is_kept_follows_its_schedule():
    """1 - min(t / T_k * tau, tau) of Han et al., with T_k the ramp."""
    for progress in (0.0, 0.1, 0.2, 0.5, 1.0):
        expected = 1 - min(progress / 0.2 * 0.4, 0.4)
        assert kept_share("co_teaching", 0.4, 0.2, progress) == pytest.approx(expected)
        assert kept_share("curriculum", 0.4, 0.2, progress) == pytest.approx(1.6 - expected)
    assert kept_share("small_loss", 0.4, 0.0, 0.0) == pytest.approx(0.6)


def test_the_lowest_losses_are_kept():
    losses = torch.tensor([3.0, 1.0, float("nan"), 2.0, 9.0])
    assert lowest(losses, 0.6).tolist() == [True, True, False, True, False]
    assert lowest(losses, 0.0).sum() == 1
    assert lowest(losses, 1.0).all()


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2, 0.5, 1, 1, 3, 1, 1])])
def test_small_losses_alone_are_summed_and_counted(weights):
    torch.manual_seed(0)
    network, batch = Line(), batch_of(weights=weights)
    pace = Pace("small_loss", 0.5, 0.0, True)
    total, count = pace.forward(run_of(network, [pace]), network, batch, at(0))
    losses = row_loss(network(**batch.inputs), batch.labels).detach().numpy()
    kept = np.argsort(losses)[:4]
    own = np.ones(8) if weights is None else weights.numpy()
    assert float(total.detach()) == pytest.approx((losses * own)[kept].sum(), rel=1e-5)
    assert float(count) == pytest.approx(own[kept].sum())


def test_two_networks_teach_each_other():
    """Each network's gradient is that of the rows with the smallest losses of the other: written out by hand."""
    torch.manual_seed(0)
    network, batch = Line(), batch_of()
    pace = Pace("co_teaching", 0.25, 0.0, True)
    twin = pace.network(network, Known(torch.ones(CLASSES), 100, False, 0))
    assert isinstance(twin, Twin)
    assert pace.finished(twin) is network
    assert not torch.equal(twin.first.head.weight, twin.second.head.weight)
    numbers = [one.head.weight.flatten().sort().values for one in (twin.first, twin.second)]
    assert torch.equal(*numbers), "drawn anew: the same numbers in another order"
    total, count = pace.forward(run_of(twin, [pace]), twin, batch, at(0))
    total.backward()
    each = [row_loss(one(**batch.inputs), batch.labels) for one in (twin.first, twin.second)]
    easy = [np.argsort(one.detach().numpy())[:6] for one in each]
    assert set(easy[0]) != set(easy[1]), "the two disagree, or nothing is tested"
    for own, other, module in ((0, 1, twin.first), (1, 0, twin.second)):
        expected = torch.autograd.grad(each[own][easy[other]].sum(), module.head.weight)[0]
        assert torch.allclose(module.head.weight.grad, expected, atol=1e-6)
    assert float(count) == 6
    twin.eval()
    assert torch.equal(twin(**batch.inputs), network(**batch.inputs))


def test_a_pretrained_twin_differs_in_its_last_layer_alone():
    network = nn.ModuleDict({"encoder": nn.Linear(4, 4), "head": nn.Linear(4, 2)})
    twin = Twin(network, scratch=False, seed=0)
    assert torch.equal(twin.first["encoder"].weight, twin.second["encoder"].weight)
    assert not torch.equal(twin.first["head"].weight, twin.second["head"].weight)


def test_wrong_labels_are_counted_and_left_out_of_fold():
    random = np.random.default_rng(0)
    true = random.integers(0, 3, 2000)
    given = np.where(random.random(2000) < 0.2, (true + 1) % 3, true).astype(np.int32)
    scores = 0.9 * np.eye(3)[true] + 0.1 / 3
    assert wrong_share(given, scores) == pytest.approx((given != true).mean(), abs=0.01)
    kept = smallest_losses(given, scores, 0.2)
    assert (given != true)[~kept].mean() > 0.95
    rare = np.array([0] * 90 + [1] * 10, dtype=np.int32)
    kept = smallest_losses(rare, np.tile([0.99, 0.01], (100, 1)), 0.5)
    assert kept[90:].sum() == 5, "no class loses all its rows"


# ---- attacks


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_one_step_is_the_known_optimum_of_a_linear_network(norm):
    """The loss of two classes grows along the difference of their weights alone: the worst change is known."""
    torch.manual_seed(1)
    network, batch = Line().double(), batch_of(1)
    batch = Batch({"values": batch.inputs["values"].double()}, torch.tensor([0]), None, 1, 1)
    with torch.no_grad():
        network.head.weight[2], network.head.bias[2] = 0.0, -1e6  # a class that is out of the race
    found = Attack(norm, 0.3, 1).against(run_of(network), network, batch, torch.Generator())
    direction = (network.head.weight[1] - network.head.weight[0]).detach()
    radius = 0.3 * FEATURES**0.5
    expected = 0.3 * direction.sign() if norm == "linf" else radius * direction / direction.norm()
    assert torch.allclose(found.inputs["values"].delta[0], expected, atol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("steps", [1, 7])
def test_attacks_raise_the_loss_and_stay_in_the_ball(norm, steps):
    torch.manual_seed(2)
    network = nn.Sequential(nn.Linear(FEATURES, 32), nn.Tanh(), nn.Linear(32, CLASSES))
    network.forward = lambda values: nn.Sequential.forward(network, values)
    run, batch = run_of(network), batch_of(64)
    before = float(run(batch)[0].detach())
    found = Attack(norm, 0.2, steps).against(run, network, batch, torch.Generator().manual_seed(0))
    delta = found.inputs["values"].delta
    size = delta.abs().max() if norm == "linf" else delta.norm(dim=1).max() / FEATURES**0.5
    assert float(size) <= 0.2 + 1e-6
    noise = 0.2 * torch.sign(torch.randn(delta.shape, generator=torch.Generator().manual_seed(5)))
    blind = Batch({"values": batch.inputs["values"] + noise}, batch.labels, None, 64, 64)
    attacked = float(run(found.changed(batch))[0])
    assert attacked > before
    assert attacked > float(run(blind)[0]), "noise that is not aimed does less"
    assert network.training


def test_codes_gaps_and_columns_that_never_change_are_left_alone():
    from melior.networks.tables import Columns

    class Coded(nn.Module):
        def __init__(self):
            super().__init__()
            self.columns, self.table, self.head = (
                Columns([0, 2], [[1, 4, 3]]),
                nn.Embedding(5, 3),
                nn.Linear(5, CLASSES),
            )

        def forward(self, values):
            numbers, codes = self.columns(values)
            return self.head(torch.cat([numbers, self.table(codes[0])], dim=1))

    torch.manual_seed(3)
    network = Coded()
    assert number_places(network) == [0, 2]
    values = torch.tensor([[0.5, 1.0, 7.0], [float("nan"), 3.0, 7.0], [-1.0, 0.0, 7.0]])
    batch = Batch({"values": values}, torch.tensor([0, 1, 2]), None, 3, 3)
    found = Attack("linf", 0.1, 3).against(run_of(network), network, batch, torch.Generator().manual_seed(0))
    made = found.changed(batch).inputs["values"]
    assert torch.equal(made[:, 1:], values[:, 1:])
    assert torch.isnan(made[1, 0])
    assert not torch.equal(made[[0, 2], 0], values[[0, 2], 0])


def test_pixels_stay_bytes_in_range_and_words_change_in_their_vectors():
    class Seen(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.head = WordsVector(20, 6), nn.Linear(6 + 16, CLASSES)

        def forward(self, values, text, image):
            pixels = image.to(self.head.weight.dtype).flatten(1) / 255
            return self.head(torch.cat([self.words(text), pixels], dim=1))

    torch.manual_seed(4)
    network = Seen()
    pixels = torch.randint(0, 256, (6, 4, 4, 1), dtype=torch.uint8)
    pixels[0], pixels[1] = 0, 255
    text = torch.tensor([[1, 2, 3], [4, -1, -1], [5, 6, -1], [7, 8, 9], [2, 2, 2], [3, 1, -1]])
    batch = Batch({"values": torch.zeros(6, 0), "text": text, "image": pixels}, torch.arange(6) % 3, None, 6, 6)
    run = run_of(network)
    found = Attack("linf", 0.1, 1).against(run, network, batch, torch.Generator())
    made = found.changed(batch).inputs["image"]
    assert 0 <= float(made.min()) <= float(made.max()) <= 255
    assert float((made - pixels.float()).abs().max()) == pytest.approx(25.5)
    (layer,) = word_embeddings(network)
    delta = found.words[layer].delta
    assert not delta[1, 1:].any(), "what is padding has no say"
    assert delta[0].abs().min() > 0
    plain = float(run(batch)[0])
    with found.applied(network):
        assert float(run(batch)[0]) > plain
    assert float(run(batch)[0]) == plain, "nothing stays behind"


def test_the_loss_is_shared_between_clean_and_changed_rows():
    torch.manual_seed(5)
    network, batch = Line(), batch_of(16)
    run = run_of(network)
    easy = float(run(batch)[0].detach())
    hard, count = adversarial(run, network, batch, Attack("linf", 0.2, 1), 0.0, torch.Generator())
    both, same = adversarial(run, network, batch, Attack("linf", 0.2, 1), 0.25, torch.Generator())
    assert float(both) == pytest.approx(0.25 * easy + 0.75 * float(hard), rel=1e-5)
    assert float(count) == float(same) == 16
    assert all(one.grad is None for one in network.parameters())


# ---- noise


def test_numbers_get_noise_of_its_size_in_their_columns():
    values = torch.zeros(20_000, 3)
    values[0, 0] = float("nan")
    found = noisy_numbers(values, [0, 2], 0.3, torch.Generator().manual_seed(0))
    assert torch.isnan(found[0, 0])
    assert not found[:, 1].any()
    assert float(found[1:, 0].std()) == pytest.approx(0.3, rel=0.03)
    assert float(found[:, 2].std()) == pytest.approx(0.3, rel=0.03)
    assert float(values[1:].abs().sum()) == 0


def test_pixels_stay_bytes():
    pixels = torch.full((50, 8, 8, 3), 128, dtype=torch.uint8)
    found = noisy_pixels(pixels, 0.1, torch.Generator().manual_seed(0))
    assert found.dtype == torch.uint8
    assert float(found.float().std()) == pytest.approx(25.5, rel=0.03)
    assert noisy_pixels(torch.zeros_like(pixels), 0.1, torch.Generator().manual_seed(0)).max() > 0


def test_words_are_left_out_and_the_rest_keeps_its_order():
    tokens = torch.full((400, 30), -1)
    for row in range(400):
        tokens[row, : 3 + row % 28] = torch.arange(3 + row % 28)
    found = without_words(tokens, 0.25, torch.Generator().manual_seed(0))
    assert found.shape == tokens.shape
    for before, after in zip(tokens.tolist(), found.tolist(), strict=True):
        kept = [one for one in after if one >= 0]
        assert kept == sorted(kept)
        assert after[len(kept) :] == [-1] * (30 - len(kept))
        assert kept[0] == 0
        assert kept[-1] == max(before)
    inner = int((tokens >= 0).sum()) - 800
    assert (int((found >= 0).sum()) - 800) / inner == pytest.approx(0.75, abs=0.02)
    empty = torch.full((2, 3), -1)
    assert torch.equal(without_words(empty, 0.5, torch.Generator()), empty)
