"""Reports of language runs, from their files, without a network."""

from pathlib import Path
from typing import Any

import pytest
from made_runs import build
from parsed import Page

from melior.recipe import Recipe
from melior.report import render

EVIL = '<script>alert("x")</script>'
NOTHING = Recipe(task="generate", data={"path": "talk.jsonl"})
FURTHER = NOTHING.with_model({"causal_lm": {"base": "some/model"}})


def score(value: float) -> dict[str, float]:
    return {"value": value, "low": value * 0.9, "high": value * 1.1}


def scores(before: float | None = None, **more: Any) -> dict[str, Any]:
    def of(perplexity: float) -> dict[str, Any]:
        bits = {"perplexity": score(perplexity), "bits_per_byte": score(perplexity / 8)}
        return {**bits, "exact_match": score(0.5), "token_f1": score(0.6)}

    return {
        "metric": "perplexity", "task": "generate", "rows": 40, "on": "talk.jsonl, rows put aside", "scores": of(8.0),
        "before": None if before is None else of(before), "by_language": {}, "notes": [], **more,
    }  # fmt: skip


def answers(before: str | None) -> dict[str, Any]:
    one = {"prompt": f"colour of coal? {EVIL}", "right": " black", "before": before, "after": "black"}
    return {"answers": [one, {**one, "right": "white", "after": ""}]}


def page(folder: Path, verb: str = "train", recipe: Recipe = FURTHER, **files: Any) -> Page:
    about = {"name": "talk.jsonl", "rows": 160, "seconds": 12.0, **files.pop("about", {})}
    run = build(folder, verb, about=about, recipe=recipe, predictor=False, **files)
    (run.folder / "model").mkdir()
    text = render(run)
    assert "<script>alert" not in text
    return Page(text)


def ids(parsed: Page) -> set[str | None]:
    return {given.get("id") for tag, given in parsed.elements if tag == "section"}


def test_before_and_after(tmp_path: Path) -> None:
    parsed = page(tmp_path / "run", scores=scores(196.0), examples=answers("yellow"))
    assert "Perplexity fell from 196.0 to 8.000 on talk.jsonl, rows put aside." in parsed.text
    assert "Before is the model as it came" in parsed.text
    for said in (
        "right answer",
        "before",
        "after",
        "yellow",
        "empty",
        "melior chat run",
        "melior predict run",
        "melior evaluate run",
    ):
        assert said in parsed.text, said
    assert "class" not in {word.strip(".,") for word in parsed.text.lower().split()}
    assert ids(parsed) == {"scores", "answers", "use", "small-print"}


def test_worse_is_said_to_be_worse(tmp_path: Path) -> None:
    parsed = page(tmp_path / "run", scores=scores(4.0), examples=answers("yellow"))
    assert "rose from 4.000 to 8.000" in parsed.text
    assert "worse than before it was taught" in parsed.text


def test_from_nothing_there_is_no_before(tmp_path: Path) -> None:
    parsed = page(tmp_path / "run", recipe=NOTHING, scores=scores(), examples=answers(None))
    assert "A small model from nothing has a perplexity of 8.000 on talk.jsonl, rows put aside." in parsed.text
    assert "before" not in [word for word in parsed.words if word.strip() == "before"]
    assert "the model's" in parsed.text


def test_what_is_not_there_is_not_shown(tmp_path: Path) -> None:
    """Texts have no answers; without rows put aside there are no scores either."""
    kept = scores()
    kept["scores"] = {name: kept["scores"][name] for name in ("perplexity", "bits_per_byte")}
    parsed = page(tmp_path / "texts", scores=kept, examples={"answers": []})
    assert ids(parsed) == {"scores", "use", "small-print"}
    assert "Each language by itself" not in parsed.text
    bare = page(tmp_path / "bare")
    assert ids(bare) == {"use", "small-print"}
    assert "The language model was taught 160 rows; no rows were put aside to score it on" in bare.text
    assert "Nothing was found wrong" not in bare.text


def test_languages_stand_by_themselves(tmp_path: Path) -> None:
    by = {"en": {"perplexity": 7.0, "bits_per_byte": 1.1}, EVIL: {"perplexity": 9.0, "bits_per_byte": 1.3}}
    was = {"en": {"perplexity": 70.0, "bits_per_byte": 2.2}}
    parsed = page(tmp_path / "run", scores=scores(196.0, by_language=by, by_language_before=was))
    assert "Each language by itself" in parsed.text
    assert "before 70.0" in parsed.text


def test_an_interrupted_training_is_said_to_be_one(tmp_path: Path) -> None:
    parsed = page(tmp_path / "run", scores=scores(), about={"interrupted": "step 12 of 100"})
    assert "The training was interrupted at step 12 of 100; the same command goes on from there." in parsed.text


def test_evaluate(tmp_path: Path) -> None:
    parsed = page(tmp_path / "run", "evaluate", scores=scores(on="other.jsonl"), examples=answers(None))
    assert "The language model has a perplexity of 8.000 on other.jsonl." in parsed.text
    assert "melior improve" not in parsed.text


@pytest.mark.parametrize("model", ["linear", "auto"])
def test_a_classifier_without_scores_is_not_a_clean_table(tmp_path: Path, model: str) -> None:
    """A run of train with `split.sealed: 0`."""
    recipe = Recipe(data={"path": "reviews.csv", "target": "y"}, model=model).with_split(sealed=0)
    run = build(tmp_path / "run", "train", recipe=recipe, examples={"table": {"rows": 300, "columns": []}})
    parsed = Page(render(run))
    assert "Nothing was found wrong" not in parsed.text
    what = "The linear model" if model == "linear" else "The model"
    assert f"{what} was trained on 300 rows; no rows were put aside to score it on" in parsed.text


def test_a_classifier_is_scored_in_each_language(tmp_path: Path) -> None:
    one = {"value": 0.5, "low": 0.4, "high": 0.6}
    spoken = {
        "de": {"rows": 40, "trained": 120, "scores": {"macro_f1": one, "accuracy": one}},
        EVIL: {"rows": 30, "trained": 0, "scores": {"macro_f1": one, "accuracy": None}},
    }
    kept = {"metric": "macro_f1", "rows": 70, "on": "t.csv", "classes": ["a", "b"], "scores": {"macro_f1": one},
            "before": None}  # fmt: skip
    recipe = Recipe(data={"path": "t.csv", "target": "y"}, model="linear")
    examples = {"table": {"rows": 70, "columns": []}}
    run = build(tmp_path / "run", "train", recipe=recipe, examples=examples, scores={**kept, "by_language": spoken})
    parsed = Page(render(run))
    assert "Each language by itself" in parsed.text
    assert "trained on" in parsed.text
    plain = build(tmp_path / "plain", "train", recipe=recipe, examples=examples, scores=kept)
    assert "Each language by itself" not in Page(render(plain)).text
