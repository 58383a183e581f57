"""How the processes that were started together share a training, by what the recipe says."""

from typing import Any, Literal

from melior.errors import UserError
from melior.layout import Layout
from melior.models._base import families
from melior.recipe import Recipe
from melior.verbs.prepare import recipe_and_rows


def timeout_of(source: Any) -> float:
    """Seconds that ranks wait for one another in a collective, by the recipe; it is needed before anything is read."""
    try:
        recipe = recipe_and_rows(source)[0]
    except UserError:
        return Layout().timeout  # said again, better, when the source is read
    return timeout_in(recipe)


def timeout_in(recipe: Recipe) -> float:
    return Layout().timeout if recipe.train.parallel == "auto" else recipe.train.parallel.timeout


def layout_of(recipe: Recipe) -> Layout | Literal["auto"]:
    """The layout of a recipe for several processes. UserError: its family is no network."""
    networks = [name for name, family in families().items() if family.is_network]
    if recipe.model.name not in networks:
        raise UserError(
            f"model: {recipe.model.name}: several processes train one network; name one of {', '.join(networks)}, or "
            "start one process."
        )
    return recipe.train.parallel
