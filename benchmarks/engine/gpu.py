"""The engine on a GPU, all in one call of under eight minutes; runs small on a CPU too.

    python benchmarks/engine/gpu.py
    MELIOR_PEER=PYTHON python benchmarks/engine/gpu.py   with HF Trainer, by an interpreter that has accelerate
    python benchmarks/engine/gpu.py --quick

Language models of the GPT-2 kind, from scratch, on rows of random tokens (what is learned does not matter to speed),
one lever at a time: float32, bfloat16, bfloat16 and torch.compile, blocks computed again; then texts of mixed length
with and without rows by length; and the same by HF Trainer in bfloat16. Told: tokens a second, the most memory, and the
share of the processor's peak that the products of the model are (6 x weights x tokens for forward and backward, plus
attention: 12 x layers x width x time of each token; Chowdhery et al., PaLM, 2022, appendix B). Every case stops after
its share of the time (--seconds), so that a slow card ends in time as well.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import HERE, ROOT, Results, Shown, fresh, number, options, part_asked, peak_mib

PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "4090": 165e12, "T4": 65e12}
BIG = {"width": 768, "layers": 12, "time": 1024, "rows": 16}  # the sizes of GPT-2 small
SMALL = {"width": 64, "layers": 2, "time": 64, "rows": 4}
LEVERS: dict[str, dict[str, Any]] = {
    "float32": {"precision": "float32", "compile": False},
    "bfloat16": {"precision": "bfloat16", "compile": False},
    "bfloat16, compile": {"precision": "bfloat16", "compile": True},
    "bfloat16, blocks computed again": {"precision": "bfloat16", "compile": False, "activation_checkpointing": True},
    "mixed lengths, bfloat16": {"precision": "bfloat16", "compile": False, "mixed": True},
    "mixed lengths, bfloat16, by length": {"precision": "bfloat16", "compile": False, "mixed": True, "by_length": True},
}
WARM = 3  # steps that are not counted: compiling, choosing kernels

PEER = """
import json, sys, time
sys.path[:0] = [FOLDER, SOURCES]
import torch
import gpu
from transformers import Trainer, TrainingArguments, TrainerCallback
source, module = gpu.made(SIZES, False)

class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return len(source)
    def __getitem__(self, place):
        return place

class Marks(TrainerCallback):
    begin, steps, count = 0.0, 0, 0
    def on_step_end(self, arguments, state, control, **more):
        if state.global_step == gpu.WARM:
            self.begin = time.perf_counter()
        self.count = state.global_step - gpu.WARM
        if self.begin and time.perf_counter() - self.begin > SECONDS:
            control.should_training_stop = True

def collate(places):
    import numpy as np
    batch = source.batch(np.array(places))
    return {**batch.inputs, "labels": batch.labels}

cpu = not torch.cuda.is_available()
marks = Marks()
arguments = TrainingArguments(output_dir=OUT, max_steps=STEPS, report_to="none", bf16=not cpu, use_cpu=cpu,
                              save_strategy="no", per_device_train_batch_size=SIZES["rows"],
                              remove_unused_columns=False, disable_tqdm=True)
Trainer(module, arguments, train_dataset=Rows(), data_collator=collate, callbacks=[marks]).train()
seconds = time.perf_counter() - marks.begin
tokens = marks.count * SIZES["rows"] * SIZES["time"]
memory = gpu.peak_mib() if cpu else torch.cuda.max_memory_allocated() / 2**20
found = {"tokens_per_second": tokens / seconds, "steps": marks.count, "peak_mib": memory}
print(json.dumps({**found, **gpu.told(module, SIZES)}))
"""


def made(sizes: dict[str, int], mixed: bool) -> tuple[Any, Any]:
    """(rows of tokens, a language model)."""
    import numpy as np
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from melior.engine.problem import Batch

    words = 1000 if sizes["width"] < 128 else 50_304
    random = np.random.default_rng(0)
    rows, time_ = 64 * sizes["rows"], sizes["time"]
    tokens = torch.from_numpy(random.integers(0, words, (rows, time_)))
    length = np.clip(random.lognormal(np.log(time_ / 4), 0.8, rows), 8, time_).astype(np.int64)
    if not mixed:
        length[:] = time_

    class Tokens:
        lengths = length

        def __len__(self) -> int:
            return rows

        def batch(self, chosen: Any) -> Batch:
            widest = int(length[chosen].max())
            some = tokens[torch.as_tensor(chosen), :widest]
            real = torch.arange(widest)[None, :] < torch.from_numpy(length[chosen])[:, None]
            inputs = {"input_ids": some, "attention_mask": real.long()}
            if not mixed:
                del inputs["attention_mask"]
            count = int(real.sum())
            return Batch(inputs, torch.where(real, some, -100), None, len(chosen), count, some.numel() - count)

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=words, n_positions=time_, n_embd=sizes["width"], n_layer=sizes["layers"],
        n_head=max(sizes["width"] // 64, 1), resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, use_cache=False,
    )  # fmt: skip
    return Tokens(), GPT2LMHeadModel(config)


def told(module: Any, sizes: dict[str, int]) -> dict[str, Any]:
    """The device, and the operations that one token needs."""
    import torch

    weights = sum(one.numel() for one in module.parameters())
    operations = 6 * weights + 12 * sizes["layers"] * sizes["width"] * sizes["time"]
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return {"device": name, "weights": weights, "operations": operations}


def trained(lever: dict[str, Any], sizes: dict[str, int], seconds: float, steps: int) -> dict[str, Any]:
    """Trains for so many seconds after the first few steps, at most `steps` steps."""
    import signal

    import torch

    from melior.engine.loop import train
    from melior.engine.losses import token_loss
    from melior.engine.settings import Training

    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    mixed = lever.pop("mixed", False)
    source, module = made(sizes, mixed)
    settings = Training(**{
        "steps": steps, "batch_rows": sizes["rows"], "learning_rate": 3e-4, "log_every": 1, "by_length": False, **lever,
    })  # fmt: skip
    marks: list[float] = []

    def progress(stage: str, done: float, total: float, note: str = "") -> None:
        marks.append(time.perf_counter())
        if len(marks) > WARM and marks[-1] - marks[WARM - 1] > seconds and len(marks) < steps:
            signal.raise_signal(signal.SIGINT)  # as ctrl-C: the step is ended, and training with it

    found = train(module, source, token_loss, settings, progress=progress)
    lines = [line for line in found.history if line["kind"] == "step"]
    counted = lines[WARM:]
    passed = marks[len(lines) - 1] - marks[WARM - 1]
    rows = sizes["rows"]
    tokens = sum(rows * line["tokens_per_second"] / line["rows_per_second"] for line in counted)
    memory = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else peak_mib()
    return {
        "tokens_per_second": tokens / passed,
        "steps": len(counted),
        "peak_mib": memory,
        "padding": sum(line["padding"] for line in counted) / len(counted),
        "waited": sum(line["waited"] for line in counted) / len(counted),
        "losses": [lines[0]["loss"], lines[-1]["loss"]],
        "notes": found.notes,
        **told(module, sizes),
    }


def by_trainer(sizes: dict[str, int], seconds: float, steps: int, python: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as out:
        given = {"SIZES": sizes, "SECONDS": seconds, "STEPS": steps, "OUT": out, "FOLDER": str(HERE / "engine"),
                 "SOURCES": str(ROOT / "src")}  # fmt: skip
        head = "\n".join(f"{name} = {value!r}" for name, value in given.items())
        done = subprocess.run([python, "-c", head + PEER], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip() or "no message").splitlines()[-1])
    return dict(json.loads(done.stdout.splitlines()[-1]))


PARTS = {"trained": trained}


def tables(results: Results) -> list[Shown]:
    rows = []
    for key, one in results.finished().items():
        peak = next((speed for name, speed in PEAK.items() if name in one["device"]), None)
        share = one["operations"] * one["tokens_per_second"] / peak if peak else None
        padding, waited = (one.get(name) for name in ("padding", "waited"))
        rows.append(
            (
                key, one["device"], f"{one['weights'] / 1e6:.1f}", f"{one['tokens_per_second']:,.0f}",
                "–" if share is None else f"{share:.0%}", number(one["peak_mib"], 0),
                "–" if padding is None else f"{padding:.0%}", "–" if waited is None else f"{waited:.0%}",
                str(one["steps"]),
            )
        )  # fmt: skip
    headings = ("case", "device", "weights, M", "tokens a second", "of bfloat16 peak", "peak, MiB", "padding",
                "waited for batches", "steps")  # fmt: skip
    return [Shown("Training a language model", headings, rows, "Tokens that are no padding.")]


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=25, help="of each case, after its first steps")
    parser.add_argument("--small", action="store_true", help="a tiny model, as without a GPU")


def main() -> None:
    if part_asked(PARTS):
        return
    given = options(__doc__ or "", more)
    import torch

    small = given.small or given.quick or not torch.cuda.is_available()
    seconds = 2.0 if given.quick else given.seconds
    sizes, steps = (SMALL if small else BIG), 30 if given.quick else 2000
    results = Results("engine/gpu", "The engine on a GPU", given, {"seconds": seconds, **sizes})
    if not given.show:
        peer = os.environ.get("MELIOR_PEER")
        if peer:
            results.case("HF Trainer, bfloat16", lambda: by_trainer(sizes, seconds, steps, peer))
        for name, lever in LEVERS.items():
            if lever["compile"] and given.quick:
                continue
            results.case(
                name, lambda one=lever: fresh(
                    "engine/gpu", "trained", lever=one, sizes=sizes, seconds=seconds, steps=steps, timeout=120
                )
            )  # fmt: skip
    results.show(tables(results))


if __name__ == "__main__":
    main()
