"""Image augmentation: each picture is a little different at every step, so that a network cannot learn it by heart."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from melior.data.table import Table
from melior.methods._base import Method
from melior.models._base import Model
from melior.models._network import NetworkModel
from melior.recipe import Recipe

if TYPE_CHECKING:
    from melior.engine.lessons import Moment
    from melior.engine.problem import Batch

AHEAD = "image: "  # of the names of pictures among what a network reads


class ImageAugmentation(Method):
    """Varies the pictures that a network is trained on, anew at every step; those it is asked about stay as they are.

    Which changes leave the label true only you know. The defaults are small and safe for digits, letters and all that
    has a right way up: nothing is flipped, nothing is cut off by much. A 6 turned by 180 degrees is a 9, a mirrored b a
    d; a photograph of a bird may be flipped.

    rotate      degrees to either side, 0..180, default 10
    shift       along either side, as a share of it, 0..1, default 0.1
    shear       degrees that either side leans, 0..60, default 8
    zoom        larger or smaller by up to this share, 0..4, default 0.1
    crop        a part of at least this share of the picture's area is cut out and enlarged, 0.05..1, default 1: not
    flip        none (default), sides (left and right, every other picture) or all (above and below as well)
    brightness  factor of up to 1 plus or minus this, 0..1, default 0.2
    contrast    the same about the picture's mean brightness, 0..1, default 0.2
    saturation  the same of the difference from grey, 0..1, default 0.2
    erase       chance that a box of 2 to 40 % of the area becomes noise, 0..1, default 0 (Zhong et al.)
    mixup       rows are blended in pairs, and their labels with them, by shares from Beta(mixup, mixup), 0..10, default
                0: not; 0.2 is usual (Zhang et al.)
    cutmix      a box of one row is pasted into another, and the label counts by the area, which is from Beta(cutmix,
                cutmix), 0..10, default 0: not; 1 is usual (Yun et al.). With both, each batch gets one of the two
    policy      of rotate, shift, shear, zoom and colours each picture gets each, by random amounts (each, default); one
                of them or none (one: Müller and Hutter, TrivialAugment); or `count` of them at their full range (some:
                Cubuk et al., RandAugment)
    count       of policy some, 1..9, default 2
    fill        beyond the picture is its nearest pixel (edge, default), black, or the picture mirrored (mirror)
    """

    treats: ClassVar[frozenset[str]] = frozenset({"overfitting", "small_data"})
    kinds: ClassVar[frozenset[str]] = frozenset({"image"})
    questions: ClassVar[tuple[int, ...]] = (1, 17)
    reference: ClassVar[str] = (
        "Zhong et al., Random Erasing, AAAI 2020; Zhang et al., mixup, ICLR 2018; Yun et al., CutMix, ICCV 2019; Cubuk "
        "et al., RandAugment, 2020; Müller and Hutter, TrivialAugment, ICCV 2021"
    )
    order: ClassVar[int] = 70
    networks: ClassVar[bool] = True
    instead: ClassVar[str] = "image_network, which reads pictures pixel by pixel"
    needs: ClassVar[str] = "a column of pictures"
    multilabel: ClassVar[bool] = True
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"policy": "one", "rotate": 20.0}, {"mixup": 0.2})
    cost: ClassVar[float] = 1.2

    rotate: Annotated[float, Field(ge=0, le=180)] = 10.0
    shift: Annotated[float, Field(ge=0, le=1)] = 0.1
    shear: Annotated[float, Field(ge=0, le=60)] = 8.0
    zoom: Annotated[float, Field(ge=0, le=4)] = 0.1
    crop: Annotated[float, Field(ge=0.05, le=1)] = 1.0
    flip: Literal["none", "sides", "all"] = "none"
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.2
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.2
    saturation: Annotated[float, Field(ge=0, le=1)] = 0.2
    erase: Annotated[float, Field(ge=0, le=1)] = 0.0
    mixup: Annotated[float, Field(ge=0, le=10)] = 0.0
    cutmix: Annotated[float, Field(ge=0, le=10)] = 0.0
    policy: Literal["each", "one", "some"] = "each"
    count: Annotated[int, Field(ge=1, le=9)] = 2
    fill: Literal["edge", "black", "mirror"] = "edge"

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        pictures = table.of_kind("image")
        if not pictures:
            return "there is no column of pictures to vary; oversampling makes more of other rows"
        if not isinstance(model, NetworkModel) or not model.reads_pixels():
            if "transfer_learning" in model.can:
                return (
                    "a frozen pretrained model computes once what pictures show; set its tuning to last_k, lora or full"
                )
            return f"{model.name} computes once what pictures show; {self.instead}, can be trained with it"
        for choice in recipe.methods:
            if choice.name == "transfer_learning" and choice.settings.get("trained", "none") == "none":
                return "transfer_learning with trained: none computes once what pictures show; set it to last or all"
        others = [name for name in table.features() if name not in pictures]
        if (self.mixup or self.cutmix) and others:
            return (
                f'mixup and cutmix mix the pictures and labels of rows, and "{others[0]}" cannot be mixed with them; '
                f"leave both at 0, or the column out"
            )
        return None

    def batch(self, batch: "Batch", moment: "Moment") -> "Batch":
        from melior.networks.augment import Ranges, generator, varied

        names = [name for name in batch.inputs if name.startswith(AHEAD)]
        if not names:
            return batch
        random = generator(moment.random)
        ranges = Ranges(**self.model_dump(exclude={"mixup", "cutmix"}))
        changed = {name: varied(batch.inputs[name], ranges, random) for name in names}
        if self.mixup or self.cutmix:
            return _mixed(batch, changed, self.mixup, self.cutmix, moment.classes, random)
        return replace(batch, inputs={**batch.inputs, **changed})


def _mixed(batch: "Batch", pictures: dict[str, Any], mixup: float, cutmix: float, classes: int, random: Any) -> "Batch":
    """The rows of a batch, each mixed with another one, by one of the two ways."""
    from melior.networks.augment import cut_and_pasted, cutting, mixed_labels, mixed_up

    cuts = bool(cutmix) and (not mixup or random.random() < 0.5)
    alpha = cutmix if cuts else mixup
    partners, kept = random.permutation(batch.rows), random.beta(alpha, alpha, batch.rows)
    if cuts:
        places = random.random((batch.rows, 2))
        pasted = {
            name: cut_and_pasted(one, partners, cutting(kept, places, tuple(one.shape[1:3])))
            for name, one in pictures.items()
        }
        pictures = {name: one for name, (one, _) in pasted.items()}
        kept = sum(share for _, share in pasted.values()) / len(pasted)  # of the pixels that were really pasted
    else:
        pictures = {name: mixed_up(one, partners, kept) for name, one in pictures.items()}
    labels, weights = mixed_labels(batch.labels, batch.weights, partners, kept, classes)
    return replace(batch, inputs={**batch.inputs, **pictures}, labels=labels, weights=weights)
