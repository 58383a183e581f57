"""What a setting is refused for, in one plain sentence: where, what is wrong, what would do."""

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

# how pydantic names one of the kinds that a setting may have
KIND = re.compile(r"(function-\w+|literal)\[|constrained-\w+$")

# what pydantic calls a problem -> what there should be, with pydantic's own details
SHOULD: Mapping[str, str | Callable[[Mapping[str, Any]], str]] = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "multiple_of": "a multiple of {multiple_of}",
    "finite_number": "a finite number",
    "literal_error": "{expected}",
    "string_too_short": lambda about: f"text of at least {_counted(about['min_length'], 'character')}",
    "string_too_long": lambda about: f"text of at most {_counted(about['max_length'], 'character')}",
    "too_short": lambda about: f"a list of at least {_counted(about['min_length'], 'entry')}",
    "too_long": lambda about: f"a list of at most {_counted(about['max_length'], 'entry')}",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "text",
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), "a list"),
    **dict.fromkeys(
        ("dict_type", "mapping_type", "model_type", "model_attributes_type"), "a mapping of names to values"
    ),
    "none_required": "nothing",
}


def sentence(error: ValidationError, where: str, part: type[BaseModel]) -> str:
    """The first problem of a validation error of `part` as one sentence.

    >>> from melior.recipe import Source
    >>> try:
    ...     Source.model_validate({"path": "a.csv", "colums": {}})
    ... except ValidationError as error:
    ...     print(sentence(error, "data.sources", Source))
    data.sources: 'colums' is not a setting; did you mean columns?
    """
    first = error.errors()[0]
    steps = [str(step) for step in first["loc"] if not KIND.match(str(step))]
    key, kind, about = ".".join(steps), first["type"], first.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{where}: {key!r} is not a setting; {_instead(steps[-1], _fields(part, steps[:-1]))}"
    if kind == "missing":
        return f"{where}: {key!r} is missing; add it."
    should = SHOULD.get(kind)
    if should is None:
        message = first["msg"].removeprefix("Value error, ")
    else:
        message = f"should be {should.format(**about) if isinstance(should, str) else should(about)}"
    given = first.get("input")
    shown = f" (it is {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{where}: {key or 'the recipe'}: {message}{shown}."


def _fields(part: type[BaseModel], steps: Iterable[str]) -> list[str]:
    """The settings of what stands at the end of the steps; nothing where that is not to be told."""
    found: Any = part
    for step in steps:
        if step.isdecimal():  # an entry of a list
            continue
        field = found.model_fields.get(step)
        found = next(iter(_parts(field.annotation)), None) if field is not None else None
        if found is None:
            return []
    return list(found.model_fields)


def _parts(annotation: Any) -> list[type[BaseModel]]:
    """The parts that an annotation names: Data, Data | None, tuple[Source, ...]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for inner in get_args(annotation) for part in _parts(inner)]


def _instead(wanted: str, known: list[str]) -> str:
    near = get_close_matches(wanted, known, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"there {'is' if len(known) == 1 else 'are'} {', '.join(known)}." if known else "there are none here."


def _counted(count: int, noun: str) -> str:
    plural = {"entry": "entries", "character": "characters"}
    return f"{count} {noun if count == 1 else plural[noun]}"
