"""A score that was corrected for wrong labels which only may be there is not said alone."""

import numpy as np
import pytest

from melior.findings import Finding
from melior.improvement.ruler import as_labelled
from melior.metrics import Interval, label_weights
from melior.metrics.registry import metric
from melior.testing import tables


class Right:
    """Answers as the table says."""

    def __init__(self, table):
        self.given = np.eye(len(table.classes))[table.given_labels()]

    def scores(self, table):
        return self.given

    def decided(self, scores):
        return scores.argmax(axis=1)


@pytest.mark.parametrize(
    ("certain", "corrected", "said"), [(False, True, True), (True, True, False), (False, False, False)]
)
def test_it_is_said_as_the_labels_stand(certain, corrected, said):
    table = tables.number_table(200)
    several = len(table.classes)
    matrix = np.full((several, several), 0.2 / (several - 1))
    np.fill_diagonal(matrix, 0.8)
    truth = label_weights(table.given_labels(), matrix, classes=table.classes) if corrected else table.truth()
    finding = Finding("label_noise", 0.4, "wrong labels.", {"noise_rate": 0.2}, columns=("y",), certain=certain)
    told = as_labelled(
        metric("accuracy", table.classes),
        table,
        truth,
        {"label_noise": finding},
        Right(table),
        Interval(1.25, 1.2, 1.3),
    )
    assert bool(told) is said
    if said:
        assert told.startswith("As the labels stand accuracy is 1.000; it is 1.250 if 20% of them are wrong")
