"""Rows for language models: texts, prompts with answers, or chats, as dictionaries.

A file (JSONL, Parquet, CSV, plain or compressed) has the columns `messages`, or `prompt` and `answer`, or `text`; a
`.txt` or `.md` file is one text. A column `language` names each row's language, where it is known.
"""

from pathlib import Path
from typing import Any

from melior.data.encodings import decode
from melior.data.files import read_file, unpacked
from melior.errors import UserError

Row = dict[str, Any]
FORMS = '"messages", or "prompt" and "answer", or "text"'
PLAIN = (".txt", ".md")


def language_rows(source: Any, *, answered: bool = True) -> tuple[list[Row], str]:
    """The rows and what messages call them. source: a file, or a list of texts, dictionaries and chats.

    answered  False: prompts need no answer

    >>> language_rows([{"prompt": "2 + 2 =", "answer": "4"}, "a text"])
    ([{'prompt': '2 + 2 =', 'answer': '4'}, {'text': 'a text'}], 'the rows')
    """
    if isinstance(source, str | Path):
        return _of_file(Path(source), answered)
    if not isinstance(source, list | tuple):
        raise UserError(f"rows for language models are a file or a list, not {type(source).__name__}.")
    return [_row(one) for one in source], "the rows"


def _row(one: Any) -> Row:
    if isinstance(one, dict):
        return dict(one)
    return {"text": one} if isinstance(one, str) else {"messages": one}


def _of_file(path: Path, answered: bool) -> tuple[list[Row], str]:
    if path.suffix.lower() in PLAIN and path.is_file():
        text = decode(unpacked(path.read_bytes(), path.name), None, path.name).data.decode("utf-8")
        if not text.strip():
            raise UserError(f"{path.name}: the file is empty.")
        return [{"text": text}], path.name
    raw = read_file(path)
    kept = columns_of(set(raw.frame.columns), raw.name, answered=answered)
    return raw.frame.select(kept).to_dicts(), raw.name


def columns_of(there: set[str], name: str, *, answered: bool = True) -> list[str]:
    """The columns of rows that are read. there: those of a file, which messages call `name`."""
    wanted = [["messages"], ["prompt", "answer"] if answered else ["prompt"], ["text"]]
    columns = next((one for one in wanted if set(one) <= there), None)
    if columns is None:
        raise UserError(f"{name}: it has the columns {', '.join(sorted(there)[:8])}; {FORMS} are needed.")
    return [*columns, *(one for one in ("answer", "language") if one in there and one not in columns)]


def texts_of(row: Row) -> str:
    """All that a row says, as one text."""
    if row.get("messages"):
        return "\n".join(str(message.get("content") or "") for message in row["messages"] if isinstance(message, dict))
    parts = (row.get("prompt"), row.get("answer")) if "prompt" in row else (row.get("text"),)
    return "\n".join(part for part in parts if isinstance(part, str))


def split_answer(row: Row) -> tuple[Row, str] | None:
    """The question (a prompt, or the chat up to the last turn) and the right answer; None for plain text."""
    messages = row.get("messages")
    if messages:
        last = messages[-1]
        return ({"messages": messages[:-1]}, str(last["content"])) if last.get("role") == "assistant" else None
    answer = row.get("answer")
    return ({"prompt": row["prompt"]}, answer) if isinstance(answer, str) and "prompt" in row else None
