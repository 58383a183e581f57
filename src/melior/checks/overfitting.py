"""Overfitting: the model knows its own rows much better than new ones."""

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._statistics import entropy, explained, labelled, log_losses, mean_interval, share, temperature
from melior.findings import Finding

FEWEST_ROWS = 20
MATTERS = 0.1  # of the answer's entropy


class Overfitting(Check):
    """Log loss on new rows less log loss on the rows that were learned, against what holds on new rows.

    The gap is the optimism of the fit: for a model of p well-spent parameters about p / rows (Akaike 1974). It is a
    fault where its 99 % interval lies above the information that the model keeps on new rows, so that it remembers more
    than it knows (and above a tenth of the answer), and where the share of right answers falls too. Severity is the
    part of what it seemed to know that is memory.
    """

    symptoms = frozenset({"overfitting"})
    cost = "model"
    needs_target = True

    def measure(self, context: Context) -> list[Finding]:
        rows = labelled(context.table.labels)
        if context.table.labels is None or len(rows) < FEWEST_ROWS:
            return []
        if entropy(np.bincount(context.table.labels[rows])) == 0:
            return []
        rows = rows[np.isfinite(context.in_sample()[rows, 0])]
        labels = context.table.labels[rows]
        whole = entropy(np.bincount(labels))
        if whole == 0:
            return []
        fresh, learned = context.out_of_fold(), context.in_sample()
        gap, low, _ = mean_interval(log_losses(fresh[rows], labels) - log_losses(learned[rows], labels))
        known = max(0.0, explained(fresh[rows], labels)[0])
        right = (learned[rows].argmax(axis=1) == labels).astype(np.float64) - (fresh[rows].argmax(axis=1) == labels)
        drop, least, _ = mean_interval(right)
        if low / whole <= max(known, MATTERS) or least <= 0:
            return []
        seen, new = context.metric_value(learned, rows), context.metric_value(fresh, rows)
        memory = float(np.clip(gap / (gap + known * whole), 0.0, 1.0))
        finding = Finding(
            symptom="overfitting",
            severity=memory,
            message=(
                f"The model scores {seen:.3f} on the rows it learned from and {new:.3f} on new ones: "
                f"{share(memory)} of what it seems to know is memory."
            ),
            measured={
                "score_in_sample": seen,
                "score_out_of_fold": new,
                "metric": context.recipe.metric,
                "gap": gap / whole,
                "gap_at_least": low / whole,
                "explains_new_rows": known,
                "accuracy_lost": drop,
                "temperature": temperature(fresh[rows], labels),
            },
            threshold=max(known, MATTERS),
            threshold_from="optimism of the fit (99 % interval) against what holds on new rows, shares of entropy",
        )
        return [finding]
