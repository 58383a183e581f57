"""Writes the reference pages from the code: what there is, each setting, each command. Never edit between the marks.

python docs/make_reference.py              writes what changed, in both languages
python docs/make_reference.py --check      names what is out of date and ends with code 1
python docs/make_reference.py --lacking    prints what has no Chinese yet, as entries for docs/zh/*.yaml

The Chinese pages in docs/zh are the same pages in other words, see `translated.py`. What has no Chinese yet is shown in
English; a translation whose English has changed since is out of date.
"""

import inspect
import re
import sys
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from translated import Chinese, English

from melior.questions import Question

HERE = Path(__file__).resolve().parent
MARKED = re.compile(r"(<!-- generated:(\w+) -->\n).*?(<!-- /generated -->)", re.DOTALL)

# What the recipe's own documentation leaves unsaid.
SAID = {
    "task": "classify: a class, or labels, for each row; generate: a language model that answers in text",
    "data": "where the rows are and what their columns mean, see below",
    "split": "how rows are put apart, see below",
    "metric": "what is to be better; auto is macro_f1. See [the metrics](metrics.md)",
    "model": "the family with its settings, see [the models](models.md); auto takes the better one by a short trial, "
    "as it is fitted quickly where a budget is too short for more",
    "methods": "what changes how training goes, each with its settings, see [the methods](methods.md)",
    "train": "how a training is spread over processes, see below",
    "limits": "what a model may cost at most, see below and [goals](goals.md)",
    "mute": "a list of `symptom`, `columns` (none for any) and `reason`: findings that are known, shown with the "
    "reason, and that nothing acts on",
    "seed": "the same seed gives the same result",
    "data.encoding": "of a text file; found where nothing is said",
    "data.separator": "of a text file; found where nothing is said",
}


# ---- documentation in the code, as Markdown


def blocks(documented: Any) -> list[str | list[tuple[str, str]]]:
    """The parts of a docstring in order: paragraphs, and lists of (names, text) where lines are set in two columns."""
    text = inspect.cleandoc(documented.__doc__ or "")
    found: list[str | list[tuple[str, str]]] = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.splitlines()
        if lines[0].startswith(">>>"):
            continue
        if re.match(r"\w[\w, ]*? {2,}\S", lines[0]):
            found.append(listed(lines))
        else:
            found.append(" ".join(line.strip() for line in lines))
    return found


def listed(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Lines such as `share    0.1..1 of the rows`, what is indented belonging to the line before."""
    entries: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith(" ") and entries:
            names, said = entries[-1]
            entries[-1] = (names, f"{said} {line.strip()}")
            continue
        apart = re.match(r"(\w+(?:, \w+)*?)(?: {2,}| )(.*)", line)
        assert apart is not None, line
        entries.append((apart[1], apart[2].strip()))
    return entries


def settings_said(model: type[BaseModel]) -> dict[str, str]:
    """Setting -> what the class's documentation says of it."""
    return {
        name: said
        for block in blocks(model)
        if not isinstance(block, str)
        for names, said in block
        for name in names.split(", ")
    }


def prose(documented: Any, say: English, item: str, leave_out: Iterable[str] = ()) -> str:
    """The documentation of a class as Markdown, without lists of these names (settings, shown as a table)."""
    gone, pieces = set(leave_out), []
    for block in blocks(documented):
        if isinstance(block, str):
            pieces.append(plain(say(block, item)))
        elif not gone & {name for names, _ in block for name in names.split(", ")}:
            pieces.append("\n".join(say.form("- `{}`: {}", names, plain(say(said, item))) for names, said in block))
    return "\n\n".join(pieces)


def plain(text: str) -> str:
    """Text whose signs mean nothing in Markdown; what stands in backticks stays as it is."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([*<\[\]])", r"\\\1", p) for p in pieces)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], say: English) -> str:
    lines = ["| " + " | ".join(say(heading) for heading in headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def code(names: Iterable[str], say: English) -> str:
    return say(", ").join(f"`{name}`" for name in names)


def number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def values_of(given: dict[str, Any], say: English) -> str:
    """What a setting may be, from its JSON schema."""
    if "const" in given:
        return f"`{given['const']}`"
    if "enum" in given:
        return code((str(value) for value in given["enum"]), say)
    if "anyOf" in given:
        *any_of, last = dict.fromkeys(values_of(one, say) for one in given["anyOf"])
        nothing = last == say("nothing")
        return say.form("{}, or nothing", say(", ").join(any_of)) if nothing else say(", ").join([*any_of, last])
    if "$ref" in given:
        return say("a name, or `name: {setting: value}`" if given["$ref"].endswith("/Choice") else "settings")
    kind = given.get("type", "")
    if kind == "array":
        return say.form("a list: {}", values_of(given["items"], say)) if given.get("items") else say("a list")
    if kind == "object":
        inside = given.get("additionalProperties")
        return say.form("NAME: {}", values_of(inside, say)) if isinstance(inside, dict) else say("NAME: value")
    if kind in ("integer", "number"):
        return say("whole number" if kind == "integer" else "number") + bounds(given, say)
    return {"null": say("nothing"), "boolean": code(("true", "false"), say), "string": say("text")}.get(kind, kind)


def bounds(given: dict[str, Any], say: English) -> str:
    low, high = given.get("minimum"), given.get("maximum")
    above, below = given.get("exclusiveMinimum"), given.get("exclusiveMaximum")
    if low is not None and high is not None:
        return say.form(", {} to {}", number(low), number(high))
    said = [
        say.form(template, number(value))
        for template, value in (
            (", at least {}", low),
            (", above {}", above),
            (", at most {}", high),
            (", below {}", below),
        )
        if value is not None
    ]
    return "".join(said)


def default_of(field: Any, say: English) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "" if not hasattr(value, "name") else f"`{value.name}`"
    if value is None:
        return say("nothing")
    if isinstance(value, tuple | dict):
        return code(map(str, value), say) or say("none")
    return f"`{shown(value)}`"


def shown(value: Any) -> str:
    """A value as YAML has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def settings_table(model: type[BaseModel], say: English, item: str, path: str = "") -> str:
    """Every setting of a part of the recipe, a method or a family."""
    properties = model.model_json_schema().get("properties", {})
    said = settings_said(model)
    rows = []
    for name, field in model.model_fields.items():
        meaning = plain(say(said[name], item)) if name in said else say(SAID.get(f"{path}{name}", ""), item)
        rows.append((f"`{path}{name}`", values_of(properties[name], say), default_of(field, say), meaning))
    return table(("setting", "values", "default", "what it does"), rows, say)


# ---- the pages


def recipe(say: English) -> str:
    from melior.layout import Layout
    from melior.recipe import Data, Limits, Recipe, Split, Train

    return "\n\n".join(
        [
            say("## At the top"),
            settings_table(Recipe, say, "recipe"),
            "## data",
            settings_table(Data, say, "data", "data."),
            "## split",
            settings_table(Split, say, "split", "split."),
            "## train",
            settings_table(Train, say, "train", "train."),
            "## limits",
            settings_table(Limits, say, "limits", "limits."),
            "## train.parallel",
            prose(Layout, say, "train.parallel", Layout.model_fields),
            settings_table(Layout, say, "train.parallel", "train.parallel."),
        ]
    )


def treated(symptoms: Iterable[str], say: English) -> str:
    """A line that names the methods that treat any of these symptoms; empty where none does."""
    from melior.methods._base import treating

    names = sorted({method for symptom in symptoms for method in treating(symptom)})
    links = say(", ").join(f"[{name}](methods.md#{name})" for name in names)
    return say.form("- treated by {}", links) if names else ""


def checks(say: English) -> str:
    from melior.checks._base import checks as known

    costs = {"instant": "- costs counts only", "pass": "- costs a few passes over the rows"}
    costs["model"] = "- costs fitted models"
    pieces = []
    for name, check in known().items():
        reads = (
            say.form("- reads {} columns", code(sorted(check.reads), say))
            if check.reads
            else say("- reads any columns")
        )
        facts = [
            say.form("- finds {}", code(sorted(check.symptoms), say)),
            reads + (say(" and the target") if check.needs_target else ""),
            say(costs[check.cost]),
            say("- needs one class a row: left out where a row may have several labels")
            if check.needs_target and not check.multilabel
            else "",
            treated(check.symptoms, say),
        ]
        pieces.append(f"## {name}\n\n{prose(check, say, name)}\n\n" + "\n".join(fact for fact in facts if fact))
    pieces.append(
        say("## Checks of a training")
        + "\n\n"
        + say(
            "They look at a run with a network, not at rows: `melior diagnose RUN` reads the history that its training "
            "left."
        )
    )
    return "\n\n".join([*pieces, training_checks(say)])


def training_checks(say: English) -> str:
    from melior.checks._training import training_checks as known

    pieces = []
    for name, check in known().items():
        facts = [say.form("- finds {}", code(sorted(check.symptoms), say)), treated(check.symptoms, say)]
        pieces.append(f"### {name}\n\n{prose(check, say, name)}\n\n" + "\n".join(fact for fact in facts if fact))
    return "\n\n".join(pieces)


HOOKS = {
    "rows": "which training rows, with which labels and weights",
    "columns": "a step fitted on the training rows",
    "model": "the family's settings",
    "learner": "how the family is fitted",
    "predictor": "the predictor after fitting",
}


def methods(say: English) -> str:
    from melior.methods._base import Method
    from melior.methods._base import methods as known

    comma, pieces = say(", "), []
    for name, method in known().items():
        fields = method.model_fields
        acts = [
            say.form("`{}` ({})", hook, say(said))
            for hook, said in HOOKS.items()
            if getattr(method, hook) != getattr(Method, hook)
        ]
        tried = [
            say("its defaults") if not one else f"`{', '.join(f'{key}: {shown(value)}' for key, value in one.items())}`"
            for one in method.candidates
        ]
        asked = "- answers question {}" if len(method.questions) == 1 else "- answers questions {}"
        costs = f"- one fit costs about as much as {{}} plain {'fit' if method.cost == 1 else 'fits'}"
        facts = [
            say.form("- treats {}", code(sorted(method.treats), say)),
            say.form(asked, comma.join(f"[{n}](questions.md#question-{n})" for n in method.questions)),
            say.form("- acts through {}", comma.join(acts)),
            say.form("- `improve` tries {}.", say("; ").join(tried))
            + (say(" It is tried on every table, whatever is found.") if method.always else ""),
            say.form(costs, f"{method.cost:g}"),
            say.form("- never together with {}", code(sorted(method.rivals), say)) if method.rivals else "",
            "" if method.multilabel else say("- needs one class a row: refused where a row may have several labels"),
            say.form("- reference: {}", method.reference),
        ]
        head = f"## {name}\n\n{prose(method, say, name, fields)}\n\n"
        settings = f"\n\n{settings_table(method, say, name)}" if fields else ""
        pieces.append(head + "\n".join(fact for fact in facts if fact) + settings)
    return "\n\n".join(pieces)


def models(say: English) -> str:
    from melior.models._base import families

    pieces = []
    for name, family in families().items():
        can = [say(word.replace("_", " ")) for word in sorted(family.can)]
        facts = [
            say.form("- reads {} columns", code(sorted(family.kinds), say)),
            say.form("- can: {}", say(", ").join(can) if can else say("nothing more")),
        ]
        pieces.append(
            f"## {name}\n\n{prose(family, say, name, family.model_fields)}\n\n"
            + "\n".join(facts)
            + f"\n\n{settings_table(family, say, name)}"
        )
    return "\n\n".join(pieces)


def metrics(say: English) -> str:
    several = [
        say("## Where a row may have several labels"),
        say(
            "The metrics of a target of [several labels a row](recipe.md#several-labels-a-row). Those of one label are "
            "written with the label in brackets: `f1[price]`."
        ),
    ]
    return "\n\n".join([metrics_table(say), *several, metrics_table(say, multilabel=True)])


def metrics_table(say: English, *, multilabel: bool = False) -> str:
    from melior.metrics.registry import families

    rows = []
    kind = "LABEL" if multilabel else "CLASS"
    for name, family in families(multilabel).items():
        made = family.make(("no", "yes", "maybe"), None if family.overall else 1)
        names = ([name] if family.overall else []) + ([f"{name}[{kind}]"] if family.per_class else [])
        high = number(made.high) if made.high != float("inf") else say("no limit")
        title = made.title if family.overall else made.title.replace("yes", f"one {kind.lower()}")
        rows.append(
            (
                code(names, say),
                plain(say(title, f"metric {name}")),
                say(made.needs),
                say("greater" if made.greater_is_better else "smaller"),
                say.form("{} to {}", number(made.low), high),
            )
        )
    return table(("metric", "what it is", "from", "better is", "range"), rows, say)


def questions(say: English) -> str:
    from melior.questions import questions as asked

    every = asked()
    here, whole = sum(a.here for one in every for a in one.answers), sum(len(one.answers) for one in every)
    pieces = [say.form("{0} of {1} answers are here.", here, whole)]
    for one in every:
        symptoms = "\n\n" + say.form("Symptoms: {}.", code(one.symptoms, say)) if one.symptoms else ""
        asked_as = say.form(QUESTION, one.en, one.zh).split("\n\n")
        head = f'<a id="question-{one.n}"></a>\n\n## {one.n}. [{asked_as[0]}](questions/{one.n}.md)\n\n{asked_as[1]}'
        pieces.append(f"{head}{symptoms}\n\n{answers(one, say)}")
    return "\n\n".join(pieces)


def answers(question: Question, say: English, up: str = "") -> str:
    """The table of a question's answers. up: from the page to the folder of the reference pages."""
    from melior.checks._base import checks as looked
    from melior.checks._training import training_checks as looked_at_trainings
    from melior.methods._base import methods as known
    from melior.metrics.registry import families as measured
    from melior.models._base import families

    linked = {name: f"[{name}]({up}methods.md#{name})" for name in known()}
    linked |= {name: f"[{name}]({up}models.md#{name})" for name in families()}
    linked |= {f"metric {name}": say.form("metric {}", name) for name in measured()}
    every_check = (*looked(), *looked_at_trainings())
    linked |= {f"check {name}": say.form("check {}", f"[{name}]({up}checks.md#{name})") for name in every_check}
    linked |= {"train.parallel": f"[train.parallel]({up}recipe.md#trainparallel)"}
    linked |= {f"train --{one}": f"[train --{one}]({up}commands.md#train)" for one in ("plan", "processes")}
    rows = []
    for answer in question.answers:
        by = say(", ").join(linked.get(part, part) for part in answer.by)
        name = say.form("{0}, {1}", answer.id, answer.zh)
        rows.append((name, plain(say(answer.must, f"answer {answer.id}")), by if answer.here else say("not yet")))
    return table(("answer", "what it must do", "given by"), rows, say)


QUESTION = "{0}\n\n{1}"  # in the language of the page first


def commands(say: English) -> str:
    from melior.cli.main import app

    pieces = []
    for command in app.registered_commands:
        act = command.callback
        assert act is not None
        item = f"melior {act.__name__}"
        hints = typing.get_type_hints(act, include_extras=True)
        usage, rows = [item], []
        for name, parameter in inspect.signature(act).parameters.items():
            info = typing.get_args(hints[name])[-1]
            help_of = plain(say((info.help or "").replace("\\[", "["), item))  # the terminal needs brackets escaped
            if type(info).__name__ == "ArgumentInfo":
                needed = parameter.default is inspect.Parameter.empty
                usage.append(name.upper() if needed else f"[{name.upper()}]")
                rows.append((f"`{name.upper()}`", help_of))
            else:
                names = sorted([info.default, *info.param_decls], key=len, reverse=True)
                default = parameter.default
                nothing = (None, False, 0.0, inspect.Parameter.empty)
                said = say.form(" `{}` unless said.", default) if default not in nothing else ""
                rows.append((code((str(one) for one in names if isinstance(one, str)), say), help_of + said))
        shown = f"\n\n{table(('argument or option', ''), rows, say)}" if rows else ""
        options = " [OPTIONS]" if any(row[0].startswith("`-") for row in rows) else ""
        head = f"## {act.__name__}\n\n{plain(say(inspect.cleandoc(act.__doc__ or ''), item))}"
        pieces.append(f"{head}\n\n```\n{' '.join(usage)}{options}\n```{shown}")
    return "\n\n".join(pieces)


def choosing(say: English) -> str:
    """Symptom by symptom, from the cards."""
    import card_pages

    from melior.findings import SYMPTOMS
    from melior.methods._base import methods as known

    treating = {
        symptom: [name for name, method in known().items() if symptom in method.treats] for symptom in sorted(SYMPTOMS)
    }
    return card_pages.choosing(treating, say, lambda name: f"[{name}](methods.md#{name})")


PAGES = {made.__name__: made for made in (recipe, checks, methods, models, metrics, questions, commands, choosing)}


def made_whole(english: English, chinese: English) -> Iterable[tuple[str, str]]:
    """What is generated from beginning to end: (place, text), a page for each question and its plot."""
    import card_pages

    from melior.questions import questions as asked

    for one in asked():
        for folder, say, up in (("questions", english, "../"), ("zh/questions", chinese, "../../")):
            text = card_pages.question_page(one, say, lambda q, s: answers(q, s, "../"), up)
            yield f"{folder}/{one.n}.md", text
        if found := card_pages.of_question(one):
            yield f"img/questions/{one.n}.svg", card_pages.plot(found)
    card_pages.foretold(chinese)


def renewed(page: Path, say: English) -> str:
    """The page with what stands between the marks made anew."""

    def fresh(found: "re.Match[str]") -> str:
        return f"{found[1]}\n{PAGES[found[2]](say)}\n\n{found[3]}"

    return MARKED.sub(fresh, page.read_text(encoding="utf-8"))


def main() -> int:
    check, lacking = "--check" in sys.argv, "--lacking" in sys.argv
    english, chinese = English(), Chinese(HERE / "zh")
    stale = []
    for name in PAGES:
        for said, say in ((f"docs/{name}.md", english), (f"docs/zh/{name}.md", chinese)):
            page = HERE / said.removeprefix("docs/")
            if f"<!-- generated:{name} -->" not in page.read_text(encoding="utf-8"):
                print(f"{said} has no place for what is generated (<!-- generated:{name} -->)")
                return 1
            text = renewed(page, say)
            if text != page.read_text(encoding="utf-8"):
                stale.append(f"{said}: {'out of date, run python docs/make_reference.py' if check else 'written'}")
                if not check and not lacking:
                    page.write_text(text, encoding="utf-8")
    for place, text in made_whole(english, chinese):
        page = HERE / place
        if not page.exists() or text != page.read_text(encoding="utf-8"):
            stale.append(f"docs/{place}: {'out of date, run python docs/make_reference.py' if check else 'written'}")
            if not check and not lacking:
                page.parent.mkdir(parents=True, exist_ok=True)
                page.write_text(text, encoding="utf-8")
    if lacking:
        print(chinese.lacking(), end="")
        return 0
    stale += chinese.outdated()
    print("\n".join(stale), end="\n" if stale else "")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
