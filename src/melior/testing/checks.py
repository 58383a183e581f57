"""What every check must hold: sound findings, none on clean rows, the same every time, and no crash on odd tables."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import ClassVar

import numpy as np

from melior.checks._base import Check
from melior.data.schema import KINDS
from melior.data.table import Table
from melior.findings import SYMPTOMS, Finding, plain
from melior.recipe import Choice, Recipe
from melior.testing import images, tables
from melior.testing.promises import NAME, described, holds
from melior.trials.audit import suits
from melior.trials.context import TableContext

JARGON = re.compile(r"[{}]|\bnan\b|\bNone\b|<[a-z]|\bself\b|np\.|dtype|array\(")


def messy_table() -> Table:
    """Copies, wrong labels, far values, a column that is the answer, and one that repeats another."""
    table = tables.mixed_table(240, classes=2, seed=4)
    random = np.random.default_rng(4)
    labels = table.given_labels().copy()
    wrong = random.choice(240, 40, replace=False)
    labels[wrong] = 1 - labels[wrong]
    size, price = table.numbers("size").copy(), table.numbers("price")
    size[random.choice(240, 8, replace=False)] = 1e7
    frame = table.frame.with_columns(
        size=size, leak=labels + 0.01 * random.normal(size=240), again=price, weight=table.column("weight")
    ).fill_nan(None)
    kinds = {**table.schema.kinds, "leak": "number", "again": "number"}
    whole = Table.make(frame, replace(table.schema, kinds=kinds), labels)
    repeated = whole.take(np.concatenate([np.arange(240), np.arange(60)]))
    return Table.make(repeated.frame, repeated.schema, repeated.labels)


def unlabelled_table() -> Table:
    """Some rows without a label."""
    table = tables.mixed_table()
    labels = table.given_labels().copy()
    labels[::7] = -1
    return table.with_labels(labels)


def few_groups_table() -> Table:
    """A category of three values that says much of the answer: three groups at most, too few for most folds."""
    table = tables.number_table(144)
    colours = np.array(["red", "green", "blue"])[(table.given_labels() + (np.arange(144) % 6 == 0)) % 3]
    kinds = {**table.schema.kinds, "colour": "category"}
    return Table.make(table.frame.with_columns(colour=colours), replace(table.schema, kinds=kinds), table.labels)


def renumbered_table() -> Table:
    """Rows that stand elsewhere in the file than in the table."""
    table = messy_table()
    return table.take(np.random.default_rng(0).permutation(table.rows)[:250])


TABLES: dict[str, Callable[[], Table]] = {
    "mixed": tables.mixed_table,
    "messy": messy_table,
    "renumbered": renumbered_table,
    "few groups": few_groups_table,
    "chinese": tables.chinese_table,
    "rare": tables.rare_table,
    "unlabelled": unlabelled_table,
    "several labels": lambda: tables.several_labels(tables.mixed_table()),
    "odd": tables.odd_table,
    "tiny": tables.tiny_table,
    "absent": lambda: tables.without_class(tables.mixed_table(), 1),
    "no target": lambda: replace(tables.mixed_table(), labels=None),
    "clean": tables.clean_table,
}
if images.HAVE_PILLOW:
    TABLES |= {"images": images.image_table, "clean images": images.clean_image_table}


@cache
def context_of(name: str) -> TableContext:
    """Real surroundings, one for all checks, as in an audit; some of the rows stand in a second part as well."""
    table = TABLES[name]()
    if not table.has_answers:
        table = replace(table, schema=replace(table.schema, target=None, classes=()))
    recipe = Recipe(metric="macro_f1", model=Choice(name="linear"))
    if name.startswith("clean") or table.rows < 40:
        return TableContext(table, recipe)
    other = table.take(np.arange(table.rows - 30, table.rows))
    return TableContext(table.take(np.arange(table.rows - 25)), recipe, other=other)


@cache
def found_by(check: type[Check], name: str) -> list[Finding]:
    context = context_of(name)
    return check().measure(context) if suits(check(), context.table) else []


class CheckSuite:
    """Promises of a check; `check` is the one under test."""

    check: ClassVar[type[Check]]

    # ---- what it says

    def test_says_what_it_is(self) -> None:
        check = self.check
        holds(NAME.fullmatch(check.name), f"{check.name!r} is no name such as class_imbalance")
        holds(check.symptoms, "it can find nothing")
        unknown = sorted(check.symptoms - set(SYMPTOMS))
        holds(not unknown, f"it can find {unknown}, which are no symptoms")
        holds(check.reads <= set(KINDS), f"it reads {sorted(check.reads - set(KINDS))}, which are no column kinds")
        holds(check.cost in ("instant", "pass", "model"), f"its cost is {check.cost!r}")
        described(check)
        check()  # no settings

    # ---- what it finds

    def test_findings_are_sound(self) -> None:
        for name in TABLES:
            for finding in self.found(name):
                self.sound(finding, context_of(name).table)

    def sound(self, finding: Finding, table: Table) -> None:
        said = f"{finding.symptom}: {finding.message!r}"
        holds(finding.symptom in self.check.symptoms, f"it finds {finding.symptom} and does not say that it can")
        holds(0 <= finding.severity <= 1, f"{said} has severity {finding.severity}")
        holds(finding.message.endswith("."), f"{said} does not end with a full stop")
        holds(finding.message == " ".join(finding.message.split()), f"{said} has white space to spare")
        holds(not JARGON.search(finding.message), f"{said} is no sentence for people")
        holds(not finding.methods and not finding.check, f"{said} names methods or itself; the audit does that")
        rows = finding.rows.tolist()
        holds(set(rows) <= set(table.row_ids.tolist()), f"{said} names rows that the table does not have")
        holds(len(rows) == len(set(rows)), f"{said} names a row twice")
        names = {*table.schema.kinds, table.target}
        holds(set(finding.columns) <= names, f"{said} names columns that the table does not have")
        if finding.row_scores is not None:
            holds(np.isfinite(finding.row_scores).all(), f"{said} scores a row with no number")
            holds((np.diff(finding.row_scores) <= 1e-12).all(), f"{said}: the most suspicious row is not the first")
        if finding.threshold is not None:
            holds(np.isfinite(finding.threshold), f"{said}: the threshold is no number")
            holds(finding.threshold_from, f"{said}: where does the threshold come from?")
        json.dumps(plain(finding.measured), allow_nan=False)
        again = Finding.from_dict(json.loads(json.dumps(finding.to_dict(), allow_nan=False)))
        holds(again.to_dict() == finding.to_dict(), f"{said} is not the same after a way through JSON")

    def test_clean_rows_have_nothing(self) -> None:
        for name in ("clean", "clean images"):
            found = self.found(name) if name in TABLES else []
            holds(not found, f"on {name} rows it finds {[finding.message for finding in found]}")

    def test_same_again(self) -> None:
        for name in ("messy", "mixed"):
            first = [finding.to_dict() for finding in self.found(name)]
            context = context_of(name)
            np.random.seed(7)  # noqa: NPY002  # nothing may hang on numpy's global state
            anew = TableContext(context.table, context.recipe, other=context.other)
            second = [f.to_dict() for f in self.check().measure(anew)] if suits(self.check(), context.table) else []
            holds(first == second, f"on the table {name} it finds something else the second time")

    def test_changes_nothing(self) -> None:
        context = context_of("messy")
        table = context.table
        before = table.frame.clone(), table.given_labels().copy()
        if suits(self.check(), table):
            self.check().measure(context)
        same = table.frame.equals(before[0]) and np.array_equal(table.given_labels(), before[1])
        holds(same, "it changes the table")

    def test_odd_tables_are_no_crash(self) -> None:
        """Constant, empty and huge columns, ten rows, a class without rows, rows without labels, no target, and rows of
        several labels."""
        for name in ("odd", "tiny", "absent", "unlabelled", "few groups", "no target", "several labels"):
            self.found(name)

    # ----

    def found(self, name: str) -> list[Finding]:
        """What it finds on a table, as an audit would run it; once for all promises."""
        return found_by(self.check, name)


def check_suite(check: type[Check]) -> type[CheckSuite]:
    """The suite for one check: `TestMine = check_suite(MyCheck)`."""
    return type(f"Test_{check.name}", (CheckSuite,), {"check": check, "__doc__": CheckSuite.__doc__})
