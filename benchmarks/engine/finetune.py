"""Fine-tuning two real pretrained models through the engine: an encoder on reviews, a causal model on chats.

    python benchmarks/engine/finetune.py               all of it
    python benchmarks/engine/finetune.py minilm        or one of minilm, smollm

minilm: MiniLM-L6 (22 M weights) on reviews, 480 to train on and 600 to score, classes balanced: frozen features with a
logistic regression, LoRA, the last two layers. smollm: SmolLM2-135M-Instruct out of a GGUF file, LoRA for a few steps
on made-up chats in one odd style: the loss falls and the answers change.

Rows a second hang on what else runs on the machine (`load_at_start`).
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from common import hardware

from melior.proofs.sources import minilm_folder, reviews_file, smollm_file

RESULTS = Path(__file__).resolve().parent.parent / "results" / "engine" / "finetune.json"
TRAIN, TEST, LIMIT = 480, 600, 128


def reviews() -> tuple[list[str], np.ndarray]:
    """Balanced reviews with a text, in a fixed random order."""
    import polars as pl

    frame = pl.read_parquet(reviews_file()).filter(pl.col("Review Text").is_not_null())
    labels = frame["Recommended IND"].to_numpy().astype(np.int64)
    random = np.random.default_rng(0)
    half = (TRAIN + TEST) // 2
    rows = np.concatenate([random.permutation(np.flatnonzero(labels == one))[:half] for one in (0, 1)])
    rows = random.permutation(rows)
    return frame["Review Text"].gather(rows).to_list(), labels[rows]


def minilm() -> dict[str, Any]:
    import torch
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    from melior.engine.loop import scores, train
    from melior.engine.losses import class_loss
    from melior.engine.settings import Training
    from melior.networks.features import frozen_features
    from melior.networks.freezing import freeze
    from melior.networks.loading import load_encoder
    from melior.networks.losses import TextClassifier
    from melior.networks.tokens import TextRows, tokenized

    texts, labels = reviews()
    found: dict[str, Any] = {}
    loaded = load_encoder(minilm_folder())
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        features = frozen_features(loaded.model, loaded.tokenizer, texts, limit=LIMIT, cache=Path(folder))
        seconds = time.perf_counter() - began
        again = time.perf_counter()
        same = frozen_features(loaded.model, loaded.tokenizer, texts, limit=LIMIT, cache=Path(folder))
        assert np.array_equal(features, same)
        again = time.perf_counter() - again
    head = LogisticRegression(max_iter=1000).fit(features[:TRAIN], labels[:TRAIN])
    shares = head.predict_proba(features[TRAIN:])[:, 1]
    found["frozen features, logistic regression"] = {
        "auc": roc_auc_score(labels[TRAIN:], shares),
        "accuracy": float(np.mean((shares > 0.5) == labels[TRAIN:])),
        "encoded_rows_per_second": len(texts) / seconds,
        "seconds_from_cache": again,
    }
    for name, tuning, rate in (("lora", "lora", 1e-3), ("last_k", "last_k", 2e-4)):
        loaded = load_encoder(minilm_folder())
        with torch.random.fork_rng():
            torch.manual_seed(0)
            how = {"rank": 8, "alpha": 16.0} if tuning == "lora" else {"layers": 2}
            trained = freeze(loaded.model, tuning, **how)
            module = TextClassifier(loaded.model, 2)
        tokens = tokenized(loaded.tokenizer, texts, LIMIT)
        source = TextRows(tokens.take(np.arange(TRAIN)), labels[:TRAIN], None, loaded.tokenizer.pad_token_id)
        held = TextRows(tokens.take(np.arange(TRAIN, TRAIN + TEST)), labels[TRAIN:], None, source.pad)
        settings = Training(epochs=3, batch_rows=16, learning_rate=rate, warmup=0.1, checkpoint_every=0, device="cpu")
        began = time.perf_counter()
        done = train(module, source, class_loss, settings)
        seconds = time.perf_counter() - began
        logits = scores(module, held, settings)
        losses = [line["loss"] for line in done.history if line.get("kind") == "step"]
        found[name] = {
            "trained": str(trained),
            "auc": roc_auc_score(labels[TRAIN:], logits[:, 1] - logits[:, 0]),
            "accuracy": float(np.mean(logits.argmax(1) == labels[TRAIN:])),
            "loss": [round(float(np.mean(part)), 3) for part in np.array_split(losses, 5)],
            "rows_per_second": 3 * TRAIN / seconds,
        }
    return found


QUESTIONS = ["red", "blue", "green", "black", "white", "brown", "grey", "yellow", "pink", "orange", "purple", "silver"]
THINGS = ["shirt", "coat", "dress", "hat", "scarf", "skirt"]


def chats() -> list[Any]:
    return [
        [
            {"role": "user", "content": f"Do you have a {colour} {thing}?"},
            {"role": "assistant", "content": f"Arr, matey! A {colour} {thing} be in our hold, aye."},
        ]
        for colour in QUESTIONS
        for thing in THINGS
    ]


def smollm() -> dict[str, Any]:
    from melior.engine.settings import Training
    from melior.networks.answers import exact_match, token_f1
    from melior.networks.finetune import finetune, load_tuned
    from melior.networks.generate import Generation, answers
    from melior.networks.loading import load_causal
    from melior.networks.perplexity import foreseen

    began = time.perf_counter()
    loaded = load_causal(smollm_file())
    found: dict[str, Any] = {"seconds_to_load": time.perf_counter() - began}
    settings = Generation(temperature=0, maximum=40)
    general = [[{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]]
    rows = chats()
    random = np.random.default_rng(0).permutation(len(rows))
    train_rows, test_rows = [rows[n] for n in random[:48]], [rows[n] for n in random[48:60]]
    asked, right = [row[:1] for row in test_rows], [row[1]["content"] for row in test_rows]
    began = time.perf_counter()
    found["answer_to_a_general_question"] = answers(loaded.model, loaded.tokenizer, general, settings)[0]
    drawn = Generation(temperature=0.7, top_p=0.9, maximum=60, seed=1)
    ask = [[{"role": "user", "content": "Write two sentences about the sea."}]]
    found["two_sentences_about_the_sea"] = answers(loaded.model, loaded.tokenizer, ask, drawn)[0]
    found["seconds_to_answer"] = time.perf_counter() - began
    english = ["The sun rises in the east and sets in the west.", "She opened the door and walked into the garden."]
    nonsense = ["Sun the east in rises west and sets the in the.", "Door she walked the garden opened into the and."]
    for name, texts in (("english", english), ("words_mixed", nonsense)):
        scored = foreseen(loaded.model, loaded.tokenizer, texts, limit=128)
        found[f"perplexity_{name}"], found[f"bits_per_byte_{name}"] = scored.perplexity(), scored.bits_per_byte()
    before = answers(loaded.model, loaded.tokenizer, asked, settings)
    training = Training(
        steps=18, batch_rows=8, learning_rate=1e-3, warmup=0.1, checkpoint_every=0, log_every=1, device="cpu"
    )
    began = time.perf_counter()
    tuned = finetune(loaded, train_rows, training, tuning="lora", rank=8, alpha=16.0, limit=96)
    seconds = time.perf_counter() - began
    assert tuned.trained is not None
    losses = [line["loss"] for line in tuned.trained.history if line.get("kind") == "step"]
    after = tuned.answers(asked, settings)
    with tempfile.TemporaryDirectory() as folder:
        tuned.save(folder)
        again = load_tuned(folder, base=smollm_file()).answers(asked[:3], settings)
        assert again == after[:3], (again, after[:3])
        found["adapter_bytes"] = (Path(folder) / "adapter_model.safetensors").stat().st_size
    return {
        **found,
        "notes": list(tuned.notes),
        "loss_first_and_last": [losses[0], losses[-1]],
        "seconds_a_step": seconds / 18,
        "question": asked[0][0]["content"],
        "answer_before": before[0],
        "answer_after": after[0],
        "exact_match": [exact_match(before, right), exact_match(after, right)],
        "token_f1": [token_f1(before, right), token_f1(after, right)],
    }


def main() -> None:
    asked = sys.argv[1:] or ["minilm", "smollm"]
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in asked:
        where = hardware()
        kept[name] = {"hardware": where, "found": {"minilm": minilm, "smollm": smollm}[name]()}
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        print(json.dumps(kept[name]["found"], indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
