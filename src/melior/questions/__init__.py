"""The thirty questions, what answers each, and which of the answers this version has."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A known answer to a question: its public name, what counts as its working, and whether it is here.

    by  the methods, or other parts of this package, that give it
    """

    id: str
    zh: str
    must: str
    by: tuple[str, ...]
    here: bool


@dataclass(frozen=True)
class Question:
    """One of the thirty, in both languages, with the symptoms that raise it."""

    n: int
    en: str
    zh: str
    symptoms: tuple[str, ...]
    answers: tuple[Answer, ...]


@cache
def questions() -> tuple[Question, ...]:
    """All thirty, in order."""
    import yaml

    read = yaml.safe_load((Path(__file__).parent / "questions.yaml").read_text(encoding="utf-8"))
    given = read["answered_by"]
    return tuple(
        Question(
            one["n"],
            one["en"],
            one["zh"],
            tuple(one["symptoms"]),
            tuple(_answer(answer, one["n"], given) for answer in one["answers"]),
        )
        for one in read["questions"]
    )


def _answer(answer: dict[str, Any], n: int, given: dict[str, list[str]]) -> Answer:
    by = given.get(f"{answer['id']}@{n}", given.get(answer["id"]))
    if by is None:  # looked up and not imported: this room stands below the methods
        by = [answer["id"]] if (Path(__file__).parents[1] / "methods" / f"{answer['id']}.py").exists() else []
    return Answer(answer["id"], answer["zh"], answer["must"], tuple(by), bool(by))
