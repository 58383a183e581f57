"""What table_augmentation is worth: rows between few rows give trees more places to cut; a linear model, whose answers
lie between those of the rows anyway, gains nothing."""

from melior.proofs import data
from melior.proofs._base import Case, Proof

MIXUP = ({"table_augmentation": {"kind": "mixup", "copies": 4}},)

PROOF = Proof(
    question=17,
    paper="Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018",
    helps=(
        Case(
            "digits, 100 rows, mixup",
            lambda seed: data.plain("digits", seed, rows=100),
            model={"trees": {"rounds": 40}},
            methods=({"table_augmentation": {"kind": "mixup", "copies": 2}},),
        ),
        Case(
            "mixed columns, 200 rows of 4 classes, mixup",
            lambda seed: data.plain("mixed 1500 of 4", seed, rows=200),
            model="trees",
            methods=MIXUP,
        ),
        Case(
            "mixed columns, 200 rows of 4 classes, noise",
            lambda seed: data.plain("mixed 1500 of 4", seed, rows=200),
            model="trees",
            methods=({"table_augmentation": {"copies": 4}},),
        ),
        Case(
            "wine, 60 rows, swaps within a class",
            lambda seed: data.plain("wine", seed, rows=60),
            model="trees",
            methods=({"table_augmentation": {"kind": "swap", "copies": 4}},),
        ),
    ),
    does_not=(
        Case(
            "mixed columns, 200 rows of 4 classes, linear",
            lambda seed: data.plain("mixed 1500 of 4", seed, rows=200),
            methods=MIXUP,
        ),
        Case("digits, 100 rows, linear", lambda seed: data.plain("digits", seed, rows=100), methods=MIXUP),
    ),
)
