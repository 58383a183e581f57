"""`evaluate`: every metric with its interval, and the curves behind them."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from melior._version import __version__
from melior.data.read import read_like
from melior.data.table import Floats, Rows, Table
from melior.errors import UserError
from melior.findings import plain
from melior.metrics import (
    Confusion,
    Interval,
    PrecisionRecallCurve,
    Predictions,
    ReliabilityCurve,
    RocCurve,
    all_scores,
    confusion,
    precision_recall_curve,
    reliability_curve,
    roc_curve,
)
from melior.predictor import Predictor
from melior.progress import Progress, silent
from melior.recipe import Recipe
from melior.runs.store import Run
from melior.trials.run import content_hash
from melior.trials.together import drawn_together
from melior.verbs.by_language import LanguageScore, by_language
from melior.verbs.examples import examples_of
from melior.verbs.learned_rows import made_from

if TYPE_CHECKING:
    from melior.trials.language_scores import LanguageScores

CURVES = 12  # classes whose curves are drawn, the commonest first


@dataclass(frozen=True)
class Evaluation:
    """Scores of one predictor on some rows. Where a row may have several labels there is no confusion table, and
    `label_rows` says how many rows have each. `by_language` has the scores of each language, where there are two.
    `notes` says what could not be read as the training rows were. `run` is the folder that holds them, where they are
    of `melior evaluate`."""

    metric: str
    scores: Mapping[str, Interval]
    confusion: Confusion | None = field(repr=False)
    roc: tuple[RocCurve, ...] = field(repr=False)
    precision_recall: tuple[PrecisionRecallCurve, ...] = field(repr=False)
    reliability: tuple[ReliabilityCurve, ...] = field(repr=False)
    classes: tuple[str, ...]
    rows: int
    on: str
    seconds: float = 0.0
    label_rows: Mapping[str, int] | None = field(default=None, repr=False)
    by_language: Mapping[str, LanguageScore] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)
    run: Path | None = field(default=None, repr=False, compare=False)

    def __getitem__(self, name: str) -> Interval:
        return self.scores[name]

    def to_dict(self) -> dict[str, Any]:
        return dict(
            plain(
                {
                    "metric": self.metric,
                    "rows": self.rows,
                    "on": self.on,
                    "classes": list(self.classes),
                    "scores": {
                        name: {"value": one.value, "low": one.low, "high": one.high}
                        for name, one in self.scores.items()
                    },
                    "confusion": None if self.confusion is None else self.confusion.to_dict(),
                    "roc": [curve.to_dict() for curve in self.roc],
                    "precision_recall": [curve.to_dict() for curve in self.precision_recall],
                    "reliability": [curve.to_dict() for curve in self.reliability],
                    "seconds": round(self.seconds, 3),
                    **({} if self.label_rows is None else {"label_rows": dict(self.label_rows)}),
                    **({"notes": list(self.notes)} if self.notes else {}),
                    **(
                        {"by_language": {name: one.to_dict() for name, one in self.by_language.items()}}
                        if self.by_language
                        else {}
                    ),
                }
            )
        )

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """What `to_dict` gave, also by way of JSON."""

        def number(value: Any) -> float:
            return float("nan") if value is None else float(value)

        table = given["confusion"]
        return cls(
            metric=given["metric"],
            scores={name: Interval(*(number(one[end]) for end in ("value", "low", "high")))
                    for name, one in given["scores"].items()},
            confusion=None if table is None else Confusion.from_dict(table),
            roc=tuple(map(RocCurve.from_dict, given["roc"])),
            precision_recall=tuple(map(PrecisionRecallCurve.from_dict, given["precision_recall"])),
            reliability=tuple(map(ReliabilityCurve.from_dict, given["reliability"])),
            classes=tuple(given["classes"]),
            rows=int(given["rows"]),
            on=given["on"],
            seconds=float(given["seconds"]),
            label_rows=given.get("label_rows"),
            by_language={name: LanguageScore.from_dict(one) for name, one in (given.get("by_language") or {}).items()},
            notes=tuple(given.get("notes", ())),
        )  # fmt: skip

    def overall(self) -> dict[str, Interval]:
        """The scores that are not of a single class."""
        return {name: one for name, one in self.scores.items() if "[" not in name}

    def __repr__(self) -> str:
        lines = [f"<Evaluation on {self.on}: {self.rows:,} rows>"]
        lines += [f"  {name:<28} {one}" for name, one in self.overall().items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(f"<tr><td>{escape(name)}</td><td>{one}</td></tr>" for name, one in self.overall().items())
        head = "<tr><th>metric</th><th>score and 95 % interval</th></tr>"
        return f"<p>{self.rows:,} rows of {escape(self.on)}</p><table>{head}{rows}</table>"


def measured(
    predictor: Predictor,
    table: Table,
    *,
    on: str,
    seed: int = 0,
    truth: Floats | None = None,
    trained: Table | None = None,
    groups: Rows | None = None,
) -> tuple[Evaluation, Floats, Any]:
    """The evaluation of a predictor on labelled rows, its probabilities and its answers.

    truth: label weights (rows, classes) when labels are known to be partly wrong; the labels as they are otherwise.
    trained: the training rows, to say how many of them are in each language.
    groups: (rows,) rows of one group are not independent, and are drawn together for the intervals
    """
    started = time.perf_counter()
    known = table.answered()
    if not known.all():
        table, truth, groups = table.take(known), None, None if groups is None else groups[known]
    if not table.rows:
        raise UserError(f"{table.name}: no row has a {table.target!r} to compare with.")
    scores = predictor.scores(table)
    answers = predictor.decided(scores)
    data = Predictions(table.truth() if truth is None else truth, scores, answers)
    # a correction counts rows less than nothing, which no curve can show: curves are of the labels as they stand
    shown = data if (data.truth >= 0).all() else Predictions(table.truth(), scores, answers)
    order = np.argsort(-np.array(list(table.target_counts().values())), kind="stable")
    one_curve = len(table.classes) == 2 and not table.multilabel
    codes = [1] if one_curve else [int(code) for code in order[:CURVES]]
    drawn = [of_label(shown, code) if table.multilabel else (shown, code) for code in codes]
    named = [(*one, table.classes[code]) for one, code in zip(drawn, codes, strict=True)]
    evaluation = Evaluation(
        metric=predictor.metric,
        scores=all_scores(data, table.classes, seed=seed, groups=groups),
        confusion=None if table.multilabel else confusion(shown, table.classes),
        roc=tuple(roc_curve(*one) for one in named),
        precision_recall=tuple(precision_recall_curve(*one) for one in named),
        reliability=tuple(reliability_curve(*one) for one in named),
        classes=table.classes,
        rows=table.rows,
        on=on,
        seconds=time.perf_counter() - started,
        label_rows=table.target_counts() if table.multilabel else None,
        by_language=by_language(data, table, predictor.metric, seed=seed, trained=trained),
        notes=without_rows(table),
    )
    return evaluation, scores, answers


def without_rows(table: Table) -> tuple[str, ...]:
    """What is to be known of the scores where a class does not occur among the rows."""
    absent = [name for name, rows in table.target_counts().items() if not rows]
    if not absent or table.multilabel:
        return ()
    which = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
    only = len(table.classes) - len(absent) < 2
    areas = "; areas under curves need two classes" if only else ""
    return (
        f"no row scored is of {which}: means over all classes (macro_f1, macro_recall, macro_precision) count it as 0, "
        f"balanced_accuracy leaves it out{areas}",
    )


def of_label(data: Predictions, code: int) -> tuple[Predictions, int]:
    """What was said of one of several labels, as of two classes, and the class that says that it is so."""
    assert data.scores is not None
    so, said = data.truth[:, code], data.scores[:, code]
    two = Predictions(np.column_stack([1 - so, so]), np.column_stack([1 - said, said]), data.answers[:, code])
    return two, 1


def evaluate(
    what: Any, source: Any, *, run: str | Path | None = None, seed: int = 0, progress: Progress = silent
) -> "Evaluation | LanguageScores":
    """Scores a predictor on rows with known answers.

    what    a run folder, a Predictor, or anything with a `predictor` (what `train` and `improve` give back)
    source  a file, a frame or a Table; it must have the target's column. Rows in which that is empty are left out
    run     a folder for the scores and a report; for a run folder, `evaluations/NAME` inside it by default, where NAME
            ends with a few digits of the rows' hash if another file of that name was scored before
    """
    from melior.verbs.language import evaluate_language, is_language_run

    possible_seed(seed)
    if is_language_run(what):
        return evaluate_language(what, source, out=run, seed=seed, progress=progress)
    predictor, folder = predictor_of(what)
    progress("reading", 0, 3)
    notes: tuple[str, ...] = ()
    if isinstance(source, Table):
        table = source
    else:
        table = read_like(source, predictor.schema, need_target=True, missing_target="drop")
        notes = table.notes
    rows = content_hash(table)
    recipe = Run(folder).recipe() if folder is not None else Recipe(metric=predictor.metric)
    if run is None and folder is not None:
        run = own_folder(folder, table.name, recipe, rows)
    if run is not None:
        Run.checked(run, "evaluate", recipe, rows)  # before the rows are scored
    progress("scoring", 1, 3, f"{table.rows:,} rows")
    groups = drawn_together(table, recipe)
    evaluation, scores, answers = measured(predictor, table, on=table.name, seed=seed, groups=groups)
    if folder is not None and made_from(Run(folder), recipe, source):
        told = f"{table.name} is the file that the run was made from: among its rows are those it learned"
        notes = (*notes, f"{told}, so the scores say little of new rows")
    evaluation = replace(evaluation, notes=(*notes, *evaluation.notes))
    progress("writing", 2, 3)
    if run is not None:
        from melior.report import write

        evaluation = replace(evaluation, run=Path(run))
        made = Run.begin(run, "evaluate", recipe, rows)
        made.replace()
        made.write("scores.json", {**evaluation.to_dict(), "before": None})
        made.write("examples.json", examples_of(table, (), scored=table, scores=scores, answers=answers))
        made.finish(seconds=evaluation.seconds, name=table.name)
        write(made)
        if folder is not None and Path(run).is_relative_to(folder):
            Run(folder).renew_manifest()
    progress("done", 3, 3)
    return evaluation


def possible_seed(seed: int) -> None:
    """Refuses a seed that random numbers cannot begin from, where no recipe has looked at it."""
    if seed < 0:
        raise UserError(f"--seed is {seed}; give 0 or more.")


def own_folder(run: Path, name: str, recipe: Recipe, rows: str) -> Path:
    """Where inside a run the scores of a file go: what is there of another file of that name, or of the model before it
    was made anew, keeps its folder."""
    plain_name = run / "evaluations" / Path(name).name
    told = hashlib.sha256(f"{rows} {recipe.fingerprint()} {__version__}".encode()).hexdigest()[:8]
    return (
        plain_name
        if Run.takes(plain_name, "evaluate", recipe, rows)
        else plain_name.with_name(f"{plain_name.name}-{told}")
    )


def predictor_of(what: Any) -> tuple[Predictor, Path | None]:
    """A predictor, and the run folder it comes from where there is one."""
    if isinstance(what, Predictor):
        return what, None
    if isinstance(what, str | Path):
        return Run.open(what).predictor(), Path(what)
    found = getattr(what, "predictor", None)
    if isinstance(found, Predictor):
        return found, None
    raise UserError(f"a run folder or a predictor is needed, not {type(what).__name__}.")
