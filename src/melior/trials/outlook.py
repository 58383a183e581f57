"""What part of the rows lets expect of a candidate: whether it is given up, and how soon its proof is worth running."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from melior.data.table import Floats
from melior.metrics import Metric
from melior.trials.judge import NO_SPREAD, Scored, seen_so_far


@dataclass(frozen=True)
class Outlook:
    """What a part of the rows lets expect of a candidate.

    seen    its difference on them, positive is better
    spread  the standard error of that, by the bootstrap
    share   of all rows that will be scored, 0..1
    """

    seen: float
    spread: float
    share: float

    @property
    def error(self) -> float:
        """The standard error once all rows are scored."""
        return self.spread * float(np.sqrt(self.share))

    @property
    def hopeless(self) -> bool:
        """True when it has less than a 5 % chance to be accepted in the end, even if its true effect is one standard
        error above what was seen (conditional power; Lan and Wittes 1988)."""
        if self.spread < NO_SPREAD:
            return True
        if self.share >= 1 or not np.isfinite(self.seen):
            return False
        needed = float(ndtri(0.975)) * self.error
        expected = self.share * self.seen + (1 - self.share) * (self.seen + self.spread)
        return bool(1 - ndtr((needed - expected) / (self.error * np.sqrt(1 - self.share))) < 0.05)

    def chance(self, level: float) -> float:
        """The chance that all rows prove it at a one-sided level (predictive power; Spiegelhalter, Freedman and
        Blackburn 1986).

        Of many candidates the luckiest stand first, so the true effect is taken to lie about half of what was seen: as
        if effects were drawn with a standard deviation of one `spread`.
        """
        if self.spread < NO_SPREAD or not np.isfinite(self.seen):
            return 0.0
        rest = 1 - self.share
        expected = self.share * self.seen + rest * self.seen / 2
        around = self.spread * float(np.sqrt(rest**2 / 2 + rest * self.share))
        needed = float(ndtri(1 - level)) * self.error
        return float(ndtr((expected - needed) / around)) if around > 0 else float(expected > needed)


def outlook(
    metric: Metric,
    truth: Floats,
    baseline: Scored,
    candidate: Scored,
    *,
    share: float,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Outlook:
    """Of a candidate that was scored on a `share` of all rows."""
    return Outlook(*seen_so_far(metric, truth, baseline, candidate, groups=groups, seed=seed), share)
