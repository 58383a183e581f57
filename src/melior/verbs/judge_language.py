"""`judge` of two language models: bits per byte of the same rows, and how right their answers to prompts are."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from melior.data.language import Row, language_rows
from melior.data.table import Floats
from melior.errors import UserError
from melior.metrics import Interval
from melior.progress import Progress
from melior.trials.judge import LEVEL
from melior.trials.language_model import groups_of, need_networks
from melior.trials.language_scores import LanguageScores, drawn, languages_in, scored
from melior.trials.versus import RESAMPLES, Measure, together, weighed
from melior.trials.where import PartDifference, differences
from melior.verbs.comparison import Comparison
from melior.verbs.language import is_language_run, load_writer

BITS = Measure("bits_per_byte", "bits that a byte of the rows costs", False)
MATCH = Measure("exact_match", "share of prompts that are answered as they should be", True)
SHARED = Measure("token_f1", "words shared with the right answer, F1", True)
FEWEST = 10  # different rows
UNITS_AT_ONCE = 4_000_000


def judge_language(
    a: Any,
    b: Any,
    data: Any,
    *,
    asked: Sequence[str],
    margin: float,
    non_inferior: float | None,
    without: Sequence[str],
    seed: int,
    progress: Progress,
) -> Comparison:
    """Compares two runs of language models on rows that neither learned. Rows that say the same are drawn together.

    without  options that were given and mean nothing here
    """
    started = time.perf_counter()
    for one in (a, b):
        if not is_language_run(one):
            raise UserError(f"{one} is no run of a language model, and the other is: they answer different questions.")
    if without:
        raise UserError(
            f"{without[0]} is for models that answer with classes; language models are compared without it."
        )
    need_networks()
    from melior.networks.conversation import numbered

    rows, name = language_rows(data)
    rows, notes = drawn(numbered(rows, name), seed)
    groups = groups_of(rows)
    units = len(np.unique(groups))
    if units < FEWEST:
        raise UserError(f"{name}: {units} different rows, and {FEWEST} are needed to compare two models on.")
    found = []
    for number, one in enumerate((a, b)):
        progress("answering", number, 2, str(one))
        found.append(scored(load_writer(one)[0], rows, on=name, seed=seed))
    progress("answering", 2, 2)
    measures, sums, sizes = _sums(found, rows)
    names = [one.name for one in measures]
    chosen = list(asked) or [BITS.name]
    for one in chosen:
        if one not in names:
            raise UserError(f"--metric {one}: language models are compared in {', '.join(names)} on these rows.")
    order = [names.index(one) for one in chosen] + [at for at, one in enumerate(names) if one not in chosen]
    values, many = _values(sums[:, order], sizes[order], groups, seed)
    own = [[_interval(values[side, at], many[side, at]) for at in range(len(order))] for side in (0, 1)]
    compared = weighed(
        [measures[at] for at in order], own, values, many, units=float(units), asked=chosen, margin=margin,
        non_inferior=non_inferior,
    )  # fmt: skip
    worse, seen = _languages(rows, sums[:, 0], sizes[0], groups, seed)
    return Comparison(
        a=str(Path(a)),
        b=str(Path(b)),
        on=name,
        rows=len(rows),
        drawn="single rows, those that say the same together",
        units=units,
        asked=tuple(chosen),
        metrics=tuple(compared),
        verdict=together(compared[: len(chosen)], non_inferior),
        margin=margin,
        non_inferior=non_inferior,
        slices=tuple(worse),
        slices_seen=seen,
        notes=notes,
        seconds=time.perf_counter() - started,
    )


def _sums(found: Sequence[LanguageScores], rows: Sequence[Row]) -> tuple[list[Measure], Floats, Floats]:
    """Measures that are sums over rows by their sizes: sums (2, measures, rows), sizes (measures, rows)."""
    from melior.data.language import split_answer
    from melior.networks.answers import exact_match, token_f1

    first = found[0].foreseen
    assert first is not None
    bits = [one.foreseen.nats / math.log(2) for one in found if one.foreseen is not None]
    asked = np.array([split_answer(row) is not None for row in rows], dtype=bool)
    if not asked.any():
        return [BITS], np.stack(bits)[:, None], first.bytes[None].astype(np.float64)
    sums = np.zeros((2, 3, len(rows)))
    for side, one in enumerate(found):
        sums[side, 0] = bits[side]
        for place, value in ((1, exact_match), (2, token_f1)):
            # a prompt that leaves a model no room for an answer is not answered right
            sums[side, place, asked] = [
                0.0 if each.given is None else value([each.given], [each.right]) for each in one.answered
            ]
    return [BITS, MATCH, SHARED], sums, np.stack([first.bytes, asked, asked]).astype(np.float64)


def _values(sums: Floats, sizes: Floats, groups: Any, seed: int) -> tuple[Floats, Floats]:
    """(2, measures), and on rows drawn anew (2, measures, draws)."""
    number = np.unique(groups, return_inverse=True)[1]
    units = int(number.max()) + 1
    put = sparse.csr_matrix((np.ones(len(number)), (np.arange(len(number)), number)), shape=(len(number), units))
    above = np.stack([one @ put for one in sums])  # (2, measures, units)
    below = sizes @ put
    random = np.random.default_rng([seed, 13])
    pieces, at_once = [], max(1, UNITS_AT_ONCE // units)
    for start in range(0, RESAMPLES, at_once):
        counts = random.multinomial(units, np.full(units, 1 / units), min(at_once, RESAMPLES - start)).astype(float)
        pieces.append((above @ counts.T) / np.maximum(below @ counts.T, 1))
    return above.sum(axis=2) / np.maximum(below.sum(axis=1), 1), np.concatenate(pieces, axis=2)


def _interval(value: float, many: Floats) -> Interval:
    low, high = np.quantile(many, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


def _languages(
    rows: Sequence[Row], bits: Floats, sizes: Floats, groups: Any, seed: int
) -> tuple[list[PartDifference], int]:
    """The languages in which B is provably worse in bits per byte, and how many there are."""
    spoken = languages_in(rows)
    if not spoken:
        return [], 0
    inside = np.stack(list(spoken.values()), axis=1).astype(np.float64)
    counted = inside.sum(axis=0).astype(int).tolist()
    own, one, other = (sparse.csr_matrix(inside * each[:, None]) for each in (sizes, bits[0], bits[1]))
    found = differences(list(spoken), counted, own, one, other, groups, seed=seed, worse=True, less_is_better=True)
    return [one for one in found if one.p_adjusted is not None and one.p_adjusted < LEVEL], len(spoken)
