"""What sparse_embedding is worth: a step that changes the vectors of its rows alone costs the same however many
values a column has; where there are few values, or their vectors are a small part of the network, nothing is saved."""

from melior.proofs import data
from melior.proofs._base import Case, Given, Proof
from melior.proofs.data import given
from melior.proofs.sparse_rows import shops
from melior.proofs.sparse_steps import trained
from melior.proofs.tables import split


def step(levels: int, seed: int, sparse: bool) -> float:
    """Processor time of a step of 256 rows, in milliseconds."""
    return trained(rows=20_000, levels=levels, steps=60, batch=256, sparse=sparse, seed=seed)["cpu_ms_a_step"]


def rare_shops(seed: int) -> Given:
    """14,000 rows of 2,000 shops, five of each to train on: what is learned of a shop comes from few rows."""
    train, test = split(shops(14_000, 2000, seed), 0.7, seed)
    return given(train, test, shop="category")


PROOF = Proof(
    question=7,
    paper="Guo and Berkhahn, Entity Embeddings of Categorical Variables, 2016",
    helps=(
        Case(
            "a step on a column of 200,000 values",
            figure=lambda seed, changed: step(200_000, seed, changed),
            unit="ms",
            smaller_is_better=True,
        ),
        Case(
            "2,000 shops with seven rows each, a vector for each shop beside 100 for all (hashed)",
            rare_shops,
            model={"tabular_network": {"epochs": 4, "most_categories": 100}},
            methods=("sparse_embedding",),
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "a step on a column of 100 values",
            figure=lambda seed, changed: step(100, seed, changed),
            unit="ms",
            smaller_is_better=True,
        ),
        Case(
            "mixed, categories of twelve values at most",
            lambda seed: data.plain("mixed 3000", seed),
            model={"tabular_network": {"epochs": 8}},
            methods=("sparse_embedding",),
            seeds=3,
        ),
    ),
)
