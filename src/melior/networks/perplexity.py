"""How well a causal model foresees texts: perplexity and bits per byte."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from melior.engine.losses import IGNORED
from melior.networks.conversation import start_token


@dataclass(frozen=True)
class Foreseen:
    """Of each text.

    nats    summed -log p of its tokens
    tokens  how many
    bytes   of its UTF-8
    """

    nats: NDArray[np.float64]
    tokens: NDArray[np.int64]
    bytes: NDArray[np.int64]

    def perplexity(self, which: NDArray[np.bool_] | None = None) -> float:
        """exp(mean nats of a token) over these texts; depends on the tokenizer."""
        nats, tokens = self._of(self.tokens, which)
        return math.exp(nats / tokens) if tokens else math.nan

    def bits_per_byte(self, which: NDArray[np.bool_] | None = None) -> float:
        """nats / ln 2 / bytes over these texts: comparable between tokenizers (Gao et al., The Pile, 2020)."""
        nats, size = self._of(self.bytes, which)
        return nats / math.log(2) / size if size else math.nan

    def by_group(self, groups: Sequence[str]) -> dict[str, tuple[float, float]]:
        """(perplexity, bits per byte) of each group: languages, say."""
        named = np.asarray(groups)
        return {
            str(name): (self.perplexity(named == name), self.bits_per_byte(named == name)) for name in np.unique(named)
        }

    def _of(self, sizes: NDArray[np.int64], which: NDArray[np.bool_] | None) -> tuple[float, int]:
        chosen = slice(None) if which is None else which
        return float(self.nats[chosen].sum()), int(sizes[chosen].sum())


@torch.no_grad()
def foreseen(model: Any, tokenizer: Any, texts: Sequence[str], *, limit: int, cells: int = 2**25) -> Foreseen:
    """Scores every token of every text once; the first is foreseen from the start token.

    limit  tokens that the model sees at once. A longer text goes through in windows that overlap by half, so that a
           token has at least limit / 2 tokens before it
    cells  logits made at once
    """
    device = next(model.parameters()).device
    model.eval()
    start = start_token(tokenizer)
    made = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"] if len(texts) else []
    windows: list[tuple[int, list[int], int]] = []  # text, ids, how many at the front were scored before
    for text, ids in enumerate(made):
        whole = [start, *ids]
        windows += [(text, whole[first:last], scored - first) for first, last, scored in _windows(len(whole), limit)]
    windows.sort(key=lambda window: len(window[1]))
    nats = np.zeros(len(texts))
    vocabulary = model.get_input_embeddings().weight.shape[0]
    place = 0
    while place < len(windows):
        together = 1
        while (
            place + together < len(windows)
            and (together + 1) * len(windows[place + together][1]) * vocabulary <= cells
            and together < 64
        ):
            together += 1
        part = windows[place : place + together]
        place += together
        width = max(len(ids) for _, ids, _ in part)
        given = torch.full((len(part), width), start, dtype=torch.long)
        wanted = torch.full((len(part), width), -100, dtype=torch.long)
        for row, (_, ids, before) in enumerate(part):
            given[row, : len(ids)] = torch.tensor(ids)
            wanted[row, before : len(ids)] = given[row, before : len(ids)]
        logits = model(input_ids=given.to(device), use_cache=False).logits[:, :-1].float()
        losses = cross_entropy(logits.transpose(1, 2), wanted[:, 1:].to(device), ignore_index=-100, reduction="none")
        for (text, _, _), loss in zip(part, losses.double().sum(1).tolist(), strict=True):
            nats[text] += loss
    return Foreseen(
        nats,
        np.asarray([len(ids) for ids in made], dtype=np.int64),
        np.asarray([len(text.encode("utf-8", "surrogatepass")) for text in texts], dtype=np.int64),
    )


def _windows(many: int, limit: int) -> Iterator[tuple[int, int, int]]:
    """The windows of so many tokens: first, behind the last, and from where on it scores; the very first token is
    given."""
    first, scored = 0, 1
    while scored < many:
        last = min(first + limit, many)
        yield first, last, scored
        first, scored = last - max(limit // 2, 1), last


@torch.no_grad()
def foreseen_answers(model: Any, tokenizer: Any, rows: Sequence[Any], *, limit: int) -> Foreseen:
    """The same of the answers in prompts with answers and in chats: only what counts in `conversation` is scored, and
    all of it, longer rows in windows as texts are."""
    from melior.networks.conversation import encoded
    from melior.networks.losses import CausalNetwork

    network = CausalNetwork(model).eval()
    device = next(model.parameters()).device
    found = encoded(tokenizer, rows)
    nats, counted, size = np.zeros(len(rows)), np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    for number, (row, made, marks) in enumerate(zip(rows, found.ids, found.counts, strict=True)):
        ids, counts = torch.tensor([made], device=device), np.asarray(marks, dtype=bool)
        wanted = torch.where(torch.from_numpy(counts).to(device), ids, IGNORED)
        for first, last, scored in _windows(len(made), limit):
            if not counts[scored:last].any():
                continue
            labels = wanted[:, first:last].clone()
            labels[:, : scored - first] = IGNORED
            loss = network(input_ids=ids[:, first:last], labels=labels)
            nats[number] += float(loss.total)
            counted[number] += int(loss.counted)
        size[number] = len(_said(tokenizer, row, np.asarray(made)[counts]).encode("utf-8", "surrogatepass"))
    return Foreseen(nats, counted, size)


def _said(tokenizer: Any, row: Any, scored: NDArray[np.int64]) -> str:
    """What counts of a row: the answer, or what the assistant says. Where a template leaves something of that out (what
    was thought in earlier turns), the text of the tokens that are scored."""
    messages = row.get("messages") if isinstance(row, dict) else row
    if not messages:
        return str(row["answer"])
    said = [message["content"] for message in messages if message["role"] == "assistant"]
    text = str(tokenizer.decode(scored, skip_special_tokens=True))
    return "".join(said) if all(one.strip() in text for one in said) else text
