"""Processes at work on one study: what is settled is the same for all, and the end is made once."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from melior.data.splits import folds
from melior.errors import UserError
from melior.findings import Finding
from melior.improvement import improve, looking, race
from melior.improvement.ask import Question
from melior.improvement.plan import Candidate
from melior.metrics.registry import metric
from melior.models._base import families
from melior.progress import silent
from melior.recipe import Recipe, Split
from melior.runs.claims import Claims
from melior.runs.store import Run
from melior.runs.study import STUDY, Ended, agreed, come_to_the_end, joined, moment
from melior.testing import tables
from melior.trials import family
from melior.trials.run import Trials

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


@pytest.fixture
def clock(monkeypatch):
    """The clock of the file system, which stands still unless it is set."""
    time_of_day = [1000.0]
    monkeypatch.setattr(Claims, "now", lambda self: time_of_day[0])
    return time_of_day


def test_a_moment_is_that_of_the_first_to_come(tmp_path, clock):
    with join(tmp_path / "run"):
        before = time.monotonic()
        own = moment("the beginning")
        assert before <= own <= time.monotonic()
        clock[0] += 11.0
        with join(tmp_path / "run"):
            before = time.monotonic()
            assert before - 11.0 <= moment("the beginning") <= time.monotonic() - 11.0
            before = time.monotonic()
            assert before <= moment("what the first has not come to") <= time.monotonic()
        clock[0] -= 50.0  # somebody sets the clock
        with join(tmp_path / "run"):
            assert moment("the beginning") <= time.monotonic()
    before = time.monotonic()
    assert before <= moment("the beginning") <= time.monotonic(), "outside of a study there is nobody before"


def test_who_comes_later_has_the_deadlines_of_the_first(tmp_path, clock, monkeypatch):
    """All that improving reckons from its beginning: its own deadline, and that of the checks."""
    checked: list[float] = []
    run_checks = looking.run_checks

    def seen(*what, deadline, **how):
        checked.append(deadline)
        return run_checks(*what, deadline=deadline, **how)

    class Raced(Exception):
        pass

    def begun(trials, measure, truth, recipe, planned, deadline, *rest):
        raise Raced(deadline)

    monkeypatch.setattr(looking, "run_checks", seen)
    monkeypatch.setattr(improve, "Race", begun)
    table, recipe = tables.number_table(60), RECIPE.model_copy(update={"split": Split(folds=3)})

    def deadline():
        with pytest.raises(Raced) as raised:
            improve.improve_table(table, recipe, budget=300.0, workers=1)
        return raised.value.args[0]

    with join(tmp_path / "run"):
        before = time.monotonic()
        assert before + 255.0 <= deadline() <= time.monotonic() + 256.0
        clock[0] += 11.0
        with join(tmp_path / "run"):
            before = time.monotonic()
            assert before - 11.0 + 255.0 <= (own := deadline())
            assert own < time.monotonic() - 11.0 + 256.0
            assert before - 11.0 + 105.0 <= checked[1] <= time.monotonic() - 11.0 + 105.0


def test_the_race_reckons_from_where_the_first_began_it(tmp_path, clock, monkeypatch):
    """The folds of the baseline that are begun, and the first look at each candidate and at further settings."""
    table, now, found = tables.number_table(60), [0.0], []
    other = RECIPE.with_methods("normalization")
    candidates = [Candidate(str(further), other.methods[0], other, (), 1.0, further=further) for further in (0, 1)]
    monkeypatch.setattr(race, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(race, "all_at_once", lambda *_, **__: False)

    def from_when(late):
        low, high = time.monotonic() - 1000.0, time.monotonic() + 1000.0
        while high - low > 1e-4:
            now[0] = (low + high) / 2
            low, high = (low, now[0]) if late() else (now[0], high)
        now[0] = 0.0
        return high

    class Asked(Trials):
        def many(self, wanted, *, done=None, late=None, refused=None):
            found.extend([] if late is None else [from_when(late)])
            return super().many(wanted, done=done, refused=refused)

    def raced():
        found.clear()
        trials = Asked(table, folds(table, Split(folds=3), 0), workers=1)
        measure = metric("accuracy", table.classes)
        race.Race(trials, measure, table.truth(), RECIPE, candidates, moment("begun") + 300.0, silent).run()

    with join(tmp_path / "run"):
        raced()
        clock[0] += 11.0
        with join(tmp_path / "run"):
            before = time.monotonic() - 11.0
            raced()
            after = time.monotonic() - 11.0
    for late, share in zip(found[:3], (race.BASELINE, race.LOOKING, race.FURTHER), strict=True):
        assert before - 0.001 <= late - share * 300.0 <= after + 0.001


def test_the_wait_for_an_answer_is_that_of_the_one_who_was_asked(tmp_path):
    question = Question("Is it so?", True, Finding("label_noise", 0.0, "it may be so"), None, None)

    def slowly(question):
        time.sleep(0.05)
        return False

    with join(tmp_path / "run"):
        first = looking._Waiting(slowly)
        assert [first(question), first(question)] == [False, False]
        assert first.seconds >= 0.05
        with join(tmp_path / "run"):
            second = looking._Waiting(lambda question: pytest.fail("it was asked twice"))
            assert second(question) is False
            assert second.seconds == first.seconds


@pytest.mark.parametrize("trees", [100.0, 24.0])
def test_families_are_those_of_the_first_whatever_the_hardware_of_the_others(tmp_path, monkeypatch, trees):
    """A slow machine has no time for trees, or none for weighted classes."""
    table = tables.number_table(120)
    recipe = Recipe(model="auto", metric="macro_f1")
    both = {name: families()[name] for name in ("linear", "trees")}
    monkeypatch.setattr(family, "families", lambda: both)
    monkeypatch.setattr(family, "UNEVEN", 0.5)  # weighted classes may be tried

    def chosen(processors):
        monkeypatch.setattr(
            family, "takes", lambda made, sample: (trees if isinstance(made, both["trees"]) else 20.0) / processors
        )
        return family.choose_family(recipe, table, allowed=25.0, workers=1, store=tmp_path / "kept")

    assert set(chosen(1).scores) != set(chosen(1000).scores), "alone they try others"
    with join(tmp_path / "run"):
        first = chosen(1)
        with join(tmp_path / "run"):
            assert chosen(1000) == first


def test_what_is_late_is_so_wherever_it_stands_in_the_list(tmp_path):
    """One process has left out a recipe of which another has the next in its place."""
    table = tables.number_table(60)
    plain, other = RECIPE, RECIPE.with_methods("class_weights")

    def many(wanted, late):
        trials = Trials(table, folds(table, Split(folds=3), 0), workers=1, store=tmp_path / "kept")
        return [result is not None for result in trials.many(wanted, late=late)]

    answers = iter([False, True])
    with join(tmp_path / "run"):
        assert many([(plain, 0), (other, 0)], lambda: next(answers)) == [True, False]
        with join(tmp_path / "run"):
            asked = [(other, 0), (plain, 0)]
            assert many(asked, lambda: pytest.fail("it was settled before")) == [False, True]


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
