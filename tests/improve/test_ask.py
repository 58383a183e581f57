"""What only people know is asked once, and what is assumed where nobody answers is said with both scores."""

import json
import os
import pty
import select
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

from melior.findings import Finding
from melior.improvement.ask import Question, known_before, new_ones_come
from melior.improvement.repair import repair_recipe
from melior.recipe import Recipe


def suspicion(beats: bool = False) -> Finding:
    measured = {"score_with": 0.93, "score_without": 0.81, "metric": "macro_f1", "beats_all_others": beats}
    return Finding("target_leakage", 0.7, "too good.", measured, columns=("refund",), certain=False)


def groups(kind: str = "group") -> Finding:
    measured = {"score_random": 0.9, f"score_{kind}": 0.6, "metric": "macro_f1"}
    return Finding(f"{kind}_leakage", 0.8, "rows leak.", measured, columns=("customer",), certain=False)


@pytest.mark.parametrize("beats", [False, True])
def test_a_suspected_column_is_kept_or_left_out_as_the_answer_says(beats):
    finding = suspicion(beats)
    known = repair_recipe(Recipe(), [finding], separate_test=False, ask=lambda question: True)
    assert known.recipe.data.known_at_prediction == ("refund",)
    assert (known.repairs, known.notes) == ((), ())
    not_known = repair_recipe(Recipe(), [finding], separate_test=False, ask=lambda question: False)
    assert not_known.recipe.data.columns == {"refund": "ignore"}
    assert "you say" in not_known.repairs[0].message


def test_what_was_answered_is_not_asked_again():
    asked: list[Question] = []

    def ask(question: Question) -> bool:
        asked.append(question)
        return question.finding.symptom == "target_leakage"  # known; and no new customers will come

    done = repair_recipe(Recipe(), [suspicion(), groups()], separate_test=False, ask=ask)
    assert len(asked) == 2
    again = repair_recipe(done.recipe, [suspicion(), groups()], separate_test=False, ask=ask)
    assert len(asked) == 2
    assert (again.recipe, again.repairs) == (done.recipe, ())


def test_without_an_answer_the_default_is_taken_and_said_with_both_scores():
    kept = repair_recipe(Recipe(), [suspicion()], separate_test=False)
    assert kept.recipe == Recipe()
    (note,) = kept.notes
    assert note.startswith("not asked: 'refund' is suspected")
    assert "0.930" in note
    assert "0.810" in note
    assert "Taken as yes" in note
    left = repair_recipe(Recipe(), [suspicion(beats=True)], separate_test=False)
    assert (left.repairs[0].before, left.repairs[0].after) == (0.93, 0.81)


@pytest.mark.parametrize(("without", "left_out"), [(0.928, True), (0.933, True), (0.92, False), (None, False)])
@pytest.mark.parametrize("kind", ["", "gaps"])
def test_a_suspected_column_that_costs_nothing_is_left_out(kind, without, left_out):
    measured = {"score_with": 0.93, "score_without": without, "metric": "macro_f1", "kind": kind, "as_a_copy": False}
    finding = Finding("target_leakage", 0.7, "too good.", measured, columns=("refund",), certain=False)
    done = repair_recipe(Recipe(), [finding], separate_test=False)
    assert bool(done.repairs) is left_out
    if left_out:
        assert "the score is the same without it" in done.repairs[0].message
        assert done.repairs[0].undo == "data.known_at_prediction: [refund]"


def test_a_certain_leak_is_not_asked_about():
    def ask(question: Question) -> bool:
        raise AssertionError("asked")

    certain = Finding("target_leakage", 1.0, "it is.", {"score_with": 0.9, "score_without": 0.8}, columns=("a",))
    assert repair_recipe(Recipe(), [certain], separate_test=False, ask=ask).repairs


@pytest.mark.parametrize("kind", ["group", "time"])
def test_rows_stay_as_they_are_dealt_where_no_new_ones_come(kind):
    done = repair_recipe(Recipe(), [groups(kind)], separate_test=False, ask=lambda question: False)
    assert done.recipe.split.kind == "stratified"
    assert not done.reseal
    assert new_ones_come(groups(kind), kind).default


@pytest.mark.parametrize("kind", ["random", "stratified"])
def test_a_split_that_the_recipe_names_is_not_changed(kind):
    """It is what a repair says will keep things as they were."""
    recipe = Recipe(split={"kind": kind})
    assert repair_recipe(recipe, [groups()], separate_test=False).recipe == recipe


def test_scores_that_are_none_are_not_said():
    finding = Finding("time_leakage", 0.3, "moves.", {"score_random": float("nan")}, columns=("when",), certain=False)
    assert new_ones_come(finding, "time").numbers() == ""
    assert known_before(suspicion()).numbers() == "macro_f1 is 0.930 with it and 0.810 without it"


def customers(path, rows: int = 900) -> None:
    """Each customer has one answer mostly, and a number of its own by which it is known again."""
    random = np.random.default_rng(0)
    of = random.integers(0, 45, rows)
    mostly, home = random.random(45) > 0.5, random.normal(size=45).round(3)
    answer = (random.random(rows) < np.where(mostly[of], 0.92, 0.08)).astype(int)
    columns = {"customer": [f"c{one}" for one in of], "home": home[of], "age": random.normal(size=rows) + 0.4 * answer}
    pl.DataFrame({**columns, "y": np.where(answer == 1, "yes", "no")}).write_csv(path)


def test_a_person_at_a_terminal_is_asked_and_the_plan_follows(tmp_path):
    customers(tmp_path / "rows.csv")
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "melior", "improve", "rows.csv", "--target", "y", "--plan", "--budget", "60s",
               "--model", "linear", "--json", "plan.json"]  # fmt: skip
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(command, cwd=tmp_path, stdin=inner, stdout=inner, stderr=inner, env=environment)
    os.close(inner)
    shown, answered, until = b"", 0, time.monotonic() + 240
    try:
        while process.poll() is None and time.monotonic() < until:
            if not select.select([outer], [], [], 1)[0]:
                continue
            try:
                shown += os.read(outer, 4096)
            except OSError:  # the other end is closed
                break
            if shown.count(b"yes or no [") > answered:
                asked = shown.rsplit(b"yes or no [", 2)[-2]
                os.write(outer, b"yes\n" if b"answer in disguise. Do you know" in asked else b"no\n")
                answered += 1
        assert process.wait(20) == 0, shown.decode()
    finally:
        process.kill()
        process.wait()
    os.close(outer)
    assert b"Will predictions be made for new values of 'customer'" in shown
    planned = json.loads((tmp_path / "plan.json").read_text())
    assert planned["recipe"]["split"]["kind"] == "stratified"
    assert planned["repairs"] == []
