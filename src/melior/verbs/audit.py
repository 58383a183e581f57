"""`audit`: findings only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from melior.progress import Progress, silent
from melior.runs.store import Run
from melior.trials.audit import Audit, run_checks
from melior.trials.run import content_hash
from melior.verbs.examples import examples_of
from melior.verbs.prepare import prepare


def audit(
    source: Any,
    *,
    target: str | None = None,
    test: Any = None,
    metric: str | None = None,
    model: str | None = None,
    seed: int | None = None,
    columns: dict[str, str] | None = None,
    checks: Sequence[str] = (),
    skip: Sequence[str] = (),
    run: str | Path | None = None,
    progress: Progress = silent,
) -> Audit:
    """Looks for everything that is wrong with the rows; fits nothing that is kept and changes nothing.

    source   a file, a recipe (an object or a YAML file), a frame, or a Table
    target   the column to predict; without one, only what needs no target is looked for
    test     a second file or frame: rows that stand in both are looked for
    checks, skip   names of checks to run alone, or to leave out
    run      a folder for the findings and a report to look at

    >>> melior.audit("reviews.csv", target="recommended")["label_noise"]       # doctest: +SKIP
    """
    ready = prepare(
        source,
        target=target,
        test=test,
        metric=metric,
        model=model,
        seed=seed,
        columns=columns,
        need_target=False,
    )
    made = None if run is None else Run.begin(run, "audit", ready.recipe, content_hash(ready.table))
    found = run_checks(ready.table, ready.recipe, other=ready.test, only=checks, skip=skip, progress=progress)
    if made is not None:
        from melior.report import write

        made.write("findings.json", [finding.to_dict() for finding in found.findings])
        made.write("examples.json", examples_of(ready.table, found.findings))
        made.finish(seconds=found.seconds, name=ready.table.name)
        write(made)
    return found
