"""What is wrong with a cluster is said in one sentence, before anything is read or written, and in time."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from counting import environment, improving, write_study

import melior
from melior.errors import MissingExtra, UserError
from melior.trials.executors import cluster
from melior.trials.executors.agree import difference, installed
from melior.trials.executors.cluster import Cluster

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


def test_without_ray_the_command_names_what_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"pip install 'melior\[cluster\]'"):
        melior.improve(tmp_path / "there is no such file.csv", target="y", cluster="auto", run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("address", ["", "nonsense", "ray://head:10001", "host:", "host:port", ":6379", "a:1:2"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UserError, match="give auto, or HOST:PORT"):
        Cluster(address)


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "no.such.host.invalid:6379"])
def test_an_address_where_nobody_answers_is_refused(address):
    with pytest.raises(UserError, match=r"nobody answers there.*ray start --head"):
        Cluster(address)


@needs_ray
def test_without_a_cluster_auto_says_how_to_start_one(tmp_path):
    write_study(tmp_path)
    told = environment(tmp_path / "counted")
    told.pop("RAY_ADDRESS", None)
    done = subprocess.run(
        improving("run", "--cluster", "auto"), cwd=tmp_path, env={**told, "RAY_TMPDIR": str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("melior: --cluster auto: no Ray cluster runs")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@needs_ray
def test_what_listens_and_is_no_cluster_is_given_up_in_time(monkeypatch):
    from socket import create_server

    monkeypatch.setattr(cluster, "CONNECTING", 2.0)
    with create_server(("127.0.0.1", 0)) as silent, pytest.raises(UserError, match="no answer in time"):
        Cluster(f"127.0.0.1:{silent.getsockname()[1]}")


def test_a_language_model_is_not_for_a_cluster(tmp_path):
    recipe = melior.Recipe(task="generate", data={"path": str(tmp_path / "rows.jsonl")})
    with pytest.raises(UserError, match="--cluster: the trials of a language model"):
        melior.improve(recipe, cluster="auto")


def test_versions_are_compared_where_they_matter():
    here = installed()
    assert here["melior"] == melior.__version__
    assert difference(here, here, "it") == ""
    assert difference(here, {**here, "torch": None, "transformers": None}, "it") == "", "only networks need them"
    assert difference({**here, "torch": "2.9.1+cpu"}, {**here, "torch": "2.9.1+cu128"}, "it") == ""
    assert difference({**here, "torch": "2.9.1"}, {**here, "torch": "2.9.0"}, "it").startswith("it has torch 2.9.0")
    assert difference(here, {**here, "melior": None}, "node 7").startswith("node 7 has no melior: install melior")
    for name in ("numpy", "scipy", "scikit-learn", "lightgbm", "polars", "python"):
        assert difference(here, {**here, name: "0"}, "it") == (
            f"it has {name} 0, and here it is {here[name]}: install the same version on both."
        )
