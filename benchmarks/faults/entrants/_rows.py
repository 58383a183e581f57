"""The rows of one case as the entrants take them, and what they answer; knows nothing of Melior.

    python ENTRANT.py FOLDER SECONDS

FOLDER holds `train.parquet` (the columns and `answer`, the labels as text), `new.parquet` (the columns alone: the rows
to be answered) and `about.json` ({"texts": [names of columns], "seed": int, "metric": "macro_f1"}). The entrant writes
`answers.json` there, all at once, or ends with code 1 and the reason on stderr.

Tools that take no text get, for each text column, one TfidfVectorizer fitted on the training rows (scikit-learn's
defaults but sublinear_tf, min_df=2, max_features=20,000) as sparse columns beside the others. Columns are renamed to
c0, c1 and so on; truth values, dates (seconds) and durations become numbers with gaps as NaN; a category that no
training row has is missing; a column without any value in the training rows is kept out.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

TARGET = "answer"
WORDS = "texts as TF-IDF of words, one vectorizer a column"
Pair = tuple[Any, Any]  # of the training rows, of the rows to be answered


@dataclass(frozen=True)
class Case:
    """What an entrant is told. `train` and `new` have the same columns; `labels` (n of train) are texts."""

    folder: Path
    seconds: float
    train: pa.Table
    labels: np.ndarray
    new: pa.Table
    texts: Sequence[str]
    seed: int


def cores() -> int:
    """The processors this process may run on."""
    return len(os.sched_getaffinity(0))


def case() -> Case:
    """The case of the command line; training rows without an answer are left out."""
    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    about = json.loads((folder / "about.json").read_text())
    train = pq.read_table(folder / "train.parquet")
    train = train.filter(train[TARGET].is_valid())
    labels = np.array(train[TARGET].cast(pa.string()).to_pylist(), dtype=object)
    train = train.drop_columns([TARGET])
    new = pq.read_table(folder / "new.parquet").select(train.column_names)
    return Case(folder, seconds, train, labels, new, about["texts"], about["seed"])


def write(
    case: Case,
    answers: Sequence[Any],
    *,
    seconds: float,
    libraries: Sequence[str],
    reported: float | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Writes `answers.json`: `seconds` of fitting, `reported` the tool's own estimate of its macro F1."""
    found = {
        "answers": [str(answer) for answer in answers],
        "seconds": seconds,
        "peak_mib": peak_mib(),
        "reported": reported,
        "library": {name: version(name) for name in libraries},
        "notes": list(notes),
    }
    part = case.folder / "answers.json.part"
    part.write_text(json.dumps(found))
    part.replace(case.folder / "answers.json")


def peak_mib() -> float:
    """The most memory this process has held so far (ru_maxrss would count what held the starting process)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


# ---- columns


def frames(case: Case) -> tuple[Pair, list[str]]:
    """(frames, notes): the columns but the texts, each of float64 or of pandas' category."""
    train, new, out = {}, {}, []
    for name in case.train.column_names:
        if name in case.texts:
            continue
        column = case.train[name]
        if column.null_count == len(column):
            out.append(name)
            continue
        key = f"c{len(train)}"
        if is_text(column.type):
            train[key] = pd.Series(strings(column), dtype="category")
            new[key] = pd.Categorical(strings(case.new[name]), categories=train[key].cat.categories)
        else:
            train[key], new[key] = numbers(column), numbers(case.new[name])
    notes = [f"without a value and kept out: {', '.join(out)}"] if out else []
    return (pd.DataFrame(train, index=range(len(case.train))), pd.DataFrame(new, index=range(len(case.new)))), notes


def words(case: Case) -> tuple[list[Pair], list[str]]:
    """(TF-IDF matrices, notes) of the text columns; those without a word that two rows have are kept out."""
    pairs, notes = [], []
    for name in case.texts:
        vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2, max_features=20_000)
        try:
            first = vectorizer.fit_transform(text or "" for text in strings(case.train[name]))
        except ValueError as error:  # no word is left
            notes.append(f"text kept out: {name}: {error}")
            continue
        pairs.append((first, vectorizer.transform(text or "" for text in strings(case.new[name]))))
    return pairs, [WORDS, *notes] if pairs else notes


def coded(case: Case) -> tuple[Pair, list[int], list[str]]:
    """(rows, places of the categories, notes) for LightGBM: frames; sparse matrices where there are texts.

    In the matrices categories are their codes, gaps are NaN. In frames LightGBM finds the categories itself: no places.
    """
    pair, notes = frames(case)
    texts, more = words(case)
    if not texts:
        return pair, [], notes + more
    kinds = pair[0].dtypes == "category"

    def codes(frame: pd.DataFrame) -> csr_matrix:
        columns = [frame[key].cat.codes.replace(-1, np.nan) if kinds[key] else frame[key] for key in frame]
        return csr_matrix(np.column_stack(columns).astype(float) if columns else np.empty((len(frame), 0)))

    return beside((codes(pair[0]), codes(pair[1])), texts), np.flatnonzero(kinds).tolist(), notes + more


def filled(case: Case) -> tuple[Pair, list[str]]:
    """(rows, notes) for tools that take no gaps in sparse matrices: frames; sparse matrices where there are texts.

    In the matrices gaps in numbers are filled with the median, categories are columns of 0 and 1.
    """
    pair, notes = frames(case)
    texts, more = words(case)
    if not texts:
        return pair, notes + more
    medians = pair[0].median(numeric_only=True)

    def dummies(frame: pd.DataFrame) -> csr_matrix:
        if not len(frame.columns):  # get_dummies takes no frame without columns
            return csr_matrix((len(frame), 0))
        return csr_matrix(pd.get_dummies(frame.fillna(medians), dtype=float).to_numpy(float))

    sparse = [dummies(frame) for frame in pair]
    filling = "numbers' gaps filled with the median, categories as columns of 0 and 1"
    return beside((sparse[0], sparse[1]), texts), [*notes, *more, filling]


def beside(pair: Pair, texts: list[Pair]) -> Pair:
    """The matrices of each side, one beside the other."""
    first, second = (hstack(matrices, format="csr") for matrices in zip(pair, *texts, strict=True))
    return first, second


def is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def strings(column: pa.ChunkedArray) -> list[str | None]:
    return column.cast(pa.string()).to_pylist()


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """float64 with NaN for gaps; dates in seconds, durations in the unit they have."""
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if is_text(kind):  # in the rows to be answered alone
        return pd.to_numeric(pd.Series(strings(column)), errors="coerce").to_numpy(float)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return column.to_pandas().to_numpy(float) / 1e6
    if pa.types.is_temporal(kind):
        column = column.cast(pa.int32() if pa.types.is_time32(kind) else pa.int64())
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    return column.cast(pa.float64(), safe=False).to_pandas().to_numpy(float)
