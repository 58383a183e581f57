"""What adversarial_training is worth: answers that hold when inputs are changed against it, and what that costs.

On rows as they are it should cost a little, and it does not find wrong labels.

The attack is written here, apart from the package's own: 20 steps from 3 random starts, the worst counts.
"""

from typing import Any

import numpy as np

from melior.proofs._base import Case, Given, Proof
from melior.proofs.data import faulty, plain

# numbers as they are: an embedding of bins is steep where many rows have the same value
NETWORK: dict[str, Any] = {"tabular_network": {"embedding": "none", "epochs": 20, "batch_rows": 32}}
STRENGTH, STEPS, STARTS = 0.2, 20, 3
METHOD: dict[str, Any] = {"adversarial_training": {"strength": STRENGTH}}
MANY: dict[str, Any] = {"adversarial_training": {"strength": STRENGTH, "steps": 5, "clean": 0.3}}


def digits(seed: int) -> Given:
    return plain("digits", seed)


def under_attack(seed: int, methods: tuple[Any, ...]) -> float:
    """Accuracy on rows that 20 steps of projected gradient changed by at most 0.2 of each number's scale."""
    import torch
    from torch.nn.functional import cross_entropy

    from melior.recipe import Recipe
    from melior.trials.fit import fit

    rows = digits(seed)
    recipe = Recipe(model=NETWORK, metric="accuracy", methods=list(methods), seed=seed)
    scorer: Any = fit(recipe, rows.train).scorer
    network = scorer.model.network()
    weight = next(network.parameters())
    values = torch.tensor(np.asarray(scorer.encoding.transform(rows.test).values), dtype=weight.dtype)
    labels = torch.tensor(rows.test.given_labels().astype(np.int64))
    varies = values.std(0) > 0
    random = torch.Generator().manual_seed(seed)
    holds = network(values).argmax(1) == labels
    for _ in range(STARTS):
        change = STRENGTH * (2 * torch.rand(values.shape, generator=random) - 1).to(values) * varies
        for _ in range(STEPS):
            change.requires_grad_(True)
            loss = cross_entropy(network(values + change), labels, reduction="sum")
            (uphill,) = torch.autograd.grad(loss, change)
            change = (change.detach() + 0.25 * STRENGTH * uphill.sign()).clamp(-STRENGTH, STRENGTH) * varies
            holds &= network(values + change).argmax(1) == labels
    return float(holds.double().mean())


PROOF = Proof(
    question=10,
    paper="Goodfellow et al., ICLR 2015; Madry et al., ICLR 2018",
    helps=(
        Case("digits under attack, FGSM", seeds=3, unit="accuracy under attack",
             figure=lambda seed, changed: under_attack(seed, (METHOD,) if changed else ())),
        Case("digits under attack, PGD of 5 steps", seeds=3, unit="accuracy under attack",
             figure=lambda seed, changed: under_attack(seed, (MANY,) if changed else ())),
        Case("digits as they are, a hundred training rows", lambda seed: plain("digits", seed, rows=100), NETWORK,
             (METHOD,), metric="accuracy", seeds=3),
    ),
    does_not=(
        Case("digits as they are", digits, NETWORK, (METHOD,), metric="accuracy", seeds=3),
        Case("digits, 30 % of the labels wrong", lambda seed: faulty("digits", "wrong labels 30%", seed),
             NETWORK, (METHOD,), metric="accuracy", seeds=3),
        Case("mixed table as it is", lambda seed: plain("mixed 3000", seed), NETWORK, (METHOD,), metric="accuracy",
             seeds=3),
    ),
)  # fmt: skip
