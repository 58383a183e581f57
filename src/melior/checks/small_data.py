"""Small data: so few rows of a class that its score is mostly luck."""

import numpy as np
from scipy import stats

from melior.checks._base import Check, Context
from melior.checks._statistics import count, share
from melior.findings import Finding

WIDEST = 0.1  # half the 95 % interval of a class's recall


class SmallData(Check):
    """Half the width of the 95 % interval of the rarest class's recall at its worst, 0.98 / sqrt(rows of the class).

    That is what every row, scored once by cross-validation, can tell; sealed rows are fewer and tell less. The bar is
    0.1, met with 96 rows of each class. Severity is 1 - 0.1 / half the width, at least 0.1. The smallest difference
    between two models that could be proved (one row in ten judged differently, 80 % power) stands in `measured`.
    """

    symptoms = frozenset({"small_data"})
    needs_target = True
    multilabel = True

    def measure(self, context: Context) -> list[Finding]:
        if not context.table.has_answers:
            return []
        counts = {label: rows for label, rows in context.table.target_counts().items() if rows}
        if len(counts) < 2:
            return []
        several = context.table.multilabel
        kinds = "labels" if several else "classes"
        rows = int(context.table.answered().sum()) if several else sum(counts.values())
        rarest, least = min(counts.items(), key=lambda item: item[1])
        half = float(stats.norm.ppf(0.975) * np.sqrt(0.25 / least))
        if half <= WIDEST:
            return []
        few = [label for label, many in counts.items() if stats.norm.ppf(0.975) * np.sqrt(0.25 / many) > WIDEST]
        provable = float((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * np.sqrt(0.1 / rows))
        enough = int(np.ceil((stats.norm.ppf(0.975) * 0.5 / WIDEST) ** 2))
        finding = Finding(
            symptom="small_data",
            severity=float(np.clip(1 - WIDEST / half, 0.1, 1.0)),
            message=(
                f"{rarest!r} has {count(least)} {'row' if least == 1 else 'rows'}: its recall cannot be known better "
                f"than ±{share(min(half, 0.5))}, "
                f"and a gain below {share(min(provable, 1.0))} accuracy cannot be proved. "
                f"{count(len(few))} of {count(len(counts))} {kinds} {'has' if len(few) == 1 else 'have'} fewer than "
                f"{count(enough)} rows."
            ),
            measured={
                "rows": rows,
                "rows_of_rarest": least,
                "rarest": rarest,
                "half_width": half,
                "provable_difference": provable,
                "small_classes": len(few),
            },
            threshold=WIDEST,
            threshold_from="binomial standard error of a recall of one half, 95 %",
            columns=(context.table.target,) if context.table.target else (),
        )
        return [finding]
