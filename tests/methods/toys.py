"""Small tables, and surroundings for methods that need no other room: a toy family and a fake FitContext."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest

from melior.data.schema import Schema
from melior.data.table import Table
from melior.features._base import Encoder, Matrix
from melior.methods._base import methods
from melior.models._base import Encoding, FamilyLearner, MatrixScorer, Model
from melior.recipe import Recipe


class ToyEncoder(Encoder):
    """Numbers standardised, missing as 0; categories one-hot; texts as their length."""

    def __init__(self, numbers, categories, texts):
        self.numbers, self.categories, self.texts = numbers, categories, texts
        self.centres, self.spreads, self.values = [], [], []

    def fit(self, table, seed):
        self.centres = [float(np.nanmean(table.numbers(name))) for name in self.numbers]
        self.spreads = [float(np.nanstd(table.numbers(name))) or 1.0 for name in self.numbers]
        self.values = [table.column(name).drop_nulls().unique().sort().to_list() for name in self.categories]
        return self

    def transform(self, table):
        parts, names = [], []
        for name, centre, spread in zip(self.numbers, self.centres, self.spreads, strict=True):
            parts.append(np.nan_to_num((table.numbers(name) - centre) / spread))
            names.append(name)
        for name, values in zip(self.categories, self.values, strict=True):
            for value in values:
                parts.append((table.column(name) == value).fill_null(False).to_numpy().astype(float))
                names.append(f"{name} = {value}")
        for name in self.texts:
            parts.append(table.column(name).str.len_chars().fill_null(0).to_numpy().astype(float) / 10)
            names.append(name)
        return Matrix(np.column_stack(parts), names, [name.split(" = ")[0] for name in names])


class ToyScorer(MatrixScorer):
    def __init__(self, coef, intercept, present, classes):
        self.coef, self.intercept, self.present, self.classes = coef, intercept, present, classes

    def scores(self, matrix):
        margins = matrix.dense() @ self.coef.T + self.intercept
        if len(self.present) == 1:
            margins = np.zeros((matrix.rows, 1))
        elif margins.shape[1] == 1:
            margins = np.column_stack([np.zeros(len(margins)), margins])
        raised = np.exp(margins - margins.max(axis=1, keepdims=True))
        found = np.zeros((matrix.rows, self.classes))
        found[:, self.present] = raised / raised.sum(axis=1, keepdims=True)
        return found


class Toy(Model):
    """Logistic regression with every ability, so that no method refuses it."""

    name = "toy"
    kinds = frozenset({"number", "category", "text"})
    can = frozenset({"row_weights", "l1_penalty", "l2_penalty", "early_stopping"})

    c: float = 1.0
    l1: float = 0.0
    stopped: float = 0.0

    def encoder(self, table, *, scaled):
        return ToyEncoder(table.of_kind("number"), table.of_kind("category"), table.of_kind("text"))

    def fit(self, matrix, labels, weights, classes, *, seed, threads=1):
        from sklearn.linear_model import LogisticRegression

        present = np.unique(labels)
        if len(present) == 1:
            return ToyScorer(np.zeros((1, matrix.features)), np.zeros(1), present, classes)
        fitted = LogisticRegression(C=self.c, max_iter=300).fit(matrix.dense(), labels, sample_weight=weights)
        return ToyScorer(fitted.coef_, fitted.intercept_, present, classes)

    def penalized(self, *, l1=None, l2=None):
        return self.model_copy(update={"c": self.c / (l1 or l2), "l1": 1.0 if l1 else 0.0})

    def early_stopped(self, share, patience):
        return self.model_copy(update={"stopped": share})


TOY = Toy()


@dataclass(frozen=True)
class ToyContext:
    """A FitContext that shares nothing and remembers which rows it was asked to fit on."""

    seed: int = 0
    threads: int = 1
    metric: str = "macro_f1"
    classes: tuple[str, ...] = ("a", "b")
    model: Model = TOY
    table_steps: tuple = ()
    matrix_steps: tuple = ()

    def once(self, train, what, make):
        return make()

    def reseeded(self, number):
        return replace(self, seed=self.seed * 1000 + number + 1)

    def base_learner(self):
        return FamilyLearner(self.model, self.table_steps, self.matrix_steps)

    def family(self, choice):
        model = Toy(c=0.1) if choice == "linear" else Toy(c=10)
        return FamilyLearner(model, self.table_steps, self.matrix_steps)

    def encode(self, train, model, table_steps, matrix_steps):
        steps, changed = [], train
        for step in table_steps:
            steps.append(type(step).rebuilt(dict(vars(step))).fit(changed, self.seed))
            changed = steps[-1].transform(changed)
        encoder = model.encoder(changed, scaled=False).fit(changed, self.seed)
        matrix = encoder.transform(changed)
        after = []
        for step in matrix_steps:
            fresh = type(step).rebuilt(dict(vars(step)))
            after.append(fresh.fit(matrix, train.given_labels(), train.weights, len(train.classes), self.seed))
            matrix = fresh.transform(matrix)
        return Encoding(steps, encoder, after), matrix

    def out_of_fold(self, learner, train):
        ids, which = np.unique(train.row_ids, return_inverse=True)
        fold = (np.random.default_rng(self.seed).permutation(len(ids)) % 4)[which]
        scores = np.empty((train.rows, len(train.classes)))
        for number in range(4):
            inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            scores[outside] = learner.fit(train.take(inside), self).scores(train.take(outside))
        return scores


def made_table(rows=160, classes=3, seed=0, share=None, numbers=4, wrong=0.0):
    """Numbers that tell the classes apart, a category that helps, a text, some missing values, some wrong labels."""
    random = np.random.default_rng(seed)
    labels = random.choice(classes, rows, p=share)
    labels[: classes * 12] = np.repeat(np.arange(classes), 12)
    values = random.normal(size=(rows, numbers)) + 2.0 * np.eye(classes, numbers)[labels]
    frame = {f"x{j}": values[:, j] for j in range(numbers)}
    frame["x0"] = np.where(random.random(rows) < 0.05, np.nan, frame["x0"])
    colours = np.array(["red", "green", "blue"])[(labels + (random.random(rows) < 0.3)) % 3].tolist()
    colours[3] = None
    frame["colour"] = colours
    words = ["very", "good", "quite", "bad", "not", "so"]
    frame["note"] = [" ".join(random.choice(words, 4)) for _ in range(rows)]
    kinds = {f"x{j}": "number" for j in range(numbers)} | {"colour": "category", "note": "text"}
    given = np.where(random.random(rows) < wrong, (labels + 1) % classes, labels).astype(np.int32)
    names = tuple("abcdefgh"[:classes])
    stored = pl.DataFrame(frame, nan_to_null=True).with_columns(pl.col("colour").cast(pl.String))
    return Table.make(stored, Schema(kinds, "y", names), given)


def settings_of(method):
    """Every candidate of a method, and every choice of the literals among its settings."""
    from typing import Literal, get_args, get_origin

    found = list(method.candidates)
    for name, field in method.model_fields.items():
        if get_origin(field.annotation) is Literal:
            found += [{name: choice} for choice in get_args(field.annotation)]
    seen = []
    return [one for one in found if not (one in seen or seen.append(one))]


def for_toys(method, settings):
    """Whether these settings suit a family that is no network: some act inside training where others act on rows."""
    return method(**settings).refused(Recipe(metric="macro_f1"), made_table(), TOY) is None


# the same on the way, and quick; the public suite generates rows with the usual steps
SMALL = {"gan_samples": {"steps": 20, "width": 16}}
CASES = [
    (m, SMALL.get(m.name, {}) | s)
    for m in methods().values()
    if not (m.networks or m.needs)
    for s in settings_of(m)
    if for_toys(m, s)
]
# what the public suite, which fits the candidates with real surroundings, does not fit
BEYOND = [(m, s) for m, s in CASES if m(**s) not in [m(**candidate) for candidate in m.candidates]]


def case_name(case):
    method, settings = case
    return method.name + "".join(f"-{value}" for value in settings.values())


@pytest.fixture
def table():
    return made_table()


@pytest.fixture
def context():
    return ToyContext(classes=("a", "b", "c"))


@pytest.fixture(params=CASES, ids=case_name)
def case(request):
    return request.param


@pytest.fixture(params=BEYOND, ids=case_name)
def beyond(request):
    return request.param
