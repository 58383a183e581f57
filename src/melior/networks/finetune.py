"""Fine-tuning a causal model on texts, prompts with answers, or chats: whole, its last layers, or a LoRA beside it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from melior.engine.loop import Trained, train
from melior.engine.plan.ready import about_to_train
from melior.engine.settings import Training
from melior.errors import UserError
from melior.networks.adapters import load_adapter, save_adapter
from melior.networks.conversation import Language, language
from melior.networks.freezing import Tuning, freeze
from melior.networks.generate import Generation, answers
from melior.networks.loading import Loaded, load_causal, quiet
from melior.networks.lora import lora_layers
from melior.networks.losses import CausalNetwork, language_loss
from melior.networks.packing import LanguageRows, keeps_apart
from melior.progress import Progress, silent
from melior.storage import write_atomic


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned causal model.

    model      the transformers model, with the LoRA beside it where there is one
    tokenizer  its tokenizer
    base       the name or path that it began from
    trained    what the engine says of the training
    notes      sentences for people: what was cut, how much is trained
    """

    model: Any
    tokenizer: Any
    base: str
    trained: Trained | None
    notes: tuple[str, ...] = ()

    def answers(self, rows: Sequence[Any], settings: Generation | None = None) -> list[str | None]:
        """The answers to prompts (texts, {"prompt": ...} or chats); None where a prompt leaves no room for one."""
        return answers(self.model, self.tokenizer, rows, settings or Generation())

    def save(self, folder: str | Path) -> None:
        """An adapter in PEFT's format where there is a LoRA, else the whole model; and the tokenizer. All of it JSON
        and safetensors."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(self.base).expanduser()  # in full: it is looked for from anywhere
        base = str(place.absolute()) if place.exists() else self.base
        with quiet():
            if lora_layers(self.model):
                save_adapter(self.model, folder, base=base, causal=True)
            else:
                self.model.save_pretrained(folder, safe_serialization=True)
            self.tokenizer.save_pretrained(folder)
        write_atomic(folder / "melior.json", json.dumps({"base": base, "lora": bool(lora_layers(self.model))}))


def load_tuned(folder: str | Path, *, base: str | Path | None = None) -> Tuned:
    """What `Tuned.save` wrote; an adapter needs the model that it began from, under its name or as `base`."""
    folder = Path(folder)
    try:
        kept = json.loads((folder / "melior.json").read_bytes())
        began, lora = str(base or kept["base"]), bool(kept["lora"])
    except FileNotFoundError:
        raise UserError(f"{folder}: there is no melior.json in it; give a folder that a fine-tuning wrote.") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{folder / 'melior.json'} is damaged: restore it from a copy.") from None
    if not lora:
        loaded = load_causal(folder)
        return Tuned(loaded.model, loaded.tokenizer, began, None, loaded.notes)
    loaded = load_causal(began)
    load_adapter(loaded.model, folder)
    return Tuned(loaded.model.eval(), loaded.tokenizer, began, None, loaded.notes)


def finetune(
    base: Loaded | str | Path,
    rows: Sequence[Any] | Language,
    settings: Training,
    *,
    valid: Sequence[Any] | None = None,
    tuning: Tuning = "lora",
    packed: bool = True,
    limit: int | None = None,
    name: str = "rows",
    folder: Path | None = None,
    progress: Progress = silent,
    **how: Any,
) -> Tuned:
    """Trains a causal model on rows of text, prompt and answer, or chat (see `conversation`).

    base    a name, folder or GGUF file, or what `load_causal` gave (it is changed)
    rows    in memory, or as tokens that were made with the base's tokenizer and the same limit (`token_store`)
    valid   rows to validate on
    tuning  full, last_k (with `layers`), lora (with `add_lora`'s settings)
    packed  several rows behind one another in a line: less padding, the same loss
    limit   tokens of a row; None: what the model takes, at most 1,024
    name    what errors call the rows
    folder  where checkpoints are written; an unfinished training there goes on

    UserError before training starts: rows that cannot be read, a limit above the model's, packing with a model that
    does not keep rows apart.

    >>> tuned = finetune("some/model", chats, Training(steps=100, learning_rate=2e-4))     # doctest: +SKIP
    >>> tuned.answers([[{"role": "user", "content": "Where is my order?"}]])             # doctest: +SKIP
    """
    loaded = base if isinstance(base, Loaded) else load_causal(base)
    model, tokenizer = loaded.model, loaded.tokenizer
    most = min(loaded.limit, 1024) if limit is None else limit
    if most > loaded.limit:
        raise UserError(f"{loaded.name} takes at most {loaded.limit:,} tokens and the limit is {most:,}; lower it.")
    read = rows if isinstance(rows, Language) else language(tokenizer, rows, most, name=name)
    checked = None if valid is None else language(tokenizer, valid, most, name=f"{name} to validate on")
    if packed and not keeps_apart(model):
        raise UserError(f"{loaded.name}: this model lets packed rows see one another; set packed to false.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        share = freeze(model, tuning, **({"seed": settings.seed} if tuning == "lora" else {}), **how)
    pad = tokenizer.pad_token_id
    source = LanguageRows(read, pad, packed=packed)
    held = None if checked is None else LanguageRows(checked, pad, packed=packed)
    network = CausalNetwork(model)
    about_to_train(network, source, language_loss, settings)
    trained = train(network, source, language_loss, settings, valid=held, folder=folder, progress=progress)
    notes = [*loaded.notes, f"trained: {share}", *trained.notes]
    if read.truncated:
        notes.append(f"{read.truncated:,} of {read.rows:,} rows were longer than {most:,} tokens and were cut")
    if read.dropped:
        notes.append(f"{read.dropped:,} rows had nothing to learn within {most:,} tokens and were left out")
    return Tuned(model.eval(), tokenizer, loaded.name, trained, tuple(notes))
