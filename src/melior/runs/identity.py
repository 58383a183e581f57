"""What makes two recipes the same: beside what they say, what stands in the files that they name, and the code of a
function that is the metric."""

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

from melior.methods._base import methods
from melior.models._base import families
from melior.models._generator import generators
from melior.recipe import Recipe

BLOCK, BLOCKS = 2**16, 64  # of a file that are looked at: all of one up to 4 MiB, else as many spread evenly
FITTED = ("predictor", "model")  # folders of a run


def depends_on(recipe: Recipe) -> str:
    """A name of all that a trial of a recipe depends on but its rows: the fingerprint, and where there are such, the
    contents of files and folders that its methods and its model name, and the code of its metric."""
    beside = [content(Path(one).expanduser()) for one in sorted(set(_named(recipe)))]
    code = _metric_code(recipe.metric)
    if not beside and not code:
        return recipe.fingerprint()
    return _digest([recipe.fingerprint(), beside, code])


def identity(recipe: Recipe) -> str:
    """A name of all that a run of a recipe depends on but its rows: what is muted and what a model may cost as well."""
    said = recipe.model_dump(mode="json", include={"mute", "limits"}, exclude_defaults=True)
    if not said:
        return depends_on(recipe)
    return _digest([depends_on(recipe), said])


def content(path: Path) -> str:
    """A name of what stands in a file, or in the files of a folder, wherever they lie; of a run in what was fitted, not
    in its reports. Of what is not there (a model of the hub) the same name always.

    Of large files some blocks are read, spread evenly: weights that were taught anew differ in all of them.
    """
    if path.is_dir():
        fitted = [path / name for name in FITTED if (path / "run.json").is_file() and (path / name).is_dir()]
        inside = sorted(one for folder in fitted or [path] for one in folder.rglob("*") if one.is_file())
        return _digest([[one.relative_to(path).as_posix(), content(one)] for one in inside])
    try:
        about = path.stat()
        return _read(str(path), about.st_size, about.st_mtime_ns)
    except OSError:
        return "unread"


@lru_cache(maxsize=4096)
def _read(path: str, size: int, changed: int) -> str:
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        if size <= BLOCK * BLOCKS:
            digest.update(file.read())
        else:
            for number in range(BLOCKS):
                file.seek(number * (size - BLOCK) // (BLOCKS - 1))
                digest.update(file.read(BLOCK))
    return digest.hexdigest()[:32]


def _named(recipe: Recipe) -> Iterator[str]:
    """What the settings of model and methods that are meant for it name, be it there or not."""
    models: dict[str, Any] = {**generators(), **families()}
    kinds = [(recipe.model, models.get(recipe.model.name)), *((one, methods().get(one.name)) for one in recipe.methods)]
    for choice, kind in kinds:
        for setting in kind.files if kind is not None else ():
            given = choice.settings.get(setting) or ()
            yield from [given] if isinstance(given, str) else given


def _metric_code(metric: str | None) -> list[Any] | None:
    from melior.metrics.custom import PREFIX, known

    own = known(metric) if metric and metric.startswith(PREFIX) else None
    if own is None:
        return None
    inner = own.function
    while hasattr(inner, "func"):  # functools.partial
        inner = inner.func
    code = getattr(inner, "__code__", None)
    return [*own.settings, _code(code) if code is not None else repr(getattr(inner, "__qualname__", type(inner)))]


def _code(code: CodeType) -> list[Any]:
    """What a function does, wherever its lines stand."""
    constants = [_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return [code.co_code.hex(), list(code.co_names), list(code.co_varnames), constants]


def _digest(of: Any) -> str:
    return hashlib.sha256(json.dumps(of, sort_keys=True, default=str).encode()).hexdigest()[:16]
