"""What may act inside the training of a network: a method, or what a method attaches once it has seen the rows.

Tensors and modules are torch's, so torch is imported inside functions.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from melior.engine.lessons import Moment, Run
    from melior.engine.problem import Batch
    from melior.networks.teaching import Known, RowLoss

INSIDE = ("network", "batch", "loss", "forward")  # the hooks, in the order in which they act


class Acting:
    """Hooks inside training, each the identity: what `Model.taught_by` takes. A subclass has `told`: a name with all
    that it depends on, the same for what does the same."""

    def network(self, network: "nn.Module", known: "Known") -> "nn.Module":
        """The network that is trained in place of the one that was built; `finished` gives that one back."""
        return network

    def finished(self, network: "nn.Module") -> "nn.Module":
        """Of what `network` gave, once it is trained, the network to keep: built as ever, with the weights learned."""
        return network

    def batch(self, batch: "Batch", moment: "Moment") -> "Batch":
        """Another batch in its place, drawn from `moment.random` alone; on the CPU, maybe on another thread."""
        return batch

    def loss(self, loss: "RowLoss", known: "Known") -> "RowLoss":
        """(logits, labels) to the loss of each row. Labels are class numbers (rows,), or shares (rows, classes) where
        a `batch` hook mixes rows. Rows put aside to stop early are judged by the usual loss."""
        return loss

    def own_loss(self) -> bool:
        """Whether `loss` is another loss, whatever loss it is given; no two of them go together."""
        return False

    def forward(self, run: "Run", network: "nn.Module", batch: "Batch", moment: "Moment") -> "tuple[Tensor, Tensor]":
        """The sum of a batch's losses and how much counts, with as many passes through `run` as it needs."""
        return run(batch)

    def acts(self) -> frozenset[str]:
        """The hooks that are not the identity."""
        return frozenset(name for name in INSIDE if getattr(type(self), name) is not getattr(Acting, name))
