"""The Predictor: everything between a raw row and an answer, on disk and in memory."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from melior.data.schema import Schema
from melior.data.table import Floats, Table
from melior.errors import UserError
from melior.storage import Fitted, load_fitted, save_fitted


class Scorer(Fitted, ABC):
    """What fitting gives: probabilities of the classes for the rows of a table."""

    @abstractmethod
    def scores(self, table: Table) -> Floats:
        """(rows, classes), each row sums to 1; of several labels a row, a probability for each by itself."""

    def token_weights(self, table: Table) -> pl.DataFrame | None:
        """What each token counts in its row (see `Predictor.token_weights`); None: it was not learned."""
        return None


class ScoreStep(Fitted, ABC):
    """Changes probabilities after scoring: calibration."""

    @abstractmethod
    def apply(self, scores: Floats) -> Floats:
        """(rows, classes) to (rows, classes), each row sums to 1."""


class Decision(Fitted):
    """Which class is answered: the largest of log(probability) + offset.

    offsets (classes,): all zero answers the most probable class; in a binary task a threshold t on the probability
    of the second class is offset log((1 - t) / t) there.
    """

    def __init__(self, offsets: NDArray[Any]) -> None:
        self.offsets = np.asarray(offsets, dtype=np.float64)

    @classmethod
    def threshold(cls, threshold: float) -> Self:
        """Binary: answer the second class from this probability on, 0 < threshold < 1."""
        return cls(np.array([0.0, np.log((1 - threshold) / threshold)]))

    def answers(self, scores: Floats) -> NDArray[np.int32]:
        with np.errstate(divide="ignore"):
            return np.asarray(np.argmax(np.log(scores) + self.offsets, axis=1), dtype=np.int32)


class LabelThresholds(Fitted):
    """Which labels a row is answered with: those of at least their own probability. thresholds (labels,), 0..1."""

    def __init__(self, thresholds: NDArray[Any]) -> None:
        self.thresholds = np.asarray(thresholds, dtype=np.float64)

    def answers(self, scores: Floats) -> NDArray[np.int32]:
        return np.asarray(scores >= self.thresholds, dtype=np.int32)


def warned(note: str) -> None:
    """A note on rows, as a warning: for results that have no room for notes."""
    warnings.warn(note, UserWarning, stacklevel=4)


class Predictor(Fitted):
    """A trained model with all that surrounds it. `notes`: what methods said of their part in the fit, one sentence
    each, for people.

    >>> predictor = Predictor.load("runs/plain/predictor")        # doctest: +SKIP
    >>> predictor.predict(table)                                  # doctest: +SKIP
    """

    notes: tuple[str, ...] = ()  # kept on disk only where there are any

    def __init__(self, schema: Schema, scorer: Scorer, *, family: str, metric: str) -> None:
        self.schema_ = schema.to_dict()
        self.scorer = scorer
        self.family = family
        self.metric = metric
        self.score_steps: list[ScoreStep] = []
        self.decision: Decision | LabelThresholds | None = None

    @property
    def schema(self) -> Schema:
        return Schema.from_dict(self.schema_)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.schema_["classes"])

    def with_score_step(self, step: ScoreStep) -> "Predictor":
        """The same with another step after scoring."""
        return self._changed(score_steps=[*self.score_steps, step])

    @property
    def multilabel(self) -> bool:
        """Whether a row may be answered with several labels, or none."""
        return self.schema.multilabel

    def with_decision(self, decision: Decision | LabelThresholds) -> "Predictor":
        return self._changed(decision=decision)

    def with_notes(self, notes: tuple[str, ...]) -> "Predictor":
        return self._changed(notes=notes) if notes else self

    def _changed(self, **changes: Any) -> "Predictor":
        return type(self).rebuilt({**vars(self), **changes})

    def scores(self, source: Any) -> Floats:
        """Probabilities (rows, classes), in the order of `classes`, for what `predict` takes; they sum to 1 where a row
        has one class."""
        return self.rescored(self.scorer.scores(self.rows(source, warned)))

    def rescored(self, scores: Floats) -> Floats:
        """What the steps after scoring make of the scorer's probabilities."""
        for step in self.score_steps:
            scores = step.apply(scores)
        return scores

    def decided(self, scores: Floats) -> NDArray[np.int32]:
        """Class numbers (rows,) for probabilities that this predictor gave; (rows, labels) of 0 and 1 where a row may
        have several labels: those of a probability of one half or more, unless thresholds were set."""
        if self.decision is None and self.multilabel:
            return np.asarray(scores >= 0.5, dtype=np.int32)
        if self.decision is None:
            return np.asarray(np.argmax(scores, axis=1), dtype=np.int32)
        return self.decision.answers(scores)

    def answers(self, source: Any) -> NDArray[np.int32]:
        """Class numbers (rows,), or (rows, labels) of 0 and 1."""
        return self.decided(self.scores(self.rows(source, warned)))

    def rows(self, source: Any, tell: Callable[[str], None]) -> Table:
        """New rows, read as the training rows were; a Table as it is. tell: is given what reading has to say, such as
        that a column cannot be read, a sentence each."""
        from melior.data.read import read_like

        if isinstance(source, Table):
            return source
        table = read_like(source, self.schema)
        for note in table.notes:
            tell(note)
        return table

    def predict(self, source: Any) -> pl.DataFrame:
        """The answers for a table, a file, a folder of images or a frame: `row`, the paths of images where there are
        image columns, `prediction` (a list where a row may have several labels), and `score_CLASS` for every class.

        Cells that cannot be read as those of the training rows were count as missing; a warning says so."""
        table = self.rows(source, warned)
        scores = self.scores(table)
        answers = self.decided(scores)
        classes = self.classes
        if self.multilabel:
            named = [[classes[number] for number in np.flatnonzero(row)] for row in answers]
            said = pl.Series("prediction", named, dtype=pl.List(pl.String))
        else:
            said = pl.Series("prediction", [classes[number] for number in answers], dtype=pl.String)
        return pl.DataFrame(
            {
                "row": table.row_ids,
                **{name: table.column(name) for name in table.of_kind("image")},
                "prediction": said,
                **{f"score_{label}": scores[:, number] for number, label in enumerate(classes)},
            }
        )

    def token_weights(self, source: Any) -> pl.DataFrame:
        """What each token counts in its row's answer, where that was learned (attention_pooling): `row`, `token` (its
        number in the row), `text`, and `weight`; the weights of a row sum to 1.

        >>> predictor.token_weights(table).sort("weight").tail(3)         # doctest: +SKIP
        """
        table = self.rows(source, warned)
        found = self.scorer.token_weights(table)
        if found is None:
            raise UserError(
                f"this predictor ({self.family}) did not learn what tokens count; train text_encoder with the method "
                "attention_pooling, alone and not in an ensemble."
            )
        return found

    def save(self, folder: str | Path) -> list[Path]:
        """Writes predictor.json and predictor.safetensors; returns their paths."""
        return save_fitted(self, Path(folder), "predictor")

    @classmethod
    def load(cls, folder: str | Path) -> "Predictor":
        """The predictor that was saved there. Executes nothing; gives bit-identical scores."""
        loaded = load_fitted(Path(folder), "predictor")
        if not isinstance(loaded, cls):
            raise UserError(f"{Path(folder) / 'predictor.json'} holds no predictor: restore it from a copy.")
        return loaded

    def __repr__(self) -> str:
        return f"<Predictor {self.family}: {len(self.schema.features())} columns to {len(self.classes)} classes>"
