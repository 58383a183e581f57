"""How often `improve` of a language model accepts a change where none is better, and where one is.

    python benchmarks/language_level.py --runs 2000

Texts of 5 to 79 bytes, hard ones and easy ones (gamma), the same for all models; six candidates with errors of their
own on each text. No network is trained: what is measured is the judge.
"""

import argparse

import numpy as np

from melior.metrics.bits_per_byte import drawn_gains, errors
from melior.trials.judge import judged

CANDIDATES = 6


def accepted(gain: float, runs: int, rows: int) -> float:
    """The share of runs in which anything is accepted; the first candidate gains so many bits per byte."""
    found = 0
    for seed in range(runs):
        random = np.random.default_rng(seed)
        sizes = random.integers(5, 80, rows)
        hard = random.gamma(2.0, 1.0, rows) * sizes
        nats = hard + random.normal(size=(CANDIDATES + 1, rows)) * np.sqrt(sizes)
        nats[1] -= gain * sizes * np.log(2)
        groups = np.arange(rows)
        gains, resampled = drawn_gains(nats[0], nats[1:], sizes, groups, seed=seed, resamples=400)
        found += any(one.verdict == "accepted" for one in judged(gains, resampled, error=errors(resampled, groups)))
    return found / runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    print("rows  gain  accepts anything")
    for rows, gain in ((10, 0.0), (20, 0.0), (40, 0.0), (100, 0.0), (400, 0.0), (100, 0.05), (100, 0.1), (100, 0.2)):
        print(f"{rows:>4}  {gain:>4}  {accepted(gain, runs, rows):.1%}", flush=True)


if __name__ == "__main__":
    main()
