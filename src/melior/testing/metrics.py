"""What every metric must hold: its range, the best value for perfect answers, and that rows have no order."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from melior.metrics._base import Family, Metric, one_hot
from melior.testing.promises import NAME, holds

LABELS = ("first", "second", "third", "fourth")
ROWS = 60


class MetricSuite:
    """Promises of a family of metrics; `family` is the one under test."""

    family: ClassVar[Family]

    def metrics(self, classes: Sequence[str]) -> list[tuple[Metric, int | None]]:
        """The overall metric and that of each class, with the class's code."""
        codes: list[int | None] = [None] if self.family.overall else []
        codes += list(range(len(classes))) if self.family.per_class else []
        return [(self.family.make(classes, code), code) for code in codes]

    def cases(self) -> list[tuple[Metric, int | None, NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Every metric on random rows of two to four classes: metric, class, labels, scores, answers."""
        found = []
        for size in (2, 3, 4):
            random = np.random.default_rng(size)
            labels = random.permutation(np.arange(ROWS) % size)
            scores = random.dirichlet(np.ones(size), ROWS) * 0.7 + 0.3 * one_hot(labels, size)
            found += [(made, code, labels, scores, scores.argmax(axis=1)) for made, code in self.metrics(LABELS[:size])]
        return found

    def test_says_what_it_is(self) -> None:
        holds(NAME.fullmatch(self.family.name), f"{self.family.name!r} is no name such as macro_f1")
        holds(self.family.overall or self.family.per_class, "it exists neither overall nor for a class")
        for made, code in self.metrics(LABELS[:3]):
            wanted = self.family.name if code is None else f"{self.family.name}[{LABELS[code]}]"
            holds(made.name == wanted, f"it is called {made.name!r}, and should be {wanted!r}")
            holds(made.title and made.title != made.name, "it has no title in plain English")
            holds(made.needs in ("answers", "scores"), f"it needs {made.needs!r}, which is neither answers nor scores")
            holds(made.low < made.high, "its range is empty")

    def test_stays_in_its_range(self) -> None:
        for made, _, labels, scores, answers in self.cases():
            for seed in range(5):
                mixed = np.random.default_rng(seed).permutation(labels)
                value = made.measure(one_hot(mixed, scores.shape[1]), scores, answers)
                holds(made.low <= value <= made.high, f"{made.name} is {value}")

    def test_perfect_is_best(self) -> None:
        for made, _, labels, scores, answers in self.cases():
            truth = one_hot(labels, scores.shape[1])
            best = made.measure(truth, truth, labels)
            wanted = made.high if made.greater_is_better else made.low
            holds(abs(best - wanted) < 1e-9, f"{made.name} of perfect answers is {best}, and should be {wanted}")
            found = made.measure(truth, scores, answers)
            holds(made.gain(best - found) >= 0, f"{made.name}: perfect answers are worse than others")

    def test_rows_have_no_order(self) -> None:
        for made, _, labels, scores, answers in self.cases():
            truth = one_hot(labels, scores.shape[1])
            order = np.random.default_rng(7).permutation(len(labels))
            one, two = made.measure(truth, scores, answers), made.measure(truth[order], scores[order], answers[order])
            holds(abs(one - two) < 1e-12, f"{made.name} depends on the order of rows: {one} and {two}")

    def test_classes_have_no_order(self) -> None:
        """Renamed classes give the same, the metric of a class following its class.

        Overall metrics of two classes may be those of the second class, as is usual, and are left out."""
        for made, code, labels, scores, answers in self.cases():
            size = scores.shape[1]
            if code is None and size == 2:
                continue
            new = np.random.default_rng(8).permutation(size)  # the new code of each class
            old = np.argsort(new)
            other = self.family.make([LABELS[k] for k in old], None if code is None else int(new[code]))
            one = made.measure(one_hot(labels, size), scores, answers)
            two = other.measure(one_hot(new[labels], size), scores[:, old], new[answers])
            holds(abs(one - two) < 1e-12, f"{made.name} depends on the order of classes: {one} and {two}")

    def test_counts_are_repeats(self) -> None:
        """A row counted twice, a row that stands twice, and a row of weight 2 are the same; 0 is a row not there.

        Metrics with bins, which are those that have a `noise`, set them once on the rows given, and are left out."""
        for made, _, labels, scores, answers in self.cases():
            if made.noise is not None:
                continue
            random = np.random.default_rng(9)
            counts = random.integers(0, 3, len(labels))
            counts[: scores.shape[1] * 2] = 1
            truth = one_hot(labels, scores.shape[1])
            repeated = np.repeat(np.arange(len(labels)), counts)
            wanted = made.measure(truth[repeated], scores[repeated], answers[repeated])
            resampled = made.measure_resampled(truth, scores, answers, counts[None, :])[0]
            weighted = made.measure(truth * counts[:, None], scores, answers)
            holds(abs(wanted - resampled) < 1e-9, f"{made.name}: counted {resampled}, repeated {wanted}")
            holds(abs(wanted - weighted) < 1e-9, f"{made.name}: weighted {weighted}, repeated {wanted}")

    def test_same_again(self) -> None:
        for made, _, labels, scores, answers in self.cases():
            truth = one_hot(labels, scores.shape[1])
            before = truth.copy(), scores.copy(), answers.copy()
            one, two = made.measure(truth, scores, answers), made.measure(truth, scores, answers)
            holds(one == two, f"{made.name} differs from one time to the next")
            same = all(np.array_equal(a, b) for a, b in zip(before, (truth, scores, answers), strict=True))
            holds(same, f"{made.name} changes what it is given")

    def test_one_row_or_one_class_is_no_crash(self) -> None:
        for made, _, labels, scores, answers in self.cases():
            truth = one_hot(labels, scores.shape[1])
            for rows in (labels == labels[0], np.arange(len(labels)) == 0):
                value = made.measure(truth[rows], scores[rows], answers[rows])
                holds(np.isnan(value) or made.low <= value <= made.high, f"{made.name} is {value}")


def metric_suite(family: Family) -> type[MetricSuite]:
    """The suite for one family of metrics: `TestMine = metric_suite(MY_FAMILY)`."""
    return type(f"Test_{family.name}", (MetricSuite,), {"family": family, "__doc__": MetricSuite.__doc__})
