"""How likely a candidate is to be proved in the end, by the rows that were scored so far."""

import numpy as np
import pytest
from scipy.special import ndtri

from melior.trials.outlook import Outlook


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_the_chance_of_a_proof_is_what_comes_true(share):
    """Effects drawn with a standard deviation of one error of the part that was seen: of those with a chance of about
    so much, so many are proved in the end."""
    random = np.random.default_rng(8)
    runs, spread, needed = 20_000, 0.03, ndtri(0.99)
    effects = random.normal(0, spread, runs)
    seen = random.normal(effects, spread)
    rest = random.normal(effects, spread * np.sqrt(share / (1 - share)))
    proved = share * seen + (1 - share) * rest > needed * spread * np.sqrt(share)
    chances = np.array([Outlook(float(one), spread, share).chance(0.01) for one in seen])
    for low, high in ((0.0, 0.02), (0.02, 0.1), (0.1, 0.3), (0.3, 0.7), (0.7, 1.0)):
        inside = (chances >= low) & (chances < high)
        assert inside.sum() > 100
        error = np.sqrt(chances[inside].mean() * (1 - chances[inside].mean()) / inside.sum())
        assert proved[inside].mean() == pytest.approx(chances[inside].mean(), abs=4 * error)


def test_a_better_sight_is_a_better_chance_and_a_smaller_level_a_worse_one():
    seen = [Outlook(one, 0.03, 0.2).chance(0.01) for one in (-0.05, 0.0, 0.05, 0.1)]
    assert seen == sorted(seen)
    assert Outlook(0.05, 0.03, 0.2).chance(0.001) < Outlook(0.05, 0.03, 0.2).chance(0.05)


def test_what_is_known_whole_is_certain_and_what_cannot_be_measured_has_no_chance():
    assert Outlook(0.1, 0.03, 1.0).chance(0.01) == 1.0
    assert Outlook(0.05, 0.03, 1.0).chance(0.01) == 0.0
    assert Outlook(float("nan"), 0.03, 0.2).chance(0.01) == 0.0
    assert not Outlook(float("nan"), 0.03, 0.2).hopeless
