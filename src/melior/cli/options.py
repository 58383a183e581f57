"""Options that several commands share, and what they turn into."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from melior.errors import UserError

WRITTEN = '{\n "melior": "'  # how a result begins that --json wrote: with the version; nothing else is overwritten

Source = Annotated[
    str, typer.Argument(help="A CSV, TSV, JSONL or Parquet file, a folder of images, or a recipe (melior.yaml).")
]
Target = Annotated[str | None, typer.Option("--target", "-t", help="The column to predict.")]
Test = Annotated[str | None, typer.Option("--test", help="A second file, scored once at the end.")]
Metric = Annotated[str | None, typer.Option("--metric", "-m", help="What to make better; macro_f1 unless said.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Same seed, same result; 0 unless said.")]
RunFolder = Annotated[Path | None, typer.Option("--run", "-r", help="A folder for the result and its report.")]


def free_for_json(path: Path | None) -> Path | None:
    """Refuses, before any work, a file that cannot be written or that holds anything but a result of before."""
    if path is None:
        return None
    from melior.storage import writable_file

    writable_file(path)
    if path.exists() and not (path.is_file() and _may_go(path)):
        raise UserError(f"--json {path}: there is such a file, and no result that --json wrote: name another.")
    return path


def _may_go(path: Path) -> bool:
    """Whether a file is empty or a result that `write_json` wrote; a large one is not read whole for that."""
    with path.open("rb") as file:
        begins = file.read(len(WRITTEN))
    return not begins or begins == WRITTEN.encode()


Json = Annotated[
    Path | None,
    typer.Option("--json", help="Also write the result to this file, for programs.", callback=free_for_json),
]
Between = Annotated[
    str | None,
    typer.Option("--label-separator", help="What stands between the labels of a row that may have several, such as ;."),
]
Columns = Annotated[
    list[str] | None, typer.Option("--column", "-c", help="Another kind for a column: NAME=number|category|text|...")
]


def listed(given: list[str] | None) -> list[str]:
    """Names given several times, or with commas between."""
    return [name.strip() for piece in given or () for name in piece.split(",") if name.strip()]


def kinds(given: list[str] | None) -> dict[str, str]:
    """NAME=KIND pairs."""
    found = {}
    for pair in given or ():
        name, sign, kind = pair.rpartition("=")
        if not sign or not name:
            raise UserError(f"--column {pair}: write NAME=KIND, for example --column zip=category.")
        found[name] = kind
    return found


def others(*without: str) -> list[str]:
    """What the command was given behind its name, but for these options and their values."""
    found, rest = [], iter(sys.argv[2:])
    for one in rest:
        name, sign, _ = one.partition("=")
        if name in without:
            if not sign:
                next(rest, None)
            continue
        found.append(one)
    return found


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    """Writes a result, the version first: `WRITTEN` is how the next command knows it."""
    if path is not None:
        from melior._version import __version__
        from melior.findings import plain
        from melior.storage import write_atomic

        free_for_json(path)  # the command may have written there itself
        told = {"melior": __version__, **plain(content)}
        write_atomic(path, json.dumps(told, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
