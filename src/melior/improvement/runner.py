"""A candidate on its way: what its folds gave, and why it was not run on all of them."""

from dataclasses import dataclass, field, replace

import numpy as np

from melior.evidence import Verdict
from melior.improvement.plan import Candidate
from melior.trials.bench import Result
from melior.trials.judge import Judged, Scored

OTHER_SETTING = "another setting of it went on"
HOPELESS = "given up early: no gain was in reach"
NO_TIME = "no time was left to prove it"
SAVED = "not proved, to save time"


@dataclass
class Runner:
    """A candidate in the race, with its results by fold."""

    candidate: Candidate
    results: dict[int, Result] = field(default_factory=dict)
    complete: bool = False
    seconds: float = 0.0
    look: Scored | None = None
    alone: float = 0.0  # seconds of the look, had it taken nothing that others made
    stopped: str = ""  # why it was not run on all folds


def why(runner: Runner, judged: Judged) -> Judged:
    """The verdict of a candidate that was not run on all folds, with the reason for that."""
    if runner.complete or judged.p is None:
        return judged
    verdict: Verdict = "rejected" if runner.stopped == HOPELESS else "undecided"
    return replace(judged, verdict=verdict, reason=runner.stopped)


def joined(results: dict[int, Result]) -> Scored:
    """The results of several folds as one."""
    own = [results[fold] for fold in sorted(results)]
    return Scored(
        np.concatenate([result.rows for result in own]),
        np.concatenate([result.scores for result in own]),
        np.concatenate([result.answers for result in own]),
        np.concatenate([np.full(len(results[fold].rows), fold) for fold in sorted(results)]),
    )
