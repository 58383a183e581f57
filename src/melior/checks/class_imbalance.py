"""Class imbalance: some answers are so rare that a model can ignore them and still look good."""

import numpy as np
from scipy import stats

from melior.checks._base import Check, Context
from melior.checks._statistics import count, share
from melior.findings import Finding
from melior.metrics.effective import effective_classes

EVEN = 0.9  # a tenth of the classes' worth lost; two classes lose it at 73 to 27
FALSE_RATE = 0.01
VANISHING = 0.2  # of the rows that a class would have, had all the same


class ClassImbalance(Check):
    """Compares the effective number of classes, exp(entropy of the shares), with the number of classes, and the rarest
    class with what each would have, had all the same: among many classes one can all but vanish, and the effective
    number hardly falls.

    Severity is 1 - effective classes / classes: 0 for balanced classes, near 1 when one class is nearly everything.
    Where rows are few the bar is lower: balanced classes must not fall below it by chance in more than 1 % of draws
    (twice the rows times the lost entropy is chi-squared, Wilks 1938), and no class of balanced ones must be below a
    fifth of its share in more than 1 % of draws (binomial, Bonferroni over the classes). Where a row may have
    several labels, a row counts once for each.
    """

    symptoms = frozenset({"class_imbalance"})
    needs_target = True
    multilabel = True

    def measure(self, context: Context) -> list[Finding]:
        if not context.table.has_answers:
            return []
        counts = {label: rows for label, rows in context.table.target_counts().items() if rows}
        classes, rows = len(counts), sum(counts.values())
        several = context.table.multilabel
        whole = int(context.table.answered().sum()) if several else rows
        kinds, verb = ("labels", "stands on") if several else ("classes", "is")
        if classes < 2:
            return []
        effective = effective_classes(counts)
        by_chance = float(np.exp(-stats.chi2.isf(FALSE_RATE, classes - 1) / (2 * rows)))
        threshold = min(EVEN, by_chance)
        rarest, least = min(counts.items(), key=lambda item: item[1])
        luck = classes * stats.binom.cdf(least, rows, 1 / classes)
        if effective / classes >= threshold and (least >= VANISHING * rows / classes or luck >= FALSE_RATE):
            return []
        part = least / whole
        finding = Finding(
            symptom="class_imbalance",
            severity=1 - effective / classes,
            message=(
                f"{rarest!r} {verb} {count(least)} of {count(whole)} rows ({share(part)}): a model that never answers "
                f"it loses little. The {count(classes)} {kinds} are worth {effective:.2f} balanced ones."
            ),
            measured={
                "effective_classes": effective,
                "classes": classes,
                "ratio": effective / classes,
                "rarest": rarest,
                "rows_of_rarest": least,
                "share_of_rarest": part,
            },
            threshold=threshold,
            threshold_from=(
                "effective classes / classes: a tenth lost, and more than balanced draws of this size lose; or a class "
                "with less than a fifth of its share"
            ),
            columns=(context.table.target,) if context.table.target else (),
        )
        return [finding]
