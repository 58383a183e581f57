"""What activation_choice is worth: twenty layers of sigmoids let no gradient through and learn nothing; units that do
not saturate mend that. In two layers sigmoids learn, if slowly; between units that do not saturate little is won."""

from melior.proofs import data
from melior.proofs._base import Case, Proof
from melior.proofs.experiments._networks import plain_layers

PROOF = Proof(
    question=15,
    paper="Glorot and Bengio, Understanding the Difficulty of Training Deep Feedforward Networks, AISTATS 2010; "
    "Hendrycks and Gimpel, Gaussian Error Linear Units, 2016",
    helps=(
        Case(
            "digits of 8 by 8, twenty layers of sigmoids",
            lambda seed: data.plain("digits", seed),
            model=plain_layers(20, activation="sigmoid"),
            methods=("activation_choice",),
            metric="accuracy",
            seeds=3,
        ),
        Case(
            "four classes of mixed columns, twenty layers of sigmoids",
            lambda seed: data.plain("mixed 1500 of 4", seed),
            model=plain_layers(20, activation="sigmoid"),
            methods=({"activation_choice": {"activation": "leaky_relu"}},),
            metric="accuracy",
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "digits of 8 by 8, two layers of sigmoids",
            lambda seed: data.plain("digits", seed),
            model=plain_layers(2, activation="sigmoid"),
            methods=("activation_choice",),
            metric="accuracy",
            seeds=3,
        ),
        Case(
            "digits of 8 by 8, the usual network: silu beside gelu",
            lambda seed: data.plain("digits", seed),
            model="tabular_network",
            methods=("activation_choice",),
            metric="accuracy",
            seeds=3,
        ),
    ),
)
