"""Answers for rows that cannot be read as the training rows were: told on the terminal, in Python and by judge."""

from importlib.util import find_spec

import numpy as np
import polars as pl
import pytest

from melior.cli.main import run
from melior.verbs.evaluate import evaluate
from melior.verbs.judge import judge
from melior.verbs.predict import predict
from melior.verbs.train import train

ROWS = 120
COLOURS = ["красный", "синий", "зелёный"]


def rows(seed, **columns):
    random = np.random.default_rng(seed)
    x = random.normal(size=ROWS).round(3)
    colour = random.choice(COLOURS, ROWS)
    y = np.where(x + (colour == COLOURS[0]) + 0.3 * random.normal(size=ROWS) > 0.5, "да", "нет")
    return pl.DataFrame({"x": x, "colour": colour, "y": y}).with_columns(**columns)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unread")
    (folder / "rows.csv").write_bytes(rows(0).write_csv(separator=";").encode("koi8-r"))
    (folder / "recipe.yaml").write_text(
        "task: classify\ndata: {path: rows.csv, target: y, encoding: koi8-r, separator: ;}\nmodel: linear\n"
    )
    train(str(folder / "recipe.yaml"), run=folder / "run")
    return folder


@pytest.fixture
def melior(monkeypatch, place, capsys):
    def command(*arguments):
        monkeypatch.chdir(place)
        monkeypatch.setattr("sys.argv", ["melior", *arguments])
        code = 0
        try:
            run()
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_predict_and_evaluate_say_what_they_could_not_read(melior, place):
    rows(1, x=pl.lit("abc")).write_csv(place / "letters.csv")
    code, out, err = melior("predict", "run", "letters.csv")
    assert code == 0
    assert 'note: no cell of "x" can be read as a number (row 1: "abc"): the whole column counts as missing.' in err
    assert out.startswith("row,prediction,")
    rows(1, colour=pl.lit("red")).write_csv(place / "english.csv")
    code, out, _ = melior("evaluate", "run", "english.csv", "--json", "scores.json")
    assert code == 0
    assert 'no cell of "colour" has a value that was seen in training' in " ".join(out.split())
    assert "notes" in (place / "scores.json").read_text()
    rows(2).write_csv(place / "same.csv")
    assert melior("predict", "run", "same.csv", "--out", "same.out.csv")[2] == ""


def test_python_warns_unless_somebody_listens(place):
    strange = rows(1, x=pl.lit("abc"))
    with pytest.warns(UserWarning, match='no cell of "x" can be read as a number') as told:
        predict(place / "run", strange)
    assert [one.filename for one in told] == [__file__]
    heard = []
    predict(place / "run", strange, tell=heard.append)
    assert len(heard) == 1


def test_judge_says_it_too(place):
    strange = rows(1, x=pl.lit("abc"))
    found = judge(place / "run", place / "run", data=strange)
    assert any('no cell of "x" can be read as a number' in note for note in found.notes)


def test_the_encoding_of_the_training_rows_is_known(place):
    new = rows(3)
    (place / "koi.csv").write_bytes(new.write_csv(separator=";").encode("koi8-r"))
    (place / "comma.csv").write_bytes(new.write_csv().encode("koi8-r"))
    new.write_csv(place / "utf8.csv")
    new.write_parquet(place / "new.parquet")
    answers = [predict(place / "run", place / name) for name in ("koi.csv", "comma.csv", "utf8.csv", "new.parquet")]
    assert all(one.equals(answers[0]) for one in answers)
    assert evaluate(place / "run", place / "koi.csv").scores["accuracy"].value > 0.7


def test_rows_without_an_answer_are_left_out_of_an_evaluation(place):
    new = rows(4).with_columns(y=pl.when(pl.int_range(ROWS) % 4 > 0).then(pl.col("y")))
    found = evaluate(place / "run", new)
    assert found.rows == ROWS * 3 // 4
    assert found.notes == ('30 rows have no "y" and were left out.',)
    assert type(found).from_dict(found.to_dict()).notes == found.notes


def test_scores_and_answers_are_asked_of_whatever_predict_takes(place, tmp_path):
    from melior.predictor import Predictor

    predictor, new = Predictor.load(place / "run" / "predictor"), rows(1)
    new.write_csv(tmp_path / "new.csv")
    expected = predictor.predict(new)
    scores = expected.select(pl.col("^score_.*$")).to_numpy()
    for source in (new, new.to_pandas() if find_spec("pandas") else new, str(tmp_path / "new.csv")):
        assert np.array_equal(predictor.scores(source), scores)
        named = [predictor.classes[number] for number in predictor.answers(source)]
        assert named == expected["prediction"].to_list()
