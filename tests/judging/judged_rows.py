"""Rows with three classes, and predictions of them with a skill."""

import numpy as np
import polars as pl

COLOURS = ("blue", "green", "red")


def rows_of(seed, rows=200):
    random = np.random.default_rng(seed)
    codes = random.integers(0, 3, rows)
    return pl.DataFrame(
        {
            "key": [f"k{n}" for n in range(rows)],
            "size": (random.normal(size=rows) + 1.5 * codes).round(3),
            "width": (random.normal(size=rows) - codes).round(3),
            "shop": random.choice(["north", "south", "east"], rows),
            "user": [f"u{n}" for n in random.integers(0, 40, rows)],
            "day": [f"2024-01-{1 + n * 28 // rows:02d}" for n in range(rows)],
            "sure": random.choice(["yes", "no"], rows, p=[0.7, 0.3]),
            "y": np.array(COLOURS)[codes],
        }
    )


def predicted(truth, skill, seed, scores=True):
    random = np.random.default_rng(seed)
    rows = len(truth)
    right = np.array([COLOURS.index(one) for one in truth])
    said = np.where(random.random(rows) < skill, right, (right + random.integers(1, 3, rows)) % 3)
    chances = np.full((rows, 3), 0.2)
    chances[np.arange(rows), said] = 0.6
    columns = {f"score_{colour}": chances[:, n] for n, colour in enumerate(COLOURS)} if scores else {}
    return pl.DataFrame({"row": np.arange(rows), "prediction": np.array(COLOURS)[said], **columns})
