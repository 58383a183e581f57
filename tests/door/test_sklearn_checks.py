"""scikit-learn's own checks of an estimator: all of them, none skipped, none expected to fail."""

import os
import subprocess
import sys

import pytest
from sklearn.utils.estimator_checks import check_classifiers_train, parametrize_with_checks

from melior.sklearn import ImprovedClassifier

from door_tables import QUICK  # isort: skip


@parametrize_with_checks([ImprovedClassifier()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_the_check_that_needs_scipys_array_api_at_start():
    """It skips itself in a process where SCIPY_ARRAY_API was not set from the start."""
    code = (
        "from sklearn.utils.estimator_checks import estimator_checks_generator\n"
        "from melior.sklearn import ImprovedClassifier\n"
        "for estimator, check in estimator_checks_generator(ImprovedClassifier()):\n"
        "    if 'array_api' in str(check):\n"
        "        check(estimator)\n"
        "print('done')\n"
    )
    surroundings = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=surroundings)
    assert done.stdout.strip() == "done", done.stderr


class OfMeasurements(ImprovedClassifier):
    """The same for tables of measurements: the checks then give what they measured instead of rounded categories, and
    these rows, no two alike, are enough for the whole improvement."""

    def __init__(
        self, *, budget="60s", metric="macro_f1", model="linear", never=QUICK["never"], repeats=1, random_state=None
    ):
        super().__init__(
            budget=budget, metric=metric, model=model, never=never, repeats=repeats, random_state=random_state
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = False
        return tags


@pytest.mark.slow
def test_the_check_of_training_with_whole_improvements(monkeypatch):
    fitted = []
    plain = ImprovedClassifier.fit

    def fit(self, X, y, *rest, **named):
        fitted.append(plain(self, X, y, *rest, **named))
        return fitted[-1]

    monkeypatch.setattr(ImprovedClassifier, "fit", fit)
    check_classifiers_train("OfMeasurements", OfMeasurements())
    assert fitted
    assert all(one.improvement_ is not None for one in fitted)
