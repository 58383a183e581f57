"""Real rows that come with the package, for the demo and for trying things out (see README.md beside this file)."""

from pathlib import Path

REVIEWS = Path(__file__).parent / "reviews.csv.gz"
TARGET = "recommended"
