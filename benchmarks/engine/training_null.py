"""What the checks of a training measure where nothing is wrong: healthy tiny trainings of 19 kinds.

    python benchmarks/engine/training_null.py --seeds 12

Prints for each kind the most of each statistic over the seeds, beside the threshold of its check, and every finding:
there should be none. The thresholds come from theory (see each check); this is what they are held against. Healthy
means trained to the end on rows enough: the same networks with a quarter of the rows did overfit, and with two thirds
of the steps the deep ones were still learning, and both was found.
"""

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "checks"))

from trainings import HEALTHY, MORE_HEALTHY, healthy

from melior.checks import exploding_gradients, overfitting_curves, untuned, vanishing_gradients
from melior.checks._training import Record, training_checks

TIMED = ("waiting", "small batches")  # they tell how busy the machine is
THRESHOLDS = {
    "fade": vanishing_gradients.ALLOWED,
    "grow": exploding_gradients.ALLOWED,
    "stuck": vanishing_gradients.STUCK,
    "peak": untuned.OVERSHOT,
    "late": untuned.FALLING,
    "still": -untuned.HARDLY,
    "lost": overfitting_curves.MATTERS,
}


def measured(record: Record) -> dict[str, float]:
    """The statistics of one training; `still` is the possible change of the network, negative since less is worse."""
    fade, grow = vanishing_gradients.steepest(record), exploding_gradients.growth(record)
    stuck = [share for _, share in vanishing_gradients.stuck_units(record).values()]
    course, rise = untuned.course(record), overfitting_curves.rise(record)
    assert course is not None
    return {
        "fade": fade["over_chance"] if fade else 0.0,
        "grow": grow["over_chance"] if grow else 0.0,
        "stuck": max(stuck, default=0.0),
        "peak": course.peak / course.first,
        "late": float((course.means[-2] - course.means[-1]) / (course.first - course.means[-1])),
        "still": -(untuned.possible_change(record) or 0.0),
        "lost": rise["lost"] if rise else 0.0,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=12)
    options.add_argument("kinds", nargs="*", default=[*HEALTHY, *MORE_HEALTHY])
    given = options.parse_args()
    torch.set_num_threads(1)
    print(f"{'':22}" + "".join(f"{name:>9}" for name in THRESHOLDS))
    print(f"{'threshold':22}" + "".join(f"{value:9.3g}" for value in THRESHOLDS.values()))
    total, findings = 0, 0
    for kind in given.kinds:
        most: dict[str, float] = {}
        for seed in range(given.seeds):
            record = healthy(kind, seed)
            for name, value in measured(record).items():
                most[name] = max(most.get(name, -float("inf")), value)
            every = [one for check in training_checks().values() for one in check().measure(record)]
            found = [one for one in every if one.measured.get("cause") not in TIMED]
            total, findings = total + 1, findings + len(found)
            for one in found:
                print(f"  {kind}, seed {seed}: {one.symptom}: {one.message}")
        print(f"{kind:22}" + "".join(f"{value:9.3g}" for value in most.values()), flush=True)
    print(f"{findings} findings in {total} healthy trainings")


if __name__ == "__main__":
    main()
