"""Untuned: the learning rate is too high or too low, by the course of the loss, the size of the steps or a test."""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from melior.checks._training import FEWEST_LINES, Record, TrainingCheck, noise, numbers
from melior.data.table import Floats
from melior.findings import Finding

SURE = 3.0  # standard errors
FALLING = 0.227  # of the fall of the loss that came in the last quarter of training
HARDLY = 0.1  # of itself: what the weights could change the network by, over all of training
STAYED = 0.5  # of the first loss that is left
OVERSHOT = 2.0  # times the loss of the untrained network
SMOOTH = 5  # lines
FAR = 10.0  # times


@dataclass(frozen=True)
class Course:
    """The course of a training loss: first, the mean of each quarter of the way (in the sum of rates) with its standard
    error, and the highest mean of 5 lines in a row."""

    first: float
    means: Floats
    errors: Floats
    peak: float


class Untuned(TrainingCheck):
    """A learning rate that is far from right. At most one finding, of the surest sign.

    Too high: the mean of five lines of the training loss rose to twice that of the untrained network, by more than
    noise: steps were so large that they led away (a rate below two over the curvature only leads down). In 228
    healthy trainings of 19 kinds it was 1.23 times at most. Or loss or gradient broke and the rate had to be lowered.
    Severity 0.8.

    Too low: the matrices could not change the network by more than a tenth of itself, which is the bound
    prod(1 + d) - 1 of Bernstein et al. (On the distance between two neural networks and the stability of learning,
    2020), where d is the sum of relative changes of a matrix over all steps; and over half of the loss is left.
    Severity 0.9. Or 22.7 % or more of all that the loss fell came in the last quarter of the way (in the sum of
    rates), by more than three standard errors, and the validation loss, where there is one, is lowest at the end: an
    exponential fall has half of its way before it there, and a straight one gives 29 %. Severity is that share over
    0.29, at most 1, halved.

    Far from a range test: below a tenth of the rate that the test suggests (Smith 2017), or above the highest that
    learned in it. Not certain; severity 0.4.
    """

    symptoms = frozenset({"untuned"})

    def measure(self, record: Record) -> list[Finding]:
        known = course(record)
        for look in (self.too_high, self.too_small_steps, self.still_falling, self.far_from_test):
            found = look(record, known)
            if found is not None:
                return [found]
        return []

    def too_high(self, record: Record, known: Course | None) -> Finding | None:
        rate = rate_of(record)
        lowered = [float(one["rate"]) for one in record.events("non_finite") if one.get("rate")]
        if lowered:
            said = f"training broke and the rate was lowered to {min(lowered):g} times of it"
            measured: dict[str, Any] = {"rate": rate, "rate_left": min(lowered)}
            return _finding(0.8, f"The learning rate{_of(rate)} is too high: {said}.", measured, 1.0, "no lowering")
        if known is None or known.peak <= OVERSHOT * known.first:
            return None
        if known.peak - known.first <= SURE * known.errors.max():
            return None
        return _finding(
            0.8,
            f"The learning rate{_of(rate)} is too high: the training loss rose from {known.first:.3g} to "
            f"{known.peak:.3g}.",
            {"rate": rate, "first_loss": known.first, "highest_loss": known.peak, "last_loss": float(known.means[-1])},
            OVERSHOT,
            "times the loss of the untrained network",
        )

    def too_small_steps(self, record: Record, known: Course | None) -> Finding | None:
        bound, rate = possible_change(record), rate_of(record)
        if bound is None or bound >= HARDLY or known is None or known.means[-1] < STAYED * known.first:
            return None
        return _finding(
            0.9,
            f"The learning rate{_of(rate)} is too low: over all of training the weights could change the network by "
            f"{bound:.2%} of itself at most.",
            {"rate": rate, "possible_change": bound, "first_loss": known.first, "last_loss": float(known.means[-1])},
            HARDLY,
            "bound of the change of a network by the relative changes of its matrices (Bernstein et al. 2020)",
        )

    def still_falling(self, record: Record, known: Course | None) -> Finding | None:
        if known is None:
            return None
        fell, late = known.first - known.means[-1], known.means[-2] - known.means[-1]
        error = sqrt(known.errors[-2] ** 2 + known.errors[-1] ** 2)
        if fell <= 0 or late <= SURE * error or late < FALLING * fell:
            return None
        _, validations = record.valid
        if len(validations) > 1 and validations[-1] > validations.min():
            return None
        share, rate = float(late / fell), rate_of(record)
        return _finding(
            min(share / 0.29, 1.0) / 2,
            f"The training loss is still falling clearly at the end ({share:.0%} of its fall came in the last "
            f"quarter): raise the learning rate{_of(rate)} or train longer.",
            {"rate": rate, "late_share": share, "first_loss": known.first, "last_loss": float(known.means[-1])},
            FALLING,
            "share of the fall in the last quarter; an exponential fall has half of its way before it there",
        )

    def far_from_test(self, record: Record, known: Course | None) -> Finding | None:
        rate, suggested, highest = rate_of(record), record.suggested, record.highest
        if not rate:
            return None
        measured: dict[str, Any] = {"rate": rate, "suggested": suggested, "highest": highest}
        if highest and rate > highest:
            said = f"The learning rate of {rate:g} is above {highest:g}, the highest that learned in a range test."
            return _finding(0.4, said, measured, highest, "range test", certain=False)
        if suggested and rate < suggested / FAR:
            said = (
                f"The learning rate of {rate:g} is less than a tenth of the {suggested:g} that a range test suggests."
            )
            return _finding(0.4, said, measured, suggested / FAR, "range test", certain=False)
        return None


def course(record: Record) -> Course | None:
    """None where there are too few lines to tell."""
    losses, rates, steps = (record.steps[name] for name in ("loss", "rate", "step"))
    known = np.isfinite(losses) & np.isfinite(rates)
    losses, rates, steps = losses[known], rates[known], steps[known]
    if len(losses) < FEWEST_LINES:
        return None
    way = np.cumsum(rates * np.diff(steps, prepend=0.0))
    quarters = np.split(losses, np.searchsorted(way, way[-1] * np.array([0.25, 0.5, 0.75])))
    if min(len(one) for one in quarters) < 3:
        return None
    means = np.array([one.mean() for one in quarters])
    errors = np.array([noise(one) / sqrt(len(one)) for one in quarters])
    smooth = np.convolve(losses, np.ones(SMOOTH) / SMOOTH, mode="valid")
    return Course(float(losses[0]), means, errors, float(smooth.max()))


def possible_change(record: Record) -> float | None:
    """How much the matrices could change the network at most, as a share of itself; None where it is not known."""
    total = float(record.start.get("steps") or record.last_step)
    lines = [line.get("layers") or {} for line in record.of("layers")]
    bound, seen = 0.0, False
    for name in record.start.get("weights") or {}:
        updates = numbers(one[name].get("update") for one in lines if name in one)
        updates = updates[np.isfinite(updates)]
        if len(updates):
            seen = True
            bound += float(np.log1p(updates.mean() * total))
    return float(np.expm1(min(bound, 50.0))) if seen else None


def rate_of(record: Record) -> float | None:
    rate = record.settings.get("learning_rate")
    return float(rate) if isinstance(rate, int | float) else None


def _of(rate: float | None) -> str:
    return "" if rate is None else f" of {rate:g}"


def _finding(
    severity: float, said: str, measured: dict[str, Any], threshold: float, how: str, certain: bool = True
) -> Finding:
    return Finding(
        symptom="untuned",
        severity=severity,
        message=said,
        measured=measured,
        threshold=threshold,
        threshold_from=how,
        certain=certain,
    )
