"""Weak slices: parts of the rows where the model is wrong more often than it is on other rows it is as sure about."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from melior.checks._base import Check, Context
from melior.checks._copies import copies
from melior.checks._slice_sums import Judged, Sums, blocks_of, judge
from melior.checks._slices import Cuts, Slice, cuts
from melior.checks._statistics import answered, count, log_losses, share
from melior.data.table import Floats, Rows
from melior.findings import Finding

FEWEST_ROWS = 100
SMALLEST = 20  # rows of a slice
LARGEST = 0.5  # share of the rows; the complement of a larger one is the slice
MOST_ROWS = 20_000
MOST_NAMED = 5
LEVEL = 0.01  # that any slice is named on rows where none is weak
SHUFFLES = 399
BLOCK = 25  # rows of equal sureness that are shuffled among themselves
MOST_BLOCKS = 400
MATTERS = 0.05  # one row in twenty more that is wrong
STILL = 2.33  # z of a parent's other rows, one-sided 1 %


@dataclass(frozen=True)
class Weak:
    """A slice that was found, where it was (rows: positions in the table), and how it was judged."""

    slice: Slice
    rows: Rows
    z: float
    limit: float
    p: float
    excess: float
    hard: bool  # judged against all rows, not against rows of equal sureness


class WeakSlice(Check):
    """Looks for slices in which out-of-fold answers are wrong more often than on other rows with the same answer and
    the same sureness.

    Rows near the border between classes are wrong more often in any data, and a model that knows it is less sure there;
    that is no fault of a slice. So rows are put in blocks of 25 with the same answer and the nearest sureness, mistakes
    are compared within blocks, and shuffled within blocks for the null (max-T over all slices at once, 1 % for a whole
    table, half of it for the test below). Slices are runs of quantile bins, categories, missing values, parts of time,
    lengths of texts, groups of similar rows, and pairs of columns in quarters, of 20 rows to half of all. Where a value
    is missing or a text empty, the model may know well that it is less sure: there mistakes are compared with all other
    rows as well.

    A slice is named where its rows are wrong more often by at least five in a hundred. Of slices that overlap the one
    of the largest z is named, the others only if their remaining rows pass alone; a pair of columns gives way to one
    of them whose other rows are weak too. Severity is the share of mistakes beyond what is expected. Repeated rows
    count once. Of more than 20,000 rows a sample is tested; the rows named are all rows of the slice. In a model that
    gives one answer nearly always, mistakes on the other answers are too few to be seen here.
    """

    symptoms = frozenset({"weak_slice"})
    cost = "model"
    for_people = True
    needs_target = True

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        known = answered(table, FEWEST_ROWS)
        if known is None:
            return []
        rows = known[0]
        scores = context.out_of_fold()
        generator = np.random.default_rng([context.seed, 43])
        tested = counted_once(context, rows)
        if len(tested) > MOST_ROWS:
            tested = np.sort(generator.choice(tested, MOST_ROWS, replace=False))
        answers = scores.argmax(axis=1)
        wrong = (answers != table.labels).astype(np.float64)
        if not 0 < wrong[tested].sum() < len(tested):
            return []
        cut = cuts(table, context.embedding(), np.asarray(answers, dtype=np.int64), context.seed)
        if not cut.axes:
            return []
        found = weakest(cut, tested, scores, wrong, generator)
        return [self.told(context, one, rows, tested, scores, wrong) for one in found]

    def told(
        self, context: Context, one: Weak, rows: Rows, tested: Rows, scores: Floats, wrong: Floats
    ) -> Finding:  # fmt: skip
        from melior.metrics.intervals import wilson

        table = context.table
        inside = np.isin(rows, one.rows)
        here, rest = rows[inside], rows[~inside]
        right, right_rest = 1 - wrong[here], 1 - wrong[rest]
        low, high = wilson(float(right.sum()), len(here))
        low_rest, high_rest = wilson(float(right_rest.sum()), len(rest))
        surprise = log_losses(scores[rows], table.given_labels()[rows])[inside]
        order = np.argsort(-surprise, kind="stable")
        sampled = "" if len(tested) == len(rows) else f" Found on {count(len(tested))} rows."
        expected = share(min(1.0, float(right.mean()) + one.excess))
        known = "" if one.hard else f" As sure as it is there, it would be right in {expected} elsewhere."
        return Finding(
            symptom="weak_slice",
            severity=float(np.clip(one.excess, 0.0, 1.0)),
            message=(
                f"Where {one.slice.rule} ({count(len(here))} rows, {share(len(here) / len(rows))}), the model is right "
                f"in {share(right.mean())} of the rows ({share(low)} to {share(high)}); on the others in "
                f"{share(right_rest.mean())} ({share(low_rest)} to {share(high_rest)}).{known}{sampled}"
            ),
            measured={
                "slice": one.slice.rule,
                "rows": len(here),
                "share": len(here) / len(rows),
                "accuracy": float(right.mean()),
                "accuracy_interval": [low, high],
                "accuracy_outside": float(right_rest.mean()),
                "accuracy_outside_interval": [low_rest, high_rest],
                "metric": context.recipe.metric,
                "score": context.metric_value(scores, here),
                "score_outside": context.metric_value(scores, rest),
                "excess_of_mistakes": one.excess,
                "z": one.z,
                "p": one.p,
                "compared_with": "all other rows" if one.hard else "rows of the same answer and sureness",
                "rows_tested": len(tested),
            },
            threshold=one.limit,
            threshold_from="largest z of all slices when mistakes are shuffled (max-T), 0.5 % a table and test",
            columns=tuple(dict.fromkeys(one.slice.columns)),
            rows=table.row_ids[here[order]],
            row_scores=surprise[order],
        )


def counted_once(context: Context, rows: Rows) -> Rows:
    """The rows without repeats of earlier ones, which are wrong together and would count as many."""
    repeats = [cluster[1:] for cluster in copies(context.table).clusters]
    return np.setdiff1d(rows, np.concatenate(repeats)) if repeats else rows


def weakest(cut: Cuts, rows: Rows, scores: Floats, wrong: Floats, generator: np.random.Generator) -> list[Weak]:
    """The weak slices among the rows at these positions, the clearest first."""
    sums = Sums(cut, rows)
    size = sums(np.ones(len(rows)))
    sums.keep((size >= SMALLEST) & (size <= LARGEST * len(rows)))
    if not sums.slices:
        return []
    losses = wrong[rows]
    answers, sure = scores[rows].argmax(axis=1), scores[rows].max(axis=1)
    order = np.lexsort((sure, answers))
    edges = np.flatnonzero(np.diff(answers[order])) + 1
    blocks, many = blocks_of(order, max(BLOCK, len(rows) // MOST_BLOCKS), edges)
    found = chosen(cut, sums, rows, losses, blocks, judge(sums, losses, blocks, many, LEVEL / 2, SHUFFLES, generator))
    absent = np.array([one.absent for one in sums.slices])
    if absent.any():
        sums.keep(absent)
        plain = np.zeros(len(rows), dtype=np.int64)
        judged = judge(sums, losses, plain, 1, LEVEL / 2, SHUFFLES, generator)
        known = {one.slice.rule for one in found}
        more = chosen(cut, sums, rows, losses, plain, judged, hard=True)
        found += [one for one in more if one.slice.rule not in known]
    return found[:MOST_NAMED]


def chosen(
    cut: Cuts, sums: Sums, rows: Rows, losses: Floats, blocks: Rows, judged: Judged, *, hard: bool = False
) -> list[Weak]:
    """Of the slices beyond the limit those that say something new: the largest z first, then those whose rows that no
    chosen slice has are beyond the limit as well."""

    def z_of(inside: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
        """z of the rows inside against the other rows among these."""
        number = np.unique(blocks[among], return_inverse=True)[1]
        here, values = inside[among], losses[among]
        counts, own = np.bincount(number), np.bincount(number, weights=here)
        rest = values - (np.bincount(number, weights=values) / counts)[number]
        spread = np.bincount(number, weights=rest**2) / np.maximum(counts - 1, 1)
        return float(rest[here].sum() / np.sqrt((own * (1 - own / counts)) @ spread + 1.0))

    def z_in(mask: NDArray[np.bool_], free: NDArray[np.bool_]) -> float:
        return z_of(mask[rows] & free, free)

    beyond = np.flatnonzero((judged.z > judged.limit) & (judged.excess >= MATTERS))
    beyond = beyond[np.argsort(-judged.z[beyond], kind="stable")][:500]
    masks: dict[int, NDArray[np.bool_]] = {int(n): cut.inside(sums.slices[n])[rows] for n in beyond}
    single = [n for n in masks if len(sums.slices[n].at) == 1]
    covered = np.zeros(len(rows), dtype=bool)
    found: list[Weak] = []
    for number in masks:
        own = masks[number]
        fresh = own & ~covered
        if fresh.sum() < max(SMALLEST, own.sum() / 2) or z_of(fresh, ~covered) <= judged.limit:
            continue
        if len(sums.slices[number].at) > 1:
            columns = set(sums.slices[number].columns)
            for parent in single:
                wide = masks[parent]
                others = wide & ~own & ~covered
                holds = set(sums.slices[parent].columns) <= columns and (own & wide).sum() >= 0.9 * own.sum()
                if holds and others.sum() >= SMALLEST and z_of(others, ~covered & ~own) > STILL:
                    number, own = parent, wide
                    break
        one = sums.slices[number]
        if len(one.at) > 1:
            one = refined(cut, one, partial(z_in, free=~covered))
            own = cut.inside(one)[rows]
        covered |= own
        z, p, excess = (float(values[number]) for values in (judged.z, judged.p, judged.excess))
        found.append(Weak(one, np.flatnonzero(cut.inside(one)), z, judged.limit, p, excess, hard))
        if len(found) == MOST_NAMED:
            break
    return found


def refined(cut: Cuts, one: Slice, z_of: Callable[[NDArray[np.bool_]], float]) -> Slice:
    """A pair of quarters with its ends moved to the finer ends of the same columns where that raises z: the mistakes
    there are already beyond chance, now the ends are described as well as the rows allow."""
    best, best_z = one, z_of(cut.inside(one))
    for turn in range(2 * len(one.at)):
        place = turn % len(one.at)
        kept = best.at[1 - place]
        axis = cut.coarse.get(one.at[place][0])
        if axis is None or cut.axes[axis].size <= cut.axes[one.at[place][0]].size:
            continue
        other = cut.inside(Slice((kept,), "", ()))
        for span in range(len(cut.axes[axis].spans)):
            mask = other & cut.inside(Slice(((axis, span),), "", ()))
            if mask.sum() < SMALLEST or span in cut.axes[axis].absent:
                continue
            z = z_of(mask)
            if z > best_z:
                at = ((axis, span), kept) if place == 0 else (kept, (axis, span))
                rules = [cut.axes[number].rules[which] for number, which in at]
                best, best_z = Slice(at, " and ".join(rules), one.columns), z
    return best
