"""Families are candidates too: the runner-up of the trial of families, alone and with what treats what was found.

A family is chosen by what it is worth as it stands, and a method can be worth much more to another: of 500 columns that
say nothing trees mind less than a linear model does, until the linear model chooses among them.
"""

from collections.abc import Sequence
from dataclasses import replace

from melior.data.table import Table
from melior.evidence import FAMILY
from melior.findings import Finding
from melior.improvement.plan import FIRST, Candidate, candidates
from melior.methods._base import methods
from melior.models._base import resolve
from melior.recipe import Recipe

DEAREST = 4.0  # times what a fit of the chosen family takes, that one of the other may take


def of_other_family(
    recipe: Recipe,
    others: dict[str, float],
    findings: Sequence[Finding],
    table: Table,
    *,
    never: Sequence[str] = (),
    fewest: Table | None = None,
) -> list[Candidate]:
    """Candidates of the first of `others` (families, best first, and what a fit takes beside one of the recipe's) that
    is not too dear: the family as it is, and with each method that helps most often against what was found."""
    affordable = [name for name, cost in others.items() if cost <= DEAREST]
    if not affordable:
        return []
    other = affordable[0]
    changed = recipe.with_model(other)
    family = resolve(changed.model)
    if any(methods()[one.name](**one.settings).refused(changed, table, family) for one in recipe.methods):
        return []
    cost = others[other]
    alone = Candidate(FAMILY + other, None, changed, (), cost, family=other)
    able, _ = candidates(changed, findings, table, never=never, fewest=fewest)
    treating = [one for one in able if one.weight >= FIRST]
    return [alone, *(replace(one, name=f"{other}, {one.name}", cost=cost * one.cost, family=other) for one in treating)]
