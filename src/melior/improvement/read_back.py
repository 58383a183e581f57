"""What was written of the same study, by another process or an earlier command, as if this one had come to it."""

import math
from typing import Any

import polars as pl

from melior.evidence import Evidence
from melior.findings import Finding
from melior.improvement.improvement import Aim, Improvement
from melior.improvement.regressions import Regression
from melior.improvement.repair import Repair
from melior.methods._done import FILE, Done
from melior.metrics import Interval
from melior.recipe import Recipe
from melior.runs.store import Run

BY_ANOTHER = "the last fits and the report were made by another process at work on the same run"


def read_back(run: Run, *, seconds: float, note: str) -> Improvement:
    """The improvement that stands in a finished run. seconds: how long it took; note: why it was not made here."""
    Run.open(run.folder)
    told = run.read("evidence.json")
    return Improvement(
        metric=told["metric"],
        baseline=_interval(told["baseline"]),
        final=_interval(told["final"]),
        gain=_interval(told["gain"]),
        reported_before_repair=told["reported_before_repair"],
        findings=tuple(Finding.from_dict(one) for one in run.read("findings.json")),
        repairs=tuple(Repair.from_dict(one) for one in told["repairs"]),
        evidence=tuple(Evidence.from_dict(one) for one in told["evidence"]),
        refused=tuple((one["method"], one["reason"]) for one in told["refused"]),
        notes=(*told["notes"], note),
        accepted=tuple(told["accepted"]),
        recipe=Recipe.model_validate(told["recipe"]),
        run=run.folder,
        seconds=seconds,
        family=told["family"],
        noise=told["noise"],
        rows=told["rows"],
        baseline_seconds=told["baseline_seconds"],
        changes=_changes(run),
        as_labelled=told.get("as_labelled", ""),
        begins=told.get("begins", ""),
        regressions=tuple(Regression(**one) for one in told.get("regressions", ())),
        aims=tuple(_aim(one) for one in told.get("aims", ())),
        predictor=run.predictor(),
    )


def _interval(told: dict[str, Any]) -> Interval:
    value, low, high = (math.nan if told[name] is None else told[name] for name in ("score", "low", "high"))
    return Interval(value, low, high)


def _aim(told: dict[str, Any]) -> Aim:
    before, after = _interval(told["before"]), _interval(told["after"])
    return Aim(told["name"], before, after, told["bound"], told["at_most"], told["unit"])


def _changes(run: Run) -> tuple[Done, ...]:
    if not run.has(FILE):
        return ()
    frame = pl.read_csv(run.folder / FILE, infer_schema=False).fill_null("")
    return tuple(Done(**{**row, "row": int(row["row"])}) for row in frame.iter_rows(named=True))
