"""Exploding gradients: signals grow with depth, steps break, or gradients jump and undo what was learned."""

from math import log10
from typing import Any

import numpy as np

from melior.checks._depth import course, grouped, matrices
from melior.checks._training import FEWEST_LINES, Record, TrainingCheck, noise
from melior.findings import Finding

ALLOWED = 5.0  # times the factor of chance; the most in 228 healthy trainings was 0.6
JUMP = 10.0  # times the median of the norms before
BEFORE = 20  # lines whose norms are the measure, and AFTER lines whose loss tells whether harm was done
AFTER = 5
SURE = 5.0  # standard errors of the loss
HARM = 0.1  # of what had been learned


class ExplodingGradients(TrainingCheck):
    """Three signs of gradients that explode.

    Steps that broke: a loss, gradient or weight was not finite, and the rows were not at fault. Severity is at least
    0.7; 1 where training stopped for it.

    Signals that grow with depth, before the first step: the root mean square of what layers give, from the first to
    the last, and the norm of the gradient by it, from the last to the first. Initialisation that preserves variance
    keeps both alike (He et al. 2015). A finding is made where one grows by more than 5 times what random weights of
    these widths do by chance (Hanin and Nica 2019, about one in 300); in 228 healthy trainings of 19 kinds it was 0.6
    times at most. Severity is the factor in decades over 8, at most 1.

    Jumps: the norm of a step's gradient is 10 times the median of the 20 lines before or more, and the mean loss of the
    5 lines after it is above that of the 20 lines before by 5 standard errors and by a tenth of all that had been
    learned until then. Severity grows with the number of jumps: n / (n + 2).
    """

    symptoms = frozenset({"exploding_gradients"})

    def measure(self, record: Record) -> list[Finding]:
        return [found for found in (self.broke(record), self.grew(record), self.jumped(record)) if found]

    def broke(self, record: Record) -> Finding | None:
        events = [one for one in record.events("non_finite") if not one.get("data")]
        if not events:
            return None
        steps = sorted({int(one.get("at", one["step"])) for one in events})
        rate = min((float(one["rate"]) for one in events if one.get("rate")), default=1.0)
        stopped = events[-1].get("rate") is None and events[-1]["what"].endswith("stopped")
        lowered = f" and went on at {rate:g} times the rate" if rate < 1 else ""
        return Finding(
            symptom="exploding_gradients",
            severity=1.0 if stopped else 0.7 + 0.3 * (1 - rate),
            message=(
                f"In step {steps[0]}{' and others' if len(steps) > 1 else ''} loss, gradient or weights were not "
                f"finite through no fault of the rows; training {'stopped' if stopped else 'went back' + lowered}."
            ),
            measured={"steps": steps[:20], "rate_left": rate, "said": [str(one["what"]) for one in events[:5]]},
            threshold=0.0,
            threshold_from="no step of a sound training breaks",
        )

    def grew(self, record: Record) -> Finding | None:
        worst = growth(record)
        if worst is None or worst["over_chance"] <= ALLOWED:
            return None
        first, last = worst["layers"][0], worst["layers"][-1]
        way = (
            f"What layers give grows {worst['factor']:,.0f}-fold from {first} to {last}"
            if worst["what"] == "output"
            else f"Gradients grow {worst['factor']:,.0f}-fold on their way from {last} back to {first}"
        )
        return Finding(
            symptom="exploding_gradients",
            severity=min(log10(worst["factor"]) / 8, 1.0),
            message=f"{way}, before the first step: the weights begin too large.",
            measured=worst,
            threshold=ALLOWED * worst["chance"],
            threshold_from="5 times what random weights of these widths do by chance (about one in 300)",
        )

    def jumped(self, record: Record) -> Finding | None:
        found = jumps(record)
        if not found:
            return None
        largest = max(found, key=lambda one: one["times"])
        return Finding(
            symptom="exploding_gradients",
            severity=len(found) / (len(found) + 2),
            message=(
                f"The gradient jumped {len(found)} {'time' if len(found) == 1 else 'times'} and the loss rose: at step "
                f"{largest['step']} to {largest['times']:.0f} times what it was, and the loss from "
                f"{largest['loss_before']:.3g} to {largest['loss_after']:.3g}."
            ),
            measured={"jumps": len(found), **largest, "steps": [one["step"] for one in found[:20]]},
            threshold=JUMP,
            threshold_from="times the median of the 20 lines before, with a loss 5 standard errors above theirs",
        )


def growth(record: Record) -> dict[str, Any] | None:
    """The signal that grows the most with depth at the first step, with all numbers; None where nothing is known."""
    first = next((line for line in record.of("layers") if line.get("signals")), None)
    if first is None or first["step"] > 1:
        return None
    sizes = matrices(record.start.get("weights") or {})
    widths = {name.removesuffix(".weight"): fan_out for name, (_, fan_out) in sizes.items()}
    found: list[dict[str, Any]] = []
    for names in grouped(list(first["signals"])):
        for what in ("output", "backward"):
            values = {name: float(first["signals"][name].get(what) or 0.0) for name in names}
            if not all(values.values()):
                continue
            drawn = course(names, values, widths)
            if drawn is None:
                continue
            factor = drawn.change if what == "output" else 1 / drawn.change
            found.append(
                {
                    "what": what,
                    "factor": max(factor, 1e-38),
                    "over_chance": factor / drawn.chance,
                    "chance": drawn.chance,
                    "layers": drawn.names,
                    "signals": drawn.values,
                }
            )
    return max(found, key=lambda one: float(one["over_chance"]), default=None)


def jumps(record: Record) -> list[dict[str, Any]]:
    """Steps whose gradient jumped and after which the loss was higher; what follows within AFTER lines is the same."""
    norms, losses, steps = (record.steps[name] for name in ("norm", "loss", "step"))
    if len(norms) < FEWEST_LINES + AFTER:
        return []
    found: list[dict[str, Any]] = []
    first = losses[np.isfinite(losses)][0] if np.isfinite(losses).any() else np.nan
    place = BEFORE
    while place < len(norms) - AFTER:
        earlier, later = losses[place - BEFORE : place], losses[place + 1 : place + 1 + AFTER]
        usual = float(np.median(norms[place - BEFORE : place]))
        if usual > 0 and norms[place] > JUMP * usual and np.isfinite(earlier).all() and np.isfinite(later).all():
            rise, learned = float(later.mean() - earlier.mean()), float(first - earlier.mean())
            error = noise(earlier) * (1 / BEFORE + 1 / AFTER) ** 0.5
            if rise > max(SURE * error, HARM * learned, 0.0):
                found.append(
                    {
                        "step": int(steps[place]),
                        "times": float(norms[place] / usual),
                        "loss_before": float(earlier.mean()),
                        "loss_after": float(later.mean()),
                    }
                )
                place += AFTER
        place += 1
    return found
