"""How long blocks of rows in an order must be, and whether they should overlap.

Two models that are as good answer rows one after the other; the luck of each lasts (neighbours have this correlation in
what is drawn for them). Each way of drawing blocks gives the mean of B right minus A right a 95 % interval with the
quantile of t for so many blocks: the share of intervals that hold 0, and their mean length beside that of the blocks
that `judge` takes.

    judge               blocks that do not overlap, as long as `blocks_in_order` says
    judge, circular     blocks of that length that may begin at any row (Politis and Romano 1992)
    best, circular      of the length that is best for the spread (Politis and White 2004)
    cube root           circular, of n^(1/3) rows
"""

import argparse
from typing import Any

import numpy as np
from common import Results, Shown, number, options
from scipy.signal import lfilter
from scipy.special import stdtrit
from scipy.stats import norm

from melior.metrics import blocks_in_order
from melior.metrics.ordered import dependence

ROWS, LASTING = (200, 400, 1000, 3000), (0.0, 0.5, 0.8, 0.9, 0.95)
WAYS = ("judge", "judge, circular", "best, circular", "cube root")


def gains(random: np.random.Generator, rows: int, last: float) -> Any:
    """(rows,) 1 where B alone is right, -1 where A alone is."""
    luck = lfilter([np.sqrt(1 - last**2)], [1, -last], random.normal(size=(2, rows + 300)), axis=1)[:, 300:]
    right = (luck < norm.ppf(0.8)).astype(float)
    return right[1] - right[0]


def apart(values: Any, blocks: Any) -> float:
    """Half the interval's length from blocks that do not overlap."""
    many, rows = int(blocks.max()) + 1, len(values)
    rest = np.bincount(blocks, values - values.mean())
    return float(np.sqrt((rest**2).sum()) / rows * np.sqrt(many / (many - 1)) * stdtrit(many - 1, 0.975))


def circular(values: Any, length: int) -> float:
    """The same from all blocks of this length."""
    rows = len(values)
    centred = values - values.mean()
    summed = np.concatenate([[0.0], np.cumsum(np.concatenate([centred, centred]))])
    blocks = summed[length : length + rows] - summed[:rows]
    many = rows / length
    return float(np.sqrt((blocks**2).mean() / length / rows * many / (many - 1)) * stdtrit(many - 1, 0.975))


def case(rows: int, last: float, runs: int) -> dict[str, float]:
    halves = {way: np.zeros(runs) for way in WAYS}
    means = np.zeros(runs)
    for run in range(runs):
        values = gains(np.random.default_rng([run, rows]), rows, last)
        blocks = blocks_in_order(np.arange(rows), [values])
        means[run] = values.mean()
        halves["judge"][run] = apart(values, blocks)
        halves["judge, circular"][run] = circular(values, round(rows / (blocks.max() + 1)))
        halves["best, circular"][run] = circular(values, max(1, round(dependence(values))))
        halves["cube root"][run] = circular(values, round(rows ** (1 / 3)))
    held = {f"holds {way}": float((np.abs(means) <= half).mean()) for way, half in halves.items()}
    return {**held, **{f"length {way}": float(half.mean() / halves["judge"].mean()) for way, half in halves.items()}}


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=1000)


def main() -> None:
    given = options(__doc__ or "", more)
    if given.quick:
        given.runs = 50
    results = Results("judge_blocks", "How long blocks of rows in an order must be", given, {"runs": given.runs})
    if not given.show:
        for rows in ROWS:
            for last in LASTING:
                results.case(f"{rows} rows, {last}", lambda n=rows, one=last: case(n, one, given.runs))
    shown = [
        (name, *(number(one[f"holds {way}"]) for way in WAYS), *(number(one[f"length {way}"], 2) for way in WAYS[1:]))
        for name, one in results.finished().items()
    ]
    headings = ("rows, correlation of neighbours", *WAYS, *(f"length: {way}" for way in WAYS[1:]))
    results.show([Shown("The share of 95 % intervals that hold the truth", headings, shown)])


if __name__ == "__main__":
    main()
