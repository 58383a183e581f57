"""Small layers by name: activations, normalisations, first weights, residual blocks. Shapes: (..., width)."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
GAINS = {"tanh": 5 / 3, "sigmoid": 1.0}  # the others: the square root of 2, as half of the units are off


def activation(name: str) -> nn.Module:
    return ACTIVATIONS[name]()


def normalization(name: str, width: int) -> nn.Module:
    """Over (rows, width). batch: each feature over the rows (Ioffe and Szegedy 2015); layer and rms: each row over its
    features (Ba et al. 2016; Zhang and Sennrich 2019); none."""
    if name == "none":
        return nn.Identity()
    made: dict[str, Callable[[int], nn.Module]] = {"batch": BatchNorm, "layer": nn.LayerNorm, "rms": nn.RMSNorm}
    return made[name](width)


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that takes a lone row as it is: one row has no spread to divide by."""

    def forward(self, values: Tensor) -> Tensor:
        if self.training and len(values) < 2:
            return torch.nn.functional.batch_norm(
                values, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(values)


def started(module: nn.Module, how: str, act: str, besides: Iterable[nn.Module] = ()) -> nn.Module:
    """First weights of all linear layers and convolutions inside, but for those inside `besides`, biases 0; returns the
    module.

    he          normal, variance gain^2 / inputs, so that a signal keeps its size (He et al., ICCV 2015)
    xavier      uniform, variance gain^2 2 / (inputs + outputs) (Glorot and Bengio, AISTATS 2010)
    orthogonal  gain times an orthogonal matrix (Saxe et al., ICLR 2014)
    """
    gain = GAINS.get(act, 2**0.5)
    left = {inner for outer in besides for inner in outer.modules()}
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and layer not in left:
            fan = nn.init._calculate_correct_fan(layer.weight, "fan_in")
            if how == "he":
                nn.init.normal_(layer.weight, std=gain / fan**0.5)
            elif how == "xavier":
                nn.init.xavier_uniform_(layer.weight, gain)
            else:
                nn.init.orthogonal_(layer.weight, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module


class Layer(nn.Module):
    """Linear, normalisation, activation, dropout: (rows, inputs) to (rows, width); residual adds what came in."""

    def __init__(self, inputs: int, width: int, norm: str, act: str, dropout: float, *, residual: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, width)
        self.norm = normalization(norm, width)
        self.act = activation(act)
        self.drop = nn.Dropout(dropout)
        self.residual = residual and inputs == width

    def forward(self, values: Tensor) -> Tensor:
        made: Tensor = self.drop(self.act(self.norm(self.linear(values))))
        return values + made if self.residual else made
