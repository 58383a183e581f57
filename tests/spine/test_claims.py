"""Claims: one holder at a time, whoever asks; of one that is gone they are taken over, of one that lives never."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from melior.runs.claims import Claims, this_process

NAMES = [f"trial-{number}" for number in range(30)]
TAKES = """
import sys, time
from pathlib import Path
from melior.runs.claims import Claims
claims = Claims(Path(sys.argv[1]))
print("there", flush=True)
sys.stdin.readline()
print(",".join(name for name in sys.argv[2].split(",") if claims.take(name)), flush=True)
sys.stdin.readline()
"""


def process(folder, names):
    return subprocess.Popen(
        [sys.executable, "-c", TAKES, str(folder), ",".join(names)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(one, word=None):
    if word is not None:
        one.stdin.write(word + "\n")
        one.stdin.flush()
    return one.stdout.readline().strip()


def elsewhere(folder, name, age, generation=0):
    """A claim of another machine, touched so many seconds ago."""
    told = {"pid": 1, "host": "far", "system": "another", "born": "1", "token": "x"}
    path = folder / f"{name}.{generation}"
    path.write_text(json.dumps(told))
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def test_of_several_processes_one_gets_a_name_and_the_dead_leave_theirs(tmp_path):
    others = [process(tmp_path, NAMES) for _ in range(4)]
    for one in others:
        assert said(one) == "there"
    for one in others:  # all at once
        one.stdin.write("go\n")
        one.stdin.flush()
    taken = [[name for name in said(one).split(",") if name] for one in others]
    assert sorted(name for names in taken for name in names) == sorted(NAMES), "a name was taken twice, or by nobody"
    mine = Claims(tmp_path)
    assert not any(mine.take(name) for name in NAMES)
    holder = mine.holder(NAMES[0])
    assert holder is not None
    assert holder.pid in {one.pid for one in others}

    dead = max(range(4), key=lambda number: len(taken[number]))
    others[dead].kill()
    others[dead].wait()
    assert {name for name in NAMES if mine.take(name)} == set(taken[dead])
    for one in others:
        one.kill()
        one.wait()


def test_a_killed_process_that_nobody_waited_for_is_dead_too(tmp_path):
    one = process(tmp_path, ["a"])
    said(one)
    assert said(one, "go") == "a"
    mine = Claims(tmp_path)
    assert not mine.take("a")
    one.kill()
    until = time.monotonic() + 60
    while not mine.take("a"):
        assert time.monotonic() < until
        time.sleep(0.01)
    one.wait()


def test_threads_are_never_inside_together(tmp_path):
    inside, most, entered = 0, 0, 0
    lock = threading.Lock()

    def go():
        nonlocal inside, most, entered
        claims = Claims(tmp_path)
        while True:
            with lock:
                if entered >= 200:
                    return
            if not claims.take("a"):
                continue
            with lock:
                inside, entered = inside + 1, entered + 1
                most = max(most, inside)
            time.sleep(0)
            with lock:
                inside -= 1
            claims.release("a")

    threads = [threading.Thread(target=go) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert most == 1
    assert entered >= 200


@pytest.mark.parametrize("age", [0.0, 59.0])
def test_another_machine_that_touches_its_claim_keeps_it(tmp_path, age):
    elsewhere(tmp_path, "a", age)
    claims = Claims(tmp_path, stale=600.0)
    assert not claims.take("a")
    assert str(claims.holder("a")) == "process 1 on far"
    assert claims.names("") == ["a"]


def test_another_machine_that_does_not_is_gone(tmp_path):
    gone = elsewhere(tmp_path, "a", 700.0)
    claims = Claims(tmp_path, stale=600.0)
    assert claims.holder("a") is None
    assert claims.names("") == []
    assert claims.take("a")
    assert not Claims(tmp_path, stale=600.0).take("a")
    claims.sweep()
    assert not gone.exists()
    assert not Claims(tmp_path, stale=600.0).take("a")


def test_one_that_only_seemed_gone_does_not_take_the_claim_of_its_successor_away(tmp_path):
    first, second = Claims(tmp_path), Claims(tmp_path)
    assert first.take("a")
    (tmp_path / "a.0").unlink()  # as if it had been taken over and let go of
    assert second.take("a")
    first.release("a")
    assert not first.take("a")
    second.release("a")
    assert first.take("a")


def test_the_number_of_a_process_that_is_gone_may_be_used_again(tmp_path):
    me = this_process()
    if not me.born:
        pytest.skip("this system does not tell when a process began")
    told = {"pid": me.pid, "host": me.host, "system": me.system, "born": str(int(me.born) - 1), "token": "x"}
    (tmp_path / "a.0").write_text(json.dumps(told))
    assert Claims(tmp_path).take("a")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}'])
def test_a_claim_that_cannot_be_read_counts_while_it_is_young(tmp_path, content):
    path = tmp_path / "a.0"
    path.write_text(content)
    claims = Claims(tmp_path, stale=600.0)
    assert not claims.take("a")
    os.utime(path, (time.time() - 700, time.time() - 700))
    assert claims.take("a")


def test_claims_are_touched_until_they_are_let_go(tmp_path):
    claims = Claims(tmp_path, beat=0.02)
    assert claims.take("a")
    path = tmp_path / "a.0"
    for _ in range(2):
        os.utime(path, (1.0, 1.0))
        until = time.monotonic() + 60
        while path.stat().st_mtime < 1000:
            assert time.monotonic() < until, "nobody touched it"
            time.sleep(0.01)
        claims.release("a")
        assert list(tmp_path.iterdir()) == []
        assert claims.take("a")
    claims.release_all()
    assert list(tmp_path.iterdir()) == []


def test_waiting_for_a_name(tmp_path):
    first, second, order = Claims(tmp_path), Claims(tmp_path), []

    def go():
        with second.alone("a", waiting=lambda: order.append("waits")):
            order.append("second")

    with first.alone("a"):
        other = threading.Thread(target=go)
        other.start()
        while "waits" not in order:
            time.sleep(0.01)
        order.append("first")
    other.join()
    assert [word for word in order if word != "waits"] == ["first", "second"]
