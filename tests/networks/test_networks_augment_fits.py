"""image_augmentation in whole fits: repeatable, kept on disk, with several labels and weights, or refused."""

from dataclasses import replace

import numpy as np
import pytest

from melior.data.label_sets import LabelSets
from melior.errors import UserError
from melior.methods.image_augmentation import ImageAugmentation
from melior.models._base import resolve
from melior.predictor import Predictor
from melior.recipe import Choice, Recipe
from melior.testing.images import image_table
from melior.testing.tables import mixed_table
from melior.trials.fit import fit

QUICK = {"epochs": 2, "batch_rows": 16, "image_channels": 8, "image_stride": 4, "precision": "float32"}


def fitted(table, *methods, **more):
    model = Choice(name="image_network", settings={**QUICK, **more})
    return fit(Recipe(model=model, metric="macro_f1", methods=methods), table)


def reason(name, table, settings=None, *, methods=(), **more):
    recipe = Recipe(model=name, metric="macro_f1", methods=methods)
    return ImageAugmentation(**more).refused(recipe, table, resolve(Choice(name=name, settings=settings or {}))) or ""


@pytest.fixture(scope="module")
def table():
    return image_table(60)


@pytest.fixture(scope="module")
def pictures(table):
    return table.without_columns(["size"])


def test_a_fit_is_repeatable_and_kept(pictures, tmp_path):
    change = {"image_augmentation": {"mixup": 0.4, "cutmix": 1.0, "erase": 0.5}}
    one, again = fitted(pictures, change), fitted(pictures, change)
    scores = one.scores(pictures)
    assert np.array_equal(scores, again.scores(pictures))
    assert not np.array_equal(scores, fitted(pictures).scores(pictures))
    one.save(tmp_path)
    assert np.array_equal(Predictor.load(tmp_path).scores(pictures), scores)


def test_changes_of_no_size_change_nothing(table):
    nothing = dict.fromkeys(["rotate", "shift", "shear", "zoom", "brightness", "contrast", "saturation"], 0)
    plain, same = fitted(table), fitted(table, {"image_augmentation": nothing})
    assert np.array_equal(plain.scores(table), same.scores(table))


def test_several_labels_and_weights(pictures):
    matrix = np.column_stack([pictures.labels == 0, pictures.labels != 1, np.ones(60)]).astype(np.int8)
    schema = replace(pictures.schema, classes=("a", "b", "c"), label_sets=LabelSets(";"))
    several = replace(pictures, schema=schema, labels=None, label_matrix=matrix)
    weighted = several.with_weights(np.linspace(0.5, 2, 60))
    scores = fitted(weighted, {"image_augmentation": {"mixup": 0.4}}).scores(several)
    assert scores[:, 2].mean() > 0.5
    assert np.isfinite(scores).all()


def test_one_class_without_rows_is_no_trouble(pictures):
    two = pictures.take(np.flatnonzero(pictures.labels != 1))
    scores = fitted(two, {"image_augmentation": {"cutmix": 1.0}}).scores(two)
    assert (scores[:, 1] == 0).all()


def test_refused_with_what_to_use(table, pictures):
    assert not reason("image_network", table)
    assert not reason("image_network", pictures, mixup=0.2)
    assert "image_network" in reason("linear", table)
    assert "image_network" in reason("trees", table)
    assert "image_network" in reason("tabular_network", table)
    assert "no column of pictures" in reason("tabular_network", mixed_table())
    assert '"size"' in reason("image_network", table, mixup=0.2)
    assert '"size"' in reason("image_network", table, cutmix=1.0)
    assert "last_k" in reason("image_network", table, {"base": "somewhere", "tuning": "frozen"})
    assert not reason("image_network", table, {"base": "somewhere", "tuning": "full"})
    frozen = ({"transfer_learning": {"source": "somewhere"}},)
    assert "transfer_learning" in reason("image_network", table, methods=frozen)
    with pytest.raises(UserError, match="image_augmentation"):
        fit(Recipe(model="trees", metric="macro_f1", methods=("image_augmentation",)), table)


def test_a_cut_of_the_rate_reaches_the_family():
    from melior.methods.learning_rate_adjustment import LearningRateAdjustment
    from melior.models.tabular_network import TabularNetwork

    plain, family = LearningRateAdjustment(factor=2.0), TabularNetwork()
    assert plain.model(family).learning_rate == pytest.approx(2e-3)
    assert plain.model(family).spike == 0
    plateau = LearningRateAdjustment(cut="plateau").model(family)
    assert (plateau.schedule, plateau.stop_share, plateau.learning_rate) == ("plateau", 0.15, "found")
    assert LearningRateAdjustment(cut="plateau").model(TabularNetwork(stop_share=0.3)).stop_share == 0.3
    spiked = LearningRateAdjustment(cut="spike").model(family)
    assert spiked.spike == 2
    assert spiked.schedule == family.schedule
    assert spiked.training(100, seed=0, threads=1, stops=False).spike == 2
