"""Models from folders: what fits is loaded, what does not is one sentence, nothing is executed."""

import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from melior.errors import UserError
from melior.networks.loading import load_causal, load_encoder, load_tokenizer, read_weights


def test_encoder(encoder_folder, encoder, capfd):
    loaded = load_encoder(encoder_folder)
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(loaded.model(ids)[0], encoder(ids)[0])
    assert loaded.limit == 64
    assert loaded.notes == ()
    assert capfd.readouterr() == ("", "")  # the library's remarks stay off the terminal


def test_causal(causal_folder, causal):
    loaded = load_causal(causal_folder)
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(loaded.model(ids).logits, causal(ids).logits)


def test_a_causal_model_serves_as_encoder(causal_folder):
    loaded = load_encoder(causal_folder)
    assert loaded.model(torch.tensor([[5, 6, 7]]))[0].shape == (1, 3, 32)


def test_bin_weights(encoder_folder, encoder):
    torch.save(encoder.state_dict(), encoder_folder / "pytorch_model.bin")
    (encoder_folder / "model.safetensors").unlink()
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(load_encoder(encoder_folder).model(ids)[0], encoder(ids)[0])


class Evil:
    def __reduce__(self):
        return (open, ("executed", "w"))


def test_pickled_objects_are_refused(encoder_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (encoder_folder / "model.safetensors").unlink()
    torch.save({"embeddings": Evil()}, encoder_folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be read safely"):
        load_encoder(encoder_folder)
    (tmp_path / "weights.pth").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UserError, match="cannot be read safely"):
        read_weights(tmp_path / "weights.pth")
    assert not (tmp_path / "executed").exists()


def test_code_in_the_folder_is_not_run(encoder_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = json.loads((encoder_folder / "config.json").read_text())
    config.update(model_type="unheard_of", auto_map={"AutoConfig": "own.Config", "AutoModel": "own.Model"})
    (encoder_folder / "config.json").write_text(json.dumps(config))
    (encoder_folder / "own.py").write_text("open('executed', 'w')")
    with pytest.raises(UserError, match=r"no code of a model is run|cannot be used"):
        load_encoder(encoder_folder)
    assert not (tmp_path / "executed").exists()


def changed(folder, **settings):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def test_weights_that_do_not_fit(encoder_folder):
    changed(encoder_folder, intermediate_size=100)
    with pytest.raises(UserError, match=r"do not fit its config: .* should be \["):
        load_encoder(encoder_folder)


def test_weights_that_are_missing(encoder_folder):
    changed(encoder_folder, num_hidden_layers=4)
    with pytest.raises(UserError, match=r"do not fit its config: encoder\.layer\.3.* and 13 more missing"):
        load_encoder(encoder_folder)


def test_damaged_weights(encoder_folder):
    path = encoder_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match="cannot be read"):
        load_encoder(encoder_folder)


def test_no_config_and_no_weights(encoder_folder, tmp_path):
    (encoder_folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="there are no weights"):
        load_encoder(encoder_folder)
    (encoder_folder / "config.json").unlink()
    with pytest.raises(UserError, match=r"there is no config\.json"):
        load_encoder(encoder_folder)


def test_a_name_that_cannot_be_reached(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="it cannot be reached"):
        load_encoder("nobody/nothing")
    with pytest.raises(UserError, match="no such folder or file"):
        load_causal("./nowhere")


def test_no_tokenizer(encoder_folder):
    for path in encoder_folder.glob("*token*"):
        path.unlink()
    with pytest.raises(UserError, match="there is no tokenizer in it"):
        load_encoder(encoder_folder)


def test_a_tokenizer_without_a_pad_token(causal_folder, words):
    def named(**tokens):
        path = causal_folder / "tokenizer_config.json"
        config = {key: value for key, value in json.loads(path.read_text()).items() if not key.endswith("_token")}
        path.write_text(json.dumps({**config, **tokens}))

    named(eos_token="<|end|>")
    loaded = load_causal(causal_folder)
    assert loaded.tokenizer.pad_token == "<|end|>"
    assert "has no pad token: its end token" in loaded.notes[0]
    named()
    with pytest.raises(UserError, match="no pad token and no end token"):
        load_tokenizer(causal_folder, "it")


def test_a_tokenizer_of_another_model(causal_folder):
    from melior.networks.tokenizers import train_tokenizer

    random = np.random.default_rng(0)
    texts = ["".join(random.choice(list("abcdefghij"), 8)) for _ in range(300)] * 3
    other = train_tokenizer(texts, vocabulary=900, marks="causal")
    other.save_pretrained(causal_folder)
    with pytest.raises(UserError, match="use the tokenizer that belongs"):
        load_causal(causal_folder)


def test_an_encoder_gives_no_next_token(encoder_folder):
    with pytest.raises(UserError, match="no causal language model"):
        load_causal(encoder_folder)


def test_files_that_are_no_gguf(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"nonsense")
    with pytest.raises(UserError, match="no GGUF file"):
        load_causal(path)
    path.write_bytes(b"GGUFnonsense" + bytes(100))
    with pytest.raises(UserError, match="this GGUF file cannot be used"):
        load_causal(path)


def test_read_weights(tmp_path):
    weights = {"a": torch.arange(3.0)}
    save_file(weights, tmp_path / "w.safetensors")
    torch.save({"state_dict": weights}, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        assert torch.equal(read_weights(tmp_path / name)["a"], weights["a"])
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="no tensors by name"):
        read_weights(tmp_path / "list.pth")
    assert load_file(tmp_path / "w.safetensors")["a"].shape == (3,)
