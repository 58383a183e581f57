"""Token states as one vector: their mean, the first, or what learned attention makes of them."""

import torch
from torch import Tensor, nn

UNITS = 128  # of the attention's hidden layer, at most


class AttentionPool(nn.Module):
    """(rows, time, width) to (rows, width): the sum of the states, each times its weight,

    weights = softmax over a row's real tokens of v . tanh(W h + b).

    Lin et al., A Structured Self-attentive Sentence Embedding, ICLR 2017, with one row of attention; Yang et al.,
    Hierarchical Attention Networks for Document Classification, NAACL 2016.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, min(width, UNITS))
        self.query = nn.Linear(min(width, UNITS), 1, bias=False)
        # begun at nearly the mean it would stay there: the encoder then learns to write the answer into every token
        nn.init.normal_(self.query.weight, std=min(width, UNITS) ** -0.5)

    def weights(self, states: Tensor, real: Tensor) -> Tensor:
        """(rows, time), summing to 1 over the tokens where `real` (rows, time) is true; 0 elsewhere."""
        said = self.query(torch.tanh(self.hidden(states))).squeeze(-1)
        return torch.softmax(said.masked_fill(~real, float("-inf")), dim=1)

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        shares = self.weights(states, real).to(states.dtype)
        found: Tensor = (shares[..., None] * states).sum(dim=1)
        return found


def token_shares(mask: Tensor, how: str, states: Tensor, attention: AttentionPool | None) -> Tensor:
    """(rows, time) what each token's state is of the row's vector, summing to 1. mask (rows, time) 1 on real tokens;
    how: mean, cls (the first token) or attention."""
    if attention is not None:
        return attention.weights(states, mask.bool())
    if how == "cls":
        first = torch.zeros_like(mask, dtype=states.dtype)
        first[:, 0] = 1
        return first
    real = mask.to(states.dtype)
    return real / real.sum(dim=1, keepdim=True).clamp(min=1)
