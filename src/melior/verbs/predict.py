"""`predict`: answers for new rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from melior.data.label_sets import LabelSets
from melior.errors import UserError
from melior.predictor import warned
from melior.storage import writable_file, write_atomic
from melior.verbs.evaluate import predictor_of


def predict(
    what: Any, source: Any, *, out: str | Path | None = None, tell: Callable[[str], None] = warned
) -> pl.DataFrame:
    """The answers for a file, a frame or a Table: `row` (from 0, in file order), `prediction`, `score_CLASS` for all.

    what  a run folder, a Predictor, or anything with a `predictor`; of a language model: `row` and `answer`, which is
          null where a prompt leaves the model no room for one
    out   a CSV file to write; a file that is there already is not overwritten
    tell  is given a sentence for each column that cannot be read as in training, whose cells count as missing, or that
          has values never seen there, and whatever else reading has to say; they are warnings otherwise

    Where a row may have several labels, `prediction` is a list of them; in the CSV file the separator of the training
    rows stands between them.

    >>> melior.predict("runs/plain", "new.csv", out="answers.csv")             # doctest: +SKIP
    """
    if out is not None:
        if Path(out).exists():
            raise UserError(f"{out} is there already; choose another name with --out or remove it.")
        writable_file(Path(out))
    from melior.verbs.language import answer_rows, is_language_run

    sets = None
    if is_language_run(what):
        made = answer_rows(what, source)
        answers = pl.DataFrame({"row": range(len(made)), "answer": made}, schema={"row": pl.Int64, "answer": pl.String})
    else:
        predictor = predictor_of(what)[0]
        answers = predictor.predict(predictor.rows(source, tell))
        sets = predictor.schema.label_sets
    if out is not None:
        write_atomic(Path(out), as_csv(answers, sets))
    return answers


def as_csv(answers: pl.DataFrame, sets: LabelSets | None) -> str:
    """The answers as a CSV file; `sets` says what stands between the labels of a row."""
    flat = answers if sets is None else answers.with_columns(pl.col("prediction").list.join(sets.separator))
    return flat.write_csv()
