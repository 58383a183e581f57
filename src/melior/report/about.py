"""The table itself, how to use what was made, and the small print."""

import json
import shlex
from typing import Any

from melior.report import language, numbers, words
from melior.report.charts._svg import shortened
from melior.report.content import Content, Limits


def data(content: Content, limits: Limits) -> dict[str, Any] | None:
    """The columns: kind, how much is missing, how many different values, examples. None where it is not known."""
    columns = content.table.get("columns") or []
    if not columns:
        return None
    target = (content.settings.get("data") or {}).get("target")
    return {
        "rows": content.rows.get("all"),
        "described": None if content.table.get("rows") == content.rows.get("all") else content.table.get("rows"),
        "target": None if any(column.get("name") == target for column in columns) else target,
        "total": len(columns),
        "left_out": max(len(columns) - limits.described, 0),
        "columns": [
            {
                "name": shortened(column.get("name"), 80),
                "kind": (kind := "target" if column.get("name") == target else str(column.get("kind") or "")),
                "means": words.KINDS.get(kind, ""),
                "missing": numbers.known(column.get("missing")),
                "distinct": column.get("distinct"),
                "examples": [shortened(example, 60) for example in (column.get("examples") or [])[:4]],
            }
            for column in columns[: limits.described]
        ],
    }


def use(content: Content) -> dict[str, Any] | None:
    """Commands and code that use the predictor, and the recipe; None where the run has neither."""
    if not content.predictor and not content.recipe:
        return None
    folder = shlex.quote(content.folder)
    commands: list[tuple[str, str]] = []
    spoken = ""
    if content.writer:
        commands, spoken = language.use(content, folder)
    if content.predictor:
        commands.append(("Answers for new rows", f"melior predict {folder} new_rows.csv"))
    if content.recipe and content.verb in ("improve", "train"):
        commands.append(("Train again from the recipe", f"melior train {folder}/recipe.yaml"))
    python = (
        "import melior\n\n"
        f"predictor = melior.Predictor.load({json.dumps(content.folder + '/predictor', ensure_ascii=False)})\n"
        'answers = predictor.predict("new_rows.csv")   # row, prediction, a score for every class'
    )
    return {
        "commands": commands,
        "python": spoken or (python if content.predictor else ""),
        "recipe": content.recipe,
        "improved": content.verb == "improve",
    }


def small_print(content: Content) -> dict[str, Any]:
    """Facts about the run, and the words used."""
    about, settings, rows = content.about, content.settings, content.rows
    split = settings.get("split") or {}
    facts = [
        ("Made by", f"melior {about.get('version')}" if about.get("version") else "melior"),
        ("Started", numbers.when(about.get("started"))),
        ("Took", numbers.seconds(about["seconds"]) if about.get("seconds") is not None else ""),
        ("Command", str(about.get("command") or "")),
        ("Data", content.name),
        ("Hash of the rows", str(about.get("data") or "")),
        ("Rows", _rows(rows)),
        ("Seed", str(settings["seed"]) if "seed" in settings else ""),
        ("Split", _split(split) if content.evidence and not content.generates else ""),
    ]
    if about.get("state") not in (None, "finished"):
        facts.insert(0, ("State", "this run is not finished"))
    has_examples = bool(content.examples or content.confusions or content.table or content.answers)
    return {
        "facts": [fact for fact in facts if fact[1]],
        "has_examples": has_examples,
        "glossary": _glossary(content),
        "started": numbers.when(about.get("started")),
        "seconds": about.get("seconds"),
    }


def _rows(rows: Any) -> str:
    parts = [(rows.get("all"), "in all"), (rows.get("development"), "to develop on"), (rows.get("sealed"), "sealed")]
    return ", ".join(f"{numbers.count(number)} {what}" for number, what in parts if number is not None)


def _split(split: Any) -> str:
    kind = {"auto": "stratified by class", "stratified": "stratified by class", "random": "at random"}
    how = kind.get(split.get("kind"), f"by {split.get('kind')} ({split.get('column')})")
    folds, repeats = split.get("folds"), split.get("repeats") or 1
    return f"{how}, {folds} folds" + (f", {repeats} times" if repeats > 1 else "") if folds else how


def _glossary(content: Content) -> list[tuple[str, str]]:
    if content.generates:
        return language.glossary(content)
    words_used = []
    if content.metric and (means := words.meaning(content.metric)):
        words_used.append((words.metric(content.metric), means))
    if content.scores or content.evidence:
        words_used.append((
            "95 % interval",
            "Where the true value lies, as far as these rows can tell; of a hundred such intervals about five miss it. "
            "Those of scores come from drawing the rows anew many times (shares of rows: from Wilson's formula).",
        ))  # fmt: skip
    if content.evidence:
        words_used += [
            (
                "plain recipe",
                "The model without any of the methods that were tried: what all of them are compared with.",
            ),
            ("sealed rows", "Rows put aside before anything was looked at, and scored once, at the end."),
            (
                "effect",
                "Score of the candidate minus score of the plain recipe, on the same rows and folds. Its interval "
                "comes from drawing those rows anew, widened because other training rows would give other models "
                "(Nadeau and Bengio, 2003).",
            ),
            *((verdict, f"{means[:1].upper()}{means[1:]}.") for verdict, means in words.VERDICTS.items()),
            ("p", "How often chance alone would show such an effect if there were none."),
            (
                "adjusted p",
                "The same, when the best of all candidates is looked at: many tries make a lucky one likely "
                "(Westfall and Young, 1993). Accepted needs less than 0.05.",
            ),
            ("could have seen", "The smallest gain that this comparison would have proved four times in five."),
        ]
    if content.findings:
        words_used.append(("severity", "How bad, from 0 to 1; each check's documentation says what 1 means."))
        words_used.append(("row numbers", "As people count: the first row of data is row 1, the header is none."))
    return words_used
