"""A conditional generator of rows and small pictures: a Wasserstein GAN with gradient penalty.

Generator and critic are told the class. Rows are vectors of numbers, each about standard normal, and of one-hot groups;
pictures are 8, 16 or 32 pixels wide and high, one or three channels, -1..1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import one_hot

from melior.networks.build import drawing

NOISE = 64  # standard normal numbers that a row begins with
PENALTY = 10.0  # weight of the gradient penalty, as Gulrajani et al. have it
CRITIC_STEPS = 3  # for one of the generator; the paper has 5, a short training is better spent so
RATE, BETAS = 5e-4, (0.5, 0.9)
AVERAGE = 0.99  # of the moving average of the generator's weights, which is what generates
SHARP = 0.3  # temperature of the softmax of one-hot groups while training
ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Shape:
    """What is generated: `numbers` columns of numbers, one-hot groups of these sizes, a picture of `side` pixels and
    `channels` (0: none); for one of `classes`. width: units of a layer; channels of pictures begin with a quarter."""

    classes: int
    numbers: int
    groups: tuple[int, ...] = ()
    side: int = 0
    channels: int = 0
    width: int = 128

    @property
    def vector(self) -> int:
        return self.numbers + sum(self.groups)

    @property
    def doublings(self) -> int:
        """From 4 pixels to `side`."""
        return (self.side // 4).bit_length() - 1 if self.side else 0


class Told(nn.Module):
    """Layer normalization whose gain and bias belong to the class: (rows, width) and (rows,) to (rows, width).

    De Vries et al., Modulating Early Visual Processing by Language, NeurIPS 2017, there with batches.
    """

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.gain, self.bias = nn.Embedding(classes, width), nn.Embedding(classes, width)
        nn.init.normal_(self.gain.weight, 1.0, 0.3)
        nn.init.normal_(self.bias.weight, 0.0, 0.3)

    def forward(self, inner: Tensor, labels: Tensor) -> Tensor:
        return torch.addcmul(self.bias(labels), self.gain(labels), self.norm(inner))


class Generator(nn.Module):
    """Noise (rows, NOISE) and classes (rows,) to a vector (rows, vector) and a picture (rows, channels, side, side)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.first, self.second = nn.Linear(NOISE + shape.classes, width), nn.Linear(width, width)
        self.told_first, self.told_second = Told(shape.classes, width), Told(shape.classes, width)
        self.vector = nn.Linear(width + NOISE + shape.classes, shape.vector) if shape.vector else None
        self.picture = self._picture() if shape.side else None

    def _picture(self) -> nn.Sequential:
        wide = max(self.shape.width // 4, 8) * 2
        layers: list[nn.Module] = [nn.Linear(self.shape.width, wide * 16), nn.Unflatten(1, (wide, 4, 4))]
        for _ in range(self.shape.doublings):
            narrow = max(wide // 8 * 4, 16)  # half, in whole groups of four
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(wide, narrow, 3, padding=1)]
            layers += [nn.GroupNorm(4, narrow), nn.ReLU()]
            wide = narrow
        return nn.Sequential(*layers, nn.Conv2d(wide, self.shape.channels, 3, padding=1), nn.Tanh())

    def forward(self, noise: Tensor, labels: Tensor, gumbel: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """gumbel (rows, sum of groups): noise of the one-hot groups; without it they are probabilities."""
        told = torch.cat([noise, one_hot(labels, self.shape.classes).to(noise.dtype)], dim=1)
        inner = torch.relu(self.told_first(self.first(told), labels))
        inner = torch.relu(self.told_second(self.second(inner), labels))
        vector, picture = noise.new_zeros(len(noise), 0), noise.new_zeros(len(noise), 0, 0, 0)
        if self.vector is not None:
            raw = self.vector(torch.cat([inner, told], dim=1))
            parts, place = [raw[:, : self.shape.numbers]], self.shape.numbers
            for size in self.shape.groups:
                logits = raw[:, place : place + size]
                if gumbel is not None:
                    began = place - self.shape.numbers
                    logits = (logits + gumbel[:, began : began + size]) / SHARP
                parts.append(torch.softmax(logits, dim=1))
                place += size
            vector = torch.cat(parts, dim=1)
        if self.picture is not None:
            picture = self.picture(inner)
        return vector, picture


class Critic(nn.Module):
    """Vectors, pictures and classes to (rows,) how real they look; any real number. The class is an input, and its
    embedding's product with the last layer's input is added (Miyato and Koyama, cGANs with Projection Discriminator,
    ICLR 2018)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        seen, narrow = 0, max(shape.width // 8, 8)
        layers: list[nn.Module] = []
        before = shape.channels
        for _ in range(shape.doublings):
            layers += [nn.Conv2d(before, narrow, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            before, narrow = narrow, narrow * 2
        if shape.side:
            seen = before * 16
            layers.append(nn.Flatten())
        self.picture = nn.Sequential(*layers) if layers else None
        self.judge = nn.Sequential(
            nn.Linear(seen + shape.vector + shape.classes, shape.width),
            nn.LeakyReLU(0.2),
            nn.Linear(shape.width, shape.width),
            nn.LeakyReLU(0.2),
        )
        self.last, self.of_class = nn.Linear(shape.width, 1), nn.Embedding(shape.classes, shape.width)
        nn.init.normal_(self.of_class.weight, 0.0, shape.width**-0.5)

    def forward(self, vector: Tensor, picture: Tensor, labels: Tensor) -> Tensor:
        told = [vector, one_hot(labels, self.shape.classes).to(vector.dtype)]
        if self.picture is not None:
            told.append(self.picture(picture))
        inner = self.judge(torch.cat(told, dim=1))
        found: Tensor = self.last(inner)[:, 0] + (self.of_class(labels) * inner).sum(dim=1)
        return found


def gradient_penalty(
    critic: Callable[..., Tensor], real: tuple[Tensor, ...], made: tuple[Tensor, ...], labels: Tensor, shares: Tensor
) -> Tensor:
    """The mean over rows of (|gradient of the critic at x| - 1)^2 at x = share * real + (1 - share) * made.

    real, made: parts of rows (vectors, pictures) of the same shapes; the gradient's length is over all parts of a row.
    labels, shares (rows,).  Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017, algorithm 1.
    """
    points = []
    for one, other in zip(real, made, strict=True):
        share = shares.reshape(-1, *[1] * (one.dim() - 1))
        points.append((share * one + (1 - share) * other).detach().requires_grad_(one.numel() > 0))
    wanted = [point for point in points if point.requires_grad]
    gradients = torch.autograd.grad(critic(*points, labels).sum(), wanted, create_graph=True)
    squares = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0)
    return ((squares + 1e-12).sqrt() - 1).square().mean()


def trained_generator(
    shape: Shape,
    vectors: NDArray[Any],
    pictures: NDArray[Any] | None,
    labels: NDArray[Any],
    *,
    steps: int,
    batch_rows: int = 64,
    seed: int = 0,
    threads: int = 1,
) -> Generator:
    """A generator of rows like these: Wasserstein distance with gradient penalty, each class drawn equally often.

    vectors (rows, vector); pictures (rows, channels, side, side) in -1..1 or None; labels (rows,) from 0. steps: of the
    generator, each after three of the critic. The generator's weights are the moving average of those it went through.
    Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017; Mirza and Osindero, Conditional Generative
    Adversarial Nets, 2014; the average: Yazici et al., The Unusual Effectiveness of Averaging in GAN Training, 2019.
    """
    with drawing():
        torch.manual_seed(seed)
        generator, critic, average = Generator(shape), Critic(shape), Generator(shape)
    average.load_state_dict(generator.state_dict())
    random = torch.Generator().manual_seed(seed)
    order = torch.from_numpy(np.argsort(labels, kind="stable"))  # rows of a class stand together
    sizes = torch.from_numpy(np.bincount(labels)[np.unique(labels)])
    starts = torch.cumsum(sizes, 0) - sizes
    rows = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
    shown = None if pictures is None else torch.from_numpy(np.ascontiguousarray(pictures, dtype=np.float32))
    codes = torch.from_numpy(np.asarray(labels, dtype=np.int64))

    def batch() -> tuple[Tensor, Tensor, Tensor]:
        drawn_class = torch.randint(len(sizes), (batch_rows,), generator=random)
        inside = torch.rand(batch_rows, generator=random, dtype=torch.float64) * sizes[drawn_class]
        where = order[starts[drawn_class] + inside.long()]
        picture = rows.new_zeros(batch_rows, 0, 0, 0) if shown is None else shown[where]
        return rows[where], picture, codes[where]

    def made(which: Generator, answers: Tensor) -> tuple[Tensor, Tensor]:
        vector, picture = which(*drawn(shape, answers, random))
        return vector, picture

    for_generator, for_critic = (
        torch.optim.Adam(module.parameters(), lr=RATE, betas=BETAS, fused=True) for module in (generator, critic)
    )
    before = torch.get_num_threads()
    torch.set_num_threads(max(threads, 1))
    try:
        for step in range(steps):
            for _ in range(CRITIC_STEPS):
                vector, picture, answers = batch()
                with torch.no_grad():
                    fake = made(generator, answers)
                shares = torch.rand(batch_rows, generator=random)
                penalty = gradient_penalty(critic, (vector, picture), fake, answers, shares)
                pairs = zip(fake, (vector, picture), strict=True)
                both = critic(*(torch.cat(pair) for pair in pairs), torch.cat([answers, answers]))
                loss = both[:batch_rows].mean() - both[batch_rows:].mean() + PENALTY * penalty
                for_critic.zero_grad(set_to_none=True)
                loss.backward()
                for_critic.step()
            answers = batch()[2]
            loss = -critic(*made(generator, answers), answers).mean()
            for_generator.zero_grad(set_to_none=True)
            loss.backward()
            for_generator.step()
            decay = min(AVERAGE, (1 + step) / (10 + step))
            with torch.no_grad():
                for kept, new in zip(average.parameters(), generator.parameters(), strict=True):
                    kept.lerp_(new, 1 - decay)
    finally:
        torch.set_num_threads(before)
    return average.eval()


def drawn(shape: Shape, labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """What a generator is given for these classes (rows,): noise, the classes, and the noise of the one-hot groups."""
    noise = torch.randn(len(labels), NOISE, generator=random)
    uniform = torch.rand(len(labels), sum(shape.groups), generator=random).clamp(1e-6, 1 - 1e-6)
    return noise, labels, -torch.log(-torch.log(uniform))


def generated(generator: Generator, labels: NDArray[Any], seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Vectors (rows, vector), their one-hot groups drawn, and pictures (rows, channels, side, side), one for each of
    these classes."""
    random = torch.Generator().manual_seed(seed)
    vectors, pictures = [], []
    with torch.no_grad():
        for start in range(0, max(len(labels), 1), ROWS_AT_ONCE):
            some = torch.from_numpy(np.asarray(labels[start : start + ROWS_AT_ONCE], dtype=np.int64))
            vector, picture = generator(*drawn(generator.shape, some, random))
            vectors.append(vector.numpy())
            pictures.append(picture.numpy())
    return np.concatenate(vectors), np.concatenate(pictures)
