"""GGUF files: a tiny model written in the format is read back, whole and quantised."""

import json

import numpy as np
import pytest
import torch

from melior.errors import UserError
from melior.networks.generate import Generation, answers
from melior.networks.loading import load_causal

gguf = pytest.importorskip("gguf")

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def interleaved(weight, heads):
    """Rows of queries and keys as the format has them: what rotates together lies side by side."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def written(path, model, tokenizer, *, quantised=False, left_out=()):
    config = model.config
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    known = json.loads(tokenizer.backend_tokenizer.to_str())
    special = {token["content"] for token in known["added_tokens"]}
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in special else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in known["model"]["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_bos_token_id(tokenizer.bos_token_id)
    for name, value in model.state_dict().items():
        if name == "lm_head.weight":  # tied
            continue
        short = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}.get(name)
        values = value.detach().numpy()
        if short is None:
            _, _, layer, rest = name.split(".", 3)
            short = f"blk.{layer}.{NAMES[rest.removesuffix('.weight')]}.weight"
            if rest.startswith(("self_attn.q_proj", "self_attn.k_proj")):
                values = interleaved(values, config.num_attention_heads)
        if short in left_out:
            continue
        kind = gguf.GGMLQuantizationType.Q8_0
        if quantised and values.ndim == 2 and values.shape[1] % 32 == 0:
            writer.add_tensor(short, gguf.quants.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
        else:
            writer.add_tensor(short, np.ascontiguousarray(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_whole(causal, words, tmp_path, capfd):
    loaded = load_causal(written(tmp_path / "tiny.gguf", causal, words))
    assert capfd.readouterr().err == ""
    ids = torch.randint(8, 200, (2, 9))
    assert torch.allclose(loaded.model(ids).logits, causal(ids).logits, atol=1e-5)
    text = "the quick brown fox 大"
    assert loaded.tokenizer(text, add_special_tokens=False)["input_ids"] == words(text)["input_ids"]
    assert loaded.limit == 64
    assert isinstance(answers(loaded.model, loaded.tokenizer, ["a"], Generation(maximum=3))[0], str)


def test_quantised_weights_become_float32(causal, words, tmp_path):
    loaded = load_causal(written(tmp_path / "tiny.gguf", causal, words, quantised=True))
    name = "model.layers.0.mlp.gate_proj.weight"
    own, read = causal.state_dict()[name], loaded.model.state_dict()[name]
    assert read.dtype == torch.float32
    # Q8_0: 32 weights share a scale of their largest / 127 (in float16), each is rounded to it
    scale = own.reshape(-1, 32).abs().amax(1, keepdim=True) / 127
    apart = (read - own).reshape(-1, 32).abs()
    assert (apart <= (0.501 + 127 * 2**-11) * scale).all()
    assert apart.max() > 0


def test_a_weight_that_is_missing(causal, words, tmp_path):
    path = written(tmp_path / "tiny.gguf", causal, words, left_out=("blk.1.ffn_up.weight",))
    with pytest.raises(UserError, match=r"model\.layers\.1\.mlp\.up_proj\.weight is missing in the file"):
        load_causal(path)


def test_a_file_that_was_cut(causal, words, tmp_path):
    path = written(tmp_path / "tiny.gguf", causal, words)
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(UserError, match="this GGUF file cannot be used"):
        load_causal(path)
