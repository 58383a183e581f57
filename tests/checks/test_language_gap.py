"""A language in which a model is wrong more often is named; where mistakes have no language nothing is."""

import numpy as np
import polars as pl

from melior.checks.language_gap import LanguageGap
from melior.data.schema import Schema
from melior.data.table import Table


class Told:
    """A context whose scores are given."""

    def __init__(self, table, wrong, seed=0):
        self.table, self.seed = table, seed
        right = table.given_labels()
        answers = np.where(wrong, 1 - right, right)
        self.scores = np.where(answers[:, None] == np.arange(2), 0.9, 0.1)

    def out_of_fold(self):
        return self.scores


def table_of(counts, seed=0):
    random = np.random.default_rng(seed)
    languages = np.repeat(list(counts), list(counts.values()))
    frame = pl.DataFrame({"text": [f"row {n}" for n in range(len(languages))], "language": languages})
    labels = random.integers(0, 2, len(languages)).astype(np.int32)
    return Table.make(frame, Schema({"text": "text", "language": "language"}, "y", ("a", "b")), labels)


def found(counts, rates, seed=0, monkey=None):
    table = table_of(counts, seed)
    random = np.random.default_rng([seed, 1])
    rate = np.array([rates[name] for name in table.column("language")])
    return LanguageGap().measure(Told(table, random.random(table.rows) < rate))


def test_the_worse_language_is_named(monkeypatch):
    monkeypatch.setattr("melior.checks.language_gap.counted_once", lambda context, rows: rows)
    (finding,) = found({"de": 400, "fr": 60, "es": 200}, {"de": 0.1, "fr": 0.5, "es": 0.1})
    assert finding.measured["language"] == "fr"
    assert "French (60 rows)" in finding.message
    assert finding.severity > 0.2
    assert len(finding.rows) == 60
    assert not found({"de": 400, "fr": 10}, {"de": 0.1, "fr": 0.9}), "ten rows are too few to be named"
    assert not found({"de": 4000, "fr": 4000}, {"de": 0.10, "fr": 0.13}), "surely worse, but by too little"
    assert not found({"de": 400}, {"de": 0.3})


def test_nothing_is_named_where_mistakes_have_no_language(monkeypatch):
    monkeypatch.setattr("melior.checks.language_gap.counted_once", lambda context, rows: rows)
    counts = {"de": 150, "fr": 40, "es": 60, "it": 25}
    named = sum(bool(found(counts, dict.fromkeys(counts, 0.2), seed)) for seed in range(300))
    assert named <= 8  # 1 % of 300 are 3; more than 8 has a probability below 0.4 %
