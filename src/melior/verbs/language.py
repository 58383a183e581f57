"""`task: generate`: teaches a language model rows of text, and uses what was taught."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from melior.data.language import Row, language_rows, split_answer
from melior.engine.parallel.ranks import Ranks, joined
from melior.errors import UserError
from melior.models.causal_lm import CausalLm
from melior.progress import Progress, silent
from melior.recipe import Recipe
from melior.runs.store import TRAINING, WAS_FINISHED, Run, unless_refused
from melior.trials.language_model import (
    TASK,
    Writer,
    begun,
    digest_of,
    interrupted_at,
    need_networks,
    row_limit,
    settings_of,
    taught,
)
from melior.trials.language_rows import InMemory, Ready, Streamed, rows_of, why_streamed
from melior.trials.language_scores import Answered, LanguageScores, scored
from melior.verbs.evaluate import own_folder
from melior.verbs.spread import timeout_in

if TYPE_CHECKING:
    from melior.networks.loading import Loaded

MODEL = "model"  # a folder of the run
BEFORE = "before.json"  # scores of the model as it came
SCORING = 24 * 3600.0  # seconds that the other ranks wait while the first reads, or scores the model as it comes
EXAMPLES = 8  # prompts that the report shows


@dataclass(frozen=True)
class LanguageTraining:
    """A taught language model, and its scores on rows that it did not see, before and after.

    interrupted  where Ctrl-C ended the training, as "step 12 of 100"; empty where it came to its end
    """

    writer: Writer
    evaluation: LanguageScores | None
    before: LanguageScores | None
    recipe: Recipe
    rows: int
    run: Path | None
    seconds: float
    notes: tuple[str, ...] = field(default=())
    interrupted: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "task": TASK,
            "rows": self.rows,
            "recipe": self.recipe.model_dump(mode="json"),
            "before": None if self.before is None else self.before.to_dict(),
            "evaluation": None if self.evaluation is None else self.evaluation.to_dict(),
            "run": None if self.run is None else str(self.run),
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
            **({"interrupted": self.interrupted} if self.interrupted else {}),
        }

    def __repr__(self) -> str:
        return f"<LanguageTraining on {self.rows:,} rows, {self.seconds:.1f} s>\n{self.evaluation!r}"


def train_language(
    recipe: Recipe, source: Any, *, test: Any = None, run: str | Path | None = None, progress: Progress = silent
) -> LanguageTraining:
    """Teaches the model of a recipe its rows.

    Ctrl-C ends the training after the step that it is at, and what was learned so far is scored and kept; a second
    one ends at once. The same command goes on with a run that was interrupted, and gives back one that is finished.
    """
    started = time.perf_counter()
    settings_of(recipe)
    need_networks()
    with joined(timeout_in(recipe)) as ranks:
        progress("reading", 0, 1)
        run = ranks.told(None if run is None else str(run))[0]
        ranks.together(lambda: None if run is None or not ranks.first else Run.possible(run))
        why = ranks.together(lambda: why_streamed(recipe, source, run) if ranks.first else "")
        why = ranks.told(why)[0]  # the first says it: machines may have more or less free memory
        given = ranks.together(lambda: rows_of(recipe, source, test, why, progress))
        return _taught(recipe, given, None if run is None else Path(run), ranks, started, progress)


def _digest(given: InMemory | Streamed, ranks: Ranks) -> str:
    """Changes when the rows do. All ranks have read what is in memory; a file that is streamed is read by the first."""
    if isinstance(given, InMemory):
        return given.digest
    digest = str(ranks.told(given.digest if ranks.first else "", wait=SCORING)[0])
    given.digest = digest
    return digest


def _taught(
    recipe: Recipe, given: InMemory | Streamed, run: Path | None, ranks: Ranks, started: float, progress: Progress
) -> LanguageTraining:
    """Of several processes all teach the model, and the first scores and writes."""
    settings, digest = settings_of(recipe), _digest(given, ranks)
    read = digest if isinstance(given, InMemory) else given.blocks.bytes
    ranks.agree({"recipe": recipe.fingerprint(), "content of the rows": read, "seed": recipe.seed})
    if run is not None and (kept := _kept(run, recipe, digest)) is not None:
        return kept
    mine = run if ranks.first else None
    made = ranks.together(lambda: None if mine is None else Run.begin(mine, "train", recipe, digest))
    if made is not None:
        made.replace()  # a training that was interrupted goes on in the run itself
    with unless_refused(made):
        return _learned(recipe, settings, given, run, made, ranks, started, progress)


def _learned(
    recipe: Recipe,
    settings: CausalLm,
    given: InMemory | Streamed,
    run: Path | None,
    made: Run | None,
    ranks: Ranks,
    started: float,
    progress: Progress,
) -> LanguageTraining:
    """A run that is begun, from loading the model to the report."""
    progress("loading the model", 0, 1)
    loaded = ranks.together(lambda: begun(settings, given.spelled(), recipe.seed))
    limit = row_limit(settings, loaded.limit)
    folder = None if run is None else Run(run)

    def all_ready() -> None:
        ranks.told("ready", wait=SCORING)

    with given.ready(loaded.tokenizer, limit, None if folder is None else folder.tokens, progress,
                     rank=ranks.number, ranks=ranks.count, wait=all_ready) as ready:  # fmt: skip
        before = _before(recipe, settings, loaded, limit, ready, made, progress) if ranks.first else None
        all_ready()
        tuned = taught(
            settings, loaded, ready.learned, limit, recipe.seed, folder=None if run is None else run / TRAINING,
            name=given.name, stopping=ready.stopping, progress=progress,
            parallel=recipe.train.parallel if ranks.count > 1 else None,
        )  # fmt: skip
    writer = Writer(tuned.model, tuned.tokenizer, settings, limit)
    notes, interrupted = [*ready.notes, *tuned.notes], interrupted_at(tuned)
    if interrupted:
        goes_on = "the same command goes on from there" if run is not None else "without a run it cannot go on"
        notes.append(f"interrupted at {interrupted}: this is what was learned so far; {goes_on}")
    if made is not None:  # scoring takes long, and what was learned is worth more than its scores
        tuned.save(made.folder / MODEL)
    scores_it = ready.held and ranks.first
    after = scored(writer, ready.held, on=ready.on, seed=recipe.seed, progress=progress) if scores_it else None
    notes += () if after is None else after.notes
    seconds = time.perf_counter() - started
    if made is not None:
        made.write_text("recipe.yaml", recipe.to_yaml())
        write_scores(made, limit, before, after, "perplexity")
        family = settings.base or "a small model from nothing"
        more = {"interrupted": interrupted} if interrupted else {}
        finish(made, seconds=seconds, name=given.name, family=family, rows=ready.rows, notes=notes, **more)
    return LanguageTraining(writer, after, before, recipe, ready.rows, run, seconds, tuple(notes), interrupted)


def _before(
    recipe: Recipe,
    settings: CausalLm,
    loaded: "Loaded",
    limit: int,
    ready: Ready,
    made: Run | None,
    progress: Progress,
) -> LanguageScores | None:
    """The scores of the model as it came, where it was something before."""
    if not ready.held or settings.base is None:
        return None
    if made is not None and (kept := _scored_before(made)) is not None:
        return kept
    before = scored(Writer(loaded.model, loaded.tokenizer, settings, limit), ready.held, on=ready.on, seed=recipe.seed,
                    progress=progress, stage="scoring the model as it comes")  # fmt: skip
    if made is not None:
        made.write(BEFORE, {**before.to_dict(), "answered": [asdict(one) for one in before.answered]})
    return before


def _scored_before(made: Run) -> LanguageScores | None:
    """The scores of the model as it came, where an interrupted command took them; they cost as much again."""
    if not made.has(BEFORE):
        return None
    kept = made.read(BEFORE)
    return replace(LanguageScores.from_dict(kept), answered=tuple(Answered(**one) for one in kept["answered"]))


def write_scores(
    made: Run, limit: int, before: LanguageScores | None, after: LanguageScores | None, metric: str
) -> None:
    """Scores and examples of a run. What an earlier, interrupted command left is written over."""
    made.write("limit.json", {"limit": limit})
    if after is None:
        return
    kept = {**after.to_dict(), "metric": metric, "before": None if before is None else before.shown()}
    if before is not None:
        kept["by_language_before"] = before.to_dict()["by_language"]
    made.write("scores.json", kept)
    made.write("examples.json", {"answers": examples(before, after)})


def finish(made: Run, **about: Any) -> None:
    """Marks a run finished and draws its report."""
    from melior.report import write

    made.finish(**about)
    write(made)


def examples(before: LanguageScores | None, after: LanguageScores) -> list[dict[str, Any]]:
    """Some prompts, from everywhere in the rows, with the right answer and the answers before and after."""
    first: list[str | None] = [None] * len(after.answered)
    if before is not None and before is not after:
        first = [one.given for one in before.answered]
    every = [pair for pair in zip(after.answered, first, strict=True) if pair[0].given is not None]
    step = max(len(every) / EXAMPLES, 1.0)
    shown = [every[int(number * step)] for number in range(min(len(every), EXAMPLES))]
    return [{"prompt": one.prompt, "right": one.right, "before": was, "after": one.given} for one, was in shown]


def _kept(folder: Path, recipe: Recipe, digest: str) -> LanguageTraining | None:
    """What a finished run of the same command holds; None where there is none (see `Run.finished`)."""
    run = Run.finished(folder, "train", recipe, digest)
    if run is None:
        return None
    about = run.read("run.json")
    writer, _ = load_writer(folder)
    after = before = None
    if run.has("scores.json"):
        after, before = read_scores(run.read("scores.json"))
    return LanguageTraining(
        writer, after, before, recipe, int(about.get("rows") or 0), folder, float(about.get("seconds") or 0.0),
        (*(about.get("notes") or ()), WAS_FINISHED),
    )  # fmt: skip


def read_scores(kept: Mapping[str, Any]) -> tuple[LanguageScores, LanguageScores | None]:
    """The scores after and before that `write_scores` wrote."""
    first = kept.get("before")
    before = {**kept, "scores": first, "by_language": kept.get("by_language_before") or {}}
    return LanguageScores.from_dict(kept), LanguageScores.from_dict(before) if first else None


def load_writer(run: str | Path) -> tuple[Writer, Recipe]:
    """The language model of a run."""
    need_networks()
    opened = Run.open(run)
    recipe = opened.recipe()
    from melior.networks.finetune import load_tuned

    tuned = load_tuned(opened.folder / MODEL)
    limit = int(opened.read("limit.json")["limit"])
    return Writer(tuned.model, tuned.tokenizer, settings_of(recipe), limit), recipe


def is_language_run(what: Any) -> bool:
    """Whether a folder is the run of a language model."""
    if not isinstance(what, str | Path) or not (Path(what) / "recipe.yaml").is_file():
        return False
    return Recipe.load(Path(what) / "recipe.yaml").task == TASK


def evaluate_language(
    run: str | Path, source: Any, *, out: str | Path | None = None, seed: int = 0, progress: Progress = silent
) -> LanguageScores:
    """Scores the language model of a run on other rows, and draws a report.

    out  a folder for the scores and the report; `evaluations/NAME` inside the run unless said
    """
    writer, recipe = load_writer(run)
    from melior.networks.conversation import numbered

    rows, name = language_rows(source)
    if not rows:
        raise UserError(f"{name}: it holds no rows.")
    rows = [*numbered(rows, name)]
    digest = digest_of(rows)
    folder = own_folder(Path(run), name, recipe, digest) if out is None else Path(out)
    Run.checked(folder, "evaluate", recipe, digest)  # before the rows are scored
    found = replace(scored(writer, rows, on=name, seed=seed, progress=progress), run=folder)
    made = Run.begin(folder, "evaluate", recipe, digest)
    made.replace()
    write_scores(made, writer.limit, None, found, "perplexity")
    finish(made, seconds=found.seconds, name=name, notes=found.notes)
    if folder.is_relative_to(run):
        Run(run).renew_manifest()
    return found


def answer_rows(run: str | Path, source: Any) -> list[str | None]:
    """The answer to each row's prompt, chat or text; None where that leaves the model no room for one."""
    writer, _ = load_writer(run)
    rows, _ = language_rows(source, answered=False)
    return writer.answers([_question(row) for row in rows])


def _question(row: Row) -> Any:
    found = split_answer(row)
    if found is not None:
        return found[0]
    return row["text"] if "text" in row and "prompt" not in row else row
