"""Target leakage: a column that is the answer in disguise."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._each_label import each_label, one_of_columns
from melior.checks._leaks import (
    CLOSE_COPY,
    FEW_VALUES,
    FEWEST_ERRORS,
    LOOSE_COPY,
    NEARLY_THE_ANSWER,
    Marks,
    clumps,
    copy_explains,
    flat_within,
    marks,
)
from melior.checks._statistics import (
    codes,
    entropy,
    explained,
    full_length,
    labelled,
    mean_interval,
    mutual_information,
    roc_auc,
    share,
)
from melior.data.table import Floats, Labels, Rows, Table
from melior.findings import Finding

MOST_COLUMNS = 12  # that get a model of their own
MOST_SUSPECTS = 3  # for which all other columns are fitted without them
SCREEN = 0.5  # of what a copy explains: the screen sees sixteen bins and may miss a little
FEWEST_OF_CLASS = 20  # rows of a class that a gap may tell
FALSE_RATE = 0.01  # of the intervals of paired log losses
SLACK = 0.75  # of what a copy explains: what a small model learns of it from few rows


@dataclass(frozen=True)
class Suspect:
    """What a column says alone. kind: copy (few values or flat clumps), grade, or missing (its gaps). code: the class
    that gaps tell from the rest, which is all that two values can say. clumped: numbers with empty room between, of
    which nothing shows that their errors are flat."""

    column: str
    kind: str
    scores: Floats
    explains: float
    losses: Floats
    code: int | None = None
    clumped: bool = False


@dataclass(frozen=True)
class Proof:
    """What speaks for a leak.

    beats    says more than all other columns together        adds     all columns say more than the others alone
    apart    its errors have nothing to do with the others    opposed  it errs where the others point the other way
    nearly   explains nine tenths of the answer and more      close    as much as a copy with 5 % wrong
    alone    it is the only column
    """

    beats: bool
    adds: bool
    apart: bool
    opposed: bool
    nearly: bool
    close: bool
    alone: bool

    def verdict(self, kind: str, form: str, classes: int) -> Literal["honest", "asked", "certain"]:
        if self.alone:
            return "asked" if self.nearly else "honest"
        if kind == "grade":
            if self.beats:
                return "certain" if self.nearly else "asked"
            return "asked" if self.nearly and self.adds else "honest"
        if form == "clumps":  # many values that stand in clumps with flat errors: measurements do not look so
            if not (self.beats or self.adds or self.apart):
                return "honest"
            return "certain" if self.beats or self.apart else "asked"
        if self.nearly and (self.beats or form == "codes"):
            return "certain"
        if self.beats and (self.close or not self.opposed):
            return "certain" if self.apart else "asked"
        others_suffice = kind == "missing" or self.close or classes > 2
        return "asked" if self.apart and (self.adds or others_suffice) else "honest"


class TargetLeakage(Check):
    """Columns that say more of the answer than is honest, told from strong honest ones by the marks of `_leaks`.

    A column is named where it says as much as a copy of the answer with 13 % (a column that grades: 5 %) of its values
    wrong, and either says more than all other columns together, or is a copy by the pattern of its errors. It is
    certain where the errors are those of a copy, or where it is nearly the answer itself; anything less is a question
    to the user. Severity is the share of the answer's entropy that the column explains alone.

    Texts are what a model of texts is meant to read, so only their gaps are looked at. Columns in
    `data.known_at_prediction` are left out. Where a row may have several labels, each is looked at by itself: whether a
    row has it, the intervals as much wider as there are labels.
    """

    symptoms = frozenset({"target_leakage"})
    reads = frozenset({"number", "category", "time", "text", "language"})
    cost = "model"
    needs_target = True
    multilabel = True

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        if table.multilabel:
            return one_of_columns(each_label(self.measure, context))
        rows = labelled(table.labels)
        if table.labels is None or len(rows) < 20:
            return []
        labels = table.labels[rows]
        counts = np.bincount(labels, minlength=len(table.classes))
        if np.count_nonzero(counts) < 2 or np.sort(counts)[-2] < 5:
            return []
        suspects = self.suspects(context, rows, labels, counts)
        alike = [s.column for s in suspects if s.kind != "grade" or s.explains > NEARLY_THE_ANSWER]
        found = [
            finding
            for suspect in suspects[:MOST_SUSPECTS]
            if (finding := self.judged(context, suspect, alike, rows, labels, counts)) is not None
        ]
        return found

    def suspects(self, context: Context, rows: Rows, labels: Labels, counts: np.ndarray[Any, Any]) -> list[Suspect]:
        """Columns that say as much as a copy would, the strongest first."""
        table = context.table
        known = set(context.recipe.data.known_at_prediction)
        loose, close = copy_explains(LOOSE_COPY, counts), copy_explains(CLOSE_COPY, counts)
        whole = entropy(counts)
        screened: list[tuple[float, str]] = []
        found = []
        for name in table.features():
            if name in known:
                continue
            gaps = gap(table, name)[rows]
            code = gaps_tell(gaps, labels, counts) if gaps.any() and not gaps.all() else None
            if code is not None:
                scores = shares_by(gaps.astype(np.int64), labels, len(table.classes))
                found.append(Suspect(name, "missing", scores, *explained(scores, labels), code))
                continue
            told = screen(table, name, rows)
            if told is not None:
                screened.append((mutual_information(told, labels) / whole, name))
        worth = sorted((item for item in screened if item[0] > SCREEN * loose), key=lambda item: (-item[0], item[1]))
        for _, name in worth[:MOST_COLUMNS]:
            copied = self.in_clumps(table, name, rows, labels, counts)
            if copied is not None and copied.explains > SLACK * loose:
                found.append(copied)
                continue
            scores = context.score_of_column(name)[rows]
            explains, losses = explained(scores, labels)
            few = table.schema.kinds[name] != "number" or len(np.unique(table.numbers(name)[rows])) <= FEW_VALUES
            flat = marks(scores, None, labels, int(np.count_nonzero(counts))).flat
            wrong = float((scores.argmax(axis=1) != labels).mean())
            if (few or flat) and wrong <= LOOSE_COPY and explains > SLACK * loose:
                found.append(Suspect(name, "copy", scores, explains, losses))
            elif explains > close:
                found.append(Suspect(name, "grade", scores, explains, losses))
        return sorted(found, key=lambda suspect: (-suspect.explains, suspect.column))

    @staticmethod
    def in_clumps(table: Table, name: str, rows: Rows, labels: Labels, counts: np.ndarray[Any, Any]) -> Suspect | None:
        """A number column that is the answer written as a number, a little blurred, and sometimes wrong: what it says
        by its clumps; None for any other, and where it errs too seldom to be told from a clear measurement."""
        if table.schema.kinds[name] != "number":
            return None
        values = table.numbers(name)[rows]
        groups = clumps(values, counts) if len(np.unique(values[np.isfinite(values)])) > FEW_VALUES else None
        if groups is None:
            return None
        scores = shares_by(groups, labels, len(table.classes))
        errs = scores.argmax(axis=1) != labels
        if not FEWEST_ERRORS <= errs.sum() <= LOOSE_COPY * len(labels):
            return None
        flat = flat_within(values, groups, errs)
        return Suspect(name, "copy", scores, *explained(scores, labels), clumped=not flat)

    def judged(
        self,
        context: Context,
        suspect: Suspect,
        alike: list[str],
        rows: Rows,
        labels: Labels,
        counts: np.ndarray[Any, Any],
    ) -> Finding | None:
        table = context.table
        level = 1 - FALSE_RATE / context.targets
        classes = int(np.count_nonzero(counts))
        column = suspect.column
        without = context.score_without((column,))
        # gaps are held against what the others know of the class that gaps tell, not of all classes
        said, rest_said, whole_said, answer = suspect.scores, without[rows], context.out_of_fold()[rows], labels
        if suspect.code is not None and classes > 2:
            said, rest_said, whole_said = (one_class(one, suspect.code) for one in (said, rest_said, whole_said))
            answer, classes = (labels == suspect.code).astype(labels.dtype), 2
        rest, rest_losses = explained(rest_said, answer)
        explains, losses = explained(said, answer)
        beats = mean_interval(rest_losses - losses, level=level)[1] > 0
        if not beats and column in alike and 1 < len(alike) <= 4 and suspect.explains > NEARLY_THE_ANSWER:
            # two leaks hide each other: what do the others say without both?
            beyond_losses = explained(context.score_without(tuple(sorted(alike)))[rows], labels)[1]
            beats = mean_interval(beyond_losses - suspect.losses, level=level)[1] > 0
        whole, whole_losses = explained(whole_said, answer)
        found = marks(said, rest_said, answer, classes)
        proof = Proof(
            beats=beats,
            adds=mean_interval(rest_losses - whole_losses, level=level)[1] > 0,
            # where the others know nothing, how the errors lie to them tells nothing
            apart=found.apart and rest > 0.1,
            opposed=found.elsewhere < 0.5 and not found.apart and rest > 0.1,
            nearly=explains > NEARLY_THE_ANSWER,
            close=explains > copy_explains(CLOSE_COPY, np.bincount(answer)),
            alone=len(table.features()) == 1,
        )
        form = "codes" if suspect.kind == "missing" else self.form(table, column, rows, classes)
        form = "few" if suspect.clumped else form
        verdict = proof.verdict(suspect.kind, form, classes)
        if verdict == "honest":
            return None
        certain = verdict == "certain"
        suspect = replace(suspect, explains=explains, losses=losses)  # of the one class that gaps tell
        found_ = self.finding(context, suspect, found, without, (rest, whole), certain, rows, labels, answer)
        return replace(found_, measured={**found_.measured, "beats_all_others": proof.beats})

    @staticmethod
    def form(table: Table, column: str, rows: Rows, classes: int) -> str:
        """codes: as many values as classes, like the answer written in another way; few; or clumps."""
        values = table.column(column)[rows]
        distinct = values.drop_nulls().n_unique()
        if table.schema.kinds[column] in ("category", "number", "language") and distinct <= classes:
            return "codes"
        return "clumps" if table.schema.kinds[column] == "number" and distinct > FEW_VALUES else "few"

    def finding(
        self,
        context: Context,
        suspect: Suspect,
        found: Marks,
        without: Floats,
        explains: tuple[float, float],
        certain: bool,
        rows: Rows,
        labels: Labels,
        answer: Labels,
    ) -> Finding:
        table, column = context.table, suspect.column
        every = context.out_of_fold()
        alone = full_length(suspect.scores, rows, len(table))
        areas = [roc_auc(scores[rows], labels) for scores in (alone, without, every)]
        what = f"whether {column!r} is missing" if suspect.kind == "missing" else f"{column!r}"
        counts = np.bincount(answer)
        limit = copy_explains(CLOSE_COPY if suspect.kind == "grade" else LOOSE_COPY, counts)
        others = "there is no other column" if len(table.features()) == 1 else f"all other columns {areas[1]:.3f}"
        says = "is the answer in disguise" if certain else "looks like the answer in disguise"
        ask = "" if certain else " If it is known before the answer is, name it in data.known_at_prediction."
        return Finding(
            symptom="target_leakage",
            severity=min(1.0, max(0.0, suspect.explains)),
            message=f"{what} {says}: alone it gives an ROC-AUC of {areas[0]:.3f}, {others}.{ask}",
            measured={
                "score_alone": context.metric_value(alone, rows),
                "score_without": context.metric_value(without, rows),
                "score_with": context.metric_value(every, rows),
                "metric": context.recipe.metric,
                "roc_auc_alone": areas[0],
                "roc_auc_without": areas[1],
                "roc_auc_with": areas[2],
                "explains_alone": suspect.explains,
                "explains_without": explains[0],
                "explains_with": explains[1],
                "wrong": found.wrong,
                "errors_by_own_doubt": found.doubt,
                "errors_by_others": found.elsewhere,
                "kind": suspect.kind,
            },
            threshold=limit,
            threshold_from="what a copy of the answer with "
            + share(CLOSE_COPY if suspect.kind == "grade" else LOOSE_COPY)
            + " of its values wrong explains; paired log losses against the other columns at 99 %",
            columns=(column,),
            certain=certain,
        )


def gaps_tell(gaps: np.ndarray[Any, Any], labels: Labels, counts: np.ndarray[Any, Any]) -> int | None:
    """The class of which what is missing says as much as a loose copy of "this class or another" would, and most;
    None where there is none: two values cannot say more of many classes."""
    found: tuple[float, int] | None = None
    for code in np.flatnonzero(counts >= FEWEST_OF_CLASS):
        own = (labels == code).astype(np.int64)
        halves = np.bincount(own, minlength=2)
        told = mutual_information(gaps.astype(np.int64), own)
        share_told = told / entropy(halves) if halves.min() > 0 else 0.0
        if (
            share_told > 0
            and share_told > copy_explains(LOOSE_COPY, halves)
            and (found is None or share_told > found[0])
        ):
            found = share_told, int(code)
    return None if found is None else found[1]


def one_class(scores: Floats, code: int) -> Floats:
    """(rows, 2) scores of another class, and of this one."""
    own = scores[:, code]
    found: Floats = np.column_stack([1 - own, own])
    return found


def gap(table: Table, name: str) -> np.ndarray[Any, Any]:
    values = table.column(name)
    found: np.ndarray[Any, Any] = values.is_null().to_numpy()
    return found


def screen(table: Table, name: str, rows: Rows) -> Rows | None:
    """The column as small whole numbers; None for what is not looked at."""
    kind = table.schema.kinds[name]
    if kind == "number":
        return codes(table.numbers(name)[rows])
    if kind == "time":
        moments = table.column(name).dt.epoch("us").cast(float).fill_null(float("nan")).to_numpy()
        return codes(moments[rows])
    if kind == "text":
        return None
    values = table.column(name)[rows].fill_null("").rank("dense").to_numpy().astype(np.int64) - 1
    return values if len(values) and values.max() < len(values) / 2 else None


def shares_by(groups: Rows, labels: Labels, classes: int) -> Floats:
    """(rows, classes) share of each class in the row's group, half a row of the whole added."""
    prior = np.bincount(labels, minlength=classes) / len(labels)
    table = np.zeros((int(groups.max()) + 1, classes))
    np.add.at(table, (groups, labels), 1.0)
    table = (table + 0.5 * prior) / (table.sum(axis=1, keepdims=True) + 0.5)
    found: Floats = table[groups]
    return found
