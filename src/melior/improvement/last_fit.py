"""The last fit: once the sealed rows have told what a recipe is worth, it is taught them too."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from melior.data.table import Table
from melior.models._base import resolve
from melior.models._place import trained_in
from melior.predictor import Predictor
from melior.progress import Progress
from melior.recipe import Recipe
from melior.runs.study import agreed
from melior.trials.fit import fit
from melior.trials.shared import Shared
from melior.trials.threads import cores, one_thread_each

SLOWER = 1.3  # times what so many more rows should take, to be on the safe side of the budget
TAUGHT_ALL = (
    "the model that is kept was taught all {rows:,} rows, the sealed ones too; the scores are of the same recipe "
    "taught without them"
)


def affordable(recipe: Recipe, took: float, rows: int, more: int, left: float) -> bool:
    """Whether the last fit is made again with the sealed rows, which are `more` than the `rows` that it was taught.

    More rows seldom harm, and new rows are answered by what comes of them. But a network is left as it is: its training
    stands on record with its curves, and takes about as long as all that was tried. So is what would not end in time.
    took: seconds of the fit without them; left: seconds of the budget.
    """
    if resolve(recipe.model).is_network:
        return False
    needed = SLOWER * took * (rows + more) / rows
    return agreed("the last fit is made again", lambda: needed <= left)


def fit_both(
    plain: Recipe,
    better: Recipe,
    rows: Table,
    *,
    beside: Path | None,
    training: Path | None,
    shared: Shared,
    progress: Progress,
) -> tuple[Predictor, Predictor, float]:
    """What the plain recipe and the better one give on these rows, and the seconds that the better one took.

    beside, training: where trainings of networks are kept. Networks have all cores one after the other; other families
    share them, since much of what they do keeps one core busy.
    """
    say = partial(progress, "the last look, at the sealed rows")
    say(0, 2)

    def fitted(recipe: Recipe, threads: int, folder: Path | None = None) -> tuple[Predictor, float]:
        began = time.monotonic()
        with one_thread_each(), trained_in(folder):
            return fit(recipe, rows, shared=shared, threads=threads), time.monotonic() - began

    if plain == better:
        first, took = fitted(plain, cores(), beside)
        return first, first, took
    if any(resolve(recipe.model).is_network for recipe in (plain, better)):
        first, _ = fitted(plain, cores(), beside)
        say(1, 2)
        return first, *fitted(better, cores(), training)
    with ThreadPoolExecutor(2) as pool:
        one, two = (pool.submit(fitted, recipe, max(1, cores() // 2)) for recipe in (plain, better))
        return one.result()[0], *two.result()


def fit_all(
    recipe: Recipe, rows: Table, progress: Progress, *, threads: int, shared: Shared | None = None
) -> Predictor:
    """The recipe taught all rows."""
    progress("the last fit, on all rows", 0, 1)
    with one_thread_each():
        fitted = fit(recipe, rows, shared=shared, threads=threads)
    progress("the last fit, on all rows", 1, 1)
    return fitted
