"""`improve` of `task: generate`: the search, its run folder and report."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from melior.data.language import language_rows
from melior.errors import UserError
from melior.improvement.improvement import LanguageImprovement
from melior.improvement.language import METRIC, Improved, improve_rows
from melior.progress import Progress
from melior.recipe import Recipe
from melior.runs.store import TRAINING, Run
from melior.runs.study import joined
from melior.trials.language_model import digest_of, imported, settings_of
from melior.verbs.language import MODEL, finish, write_scores


def improve_language(
    recipe: Recipe,
    source: Any,
    *,
    test: Any,
    metric: str | None,
    budget: float,
    attempt: Sequence[str],
    never: Sequence[str],
    margin: float,
    run: str | Path | None,
    progress: Progress,
) -> LanguageImprovement:
    """Tries changed settings of a language model and keeps those that provably help. budget: seconds."""
    started = time.monotonic()
    asked = metric or recipe.metric
    if asked not in ("auto", METRIC, "perplexity"):  # of the same rows and tokens, both put models in the same order
        raise UserError(f"metric: {asked}: language models are improved in {METRIC}; leave it at auto.")
    settings_of(recipe)
    if recipe.data.stream:
        raise UserError("data.stream: improve holds its rows in memory; take it out and give fewer rows, or use train.")
    progress("reading", 0, 1)
    imported()
    from melior.networks.conversation import numbered

    rows, name = language_rows(source)
    rows, held = [*numbered(rows, name)], None
    if test is not None:
        held, on = language_rows(test)
        held = [*numbered(held, on)]
    with ExitStack() as stack:
        aside = stack.enter_context(tempfile.TemporaryDirectory())
        made = None
        if run is not None:
            digest = digest_of([*rows, *(held or ())])
            options = {"budget": budget, "try": attempt, "never": never, "margin": margin}
            made = stack.enter_context(joined(run, "improve", recipe, digest, options, shared=False)).run
        improved = improve_rows(
            rows,
            recipe,
            store=Path(aside) if made is None else made.trials,
            test=held,
            budget=budget,
            name=name,
            attempt=attempt,
            never=never,
            margin=margin,
            progress=progress,
        )
        seconds = time.monotonic() - started
        found = replace(improved.found, run=None if run is None else Path(run), seconds=seconds)
        if made is not None:
            _write(made, found, improved, name)
    return found


def _write(made: Run, found: LanguageImprovement, improved: Improved, name: str) -> None:
    """The same files as for a table; the model in place of a predictor, and how its training went."""
    made.replace()
    for folder in (MODEL, TRAINING):
        shutil.rmtree(made.folder / folder, ignore_errors=True)
        shutil.copytree(improved.trial.folder / folder, made.folder / folder)
    made.write("findings.json", [finding.to_dict() for finding in found.findings])
    made.write("evidence.json", {key: value for key, value in found.to_dict().items() if key != "findings"})
    write_scores(made, improved.trial.limit, improved.before, improved.after, METRIC)
    made.write_text("recipe.yaml", found.recipe.to_yaml())
    finish(made, seconds=found.seconds, name=name, family=found.family)
