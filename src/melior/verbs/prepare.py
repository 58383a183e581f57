"""From whatever the user gives (a recipe, a file, a frame) to a recipe and its rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from melior.data.folders import WRAPPED
from melior.data.fuse import fuse
from melior.data.read import read, read_like, read_pair
from melior.data.table import Table
from melior.errors import UserError
from melior.improvement.limits import goal_and_limits
from melior.methods._base import resolve
from melior.metrics.custom import name_of
from melior.metrics.registry import metric as named_metric
from melior.progress import Progress, silent
from melior.recipe import Choice, Recipe

DEFAULT_METRIC = "macro_f1"  # unlike accuracy it does not look good on a model that never answers the rare class


@dataclass(frozen=True)
class Prepared:
    """A recipe whose metric is named, its rows, and the rows of a separate test file."""

    recipe: Recipe
    table: Table
    test: Table | None


def prepare(
    source: Any,
    *,
    target: str | None = None,
    test: Any = None,
    metric: str | Callable[..., float] | None = None,
    goal: str | None = None,
    model: str | None = None,
    methods: Sequence[str | Choice] = (),
    seed: int | None = None,
    columns: dict[str, str] | None = None,
    label_separator: str | None = None,
    need_target: bool = True,
    sample: int | Literal["fitting"] | None = None,
    progress: Progress = silent,
) -> Prepared:
    """Reads what the source names. What is given here goes before what the recipe says. sample: see `read`.

    goal      a metric with conditions and limits: "precision[yes], recall[yes]>=0.9, latency<=5ms"
    progress  is told what reading does, beside the stage: decoding images may take long
    """
    recipe, rows = recipe_and_rows(source)
    if recipe.task == "generate":
        raise UserError(
            "task: generate is for `melior train` and `melior improve`; this command is for task: classify."
        )
    data: dict[str, Any] = {}
    if target is not None:
        data["target"] = str(target)  # the columns of a pandas frame may have numbers for names
    if columns:
        data["columns"] = {**recipe.data.columns, **{str(name): kind for name, kind in columns.items()}}
    if label_separator is not None:
        data["label_separator"] = label_separator
    if isinstance(test, str | Path):
        data["test"] = str(test)
    given: dict[str, Any] = recipe.model_dump(exclude_unset=True)
    given["data"] = {**given.get("data", {}), **data}
    if callable(metric):
        metric = name_of(metric)
    if goal is not None:
        named, limits = goal_and_limits(goal)
        if named is not None and metric is not None:
            raise UserError(f"goal: it names what to make better, {named}; take the metric {metric} out.")
        metric = named or metric
        given["limits"] = {**given.get("limits", {}), **limits}
    if metric is not None:
        given["metric"] = metric
    if model is not None:
        given["model"] = model
    if seed is not None:
        given["seed"] = seed
    recipe = Recipe.checked(given)
    if methods:
        recipe = recipe.with_methods(*methods)
    table, test_table = _tables(recipe, rows, test, sample, progress)
    table = without_phrases(table, recipe)
    if test_table is not None:
        test_table = without_phrases(test_table, recipe)
        table = replace(table, notes=(*table.notes, *(f"{test_table.name}: {note}" for note in test_table.notes)))
    if need_target and table.target is None:
        for note in table.notes:
            if note.startswith(WRAPPED):
                raise UserError(f"{table.name}: no target was named, and {note}")
        raise UserError(f"{table.name}: no target was named; say which column to predict with --target.")
    table = with_columns(table, usable=need_target)
    if recipe.metric == "auto":
        recipe = recipe.model_copy(update={"metric": DEFAULT_METRIC})
    if table.target is not None:
        # an unknown metric or method is refused before any work
        resolve(recipe.methods)
        named_metric(recipe.metric, table.classes, multilabel=table.multilabel)
    return Prepared(recipe, table, test_table)


def with_columns(table: Table, *, usable: bool) -> Table:
    """The table, which is refused where nothing stands beside its target, and where no model reads what does; unless
    usable is False: then a note says so, for another kind may be given."""
    if table.target is None or table.features():
        return table
    said = f"beside the target, {table.target}, there is no column to predict from"
    if kinds := table.schema.kinds:
        named = [f"{name} is {'ignored' if kind == 'ignore' else f'of kind {kind}'}" for name, kind in kinds.items()]
        said += f": {', '.join(named[:5])}{', …' if len(named) > 5 else ''}; give another kind with --column"
        if not usable:
            return replace(table, notes=(*table.notes, f"{said}."))
    raise UserError(f"{table.name}: {said}.")


def language_recipe(
    source: Any, *, model: str | None = None, methods: Sequence[str | Choice] = (), seed: int | None = None
) -> tuple[Recipe, Any] | None:
    """The recipe and its rows where the task is to generate text, with what is given here; else None."""
    recipe, rows = recipe_and_rows(source)
    if recipe.task != "generate":
        return None
    changes = {key: value for key, value in (("model", model), ("seed", seed)) if value is not None}
    if changes:
        recipe = Recipe.checked({**recipe.model_dump(exclude_unset=True), **changes})
    return recipe.with_methods(*methods), rows


def recipe_and_rows(source: Any) -> tuple[Recipe, Any]:
    """A recipe and what holds its rows: a path, a frame or a Table."""
    if isinstance(source, Recipe):
        return source, _path_of(source)
    if isinstance(source, str | Path):
        if str(source).endswith((".yaml", ".yml")):
            recipe = Recipe.load(source)
            return recipe, _path_of(recipe)
        return Recipe.checked({"data": {"path": str(source)}}), str(source)
    return Recipe(), source


def _path_of(recipe: Recipe) -> Any:
    """The path of the rows, or the sources that they are put together from."""
    if recipe.data.sources:
        return recipe.data.sources
    if recipe.data.path is None:
        raise UserError("the recipe: data.path names no file; say where the rows are.")
    return recipe.data.path


def _tables(
    recipe: Recipe,
    rows: Any,
    test: Any,
    sample: int | Literal["fitting"] | None = None,
    progress: Progress = silent,
) -> tuple[Table, Table | None]:
    if isinstance(rows, Table):
        return rows, test if isinstance(test, Table) else None
    if recipe.data.sources and isinstance(rows, tuple):
        return _fused(recipe, test, sample, progress)
    kinds = dict(recipe.data.columns)
    if recipe.data.trusted is not None:
        kinds.setdefault(recipe.data.trusted, "ignore")  # it says which labels are right, and nothing of the answer
    how: dict[str, Any] = {
        "target": recipe.data.target,
        "columns": kinds,
        "missing_target": recipe.data.missing_target,
        "encoding": recipe.data.encoding,
        "separator": recipe.data.separator,
        "label_separator": recipe.data.label_separator,
        "sample": sample,
        "seed": recipe.seed,
        "progress": lambda said: progress("reading", 0, 1, said),
    }
    second = test if test is not None else recipe.data.test
    if second is None:
        return read(rows, **how), None
    return read_pair(rows, second, **how)


def without_phrases(table: Table, recipe: Recipe) -> Table:
    """The table without what the recipe takes out of its texts."""
    for name in recipe.data.without:
        if table.schema.kinds.get(name) not in ("text", "ignore"):
            raise UserError(f"data.without: {name!r} is no text column; words are taken out of texts alone.")
    return table.without_phrases(recipe.data.without)


def _fused(
    recipe: Recipe, test: Any, sample: int | Literal["fitting"] | None, progress: Progress
) -> tuple[Table, Table | None]:
    """The rows of several sources, and those of a test file with the columns of the whole."""
    data = recipe.data

    def tell(said: str) -> None:
        progress("reading", 0, 1, said)

    kinds: dict[str, str] = dict(data.columns)
    if data.trusted is not None:
        kinds.setdefault(data.trusted, "ignore")
    table = fuse(
        data.sources, target=data.target, columns=kinds, source_column=data.source_column,
        missing_target=data.missing_target, encoding=data.encoding, separator=data.separator,
        label_separator=data.label_separator, progress=tell,
    )  # fmt: skip
    if isinstance(sample, int) and sample < table.rows:
        which = np.sort(np.random.default_rng(recipe.seed).choice(table.rows, sample, replace=False))
        table = replace(table.take(which), drawn_from=table.rows)
    second = test if test is not None else data.test
    if second is None:
        return table, None
    aside = read_like(
        second, table.schema, need_target=table.target is not None, missing_target=data.missing_target, progress=tell
    )
    return table, replace(aside, origin=np.ones(len(aside), dtype=np.int8))
