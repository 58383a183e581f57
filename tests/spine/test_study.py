"""Processes at work on one study: what is settled is the same for all, and the end is made once."""

import threading
from pathlib import Path

import pytest

from melior.errors import UserError
from melior.recipe import Recipe
from melior.runs.store import Run
from melior.runs.study import STUDY, Ended, agreed, come_to_the_end, joined

RECIPE = Recipe(model="linear", metric="macro_f1")
OPTIONS = {"budget": 300.0, "never": ["bagging"]}


def join(folder, recipe=RECIPE, options=OPTIONS, **how):
    return joined(folder, "improve", recipe, "rows", options, **how)


def test_outside_of_a_study_everything_is_settled_anew():
    assert [agreed("a", lambda: 1), agreed("a", lambda: 2)] == [1, 2]
    come_to_the_end()


def test_the_first_to_come_settles_it_for_all(tmp_path):
    with join(tmp_path / "run") as first:
        assert STUDY.get() is first
        assert agreed("seconds", lambda: 0.1 + 0.2) == 0.1 + 0.2
        with join(tmp_path / "run") as second:
            assert len(second.others) == 1
            assert agreed("seconds", lambda: pytest.fail("it was settled before")) == 0.1 + 0.2
            assert agreed("late", lambda: True) is True
            calls = [agreed("each", lambda number=number: number, each=True) for number in range(3)]
        assert STUDY.get() is first
        assert agreed("late", lambda: False) is True
        assert [agreed("each", lambda: 9, each=True) for _ in range(4)] == [*calls, 9]
    assert STUDY.get() is None


def test_of_threads_that_settle_at_once_all_get_the_same(tmp_path):
    found: list[tuple[int, int]] = []
    start = threading.Barrier(6, timeout=60)

    def go(number):
        try:
            with join(tmp_path / "run"):
                start.wait()
                found.extend((at, agreed(f"what {at}", lambda: number)) for at in range(30))
                start.wait()
        finally:
            if len(found) < 30 * start.parties:  # one that is refused must not keep the others waiting
                start.abort()

    threads = [threading.Thread(target=go, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 180
    assert len(set(found)) == 30


def test_a_run_that_another_begins_while_the_folder_is_looked_at_is_no_foreign_folder(tmp_path, monkeypatch):
    """Between the look for run.json and the look at what else is there, another process makes the run."""
    folder, looked = tmp_path / "run", Path.exists

    def exists(path):
        there = looked(path)
        if path.name == "run.json" and not there:
            monkeypatch.setattr(Path, "exists", looked)
            Run.begin(folder, "improve", RECIPE, "rows")
        return there

    folder.mkdir()
    monkeypatch.setattr(Path, "exists", exists)
    assert Run.checked(folder, "improve", RECIPE, "rows").folder == folder
    assert (folder / "run.json").exists()


def test_when_all_have_left_the_next_settles_anew(tmp_path):
    for value in (1, 2):
        with join(tmp_path / "run") as study:
            assert study.others == ()
            assert agreed("a", lambda value=value: value) == value
    assert not (tmp_path / "run" / "trials" / "session").exists()


def test_the_end_is_made_once(tmp_path):
    with join(tmp_path / "run") as first, join(tmp_path / "run") as second:
        first.come_to_the_end()
        came = []

        def go():
            try:
                second.come_to_the_end(lambda *said: came.append(said[3]))
            except Ended:
                came.append("ended")

        other = threading.Thread(target=go)
        other.start()
        while not came:
            pass
        first.ended()
        first.claims.release_all()  # as when it leaves
        other.join()
        assert came[-1] == "ended"
        assert str(first.claims.holder("end") or "") == ""
        assert all("process" in said for said in came[:-1])


def test_an_end_that_was_not_made_is_made_by_the_next(tmp_path):
    with join(tmp_path / "run") as second:
        with join(tmp_path / "run") as first:
            first.come_to_the_end()  # and leaves without
        second.come_to_the_end()
        second.ended()


def test_who_joins_leaves_the_run_as_it_is(tmp_path):
    with join(tmp_path / "run") as first:
        started = first.run.read("run.json")
        first.run.write("run.json", {**started, "mark": 1})
        with join(tmp_path / "run"):
            assert first.run.read("run.json")["mark"] == 1
    with join(tmp_path / "run"):
        assert "mark" not in first.run.read("run.json")


@pytest.mark.parametrize(
    ("options", "name"), [({**OPTIONS, "budget": 60.0}, "budget"), ({**OPTIONS, "never": []}, "never")]
)
def test_another_study_in_the_same_folder_is_refused(tmp_path, options, name):
    with join(tmp_path / "run"):
        with (
            pytest.raises(UserError, match=f"is being made by process .* with another {name}"),
            join(tmp_path / "run", options=options),
        ):
            pass
        with (
            pytest.raises(UserError, match="another run"),
            join(tmp_path / "run", recipe=RECIPE.model_copy(update={"seed": 1})),
        ):
            pass
    if name == "budget":
        with join(tmp_path / "run", options=options):  # nobody is there any more
            pass
        return
    with pytest.raises(UserError, match="with another --never"), join(tmp_path / "run", options=options):
        pass


def test_what_cannot_be_shared_is_refused(tmp_path):
    with (
        join(tmp_path / "run", shared=False),
        pytest.raises(UserError, match=r"is being made by process \d+ on .*wait"),
        join(tmp_path / "run", shared=False),
    ):
        pass


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    (tmp_path / "also").mkdir()
    (tmp_path / "also" / "trials").mkdir()
    (tmp_path / "also" / "trials" / "patients.csv").write_text("x")
    for folder in ("mine", "also"):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(UserError, match="not empty and holds no run"), join(tmp_path / folder):
            pass
        assert sorted(tmp_path.rglob("*")) == before


def test_a_run_that_was_killed_before_its_first_file_is_begun_again(tmp_path):
    with join(tmp_path / "run"):
        pass
    (tmp_path / "run" / "run.json").rename(tmp_path / "run" / ".run.json.abc.aside")
    (tmp_path / "run" / "recipe.yaml").unlink()
    with join(tmp_path / "run") as study:
        assert study.run.read("run.json")["state"] == "running"
    assert isinstance(study.run, Run)
