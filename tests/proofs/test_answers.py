"""Every answer about data and training has something behind it, and an experiment whose card says what it is worth."""

import json

import pytest
from typer.testing import CliRunner

from melior.cli.main import app
from melior.methods._base import methods
from melior.proofs.prove import digest_of, names
from melior.questions import questions
from melior.questions.cards import cards_of, questions_told

DATA_AND_TRAINING = (1, 4, 5, 7, 9, 12, 13, 14, 15, 16, 17, 18, 21, 22, 23, 25, 26)
ANSWERS = sorted({(one.n, answer.id) for one in questions() if one.n in DATA_AND_TRAINING for answer in one.answers})


@pytest.mark.parametrize(("n", "answer"), ANSWERS)
def test_an_answer_has_something_behind_it_and_an_experiment(n, answer):
    (found,) = (one for one in questions()[n - 1].answers if one.id == answer)
    assert found.by, f"question {n}: nothing gives {answer}"
    measured = {answer, *found.by} & set(names())
    assert measured, f"question {n}: nothing measures {answer}"
    cards = {card.name for card in cards_of(answer, found.by)}
    assert cards, f"question {n}: nothing says what {answer} is worth"
    assert cards <= {answer, *found.by}


@pytest.mark.parametrize("name", names())
def test_a_card_is_of_the_experiment_that_there_is(name):
    """`melior prove NAME --out src/melior/questions/cards` where it is not."""
    (card,) = cards_of(name, ())
    assert card.experiment == digest_of(name)
    assert any(not case.helps for case in card.cases), "where it brings nothing is not measured"
    assert all(len(case.before) >= 3 for case in card.cases)


def test_every_method_has_an_experiment():
    assert set(methods()) - set(names()) == set()


def test_the_command_tells_all_of_it(tmp_path):
    out = tmp_path / "questions.json"
    assert CliRunner().invoke(app, ["questions", "--json", str(out)]).exit_code == 0
    told = json.loads(out.read_text())["questions"]
    assert [one["n"] for one in told] == list(range(1, 31))
    for one, other in zip(told, questions_told(), strict=True):
        assert [a["id"] for a in one["answers"]] == [a["id"] for a in other["answers"]]
    some = next(a for one in told for a in one["answers"] if a["cards"])
    assert {"effect", "low", "high", "found"} <= set(some["cards"][0]["cases"][0])
