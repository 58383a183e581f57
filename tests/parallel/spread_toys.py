"""Small networks and rows to spread over ranks; the same toy is the same bits wherever it is made."""

import os

import torch
from engine_toys import Numbers, Reader, Texts, net
from torch import nn

from melior.engine.losses import class_loss, token_loss
from melior.engine.order import Order


class Deep(nn.Module):
    """Blocks of one kind, with batch normalisation where it is wanted."""

    def __init__(self, seed=0, norm=False, depth=4, width=16):
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Linear(6, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, width, bias=not norm),
                nn.BatchNorm1d(width) if norm else nn.LayerNorm(width),
                nn.Tanh(),
            )
            for _ in range(depth)
        )
        self.head = nn.Linear(width, 3)

    def forward(self, input):
        seen = self.first(input)
        for block in self.blocks:
            seen = seen + block(seen)
        return self.head(seen)


class Narrow(Deep):
    def forward(self, input):
        if self.training and len(input) > 2 and os.environ.get("RANK") == "1":
            raise MemoryError
        return super().forward(input)


class Wide(Deep):
    def forward(self, input):
        if not self.training and len(input) > 2:
            raise MemoryError
        return super().forward(input)


def made(toy, rows=61, seed=0, **how):
    """(module, rows, loss, rows to validate on)"""
    if toy == "broken":  # one of the rows is no number, or one so large that gradients overflow
        source = Numbers(rows)
        source.x[7] = float(how["value"])
        if how.get("all_of") == os.environ.get("RANK", "0"):  # every row of this rank
            source.x[:] = float(how["value"])
        return Deep(seed), source, class_loss, Numbers(23, seed=9)
    if toy == "once":  # the loss is no number once, at this step, and the weights are at fault
        source = Numbers(rows, weighted=True)
        return Deep(seed), source, once(source, how["step"]), Numbers(23, seed=9)
    if toy == "narrow":  # memory runs out on the second rank with more than two rows
        return Narrow(seed), Numbers(rows, weighted=True), class_loss, Numbers(23, seed=9)
    if toy == "wide":  # memory runs out in validations
        return Wide(seed), Numbers(rows, weighted=True), class_loss, Numbers(23, seed=9)
    if toy == "numbers":
        return net(seed), Numbers(rows, weighted=True), class_loss, Numbers(23, seed=9)
    if toy == "deep":
        return Deep(seed, **how), Numbers(rows, weighted=True), class_loss, Numbers(23, seed=9)
    if toy == "texts":
        return Reader(seed), Texts(rows), class_loss, Texts(23, seed=9)
    if toy == "tokens":
        return Reader(seed, next_token=True), Texts(rows, next_token=True), token_loss, None
    if toy == "lora":
        return adapted(rows, seed)
    return transformer(toy, rows, seed, **how)


def once(source, step):
    """A loss that is no number the first time that a row of this step (of 8 rows) is learned from."""
    row, left = source.x[Order(len(source), 8, 0).step(step)[0]], [1]

    def loss(out, batch):
        total, count = class_loss(out, batch)
        if out.requires_grad and left and bool((batch.inputs["input"] == row).all(1).any()):
            left.clear()
            total = total * float("nan")
        return total, count

    return loss


def adapted(rows, seed):
    """The causal model with adapters, as they are after some training: B is not zero."""
    from melior.networks.lora import add_lora, lora_layers

    module, held, loss, _ = transformer("causal", rows, seed)
    add_lora(module.model, rank=4, seed=seed)
    for layer in lora_layers(module.model).values():
        nn.init.normal_(layer.b, std=0.05)
    return module, held, loss, held


def transformer(toy, rows, seed, packed=False):
    """A tiny encoder or causal model of the library, from scratch."""
    import numpy as np

    from melior.networks.conversation import Language
    from melior.networks.losses import CausalNetwork, TextClassifier, language_loss
    from melior.networks.packing import LanguageRows
    from melior.networks.tokens import Tokens

    random = np.random.default_rng(3)
    ids = [random.integers(3, 40, random.integers(3, 14)).tolist() for _ in range(rows)]
    torch.manual_seed(seed)
    if toy == "causal":
        from transformers import LlamaConfig, LlamaForCausalLM

        config = LlamaConfig(vocab_size=40, hidden_size=32, intermediate_size=48, num_hidden_layers=4,
                             num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False)  # fmt: skip
        counts = np.concatenate([[False] + [True] * (len(row) - 1) for row in ids])
        held = LanguageRows(Language(Tokens.of(ids), counts), 0, packed=packed)
        return CausalNetwork(LlamaForCausalLM(config)), held, language_loss, None
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=40, hidden_size=32, intermediate_size=48, num_hidden_layers=4,
                        num_attention_heads=4, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)  # fmt: skip
    module = TextClassifier(BertModel(config), 3, dropout=0.0)
    return module, Padded(ids, random.integers(0, 3, rows)), class_loss, None


class Padded:
    """Rows of token ids with a class."""

    def __init__(self, ids, labels):
        import numpy as np

        self.ids, self.labels = ids, torch.as_tensor(labels)
        self.lengths = np.array([len(row) for row in ids])

    def __len__(self):
        return len(self.ids)

    def batch(self, rows):
        from melior.engine.problem import Batch

        longest = int(self.lengths[rows].max())
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        for place, row in enumerate(rows):
            ids[place, : self.lengths[row]] = torch.as_tensor(self.ids[row])
        mask = (ids > 0).long()
        real = int(mask.sum())
        return Batch({"input_ids": ids, "attention_mask": mask}, self.labels[torch.as_tensor(rows)], None, len(rows),
                     real, ids.numel() - real)  # fmt: skip
