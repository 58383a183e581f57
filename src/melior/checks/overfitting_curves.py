"""Overfitting of curves: the loss on rows put aside rises while the training loss still falls."""

from math import log, sqrt
from typing import Any

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student_t

from melior.checks._training import Record, TrainingCheck, noise
from melior.data.table import Floats
from melior.findings import Finding

FEWEST = 4  # validations
SURE = 0.0005  # chance of an alarm for a level with noise
MATTERS = 0.1  # of what was learned


class OverfittingCurves(TrainingCheck):
    """The validation loss after its best, against its own noise, and the training loss in the same time.

    The noise of the validation loss is taken from its second differences, in which a smooth course drops out. The best
    of n values lies about sqrt(2 ln n) standard deviations below their mean by chance alone, so a finding is made where
    the mean of the values after the best lies above the best by that and three more (more where few values tell the
    noise, by Student's t), the last value is higher than those halfway there on average, and the training loss fell in
    the same time. Of 2,000 levels with noise, none (of 4 values) to 1.1 % (of 40) pass. It must matter too: a tenth of
    what had been learned (from the first training loss to the best validation loss) was lost again. Severity is that
    share, at most 1; 0.1 where the best weights were kept, so that nothing was lost.
    """

    symptoms = frozenset({"overfitting"})

    def measure(self, record: Record) -> list[Finding]:
        found = rise(record)
        if found is None or found["lost"] <= MATTERS:
            return []
        kept = bool(record.settings.get("keep") == "best" or record.settings.get("patience"))
        kept = kept and record.settings.get("keep") != "last" and record.settings.get("watch", "loss") == "loss"
        after = (
            "those weights were kept, so nothing was lost"
            if kept
            else f"{min(found['lost'], 1):.0%} of what had been learned was lost again"
        )
        return [
            Finding(
                symptom="overfitting",
                severity=0.1 if kept else min(found["lost"], 1.0),
                message=(
                    f"Validation loss was best at step {found['best_step']} ({found['best']:.3f}) and rose to "
                    f"{found['last']:.3f} while the training loss went on falling: {after}."
                ),
                measured={**found, "best_weights_kept": kept},
                threshold=MATTERS,
                threshold_from="a tenth of what was learned, and more than the noise of the curve explains (3 sigma)",
            )
        ]


def rise(record: Record) -> dict[str, Any] | None:
    """How far the validation loss rose after its best; None where it did not for sure, or training fell no further."""
    steps, losses = record.valid
    if len(losses) < FEWEST:
        return None
    best = int(np.argmin(losses))
    after = losses[best + 1 :]
    if len(after) < 2:
        return None
    spread = curve_noise(losses)
    # half of the second differences are new: with few of them, the noise itself is hardly known (Student's t)
    unsure = float(student_t.isf(SURE, max((len(losses) - 2) / 2, 1)) / norm.isf(SURE))
    needed = unsure * (sqrt(2 * log(len(losses))) + norm.isf(SURE) / sqrt(len(after))) * spread
    half = after[: max(len(after) // 2, 1)]
    rising = after[-1] > half.mean() and after[-1] > losses[best] + needed and after.mean() > losses[best] + needed
    then, now = training_at(record, steps[best]), training_at(record, steps[-1])
    if not rising or then is None or now is None or now >= then:
        return None
    first = record.steps["loss"][np.isfinite(record.steps["loss"])][0]
    learned = max(float(first - losses[best]), 1e-12)
    return {
        "lost": float((losses[-1] - losses[best]) / learned),
        "best_step": int(steps[best]),
        "best": float(losses[best]),
        "last": float(losses[-1]),
        "training_loss_then": then,
        "training_loss_now": now,
        "noise": spread,
    }


def curve_noise(values: Floats) -> float:
    """Standard deviation of independent noise around a smooth course: second differences have 6 times its variance."""
    if len(values) < 4:
        return noise(values)
    return float(np.median(np.abs(np.diff(values, 2))) / 0.6745 / sqrt(6))


def training_at(record: Record, step: float) -> float | None:
    """Mean training loss of the lines around a validation: those of an epoch's length before it, or the last five."""
    where, losses = record.steps["step"], record.steps["loss"]
    epoch = int(record.start.get("steps_per_epoch") or 1)
    near = losses[(where <= step) & (where > step - epoch) & np.isfinite(losses)]
    if len(near) < 5:
        near = losses[(where <= step) & np.isfinite(losses)][-5:]
    return float(near.mean()) if len(near) else None
