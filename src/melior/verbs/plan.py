"""`train --plan`: what a training would hold, send and take under each layout, without training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from melior.data.splits import seal
from melior.engine.plan.layouts import MARGIN, Plan, choose, considered, gib, plan
from melior.engine.plan.ready import Ready, readied
from melior.engine.plan.sizes import Cluster, Sizes
from melior.errors import UserError
from melior.layout import Layout
from melior.models._base import families, need_torch
from melior.progress import Progress, silent
from melior.recipe import Choice, Recipe
from melior.trials.threads import cores
from melior.verbs.prepare import language_recipe, prepare


@dataclass(frozen=True)
class Planned:
    """A training on paper.

    plans        of the layout that is taken, and of the others that there are, in the order of layouts
    taken        the number among them of the one that the recipe names, or that was chosen for it
    why          one or two sentences on that
    assumed      sentences on what was assumed and what was measured
    rows, family of the training
    alone        the plan of one rank, to compare with
    """

    plans: tuple[Plan, ...]
    taken: int
    why: tuple[str, ...]
    cluster: Cluster
    sizes: Sizes
    rows: int
    family: str
    alone: Plan

    @property
    def plan(self) -> Plan:
        return self.plans[self.taken]

    def times_as_fast(self, one: Plan) -> float:
        """As one rank alone."""
        return self.alone.seconds.step / one.seconds.step

    @property
    def assumed(self) -> tuple[str, ...]:
        return self.cluster.assumed

    def to_dict(self) -> dict[str, Any]:
        """The shape that other programs read."""
        return {
            "family": self.family,
            "rows": self.rows,
            "ranks": self.cluster.ranks,
            "ranks_per_machine": self.cluster.per_machine,
            "memory_per_rank": self.cluster.memory,
            "margin": MARGIN,
            "trained": self.sizes.weights.trained,
            "frozen": self.sizes.weights.frozen,
            "blocks": len(self.sizes.blocks),
            "taken": self.taken,
            "why": list(self.why),
            "assumed": list(self.assumed),
            "plans": [one.to_dict() for one in self.plans],
            "one_rank": self.alone.to_dict(),
        }

    def __repr__(self) -> str:
        lines = [f"<Planned: {self.family} on {self.cluster.ranks} ranks of {gib(self.cluster.memory)}>"]
        for number, one in enumerate(self.plans):
            mark = "*" if number == self.taken else " "
            fits = "" if one.fits else ", does not fit"
            lines.append(
                f"{mark} {one.layout}: {gib(one.bytes)} a rank{fits}, {one.seconds.share:.0%} of the time in "
                f"communication, {self.times_as_fast(one):.1f} times as fast as one rank"
            )
        return "\n".join([*lines, *self.why])


def plan_training(
    source: Any,
    *,
    target: str | None = None,
    model: str | None = None,
    methods: Sequence[str | Choice] = (),
    seed: int | None = None,
    columns: dict[str, str] | None = None,
    label_separator: str | None = None,
    processes: int | None = None,
    progress: Progress = silent,
) -> Planned:
    """Plans the training of a recipe whose model is a network, without training: its rows are read and its network is
    made, some passes of a few rows measure them, and the rest is computed.

    processes  ranks to plan for; None: the GPUs of this machine, or a process for each core

    UserError: the model is no network, or not named; the ranks cannot be laid out as the recipe says.
    """
    need_torch("--plan")
    found, recipe, rows, family = _about(
        source, target, model, methods, seed, columns, label_separator, progress
    )  # fmt: skip
    from melior.engine.plan.machine import cluster_here, share_of_a_core
    from melior.engine.plan.measured import sizes_of

    progress("planning", 0, 1)
    sizes = sizes_of(found.module, found.source, found.settings)
    cluster = cluster_here(found.module, found.source, found.loss, found.settings, sizes, processes)
    plans, taken, why = laid_out(sizes, cluster, recipe.train.parallel)
    progress("planning", 1, 1)
    alone = plan(sizes, replace(cluster.of(1), flops=cluster.flops / share_of_a_core(cluster.ranks)), Layout())
    return Planned(plans, taken, why, cluster, sizes, rows, family, alone)


def laid_out(sizes: Sizes, cluster: Cluster, asked: Layout | str) -> tuple[tuple[Plan, ...], int, tuple[str, ...]]:
    """(plans, which of them is taken, why): the layout that was asked for, or the one that is chosen, beside the
    fastest of each other kind."""
    try:
        chosen, why = choose(sizes, cluster)
        mine = plan(sizes, cluster, chosen if isinstance(asked, str) else asked)
    except ValueError as error:
        raise UserError(f"{error}.") from None
    if not isinstance(asked, str):
        said = "fits" if mine.fits else f"does not fit into {gib(cluster.memory)} with a margin of {MARGIN:.0%}"
        same = mine.layout == plan(sizes, cluster, chosen).layout
        instead = "auto would take the same." if same else f"auto would take {chosen}."
        why = (f"The recipe asks for {mine.layout}, which {said}; {instead}",)
    others = [mine]
    for rung in considered(sizes, cluster):
        for pipeline, tensor, sharded in dict.fromkeys(_kind(one.layout) for one in rung):
            alike = [one for one in rung if _kind(one.layout) == (pipeline, tensor, sharded)]
            others.append(min(alike, key=lambda one: (not one.fits, one.seconds.step)))
    kept = {str(one.layout): one for one in reversed(others)}  # the first of a name stays
    plans = tuple(sorted(kept.values(), key=lambda one: _order(one.layout)))
    return plans, next(at for at, one in enumerate(plans) if one.layout == mine.layout), why


def _kind(layout: Layout) -> tuple[bool, bool, bool]:
    return layout.pipeline > 1, layout.tensor > 1, layout.sharded


def _order(layout: Layout) -> tuple[int, int, bool, int]:
    return layout.pipeline, layout.tensor, layout.sharded, layout.local_steps


def _about(
    source: Any,
    target: str | None,
    model: str | None,
    methods: Sequence[str | Choice],
    seed: int | None,
    columns: dict[str, str] | None,
    label_separator: str | None,
    progress: Progress,
) -> tuple[Ready, Recipe, int, str]:
    """What would be trained: the training that is about to begin, its recipe, rows and family."""
    language = language_recipe(source, model=model, methods=methods, seed=seed)
    if language is not None:
        recipe, rows = language
        ready, count = _language(recipe, rows, progress)
        return ready, recipe, count, recipe.model.name if recipe.model.name != "auto" else "causal_lm"
    progress("reading", 0, 1)
    prepared = prepare(
        source, target=target, model=model, methods=methods, seed=seed, columns=columns,
        label_separator=label_separator, progress=progress,
    )  # fmt: skip
    recipe, table = prepared.recipe, prepared.table
    networks = [name for name, family in families().items() if family.is_network]
    if recipe.model.name not in networks:
        raise UserError(
            f"model: {recipe.model.name}: only the training of a network is spread and planned; name one of "
            f"{', '.join(networks)}."
        )
    if prepared.test is None and recipe.split.sealed > 0:
        table = table.take(seal(table, recipe.split, recipe.seed)[0])
    from melior.trials.fit import fit

    progress("planning", 0, 1)
    found = readied(lambda: fit(recipe, table, threads=cores()))
    if found is None:
        raise UserError(f"{table.name}: nothing would be trained on these rows, so there is nothing to plan.")
    return found, recipe, table.rows, recipe.model.name


def _language(recipe: Recipe, source: Any, progress: Progress) -> tuple[Ready, int]:
    from melior.data.language import language_rows
    from melior.trials.language_model import (
        begun,
        need_networks,
        put_aside,
        row_limit,
        rows_learned,
        settings_of,
        taught,
    )

    settings = settings_of(recipe)
    need_networks()
    progress("reading", 0, 1)
    rows, name = language_rows(source)
    if not rows:
        raise UserError(f"{name}: it holds no rows.")
    if recipe.data.test is None:
        rows, _ = put_aside(rows, recipe.split.sealed, recipe.seed)
    rows = rows_learned(recipe, rows)
    progress("loading the model", 0, 1)
    loaded = begun(settings, rows, recipe.seed)
    limit = row_limit(settings, loaded.limit)
    found = readied(lambda: taught(settings, loaded, rows, limit, recipe.seed, name=name))
    assert found is not None
    return found, len(rows)
