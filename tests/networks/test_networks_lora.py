"""LoRA: the formula, nothing changed at the start, merged as unmerged, PEFT's files."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from melior.errors import UserError
from melior.networks.adapters import load_adapter, save_adapter
from melior.networks.freezing import after_blocks, blocks, freeze
from melior.networks.lora import LoraLayer, add_lora, linear_names, lora_layers, merge, remove_lora, unmerge


def stirred(model, seed=0):
    """The B of every layer at random, as after training."""
    generator = torch.Generator().manual_seed(seed)
    for layer in lora_layers(model).values():
        with torch.no_grad():
            layer.b.copy_(torch.randn(layer.b.shape, generator=generator) * 0.1)


def ids(rows=2, time=9, seed=0):
    return torch.randint(8, 300, (rows, time), generator=torch.Generator().manual_seed(seed))


@given(
    inputs=st.integers(1, 9),
    outputs=st.integers(1, 9),
    rank=st.integers(1, 4),
    alpha=st.floats(0.5, 32),
    conv=st.booleans(),
    root=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_the_formula_and_merging(inputs, outputs, rank, alpha, conv, root, seed):
    from transformers.pytorch_utils import Conv1D

    torch.manual_seed(seed)
    base = Conv1D(outputs, inputs) if conv else nn.Linear(inputs, outputs)
    weight = (base.weight.T if conv else base.weight).detach().clone().double()
    kept = base.weight.detach().clone()
    layer = LoraLayer(base, rank, alpha, root=root)
    layer.draw(torch.Generator().manual_seed(seed))
    given_rows = torch.randn(5, inputs)
    assert torch.equal(layer(given_rows), base(given_rows))  # B is zero: nothing is changed
    with torch.no_grad():
        layer.b.normal_()
    scale = alpha / (rank**0.5 if root else rank)
    wanted = given_rows.double() @ (weight + scale * layer.b.double() @ layer.a.double()).T + base.bias.double()
    size = float(wanted.detach().abs().max()) + 1
    assert torch.allclose(layer(given_rows).double(), wanted, atol=1e-5 * size, rtol=0)
    layer.merge()
    layer.merge()  # twice is once
    assert torch.allclose(layer(given_rows).double(), wanted, atol=1e-5 * size, rtol=0)
    layer.unmerge()
    assert torch.allclose(base.weight, kept, atol=1e-6 * size, rtol=0)


def test_in_a_model_nothing_changes_at_the_start_and_merged_is_unmerged(causal):
    plain = causal(ids()).logits
    names = add_lora(causal, rank=4, seed=3)
    assert len(names) == 2 * 7  # q k v o gate up down in two layers
    assert torch.equal(causal(ids()).logits, plain)
    stirred(causal)
    tuned = causal(ids()).logits
    assert (tuned - plain).abs().max() > 0.01
    merge(causal)
    assert torch.allclose(causal(ids()).logits, tuned, atol=1e-5)
    unmerge(causal)
    assert torch.allclose(causal(ids()).logits, tuned, atol=1e-5)
    remove_lora(causal, keep=True)
    assert not lora_layers(causal)
    assert torch.allclose(causal(ids()).logits, tuned, atol=1e-5)


def test_only_lora_is_trained_and_learns(causal):
    before = {name: value.clone() for name, value in causal.state_dict().items()}
    add_lora(causal, rank=2, seed=0)
    named = {name for name, value in causal.named_parameters() if value.requires_grad}
    assert named
    assert all(name.endswith((".a", ".b")) for name in named)
    causal(input_ids=ids(), labels=ids()).loss.backward()
    assert any(layer.b.grad.abs().max() > 0 for layer in lora_layers(causal).values())
    remove_lora(causal, keep=False)
    for name, value in causal.state_dict().items():
        assert torch.equal(value, before[name])


def test_dropout_only_in_training(causal):
    add_lora(causal, rank=2, dropout=0.5)
    stirred(causal)
    causal.eval()
    assert torch.equal(causal(ids()).logits, causal(ids()).logits)
    causal.train()
    assert not torch.equal(causal(ids()).logits, causal(ids()).logits)


def test_same_seed_same_start(words):
    from melior.networks.scratch import small_causal

    first, second = (small_causal(len(words), width=32, depth=1, heads=2) for _ in range(2))
    add_lora(first, seed=5)
    torch.rand(3)  # the global state does not matter
    add_lora(second, seed=5)
    for one, other in zip(lora_layers(first).values(), lora_layers(second).values(), strict=True):
        assert torch.equal(one.a, other.a)


def test_targets(causal, encoder):
    assert len(add_lora(causal, targets=["q_proj", "v_proj"])) == 4
    assert add_lora(encoder, targets=r".*\.0\..*query") == ["encoder.layer.0.attention.self.query"]


def test_wrong_targets_are_one_sentence(causal):
    with pytest.raises(UserError, match="there are down_proj, gate_proj"):
        add_lora(causal, targets=["query"])
    with pytest.raises(UserError, match="no linear layer"):
        add_lora(causal, targets=["embed_tokens"])
    with pytest.raises(UserError, match="rank is 1"):
        add_lora(causal, rank=0)


# ---- PEFT's files


def test_adapter_survives_the_disk(causal, tmp_path):
    import copy

    other = copy.deepcopy(causal)
    add_lora(causal, rank=3, alpha=5, dropout=0.1, targets=["q_proj", "down_proj"])
    stirred(causal)
    causal.eval()
    save_adapter(causal, tmp_path, base="some/model", causal=True)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["peft_type"], config["task_type"], config["r"], config["lora_alpha"]) == ("LORA", "CAUSAL_LM", 3, 5)
    assert config["target_modules"] == ["down_proj", "q_proj"]
    key = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    assert load_file(tmp_path / "adapter_model.safetensors")[key].shape == (3, 32)
    load_adapter(other, tmp_path)
    assert torch.equal(other.eval()(ids()).logits, causal(ids()).logits)


def test_the_files_are_read_by_peft(causal, tmp_path):
    peft = pytest.importorskip("peft")
    import copy

    other = copy.deepcopy(causal)
    add_lora(causal, rank=3, alpha=7)
    stirred(causal)
    save_adapter(causal, tmp_path / "ours", base="", causal=True)
    theirs = peft.PeftModel.from_pretrained(other, str(tmp_path / "ours")).eval()
    assert torch.allclose(theirs(ids()).logits, causal.eval()(ids()).logits, atol=1e-6)
    theirs.save_pretrained(str(tmp_path / "theirs"))
    again = theirs.unload()
    load_adapter(again, tmp_path / "theirs")
    assert torch.allclose(again.eval()(ids()).logits, causal(ids()).logits, atol=1e-6)


def test_names_that_are_no_ends_are_written_whole(encoder, tmp_path):
    # "dense" alone would also mean other layers
    add_lora(encoder, targets=[r"encoder.layer.0.output.dense"])
    save_adapter(encoder, tmp_path, base="", causal=False)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["target_modules"] == ["encoder.layer.0.output.dense"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"peft_type": "IA3"}, "no LoRA adapter"),
        ({"use_dora": True}, "use_dora is not read"),
        ({"bias": "all"}, "bias is not read"),
    ],
)
def test_other_kinds_are_refused(causal, tmp_path, change, said):
    add_lora(causal)
    path, _ = save_adapter(causal, tmp_path, base="", causal=True)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    remove_lora(causal, keep=False)
    with pytest.raises(UserError, match=said):
        load_adapter(causal, tmp_path)


def test_wrong_adapters_are_one_sentence(causal, encoder, tmp_path):
    with pytest.raises(UserError, match=r"no adapter_config\.json"):
        load_adapter(causal, tmp_path)
    add_lora(causal)
    save_adapter(causal, tmp_path, base="", causal=True)
    with pytest.raises(UserError, match="belongs to another model"):
        load_adapter(encoder, tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"nonsense")
    remove_lora(causal, keep=False)
    with pytest.raises(UserError, match="damaged"):
        load_adapter(causal, tmp_path)


# ---- freezing


def test_blocks_are_the_layers(causal, encoder):
    assert [name for name, _ in blocks(causal)] == ["model.layers.0", "model.layers.1"]
    assert len(blocks(encoder)) == 3
    assert len(linear_names(encoder)) == 3 * 6


@pytest.mark.parametrize(
    ("tuning", "some"), [("full", "all"), ("frozen", "none"), ("last_k", "last"), ("lora", "lora")]
)
def test_what_is_trained(causal, tuning, some):
    settings = {"layers": 1} if tuning == "last_k" else {}
    counted = freeze(causal, tuning, **settings)
    named = {name for name, value in causal.named_parameters() if value.requires_grad}
    if tuning == "full":
        assert counted.trained == counted.all
    elif tuning == "frozen":
        assert not named
    elif tuning == "last_k":
        assert named
        assert all(name.startswith(("model.layers.1.", "model.norm.")) for name in named)
        assert "model.norm.weight" in named
    else:
        assert all(name.endswith((".a", ".b")) for name in named)
    assert counted.trained == sum(value.numel() for value in causal.parameters() if value.requires_grad)


def test_more_layers_than_there_are(causal):
    with pytest.raises(UserError, match=r"give 1\.\.2"):
        freeze(causal, "last_k", layers=3)


def test_after_blocks(causal, encoder):
    assert [type(module).__name__ for module in after_blocks(causal)] == ["LlamaRMSNorm"]
    assert after_blocks(encoder) == []
