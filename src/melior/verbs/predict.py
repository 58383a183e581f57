"""`predict`: answers for new rows."""

from pathlib import Path
from typing import Any

import polars as pl

from melior.errors import UserError
from melior.storage import write_atomic
from melior.verbs.evaluate import predictor_of


def predict(what: Any, source: Any, *, out: str | Path | None = None) -> pl.DataFrame:
    """The answers for a file, a frame or a Table: `row` (from 0, in file order), `prediction`, `score_CLASS` for all.

    what  a run folder, a Predictor, or anything with a `predictor`
    out   a CSV file to write; a file that is there already is not overwritten

    >>> melior.predict("runs/plain", "new.csv", out="answers.csv")             # doctest: +SKIP
    """
    predictor, _ = predictor_of(what)
    if out is not None and Path(out).exists():
        raise UserError(f"{out} is there already; choose another name with --out or remove it.")
    answers = predictor.predict(source)
    if out is not None:
        write_atomic(Path(out), answers.write_csv())
    return answers
