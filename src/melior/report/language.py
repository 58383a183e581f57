"""Runs of `task: generate`: the outcome in a sentence, scores before and after, and what the model answers."""

from collections.abc import Mapping
from typing import Any

from melior.report import numbers, words
from melior.report.charts import strip
from melior.report.charts._svg import shortened
from melior.report.content import Content, Limits

UNKNOWN = "no rows were put aside to score it on, so how good it is on new rows is not known."


def sentences(content: Content) -> tuple[str, list[str]]:
    """The headline of a run of train or evaluate, and the sentences after it."""
    scores = content.scores or {}
    found, first = _score(scores.get("scores"), "perplexity"), _score(scores.get("before"), "perplexity")
    lead = content.interrupted
    if found is None:
        taught = content.about.get("rows")
        on = "" if taught is None else f" {numbers.plural(taught, 'row')}"
        return f"The language model was taught{on}; {UNKNOWN}", lead
    value, on = numbers.score(found.get("value")), str(scores.get("on") or "rows put aside")
    if first is None:
        new = content.verb == "train" and _from_nothing(content)
        what = "A small model from nothing" if new else "The language model"
        title = f"{what} has a perplexity of {value} on {on}."
    else:
        was = numbers.score(first.get("value"))
        worse = (numbers.known(found.get("value")) or 0) > (numbers.known(first.get("value")) or 0)
        title = f"Perplexity {'rose' if worse else 'fell'} from {was} to {value} on {on}."
        if worse:
            lead.append("The model foresees such rows worse than before it was taught.")
    said = "Perplexity says among how many equally likely tokens the model wavers at each: 1 is certainty."
    lead.append(said)
    low, high = numbers.known(found.get("low")), numbers.known(found.get("high"))
    if low is not None and high is not None:
        lead.append(f"On other rows like these, expect between {numbers.score(low)} and {numbers.score(high)}.")
    if content.verb == "train":
        lead.append("No settings were compared: the command melior improve tries others and keeps what provably helps.")
    return title, lead


def numbers_of(content: Content) -> list[dict[str, Any]]:
    """The big numbers of a run of train or evaluate."""
    scores = content.scores or {}
    after, first = scores.get("scores"), scores.get("before")
    if first:
        figures = [
            _figure(label, _score(of, "perplexity"), "perplexity")
            for label, of in (("Before", first), ("After", after))
        ]
    else:
        figures = [_figure("Perplexity", _score(after, "perplexity"), "")]
    figures.append(_figure("Bits per byte", _score(after, "bits_per_byte"), _was(first, "bits_per_byte")))
    figures.append(_figure("Right answers", _score(after, "exact_match"), _was(first, "exact_match"), "percent"))
    shown = [one for one in figures if one is not None]
    if content.about.get("rows") is not None:
        rows = numbers.count(content.about["rows"])
        shown.append({"label": "Rows learned", "value": rows, "between": "", "note": ""})
    return shown


def foreseen(content: Content) -> dict[str, Any] | None:
    """The tables of scores in the shape of `scored`; None where the run has none."""
    kept = content.scores or {}
    scores, before = kept.get("scores") or {}, kept.get("before") or {}
    if not scores:
        return None
    before = {} if before == scores else before
    names = [name for name in scores if isinstance(scores[name], Mapping)]
    decides = content.metric if content.evidence else ""
    return {
        "groups": [
            {
                "title": title,
                "low": 0.0 if larger else None,  # of the others, each has a scale of its own
                "high": 1.0 if larger else None,
                "rows": [_row(name, scores[name], before.get(name), name == decides) for name in chosen],
            }
            for title, larger in (("Smaller is better", False), ("Larger is better", True))
            if (chosen := [name for name in names if words.larger_is_better(name) == larger])
        ],
        "before": bool(before),
        "was": "the plain recipe" if content.evidence else "the model as it came",
        "classes": None,
        "languages": _languages(kept, bool(before)),
        "spoken": None,
        "on": str(kept.get("on") or "rows put aside"),
        "rows": kept.get("rows"),
        "differs": None,
    }


def answers(content: Content, limits: Limits) -> list[dict[str, Any]] | None:
    """Prompts with the right answer and the model's, before and after; None where the run holds none."""
    kept = content.answers[: limits.rows]
    if not kept:
        return None
    first = any(one.get("before") is not None for one in kept)
    return [
        {
            "prompt": shortened(one.get("prompt") or "", 3 * limits.letters),
            "answers": [
                {"name": name, "text": shortened(str(text).strip(), 2 * limits.letters), "right": right}
                for name, text, right in (
                    ("right answer", one.get("right"), False),
                    ("before", one.get("before"), _same(one, "before")),
                    ("after" if first else "the model's", one.get("after"), _same(one, "after")),
                )
                if text is not None
            ],
        }
        for one in kept
    ]


def use(content: Content, folder: str) -> tuple[list[tuple[str, str]], str]:
    """Commands, and code in Python, for a run whose name is quoted already."""
    commands = [
        ("Talk to it", f"melior chat {folder}"),
        ("Answers for new prompts", f"melior predict {folder} new_prompts.jsonl --out answers.csv"),
        ("Scores on other rows", f"melior evaluate {folder} other_rows.jsonl"),
    ]
    python = (
        "import melior\n\n"
        f'answers = melior.predict({content.folder!r}, "new_prompts.jsonl")   # row, answer\n'
        f'scores = melior.evaluate({content.folder!r}, "other_rows.jsonl")'
    )
    return commands, python


def glossary(content: Content) -> list[tuple[str, str]]:
    """The words that a report on a language model uses."""
    there = (content.scores or {}).get("scores") or {}
    found = [(words.metric(name), words.meaning(name)) for name in there if words.meaning(name)]
    if there:
        found.append((
            "95 % interval",
            "Where the true value lies, as far as these rows can tell; of a hundred such intervals about five miss it. "
            "It comes from drawing the rows anew many times.",
        ))  # fmt: skip
    if content.evidence:
        found += [
            ("plain recipe", "The model with the settings of the recipe as it was: what all others are compared with."),
            ("sealed rows", "Rows put aside before anything was looked at, and scored once, at the end."),
            (
                "effect",
                "Bits per byte of the plain recipe minus those of the candidate, on the same rows that neither was "
                "taught: positive is better. Its interval comes from drawing those rows anew; rows that say the same "
                "are drawn together.",
            ),
            *((verdict, f"{means[:1].upper()}{means[1:]}.") for verdict, means in words.VERDICTS.items()),
            (
                "adjusted p",
                "How often chance alone would show such an effect, when the best of all candidates is looked at "
                "(Westfall and Young, 1993). Accepted needs less than 0.05.",
            ),
        ]
    return found


def _score(scores: Any, name: str) -> Mapping[str, Any] | None:
    found = scores.get(name) if isinstance(scores, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _from_nothing(content: Content) -> bool:
    model = content.settings.get("model")
    settings = model.values() if isinstance(model, Mapping) else ()
    return not any(isinstance(one, Mapping) and one.get("base") for one in settings)


def _figure(label: str, found: Mapping[str, Any] | None, note: str, how: str = "score") -> dict[str, Any] | None:
    if found is None:
        return None
    form = numbers.percent if how == "percent" else numbers.score
    low, high = numbers.known(found.get("low")), numbers.known(found.get("high"))
    sure = low is not None and high is not None and high > low
    between = f"{form(low)} to {form(high)}" if sure else ""
    return {"label": label, "value": form(found.get("value")), "between": between, "note": note}


def _was(first: Any, name: str) -> str:
    found = _score(first, name)
    if found is None:
        return ""
    form = numbers.percent if name == "exact_match" else numbers.score
    return f"before: {form(found.get('value'))}"


def _row(name: str, after: Mapping[str, Any], before: Mapping[str, Any] | None, chosen: bool) -> dict[str, Any]:
    known = [
        end
        for found in (after, before or {})
        for key in ("value", "low", "high")
        if (end := numbers.known(found.get(key))) is not None
    ]
    low = 1.0 if name == "perplexity" else 0.0  # nothing is better
    share = words.larger_is_better(name)
    high = 1.0 if share else max([*known, low])
    return {
        "name": words.metric(name),
        "means": words.meaning(name),
        "chosen": chosen,
        "same": "",
        "after": after,
        "before": before,
        # the scale of what has no largest value is that of before and after
        "strip": strip.draw(after, before, low, high) if share or before else "",
    }


def _languages(kept: Mapping[str, Any], before: bool) -> list[dict[str, Any]]:
    """Perplexity and bits per byte of each language; empty where there is but one."""
    by, first = kept.get("by_language") or {}, kept.get("by_language_before") or {}
    return [
        {
            "name": shortened(name, 60),
            "cells": [
                (found.get(metric), (first.get(name) or {}).get(metric) if before else None)
                for metric in ("perplexity", "bits_per_byte")
            ],
        }
        for name, found in by.items()
        if isinstance(found, Mapping)
    ]


def _same(one: Mapping[str, Any], which: str) -> bool:
    """Whether an answer is the right one, but for space around it."""
    given = one.get(which)
    return given is not None and str(given).split() == str(one.get("right")).split()
