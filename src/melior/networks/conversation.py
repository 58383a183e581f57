"""Rows of language modelling as token ids with the tokens that count: plain text, prompt and answer, chat.

A row is one of
    "a text"  or  {"text": "a text"}                         every token counts
    {"prompt": "...", "answer": "..."}                       the answer and the end count
    [{"role": "user", "content": "..."}, ...]  or  {"messages": [...]}    what the assistant says counts
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from melior.errors import UserError
from melior.networks.tokens import Stretches, TokenRows, Tokens
from melior.networks.turns import rendered, said

NOTHING = "there is nothing in them that could be learned; every row is empty."
ROLES = ("system", "user", "assistant", "tool")
# for tokenizers that bring none: the role in marks, the content, the end token
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Language:
    """Token ids of rows, and which of them count.

    tokens     the ids
    counts     (all tokens,) bools: this token is to be predicted
    truncated  rows that were longer than the limit and were cut
    dropped    rows of which nothing counted
    rows       rows that it was made of
    """

    tokens: TokenRows
    counts: Stretches[np.bool_]
    truncated: int = 0
    dropped: int = 0
    rows: int = 0


def language(tokenizer: Any, rows: Sequence[Any], limit: int, *, name: str = "rows") -> Language:
    """The ids of rows of any of the three forms.

    limit  most tokens of a row. A longer plain text goes on in further rows; a longer answer is cut at its end, a
           longer prompt at its beginning where nothing of the answer were left otherwise
    name   what the sentences of errors call the rows

    UserError: a row of no known form, a message without role or content, an unknown role, no answer in it.
    """
    made = cut_rows(tokenizer, rows, limit, name=name)
    if not made.ids:
        raise UserError(f"{name}: {NOTHING}")
    tokens = replace(Tokens.of(made.ids), truncated=made.truncated)
    counts = np.concatenate([np.asarray(marks, dtype=bool) for marks in made.counts])
    return Language(tokens, counts, made.truncated, made.dropped, len(rows))


class Cut(NamedTuple):
    """Ids and marks of what counts of each piece of the rows; `Language` says the rest."""

    ids: list[list[int]]
    counts: list[list[bool]]
    truncated: int
    dropped: int


def cut_rows(tokenizer: Any, rows: Sequence[Any], limit: int, *, name: str = "rows", first: int = 1) -> Cut:
    """The same before it is put together; there may be nothing in it. first: the number of the first row."""
    ids: list[list[int]] = []
    counts: list[list[bool]] = []
    truncated = dropped = 0
    for made, marks, plain in zip(*encoded(tokenizer, rows, name=name, first=first), strict=True):
        if plain:
            pieces = [slice(start, start + limit) for start in range(0, len(made), limit)]
            # a piece of one token has nothing to predict
            pieces = [piece for piece in pieces if len(made[piece]) > 1]
        else:
            truncated += len(made) > limit
            kept = slice(0, limit)
            if not any(marks[1:limit]):
                kept = slice(max(len(made) - limit, 0), len(made))
            pieces = [kept] if any(marks[kept][1:]) else []
        dropped += not pieces
        ids += [made[piece] for piece in pieces]
        counts += [marks[piece] for piece in pieces]
    return Cut(ids, counts, truncated, dropped)


def with_template(tokenizer: Any) -> Any:
    """The tokenizer with a chat template: its own, or else a plain one."""
    if not tokenizer.chat_template:
        tokenizer.chat_template = TEMPLATE
    return tokenizer


def start_token(tokenizer: Any) -> int:
    """What stands before a text: the begin token, or where there is none the end token (of what was before)."""
    token = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if token is None:
        raise UserError("the tokenizer has neither a begin nor an end token; name one in its tokenizer_config.json.")
    return int(token)


def asked(tokenizer: Any, row: Any, name: str = "row") -> str:
    """The text that a model goes on from: a prompt as it is, a chat with the assistant's turn opened."""
    messages = row.get("messages") if isinstance(row, dict) else row
    if isinstance(messages, list):
        checked_chat(messages, name, answered=False)
        return rendered(with_template(tokenizer), messages, name, ask=True)
    prompt = row.get("prompt") if isinstance(row, dict) else row
    if not isinstance(prompt, str):
        raise UserError(f'{name} has no "prompt" and no "messages"; give one of them.')
    return prompt


def checked_chat(messages: list[Any], where: str, *, answered: bool = True) -> None:
    """One sentence that names the row and the message where something is missing."""
    for number, message in enumerate(messages, start=1):
        at = f"{where}, message {number}"
        if not isinstance(message, dict):
            raise UserError(f'{at} is no object with "role" and "content"; write it as one.')
        for key in ("role", "content"):
            if not isinstance(message.get(key), str):
                raise UserError(f'{at} has no "{key}" (a text is wanted); add it or leave the row out.')
        if message["role"] not in ROLES:
            raise UserError(f'{at}: the role is "{message["role"]}" and can be {", ".join(ROLES)}; correct it.')
    if not messages:
        raise UserError(f"{where} has no messages; leave it out.")
    if answered and not any(message["role"] == "assistant" for message in messages):
        raise UserError(f"{where}: the assistant says nothing in it, so there is nothing to learn; leave it out.")


class Numbered(dict[str, Any]):
    """A row that knows its number in its file, so that a sentence names it rightly wherever it was put since."""

    def __init__(self, row: dict[str, Any], number: int) -> None:
        super().__init__(row)
        self.number = number


def numbered(rows: Sequence[dict[str, Any]], name: str) -> list[Numbered]:
    """Rows as they are read, each with its number. UserError: a row of no known form, found before anything is learned
    from the others."""
    for number, row in enumerate(rows, start=1):
        read_row(row, f"{name}, row {number:,}")
    return [Numbered(row, number) for number, row in enumerate(rows, start=1)]


def read_row(row: Any, where: str) -> str | tuple[str, str] | list[dict[str, Any]]:
    """What a row says: a text, a prompt and its answer, or the messages of a chat; or one sentence on what is wrong."""
    if isinstance(row, dict):
        if "messages" in row:
            row = row["messages"]
        elif "prompt" in row or "answer" in row:
            for key in ("prompt", "answer"):
                if not isinstance(row.get(key), str):
                    raise UserError(f'{where} has no "{key}" (a text is wanted); add it or leave the row out.')
            return row["prompt"], row["answer"]
        else:
            row = row.get("text")
    if isinstance(row, str):
        return row
    if not isinstance(row, list | tuple):
        raise UserError(f'{where} has no "text", no "prompt" with "answer" and no "messages"; give one of them.')
    messages = list(row)
    checked_chat(messages, where)
    return messages


class Encoded(NamedTuple):
    """Ids, marks of what counts, and whether it is plain text, of each row."""

    ids: list[list[int]]
    counts: list[list[bool]]
    plain: list[bool]


def encoded(tokenizer: Any, rows: Sequence[Any], *, name: str = "rows", first: int = 1) -> Encoded:
    """Rows of any of the three forms, whole. first: the number of the first row, for the sentences of errors."""
    with_template(tokenizer)
    texts: list[str] = []
    spans: list[list[tuple[int, int]] | None] = []  # characters that count; None: plain text
    answers: dict[int, str] = {}
    for number, row in enumerate(rows):
        where = f"{name}, row {row.number if isinstance(row, Numbered) else first + number:,}"
        text, span, answer = _read(tokenizer, row, where)
        texts.append(text)
        spans.append(span)
        if answer is not None:
            answers[number] = answer
    ids, places = _ids(tokenizer, texts, places=any(span is not None for span in spans))
    answer_ids = dict(zip(answers, _ids(tokenizer, list(answers.values()))[0], strict=True))
    start, end = start_token(tokenizer), tokenizer.eos_token_id
    counts: list[list[bool]] = []
    for number, span in enumerate(spans):
        if number in answer_ids:
            own = [start, *ids[number]]
            ids[number] = [*own, *answer_ids[number], end]
            counts.append([False] * len(own) + [True] * (len(answer_ids[number]) + 1))
        elif span is None:
            ids[number] = [start, *ids[number], end]
            counts.append([False] + [True] * (len(ids[number]) - 1))
        else:
            begins = [place[0] for place in places[number]]
            counts.append([any(a <= begin < b for a, b in span) for begin in begins])
    return Encoded(ids, counts, [span is None and number not in answer_ids for number, span in enumerate(spans)])


def _read(tokenizer: Any, row: Any, where: str) -> tuple[str, list[tuple[int, int]] | None, str | None]:
    """The text of a row, what of it counts (characters), and the answer where it is apart."""
    found = read_row(row, where)
    if isinstance(found, str):
        return found, None, None
    if isinstance(found, tuple):
        return found[0], None, found[1]
    return *said(tokenizer, found, where), None


def _ids(
    tokenizer: Any, texts: list[str], *, places: bool = False
) -> tuple[list[list[int]], list[list[tuple[int, int]]]]:
    """Ids without the marks that the tokenizer would add, and the characters of each where they are asked for."""
    if not texts:
        return [], []
    made = tokenizer(
        texts, add_special_tokens=False, return_offsets_mapping=places, return_attention_mask=False, verbose=False
    )
    return made["input_ids"], made["offset_mapping"] if places else []
