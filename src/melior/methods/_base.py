"""What a method is: a frozen set of settings with hooks that change how training goes, each the identity by default.

A recipe's methods act in the order in which data flows: all `rows` hooks, `columns`, `model`, `learner`, inside the
training of a network `network`, `batch`, `loss` and `forward`, and after fitting `predictor`. Among the hooks of one
kind the order is `order`, so that cleaning comes before weighting before sampling however the recipe lists them.
"""

from abc import ABC
from collections.abc import Collection, Sequence
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from melior.data.language import Row
from melior.data.table import Floats, Labels, Table
from melior.errors import UserError
from melior.features._base import MatrixStep, TableStep
from melior.methods._acting import INSIDE, Acting
from melior.models._base import FitContext, Learner, Model
from melior.predictor import Predictor
from melior.recipe import Choice, Recipe
from melior.refusals import sentence
from melior.registry import discover, snake

if TYPE_CHECKING:
    from melior.methods._done import Done


class HeldOut(Protocol):
    """Training rows scored by fits that did not see them, for what is set after fitting (thresholds, calibration)."""

    @property
    def labels(self) -> Labels:
        """(rows,), or (rows, labels) of 0 and 1 where a row may have several."""

    @property
    def scores(self) -> Floats: ...

    @property
    def weights(self) -> Floats | None: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def metric(self) -> str: ...


class Method(BaseModel, Acting, ABC):
    """Base of every method. Its fields are its settings; a subclass overrides the hooks it needs and nothing else.

    treats     the symptoms that it can help with
    kinds      column kinds in which it treats them; empty: wherever they were found
    questions  numbers of the questions that it answers
    reference  paper or other source, a link or a citation
    rival      methods that it makes pointless or that make it pointless: never combined
    candidates settings that `improve` tries, cheapest first; the first entry {} is the defaults
    always     tried on every table, whatever the findings
    first_for  symptoms for which its defaults help most often: the judge gives them a larger share of its level
    begins_for symptoms for which a recipe may begin with it where rows are too few to prove anything: taken if it looks
               better in the trial of families
    networks   acts on how networks are built or trained: refused for other families
    instead    what other families have in place of what acts inside training, for the sentence that refuses it there
    files      settings that name a file or folder that it reads: what stands in it is part of a trial
    needs      what it cannot work without and no ordinary table has, in words; empty for most
    multilabel works where a row may have several labels. Not said: a method that only changes the family's settings
               does, since it reads no label, and any other does not
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    treats: ClassVar[frozenset[str]]
    kinds: ClassVar[frozenset[str]] = frozenset()
    questions: ClassVar[tuple[int, ...]]
    reference: ClassVar[str]
    order: ClassVar[int] = 50
    rivals: ClassVar[frozenset[str]] = frozenset()
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    always: ClassVar[bool] = False
    first_for: ClassVar[frozenset[str]] = frozenset()
    begins_for: ClassVar[frozenset[str]] = frozenset()
    networks: ClassVar[bool] = False
    instead: ClassVar[str] = "a method that acts on rows"
    files: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[str] = ""
    multilabel: ClassVar[bool]
    cost: ClassVar[float] = 1.0  # fits of the baseline that one fit with it costs, roughly

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = snake(cls.__name__)
        if "multilabel" not in cls.__dict__:
            reading = ("rows", "columns", "learner", "predictor", *INSIDE)
            cls.multilabel = all(getattr(cls, hook) is getattr(Method, hook) for hook in reading)

    def seconds(self, table: Table) -> float:
        """What its own work on these training rows takes on one core, roughly, whatever the family: of a method that
        trains something itself. 0 where `cost` says all."""
        return 0.0

    def fits(self, model: Model) -> float:
        """As `cost`, on this family."""
        return self.cost

    def refused(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        """Why it cannot be used here and what to use instead, or None: `unsuitable`, and what holds for all methods."""
        if table.multilabel and not self.multilabel:
            able = [n for n, m in methods().items() if m.multilabel and not m.networks]
            return (
                f'it needs one class a row, and "{table.target}" has several labels a row; there '
                f"{', '.join(able)} can be used"
            )
        if self.acts() and not model.is_network:
            return (
                f"it acts inside the training of a network, and {model.name} is none; name a network under `model`, or "
                f"use {self.instead}"
            )
        if self.acts():
            from melior.methods._networks import untrained

            if reason := untrained(model):
                return reason
        return self.unsuitable(recipe, table, model)

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        """Why it cannot be used here and what to use instead, or None. Reads the table's schema and shape only."""
        return None

    def rows(self, train: Table, context: FitContext) -> Table:
        """Which training rows, with which labels and weights. Never sees any other rows."""
        return train

    def language_rows(self, rows: Sequence[Row], seed: int) -> list[Row]:
        """The same for a language model (task: generate): which rows it learns. Never sees rows put aside."""
        return list(rows)

    def done(self, train: Table, context: FitContext) -> "list[Done]":
        """What `rows` and `columns` do to these training rows and why, for people; empty where that is not told."""
        return []

    def columns(self) -> TableStep | MatrixStep | None:
        """A step, not yet fitted, that is fitted on the training rows and kept with the predictor."""
        return None

    def model(self, model: Model) -> Model:
        """The family with changed settings."""
        return model

    def learner(self, learner: Learner) -> Learner:
        """Wraps fitting: bagging, boosting, stacking."""
        return learner

    @property
    def told(self) -> str:
        """Name and settings: the same for what does the same."""
        return f"{self.name}{self.model_dump_json()}"

    # ---- after fitting

    def uses_held_out(self) -> bool:
        """True where `predictor` reads its second argument."""
        return type(self).predictor is not Method.predictor

    def predictor(self, predictor: Predictor, held_out: HeldOut) -> Predictor:
        """After fitting: threshold, calibration."""
        return predictor


@cache
def methods() -> dict[str, type[Method]]:
    """Every method there is, under its name."""
    return discover("methods", Method)


def treating(symptom: str, kinds: Collection[str] = (), *, multilabel: bool = False) -> tuple[str, ...]:
    """Names of the methods that treat a symptom found in columns of these kinds; none: wherever it was found.
    multilabel: those that work where a row may have several labels."""
    able = [(name, method) for name, method in methods().items() if method.multilabel or not multilabel]
    return tuple(name for name, method in able if reaches(method, symptom, kinds))


def reaches(method: type[Method], symptom: str, kinds: Collection[str]) -> bool:
    """Whether a method treats a symptom that was found in columns of these kinds."""
    return symptom in method.treats and (not method.kinds or not kinds or bool(method.kinds & set(kinds)))


def never_together(one: type[Method] | Method, other: type[Method] | Method) -> bool:
    """Whether one makes the other pointless."""
    return other.name in one.rivals or one.name in other.rivals


def resolve(choices: Sequence[Choice]) -> tuple[Method, ...]:
    """The methods a recipe names, with their settings checked, in the order in which they act."""
    known = methods()
    found: list[Method] = []
    for choice in choices:
        if choice.name not in known:
            from difflib import get_close_matches

            near = get_close_matches(choice.name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else "; `melior methods` lists what there is."
            raise UserError(f"methods: there is no method {choice.name!r}{hint}")
        try:
            found.append(known[choice.name](**choice.settings))
        except ValidationError as error:
            raise UserError(sentence(error, f"methods.{choice.name}", known[choice.name])) from None
    return tuple(sorted(found, key=lambda method: (method.order, method.name)))


def check(recipe: Recipe, table: Table, model: Model) -> tuple[Method, ...]:
    """The recipe's methods, refused with a sentence where one cannot work with this family or table."""
    chosen = resolve(recipe.methods)
    for method in chosen:
        reason = method.refused(recipe, table, model)
        if reason:
            raise UserError(f"methods.{method.name} cannot be used here: {reason}.")
    losses = [method.name for method in chosen if method.own_loss()]
    if len(losses) > 1:
        raise UserError(f"methods: {' and '.join(losses)} each set the loss, and there is one; take one of them out.")
    for one, other in combinations(chosen, 2):
        if never_together(one, other):
            raise UserError(f"methods: {one.name} and {other.name} are never used together; take one of them out.")
    return chosen
