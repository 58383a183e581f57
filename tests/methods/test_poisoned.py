"""Isolation: held-out rows may hold anything, in values, texts, pictures and answers, and nothing that is fitted
changes by a bit, nor does the score of any other row. Looked at from outside, through trials."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest

from melior.data.schema import STORED_AS
from melior.data.splits import Fold
from melior.data.table import Table
from melior.methods._base import methods
from melior.models._base import families
from melior.recipe import Recipe
from melior.testing import images, tables
from melior.testing.methods import QUICK
from melior.trials.run import Trials

ROWS, TRAINED = 140, 90
ORDER = np.random.default_rng(8).permutation(ROWS)
INSIDE, OUTSIDE = np.sort(ORDER[:TRAINED]), np.sort(ORDER[TRAINED:])
POISONED, KEPT = OUTSIDE[::2], np.arange(len(OUTSIDE)) % 2 == 1
DEAR = 5.0  # methods that cost more fits than this are looked at with the cheapest family alone
WILD = {
    "number": [1e12, -1e12, None, 0.0],
    "category": ["never seen", None, "red"],
    "language": ["xx", None],
    "text": ["class 0 class 1 class 2 " * 50, "", None, "龘" * 400],
    "time": [datetime(1901, 1, 1), datetime(2099, 12, 31), None],
}
SETTINGS = {
    "linear": {"longest": 1, "characters": False, "rounds": 100},
    "trees": {"rounds": 8, "leaves": 7, "text_dimensions": 4},
    "tabular_network": {**QUICK["tabular_network"], "epochs": 2, "width": 8},
}

SMALL = {"gan_samples": {"steps": 20, "width": 16}}  # rows are generated as with the usual 200 steps, only worse


def poisoned(table: Table, rows) -> Table:
    """The table read anew, as if the file had held wild values, other pictures and other answers in these rows."""
    random = np.random.default_rng(3)
    changed = []
    for name, kind in table.schema.kinds.items():
        cells = table.column(name).to_list()
        choices = WILD.get(kind, ["nonsense", None])
        if kind == "image":
            choices = [cells[row] for row in rows] + [None, "no such file.png"]
        for row in rows:
            cells[row] = choices[int(random.integers(len(choices)))]
        changed.append(pl.Series(name, cells, dtype=STORED_AS[kind], strict=False))
    labels = table.labels.copy()
    labels[rows] = random.integers(0, len(table.classes), len(rows))
    return Table.make(table.frame.with_columns(changed), table.schema, labels, images=table.images)


def scores(table: Table, recipe: Recipe, inside=INSIDE, outside=OUTSIDE):
    return Trials(table, [Fold(inside, outside, 0, 0)], workers=1).run(recipe, 0).scores


def suited():
    table = tables.mixed_table(ROWS)
    for family, settings in SETTINGS.items():
        model = families()[family](**settings)
        for name, method in methods().items():
            recipe = Recipe(model={family: settings}, metric="macro_f1", methods=[{name: SMALL.get(name, {})}])
            dear = family != "linear" and method.cost > DEAR
            if not method.needs and not dear and method().refused(recipe, table, model) is None:
                yield pytest.param(recipe, id=f"{family}-{name}")


@pytest.fixture(scope="module")
def both():
    table = tables.mixed_table(ROWS)
    return table, poisoned(table, POISONED)


def test_the_poison_is_strong(both):
    """The rows that are poisoned are answered quite otherwise, so that a leak of them could be seen."""
    table, other = both
    recipe = Recipe(model={"linear": SETTINGS["linear"]}, metric="macro_f1")
    apart = np.abs(scores(table, recipe) - scores(other, recipe))[~KEPT]
    assert (apart.max(axis=1) > 0.2).mean() > 0.5
    joined = np.sort(np.concatenate([INSIDE, POISONED]))
    moved = np.abs(scores(table, recipe, joined) - scores(other, recipe, joined))[KEPT]
    assert moved.max() > 0.05, "where they are trained on, the others' scores do change"


@pytest.mark.parametrize("recipe", list(suited()))
def test_nothing_changes_for_other_rows(recipe, both):
    table, other = both
    assert np.array_equal(scores(table, recipe)[KEPT], scores(other, recipe)[KEPT])


@pytest.mark.parametrize(
    "chosen",
    [
        ("oversampling", "data_cleaning", "normalization", "threshold", "calibration"),
        ("deduplication", "text_augmentation", "table_augmentation", "normalization"),
        ("undersampling", "dimension_reduction", "bagging", "threshold"),
        ("class_weights", "text_augmentation", "threshold"),
    ],
)
def test_methods_together(chosen, both):
    table, other = both
    recipe = Recipe(model={"linear": SETTINGS["linear"]}, metric="macro_f1", methods=[{name: {}} for name in chosen])
    assert np.array_equal(scores(table, recipe)[KEPT], scores(other, recipe)[KEPT])


@pytest.mark.skipif(not images.HAVE_PILLOW, reason="needs Pillow")
@pytest.mark.parametrize("family", ["linear", "trees", "image_network"])
def test_pictures(family):
    table = images.image_table()
    inside = np.arange(0, table.rows, 2)
    outside = np.arange(1, table.rows, 2)
    kept = np.arange(len(outside)) % 2 == 1
    other = poisoned(table, outside[~kept])
    settings = {**QUICK.get(family, {}), **({"epochs": 1} if family == "image_network" else {})}
    recipe = Recipe(model={family: settings}, metric="macro_f1", methods=["deduplication"])
    found = scores(table, recipe, inside, outside)[kept]
    assert np.array_equal(found, scores(other, recipe, inside, outside)[kept])


# ---- data augmentation: made from training rows only

AUGMENTING = [
    ("text_augmentation", {"copies": 2}),
    ("text_augmentation", {"changes": ("replace", "insert"), "share": 0.5}),
    ("table_augmentation", {}),
    ("table_augmentation", {"kind": "swap"}),
    ("table_augmentation", {"kind": "mixup"}),
    ("oversampling", {"kind": "smote"}),
]


@pytest.mark.parametrize(("name", "settings"), AUGMENTING)
def test_new_rows_are_made_of_training_rows_alone(name, settings, both):
    """Held-out rows are poisoned with words and values of their own: none of them gets into a new row."""
    from melior.trials.fit import Fitting
    from melior.trials.shared import Shared

    table, other = both
    made = []
    for one in (table, other):
        train = one.take(INSIDE)
        model = families()["linear"](**SETTINGS["linear"])
        context = Fitting(train, model, (), (), "macro_f1", 0, 1, Shared())
        made.append(methods()[name](**settings).rows(train, context))
    assert made[0].frame.equals(made[1].frame)
    assert np.array_equal(made[0].labels, made[1].labels)
    assert set(made[0].row_ids.tolist()) <= set(table.row_ids[INSIDE].tolist()), "offspring has its seed's number"
    if name == "text_augmentation":
        words = {word for text in table.column("note")[INSIDE.tolist()].drop_nulls() for word in text.lower().split()}
        new = {word for text in made[0].column("note").drop_nulls() for word in text.lower().split()}
        assert new <= words


def test_folds_inside_keep_a_row_and_its_offspring_together():
    """What is scored by fits that did not see it has not seen its copies in other words either."""
    from melior.trials.fit import Fitting
    from melior.trials.shared import Shared
    from melior.trials.together import inner_folds

    train = tables.mixed_table(ROWS).take(INSIDE)
    model = families()["linear"]()
    context = Fitting(train, model, (), (), "macro_f1", 0, 1, Shared())
    for name, settings in AUGMENTING:
        made = methods()[name](**settings).rows(train, context)
        for inside, outside in inner_folds(made, 0):
            assert not set(made.row_ids[inside].tolist()) & set(made.row_ids[outside].tolist())
