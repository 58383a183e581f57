"""How training went: its curves, and what the checks of a training found."""

from typing import Any

from melior.checks._depth import matrices
from melior.checks._training import Record
from melior.report import numbers
from melior.report.charts import course
from melior.report.charts._svg import shortened
from melior.report.charts.course import Series
from melior.report.content import Content
from melior.report.found import finding_of

LAYERS = 12  # lines of gradients


def trained(content: Content) -> dict[str, Any] | None:
    """Charts and findings of the network's training; None where the run has no history of one."""
    record = content.training
    if record is None or not record.of("step"):
        return None
    steps, last = record.steps["step"], record.last_step
    planned = record.start.get("steps")
    charts = [
        {"title": title, "name": name, "svg": svg, "says": says}
        for title, name, svg, says in (_loss(record), _rate(record), _speed(record), _gradients(record))
        if svg
    ]
    return {
        "steps": last,
        "planned": planned if isinstance(planned, int) and planned > last else None,
        "seconds": record.seconds or None,
        "said": shortened(record.start.get("said") or "", 200),
        "rows": record.start.get("rows"),
        "charts": charts,
        "lines": len(steps),
        "findings": [finding_of(finding) for finding in content.diagnosed],
        "events": [
            {"step": one["step"], "what": shortened(one.get("what") or "", 200)} for one in record.of("event")[:20]
        ],
    }


Drawn = tuple[str, str, str, str]


def _loss(record: Record) -> Drawn:
    steps, losses = record.steps["step"], record.steps["loss"]
    when, held_out = record.valid
    series = [Series("training loss", list(steps), list(losses), "last" if len(held_out) else "first")]
    says = "Loss on the rows that are learned."
    if len(held_out):
        best = int(held_out.argmin())
        series.append(Series("validation loss", list(when), list(held_out), "first", dots=True, marks=(best,)))
        says = (
            "Strong: on rows put aside, the large dot its best, "
            f"{numbers.number(held_out[best])} at step {numbers.count(int(when[best]))}. Warm: on the rows that are "
            "learned. Where the strong line rises and the warm one falls, the network learns by heart."
        )
    high, low = float(losses[losses > 0].max(initial=1e-12)), float(losses[losses > 0].min(initial=1.0))
    tall = high > 100 * low
    return "Loss", "training and validation", course.draw(
        "Loss over the steps of training", "loss", series, decades=tall, zero=False
    ), says  # fmt: skip


def _rate(record: Record) -> Drawn:
    series = [Series("learning rate", list(record.steps["step"]), list(record.steps["rate"]), "first")]
    svg = course.draw("Learning rate over the steps of training", "rate", series, zero=True)
    return "Learning rate", "schedule and warm-up", svg, "How large the steps were meant to be."


def _speed(record: Record) -> Drawn:
    by_tokens = any(line.get("padding") for line in record.of("step"))
    what = "tokens" if by_tokens else "rows"
    values = list(record.steps[f"{what}_per_second"])
    series = [Series(f"{what} a second", list(record.steps["step"]), values, "first")]
    svg = course.draw(f"{what.capitalize()} a second over the steps of training", f"{what} a second", series, zero=True)
    return "Speed", f"{what} a second", svg, "Dips are validations, checkpoints, or waiting for data."


def _gradients(record: Record) -> Drawn:
    """The norm of each matrix's gradient over time: all of them, or some at even distances in depth."""
    lines = record.of("layers")
    names = [name for name in matrices(record.start.get("weights") or {}) if any(name in _of(one) for one in lines)]
    if len(names) > LAYERS:
        names = [names[round(place * (len(names) - 1) / (LAYERS - 1))] for place in range(LAYERS)]
    steps = [float(one["step"]) for one in lines]
    series = [
        Series(
            name,
            steps,
            [_of(one).get(name, {}).get("gradient") for one in lines],
            "first" if place == 0 else "last" if place == len(names) - 1 else "",
        )
        for place, name in enumerate(names)
    ]
    svg = course.draw("Norm of the gradient of each layer over the steps of training", "norm", series, decades=True)
    return "Gradients by layer", "norm, by decades", svg, (
        "Strong: the first layer. Warm: the last. Where the strong line lies decades below, the first layers hardly "
        "learn."
    )  # fmt: skip


def _of(line: dict[str, Any]) -> dict[str, Any]:
    found = line.get("layers")
    return found if isinstance(found, dict) else {}
