"""The public contract suites, run over everything there is."""

import pytest

from melior.checks._base import checks
from melior.methods._base import methods
from melior.metrics.registry import families as metrics
from melior.models._base import families as models
from melior.testing import check_suite, method_suite, metric_suite, model_suite, run
from melior.testing.checks import CheckSuite

MODELS = {
    "linear": {},
    # 100 rounds teach nothing here that 20 do not; leaves hold at least so many rows, however much the rows weigh
    "trees": {"settings": {"rounds": 20, "rows_in_leaf": 1}, "weight_tolerance": 0.1},
    # one step an epoch, so that rows of weight 2 and rows that stand twice take the same steps
    "tabular_network": {
        "settings": {"epochs": 40, "batch_rows": 1000, "width": 16, "depth": 1, "dropout": 0, "learning_rate": 0.02,
                     "weight_decay": 0.01,
                     "precision": "float32"},
    },
    "image_network": {
        "settings": {"epochs": 40, "batch_rows": 1000, "image_channels": 8, "image_stride": 4, "dropout": 0,
                     "learning_rate": 0.03, "image_normalization": "layer", "precision": "float32"},
    },
    "text_encoder": {
        "settings": {"epochs": 12, "batch_rows": 16, "width": 16, "depth": 1, "heads": 2, "vocabulary": 320,
                     "longest": 24, "learning_rate": 0.01, "precision": "float32"},
        "weight_tolerance": 0.1,
    },
}  # fmt: skip

SUITES = [
    *(metric_suite(family) for family in metrics().values()),
    *(check_suite(check) for check in checks().values()),
    *(model_suite(model, **MODELS.get(name, {})) for name, model in models().items()),
    *(method_suite(method) for method in methods().values()),
]
# promises about what rows are like, not how well they are generated: a few steps go the way of the usual 200 and more
SMALL = {"gan_samples": {"steps": 20, "width": 16}}
OF_ROWS = ("test_other_tables_are_fine", "test_rows_hook_gives_sound_rows", "test_rows_hook_sees_training_rows_only")
# the promises of a suite share what was fitted, and all checks the folds of their tables: one process runs them
PROMISES = [
    pytest.param(
        suite,
        name,
        id=f"{suite.__name__.removeprefix('Test_')}-{name[5:]}",
        marks=pytest.mark.xdist_group("checks" if issubclass(suite, CheckSuite) else suite.__name__),
    )
    for suite in SUITES
    for name in dir(suite)
    if name.startswith("test_")
]


@pytest.mark.parametrize(("suite", "promise"), PROMISES)
def test_promise(suite, promise):
    made = suite()
    if promise in OF_ROWS and made.method.name in SMALL:
        made._settings = lambda: [SMALL[made.method.name]]
    getattr(made, promise)()


def test_there_is_something_of_each():
    assert len(checks()) >= 3
    assert len(methods()) >= 19
    assert set(models()) >= {"linear", "trees"}
    assert len(metrics()) >= 15


def test_run_names_what_does_not_hold():
    from melior.metrics._base import Family

    honest = metrics()["accuracy"]
    lying = Family("wrong_name", honest.make)
    assert run(metric_suite(honest)) == {}
    broken = run(metric_suite(lying))
    assert list(broken) == ["test_says_what_it_is"]
    assert "accuracy" in broken["test_says_what_it_is"]
