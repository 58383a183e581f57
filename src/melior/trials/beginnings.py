"""What a recipe begins with besides a family, where rows are too few to prove what a method brings.

The standard error of a paired difference of macro F1 is about 0.54 over the root of the rows (0.007 at 6,000 rows), and
a difference is proved two times in three where it is 2.4 standard errors. So on 700 rows an effect of 0.05 is proved
only so often, and on fewer hardly ever. Wrong labels among the held-out rows leave less to see: of K classes, a share e
of whose labels is wrong, what sets right answers apart shrinks to 1 - e K / (K - 1) of what it is (Natarajan et al.,
Learning with Noisy Labels, NeurIPS 2013), as if there were fewer rows by the square of that.

There the choice is made as that of a family is, which nobody proves either: what looks better on the same folds is
taken, and the reason says so. Only against what was found, and only with the method that usually helps against it.
"""

from collections.abc import Sequence

from melior.data.table import Table
from melior.findings import Finding
from melior.methods._base import methods
from melior.recipe import Choice, Recipe

FEWEST = 700  # rows on which an effect of 0.05 can be proved


def beginnings(recipe: Recipe, findings: Sequence[Finding], table: Table) -> tuple[Choice, ...]:
    """The methods, as they are usually set, that a recipe without a family may begin with on these rows; none where it
    names methods of its own."""
    if recipe.model.name != "auto" or recipe.methods:
        return ()
    hidden = {one.symptom for one in findings if not one.muted and seen_in(one, table) < FEWEST}
    return tuple(
        Choice(name=name)
        for name, method in methods().items()
        if method.begins_for & hidden and (method.multilabel or not table.multilabel)
    )


def seen_in(finding: Finding, table: Table) -> float:
    """The rows that a proof has, as if no label were wrong."""
    if finding.symptom != "label_noise" or "noise_rate" not in finding.measured:
        return float(table.rows)
    classes = max(2, len(table.classes))
    left = max(0.0, 1 - float(finding.measured["noise_rate"]) * classes / (classes - 1))
    return table.rows * left**2
