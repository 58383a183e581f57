"""What model_fusion is worth: the mean of several fits of a network is steadier than one of them where rows are few or
labels wrong; where one fit is right already there is little to gain."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

NETWORK = {"tabular_network": {"epochs": 20, "width": 64}}

PROOF = Proof(
    question=23,
    paper="Wortsman et al., Model Soups, ICML 2022",
    helps=(
        Case(
            "mixed columns, 600 rows, uniform",
            lambda seed: data.plain("mixed 1500 of 4", seed, rows=600),
            model=NETWORK,
            methods=({"model_fusion": {"kind": "uniform"}},),
            seeds=3,
        ),
        Case(
            "mixed columns, 600 rows, greedy",
            lambda seed: data.plain("mixed 1500 of 4", seed, rows=600),
            model=NETWORK,
            methods=("model_fusion",),
            seeds=3,
        ),
        Case(
            "digits, 20 % wrong labels, swa",
            lambda seed: data.faulty("digits", "wrong labels 20%", seed, share=0.4),
            model=NETWORK,
            methods=({"model_fusion": {"kind": "swa"}},),
            seeds=3,
        ),
        Case(
            "digits, 20 % wrong labels, ema",
            lambda seed: data.faulty("digits", "wrong labels 20%", seed, share=0.4),
            model=NETWORK,
            methods=({"model_fusion": {"kind": "ema"}},),
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "wine, greedy",
            lambda seed: data.plain("wine", seed),
            model=NETWORK,
            methods=("model_fusion",),
            seeds=3,
        ),
    ),
)
