"""What several files of tests here share."""

import numpy as np
import polars as pl
import pytest


@pytest.fixture(scope="module")
def known_rows():
    """600 rows whose fault is known: a column of -999 in twenty of them, and a column that is the answer."""
    random = np.random.default_rng(0)
    answer = random.integers(0, 2, 600)
    size = random.normal(50, 5, 600) + 4 * answer
    size[random.choice(600, 20, replace=False)] = -999
    return pl.DataFrame(
        {
            "size": size,
            "other": random.normal(size=600),
            "code": np.where(answer == 1, "t", "f"),
            "answer": np.where(answer == 1, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def known_file(known_rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "rows.csv"
    known_rows.write_csv(path)
    return path
