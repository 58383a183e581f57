"""What image_augmentation is worth: few pictures a network learns by heart, and varied ones keep it from that; with
plenty of them less is to be won."""

from melior.proofs._base import Case, Proof
from melior.proofs.pictures import digits

NETWORK = {"image_network": {"epochs": 8}}

PROOF = Proof(
    question=17,
    paper="Zhong et al., Random Erasing, AAAI 2020; Zhang et al., mixup, ICLR 2018; Yun et al., CutMix, ICCV 2019; "
    "Cubuk et al., RandAugment, 2020; Müller and Hutter, TrivialAugment, ICCV 2021",
    helps=(
        Case(
            "handwritten digits, 20 pictures of each",
            lambda seed: digits(seed, 20),
            model="image_network",
            methods=("image_augmentation",),
            metric="accuracy",
            seeds=3,
        ),
        Case(
            "handwritten digits, 20 of each, blended in pairs as well",
            lambda seed: digits(seed, 20),
            model="image_network",
            methods=({"image_augmentation": {"mixup": 0.2}},),
            metric="accuracy",
            seeds=3,
        ),
    ),
    does_not=(
        Case(
            "handwritten digits, 400 pictures of each",
            lambda seed: digits(seed, 400),
            model=NETWORK,
            methods=("image_augmentation",),
            metric="accuracy",
            seeds=3,
        ),
        Case(
            "handwritten digits, 20 of each, turned upside down and mirrored, which changes what they are",
            lambda seed: digits(seed, 20),
            model="image_network",
            methods=({"image_augmentation": {"rotate": 180.0, "flip": "all"}},),
            metric="accuracy",
            seeds=3,
        ),
    ),
)
