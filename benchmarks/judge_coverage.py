"""How often `judge` calls one of two models better that are as good, and how often its interval holds the truth.

Two models answer the same rows; each keeps the other's luck for some of them. Single rows, rows in groups in which each
model has luck of its own, rows in an order in which luck lasts, and labels of which a part is wrong (corrected with the
matrix that made them wrong). "as single rows" is the same comparison made as if all rows were independent.

`differs` is the share of runs in which one of two equal models is called better (0.05 is right), `holds` the share of
the 95 % intervals that hold the true difference, `slices` the share of runs in which any of twelve slices is said to be
worse. `proved` is the share of runs in which a model that is better by `gain` is called better (in half as many runs),
beside the power that the errors of the comparisons promise.
"""

import argparse
from typing import Any

import numpy as np
from common import Results, Shown, number, options, share_interval
from scipy.signal import lfilter
from scipy.special import ndtri
from scipy.stats import norm

from melior.metrics import Interval, Predictions, blocks_in_order, label_weights, metric, one_hot
from melior.trials.versus import drawn_metrics, weighed
from melior.trials.where import Slices, by_slice

CLASSES = ("common", "middle", "rare")
SHARES = np.array([0.6, 0.3, 0.1])
SKILL = 0.8
NOISE = np.array([[0.85, 0.1, 0.05], [0.15, 0.8, 0.05], [0.1, 0.1, 0.8]])  # P(given | true)
RESAMPLES = 600  # of each comparison; `judge` takes 2,000
SLICES = 12
NONE = Interval(0.0, 0.0, 0.0)

# rows, what is alike, how much of its strength, the metric, the gain that is to be seen, whether labels are wrong
CASES: dict[str, dict[str, Any]] = {
    "single rows": {"rows": 400, "gain": 0.06},
    "single rows, macro F1": {"rows": 400, "gain": 0.06, "metric": "macro_f1"},
    "single rows, few answers differ": {"rows": 400, "copies": 0.97, "gain": 0.02},
    "40 groups of 10 rows": {"rows": 400, "groups": 40, "alike": 0.8, "gain": 0.1},
    "12 groups of 30 rows": {"rows": 360, "groups": 12, "alike": 0.5, "gain": 0.12},
    "40 groups, some of them large": {"rows": 600, "groups": 40, "alike": 0.5, "uneven": True, "gain": 0.1},
    "in order, luck lasts 4 rows": {"rows": 600, "order": 0.8, "gain": 0.1},
    "in order, luck lasts 10 rows": {"rows": 1000, "order": 0.9, "gain": 0.1},
    "in order, luck lasts 20 rows": {"rows": 1000, "order": 0.95, "gain": 0.1},
    "in order, luck does not last": {"rows": 600, "order": 0.0, "gain": 0.06},
    "wrong labels": {"rows": 600, "noise": True, "gain": 0.08},
    "wrong labels, 40 groups": {"rows": 600, "noise": True, "groups": 40, "alike": 0.5, "gain": 0.12},
}


def luck_of(random: np.random.Generator, given: dict[str, Any], groups: Any) -> tuple[Any, Any]:
    """Normal numbers (rows,) of both models: a row with a small one is answered right."""
    rows = given["rows"]
    if "order" in given:
        last = given["order"]
        return tuple(
            lfilter([np.sqrt(1 - last**2)], [1, -last], random.normal(size=rows + 300))[300:] for _ in range(2)
        )
    if groups is not None:
        alike = given["alike"]
        return tuple(
            np.sqrt(alike) * random.normal(size=groups.max() + 1)[groups]
            + np.sqrt(1 - alike) * random.normal(size=rows)
            for _ in range(2)
        )
    one, other = random.normal(size=(2, rows))
    return one, np.where(random.random(rows) < given.get("copies", 0.5), one, other)


def groups_in(random: np.random.Generator, given: dict[str, Any]) -> Any:
    if "groups" not in given:
        return None
    many, rows = given["groups"], given["rows"]
    if not given.get("uneven"):
        return np.arange(rows) % many
    weights = random.lognormal(sigma=0.8, size=many)
    return np.unique(random.choice(many, rows, p=weights / weights.sum()), return_inverse=True)[1]


def simulated(case: str, gain: float, seed: int, rows: int | None = None) -> tuple[Any, Predictions, Predictions, Any]:
    """True classes, the predictions of both (with the groups that are to be drawn), and what makes slices."""
    given = CASES[case] if rows is None else {**CASES[case], "rows": rows}
    random = np.random.default_rng([seed, 7])
    rows = given["rows"]
    codes = random.choice(len(SHARES), rows, p=SHARES)
    groups = groups_in(random, given)
    lucks = luck_of(random, given, groups)
    wrong = (codes + random.integers(1, 3, rows)) % 3
    answers = [
        np.where(luck < ndtri(skill), codes, wrong) for luck, skill in zip(lucks, (SKILL, SKILL + gain), strict=True)
    ]
    truth = one_hot(codes, 3)
    if given.get("noise"):
        seen = (random.random(rows)[:, None] > NOISE[codes].cumsum(axis=1)).sum(axis=1)
        truth = label_weights(seen, NOISE)
    if "order" in given:
        right = [truth[np.arange(rows), said] for said in answers]
        groups = blocks_in_order(np.arange(rows), [right[1] - right[0]])
    one, two = (Predictions(truth, None, said, groups) for said in answers)
    return codes, one, two, random.integers(0, SLICES, rows)


def true_gain(case: str, gain: float) -> float:
    """Of accuracy it is known; of other metrics that of 200,000 single rows."""
    name = CASES[case].get("metric", "accuracy")
    if name == "accuracy" or not gain:
        return gain
    _, one, two, _ = simulated(case, gain, 10**6, 200_000)
    values = [metric(name, CLASSES).measure(each.truth, None, each.answers) for each in (one, two)]
    return values[1] - values[0]


def judged(case: str, gain: float, truth: float, seed: int) -> dict[str, float]:
    name = CASES[case].get("metric", "accuracy")
    _, one, two, part = simulated(case, gain, seed)

    def compared(a: Predictions, b: Predictions) -> Any:
        values, drawn, units = drawn_metrics([metric(name, CLASSES)], a, b, seed=seed, resamples=RESAMPLES)
        alone = [[NONE], [NONE]]  # the intervals of each model alone are measured elsewhere
        return weighed(
            [metric(name, CLASSES)], alone, values, drawn, units=units, asked=[name], margin=0.0, non_inferior=None
        )[0]

    found = compared(one, two)
    blind = found
    if one.groups is not None and not gain:
        blind = compared(*(Predictions(each.truth, None, each.answers) for each in (one, two)))
    from scipy.sparse import csr_matrix

    inside = csr_matrix((part[:, None] == np.arange(SLICES)).astype(float))
    slices = [] if gain else by_slice(one, two, Slices(tuple(map(str, range(SLICES))), inside), seed)
    return {
        "better": found.verdict == "b_better",
        "either": found.verdict in ("a_better", "b_better"),
        "blind": blind.verdict in ("a_better", "b_better"),
        "holds": found.difference.low <= truth <= found.difference.high,
        "detectable": found.detectable or 0.0,
        "slices": any(each.p_adjusted is not None and each.p_adjusted < 0.05 for each in slices),
    }


def case(name: str, runs: int) -> dict[str, float]:
    gain = CASES[name]["gain"]
    truth = true_gain(name, gain)
    equal = [judged(name, 0.0, 0.0, seed) for seed in range(runs)]
    better = [judged(name, gain, truth, seed) for seed in range(runs // 2)]

    def mean(found: list[dict[str, float]], key: str) -> float:
        return float(np.mean([one[key] for one in found]))

    promised = [norm.sf(1.96 - 2.8016 * truth / one["detectable"]) for one in better if one["detectable"]]
    return {
        "runs": runs,
        "differs": mean(equal, "either"),
        "blind": mean(equal, "blind"),
        "holds": mean(equal, "holds"),
        "slices": mean(equal, "slices"),
        "gain": truth,
        "holds_gain": mean(better, "holds"),
        "proved": mean(better, "better"),
        "promised": float(np.mean(promised)),
        "detectable": float(np.median([one["detectable"] for one in better])),
    }


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=1000)


def main() -> None:
    given = options(__doc__ or "", more)
    if given.quick:
        given.runs = 20
    results = Results("judge_coverage", "The level and the coverage of melior judge", given, {"runs": given.runs})
    if not given.show:
        for name in CASES:
            results.case(name, lambda n=name: case(n, given.runs))
    done = results.finished()
    equal = [
        (name, share_interval(round(one["differs"] * one["runs"]), one["runs"]), number(one["blind"]),
         number(one["holds"]), number(one["slices"]))
        for name, one in done.items()
    ]  # fmt: skip
    better = [
        (name, number(one["gain"]), number(one["holds_gain"]), number(one["proved"]), number(one["promised"]),
         number(one["detectable"]))
        for name, one in done.items()
    ]  # fmt: skip
    results.show(
        [
            Shown("Two models that are as good", ("rows", "differs", "as single rows", "holds", "slices"), equal),
            Shown("One that is better", ("rows", "gain", "holds", "proved", "promised", "could see"), better),
        ],
        [
            "differs: one of two equal models is called better (0.05 is right), with its exact 95 % interval; as "
            "single rows: the same where all rows are drawn one by one.",
            "holds: the 95 % interval of the difference holds the true one; slices: any of twelve slices is said to "
            "be worse (0.05 is right); proved: the better one is called so, beside the power that the error of each "
            "run promises.",
        ],
    )


if __name__ == "__main__":
    main()
