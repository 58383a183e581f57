"""What a whole audit costs in seconds and memory as rows grow, beside its peers.

    python benchmarks/audit/whole.py
    MELIOR_PEER=PYTHON python benchmarks/audit/whole.py   with peers, by an interpreter that has them
    python benchmarks/audit/whole.py --quick

A mixed table: eleven number and category columns, a time, customers, and a text of three sentences taken from the
reviews at random. Every audit runs in a fresh process on the Parquet file: all checks, and `--fast`, which fits no
model. Growth is the slope between two sizes on a log-log scale: 1 is linear, n log n is 1.1 here.

Peers: cleanlab's Datalab (issues of labels, outliers and near duplicates, from five-fold probabilities of a logistic
regression on the numbers, which are counted in), and fg-data-profiling, formerly ydata-profiling, with its minimal
settings. Each is given a time limit.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, fresh, number, options, part_asked, peak_mib

from melior.proofs.tables import TARGET, mixed, reviews

SIZES = (10_000, 100_000, 1_000_000)
LIMIT = 1800  # seconds for one audit
PEERS = ("datalab", "profiling")
Case = dict[str, Any]

PEER_PROGRAM = {
    "datalab": """
import numpy as np, pandas as pd, resource, time
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from cleanlab import Datalab
frame = pd.read_parquet(PATH)
started = time.perf_counter()
numbers = frame.select_dtypes("number").to_numpy()
labels = frame[TARGET]
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
scores = cross_val_predict(model, numbers, labels, cv=5, method="predict_proba")
lab = Datalab(data=frame[[TARGET]], label_name=TARGET, verbosity=0)
lab.find_issues(pred_probs=scores, features=StandardScaler().fit_transform(numbers),
                issue_types={"label": {}, "outlier": {}, "near_duplicate": {}})
""",
    "profiling": """
import pandas as pd, resource, time
try:
    from data_profiling import ProfileReport
except ImportError:
    from ydata_profiling import ProfileReport
frame = pd.read_parquet(PATH)
started = time.perf_counter()
ProfileReport(frame, minimal=True, progress_bar=False).to_json()
""",
}
PEER_END = """
import json
print(json.dumps({"seconds": time.perf_counter() - started,
                  "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def rows_of(rows: int) -> pl.DataFrame:
    random = np.random.default_rng(0)
    sentences = [part.strip() for text in reviews().frame["review"].fill_null("") for part in text.split(".")]
    known = pl.Series([part for part in sentences if len(part) > 20])
    texts = [known[random.integers(0, len(known), rows)].rename(f"part {place}") for place in range(3)]
    days = np.datetime64("2020-01-01") + random.integers(0, 1500, rows).astype("timedelta64[D]")
    return (
        mixed(rows, 2, 0, "mixed")
        .whole()
        .with_columns(
            pl.DataFrame(texts).select(pl.concat_str(pl.all(), separator=". ")).to_series().alias("note"),
            pl.Series("when", days.astype("datetime64[ms]")),
            pl.Series("customer", random.integers(0, rows // 8 + 1, rows)).cast(pl.String),
        )
    )


def audit(path: str, fast: bool) -> Case:
    import melior

    started = time.perf_counter()
    found = melior.audit(path, target=TARGET, fast=fast)
    return {
        "seconds": time.perf_counter() - started,
        "peak_mib": peak_mib(),
        "found": sorted({finding.symptom for finding in found.findings}),
        "notes": list(found.notes),
        "checks_failed": found.failed,
    }


PARTS = {"audit": audit}


def peer(name: str, path: str) -> Case:
    head = f"PATH, TARGET = {path!r}, {TARGET!r}\n"
    done = subprocess.run(
        [os.environ["MELIOR_PEER"], "-c", head + PEER_PROGRAM[name] + PEER_END],
        capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or "no message").splitlines()[-1])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def case(rows: int, who: str) -> Case:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "rows.parquet")
        rows_of(rows).write_parquet(path)
        size = Path(path).stat().st_size / 2**20
        made = (
            peer(who, path)
            if who in PEERS
            else fresh("audit/whole", "audit", timeout=LIMIT, path=path, fast=who == "melior --fast")
        )
    return {"rows": rows, "file_mib": size, **made}


def tables(results: Results) -> list[Shown]:
    made = results.finished()
    rows = []
    for key, one in made.items():
        who = key.split(" | ")[0]
        before = [two for two in made.values() if two["rows"] < one["rows"]]
        smaller = [two for name, two in made.items() if name.split(" | ")[0] == who and two in before]
        last = max(smaller, key=lambda two: two["rows"], default=None)
        slope = None if last is None else np.log(one["seconds"] / last["seconds"]) / np.log(one["rows"] / last["rows"])
        notes = "; ".join(one.get("notes") or [])
        rows.append((who, f"{one['rows']:,}", number(one["seconds"], 1), number(slope, 2), number(one["peak_mib"], 0),
                     number(one["file_mib"], 0), notes))  # fmt: skip
    headings = ("audit", "rows", "seconds", "growth", "peak, MiB", "file, MiB", "what was drawn")
    logs = [number(1 + np.log(np.log(b) / np.log(a)) / np.log(b / a), 2) for a, b in pairwise(SIZES)]
    note = f"n log n grows with {' and '.join(logs)} between these sizes. Peak is of the whole process."
    return [Shown("A whole audit", headings, rows, note)]


def main() -> None:
    if part_asked(PARTS):
        return
    given = options(__doc__ or "")
    sizes = (1000, 4000) if given.quick else SIZES
    peers = PEERS if os.environ.get("MELIOR_PEER") else ()
    results = Results("audit/whole", "What a whole audit costs", given, {"limit": LIMIT})
    if not given.show:
        for who in ("melior", "melior --fast", *peers):
            for rows in sizes:
                results.case(f"{who} | {rows}", lambda w=who, r=rows: case(r, w))
    results.show(tables(results))


if __name__ == "__main__":
    main()
