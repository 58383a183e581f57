"""Faults of the measurement, repaired before anything is tried: they make the score a lie, so no method treats them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Table
from melior.errors import UserError
from melior.findings import Finding, plain
from melior.improvement.ask import Ask, Question, costs_nothing, known_before, new_ones_come, nobody
from melior.recipe import Recipe
from melior.trials.together import same_rows


@dataclass(frozen=True)
class Repair:
    """One fault and what was done.

    symptom  target_leakage, split_overlap, group_leakage or time_leakage
    columns  the columns concerned
    message  what was done, in one sentence
    undo     the setting that keeps things as they were, empty where there is none
    before, after  the score with the fault and without it, as the check measured them; None where it did not
    scored_on  the rows that both are of, where those are not all; empty otherwise
    rows     rows (numbers in the file) that were set aside
    phrases  words that were taken out of the texts of a column, which stays
    """

    symptom: str
    columns: tuple[str, ...]
    message: str
    undo: str = ""
    before: float | None = None
    after: float | None = None
    rows: int = 0
    phrases: tuple[str, ...] = ()
    scored_on: str = ""

    def to_dict(self) -> dict[str, Any]:
        return dict(plain(self.__dict__))

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Repair":
        return cls(**{**given, "columns": tuple(given["columns"]), "phrases": tuple(given.get("phrases", ()))})


@dataclass(frozen=True)
class Repaired:
    """The recipe after repair.

    reseal   the sealed part must be drawn again, by the recipe's new split
    assumed  what was not answered, taken for granted and left as it is
    """

    recipe: Recipe
    repairs: tuple[Repair, ...]
    reseal: bool
    assumed: tuple[Question, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(question.assumed() for question in self.assumed)


def repair_recipe(recipe: Recipe, findings: Sequence[Finding], *, separate_test: bool, ask: Ask = nobody) -> Repaired:
    """Leaves out the columns that are the answer in disguise, and splits by group or time where rows leak across.

    Where only the user can know whether it is a fault, `ask` is asked. Without an answer the careful reading is the
    default, and the repair says how to undo it: a score that is too good is believed, one that is too low is looked
    into. So rows of one group are kept together where that lowers the score, and a suspected column that alone says
    more of the answer than all others together is left out, as is one without which the score is the same. A column
    that is suspected on less stays. What was answered
    stands in the recipe, so that it is asked once. A split that the recipe names stays what it is.
    """
    repairs: list[Repair] = []
    assumed: list[Question] = []
    reseal = False
    for finding in findings:
        if finding.symptom == "target_leakage" and finding.columns:
            told = [column for column in finding.columns if column not in recipe.data.known_at_prediction]
            if not told:
                continue
            answer = None
            if not finding.certain:
                question = known_before(finding)
                answer = ask(question)
                if answer:
                    recipe = recipe.with_data(known_at_prediction=(*recipe.data.known_at_prediction, *told))
                elif answer is None and question.default:
                    assumed.append(question)
                if question.default if answer is None else answer:
                    continue
            phrases = tuple(finding.measured.get("take_out", ()))
            if phrases:
                before = recipe.data.without
                every = tuple(dict.fromkeys((*before.get(told[0], ()), *phrases)))
                recipe = recipe.with_data(without={**before, told[0]: every})
            else:
                recipe = recipe.with_data(columns={**recipe.data.columns, **dict.fromkeys(told, "ignore")})
            repairs.append(_left_out(finding, told, phrases, said=answer is False))
        elif finding.symptom in ("group_leakage", "time_leakage") and recipe.split.kind == "auto":
            kind = "group" if finding.symptom == "group_leakage" else "time"
            if ask(new_ones_come(finding, kind)) is False:
                recipe = recipe.with_split(kind="stratified")
                continue
            recipe = recipe.with_split(kind=kind, column=finding.columns[0])
            reseal = reseal or not separate_test
            repairs.append(_split_by(finding, kind))
    return Repaired(recipe, tuple(repairs), reseal, tuple(assumed))


def _left_out(finding: Finding, columns: Sequence[str], phrases: tuple[str, ...], *, said: bool) -> Repair:
    """phrases: of a column that stays; said: whether the user was asked and said so."""
    named = ", ".join(map(repr, columns))
    if phrases:
        message = f"took the words {', '.join(map(repr, phrases))} out of {named}: they give the answer away"
        undo = "" if said else f"data.known_at_prediction: [{', '.join(columns)}]"
        return Repair("target_leakage", tuple(columns), message, undo, phrases=phrases)
    gaps = finding.measured.get("kind") == "gaps"
    why = "alone it says more than all other columns together"
    if not finding.certain and not finding.measured.get("beats_all_others") and costs_nothing(finding):
        why = "it looks like the answer in disguise, and the score is the same without it"
    elif finding.certain or gaps:
        why = "whether it is missing gives the answer away" if gaps else "it gives the answer away"
    message = (
        f"left out {named}, which you say is not known before the answer is"
        if said
        else f"left out {named}: {why}; if it is known before the answer is, say so and it stays"
    )
    return Repair(
        "target_leakage",
        tuple(columns),
        message,
        "" if said else f"data.known_at_prediction: [{', '.join(columns)}]",
        finding.measured.get("score_with"),
        finding.measured.get("score_without"),
    )


def _split_by(finding: Finding, kind: str) -> Repair:
    column = finding.columns[0]
    how = "no value of it is on both sides" if kind == "group" else "later rows are held out"
    latest = finding.measured.get("rows", 0) if kind == "time" else 0
    return Repair(
        finding.symptom,
        (column,),
        f"split by {column!r}: {how}, as it will be for new rows",
        "split.kind: stratified",
        finding.measured.get("score_random"),
        finding.measured.get(f"score_{kind}"),
        scored_on=f"the latest {latest:,} rows" if latest else "",
    )


def ignoring(table: Table, repairs: Sequence[Repair]) -> Table:
    """The table without the columns, and the words of texts, that repairs left out."""
    leaks = [repair for repair in repairs if repair.symptom == "target_leakage"]
    gone = [column for repair in leaks if not repair.phrases for column in repair.columns]
    words: dict[str, tuple[str, ...]] = {}
    for repair in leaks:
        if repair.phrases:
            words[repair.columns[0]] = (*words.get(repair.columns[0], ()), *repair.phrases)
    table = table.without_phrases(words)
    return table.without_columns(gone) if gone else table


def separate(
    development: Table, sealed: Table, *, separate_test: bool, fewest: int = 1
) -> tuple[Table, Table, Repair | None]:
    """Takes rows out that stand in both parts: out of the sealed part, where enough of it is left; otherwise out of
    the rows to train on, of which at least `fewest` must be left, and of two classes where there were two."""
    own, others = same_rows(development, sealed)
    assert others is not None
    twice = np.isin(others, own)
    if not twice.any():
        return development, sealed, None
    left = sealed.take(~twice)
    classes_left = len(np.unique(left.combinations())) if left.has_answers else 0
    where = "the test file" if separate_test else "the sealed part"
    count = int(twice.sum())
    share = count / sealed.rows
    if left.rows >= max(30, 0.3 * sealed.rows) and classes_left >= 2:
        said = f"left {count:,} rows ({share:.1%}) out of {where}: rows that look the same to the model are trained on"
        return development, left, Repair("split_overlap", (), said, rows=count)
    kept = ~np.isin(own, others)
    _must_teach(development, kept, fewest, where, separate_test)
    said = f"left {int((~kept).sum()):,} rows out of training: rows that look the same to the model stand in {where}"
    return development.take(kept), sealed, Repair("split_overlap", (), said, rows=int((~kept).sum()))


def _must_teach(table: Table, kept: NDArray[np.bool_], fewest: int, where: str, separate_test: bool) -> None:
    """UserError where too little is left of the rows to train on."""
    left = int(kept.sum())
    before, after = (len(np.unique(codes)) for codes in (table.combinations(), table.combinations()[kept]))
    if left >= fewest and (after >= 2 or before < 2):
        return
    do = "Give other rows to test on" if separate_test else "Add rows that differ, or columns in which they do"
    rows = f"all {table.rows:,}" if not left else f"{table.rows - left:,} of the {table.rows:,}"
    rest = "none is left" if not left else "the rest is too little"
    raise UserError(
        f"{table.name}: {rows} rows look the same to the model as rows of {where}, so {rest} to learn from. {do}."
    )


def as_read(table: Table, recipe: Recipe) -> Table:
    """The table as a repaired recipe reads it: with the kinds that it sets, without the words that it takes out."""
    kinds = {name: recipe.data.columns.get(name, kind) for name, kind in table.schema.kinds.items()}
    return table.with_schema(replace(table.schema, kinds=kinds)).without_phrases(recipe.data.without)
