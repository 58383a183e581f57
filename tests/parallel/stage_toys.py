"""Networks to cut into stages: tied token vectors, other families, our own for tables, and some that cannot be cut."""

import torch
from engine_toys import Numbers
from spread_toys import Deep, transformer
from torch import nn

from melior.engine.losses import class_loss

SMALL = {"vocab_size": 40, "pad_token_id": 0}


class Table:
    """Rows of numbers as our table networks take them."""

    lengths = None

    def __init__(self, rows, seed=0):
        self.numbers = Numbers(rows, seed, weighted=True)

    def __len__(self):
        return len(self.numbers)

    def batch(self, rows):
        made = self.numbers.batch(rows)
        return type(made)({"values": made.inputs["input"]}, made.labels, made.weights, made.rows, made.tokens)


class Twice(Deep):
    """What goes into the blocks comes back behind them, through a gate: no network to cut, though that does not show
    while the gate is shut."""

    def __init__(self, seed, gate):
        super().__init__(seed)
        self.gate = nn.Parameter(torch.tensor(gate))

    def forward(self, input):
        first = self.first(input)
        seen = first
        for block in self.blocks:
            seen = seen + block(seen)
        return self.head(seen + self.gate * first)


def fusion(seed, attention):
    from melior.networks.fusion import Fusion

    plan = {
        "classes": 3, "numbers": [0, 1, 2], "categories": [[3, 4, 5]], "texts": [], "images": [], "width": 12,
        "embedding": "piecewise", "embedding_width": 6, "bins": 4, "depth": 4, "activation": "gelu", "heads": 2,
        "normalization": "layer", "dropout": 0.0, "residual": True, "initialization": "he", "attention": attention,
    }  # fmt: skip
    torch.manual_seed(seed)
    return Fusion(plan)


def staged(toy, rows, seed, **how):
    """(module, rows, loss, rows to validate on), or None where it is no toy of this file."""
    from melior.networks.losses import CausalNetwork, TextClassifier

    if toy in ("layers", "attending"):
        return fusion(seed, toy == "attending"), Table(rows), class_loss, Table(23, seed=9)
    if toy in ("twice", "gated"):
        return Twice(seed, 1.0 if toy == "twice" else 0.0), Numbers(rows), class_loss, None
    if toy == "frozen":
        module = Deep(seed)
        for one in (*module.first.parameters(), *module.blocks[:3].parameters()):
            one.requires_grad_(False)
        return module, Numbers(rows), class_loss, None
    if toy == "faulty":  # one row cannot be learned from
        held = Numbers(rows, weighted=True)
        held.x[17, 2] = float("nan")
        return Deep(seed), held, class_loss, None
    if toy in ("tied", "gpt2"):
        from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

        _, held, loss, _ = transformer("causal", rows, seed, **how)
        torch.manual_seed(seed)
        if toy == "tied":
            config = LlamaConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
                                 num_key_value_heads=2, tie_word_embeddings=True, **SMALL)  # fmt: skip
            return CausalNetwork(LlamaForCausalLM(config)), held, loss, held
        config = GPT2Config(n_embd=32, n_layer=4, n_head=4, n_positions=64, embd_pdrop=0.0, attn_pdrop=0.0,
                            resid_pdrop=0.0, bos_token_id=1, eos_token_id=2, **SMALL)  # fmt: skip
        return CausalNetwork(GPT2LMHeadModel(config)), held, loss, held
    if toy == "distilbert":
        from transformers import DistilBertConfig, DistilBertModel

        _, held, loss, _ = transformer("bert", rows, seed)
        torch.manual_seed(seed)
        config = DistilBertConfig(
            dim=32, hidden_dim=48, n_layers=4, n_heads=4, dropout=0.0, attention_dropout=0.0, **SMALL
        )
        return TextClassifier(DistilBertModel(config), 3, dropout=0.0), held, loss, held
    return None
