"""Inputs changed a little so that a network errs: along the gradient of its loss, inside a ball around each row."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from melior.engine.lessons import Run
from melior.engine.problem import Batch
from melior.engine.surroundings import still
from melior.networks.noise import PIXEL, number_places
from melior.networks.words import WordsVector

Norm = Literal["linf", "l2"]
FURTHER = 2.5  # all steps together go so many times as far as the ball's radius; Madry et al. 2018
TINY = 1e-12


@dataclass
class Change:
    """What is added to one input: `delta`, of its shape, inside a ball.

    radius   linf: the most that one entry changes; l2: the most that a row's change measures, (rows,)
    counted  where it may be changed, 1, else 0
    norm     linf or l2
    """

    delta: Tensor
    radius: Tensor
    counted: Tensor
    norm: Norm

    @classmethod
    def within(
        cls, shown: Tensor, counted: Tensor, unit: float | Tensor, strength: float, norm: Norm, random: Any
    ) -> "Change":
        """Of an input `shown` (rows, ...). counted: where it may be changed, 1, else 0; unit: what strength 1 is for an
        entry, so that in l2 a row's radius is strength unit sqrt(entries); random: where in the ball it begins, a
        generator, or None for no change."""
        most = torch.as_tensor(strength * unit, dtype=shown.dtype, device=shown.device)
        counted = counted.expand(shown.shape).to(shown.dtype)
        radius = most if norm == "linf" else most * counted.flatten(1).sum(1).sqrt()
        if random is None:
            return cls(torch.zeros_like(shown), radius, counted, norm)
        begun = (2 * torch.rand(shown.shape, generator=random) - 1).to(shown)
        made = cls(torch.zeros_like(shown), radius, counted, norm)
        made.delta = made.projected(begun * most * counted)
        return made

    def stepped(self, gradient: Tensor, share: float) -> Tensor:
        """The change after a step uphill of `share` of the radius."""
        gradient = gradient * self.counted
        if self.norm == "linf":
            return self.projected(self.delta + share * self.radius * gradient.sign())
        length = gradient.flatten(1).norm(dim=1).clamp(min=TINY)
        return self.projected(self.delta + gradient * _by_row(share * self.radius / length, gradient))

    def projected(self, delta: Tensor) -> Tensor:
        """The nearest change inside the ball."""
        if self.norm == "linf":
            return torch.maximum(torch.minimum(delta, self.radius), -self.radius)
        length = delta.flatten(1).norm(dim=1).clamp(min=TINY)
        return delta * _by_row((self.radius / length).clamp(max=1), delta)


def _by_row(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))


def word_embeddings(network: nn.Module) -> list[nn.Module]:
    """The layers that make a vector of each token of a text."""
    found: list[nn.Module] = []
    for module in network.modules():
        if isinstance(module, WordsVector):
            found.append(module.embedding)
            continue
        asked: Any = getattr(module, "get_input_embeddings", None)  # of transformers' models
        if asked is not None:
            try:
                own = asked()
            except NotImplementedError:
                continue
            if isinstance(own, nn.Embedding) and not any(own is one for one in found):
                found.append(own)
    return found


@dataclass
class Attack:
    """Changes to a batch, uphill in its loss.

    norm      linf: each entry by at most `strength` of its unit; l2: a row's entries by that in the root of their mean
              square
    strength  in units: of a number its column's scale, of a pixel the way from black to white, of a word the usual size
              of an entry of its vector
    steps     1: one step from where the row is (FGSM, Goodfellow et al., ICLR 2015; in the vectors of words: Miyato et
              al., ICLR 2017); more: from a random place in the ball, back into it after each (PGD, Madry et al., ICLR
              2018)
    """

    norm: Norm
    strength: float
    steps: int
    inputs: dict[str, Change] = field(default_factory=dict)
    words: dict[nn.Module, Change] = field(default_factory=dict)

    def against(self, run: Run, network: nn.Module, batch: Batch, random: torch.Generator) -> "Attack":
        """Finds the changes, with the network as it answers: nothing is dropped, no running mean moves."""
        begun = None if self.steps == 1 else random
        places = number_places(network)
        for name, part in batch.inputs.items():
            if name == "values" and part.shape[1] and (places is None or places):
                counted = torch.zeros(part.shape[1], device=part.device)
                counted[slice(None) if places is None else places] = 1.0
                if batch.rows > 1:  # a column that never changes is no way in
                    counted *= (torch.nan_to_num(part) != torch.nan_to_num(part[:1])).any(0)
                self.inputs[name] = Change.within(part, counted, 1.0, self.strength, self.norm, begun)
            elif part.dtype == torch.uint8:
                shown = part.float()
                every = torch.ones((), device=part.device)
                self.inputs[name] = Change.within(shown, every, PIXEL, self.strength, self.norm, begun)
        share = 1.0 if self.steps == 1 else FURTHER / self.steps
        with still(network):
            for _ in range(self.steps):
                self._step(run, network, batch, share, begun)
        return self

    def _step(self, run: Run, network: nn.Module, batch: Batch, share: float, begun: Any) -> None:
        with self.applied(network, begun=begun), torch.enable_grad():
            for change in (*self.inputs.values(), *self.words.values()):
                change.delta = change.delta.detach().requires_grad_(True)
            total, _ = run(self.changed(batch))
            changes = [*self.inputs.values(), *self.words.values()]
            if not changes:
                return
            gradients = torch.autograd.grad(total, [one.delta for one in changes], allow_unused=True)
        for change, gradient in zip(changes, gradients, strict=True):
            if gradient is not None:
                change.delta = change.stepped(torch.nan_to_num(gradient), share).detach()
            else:
                change.delta = change.delta.detach()

    def changed(self, batch: Batch) -> Batch:
        """The batch with its numbers and pixels changed; pixels stay within 0..255. Words change where `applied`."""
        made = dict(batch.inputs)
        for name, change in self.inputs.items():
            part = made[name]
            if part.dtype == torch.uint8:
                made[name] = (part.to(change.delta.dtype) + change.delta).clamp(0, PIXEL)
            else:
                made[name] = part + change.delta
        return replace(batch, inputs=made)

    @contextmanager
    def applied(self, network: nn.Module, *, begun: Any = None) -> Iterator[None]:
        """Inside, what the embeddings of words give is changed as well."""

        def moved(module: nn.Module, given: tuple[Tensor, ...], shown: Tensor) -> Tensor:
            change = self.words.get(module)
            if change is None:  # seen for the first time: how large its vectors are is only known now
                if not torch.is_grad_enabled():
                    return shown
                own = shown.detach()
                size = own.square().mean().sqrt()
                every = torch.ones((), device=own.device)
                change = Change.within(own, every, size, self.strength, self.norm, begun)
                change.delta.requires_grad_(True)
                self.words[module] = change
            return shown + change.delta.to(shown.dtype)

        with ExitStack() as stack:
            for module in word_embeddings(network):
                stack.callback(module.register_forward_hook(moved).remove)
            yield


def adversarial(
    run: Run, network: nn.Module, batch: Batch, attack: Attack, clean: float, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(the sum of the losses, how much counts): `clean` of the batch as it is and the rest of it changed by the attack.

    Goodfellow, Shlens, Szegedy, Explaining and Harnessing Adversarial Examples, ICLR 2015 (clean 0.5); Madry et al.,
    Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018 (clean 0).
    """
    found = attack.against(run, network, batch, random)
    with found.applied(network):
        hard, count = run(found.changed(batch))
    if not clean:
        return hard, count
    easy, _ = run(batch)
    return clean * easy + (1 - clean) * hard, count
