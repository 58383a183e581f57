"""What a family that answers with text is: its settings, which are its fields. The models of `task: generate`."""

from abc import ABC
from functools import cache
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from melior.errors import UserError
from melior.recipe import Choice
from melior.refusals import sentence
from melior.registry import discover, snake


class Generator(BaseModel, ABC):
    """A family of language models with its settings. Frozen; the same settings, seed and rows give the same fit.

    files  settings that name a file or folder: what stands in it is part of a trial
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    files: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = snake(cls.__name__)


@cache
def generators() -> dict[str, type[Generator]]:
    """Every family of `task: generate`, under its name."""
    return discover("models", Generator)


def resolve_generator(choice: Choice) -> Generator:
    """The family that a recipe names, with its settings checked; auto is the causal language model."""
    name = "causal_lm" if choice.name == "auto" else choice.name
    known = generators()
    if name not in known:
        raise UserError(f"model: {name!r} is no family of task: generate; there is {', '.join(known)}.")
    try:
        return known[name](**choice.settings)
    except ValidationError as error:
        raise UserError(sentence(error, f"model.{name}", known[name])) from None
