"""Runs of language models: Ctrl-C ends with a run that works and goes on exactly; a finished one is not done again."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import melior  # noqa: E402
from melior.errors import UserError  # noqa: E402
from melior.recipe import Recipe  # noqa: E402
from melior.runs.store import Run  # noqa: E402

SMALL = {
    "width": 32, "depth": 2, "heads": 2, "vocabulary": 400, "context": 48, "steps": 60, "batch_rows": 16,
    "learning_rate": 5e-3, "answer_tokens": 6, "checkpoint_every": 1000,
}  # fmt: skip
COMMAND = "import sys; from melior.cli.main import run; sys.argv = ['melior', *sys.argv[1:]]; run()"


def rows():
    colours = {"sky": "blue", "grass": "green", "coal": "black", "snow": "white", "blood": "red"}
    return [{"prompt": f"{n}: colour of {thing}?", "answer": f" {c}"} for n in range(8) for thing, c in colours.items()]


def recipe(folder, **settings):
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows())))
    made = Recipe(task="generate", model={"causal_lm": {**SMALL, **settings}})
    return made.with_data(path=str(folder / "rows.jsonl"))


def weights(run):
    from safetensors.numpy import load_file

    return load_file(run / "model" / "model.safetensors")


class CtrlC:
    """Progress that sends a real signal at a step of the training, as often as `times` says, and notes stages."""

    def __init__(self, at=0, times=1):
        self.at, self.times, self.stages = at, times, []

    def __call__(self, stage, done, total, note=""):
        self.stages.append(stage)
        if stage == "training" and done == self.at:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder / "run", melior.train(recipe(folder), run=folder / "run")


def test_ctrl_c_ends_with_a_run_that_works_and_goes_on_exactly(undisturbed, tmp_path):
    asked = recipe(tmp_path)
    cut = melior.train(asked, run=tmp_path / "run", progress=CtrlC(at=12))
    assert cut.interrupted == "step 12 of 60"
    assert any("interrupted at step 12 of 60" in note and "same command goes on" in note for note in cut.notes)
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (about["state"], about["interrupted"]) == ("finished", "step 12 of 60")
    assert cut.evaluation["perplexity"].value > undisturbed[1].evaluation["perplexity"].value
    assert melior.evaluate(tmp_path / "run", tmp_path / "rows.jsonl")["perplexity"].value > 1
    assert len(melior.predict(tmp_path / "run", tmp_path / "rows.jsonl")) == 40
    assert "interrupted at step 12 of 60" in (tmp_path / "run" / "report.html").read_text()

    on = melior.train(asked, run=tmp_path / "run")
    assert not on.interrupted
    assert any("went on from step 12 of 60" in note for note in on.notes)
    assert "interrupted" not in json.loads((tmp_path / "run" / "run.json").read_text())
    assert on.evaluation.scores == undisturbed[1].evaluation.scores
    expected, found = weights(undisturbed[0]), weights(tmp_path / "run")
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    Run.open(tmp_path / "run")  # and no file of it is damaged


def test_a_signal_from_outside_ends_the_command(undisturbed, tmp_path):
    """The same, of the command: it ends with 130 and a sentence, and the run answers."""
    (tmp_path / "melior.yaml").write_text(recipe(tmp_path, steps=100_000).to_yaml())
    called = [sys.executable, "-c", COMMAND, "train", tmp_path / "melior.yaml", "--run", tmp_path / "run"]
    command = subprocess.Popen(called, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert command.stderr is not None
    for line in command.stderr:
        if "training" in line:
            command.send_signal(signal.SIGINT)
            break
    out, err = command.communicate(timeout=60)
    assert command.returncode == 130, err
    assert "the same command goes on" in err
    assert "Traceback" not in err
    assert "interrupted at step" in " ".join(out.split())
    assert melior.predict(tmp_path / "run", tmp_path / "rows.jsonl")["answer"].len() == 40


def test_a_second_ctrl_c_ends_at_once_and_the_command_goes_on(undisturbed, tmp_path):
    asked = recipe(tmp_path, checkpoint_every=5)
    with pytest.raises(KeyboardInterrupt):
        melior.train(asked, run=tmp_path / "run", progress=CtrlC(at=12, times=2))
    with pytest.raises(UserError, match="interrupted; give the same command"):
        melior.predict(tmp_path / "run", tmp_path / "rows.jsonl")
    on = melior.train(asked, run=tmp_path / "run")
    assert any("went on from step 10 of 60" in note for note in on.notes)
    expected, found = weights(undisturbed[0]), weights(tmp_path / "run")
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


def test_a_finished_run_is_not_trained_again(undisturbed, tmp_path):
    asked = recipe(tmp_path)
    first = melior.train(asked, run=tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.is_file()}
    told = CtrlC()
    again = melior.train(asked, run=tmp_path / "run", progress=told)
    assert "training" not in told.stages
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert again.evaluation.scores == first.evaluation.scores
    assert (again.rows, again.recipe) == (first.rows, first.recipe)
    assert any("nothing was trained again" in note for note in again.notes)
    asked_of = [{"prompt": "3: colour of coal?"}]
    assert again.writer.answers(asked_of) == first.writer.answers(asked_of)
    with pytest.raises(UserError, match="another run"):
        melior.train(recipe(tmp_path, steps=61), run=tmp_path / "run")


def test_scores_before_are_taken_once_and_given_back(undisturbed, tmp_path):
    asked = recipe(tmp_path, base=str(undisturbed[0] / "model"), steps=9, learning_rate=1e-3)
    cut = melior.train(asked, run=tmp_path / "run", progress=CtrlC(at=4))
    assert cut.interrupted == "step 4 of 9"
    told = CtrlC()
    first = melior.train(asked, run=tmp_path / "run", progress=told)
    assert "training" in told.stages
    assert "scoring the model as it comes" not in told.stages
    again = melior.train(asked, run=tmp_path / "run")
    assert first.before.scores == cut.before.scores == again.before.scores
    examples = json.loads((tmp_path / "run" / "examples.json").read_text())["answers"]
    assert len(examples) == 8
    assert len({one["prompt"] for one in examples}) == 8
    assert [one["before"] for one in examples] == undisturbed[1].writer.answers(
        [{"prompt": one["prompt"]} for one in examples]
    )
    assert [one["after"] for one in examples] == first.writer.answers([{"prompt": one["prompt"]} for one in examples])
