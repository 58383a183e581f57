"""The report: one HTML file that needs nothing else, no network and no other file."""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from melior.report import numbers, words
from melior.report.about import data, small_print, use
from melior.report.charts._svg import clean, shortened
from melior.report.content import STEPS, Content, Limits
from melior.report.found import found, row_map
from melior.report.headline import headline
from melior.report.language import answers
from melior.report.scored import curves, scored
from melior.report.trained import trained
from melior.report.tried import refused, tried
from melior.runs.store import Run

LARGEST = 3_000_000  # bytes


def render(run: Run) -> str:
    """The report of a run as HTML. Shows what there is; more of the user's rows is left out the more there is."""
    content = Content.of(run)
    page = ""
    for limits in STEPS:
        page = _page(content, limits)
        if len(page.encode()) <= LARGEST:
            break
    return page


def write(run: Run) -> Path:
    """Writes report.html in the run and returns its path; a finished run's manifest is renewed."""
    path = run.write_text("report.html", render(run))
    if run.has("run.json") and run.read("run.json").get("state") == "finished":
        run.renew_manifest()
    return path


def _page(content: Content, limits: Limits) -> str:
    script = _asset("report.js")
    sections = {
        "found": found(content, limits),
        "map": row_map(content, limits),
        "tried": tried(content),
        "refused": refused(content),
        "scored": scored(content, limits),
        "answers": answers(content, limits),
        "curves": curves(content, limits),
        "training": trained(content),
        "data": data(content, limits),
        "use": use(content),
    }
    return str(
        _environment()
        .get_template("report.html.j2")
        .render(
            content=content,
            headline=headline(content),
            small_print=small_print(content),
            script=script,
            # nothing but our own script runs, whatever stands in the data, and nothing is ever loaded
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            style=_asset("report.css"),
            **sections,
        )
    )


@cache
def _asset(name: str) -> str:
    return (files("melior.report") / "templates" / name).read_text(encoding="utf-8").strip()


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def printable(value: Any) -> Any:
        if isinstance(value, Markup):
            return value
        return numbers.MISSING if value is None else clean(value)

    made = Environment(
        loader=PackageLoader("melior.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": numbers.count,
        "score": numbers.score,
        "signed": numbers.signed,
        "percent": numbers.percent,
        "seconds": numbers.seconds,
        "chance": numbers.chance,
        "listed": numbers.listed,
        "plain": words.plain,
        "metric": words.metric,
        "meaning": words.meaning,
        "shortened": shortened,
        "drawn": Markup,  # of our own charts and assets only
    }
    made.globals |= {"plural": numbers.plural}
    return made
