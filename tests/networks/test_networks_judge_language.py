"""`judge` of two language models: bits per byte and answers of the same rows, those that say the same drawn as one."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import melior  # noqa: E402
from melior.errors import UserError  # noqa: E402
from melior.recipe import Recipe  # noqa: E402
from melior.trials.language_scores import foreseen_rows  # noqa: E402
from melior.verbs.language import load_writer  # noqa: E402

SMALL = {
    "width": 32, "depth": 1, "heads": 2, "vocabulary": 300, "context": 48, "batch_rows": 16, "learning_rate": 5e-3,
    "answer_tokens": 4,
}  # fmt: skip
COLOURS = {"sky": "blue", "grass": "green", "coal": "black", "snow": "white", "blood": "red"}


def rows_of(first, last):
    return [
        {"prompt": f"{n}: colour of {thing}?", "answer": f" {colour}"}
        for n in range(first, last)
        for thing, colour in COLOURS.items()
    ]


def run_of(folder, name, steps):
    path = folder / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows_of(0, 8))))
    recipe = Recipe(task="generate", model={"causal_lm": {**SMALL, "steps": steps}}, split={"sealed": 0})
    melior.train(recipe.with_data(path=str(path)), run=folder / name)
    return folder / name


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("judged")
    for name, steps in (("short", 3), ("long", 60)):
        run_of(folder, name, steps)
    (folder / "new.jsonl").write_text("\n".join(map(json.dumps, rows_of(8, 12))))
    return folder


def test_the_longer_training_foresees_better(place):
    found = melior.judge(place / "short", place / "long", place / "new.jsonl")
    assert found.verdict == "b_better"
    assert found.asked == ("bits_per_byte",)
    rows = rows_of(8, 12)
    for name, interval in (("short", found["bits_per_byte"].a), ("long", found["bits_per_byte"].b)):
        assert interval.value == pytest.approx(foreseen_rows(load_writer(place / name)[0], rows).bits_per_byte())
        assert interval.low < interval.value < interval.high
    assert found["bits_per_byte"].difference.value > 0
    assert {one.name for one in found.metrics} == {"bits_per_byte", "exact_match", "token_f1"}
    back = melior.judge(place / "long", place / "short", place / "new.jsonl")
    assert back["bits_per_byte"].difference.low == pytest.approx(-found["bits_per_byte"].difference.high)
    assert "bits_per_byte" in repr(found)
    json.dumps(found.to_dict(), allow_nan=False)


def test_rows_that_say_the_same_are_one(place):
    once, twice = rows_of(8, 12), rows_of(8, 12) * 4
    single, many = (melior.judge(place / "short", place / "long", rows) for rows in (once, twice))
    assert (single.units, many.units) == (20, 20)
    assert many.rows == 80
    for one, other in zip(single.metrics, many.metrics, strict=True):
        assert other.difference.value == pytest.approx(one.difference.value, abs=1e-5)
        assert np.isclose(other.difference.width, one.difference.width, rtol=0.02, atol=1e-6)


def test_answers_can_be_asked_for(place):
    found = melior.judge(place / "short", place / "long", rows_of(8, 12), metric="exact_match", non_inferior=0.5)
    assert found.asked == ("exact_match",)
    assert found["exact_match"].verdict in ("no_worse", "b_better", "same")


def test_what_cannot_be_compared_is_one_sentence(place):
    for how, said in (
        ({"metric": "accuracy"}, "bits_per_byte"),
        ({"groups": "user"}, "--groups"),
        ({"target": "answer"}, "--target"),
    ):
        with pytest.raises(UserError, match=said):
            melior.judge(place / "short", place / "long", rows_of(8, 12), **how)
    with pytest.raises(UserError, match="10 are needed"):
        melior.judge(place / "short", place / "long", rows_of(8, 9))
    with pytest.raises(UserError, match="no run of a language model"):
        melior.judge(place / "short", place / "new.jsonl", rows_of(8, 12))
