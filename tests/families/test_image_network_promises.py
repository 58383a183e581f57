"""The contract of families, held by the image network with a pretrained base, frozen and in part."""

import tempfile
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("PIL")

from vision_toys import made

from melior.models.image_network import ImageNetwork
from melior.testing import model_suite

HELD = tempfile.TemporaryDirectory(prefix="melior-base-")  # as long as the tests run
BASE = Path(HELD.name)
QUICK = {"epochs": 30, "batch_rows": 1000, "learning_rate": 0.02, "precision": "float32", "layers": 1}
SUITES = {
    tuning: model_suite(ImageNetwork, settings={"base": str(BASE), "tuning": tuning, **QUICK})
    for tuning in ("frozen", "last_k")
}


@pytest.fixture(scope="module", autouse=True)
def base():
    made(BASE, "vit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MELIOR_CACHE", str(BASE / "cache"))
        yield


@pytest.mark.slow
@pytest.mark.parametrize("tuning", SUITES)
@pytest.mark.parametrize("name", [name for name in dir(SUITES["frozen"]) if name.startswith("test_")])
def test_promise(tuning, name):
    getattr(SUITES[tuning](), name)()
