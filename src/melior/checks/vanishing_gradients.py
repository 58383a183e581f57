"""Vanishing gradients: what the last layers learn from does not reach the first, or units are stuck."""

from math import log10
from typing import Any

import numpy as np

from melior.checks._depth import course, grouped, matrices, typical
from melior.checks._training import Record, TrainingCheck
from melior.findings import Finding

ALLOWED = 5.0  # times the factor of chance; the most in 228 healthy trainings was 0.6
STUCK = 0.8  # share of the units of a layer; the most in 228 healthy trainings was 0.44
LATE = 0.5  # of the steps that were looked at: what holds from there on is no matter of the start


class VanishingGradients(TrainingCheck):
    """Two ways in which the first layers of a network stop learning.

    Gradients that shrink with depth: the norm of each matrix's gradient over the root of its fan-in, which
    initialisation that preserves variance keeps alike at every depth (He et al. 2015), in layers that differ in depth
    only, as the median over the steps that were looked at. A finding is made where it falls from the last layer to the
    first by more than 5 times what random weights of these widths do by chance (Hanin and Nica 2019, about one in 300);
    in 228 healthy trainings of 19 kinds it was 0.6 times at most. Severity is the factor in decades over 8, at most 1:
    at 8 decades a float32 that holds the sum of both has lost the smaller one.

    Units that are stuck: 80 % or more of a layer's units are silent for every row (ReLU and its kind), or of its
    outputs are where a sigmoid or tanh is flat, in the second half of the steps that were looked at. Severity is that
    share.
    """

    symptoms = frozenset({"vanishing_gradients"})

    def measure(self, record: Record) -> list[Finding]:
        return [found for found in (self.faded(record), self.stuck(record)) if found]

    def faded(self, record: Record) -> Finding | None:
        worst = steepest(record)
        if worst is None or worst["over_chance"] <= ALLOWED:
            return None
        decades = log10(worst["factor"])
        first, last = worst["layers"][0], worst["layers"][-1]
        return Finding(
            symptom="vanishing_gradients",
            severity=min(decades / 8, 1.0),
            message=(
                f"Gradients fade on their way to the first layers: {first} gets about 1/{worst['factor']:,.0f} of what "
                f"{last} gets, and hardly learns."
            ),
            measured=worst,
            threshold=ALLOWED * worst["chance"],
            threshold_from="5 times what random weights of these widths do by chance (about one in 300)",
        )

    def stuck(self, record: Record) -> Finding | None:
        shares = stuck_units(record)
        found = {name: one for name, one in shares.items() if one[1] >= STUCK}
        if not found:
            return None
        name, (what, share) = max(found.items(), key=lambda item: item[1][1])
        how = "are silent for every row" if what == "dead" else "are where the activation is flat"
        return Finding(
            symptom="vanishing_gradients",
            severity=min(share, 1.0),
            message=(
                f"{share:.0%} of the units behind {name} {how}"
                + (f", and so it is in {len(found)} layers" if len(found) > 1 else "")
                + ": hardly any gradient passes through them."
            ),
            measured={"layer": name, what: share, "layers": {one: value for one, (_, value) in found.items()}},
            threshold=STUCK,
            threshold_from="more than in any of 228 healthy trainings, where it was 44 % at most",
        )


def steepest(record: Record) -> dict[str, Any] | None:
    """The role whose gradients fall the most towards the first layer, with all numbers; None where nothing is known."""
    sizes = matrices(record.start.get("weights") or {})
    lines = [line.get("layers") or {} for line in record.of("layers")]
    found: list[dict[str, Any]] = []
    typically: dict[str, float] = {}
    for name, (fan_in, _) in sizes.items():
        norms = [float(one[name].get("gradient") or 0.0) / fan_in**0.5 for one in lines if name in one]
        if norms:
            typically[name] = typical(norms)
    for names in grouped(list(typically)):
        drawn = course(names, typically, {name: fan_out for name, (_, fan_out) in sizes.items()})
        if drawn is not None:
            found.append(
                {
                    "factor": max(drawn.change, 1e-38),
                    "over_chance": drawn.change / drawn.chance,
                    "chance": drawn.chance,
                    "layers": drawn.names,
                    "gradients": drawn.values,
                }
            )
    return max(found, key=lambda one: float(one["over_chance"]), default=None)


def stuck_units(record: Record) -> dict[str, tuple[str, float]]:
    """Activation -> (dead or saturated, the median share late in training)."""
    lines = [line.get("units") or {} for line in record.of("layers")]
    late = lines[int(len(lines) * LATE) :]
    found: dict[str, tuple[str, float]] = {}
    for name in dict.fromkeys(name for one in late for name in one):
        for what in ("dead", "saturated"):
            shares = [float(one[name][what]) for one in late if what in one.get(name, {})]
            if shares:
                found[name] = (what, float(np.median(shares)))
    return found
