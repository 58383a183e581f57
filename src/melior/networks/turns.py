"""What the assistant says in the text that a chat template makes of a chat, to the character.

Where the text of the chat begins as the text of its first messages does, an answer is what its message adds to it. Some
templates write earlier turns differently once others follow (Qwen3 leaves out what was thought). There the text is
made again with a mark in a message: where the mark comes out is where the content of that message ends or begins.
What cannot be found so is refused: a user's words are never taken for an answer.
"""

from itertools import count
from typing import Any

from melior.errors import UserError

PROBE = [{"role": "user", "content": "x"}]  # what a template surely opens an answer to


def rendered(tokenizer: Any, messages: list[dict[str, Any]], where: str, *, ask: bool) -> str:
    """The chat as one text; ask: with the assistant's turn opened. The template runs in the library's sandbox."""
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask)
    except Exception as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{where}: the model's chat template refuses it ({told}); change the row to suit.") from None
    return str(text)


def said(tokenizer: Any, messages: list[dict[str, Any]], where: str) -> tuple[str, list[tuple[int, int]]]:
    """The chat as one text, and the characters of it that the assistant says, the end of each turn included.

    UserError: the template refuses the chat, or an answer cannot be found in what it makes of it.
    """
    chat = Chat(tokenizer, messages, where)
    spans = [chat.span(number) for number, message in enumerate(messages) if message["role"] == "assistant"]
    return chat.whole, [(start, end) for start, end in spans if start < end]


class Chat:
    """A chat and its text."""

    def __init__(self, tokenizer: Any, messages: list[dict[str, Any]], where: str) -> None:
        self.tokenizer, self.messages, self.where = tokenizer, messages, where
        self.whole = rendered(tokenizer, messages, where, ask=False)
        self.mark = next(mark for n in count() if (mark := f"mark{n}mark") not in self.whole)

    def span(self, number: int) -> tuple[int, int]:
        """The characters of an answer: from the end of what the model is given to the end of the turn."""
        asked = self._text(self.messages[:number], ask=True) if number else None
        upto = rendered(self.tokenizer, self.messages[: number + 1], self.where, ask=False)
        if asked is not None and self.whole.startswith(asked) and self.whole.startswith(upto):
            return len(asked), len(upto.rstrip())
        last = self._place(self.whole, self.messages, number, end=True)
        if last is None:
            raise self._lost(number)
        if asked is not None and len(asked) <= last and self.whole.startswith(asked):
            start = len(asked)
        else:
            start = self._start(number, last)
        return start, last + len(self._closing(number, upto, last))

    def _start(self, number: int, last: int) -> int:
        """Where an answer begins: behind its header, or else where the content begins. The header is looked for after
        the message before, so that nobody's words are taken for one."""
        after = self._place(self.whole, self.messages, number - 1, end=True) if number else 0
        first = self._place(self.whole, self.messages, number, end=False)
        header = self._header(number)
        if header and after is not None:
            at = self.whole.find(header, after, last if first is None else first)
            if at >= 0:
                return at + len(header)
        if first is None:
            raise self._lost(number)
        return first

    def _header(self, number: int) -> str:
        """What a template writes to open an answer here."""
        for before in (self.messages[:number], PROBE):
            plain, opened = self._text(before, ask=False), self._text(before, ask=True)
            if plain is not None and opened is not None and opened.startswith(plain):
                return opened[len(plain) :]
        return ""

    def _closing(self, number: int, upto: str, last: int) -> str:
        """What ends a turn, as the template writes it while the answer is the last message."""
        place = self._place(upto, self.messages[: number + 1], number, end=True)
        if place is None:
            raise self._lost(number)
        end = self.tokenizer.eos_token
        closing = upto[place:].rstrip()
        if not closing and end and self.whole.startswith(end, last):
            return str(end)
        if not self.whole.startswith(closing, last):
            raise self._lost(number)
        return closing

    def _place(self, text: str, messages: list[dict[str, Any]], number: int, *, end: bool) -> int | None:
        """Where the content of a message begins or ends in the text of these messages, blanks left out; None where the
        template makes something else of the message when a mark stands there."""
        content = messages[number]["content"]
        at = len(content.rstrip()) if end else len(content) - len(content.lstrip())
        marked = {**messages[number], "content": content[:at] + self.mark + content[at:]}
        made = self._text([*messages[:number], marked, *messages[number + 1 :]], ask=False)
        found = -1 if made is None else made.find(self.mark)
        return found if made is not None and found >= 0 and made.replace(self.mark, "", 1) == text else None

    def _text(self, messages: list[dict[str, Any]], *, ask: bool) -> str | None:
        """The text, or None where the template refuses these messages."""
        try:
            return rendered(self.tokenizer, messages, self.where, ask=ask)
        except UserError:
            return None

    def _lost(self, number: int) -> UserError:
        return UserError(
            f"{self.where}, message {number + 1}: where the answer begins and ends cannot be found in what the "
            "model's chat template makes of the chat; give each answer as a chat of its own, or use another model."
        )
