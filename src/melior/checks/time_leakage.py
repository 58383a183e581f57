"""Time leakage: later rows help to answer earlier ones, so a random split promises more than the future will give."""

from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from melior.checks._base import Check, Context
from melior.checks._statistics import full_length, labelled, log_losses, mean_interval, permutation_z, share
from melior.data.table import Floats, Rows, Table
from melior.findings import Finding

MOST_FITS = 2
FALSE_RATE = 1e-3
PERIODS = 10
FEWEST_ROWS = 100
MOST_ROWS = 20_000  # whose order in time is looked at


class TimeLeakage(Check):
    """Scores of folds drawn at random against folds that test on later rows only, and drift of the answers.

    moves  the shares of the answers differ between ten periods (chi-squared), or rows next to each other in time carry
           the same answer, or are mistaken alike, more often than shuffled ones; or the values of a number column
           differ between the periods (Kruskal-Wallis)
    gap    on the latest rows, for which the time split has learned from all that came before, its log loss is higher
           than that of the random split by more than the 99 % interval

    Both: certain. Only the answers' drift: a hint. A column that moves is none, most do where there is time. A gap
    alone is not named, it may be a matter of fewer rows. Severity is the part of the score above chance that is lost,
    for a hint at most 0.3.
    """

    symptoms = frozenset({"time_leakage"})
    reads = frozenset({"time"})
    cost = "model"
    needs_target = True

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        rows = labelled(table.labels)
        if table.labels is None or len(rows) < FEWEST_ROWS or context.recipe.split.kind == "time":
            return []
        if len(np.unique(table.labels[rows])) < 2:
            return []
        found = []
        for name in table.of_kind("time"):
            moments = table.column(name).dt.epoch("us").cast(pl.Float64).fill_null(float("nan")).to_numpy()
            known = rows[np.isfinite(moments[rows])]
            if len(known) < FEWEST_ROWS or len(np.unique(moments[known])) < PERIODS:
                continue
            ordered = known[np.argsort(moments[known], kind="stable")]
            found.append(self.judged(context, name, ordered, 1 / max(1, len(table.of_kind("time")))))
        return [finding for finding in found[:MOST_FITS] if finding is not None]

    def judged(self, context: Context, name: str, ordered: Rows, part: float) -> Finding | None:
        table = context.table
        labels = table.given_labels()
        drawn = context.out_of_fold()
        drift = drift_p(labels[ordered])
        generator = np.random.default_rng(context.seed)
        z = permutation_z(lambda v: float((v[1:] == v[:-1]).mean()), labels[ordered], generator)
        missed = (drawn[ordered].argmax(axis=1) != labels[ordered]).astype(np.int32)
        z_missed = permutation_z(lambda v: float((v[1:] * v[:-1]).mean()), missed, generator)
        p = min(1.0, 3 * min(drift, float(stats.norm.sf(z)), float(stats.norm.sf(z_missed))))
        moves = p <= FALSE_RATE * part
        column, p_of_column = ("", 1.0) if moves else moved_most(table, ordered)
        if not moves and p_of_column > FALSE_RATE * part:
            return None
        scores, positions = context.score_under("time", name)
        later = full_length(scores, positions, len(table))
        latest = ordered[-max(20, len(ordered) // (context.recipe.split.folds + 1)) :]
        latest = latest[np.isin(latest, positions) & np.isfinite(later[latest, 0])]
        measured: dict[str, Any] = {"p_of_drift": drift, "z_of_neighbours": z, "z_of_errors": z_missed}
        gap = low = 0.0
        if len(latest) >= 20:
            losses = log_losses(later[latest], labels[latest]) - log_losses(drawn[latest], labels[latest])
            gap, low, high = mean_interval(losses)
            measured |= {"log_loss_gap": gap, "log_loss_gap_low": low, "log_loss_gap_high": high}
        random, honest = self.metrics(context, drawn, later, latest)
        measured |= {"score_random": random, "score_time": honest, "metric": context.recipe.metric, "rows": len(latest)}
        certain = low > 0 and honest < random
        if not moves and not certain:
            return None
        if column:
            measured |= {"column": column, "p_of_column": p_of_column}
        lost = float(np.clip((random - honest) / max(random, 1e-9), 0.05, 1.0))
        tenth = len(ordered) // PERIODS
        first, last = labels[ordered[:tenth]], labels[ordered[-tenth:]]
        most = int(np.argmax(np.abs(shares(first, len(table.classes)) - shares(last, len(table.classes)))))
        moved = (
            f"the values of {column!r} are others"
            if column
            else f"{table.classes[most]!r} went from {share(float((first == most).mean()))} to "
            f"{share(float((last == most).mean()))} of the rows"
        )
        said = (
            f"On the latest rows, folds drawn at random score {random:.3f} and a model of earlier rows {honest:.3f}"
            if certain
            else "The answers change over time, though the score does not suffer measurably"
        )
        return Finding(
            symptom="time_leakage",
            severity=lost if certain else min(0.3, lost),
            message=f"{said} ({moved} between the first and the last tenth by {name!r}). Split by time to know.",
            measured=measured,
            threshold=FALSE_RATE,
            threshold_from="chi-squared or Kruskal-Wallis over ten periods, and shuffled rows; 99 % interval of paired "
            "log losses",
            columns=(name,),
            certain=certain,
        )

    def metrics(self, context: Context, drawn: Floats, later: Floats, latest: Rows) -> tuple[float, float]:
        if not len(latest):
            return float("nan"), float("nan")
        return context.metric_value(drawn, latest), context.metric_value(later, latest)


def shares(labels: np.ndarray[Any, Any], classes: int) -> Floats:
    found: Floats = np.bincount(labels, minlength=classes) / max(1, len(labels))
    return found


def moved_most(table: Table, ordered: Rows) -> tuple[str, float]:
    """The number column whose values differ most between ten periods of equal length, and its p (Kruskal and Wallis,
    Use of Ranks in One-Criterion Variance Analysis, JASA 1952), times the number of columns. Of many rows some."""
    kept = ordered[np.linspace(0, len(ordered) - 1, min(len(ordered), MOST_ROWS)).astype(np.int64)]
    found = [("", 1.0)]
    names = table.of_kind("number")
    for name in names:
        values = table.column(name)[kept].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        parts = [part[np.isfinite(part)] for part in np.array_split(values, PERIODS)]
        parts = [part for part in parts if len(part) >= 5]
        if len(parts) > 1 and np.ptp(np.concatenate(parts)) > 0:
            found.append((name, min(1.0, float(stats.kruskal(*parts).pvalue) * len(names))))
    return min(found, key=lambda one: one[1])


def drift_p(labels: np.ndarray[Any, Any]) -> float:
    """p that the shares of the answers are the same in ten periods of equal length, rare classes put together."""
    counts = np.bincount(labels)
    kept = np.flatnonzero(counts >= 5 * PERIODS)
    folded = np.where(np.isin(labels, kept), labels, len(counts))
    _, folded = np.unique(folded, return_inverse=True)
    if folded.max() == 0:
        return 1.0
    period = np.arange(len(labels)) * PERIODS // len(labels)
    table = np.zeros((PERIODS, int(folded.max()) + 1))
    np.add.at(table, (period, folded), 1.0)
    return float(stats.chi2_contingency(table).pvalue)
