"""The outcome in one plain sentence, and the numbers that carry it."""

import math
from collections.abc import Mapping
from typing import Any

from melior.report import language, numbers, words
from melior.report.charts import outcome
from melior.report.charts._svg import shortened
from melior.report.content import Content


def headline(content: Content) -> dict[str, Any]:
    """title (the sentence), lead (the sentences after it), figures (the big numbers), belief, chart."""
    if content.evidence:
        return _improved(content, content.evidence)
    if content.generates:
        return _spoken(content)
    if content.scores:
        return _scored(content)
    if content.verb == "train":
        return _unscored(content)
    return _audited(content)


def inflation(content: Content) -> float | None:
    """The score that was believed, where faults of the measurement made it better than it is; else None."""
    evidence = content.evidence or {}
    believed = numbers.known(evidence.get("reported_before_repair"))
    true = numbers.known((evidence.get("baseline") or {}).get("score"))
    if believed is None or true is None:
        return None
    sign = 1 if words.larger_is_better(content.metric) else -1
    return believed if sign * (believed - true) >= 0.0005 else None


def _improved(content: Content, evidence: Mapping[str, Any]) -> dict[str, Any]:
    metric = words.metric(content.metric)
    before, after, gain = (evidence.get(key) or {} for key in ("baseline", "final", "gain"))
    accepted = [words.plain(name) for name in evidence.get("accepted") or []]
    doubt = _doubt(content)
    believed, tried = inflation(content), bool(evidence.get("evidence"))
    lead = []
    start, end = numbers.score(before.get("score")), numbers.score(after.get("score"))
    start_of = "the recipe as it begins" if evidence.get("begins") else "the plain recipe"
    helped = f"{numbers.listed(accepted)} provably help{'s' if len(accepted) == 1 else ''}"
    if believed is not None:
        real = "is probably not real: measured with care" if doubt else "was not real: measured honestly"
        title = f"The {metric} of {numbers.score(believed)} {real}, it is {start}."
        if doubt:
            lead.append(f"Only you can settle it: if it was meant to be so, set {doubt}, and the score stands.")
        if accepted:
            lead.append(f"{helped[:1].upper()}{helped[1:]} and {_brings(content, len(accepted))} it to {end}.")
        else:
            lead.append("Of what was tried, nothing provably helps." if tried else "No method was tried.")
    elif accepted:
        title = f"{helped[:1].upper()}{helped[1:]}: {metric} goes from {start} to {end}."
    else:
        more = "more" if evidence.get("begins") else "that was tried"
        said = f"Nothing {more} provably helps" if tried else "No method was tried"
        title = f"{said}: {start_of} stays, with {words.with_article(metric)} of {start}."
    lead += [words.sentence(evidence["begins"])] if evidence.get("begins") else []
    lead += _aims(evidence)
    lead += [evidence["as_labelled"]] if evidence.get("as_labelled") else []
    lead += _sureness(evidence, accepted, gain)
    lead += _worse(evidence)
    reported = numbers.known(evidence.get("reported_before_repair"))
    if believed is None and reported is not None:
        lead.append(
            f"Faults of the measurement were repaired first; with them it was {numbers.score(reported)}, so they had "
            "not made it look better."
        )
    smaller = "" if words.larger_is_better(content.metric) else "Smaller is better here; a gain is how much smaller."
    lead += [smaller] if smaller else []
    figures = [
        _figure("Before", before, start_of, "score"),
        _figure("After", after, f"with {numbers.listed(accepted)}" if accepted else "the same recipe", "score"),
        {
            **_figure("Gain", gain, _judged(accepted, gain), "signed"),
            "strong": (numbers.known(gain.get("low")) or 0) > 0,
        },
    ]
    figures += [_aim(aim) for aim in evidence.get("aims") or []]
    if own := evidence.get("taught_all"):
        figures.append(_figure("The model that is kept", own, "taught all development rows", "score"))
    marks = [] if believed is None else [outcome.Mark("believed", believed, math.nan, math.nan, "believed")]
    marks += [_mark("before", before), _mark("after", after)] if accepted else [_mark("score", before)]
    return {
        "title": title,
        "lead": lead,
        "figures": figures,
        "belief": None
        if believed is None
        else {
            "believed": believed,
            "true": before.get("score"),
            "sure": not doubt,
        },
        "chart": outcome.draw(marks),
        "notes": [words.sentence(note) for note in (evidence.get("noise"), *(evidence.get("notes") or [])) if note],
    }


def _aims(evidence: Mapping[str, Any]) -> list[str]:
    """What a goal is, and which of its parts are missed."""
    aims = evidence.get("aims") or []
    lead = []
    if any(aim.get("bound") is None for aim in aims):
        asked = numbers.listed([_asked(aim) for aim in aims if aim.get("bound") is not None])
        name = next(words.metric(aim["name"]) for aim in aims if aim.get("bound") is None)
        lead.append(f"The goal is the {name}, with {asked}; what a condition lacks counts tenfold.")
    missed = [_asked(aim) for aim in aims if not aim.get("met", True)]
    if missed:
        lead.append(f"Not reached on the sealed rows: {numbers.listed(missed)}.")
    return lead


def _worse(evidence: Mapping[str, Any]) -> list[str]:
    """What is worse all the same."""
    said = []
    for one in evidence.get("regressions") or []:
        unit = f" {one['unit']}" if one.get("unit") else ""
        was, now = (f"{one[side]:.2g}{unit}" if unit else numbers.score(one[side]) for side in ("before", "after"))
        rows = f", on {one['rows']:,} rows" if one.get("rows") else ""
        said.append(f"{one['what']} ({was} before, {now} now{rows})")
    return [f"Worse all the same: {numbers.listed(said)}."] if said else []


def _asked(aim: Mapping[str, Any]) -> str:
    side = "at most" if aim.get("at_most") else "at least"
    return f"{words.metric(aim['name'])} {side} {aim['bound']:g}{' ' if aim.get('unit') else ''}{aim.get('unit') or ''}"


def _aim(aim: Mapping[str, Any]) -> dict[str, Any]:
    name = words.metric(aim["name"])
    before, after, unit = aim["before"], aim["after"], aim.get("unit")
    was = numbers.score(before["score"]) if not unit else f"{before['score']:.2g} {unit}"
    met = "" if aim.get("bound") is None else f"; asked: {_asked(aim)}"
    figure = _figure(name[:1].upper() + name[1:], after, f"before: {was}{met}", "score")
    return figure if not unit else {**figure, "value": f"{after['score']:.2g} {unit}"}


def _doubt(content: Content) -> str:
    """The setting that takes back a repair made on a suspicion; empty where every repaired fault is certain."""
    suspected = {
        (finding.get("symptom"), *(finding.get("columns") or []))
        for finding in content.findings or []
        if finding.get("certain") is False
    }
    for repair in (content.evidence or {}).get("repairs") or []:
        if repair.get("undo") and (repair.get("symptom"), *(repair.get("columns") or [])) in suspected:
            return shortened(repair["undo"], 120)
    return ""


def _brings(content: Content, methods: int) -> str:
    return ("raise" if words.larger_is_better(content.metric) else "lower") + ("s" if methods == 1 else "")


def _sureness(evidence: Mapping[str, Any], accepted: list[str], gain: Mapping[str, Any]) -> list[str]:
    """How sure that is."""
    low, high = numbers.known(gain.get("low")), numbers.known(gain.get("high"))
    if accepted and low is not None and high is not None and low <= 0:
        return [
            "It was proved on the development rows; the sealed rows alone are too few to prove the gain once more: "
            f"it lies between {numbers.signed(low)} and {numbers.signed(high)}."
        ]
    if accepted:
        return ["The sealed rows, which nothing was fitted, chosen or tuned on, confirm the gain."]
    tried = [entry for entry in evidence.get("evidence") or [] if entry.get("verdict") == "undecided"]
    visible = [found for entry in tried if (found := numbers.known(entry.get("detectable"))) is not None]
    if visible:
        return [
            f"{numbers.plural(len(tried), 'candidate')} stayed undecided: on these rows a gain below about "
            f"{numbers.score(min(visible))} cannot be seen. More rows would help more than more tries."
        ]
    return []


def _judged(accepted: list[str], gain: Mapping[str, Any]) -> str:
    low, high = numbers.known(gain.get("low")), numbers.known(gain.get("high"))
    if not accepted or low is None or high is None:
        return "nothing was changed" if not accepted else ""
    return "proved on the sealed rows" if low > 0 else "zero is inside the interval" if high >= 0 else "worse"


def _scored(content: Content) -> dict[str, Any]:
    """A run of train or evaluate."""
    scores = content.scores or {}
    metric, found = words.metric(content.metric), content.named_score(content.metric) or {}
    on, rows = str(scores.get("on") or "held-out rows"), scores.get("rows")
    value = numbers.score(found.get("value"))
    family = str((content.settings.get("model") or {}) if isinstance(content.settings.get("model"), str) else "")
    what = "The model" if content.verb == "evaluate" or family in ("", "auto") else f"The {words.plain(family)} model"
    title = f"{what} reaches {words.with_article(metric)} of {value} on {on}."
    low, high = numbers.known(found.get("low")), numbers.known(found.get("high"))
    lead = []
    if low is not None and high is not None:
        lead.append(f"On other rows like these, expect between {numbers.score(low)} and {numbers.score(high)}.")
    lead += content.interrupted
    if content.verb == "train":
        lead.append("Nothing was compared: the command melior improve says what is wrong and what provably helps.")
    figures = [_figure(f"{metric[:1].upper()}{metric[1:]}", {**found, "score": found.get("value")}, on, "score")]
    if rows is not None:
        figures.append({"label": "Rows scored", "value": numbers.count(rows), "between": "", "note": on})
    if content.about.get("seconds") is not None:
        figures.append({"label": "Time", "value": numbers.seconds(content.about["seconds"]), "between": "", "note": ""})
    return {"title": title, "lead": lead, "figures": figures, "belief": None, "chart": "", "notes": []}


def _spoken(content: Content) -> dict[str, Any]:
    """A language model that was taught or evaluated."""
    title, lead = language.sentences(content)
    figures = language.numbers_of(content)
    if content.about.get("seconds") is not None:
        figures.append({"label": "Time", "value": numbers.seconds(content.about["seconds"]), "between": "", "note": ""})
    said = content.training.start.get("said") if content.training else None  # stands with the training
    notes = [words.sentence(note) for note in content.about.get("notes") or [] if note and note != said]
    return {"title": title, "lead": lead, "figures": figures, "belief": None, "chart": "", "notes": notes}


def _unscored(content: Content) -> dict[str, Any]:
    """A trained model of which no score is known."""
    rows = numbers.known(content.table.get("rows"))
    on = "" if rows is None else f" on {numbers.plural(rows, 'row')}"
    model = content.settings.get("model")
    family = model if isinstance(model, str) else next(iter(model), "auto") if isinstance(model, Mapping) else "auto"
    what = "The model" if family == "auto" else f"The {words.plain(family)} model"
    title = f"{what} was trained{on}; {language.UNKNOWN}"
    lead = [*content.interrupted, "Score it on rows that it has not seen with the command melior evaluate."]
    figures = [] if rows is None else [{"label": "Rows", "value": numbers.count(rows), "between": "", "note": ""}]
    if content.about.get("seconds") is not None:
        figures.append({"label": "Time", "value": numbers.seconds(content.about["seconds"]), "between": "", "note": ""})
    return {"title": title, "lead": lead, "figures": figures, "belief": None, "chart": "", "notes": []}


def _audited(content: Content) -> dict[str, Any]:
    """A run that looked and fitted nothing to keep."""
    findings = [finding for finding in content.findings or [] if not finding.get("muted")]
    rows, columns = content.rows.get("all"), len(content.table.get("columns") or [])
    if content.about.get("unseen"):
        title = str(content.about["unseen"])
    elif not findings:
        title = "Nothing was found wrong with this table."
    else:
        worst = max(findings, key=lambda finding: finding.get("severity") or 0)
        named = words.symptom(str(worst.get("symptom")))[0]
        title = (
            f"{numbers.plural(len(findings), 'problem').capitalize()} found; the worst: {named[:1].lower()}{named[1:]}."
        )
    lead = (
        ["Nothing was changed. The command melior improve tries what treats them and keeps what provably helps."]
        if findings
        else []
    )
    figures = [{"label": "Findings", "value": numbers.count(len(findings)), "between": "", "note": ""}]
    if rows is not None:
        figures.append({"label": "Rows", "value": numbers.count(rows), "between": "", "note": ""})
    if columns:
        figures.append({"label": "Columns", "value": numbers.count(columns), "between": "", "note": ""})
    return {"title": title, "lead": lead, "figures": figures, "belief": None, "chart": "", "notes": []}


def _figure(label: str, found: Mapping[str, Any], note: str, how: str) -> dict[str, Any]:
    form = numbers.signed if how == "signed" else numbers.score
    low, high = numbers.known(found.get("low")), numbers.known(found.get("high"))
    sure = low is not None and high is not None and high > low
    between = f"{form(low)} to {form(high)}" if sure else ""
    return {"label": label, "value": form(found.get("score")), "between": between, "note": note}


def _mark(name: str, found: Mapping[str, Any]) -> outcome.Mark:
    value, low, high = (
        math.nan if (number := numbers.known(found.get(key))) is None else number for key in ("score", "low", "high")
    )
    return outcome.Mark(name, value, low, high, "before" if name == "before" else "after")
