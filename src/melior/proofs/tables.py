"""Data for cards and benchmarks: real rows that come with packages, and generated ones. Nothing here imports Melior but
where its sample and the fetched files lie, so what is measured does not depend on what is measured with.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

TARGET = "answer"
NAMES = {
    "Clothing ID": "clothing_id",
    "Age": "age",
    "Title": "title",
    "Review Text": "review",
    "Rating": "rating",
    "Recommended IND": "recommended",
    "Positive Feedback Count": "positive_feedback",
    "Division Name": "division",
    "Department Name": "department",
    "Class Name": "class",
}  # of the columns of all reviews, in the sample


@dataclass(frozen=True)
class Rows:
    """Feature columns, and the labels (rows,) as text."""

    name: str
    frame: pl.DataFrame
    labels: NDArray[np.str_]
    texts: tuple[str, ...] = field(default=())  # columns that are texts

    def take(self, which: NDArray[np.int64]) -> "Rows":
        return Rows(self.name, self.frame[which], self.labels[which], self.texts)

    def whole(self) -> pl.DataFrame:
        """The columns with the labels beside them."""
        return self.frame.with_columns(pl.Series(TARGET, self.labels.tolist(), dtype=pl.String))

    def numbers(self) -> list[str]:
        return [name for name, kind in self.frame.schema.items() if kind.is_numeric()]

    def categories(self) -> list[str]:
        return [name for name in self.frame.columns if name not in self.numbers() and name not in self.texts]


def split(rows: Rows, share: float, seed: int) -> tuple[Rows, Rows]:
    """Two parts in random order (some files are sorted by class), the first with this share of every class."""
    random = np.random.default_rng([seed, 101])
    first = np.zeros(len(rows.labels), dtype=bool)
    for label in np.unique(rows.labels):
        own = random.permutation(np.flatnonzero(rows.labels == label))
        first[own[: round(share * len(own))]] = True
    order = random.permutation(len(rows.labels))
    return rows.take(order[first[order]]), rows.take(order[~first[order]])


def reviews(seed: int = 0) -> Rows:
    """The sample of reviews in the package, without the rating: it is known only after the fact."""
    from melior.samples import REVIEWS
    from melior.samples import TARGET as ANSWER

    frame = pl.read_csv(REVIEWS).drop("rating")
    return Rows("reviews", frame.drop(ANSWER), labels_of(frame[ANSWER].to_numpy()), ("title", "review"))


def all_reviews() -> Rows:
    """All 23,486 reviews, under the names of the sample."""
    from melior.proofs.sources import reviews_file

    frame = pl.read_parquet(reviews_file()).select(list(NAMES)).rename(NAMES).drop("rating")
    return Rows(
        "all reviews", frame.drop("recommended"), labels_of(frame["recommended"].to_numpy()), ("title", "review")
    )


def _of_sklearn(name: str) -> Callable[[int], Rows]:
    def load(seed: int = 0) -> Rows:
        from sklearn import datasets

        found = getattr(datasets, f"load_{name}")()
        frame = pl.DataFrame(found.data, schema=[str(column) for column in found.feature_names])
        return Rows(name, frame, labels_of(found.target))

    return load


def labels_of(codes: NDArray[np.generic]) -> NDArray[np.str_]:
    """Labels as words, so that no reader takes them for numbers."""
    return np.array([f"class {code}" for code in codes.astype(np.int64)])


def mixed(rows: int, classes: int, seed: int, name: str, *, sharp: float = 3.0) -> Rows:
    """Numbers of several shapes and categories; the answer depends on some of them, two of them together.

    sharp: how clearly the columns tell the answer; at 3 the best possible accuracy is some 85 to 92 %.
    """
    random = np.random.default_rng([seed, rows, classes, 102])
    normal = random.normal(size=(rows, 4))
    income = np.exp(random.normal(10, 0.6, rows))
    age = random.integers(18, 80, rows)
    rate = random.uniform(0, 1, rows)
    towns = np.array(["north", "south", "east", "west", "centre", "coast"])
    town = random.choice(6, rows, p=[0.3, 0.25, 0.2, 0.12, 0.08, 0.05])
    grade = random.integers(0, 3, rows)
    kind = random.integers(0, 12, rows)
    scaled = np.column_stack(
        [
            normal[:, :3],
            (np.log(income) - 10) / 0.6,
            (age - 49) / 18,
            (rate - 0.5) / 0.29,
            normal[:, 0] * normal[:, 1],
            np.eye(6)[town] * 1.5,
            np.eye(3)[grade] * 1.2,
        ]
    )
    weights = random.normal(size=(scaled.shape[1], classes))
    logits = scaled @ weights
    logits = sharp * (logits - logits.mean(axis=0)) / logits.std(axis=0)
    chance = random.gumbel(size=logits.shape)  # the largest of logit and Gumbel noise is a draw from the softmax
    frame = pl.DataFrame(
        {
            "a": normal[:, 0],
            "b": 50 + 12 * normal[:, 1],
            "c": normal[:, 2] / 100,
            "of no use": normal[:, 3],
            "income": income.round(2),
            "age": age,
            "rate": rate,
            "town": towns[town].tolist(),
            "grade": np.array(["low", "middle", "high"])[grade].tolist(),
            "kind": [f"k{number:02d}" for number in kind],
        }
    )
    return Rows(name, frame, labels_of((logits + chance).argmax(axis=1)))


SETS: dict[str, Callable[[int], Rows]] = {
    "reviews": reviews,
    "digits": _of_sklearn("digits"),
    "wine": _of_sklearn("wine"),
    "breast_cancer": _of_sklearn("breast_cancer"),
    "mixed 3000": lambda seed: mixed(3000, 2, seed, "mixed 3000"),
    "mixed 1500 of 4": lambda seed: mixed(1500, 4, seed, "mixed 1500 of 4", sharp=4.0),
    "mixed 600": lambda seed: mixed(600, 2, seed, "mixed 600"),
}
