"""Label noise: some rows carry the wrong answer."""

from typing import Any

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._copies import Copies, copies
from melior.checks._dimension import components
from melior.checks._each_label import each_label
from melior.checks._noise import Noise, estimate_noise
from melior.checks._statistics import count, labelled, share
from melior.findings import Finding

NEIGHBOURS = 20
FALSE_RATE = 5e-3
DOUBTED = 0.02  # below it there is a question, though the data leave it open which rows it is about
FEWEST_ROWS = 50
ROWS_A_COLUMN = 10  # fewer, and what a model cannot learn looks much like labels that are wrong
MOST_OF_TWO = 1 / 3
MOST_CERTAIN = 0.15  # beyond, a cause of the answer that is not among the columns is as good an explanation


class LabelNoise(Check):
    """Looks for a floor under the disagreement between the given labels and a model that did not see the row.

    The floors give the noise matrix, P(given label | true label); with it each row gets the probability that its
    label is wrong if there are wrong labels at all. Times the probability that there are, it is that of the row; rows
    where that is above one half are named, the likeliest first. So weak evidence names the few surest rows, and none
    where the data leave it open whether there are wrong labels: from p of 0.02 on there is no finding without rows.
    Severity is the estimated share of wrong labels, doubled (half wrong is as bad as it gets), times the probability
    that there are any.

    The finding is a question unless p is below 0.005. A cause of the answer that no column tells makes the same pattern
    as labels wrong at random, so it is one beyond 15 % too. With fewer than ten rows a number column (columns that
    repeat each other count once) what a model cannot learn looks much like labels that are wrong: there the evidence
    (the log likelihood ratio) counts for less, in proportion to the rows, and the finding is a question as well.
    `corrects_scores` says whether the noise matrix is sure enough to correct scores with: p below 0.005, at least ten
    rows a column, and of two classes at most a third of the labels wrong.

    A second finding names copies of a row that carry different answers.

    Where a row may have several labels, each is looked at by itself (p as much smaller as there are labels), and each
    that is wrong somewhere has a finding: the label is missing in a row, or stands there and should not.
    """

    symptoms = frozenset({"label_noise"})
    cost = "model"
    needs_target = True
    multilabel = True

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        if table.multilabel:
            return [*self.unlike(context), *each_label(self.floors, context)]
        return [*self.unlike(context), *self.floors(context)]

    def unlike(self, context: Context) -> list[Finding]:
        """Copies with different answers."""
        table = context.table
        answers = np.where(table.answered(), table.combinations(), -1) if table.has_answers else np.empty(0)
        conflicts = conflicting(copies(table), answers) if (answers >= 0).sum() >= 2 else []
        return [self.contradiction(context, conflicts)] if conflicts else []

    def floors(self, context: Context) -> list[Finding]:
        """Wrong labels beyond what overlapping classes leave."""
        table = context.table
        rows = labelled(table.labels)
        labels = table.labels
        if labels is None or len(rows) < 2:
            return []
        present = np.unique(labels[rows])
        if len(rows) < FEWEST_ROWS or len(present) < 2:
            return []
        noise = noise_of(context)
        if noise is None or (context.targets > 1 and noise.p >= FALSE_RATE / context.targets):
            return []  # of many labels one or the other would be named by chance
        named = np.flatnonzero(noise.sure * noise.wrong > 0.5)
        if not len(named) and noise.p >= DOUBTED:
            return []
        return [self.floor(context, noise, named[np.argsort(-noise.doubt[named], kind="stable")])]

    def floor(self, context: Context, noise: Noise, named: np.ndarray[Any, Any]) -> Finding:
        table = context.table
        rows = len(labelled(table.labels))
        enough = noise.weight == 1
        few = len(table.classes) > 2 or noise.rate < MOST_OF_TWO
        measured: dict[str, Any] = {
            "noise_rate": noise.rate,
            "noise_matrix": noise.matrix,
            "classes": list(table.classes),
            "p": noise.p,
            "probability": noise.sure,
            "corrects_scores": noise.p < FALSE_RATE and enough and few,
            "rows_named": len(named),
        }
        if len(named):
            message = (
                f"About {share(noise.rate)} of the labels of {table.target!r} look wrong: even where the model is "
                f"surest, that share disagrees with it. {count(len(named))} of {count(rows)} rows are more likely "
                f"wrong than right; look at them first."
            )
        else:
            message = (
                f"About {share(noise.rate)} of the labels of {table.target!r} may be wrong: that would explain them "
                f"better than classes that overlap (p {noise.p:.2g}), but {count(rows)} rows do not tell which it is, "
                f"nor which labels."
            )
        return Finding(
            symptom="label_noise",
            severity=min(1.0, 2 * noise.rate * noise.sure),
            message=message,
            measured=measured,
            threshold=FALSE_RATE / context.targets,
            threshold_from="likelihood ratio of floors against none; above it the finding is a question",
            columns=(table.target,) if table.target else (),
            rows=table.row_ids[named],
            row_scores=noise.doubt[named],
            certain=noise.p < FALSE_RATE and enough and noise.rate < MOST_CERTAIN,
        )

    def contradiction(self, context: Context, conflicts: list[np.ndarray[Any, Any]]) -> Finding:
        table = context.table
        members = np.concatenate(conflicts)
        part = len(members) / len(table)
        return Finding(
            symptom="label_noise",
            severity=min(1.0, part),
            message=(
                f"{count(len(members))} rows ({share(part)}) are copies of one another and carry different answers: "
                f"in each of the {count(len(conflicts))} groups a label must be wrong, or a column is missing."
            ),
            measured={"groups": len(conflicts), "rows": len(members), "share": part},
            threshold=1.0,
            threshold_from="copies beyond what chance gives; any two of them with different labels",
            columns=(table.target,) if table.target else (),
            rows=table.row_ids[members],
        )


def weight_of(context: Context) -> float:
    """The part of the evidence that counts: 1, or the rows over the ten a number column that would be enough, where
    columns that repeat each other count once."""
    numbers, _ = context.numbers()
    columns = components(numbers, np.random.default_rng(context.seed))
    return min(1.0, len(labelled(context.table.labels)) / max(1, ROWS_A_COLUMN * columns))


def noise_of(context: Context) -> Noise | None:
    """The noise of a table's given labels, from the scores that fit them best."""
    table = context.table
    neighbours = context.neighbours(min(NEIGHBOURS, len(table) - 1))[1]
    return estimate_noise(
        context.fitting_best(),
        table.given_labels(),
        neighbours,
        len(table.classes),
        np.random.default_rng(context.seed),
        weight=weight_of(context),
    )


def conflicting(found: Copies, labels: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """The clusters of copies that carry more than one label."""
    if not found.beyond_chance:
        return []
    return [c for c in found.clusters if len(np.unique(labels[c][labels[c] >= 0])) > 1]
