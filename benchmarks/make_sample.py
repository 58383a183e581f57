"""Draws the sample of reviews that ships in the package.

    python benchmarks/make_sample.py src/melior/samples/reviews.csv.gz

4,000 of 23,486 rows drawn without replacement with seed 0, in the order of the source, columns renamed, nothing else
changed: empty cells stay empty, the rating (known only after the fact) stays in.
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import polars as pl

from melior.proofs.sources import reviews_file
from melior.proofs.tables import NAMES


def main(out: Path) -> None:
    rows = pl.read_parquet(reviews_file())
    chosen = np.sort(np.random.default_rng(0).choice(rows.height, 4000, replace=False))
    text = rows[chosen].select(list(NAMES)).rename(NAMES).write_csv()
    out.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{out}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
