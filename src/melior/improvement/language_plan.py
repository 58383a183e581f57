"""Which settings of a language model are tried: a handful, by what it begins from and how the baseline's loss went."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from melior.checks._training import Record
from melior.errors import UserError
from melior.models.causal_lm import CausalLm
from melior.recipe import Choice, Recipe

NAMES = (
    "higher_rate", "lower_rate", "more_epochs", "fewer_epochs", "higher_rank", "last_layers", "more_layers", "lora",
    "wider", "narrower", "deeper",
)  # fmt: skip
OF_TUNING = {"layers", "rank", "alpha", "dropout"}  # settings that belong to one way of teaching


@dataclass(frozen=True)
class Change:
    """Settings that take the place of the recipe's (None: as the family has it).

    times   what it costs, as a multiple of the baseline
    treats  symptoms that it may treat
    """

    name: str
    settings: dict[str, Any]
    times: float = 1.0
    treats: tuple[str, ...] = field(default=("untuned",))

    def of(self, recipe: Recipe, settings: CausalLm) -> Recipe:
        """The recipe with these settings."""
        given = {**recipe.model.settings, **self.settings}
        kept = {key: value for key, value in given.items() if value is not None}
        return recipe.with_model(Choice(name=settings.name, settings=kept))

    def excludes(self, other: "Change") -> bool:
        """Whether two changes cannot be joined: both set the same, or one sets what the other's way of teaching does
        not have (a rank of the LoRA that is no more)."""
        mine, theirs = set(self.settings), set(other.settings)
        ways = ("tuning" in mine and theirs & OF_TUNING) or ("tuning" in theirs and mine & OF_TUNING)
        return bool(mine & theirs or ways)


def changes(
    settings: CausalLm, record: Record, *, attempt: Sequence[str] = (), never: Sequence[str] = ()
) -> list[Change]:
    """What is worth a try, the likeliest help first.

    record   of the baseline's training: its loss on rows that it watched says whether it was too short or too long
    attempt  names to try whatever the record says; never: names to leave out
    """
    found = [
        Change("higher_rate", {"learning_rate": _three_digits(3 * settings.rate)}),
        Change(
            "lower_rate", {"learning_rate": _three_digits(settings.rate / 3)}, treats=("untuned", "exploding_gradients")
        ),
        *_length(settings, record, attempt),
        *(_from_nothing(settings, record, attempt) if settings.base is None else _further(settings)),
    ]
    return [one for one in found if one.name not in never]


def known_changes(*names: str) -> None:
    """Refuses an unknown name."""
    for name in names:
        if name not in NAMES:
            raise UserError(f"{name}: no change of a language model's settings; there are {', '.join(NAMES)}.")


def turn(record: Record) -> float | None:
    """Where in the training the loss on the watched rows was best, as a share of its steps; None where fewer than two
    validations say anything."""
    steps, losses = record.valid
    if len(losses) < 2:
        return None
    return float(steps[int(losses.argmin())] / steps[-1])


def _three_digits(rate: float) -> float:
    return float(f"{rate:.3g}")


def _length(settings: CausalLm, record: Record, attempt: Sequence[str]) -> list[Change]:
    """More where the loss still falls at the end (or nothing is known), fewer where it turned before."""
    name, now = ("epochs", settings.epochs) if settings.steps is None else ("steps", settings.steps)
    best = turn(record)
    found = []
    if best is None or best >= 1 or "more_epochs" in attempt:
        found.append(Change("more_epochs", {name: 2 * now}, times=2.0))
    if (best is not None and best < 1) or "fewer_epochs" in attempt:
        fewer = max(1, round(now * (0.5 if best is None or best >= 1 else best)))
        if fewer < now:
            found.append(Change("fewer_epochs", {name: fewer}, times=fewer / now, treats=("overfitting",)))
    return found


def _further(settings: CausalLm) -> list[Change]:
    """Of a model that was there before: how it is taught. Each way of teaching has its own usual rate."""
    if settings.tuning == "lora":
        rank = min(4 * settings.rank, 4096)
        return [
            Change("higher_rank", {"rank": rank, "alpha": settings.alpha * rank / settings.rank}),
            Change("last_layers", {"tuning": "last_k", "learning_rate": None}),
        ]
    lora = Change("lora", {"tuning": "lora", "learning_rate": None}, treats=("untuned", "overfitting"))
    if settings.tuning == "last_k":
        return [Change("more_layers", {"layers": 2 * settings.layers}), lora]
    return [lora]


def _from_nothing(settings: CausalLm, record: Record, attempt: Sequence[str]) -> list[Change]:
    """Of a model from nothing: how large it is."""
    best = turn(record)
    half = settings.width // 2
    found = [
        Change("wider", {"width": 2 * settings.width}, times=3.0),
        Change("deeper", {"depth": 2 * settings.depth}, times=2.0),
    ]
    learns_by_heart = best is not None and best < 1
    if (learns_by_heart or "narrower" in attempt) and half >= 8 and not half % (2 * settings.heads):
        found.insert(0, Change("narrower", {"width": half}, times=0.6, treats=("overfitting",)))
    return found
