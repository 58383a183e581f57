"""The Recipe: what to do with which data, in one frozen object that is also a YAML file.

A recipe holds methods and models as names and settings and imports none of them; the rooms `methods` and `models`
resolve and validate the names. So a recipe can be read, shown and changed anywhere.
"""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from melior.errors import UserError
from melior.layout import Layout
from melior.refusals import sentence

Kind = Literal["number", "category", "text", "image", "time", "id", "language", "ignore"]
# to milliseconds, and to megabytes
LIMIT_UNITS = {
    "latency": {"ms": 1.0, "s": 1000.0, "us": 0.001, "µs": 0.001, "": 1.0},
    "size": {"mb": 1.0, "kb": 0.001, "gb": 1000.0, "mib": 1.048576, "": 1.0},
}

PLACES = (
    "base",
    "image_base",
    "source",
)  # settings of models and methods that name a folder or file, or a model of the hub

SplitKind = Literal["auto", "random", "stratified", "group", "time", "column"]


class Part(BaseModel):
    """Base of the recipe's parts: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Part):
    """One of several files whose rows are put together.

    path     a file, as data.path
    name     what the source column calls it; the file's name where none is given
    columns  its names of columns -> those of the whole, for those that differ, for example {"years": "age"}
    labels   its classes -> those of the whole, for those that differ, for example {"Y": "yes"}
    """

    path: str
    name: Annotated[str, Field(min_length=1)] | None = None
    columns: dict[str, str] = {}
    labels: dict[str, str] = {}

    @classmethod
    def checked(cls, given: dict[str, Any], where: str) -> Self:
        """The source, or one sentence that names the key that is wrong."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise UserError(sentence(error, where, cls)) from None


class Data(Part):
    """Where the rows are and what their columns mean.

    path               a CSV, TSV, JSONL or Parquet file, plain or compressed by gzip or zstd; of task: generate also
                       a folder of JSONL or Parquet files
    sources            instead of path: several files whose rows are put together. Columns of one name are one column;
                       what a source lacks is missing in its rows
    source_column      the column that then says which source a row is from: for splits by group and for checks; no
                       model reads it
    test               a second file, scored once at the end; without it a part of `path` is sealed
    target             the column to predict
    columns            kinds that differ from what is inferred, for example {"zip": "category", "note": "ignore"}
    missing_target     stop, or drop the rows whose target is empty; no_label: they have none of several labels
    label_separator    stands between the labels of a row, for example ";", where the target is text and a row may have
                       several labels; a target of lists needs none
    trusted            a column that marks (1, true, yes) the rows whose target is known to be right
    stream             of task: generate: rows go to disk as tokens block by block (true), or are read into memory
                       (false); not given: true for a folder, and for a JSONL or Parquet file of more than a quarter of
                       the free memory
    known_at_prediction columns that look like the answer in disguise and are legitimate all the same
    without            words or runs of words that are taken out of a text column before anything reads it, for example
                       {"note": ["case closed"]}
    """

    path: str | None = None
    sources: tuple[Source, ...] = ()
    source_column: str = "source"
    test: str | None = None
    target: str | None = None
    columns: dict[str, Kind] = {}
    missing_target: Literal["stop", "drop", "no_label"] = "stop"
    label_separator: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    trusted: str | None = None
    stream: bool | None = None
    known_at_prediction: tuple[str, ...] = ()
    without: dict[str, tuple[Annotated[str, Field(pattern=r"\S")], ...]] = {}
    encoding: str | None = None
    separator: str | None = None

    @field_validator("sources", mode="before")
    @classmethod
    def files_alone(cls, given: Any) -> Any:
        if isinstance(given, list | tuple):
            return [{"path": one} if isinstance(one, str) else one for one in given]
        return given

    @model_validator(mode="after")
    def rows_from_one_place(self) -> Self:
        if self.sources and self.path is not None:
            raise ValueError("path and sources both say where the rows are; take one of them out")
        return self


class Split(Part):
    """How rows are put apart.

    kind     random, stratified, group (no group on both sides), time (later rows are held out), column (a column
             says which rows are sealed), or auto: stratified, and the honest one where a leak is found
    column   the column of groups, times or marks
    sealed   share of rows put aside before anything is looked at; 0 (for `train` alone) puts none aside
    folds    folds of the cross-validation on the rest
    repeats  how often the cross-validation is repeated with other folds; not given: once above 4,000 rows, up to
             five times on fewer, where time allows (`melior.data.splits.repeats_for`)
    """

    kind: SplitKind = "auto"
    column: str | None = None
    sealed: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    repeats: Annotated[int, Field(ge=1, le=20)] | None = None

    @model_validator(mode="after")
    def needs_column(self) -> Self:
        if self.kind in ("group", "time", "column") and self.column is None:
            raise ValueError(f"a split by {self.kind} needs split.column")
        return self


class Train(Part):
    """How the training of a network is spread over the processes that were started together.

    parallel  auto: the layout that fits and sends least, by the plan that `melior train --plan` shows; or the axes, for
              example {"data": 4, "sharded": true}
    """

    parallel: Layout | Literal["auto"] = "auto"

    @field_validator("parallel", mode="before")
    @classmethod
    def a_layout(cls, given: Any) -> Any:
        if isinstance(given, dict | Layout) or given == "auto":
            return given
        raise ValueError("auto, or the axes of a layout, such as {data: 4, sharded: true}")


class Limits(Part):
    """What a model may cost at most, measured on this machine; None: anything.

    latency  milliseconds for one row by itself, > 0: 5, "5ms" or "0.2s"
    size     megabytes of the saved predictor, > 0: 25, "25MB" or "800kB"
    """

    latency: Annotated[float, Field(gt=0)] | None = None
    size: Annotated[float, Field(gt=0)] | None = None

    @field_validator("latency", "size", mode="before")
    @classmethod
    def in_its_unit(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, str):
            return given
        factors = LIMIT_UNITS[str(info.field_name)]
        match = re.fullmatch(r"\s*([0-9.]+)\s*([A-Za-zµ]*)\s*", given)
        try:
            return float(match[1]) * factors[match[2].lower()] if match else given
        except (KeyError, ValueError):
            units = ", ".join(unit for unit in factors if unit)
            raise ValueError(f"{given!r} is no {info.field_name}; give a number and one of {units}") from None


class Mute(Part):
    """Findings that are known and accepted: they are shown as muted, with the reason, and nothing acts on them.

    symptom  the symptom to mute
    columns  only findings about these columns and no others; empty for any
    reason   why, for whoever reads the report
    """

    symptom: str
    columns: tuple[str, ...] = ()
    reason: Annotated[str, Field(min_length=3)]


class Choice(Part):
    """A name and its settings. In YAML `linear`, or `linear: {c: 0.5}`."""

    name: str
    settings: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def short_form(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"name": given}
        if isinstance(given, dict) and len(given) == 1 and "name" not in given:
            name, settings = next(iter(given.items()))
            return {"name": name, "settings": settings or {}}
        return given

    @model_serializer
    def shortest(self) -> str | dict[str, Any]:
        return {self.name: self.settings} if self.settings else self.name

    def __str__(self) -> str:
        inside = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.name}({inside})" if inside else self.name


class Recipe(Part):
    """What to do: data, split, metric, model, methods, training, limits, seed; and which findings are muted.

    task: classify answers with a class, generate with text (rows: see `melior.data.language`).

    >>> Recipe(data={"path": "a.csv", "target": "y"}, methods=["class_weights"]).methods[0].name
    'class_weights'
    """

    task: Literal["classify", "generate"] = "classify"
    data: Data = Data()
    split: Split = Split()
    metric: str = "auto"
    model: Choice = Choice(name="auto")
    methods: tuple[Choice, ...] = ()
    train: Train = Train()
    limits: Limits = Limits()
    mute: tuple[Mute, ...] = ()
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0

    @model_validator(mode="after")
    def streams_language(self) -> Self:
        if self.data.stream is not None and self.task != "generate":
            raise ValueError("data.stream is for task: generate; take it out")
        if self.data.sources and self.task == "generate":
            raise ValueError(
                "data.sources is for task: classify; put the rows of task: generate into one file or folder"
            )
        if self.data.without and self.task == "generate":
            raise ValueError("data.without is for task: classify; take it out")
        return self

    @field_validator("methods")
    @classmethod
    def once_each(cls, methods: tuple[Choice, ...]) -> tuple[Choice, ...]:
        names = [method.name for method in methods]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]} stands twice in methods")
        return methods

    def with_methods(self, *methods: Choice | str) -> Self:
        """A new recipe with these methods added; one of the same name is replaced."""
        added = [Choice.model_validate(method) for method in methods]
        names = {method.name for method in added}
        kept = [method for method in self.methods if method.name not in names]
        return self.model_copy(update={"methods": (*kept, *added)})

    def without_methods(self, *names: str) -> Self:
        return self.model_copy(update={"methods": tuple(m for m in self.methods if m.name not in names)})

    def with_model(self, model: Choice | str) -> Self:
        return self.model_copy(update={"model": Choice.model_validate(model)})

    def with_data(self, **changes: Any) -> Self:
        return self.model_copy(update={"data": Data(**{**self.data.model_dump(), **changes})})

    def with_split(self, **changes: Any) -> Self:
        return self.model_copy(update={"split": Split(**{**self.split.model_dump(), **changes})})

    def fingerprint(self) -> str:
        """Changes when anything changes that a trial depends on; where the file lies, what is muted and what a model
        may cost does not. How ranks share the work does not either, but for local steps: every other layout gives the
        answer of one process.
        """
        what = self.model_dump(mode="json")
        for key in (
            "path",
            "test",
            "stream",
            "sources",
            "source_column",
        ):  # what is streamed, the hash of the rows says
            what["data"].pop(key)
        what.pop("mute")
        what.pop("limits")
        parallel = self.train.parallel
        if isinstance(parallel, str) or not parallel.local_steps:
            what.pop("train")
        return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def to_yaml(self) -> str:
        import yaml

        what = self.model_dump(mode="json", exclude_defaults=True)
        what = {"task": self.task, **what}
        return str(yaml.safe_dump(what, sort_keys=False, allow_unicode=True, width=100))

    @classmethod
    def from_yaml(cls, text: str, where: str = "recipe") -> Self:
        import yaml

        try:
            given = yaml.safe_load(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or "it cannot be read"
            raise UserError(f"{where}{line}: this is not YAML ({problem}).") from None
        if given is None:
            given = {}
        if not isinstance(given, dict):
            raise UserError(f"{where}: a recipe is a mapping such as 'data: {{path: a.csv, target: y}}'.")
        return cls.checked(given, where)

    @classmethod
    def checked(cls, given: dict[str, Any], where: str = "recipe") -> Self:
        """The recipe, or one sentence that names the key that is wrong."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise UserError(sentence(error, where, cls)) from None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads a recipe; paths of data and models in it are relative to the recipe's folder."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UserError(f"{path}: there is no such file.") from None
        except (UnicodeDecodeError, IsADirectoryError):
            raise UserError(f"{path}: a recipe is a UTF-8 text file.") from None
        recipe = cls.from_yaml(text, str(path))
        found = {}
        for key in ("path", "test"):
            given = getattr(recipe.data, key)
            if given is not None and not Path(given).is_absolute() and (path.parent / given).exists():
                found[key] = str(path.parent / given)
        sources = [
            one.model_copy(update={"path": str(path.parent / one.path)})
            if not Path(one.path).is_absolute() and (path.parent / one.path).exists()
            else one
            for one in recipe.data.sources
        ]
        recipe = recipe.with_data(**found, sources=sources) if found or sources else recipe
        return recipe.model_copy(
            update={
                "model": _beside(recipe.model, path.parent),
                "methods": tuple(_beside(method, path.parent) for method in recipe.methods),
            }
        )


def _beside(choice: Choice, folder: Path) -> Choice:
    """The choice with the places of models that lie beside a recipe written in full, so that a run finds them from
    anywhere; every other name is of the hub, or relative to where the command is given."""
    found = {
        key: os.path.abspath(folder / given)
        for key in PLACES
        if (given := choice.settings.get(key)) and isinstance(given, str) and (folder / given).exists()
    }
    return choice.model_copy(update={"settings": {**choice.settings, **found}}) if found else choice


def schema() -> dict[str, Any]:
    """The JSON schema of a recipe file, for editors."""
    return Recipe.model_json_schema()


def names(choices: Sequence[Choice]) -> tuple[str, ...]:
    return tuple(choice.name for choice in choices)
