"""Fine-tuning through the engine: packed follows padded, it learns, and what is kept gives the same answers."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from melior.engine.settings import Training  # noqa: E402
from melior.errors import UserError  # noqa: E402
from melior.networks.finetune import finetune, load_tuned  # noqa: E402
from melior.networks.generate import Generation  # noqa: E402
from melior.networks.loading import load_causal  # noqa: E402

SETTINGS = Training(
    steps=60, batch_rows=8, learning_rate=0.02, checkpoint_every=0, log_every=1, device="cpu", threads=1,
    precision="float32", by_length=False,
)  # fmt: skip
CHATS = [
    [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
    for text, answer in [("a shirt", "looks good"), ("the fabric", "is thin"), ("Wie geht es dir?", "gut")] * 4
]
PLAIN = Generation(temperature=0, maximum=12)


def losses(tuned):
    return [line["loss"] for line in tuned.trained.history if line.get("kind") == "step"]


# beside weights that are random and frozen little can be learned
@pytest.mark.parametrize(("tuning", "falls_to"), [("lora", 0.95), ("full", 0.6), ("last_k", 0.9)])
def test_learns_and_is_kept(causal_folder, tmp_path, tuning, falls_to):
    how = {"rank": 8, "alpha": 16.0} if tuning == "lora" else {"layers": 1} if tuning == "last_k" else {}
    tuned = finetune(causal_folder, CHATS, SETTINGS, tuning=tuning, **how)
    found = losses(tuned)
    assert np.mean(found[-5:]) < falls_to * np.mean(found[:3])
    asked = [chat[:1] for chat in CHATS[:3]]
    answers = tuned.answers(asked, PLAIN)
    if tuning == "full":
        assert answers == ["looks good", "is thin", "gut"]
    tuned.save(tmp_path / "kept")
    assert (tmp_path / "kept" / "adapter_config.json").exists() == (tuning == "lora")
    assert not [path for path in (tmp_path / "kept").rglob("*") if path.suffix in (".bin", ".pt", ".pkl", ".pth")]
    again = load_tuned(tmp_path / "kept")
    assert again.answers(asked, PLAIN) == answers
    ids = torch.randint(8, 200, (2, 6))
    assert torch.allclose(again.model(ids).logits, tuned.model(ids).logits, atol=1e-5)


def test_packed_follows_padded(causal_folder):
    """The same trajectory: losses of every step and the weights at the end."""
    short = SETTINGS.model_copy(update={"steps": 12, "learning_rate": 1e-3})
    one, other = (finetune(causal_folder, CHATS, short, packed=packed) for packed in (True, False))
    np.testing.assert_allclose(losses(one), losses(other), rtol=1e-4)
    assert abs(np.mean(np.subtract(losses(one), losses(other)))) < 1e-5
    for first, second in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.allclose(first, second, atol=1e-4)


def test_accumulated_is_whole(causal_folder):
    """Rows count by their tokens, however the step is cut: 8 = 2 x 4 = 8 x 1."""
    made = []
    for micro in (8, 4, 1):
        settings = SETTINGS.model_copy(update={"steps": 6, "learning_rate": 1e-3, "micro_batch": micro})
        made.append(losses(finetune(causal_folder, CHATS, settings)))
    np.testing.assert_allclose(made[1], made[0], rtol=1e-4)
    np.testing.assert_allclose(made[2], made[0], rtol=1e-4)


def test_what_cannot_work_is_said_before_training(causal_folder, tmp_path):
    with pytest.raises(UserError, match=r'chats, row 1, message 1 has no "role"'):
        finetune(causal_folder, [[{"content": "x"}]], SETTINGS, name="chats")
    with pytest.raises(UserError, match="takes at most 64 tokens"):
        finetune(causal_folder, CHATS, SETTINGS, limit=100)
    with pytest.raises(UserError, match=r"no melior\.json"):
        load_tuned(tmp_path)


def test_says_what_it_cut(causal_folder):
    rows = [{"prompt": "the quick brown fox " * 20, "answer": "good"}, *CHATS]
    short = SETTINGS.model_copy(update={"steps": 1})
    notes = " ".join(finetune(load_causal(causal_folder), rows, short).notes)
    assert "1 of 13 rows were longer than 64 tokens and were cut" in notes
    assert "trained:" in notes


def test_kept_files_are_json_and_safetensors(causal_folder, tmp_path):
    tuned = finetune(causal_folder, CHATS, SETTINGS.model_copy(update={"steps": 1}))
    tuned.save(tmp_path / "kept")
    assert json.loads((tmp_path / "kept" / "melior.json").read_text())["lora"] is True
    (tmp_path / "kept" / "melior.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        load_tuned(tmp_path / "kept")
