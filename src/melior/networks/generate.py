"""Text from a causal model, piece by piece or many answers at once.

Each row draws with a generator of its own, seeded by the seed and its number: an answer does not depend on which
others are generated beside it (up to rounding in the model). A prompt and its answer have to fit into what the model
takes: an answer has at most the room that its prompt leaves.
"""

import inspect
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from melior.errors import UserError
from melior.networks.conversation import asked, start_token


class Generation(BaseModel):
    """How text is generated.

    temperature         0: always the likeliest token; otherwise logits are divided by it, 0..5
    top_k               only the so many likeliest tokens; 0: all
    top_p               only the likeliest tokens that together have this probability, 0..1 (Holtzman et al., The
                        Curious Case of Neural Text Degeneration, 2020)
    repetition_penalty  1: none; logits of tokens that occurred are divided by it (multiplied where negative), 0.1..10
                        (Keskar et al., CTRL, 2019)
    stop                texts at which an answer ends; they are not part of it
    maximum             most tokens of an answer; fewer where the prompt leaves less room
    seed                of everything drawn
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Annotated[float, Field(ge=0, le=5)] = 0.7
    top_k: Annotated[int, Field(ge=0)] = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    repetition_penalty: Annotated[float, Field(ge=0.1, le=10)] = 1.0
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    maximum: Annotated[int, Field(ge=1)] = 256
    seed: Annotated[int, Field(ge=0)] = 0


def penalized(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """logits and seen (rows, vocabulary); seen is true where a token occurred."""
    if penalty == 1:
        return logits
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def probabilities(logits: Tensor, settings: Generation) -> Tensor:
    """(rows, vocabulary) probabilities to draw from, temperature above 0; what top_k and top_p leave out has 0."""
    scaled = logits.float() / settings.temperature
    if 0 < settings.top_k < scaled.shape[-1]:
        least = scaled.topk(settings.top_k, dim=-1).values[..., -1:]
        scaled = scaled.masked_fill(scaled < least, float("-inf"))
    if settings.top_p < 1:
        ordered, order = scaled.sort(dim=-1, descending=True, stable=True)
        shares = ordered.softmax(-1)
        # a token stays while those before it have less than top_p; the first always stays
        gone = (shares.cumsum(-1) - shares) >= settings.top_p
        scaled = scaled.masked_fill(torch.zeros_like(gone).scatter(-1, order, gone), float("-inf"))
    return scaled.softmax(-1)


class Prompt(NamedTuple):
    """number: of its row, which its draws hang on; room: most tokens of its answer."""

    ids: list[int]
    number: int
    room: int


@torch.no_grad()
def tokens(
    model: Any, prompts: Sequence[Prompt], settings: Generation, *, pad: int, ends: frozenset[int]
) -> Iterator[list[int | None]]:
    """The next token of every row, again and again; None where the row has ended (its end token is not given)."""
    device = next(model.parameters()).device
    rows, width = len(prompts), max(len(prompt.ids) for prompt in prompts)
    ids = torch.full((rows, width), pad, dtype=torch.long)
    mask = torch.zeros((rows, width), dtype=torch.long)
    for row, prompt in enumerate(prompts):  # padded at the front, so that all go on from the same place
        ids[row, width - len(prompt.ids) :] = torch.tensor(prompt.ids)
        mask[row, width - len(prompt.ids) :] = 1
    ids, mask = ids.to(device), mask.to(device)
    places = (mask.cumsum(1) - 1).clamp(min=0)
    seen = torch.zeros((rows, model.get_input_embeddings().weight.shape[0]), dtype=torch.bool, device=device)
    for row, prompt in enumerate(prompts):
        seen[row, torch.tensor(prompt.ids, device=device)] = True
    generators = [torch.Generator().manual_seed(settings.seed * 1_000_003 + prompt.number) for prompt in prompts]
    going = torch.ones(rows, dtype=torch.bool)
    name = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    past: dict[str, Any] = {}
    for made_before in range(max(prompt.room for prompt in prompts)):
        made = model(input_ids=ids, attention_mask=mask, position_ids=places, use_cache=True, logits_to_keep=1, **past)
        past = {name: getattr(made, name)}
        logits = penalized(made.logits[:, -1].float(), seen, settings.repetition_penalty)
        if settings.temperature == 0:
            drawn = logits.argmax(-1).cpu()
        else:
            shares = probabilities(logits, settings).cpu()
            drawn = torch.stack(
                [torch.multinomial(shares[row], 1, generator=generators[row])[0] for row in range(rows)]
            )
        for row in range(rows):
            going[row] &= made_before < prompts[row].room and int(drawn[row]) not in ends
        yield [int(drawn[row]) if going[row] else None for row in range(rows)]
        if not going.any():
            return
        ids = torch.where(going, drawn, pad)[:, None].to(device)
        seen.scatter_(1, ids, True)
        mask = torch.cat([mask, torch.ones((rows, 1), dtype=mask.dtype, device=device)], 1)
        # a row that has ended stays where it is: it may be at the model's last place
        places = places[:, -1:] + going[:, None].to(device)


class Writing:
    """Tokens of one row to text: pieces that are final, cut at the first stop text."""

    def __init__(self, tokenizer: Any, stop: tuple[str, ...]) -> None:
        self.tokenizer, self.stop = tokenizer, stop
        self.ids: list[int] = []
        self.shown = 0
        self.text = ""
        self.ended = False

    def add(self, token: int | None) -> str:
        """The text that became final with this token; None: the row has ended and what was held back comes out."""
        if self.ended:
            return ""
        if token is None:
            self.ended = True
        else:
            self.ids.append(token)
        self.text = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        cut = min((place for text in self.stop if (place := self.text.find(text)) >= 0), default=-1)
        if cut >= 0:
            self.text, self.ended = self.text[:cut], True
        until = len(self.text) if self.ended else len(self.text) - self._held()
        piece = self.text[self.shown : until]
        self.shown = max(until, self.shown)
        return piece

    def _held(self) -> int:
        """Characters at the end that may still change: half a character, or the beginning of a stop text."""
        held = len(self.text) - len(self.text.rstrip("\ufffd"))
        for text in self.stop:
            for size in range(min(len(text) - 1, len(self.text)), 0, -1):
                if self.text.endswith(text[:size]):
                    held = max(held, size)
                    break
        return held


def stream(model: Any, tokenizer: Any, row: Any, settings: Generation) -> Iterator[str]:
    """The answer to a prompt (a text, {"prompt": ...} or the messages of a chat), in pieces as they come.

    >>> for piece in stream(loaded.model, loaded.tokenizer, [{"role": "user", "content": "Hello"}], Generation()):
    ...     print(piece, end="", flush=True)                                         # doctest: +SKIP
    """
    writing = Writing(tokenizer, settings.stop)
    prompt = _prompt(model, tokenizer, row, settings)
    if prompt.room < 1:
        raise UserError(too_long(model, tokenizer, len(prompt.ids)))
    for (token,) in tokens(model, [prompt], settings, pad=tokenizer.pad_token_id, ends=end_tokens(model, tokenizer)):
        if piece := writing.add(token):
            yield piece
        if writing.ended:
            return
    if piece := writing.add(None):
        yield piece


def answers(
    model: Any, tokenizer: Any, rows: Sequence[Any], settings: Generation, *, together: int = 16
) -> list[str | None]:
    """The answers to prompts, `together` at once, those of like length with one another; None where the prompt is so
    long that the model has no room for an answer."""
    found: list[str | None] = [None] * len(rows)
    prompts = [_prompt(model, tokenizer, row, settings, number) for number, row in enumerate(rows)]
    order = sorted((prompt for prompt in prompts if prompt.room > 0), key=lambda prompt: len(prompt.ids))
    ends = end_tokens(model, tokenizer)
    for start in range(0, len(order), together):
        part = order[start : start + together]
        writings = [Writing(tokenizer, settings.stop) for _ in part]
        for step in tokens(model, part, settings, pad=tokenizer.pad_token_id, ends=ends):
            for writing, token in zip(writings, step, strict=True):
                writing.add(token)
            if all(writing.ended for writing in writings):
                break
        for prompt, writing in zip(part, writings, strict=True):
            writing.add(None)
            found[prompt.number] = writing.text
    return found


def too_long(model: Any, tokenizer: Any, many: int) -> str:
    """The sentence about a prompt of so many tokens that leaves no room for an answer."""
    from melior.networks.loading import token_limit

    limit = token_limit(model.config, tokenizer)
    return f"the prompt has {many:,} tokens and the model takes {limit:,} with the answer; shorten the prompt."


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends an answer: the tokenizer's, and those that the model's settings name."""
    named: Any = [tokenizer.eos_token_id]
    for config in (model.config, getattr(model, "generation_config", None)):
        more = getattr(config, "eos_token_id", None)
        named += more if isinstance(more, list) else [more]
    return frozenset(int(token) for token in named if token is not None)


def _prompt(model: Any, tokenizer: Any, row: Any, settings: Generation, number: int = 0) -> Prompt:
    from melior.networks.loading import token_limit

    text = asked(tokenizer, row, f"row {number + 1:,}")
    ids = list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    if not _is_chat(row):
        ids = [start_token(tokenizer), *ids]
    return Prompt(ids, number, min(settings.maximum, token_limit(model.config, tokenizer) - len(ids)))


def _is_chat(row: Any) -> bool:
    return isinstance(row, list) or (isinstance(row, dict) and "messages" in row)
