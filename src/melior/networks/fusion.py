"""One network over all columns: table, words and pictures become vectors, which layers bring together."""

from typing import Any

import torch
from torch import Tensor, nn

from melior.networks.layers import Layer, started
from melior.networks.pictures import PictureVector
from melior.networks.tables import Attending, TableTokens, TableVector
from melior.networks.words import WordsVector


class Fusion(nn.Module):
    """(rows, features) and parts to (rows, classes) logits, by a plan of plain values:

    classes; numbers, categories ([place, codes, width] each), texts ([name, words, width]), images ([name, channels]);
    embedding, embedding_width, bins; width, depth, activation, normalization, dropout, residual, initialization;
    attention, heads; sparse: embeddings have sparse gradients; image_channels, image_depth, image_stride,
    image_normalization; encoders: by name of an image, the plan of its pretrained encoder (see
    `melior.networks.vision`), none for a residual network from scratch.
    """

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__()
        width, act = plan["width"], plan["activation"]
        self.text_names = [name for name, _, _ in plan["texts"]]
        self.image_names = [name for name, _ in plan["images"]]
        sparse = plan.get("sparse", False)
        self.texts = nn.ModuleList(WordsVector(words, size, sparse=sparse) for _, words, size in plan["texts"])
        encoders = plan.get("encoders", {})
        self.images = nn.ModuleList(
            pretrained_part(encoders[name]) if name in encoders else PictureVector(channels, plan)
            for name, channels in plan["images"]
        )
        beside: list[Any] = [part.width for part in (*self.texts, *self.images)]
        has_table = bool(plan["numbers"] or plan["categories"])
        self.table: nn.Module | None = None
        if plan["attention"]:
            self.table = TableTokens(plan, width) if has_table else None
            self.beside = nn.ModuleList(nn.Linear(size, width) for size in beside)
            self.answer = nn.Parameter(torch.randn(width) * width**-0.5)
            self.blocks = nn.ModuleList(Attending(width, plan["heads"], plan["dropout"]) for _ in range(plan["depth"]))
            self.norm = nn.LayerNorm(width)
            last = width
        else:
            table = TableVector(plan) if has_table else None
            self.table = table
            last = sum(beside) + (table.width if table is not None else 0)
            self.layers = nn.Sequential()
            for _ in range(plan["depth"]):
                norm = plan["normalization"]
                self.layers.append(Layer(last, width, norm, act, plan["dropout"], residual=plan["residual"]))
                last = width
        self.attention: bool = plan["attention"]
        started(self, plan["initialization"], act, besides=[m for m in self.images if not isinstance(m, PictureVector)])
        self.head = nn.Linear(last, plan["classes"])
        nn.init.normal_(self.head.weight, std=0.1 * last**-0.5)  # the first answers are nearly even
        nn.init.zeros_(self.head.bias)

    def forward(self, values: Tensor, **parts: Tensor) -> Tensor:
        vectors = [text(parts[name]) for name, text in zip(self.text_names, self.texts, strict=True)]
        vectors += [image(parts[name]) for name, image in zip(self.image_names, self.images, strict=True)]
        if not self.attention:
            if self.table is not None:
                vectors.insert(0, self.table(values))
            found: Tensor = self.head(self.layers(torch.cat(vectors, dim=1)))
            return found
        tokens = [self.answer.expand(len(values), 1, -1)]
        if self.table is not None:
            tokens.append(self.table(values))
        tokens += [linear(vector)[:, None] for linear, vector in zip(self.beside, vectors, strict=True)]
        seen = torch.cat(tokens, dim=1)  # (rows, 1 + features + parts, width), the answer's own token first
        for block in self.blocks:
            seen = block(seen)
        answer: Tensor = self.head(torch.relu(self.norm(seen[:, 0])))
        return answer


def pretrained_part(plan: dict[str, Any]) -> nn.Module:
    """The encoder of an image column; transformers is not loaded where there is none."""
    from melior.networks.vision import EncodedPicture

    return EncodedPicture(plan)
