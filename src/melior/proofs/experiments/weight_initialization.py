"""What weight_initialization is worth: through forty layers a signal keeps its size and its directions best where the
first matrices are orthogonal; in two layers it does not matter."""

from melior.proofs import data
from melior.proofs._base import Case, Proof
from melior.proofs.experiments._networks import plain_layers

PROOF = Proof(
    question=15,
    paper="Saxe et al., Exact Solutions to the Nonlinear Dynamics of Learning, ICLR 2014; He et al., Delving Deep into "
    "Rectifiers, ICCV 2015; Glorot and Bengio, AISTATS 2010",
    helps=(
        Case(
            "digits of 8 by 8, forty layers of tanh",
            lambda seed: data.plain("digits", seed),
            model=plain_layers(40, activation="tanh"),
            methods=("weight_initialization",),
            metric="accuracy",
            seeds=3,
        ),
        Case(
            "digits of 8 by 8, forty layers of relu",
            lambda seed: data.plain("digits", seed),
            model=plain_layers(40, activation="relu"),
            methods=("weight_initialization",),
            metric="accuracy",
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "digits of 8 by 8, two layers of tanh",
            lambda seed: data.plain("digits", seed),
            model=plain_layers(2, activation="tanh"),
            methods=("weight_initialization",),
            metric="accuracy",
            seeds=3,
        ),
        Case(
            "breast cancer, the usual network",
            lambda seed: data.plain("breast_cancer", seed),
            model="tabular_network",
            methods=("weight_initialization",),
            metric="accuracy",
            seeds=3,
        ),
    ),
)
