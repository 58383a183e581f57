"""`diagnose`: what went wrong in a training."""

from pathlib import Path

from melior.checks._training import Record, history_in
from melior.errors import UserError
from melior.runs.store import TRAINING, Run
from melior.trials.diagnosis import Diagnosis, examine


def diagnose(run: str | Path) -> Diagnosis:
    """Looks for what went wrong in the training of a run's network: gradients that vanish or explode, a rate that is
    too high or too low, overfitting, time and memory wasted. Reads the run and changes nothing; the training may have
    been interrupted, or be going on.

    run   the folder of a run of `train` or `improve`

    >>> melior.diagnose("reviews-train")["untuned"]          # doctest: +SKIP
    """
    folder = Path(run)
    if not (folder / "run.json").exists():
        raise UserError(f"{folder}: there is no run here (no run.json); give the folder that --run named.")
    known = Run(folder)
    recipe = known.recipe()
    family = family_of(known)
    if history_in(folder / TRAINING) is None:
        whose = f"a {family} model is fitted in one go" if family in ("linear", "trees") else "no network was trained"
        why = f"This run has no history of a training, since {whose}: there is nothing to diagnose."
        return Diagnosis((), folder.name, family, why_not=why)
    return examine(Record.load(folder / TRAINING, family), recipe, folder.resolve().name)


def family_of(run: Run) -> str:
    """The family of the run's model: what the recipe asks for, or where it leaves that open, what was made."""
    asked = run.recipe().model.name
    return run.predictor().family if asked == "auto" and (run.folder / "predictor").is_dir() else asked
