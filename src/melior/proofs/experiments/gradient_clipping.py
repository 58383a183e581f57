"""What gradient_clipping is worth: plain gradient descent at a high rate through many layers takes steps that undo what
was learnt, unless they are shortened; in a shallow network at its usual rate there is nothing to shorten."""

from melior.proofs import data
from melior.proofs._base import Case, Proof
from melior.proofs.experiments._networks import plain_layers

STEEP = plain_layers(12, activation="relu", optimizer="sgd", learning_rate=0.3, weight_decay=0.0, clip_norm=0.0)

PROOF = Proof(
    question=15,
    paper="Pascanu et al., On the Difficulty of Training Recurrent Neural Networks, ICML 2013",
    helps=(
        Case(
            "digits of 8 by 8, twelve layers, large steps of gradient descent, cut to a length",
            lambda seed: data.plain("digits", seed),
            model=STEEP,
            methods=("gradient_clipping",),
            metric="accuracy",
            seeds=3,
        ),
        Case(
            "digits of 8 by 8, twelve layers, large steps of gradient descent, cut by value",
            lambda seed: data.plain("digits", seed),
            model=STEEP,
            methods=({"gradient_clipping": {"norm": 0.0, "value": 0.01}},),
            metric="accuracy",
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "digits of 8 by 8, two layers at the usual rate",
            lambda seed: data.plain("digits", seed),
            model=plain_layers(2, activation="relu", clip_norm=0.0),
            methods=("gradient_clipping",),
            metric="accuracy",
            seeds=3,
        ),
    ),
)
