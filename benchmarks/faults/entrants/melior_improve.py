"""`melior improve` on the rows of a folder; see ../suite.py for what the folder holds.

    python melior_improve.py FOLDER SECONDS

Findings and what the score is said to be are written beside the answers.
"""

import json
import sys
import time
from pathlib import Path

import polars as pl

TARGET = "answer"


def peak_mib() -> float:
    """The most memory this process has held, without what its parent held before."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def main(folder: Path, seconds: float) -> None:
    from melior import __version__
    from melior.improvement.improve import improve_table
    from melior.verbs.prepare import prepare

    about = json.loads((folder / "about.json").read_text())
    rows = pl.read_parquet(folder / "train.parquet")
    test = pl.read_parquet(folder / "test.parquet") if (folder / "test.parquet").exists() else None
    started = time.perf_counter()
    ready = prepare(rows, target=TARGET, test=test, seed=about["seed"])
    better, _, baseline = improve_table(ready.table, ready.recipe, test=ready.test, budget=seconds)
    taken = time.perf_counter() - started
    new = pl.read_parquet(folder / "new.parquet")
    answers = {
        "answers": better.predictor.predict(new)["prediction"].to_list(),
        "baseline_answers": baseline.predict(new)["prediction"].to_list(),
        "seconds": taken,
        "peak_mib": peak_mib(),
        "reported": better.final.value,
        "reported_final": [better.final.value, better.final.low, better.final.high],
        "reported_baseline": [better.baseline.value, better.baseline.low, better.baseline.high],
        "reported_before_repair": better.reported_before_repair,
        "found": sorted({finding.symptom for finding in better.findings}),
        "certain": sorted({finding.symptom for finding in better.findings if finding.certain}),
        "repairs": [repair.symptom for repair in better.repairs],
        "family": better.recipe.model.name,
        "accepted": list(better.accepted),
        "tried": sorted({"+".join(one.methods) for one in better.evidence}),
        "library": {"melior": __version__},
        "notes": [str(note) for note in better.notes],
    }
    aside = folder / ".answers.json"
    aside.write_text(json.dumps(answers))
    aside.replace(folder / "answers.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
