"""What a method must hold inside the training of a network: batches stay batches, losses are one number a row, passes
give a sum and a count, and the network that is given back is the one that was built."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from melior.data.table import Table
from melior.methods._base import Method
from melior.methods._inside import TeachingLearner
from melior.models._base import FamilyLearner, Model, families, have_torch
from melior.recipe import Choice, Recipe
from melior.testing import images, tables
from melior.testing.promises import holds, kept_bit_for_bit, same_bits, same_state

if TYPE_CHECKING:
    from melior.engine.lessons import Moment
    from melior.engine.problem import Batch

ROWS = 12  # of a batch that is looked at
SEED = 4


@dataclass(frozen=True)
class Taught:
    """A training of a network as it was begun: what it is built from, its rows, and what acts inside it."""

    kind: str
    plan: dict[str, Any]
    begun: Any
    rows: Any
    settings: Any
    several: bool
    acting: tuple[Any, ...]
    place: tuple[dict[str, Any], Any, Any] = ({}, None, None)  # settings, family and rows
    predictor: Any = None  # what came of it

    @property
    def train(self) -> Table:
        return self.place[2]  # type: ignore[no-any-return]

    def module(self) -> Any:
        import torch

        from melior.networks.build import build, drawing
        from melior.networks.states import put_state

        with drawing():
            torch.manual_seed(SEED)
            module = build(self.kind, self.plan)
        put_state(module, self.begun, partly=True)
        return module

    def batch(self) -> "Batch":
        return self.rows.batch(np.arange(min(ROWS, len(self.rows))))  # type: ignore[no-any-return]

    def known(self) -> Any:
        from melior.networks.teaching import known_of

        return known_of(self.rows, int(self.plan["classes"]), self.several, SEED)


SEEN: dict[type, list[Taught]] = {}  # of a suite: for several promises


@contextmanager
def watching() -> Iterator[list[Taught]]:
    """The trainings of networks that begin inside, as they begin."""
    from melior.networks import fitting

    seen: list[Taught] = []
    usual = fitting.fitted

    def fitted(kind: str, plan: dict[str, Any], begun: Any, rows: Any, settings: Any, **how: Any) -> Any:
        acting = tuple(how.get("methods", ()))
        seen.append(Taught(kind, plan, begun, rows, settings, bool(how.get("several")), acting))
        return usual(kind, plan, begun, rows, settings, **how)

    fitting.fitted = fitted
    try:
        yield seen
    finally:
        fitting.fitted = usual


def moment(seed: int = 0) -> "Moment":
    import torch

    from melior.engine.lessons import Moment

    return Moment(step=7, steps=10, random=torch.Generator().manual_seed(seed))


class InsidePromises:
    """Promises of what acts inside training; they hold of themselves where nothing does."""

    method: ClassVar[type[Method]]

    def test_inside_batches_stay_batches(self) -> None:
        """As many rows, the same inputs, weights as before, on the CPU, drawn from the moment alone."""
        for taught in self._taught():
            for one in (one for one in taught.acting if "batch" in one.acts()):
                self._networked(taught)
                given, before = taught.batch(), taught.batch()
                made, again = one.batch(given, moment()), one.batch(taught.batch(), moment())
                holds(_same(given, before), "a batch is changed in place")
                holds(_same(made, again), "the same moment gives another batch")
                holds(made.rows == given.rows == len(made.labels), "a batch has other rows than before")
                holds(set(made.inputs) == set(given.inputs), "a batch has other inputs than before")
                holds(all(len(part) == given.rows for part in made.inputs.values()), "an input has other rows")
                holds((made.weights is None) == (given.weights is None), "weights come or go")
                held = [*made.inputs.values(), made.labels, *([] if made.weights is None else [made.weights])]
                holds(all(part.device.type == "cpu" for part in held), "a batch leaves the CPU")
                holds(made.labels.ndim in (1, 2), "labels are neither class numbers nor shares")

    def test_inside_losses_are_one_number_a_row(self) -> None:
        """(rows,) finite, of class numbers and of shares, the same where the shares are whole; `own_loss` is true."""
        import torch
        from torch.nn.functional import one_hot

        from melior.networks.teaching import row_loss, row_loss_of_labels

        for taught in self._taught():
            known = taught.known()
            for one in (one for one in taught.acting if "loss" in one.acts()):
                usual = row_loss_of_labels if known.several else row_loss
                loss, twice = one.loss(usual, known), one.loss(partial(_doubled, usual), known)
                random = torch.Generator().manual_seed(1)
                logits = 3 * torch.randn((ROWS, known.classes), generator=random)
                logits[0] = torch.linspace(-60, 60, known.classes)  # as sure as can be, and maybe wrong
                labels = torch.randint(known.classes, (ROWS,), generator=random)
                whole = one_hot(labels, known.classes).float()
                shares = 0.7 * whole + 0.3 * whole.roll(1, 0)
                found = []
                for target in (whole, shares) if known.several else (labels, whole, shares):
                    own = logits.clone().requires_grad_(True)
                    losses = loss(own, target)
                    holds(losses.shape == (ROWS,), f"losses are {tuple(losses.shape)}, and should be one a row")
                    holds(bool(losses.isfinite().all()), "a loss is not finite")
                    losses.sum().backward()
                    holds(own.grad is not None and bool(own.grad.isfinite().all()), "a gradient is not finite")
                    found.append(losses.detach())
                    unmoved = torch.equal(losses.detach(), twice(own.detach(), target))
                    holds(one.own_loss() == unmoved, "own_loss is not whether the loss that it is given matters")
                if not known.several:
                    same = torch.allclose(found[0], found[1], atol=1e-4)
                    holds(same, "class numbers and the same as shares give other losses")

    def test_inside_passes_give_a_sum_and_a_count(self) -> None:
        """Finite scalars with a gradient, the same for the same moment; nothing else of the network is touched."""
        import torch

        from melior.networks.teaching import loss_of

        for taught in self._taught():
            loss = loss_of(taught.acting, taught.known())
            for one in (one for one in taught.acting if "forward" in one.acts()):
                module, found = self._networked(taught), []
                before = {name: value.clone() for name, value in module.state_dict().items()}
                module.train()
                for _ in range(2):
                    with torch.random.fork_rng(devices=[]):
                        torch.manual_seed(SEED)
                        total, count = one.forward(partial(_run, module, loss), module, taught.batch(), moment())
                    holds(total.ndim == count.ndim == 0, "a sum or a count is no scalar")
                    holds(bool(total.isfinite()) and float(count) > 0, "the sum is not finite, or nothing counts")
                    holds(all(weight.grad is None for weight in module.parameters()), "it leaves gradients behind")
                    holds(module.training, "it leaves the network in evaluation mode")
                    wanted = [weight for weight in module.parameters() if weight.requires_grad]
                    gradients = torch.autograd.grad(total, wanted, allow_unused=True)
                    holds(any(g is not None and bool(g.any()) for g in gradients), "the sum has no gradient")
                    found.append((float(total.detach()), float(count)))
                    module.load_state_dict(before)  # a batch normalisation counts its batches
                holds(found[0] == found[1], "the same moment gives another loss")

    def test_inside_the_network_comes_back(self) -> None:
        """What `finished` gives has the names and shapes of what was built."""
        for taught in self._taught():
            module = self._networked(taught)
            for one in reversed([one for one in taught.acting if "network" in one.acts()]):
                module = one.finished(module)
            built = {name: value.shape for name, value in taught.module().state_dict().items()}
            given = {name: value.shape for name, value in module.state_dict().items()}
            holds(given == built, "the network that is given back is not the one that was built")

    def test_inside_a_fit_is_repeatable_and_kept(self) -> None:
        """A network trained with it twice is the same to the bit, and saved it is what it was."""
        for taught in self._taught()[:2]:  # one of each table: the same promise for other settings costs minutes
            first, train = taught.predictor, taught.train
            second = self._fit(*taught.place)
            holds(same_state(first, second), f"{taught.place[:2]}: fitted twice with the same seed it differs")
            holds(same_bits(first.scores(train), second.scores(train)), f"{taught.place[:2]}: it scores differently")
            kept_bit_for_bit(first, train, fresh=False)

    # ----

    def _taught(self) -> list[Taught]:
        """How a network's training begins with each of the settings, on a table of every kind and on pictures."""
        own = SEEN.get(type(self))
        if own is None:
            own = SEEN[type(self)] = []
            for place in self._places():
                with watching() as seen:
                    predictor = self._fit(*place)
                own += [replace(one, place=place, predictor=predictor) for one in seen if one.acting][-1:]
        return own

    def _places(self) -> list[tuple[dict[str, Any], Model, Table]]:
        """Settings, a family of networks in which the method acts with them, and a table."""
        if not have_torch():
            return []
        from melior.testing.methods import QUICK

        found: list[tuple[dict[str, Any], Model, Table]] = []
        for number, settings in enumerate(self._settings()):  # type: ignore[attr-defined]
            made, places = self.method(**settings), {"tabular_network": tables.mixed_table(rows=90)}
            if images.HAVE_PILLOW and not number:
                places["image_network"] = images.image_table(rows=60, faulty=False)
            for name, train in places.items():
                model = families()[name](**QUICK[name])
                recipe = Recipe(model=Choice(name=name), metric="macro_f1")
                if made.refused(recipe, train, model) is None and self._acts(made, model):
                    found.append((settings, model, train))
        return found

    def _acts(self, made: Method, model: Model) -> bool:
        """Whether it may put something inside training: by a hook of its own, or by the family or the learner."""
        learner = made.learner(FamilyLearner(model))
        return bool(made.acts() or made.model(model).taught) or isinstance(learner, TeachingLearner)

    def _fit(self, settings: dict[str, Any], model: Model, train: Table) -> Any:
        from melior.testing.methods import fit_with

        return fit_with(self.method, settings, train, given=model)

    def _networked(self, taught: Taught) -> Any:
        """The module with what the methods make of it before training."""
        module = taught.module()
        for one in taught.acting:
            if "network" in one.acts():
                module = one.network(module, taught.known())
        return module


def _run(module: Any, loss: Any, batch: "Batch") -> Any:
    return loss(module(**batch.inputs), batch)


def _doubled(loss: Any, logits: Any, labels: Any) -> Any:
    return 2 * loss(logits, labels)


def _same(one: "Batch", other: "Batch") -> bool:
    import torch

    def equal(a: Any, b: Any) -> bool:
        return bool(a.dtype == b.dtype and torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)))

    same = equal(one.labels, other.labels) and (one.weights is None) == (other.weights is None)
    same = same and (one.weights is None or equal(one.weights, other.weights))
    return same and all(equal(part, other.inputs[name]) for name, part in one.inputs.items())
