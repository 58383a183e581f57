"""Label cleaning: labels that fits on other rows contradict are corrected where they are sure, dropped where not."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from melior.data.table import Labels, Table
from melior.methods._base import Method
from melior.methods._done import Done
from melior.methods._noise import TrueClasses, find_true_classes, fits_of
from melior.methods._rows import Mask, none_emptied
from melior.models._base import FitContext, Model
from melior.recipe import Recipe

Action = Literal["drop", "correct", "both"]


def cleaned(labels: Labels, found: TrueClasses, action: Action, sure: float, share: float) -> tuple[Mask, Labels]:
    """(rows,) which rows to keep, and (rows,) their labels.

    A suspect is a row whose label is more likely wrong than right; of these the `share` of all rows that are least
    likely right are acted on. `both` corrects a suspect whose likeliest class reaches the chance `sure` and drops the
    rest, `correct` leaves the rest as they are, `drop` drops all. No class that has rows loses all of them.
    """
    rows = np.arange(len(labels))
    own = found.chances[rows, labels]
    suspects = np.flatnonzero(~found.right)
    suspects = suspects[np.argsort(own[suspects], kind="stable")[: int(share * len(labels))]]
    best = found.chances[suspects].argmax(axis=1)
    correct = (found.chances[suspects].max(axis=1) >= sure) & (best != labels[suspects]) & (action != "drop")
    changed = labels.copy()
    changed[suspects[correct]] = best[correct]
    keep = np.ones(len(labels), dtype=bool)
    if action != "correct":
        keep[suspects[~correct]] = False
    stays = keep & (changed == labels)
    back = none_emptied(labels, stays, own) & ~stays  # the likeliest row of a class that would lose all
    keep[back], changed[back] = True, labels[back]
    return keep, changed


def told(train: Table, found: TrueClasses, keep: Mask, changed: Labels) -> list[Done]:
    """What `cleaned` does to each row that it changes or drops, with the chances that speak for it."""
    labels, classes = train.given_labels(), train.classes
    done = []
    for row in np.flatnonzero(~keep | (changed != labels)):
        chances, label = found.chances[row], labels[row]
        best = int(chances.argmax())
        why = f'rows like it are "{classes[best]}" with a chance of {chances[best]:.0%}, by fits that did not see it'
        if best != label:
            why += f'; "{classes[label]}", which is given, with {chances[label]:.0%}'
        did, became = ("corrected", classes[changed[row]]) if keep[row] else ("dropped", "")
        done.append(
            Done(int(train.row_ids[row]) + 1, str(train.target), did, classes[label], became, "label_cleaning", why)
        )
    return done


class LabelCleaning(Method):
    """Finds wrong training labels with out-of-fold scores, over several rounds, and drops or corrects them.

    action  both (default): correct where the true class is nearly sure, drop the other wrong ones; drop; correct
    sure    0.5..1, the chance from which a class counts as nearly sure, default 0.8
    share   0..0.9, most of the rows that are dropped or corrected, default 0.6
    rounds  1..5 fits on the rows believed right after the first on all rows, default 3
    second  a family whose scores are averaged with the recipe's own: a name, none, or auto (default; linear beside
            any other family)
    """

    treats: ClassVar[frozenset[str]] = frozenset({"label_noise"})
    first_for: ClassVar[frozenset[str]] = frozenset({"label_noise"})
    always: ClassVar[bool] = True  # on few rows wrong labels are rarely found for sure, and cleaning can be proved
    questions: ClassVar[tuple[int, ...]] = (21,)
    reference: ClassVar[str] = "Northcutt et al., Confident Learning: Estimating Uncertainty in Labels, JAIR 2021"
    order: ClassVar[int] = 30
    rivals: ClassVar[frozenset[str]] = frozenset({"noise_correction", "dynamic_weights"})
    candidates: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"action": "drop"})
    cost: ClassVar[float] = 18.0

    action: Action = "both"
    sure: Annotated[float, Field(ge=0.5, le=1)] = 0.8
    share: Annotated[float, Field(ge=0, le=0.9)] = 0.6
    rounds: Annotated[int, Field(ge=1, le=5)] = 3
    second: str = "auto"

    def fits(self, model: Model) -> float:
        return fits_of(self.cost, model)

    def unsuitable(self, recipe: Recipe, table: Table, model: Model) -> str | None:
        return too_few_rows(table)

    def done(self, train: Table, context: FitContext) -> list[Done]:
        found = find_true_classes(train, context, self.rounds, self.second)
        keep, changed = cleaned(train.given_labels(), found, self.action, self.sure, self.share)
        return told(train, found, keep, changed)

    def rows(self, train: Table, context: FitContext) -> Table:
        labels = train.given_labels()
        found = find_true_classes(train, context, self.rounds, self.second)
        keep, changed = cleaned(labels, found, self.action, self.sure, self.share)
        if not np.array_equal(changed, labels):
            train = train.with_labels(changed)
        return train if keep.all() else train.take(keep)


def too_few_rows(table: Table) -> str | None:
    least = min((count for count in table.target_counts().values() if count), default=0)
    if least < 10:
        return f"the rarest class has {least} rows; with fewer than 10 a wrong label cannot be told from a rare case"
    return None
