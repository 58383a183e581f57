"""How the engine steps: schedules, optimisers and clipping against torch's own, formulas, and properties."""

import os
import subprocess
import sys
from math import cos, pi, sqrt

import numpy as np
import pytest
import torch
from engine_toys import Numbers, Reader, Texts, net, weights
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from melior.engine import clip
from melior.engine.loop import train
from melior.engine.losses import class_loss
from melior.engine.optimizers import Optimizers, inner_matrices
from melior.engine.parallel.mesh import Mesh
from melior.engine.schedules import factor, plateau
from melior.engine.settings import Training
from melior.errors import UserError

# ---- schedules


def torch_rates(make, total, rate=0.5):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = make(optimizer)
    found = []
    for _ in range(total):
        found.append(optimizer.param_groups[0]["lr"] / rate)
        optimizer.step()
        schedule.step()
    return found


def ours(total, **changes):
    chosen = Training(**changes)
    return [factor(chosen, step, total) for step in range(total)]


def test_schedules_are_those_of_torch():
    rates = torch.optim.lr_scheduler
    total = 40
    cases = {
        "constant": lambda o: rates.ConstantLR(o, 1.0, 1),
        "cosine": lambda o: rates.CosineAnnealingLR(o, total, eta_min=0.1 * 0.5),
        "linear": lambda o: rates.LinearLR(o, 1.0, 0.1, total),
        "exponential": lambda o: rates.ExponentialLR(o, 0.1 ** (1 / total)),
        "one_cycle": lambda o: rates.OneCycleLR(o, 0.5, total + 1),
    }
    for name, make in cases.items():
        steps = total + 1 if name == "one_cycle" else total
        expected = torch_rates(make, total)
        found = ours(steps, schedule=name, final_rate=0.1)[:total]
        np.testing.assert_allclose(found, expected, atol=1e-12, err_msg=name)


def test_warmup_and_decay_by_formula():
    found = ours(100, schedule="warmup_stable_decay", warmup=0.1, decay=0.2, final_rate=0.05)
    np.testing.assert_allclose(found[:10], [(step + 1) / 10 for step in range(10)])
    np.testing.assert_allclose(found[10:81], 1)
    np.testing.assert_allclose(found[81:], [0.05 + 0.95 * (1 - sqrt((step - 80) / 20)) for step in range(81, 100)])
    cosine = ours(100, schedule="cosine", warmup=20)
    np.testing.assert_allclose(cosine[20:], [(1 + cos(pi * step / 80)) / 2 for step in range(80)])
    assert ours(10, schedule="constant", warmup=4)[:5] == [0.25, 0.5, 0.75, 1, 1]


@given(st.lists(st.integers(0, 6).map(float), max_size=30), st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_plateau_is_that_of_torch(losses, patience):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience, threshold=0.0, threshold_mode="abs"
    )
    for number, loss in enumerate(losses):
        schedule.step(loss)
        assert plateau(losses[: number + 1], patience, 0.5) == optimizer.param_groups[0]["lr"]


@given(st.sampled_from(["constant", "linear", "cosine", "exponential", "one_cycle", "warmup_stable_decay"]),
       st.integers(1, 60), st.floats(0, 0.9), st.floats(0, 1))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_factors_are_shares(name, total, warmup, final):
    found = ours(total, schedule=name, warmup=warmup, final_rate=final)
    assert all(0 <= one <= 1 + 1e-12 for one in found)


# ---- optimisers


REFERENCE = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.8, foreach=False),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), foreach=False),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.95), foreach=False),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, foreach=False),
    "adafactor": lambda p: torch.optim.Adafactor(p, lr=0.01, foreach=False),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_optimisers_are_those_of_torch(name):
    module, other = net(), net()
    made = Optimizers(module, Training(optimizer=name, learning_rate=0.02, momentum=0.8, second_moment=0.95,
                                       weight_decay=0.1))  # fmt: skip
    groups = [
        {"params": [p for p in other.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in other.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    reference = REFERENCE[name](groups)
    source = Numbers()
    for step in range(8):
        for one in (module, other):
            one.zero_grad()
            batch = source.batch(np.arange(step * 8, step * 8 + 8))
            class_loss(one(**batch.inputs), batch)[0].backward()
        made.step(0.5)  # half of 0.02
        reference.step()
    torch.testing.assert_close(weights(module), weights(other), rtol=0, atol=1e-6)


def test_muon_has_the_matrices_inside_and_adamw_the_rest():
    module, other = Reader(), Reader()
    inside = inner_matrices(other)
    assert inside == {other.query.weight, other.key.weight, other.value.weight}
    made = Optimizers(module, Training(optimizer="muon", learning_rate=0.1, weight_decay=0.0))
    rest = [one for one in other.parameters() if one not in inside]
    named = [one for one in other.parameters() if one in inside]
    muon = torch.optim.Muon(named, lr=0.1, momentum=0.9, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(rest, lr=0.1, weight_decay=0.0, foreach=False)
    for step in range(3):
        for one in (module, other):
            one.zero_grad()
            batch = Texts().batch(np.arange(step * 16, step * 16 + 16))
            class_loss(one(**batch.inputs), batch)[0].backward()
        made.step(1.0)
        muon.step()
        adamw.step()
    torch.testing.assert_close(weights(module), weights(other), rtol=0, atol=1e-6)


def test_nothing_to_train_is_said():
    module = net()
    module.requires_grad_(False)
    with pytest.raises(UserError, match="frozen"):
        train(module, Numbers(), class_loss, Training())


def test_l1_is_that_of_the_loss():
    module, other = net(), net()
    chosen = Training(l1=0.01, batch_rows=64, micro_batch=16, steps=5, optimizer="sgd", momentum=0, clip_norm=0.05,
                      schedule="constant", learning_rate=0.1, checkpoint_every=0)  # fmt: skip
    train(module, Numbers(), class_loss, chosen)
    batch = Numbers().batch(np.arange(64))
    for _ in range(5):
        other.zero_grad()
        penalty = sum(one.abs().sum() for one in other.parameters() if one.ndim >= 2)
        (nn.functional.cross_entropy(other(**batch.inputs), batch.labels) + 0.01 * penalty).backward()
        nn.utils.clip_grad_norm_(other.parameters(), 0.05)
        with torch.no_grad():
            for one in other.parameters():
                one -= 0.1 * one.grad
    torch.testing.assert_close(weights(module), weights(other), rtol=0, atol=1e-6)


# ---- clipping


@given(st.floats(1e-3, 1e3), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_clipping_is_that_of_torch(largest, seed):
    drawn = torch.Generator().manual_seed(seed)
    some = [torch.randn(size, generator=drawn) for size in ((3, 4), (7,), (2, 2, 2))]
    parameters = [nn.Parameter(torch.zeros_like(one)) for one in some]
    for parameter, gradient in zip(parameters, some, strict=True):
        parameter.grad = gradient.clone()
    expected = nn.utils.clip_grad_norm_(parameters, largest)
    norm = clip.total_norm(some, Mesh())
    clip.scale(some, clip.shrink_to(float(norm), largest))
    torch.testing.assert_close(norm, expected)
    for parameter, gradient in zip(parameters, some, strict=True):
        torch.testing.assert_close(gradient, parameter.grad)
    nn.utils.clip_grad_value_(parameters, 0.1)
    clip.clip_value(some, 0.1)
    torch.testing.assert_close(some[0], parameters[0].grad)


def test_norm_of_mixed_types():
    some = [torch.ones(4), torch.full((9,), 2.0, dtype=torch.bfloat16), torch.ones(2, 2, dtype=torch.float64)]
    assert float(clip.total_norm(some, Mesh())) == pytest.approx(sqrt(4 + 36 + 4))


MIXED = """
import os, torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, Replicate, distribute_tensor
from melior.engine import clip
from melior.engine.parallel.mesh import Mesh
dist.init_process_group("gloo", init_method="file://" + os.environ["STORE"], rank=0, world_size=1)
one = init_device_mesh("cpu", (1,), mesh_dim_names=("a",))
other = init_device_mesh("cpu", (1, 1), mesh_dim_names=("b", "c"))
some = [torch.ones(4), distribute_tensor(torch.full((3, 3), 2.0), one, [Shard(0)]),
        distribute_tensor(torch.ones(5), other, [Replicate(), Shard(0)])]
norm = clip.total_norm(some, Mesh())
assert abs(float(norm) - 45 ** 0.5) < 1e-6, norm
clip.scale(some, 0.5)
assert float(some[1].full_tensor()[0, 0]) == 1
dist.destroy_process_group()
"""


def test_norm_of_plain_and_dealt_out_gradients_of_several_meshes(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MIXED], env={**os.environ, "STORE": str(tmp_path / "store")},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
