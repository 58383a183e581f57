"""Families are candidates too: another one of the trial of families, alone and with what treats what was found.

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
    settled: bool = False,
) -> list[Candidate]:
    """Candidates of the first of `others` (families, and what a fit takes beside one of the recipe's) that is not too
    dear and can do what the recipe says: the family as it is, and with each method that helps most often against what
    was found.

    The first, and not the one with the best score: it was scored on the same rows, and what the judge allows a
    candidate may not depend on that. settled: no clock decides, so every family is taken to cost the same.
    """
    least = table if fewest is None else fewest
    for other, measured in others.items():
        cost = 1.0 if settled else measured
        changed = recipe.with_model(other)
        family = resolve(changed.model)
        standing = [methods()[one.name](**one.settings) for one in recipe.methods]
        if cost > DEAREST or any(one.refused(changed, least, family) for one in standing):
            continue
        alone = Candidate(FAMILY + other, None, changed, (), cost, family=other)
        able, _ = candidates(changed, findings, table, never=never, fewest=fewest)
        treating = [one for one in able if one.weight >= FIRST]
        beside = list[Candidate]()
        for one in treating:
            name = f"{alone.name} + {one.name}"
            beside.append(replace(one, name=name, cost=cost * one.cost, family=other))
        return [alone, *beside]
    return []
