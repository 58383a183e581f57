"""`audit`: findings only."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from melior.data.files import Raw
from melior.data.read import opened
from melior.data.table import Table
from melior.errors import UserError
from melior.findings import plain
from melior.progress import Progress, silent
from melior.recipe import Recipe
from melior.runs.store import Run
from melior.storage import writable_folder
from melior.trials.audit import Audit, run_checks
from melior.trials.context import TableContext
from melior.trials.run import content_hash
from melior.verbs.examples import examples_of
from melior.verbs.fix import writable, write_fixed
from melior.verbs.pictures import By, pictures_of
from melior.verbs.prepare import Prepared, prepare, recipe_and_rows


def audit(
    source: Any,
    *,
    target: str | None = None,
    test: Any = None,
    metric: str | None = None,
    model: str | None = None,
    seed: int | None = None,
    columns: dict[str, str] | None = None,
    label_separator: str | None = None,
    checks: Sequence[str] = (),
    skip: Sequence[str] = (),
    fast: bool = False,
    sample: int | None = None,
    fix: str | Path | None = None,
    run: str | Path | None = None,
    rows_by: Literal["pca", "tsne"] = "pca",
    progress: Progress = silent,
) -> Audit:
    """Looks for everything that is wrong with the rows; fits nothing that is kept and changes nothing.

    source   a file, a folder of images, a recipe (an object or a YAML file), a frame, or a Table
    target   the column to predict; without one, only what needs no target is looked for
    test     a second file or frame: rows that stand in both are looked for
    label_separator   between the labels of a row, where the target is text and a row may have several
    checks, skip   names of checks to run alone, or to leave out
    fast     only the checks that fit no model
    sample   look at so many rows, drawn at random; a Parquet file that would not fit in memory is sampled anyway, and
             the notes say so
    fix      a new file (.parquet, .csv or .jsonl) for a cleaned copy; what was done to which row, and why, is written
             beside it. The source is never changed
    run      a folder for the findings and a report to look at
    rows_by  how the report's map of rows is laid out: pca, the two directions in which they differ most, or tsne,
             neighbours side by side, which takes seconds

    >>> melior.audit("reviews.csv", target="recommended")["label_noise"]       # doctest: +SKIP
    >>> melior.audit("photos/")["duplicate_rows"]         # a folder a class   # doctest: +SKIP
    """
    if rows_by not in get_args(By):
        raise UserError(f"--map (in Python rows_by) is {' or '.join(get_args(By))}, not {rows_by!r}.")
    if fix is not None:
        writable(Path(fix))
    if run is not None:
        writable_folder(Path(run))
    raw: Raw | None = None
    if fix is not None and sample is None and not isinstance(source, str | Path | Recipe | Table):
        source = raw = opened(source, target=target)  # what is in memory may be read only once
    ready = prepare(
        source,
        target=target,
        test=test,
        metric=metric,
        model=model,
        seed=seed,
        columns=columns,
        label_separator=label_separator,
        need_target=False,
        sample="fitting" if sample is None else sample,
        progress=progress,
    )
    if fix is not None and ready.table.drawn_from is not None:
        why = "leave --sample out" if sample is not None else "split the file, for it does not fit in memory"
        raise UserError(f"{fix}: only a sample was read, and a cleaned copy needs all rows; {why}.")
    other = None if ready.test is None else content_hash(ready.test)
    options = {"checks": checks, "skip": skip, "fast": fast, "map": "" if rows_by == "pca" else rows_by, "test": other}
    rows = content_hash(ready.table)
    if run is not None:
        Run.checked(run, "audit", ready.recipe, rows, options)  # before the rows are looked at
    context = TableContext(ready.table, ready.recipe, other=ready.test)
    found = run_checks(
        ready.table,
        ready.recipe,
        other=ready.test,
        only=checks,
        skip=skip,
        fast=fast,
        progress=progress,
        context=context,
    )
    if fix is not None:
        found = replace(found, fixed=write_fixed(ready.table, found.active, Path(fix), raw or _source(source, ready)))
    if run is not None:
        from melior.report import write

        made = Run.begin(run, "audit", ready.recipe, rows, options)
        made.replace()
        made.write("findings.json", [finding.to_dict() for finding in found.findings])
        made.write("examples.json", examples_of(ready.table, found.findings))
        made.write("pictures.json", plain(pictures_of(context, found.findings, rows_by)))
        made.finish(seconds=found.seconds, name=ready.table.name, **({"unseen": found.unseen} if found.unseen else {}))
        write(made)
    return found


def _source(source: Any, ready: Prepared) -> Raw | None:
    """The rows as they are written in their file; None where several sources were put together, and of a Table."""
    _, rows = recipe_and_rows(source)
    if not isinstance(rows, str | Path):
        return None
    data = ready.recipe.data
    return opened(rows, target=ready.table.target, encoding=data.encoding, separator=data.separator)
