"""Writes the reference pages from the code: what there is, each setting, each command. Never edit between the marks.

python docs/make_reference.py            writes what changed
python docs/make_reference.py --check    names what is out of date and ends with code 1
"""

import inspect
import re
import sys
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

HERE = Path(__file__).resolve().parent
MARKED = re.compile(r"(<!-- generated:(\w+) -->\n).*?(<!-- /generated -->)", re.DOTALL)

# What the recipe's own documentation leaves unsaid.
SAID = {
    "task": "what is predicted; classification today",
    "data": "where the rows are and what their columns mean, see below",
    "split": "how rows are put apart, see below",
    "metric": "what is to be better; auto is macro_f1. See [the metrics](metrics.md)",
    "model": "the family with its settings, see [the models](models.md); auto takes the better one by a short trial",
    "methods": "what changes how training goes, each with its settings, see [the methods](methods.md)",
    "train": "how a training is spread over processes, see below",
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


def prose(documented: Any, leave_out: Iterable[str] = ()) -> str:
    """The documentation of a class as Markdown, without lists of these names (settings, shown as a table)."""
    gone, pieces = set(leave_out), []
    for block in blocks(documented):
        if isinstance(block, str):
            pieces.append(plain(block))
        elif not gone & {name for names, _ in block for name in names.split(", ")}:
            pieces.append("\n".join(f"- `{names}`: {plain(said)}" for names, said in block))
    return "\n\n".join(pieces)


def plain(text: str) -> str:
    """Text whose signs mean nothing in Markdown; what stands in backticks stays as it is."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([*<\[\]])", r"\\\1", p) for p in pieces)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def values_of(given: dict[str, Any]) -> str:
    """What a setting may be, from its JSON schema."""
    if "const" in given:
        return f"`{given['const']}`"
    if "enum" in given:
        return code(str(value) for value in given["enum"])
    if "anyOf" in given:
        any_of = list(dict.fromkeys(values_of(one) for one in given["anyOf"]))
        return f"{', '.join(any_of[:-1])}, or nothing" if any_of[-1] == "nothing" else ", ".join(any_of)
    if "$ref" in given:
        return "settings" if not given["$ref"].endswith("/Choice") else "a name, or `name: {setting: value}`"
    kind = given.get("type", "")
    if kind == "null":
        return "nothing"
    if kind == "boolean":
        return "`true`, `false`"
    if kind == "array":
        return f"a list: {values_of(given['items'])}" if given.get("items") else "a list"
    if kind == "object":
        inside = given.get("additionalProperties")
        return f"NAME: {values_of(inside)}" if isinstance(inside, dict) else "NAME: value"
    if kind in ("integer", "number"):
        return f"{'whole number' if kind == 'integer' else 'number'}{bounds(given)}"
    return "text" if kind == "string" else kind


def bounds(given: dict[str, Any]) -> str:
    low, high = given.get("minimum"), given.get("maximum")
    above, below = given.get("exclusiveMinimum"), given.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f", {number(low)} to {number(high)}"
    said = [
        f"{word} {number(value)}"
        for word, value in (("at least", low), ("above", above), ("at most", high), ("below", below))
        if value is not None
    ]
    return ", " + ", ".join(said) if said else ""


def default_of(field: Any) -> str:
    value = field.default
    if isinstance(value, BaseModel):
        return "" if not hasattr(value, "name") else f"`{value.name}`"
    if value is None:
        return "nothing"
    if isinstance(value, tuple | dict):
        return code(map(str, value)) or "none"
    return f"`{shown(value)}`"


def shown(value: Any) -> str:
    """A value as YAML has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def settings_table(model: type[BaseModel], path: str = "") -> str:
    """Every setting of a part of the recipe, a method or a family."""
    properties = model.model_json_schema().get("properties", {})
    said = settings_said(model)
    rows = []
    for name, field in model.model_fields.items():
        meaning = plain(said[name]) if name in said else SAID.get(f"{path}{name}", "")
        rows.append((f"`{path}{name}`", values_of(properties[name]), default_of(field), meaning))
    return table(("setting", "values", "default", "what it does"), rows)


# ---- the pages


def recipe() -> str:
    from melior.layout import Layout
    from melior.recipe import Data, Recipe, Split, Train

    return "\n\n".join(
        [
            "## At the top",
            settings_table(Recipe),
            "## data",
            settings_table(Data, "data."),
            "## split",
            settings_table(Split, "split."),
            "## train",
            settings_table(Train, "train."),
            "## train.parallel",
            prose(Layout, Layout.model_fields),
            settings_table(Layout, "train.parallel."),
        ]
    )


def checks() -> str:
    from melior.checks._base import checks as known
    from melior.methods._base import treating

    costs = {"instant": "counts only", "pass": "a few passes over the rows", "model": "fitted models"}
    pieces = []
    for name, check in known().items():
        reads = code(sorted(check.reads)) if check.reads else "any"
        treated = sorted({method for symptom in check.symptoms for method in treating(symptom)})
        facts = [
            f"- finds {code(sorted(check.symptoms))}",
            f"- reads {reads} columns{' and the target' if check.needs_target else ''}",
            f"- costs {costs[check.cost]}",
            "- needs one class a row: left out where a row may have several labels"
            if check.needs_target and not check.multilabel
            else "",
            f"- treated by {', '.join(f'[{method}](methods.md#{method})' for method in treated)}" if treated else "",
        ]
        pieces.append(f"## {name}\n\n{prose(check)}\n\n" + "\n".join(fact for fact in facts if fact))
    pieces.append(
        "## Checks of a training\n\nThey look at a run with a network, not at rows: `melior diagnose RUN` reads the "
        "history that its training left."
    )
    return "\n\n".join([*pieces, training_checks()])


def training_checks() -> str:
    from melior.checks._training import training_checks as known
    from melior.methods._base import treating

    pieces = []
    for name, check in known().items():
        treated = sorted({method for symptom in check.symptoms for method in treating(symptom)})
        facts = [
            f"- finds {code(sorted(check.symptoms))}",
            f"- treated by {', '.join(f'[{method}](methods.md#{method})' for method in treated)}" if treated else "",
        ]
        pieces.append(f"### {name}\n\n{prose(check)}\n\n" + "\n".join(fact for fact in facts if fact))
    return "\n\n".join(pieces)


HOOKS = {
    "rows": "which training rows, with which labels and weights",
    "columns": "a step fitted on the training rows",
    "model": "the family's settings",
    "learner": "how the family is fitted",
    "predictor": "the predictor after fitting",
}


def methods() -> str:
    from melior.methods._base import Method
    from melior.methods._base import methods as known

    pieces = []
    for name, method in known().items():
        fields = method.model_fields
        acts = [f"`{hook}` ({said})" for hook, said in HOOKS.items() if getattr(method, hook) != getattr(Method, hook)]
        tried = [
            "its defaults" if not one else f"`{', '.join(f'{key}: {shown(value)}' for key, value in one.items())}`"
            for one in method.candidates
        ]
        always = " It is tried on every table, whatever is found." if method.always else ""
        facts = [
            f"- treats {code(sorted(method.treats))}",
            f"- answers {'question' if len(method.questions) == 1 else 'questions'} "
            + ", ".join(f"[{n}](questions.md#question-{n})" for n in method.questions),
            f"- acts through {', '.join(acts)}",
            f"- `improve` tries {'; '.join(tried)}.{always}",
            f"- one fit costs about as much as {method.cost:g} plain {'fit' if method.cost == 1 else 'fits'}",
            f"- never together with {code(sorted(method.rivals))}" if method.rivals else "",
            "" if method.multilabel else "- needs one class a row: refused where a row may have several labels",
            f"- reference: {method.reference}",
        ]
        head = f"## {name}\n\n{prose(method, fields)}\n\n"
        settings = f"\n\n{settings_table(method)}" if fields else ""
        pieces.append(head + "\n".join(fact for fact in facts if fact) + settings)
    return "\n\n".join(pieces)


def models() -> str:
    from melior.models._base import families

    pieces = []
    for name, family in families().items():
        can = [word.replace("_", " ") for word in sorted(family.can)]
        facts = [f"- reads {code(sorted(family.kinds))} columns", f"- can: {', '.join(can) if can else 'nothing more'}"]
        pieces.append(
            f"## {name}\n\n{prose(family, family.model_fields)}\n\n"
            + "\n".join(facts)
            + f"\n\n{settings_table(family)}"
        )
    return "\n\n".join(pieces)


def metrics() -> str:
    several = (
        "## Where a row may have several labels\n\nThe metrics of a target of [several labels a row]"
        "(recipe.md#several-labels-a-row). Those of one label are written with the label in brackets: `f1[price]`."
    )
    return "\n\n".join([metrics_table(), several, metrics_table(multilabel=True)])


def metrics_table(*, multilabel: bool = False) -> str:
    from melior.metrics.registry import families

    rows = []
    kind = "LABEL" if multilabel else "CLASS"
    for name, family in families(multilabel).items():
        made = family.make(("no", "yes", "maybe"), None if family.overall else 1)
        names = ([f"`{name}`"] if family.overall else []) + ([f"`{name}[{kind}]`"] if family.per_class else [])
        high = number(made.high) if made.high != float("inf") else "no limit"
        title = made.title if family.overall else made.title.replace("yes", f"one {kind.lower()}")
        rows.append(
            (
                ", ".join(names),
                plain(title),
                made.needs,
                "greater" if made.greater_is_better else "smaller",
                f"{number(made.low)} to {high}",
            )
        )
    return table(("metric", "what it is", "from", "better is", "range"), rows)


def questions() -> str:
    from melior.checks._base import checks as looked
    from melior.checks._training import training_checks as looked_at_trainings
    from melior.methods._base import methods as known
    from melior.models._base import families
    from melior.questions import questions as asked

    every = asked()
    here, whole = sum(a.here for one in every for a in one.answers), sum(len(one.answers) for one in every)
    pieces = [f"{here} of {whole} answers are here."]
    linked = {name: f"[{name}](methods.md#{name})" for name in known()}
    linked |= {name: f"[{name}](models.md#{name})" for name in families()}
    linked |= {f"check {name}": f"check [{name}](checks.md#{name})" for name in (*looked(), *looked_at_trainings())}
    linked |= {"train.parallel": "[train.parallel](recipe.md#trainparallel)"}
    linked |= {f"train --{one}": f"[train --{one}](commands.md#train)" for one in ("plan", "processes")}
    for one in every:
        rows = []
        for answer in one.answers:
            by = [linked.get(part, part) for part in answer.by]
            rows.append((f"{answer.id}, {answer.zh}", plain(answer.must), ", ".join(by) if answer.here else "not yet"))
        symptoms = f"\n\nSymptoms: {code(one.symptoms)}." if one.symptoms else ""
        head = f'<a id="question-{one.n}"></a>\n\n## {one.n}. {one.en}\n\n{one.zh}{symptoms}'
        pieces.append(head + "\n\n" + table(("answer", "what it must do", "given by"), rows))
    return "\n\n".join(pieces)


def commands() -> str:
    from melior.cli.main import app

    pieces = []
    for command in app.registered_commands:
        act = command.callback
        assert act is not None
        hints = typing.get_type_hints(act, include_extras=True)
        usage, rows = [f"melior {act.__name__}"], []
        for name, parameter in inspect.signature(act).parameters.items():
            info = typing.get_args(hints[name])[-1]
            if type(info).__name__ == "ArgumentInfo":
                needed = parameter.default is inspect.Parameter.empty
                usage.append(name.upper() if needed else f"[{name.upper()}]")
                rows.append((f"`{name.upper()}`", plain(info.help or "")))
            else:
                names = sorted([info.default, *info.param_decls], key=len, reverse=True)
                default = parameter.default
                said = f" `{default}` unless said." if default not in (None, False, 0.0) else ""
                rows.append((code(str(one) for one in names if isinstance(one, str)), plain(info.help or "") + said))
        shown = f"\n\n{table(('argument or option', ''), rows)}" if rows else ""
        options = " [OPTIONS]" if any(row[0].startswith("`-") for row in rows) else ""
        head = f"## {act.__name__}\n\n{plain(inspect.cleandoc(act.__doc__ or ''))}"
        pieces.append(f"{head}\n\n```\n{' '.join(usage)}{options}\n```{shown}")
    return "\n\n".join(pieces)


PAGES = {made.__name__: made for made in (recipe, checks, methods, models, metrics, questions, commands)}


def renewed(page: Path) -> str:
    """The page with what stands between the marks made anew."""

    def fresh(found: "re.Match[str]") -> str:
        return f"{found[1]}\n{PAGES[found[2]]()}\n\n{found[3]}"

    return MARKED.sub(fresh, page.read_text(encoding="utf-8"))


def main() -> int:
    stale = []
    for name in PAGES:
        page = HERE / f"{name}.md"
        if f"<!-- generated:{name} -->" not in page.read_text(encoding="utf-8"):
            print(f"docs/{page.name} has no place for what is generated (<!-- generated:{name} -->)")
            return 1
        text = renewed(page)
        if text != page.read_text(encoding="utf-8"):
            stale.append(page)
            if "--check" not in sys.argv:
                page.write_text(text, encoding="utf-8")
    said = "out of date, run python docs/make_reference.py" if "--check" in sys.argv else "written"
    for page in stale:
        print(f"docs/{page.name}: {said}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
