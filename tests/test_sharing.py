"""Tests that share a fixture are kept in one process by the installed pytest and xdist."""

import subprocess
import sys

TESTS = """
import pytest

@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(8))
def test_of_a_group(number, record_property, worker_id):
    with open("workers.txt", "a") as out:
        out.write(worker_id + "\\n")
"""


def test_a_group_stays_in_one_process(tmp_path):
    (tmp_path / "test_grouped.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    workers = (tmp_path / "workers.txt").read_text().split()
    assert len(workers) == 8
    assert len(set(workers)) == 1
