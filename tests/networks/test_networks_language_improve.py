"""`improve` of task: generate: what is tried, what is believed, and that it goes on where it stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import melior  # noqa: E402
from melior.checks._training import Record  # noqa: E402
from melior.data.language import texts_of  # noqa: E402
from melior.errors import UserError  # noqa: E402
from melior.improvement import language  # noqa: E402
from melior.improvement.language_plan import changes  # noqa: E402
from melior.models.causal_lm import CausalLm  # noqa: E402
from melior.recipe import Recipe  # noqa: E402
from melior.runs.store import Run  # noqa: E402
from melior.trials.language_scores import scored  # noqa: E402
from melior.trials.language_trial import Rows, kept, language_trial  # noqa: E402

SMALL = {
    "width": 32, "depth": 1, "heads": 2, "vocabulary": 300, "context": 48, "steps": 30, "batch_rows": 16,
    "learning_rate": 1e-3, "answer_tokens": 4, "checkpoint_every": 2,
}  # fmt: skip
NEVER = ("more_epochs", "fewer_epochs", "wider", "narrower", "deeper")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def recipe(folder, **settings):
    colours = {"sky": "blue", "grass": "green", "coal": "black", "snow": "white", "blood": "red"}
    rows = [
        {"prompt": f"{n}: colour of {thing}?", "answer": f" {c}"} for n in range(20) for thing, c in colours.items()
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    made = Recipe(task="generate", model={"causal_lm": {**SMALL, **settings}})
    return made.with_data(path=str(folder / "rows.jsonl"))


class Told:
    """The stages that progress told of; sends a real Ctrl-C at a step of one."""

    def __init__(self, stage="", at=0):
        self.stage, self.at, self.stages = stage, at, []

    def __call__(self, stage, done, total, note=""):
        self.stages.append(stage)
        if self.at and stage == self.stage and done == self.at:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def improved(tmp_path_factory):
    """A rate that is too low, found and mended."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("improve")
    return folder, melior.improve(recipe(folder), budget="5m", never=NEVER, run=folder / "run")


def test_a_rate_that_is_too_low_is_mended_and_proved(improved):
    _, found = improved
    assert found.accepted == ("higher_rate",)
    assert found.recipe.model.settings["learning_rate"] == pytest.approx(3e-3)
    verdicts = {one.methods[0]: one.verdict for one in found.evidence}
    assert verdicts == {"higher_rate": "accepted", "lower_rate": "rejected"}
    assert found.gain.low > 0
    assert found.gain.value == pytest.approx(found.baseline.value - found.final.value, abs=1e-9)
    assert all(one.p_adjusted < 0.05 for one in found.evidence if one.verdict == "accepted")


def test_the_run_holds_what_a_run_of_improve_holds(improved):
    folder, found = improved
    run = folder / "run"
    assert {
        "evidence.json",
        "findings.json",
        "recipe.yaml",
        "scores.json",
        "model",
        "report.html",
        "MANIFEST.json",
    } <= {path.name for path in run.iterdir()}
    kept = json.loads((run / "evidence.json").read_text())
    assert {key: value for key, value in found.to_dict().items() if key not in ("findings", "run")} == {
        key: value for key, value in kept.items() if key != "run"
    }
    assert kept["metric"] == "bits_per_byte"
    assert Recipe.load(run / "recipe.yaml").model == found.recipe.model
    scores = json.loads((run / "scores.json").read_text())
    assert scores["scores"]["bits_per_byte"]["value"] == pytest.approx(found.taught_all.value)
    assert kept["taught_all"]["score"] == pytest.approx(found.taught_all.value)
    assert scores["before"]["bits_per_byte"]["value"] == pytest.approx(found.baseline.value)
    answers = melior.predict(run, folder / "rows.jsonl")["answer"].to_list()
    prompts = [json.loads(line)["prompt"] for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert answers == found.writer.answers([{"prompt": prompt} for prompt in prompts])
    report = (run / "report.html").read_text()
    for said in ("Higher rate provably helps", "What was tried", "bits per byte", "What it answers", "melior chat run"):
        assert said in report, said
    assert "taught all development rows" in report
    assert "What was refused" not in report


def test_done_trials_are_not_done_again_and_nothing_helped_is_an_answer(improved, tmp_path):
    folder, found = improved
    with pytest.raises(UserError, match="improve with another --margin"):
        melior.improve(recipe(folder), budget="5m", never=NEVER, margin=100.0, run=folder / "run")
    other = Run(shutil.copytree(folder / "run", tmp_path / "run"))  # the same trials, in a run of that margin
    about = other.read("run.json")
    other.write("run.json", {**about, "options": {**about["options"], "margin": 100.0}})
    other.renew_manifest()
    told = Told()
    again = melior.improve(recipe(folder), budget="5m", never=NEVER, margin=100.0, run=other.folder, progress=told)
    trained = {stage for stage in told.stages if stage.startswith("training")}
    assert trained == {"training: the recipe on all rows"}  # the plain recipe this time
    assert again.accepted == ()
    assert again.recipe == recipe(folder)
    assert again.final == again.baseline == found.baseline
    assert [one.effect for one in again.evidence] == [one.effect for one in found.evidence]
    assert "Nothing that was tried provably helps" in (other.folder / "report.html").read_text()
    told = Told()
    once_more = melior.improve(recipe(folder), budget="5m", never=NEVER, run=folder / "run", progress=told)
    assert once_more.accepted == ("higher_rate",)
    assert once_more.taught_all == found.taught_all
    assert not [stage for stage in told.stages if stage.startswith("training")]


def test_ctrl_c_leaves_it_continuable(improved, tmp_path):
    _, found = improved
    asked = recipe(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        melior.improve(asked, budget="5m", never=NEVER, run=tmp_path / "run", progress=Told("training: higher rate", 5))
    told = Told()
    again = melior.improve(asked, budget="5m", never=NEVER, run=tmp_path / "run", progress=told)
    assert "training: plain recipe" not in told.stages
    assert "training: higher rate" in told.stages
    assert [(one.methods, one.effect, one.p_adjusted) for one in again.evidence] == [
        (one.methods, one.effect, one.p_adjusted) for one in found.evidence
    ]
    assert (again.baseline, again.final) == (found.baseline, found.final)


def test_ctrl_c_in_the_last_training_leaves_it_continuable(improved, tmp_path):
    _, found = improved
    asked, last = recipe(tmp_path), "training: the recipe on all rows"
    with pytest.raises(KeyboardInterrupt):
        melior.improve(asked, budget="5m", never=NEVER, run=tmp_path / "run", progress=Told(last, 5))
    told = Told()
    again = melior.improve(asked, budget="5m", never=NEVER, run=tmp_path / "run", progress=told)
    assert {stage for stage in told.stages if stage.startswith("training")} == {last}
    assert (again.final, again.gain, again.taught_all) == (found.final, found.gain, found.taught_all)


def test_the_model_that_is_kept_learned_all_rows_but_the_sealed(improved, tmp_path):
    """The same as a training of the improved recipe on exactly those rows, done by hand."""
    folder, found = improved
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    parts, sealed, _ = language._parts(rows, None, recipe(folder), "rows")
    development = [*parts.learned, *parts.watched, *parts.judged]
    assert len(development) + len(sealed) == len(rows)
    assert not {texts_of(row) for row in development} & {texts_of(row) for row in sealed}
    trial = language_trial(tmp_path, found.recipe, Rows(development, (), ()))
    assert scored(trial.writer(found.recipe), sealed, on="sealed")["bits_per_byte"] == found.taught_all
    prompts = [{"prompt": row["prompt"]} for row in rows[:20]]
    assert trial.writer(found.recipe).answers(prompts) == found.writer.answers(prompts)


def test_thorough_says_nothing_of_language_models(tmp_path):
    with pytest.raises(UserError, match="--thorough: settings of a language model"):
        melior.improve(recipe(tmp_path), budget="5m", thorough=True, run=tmp_path / "run")


def test_no_refit_says_nothing_of_language_models(tmp_path):
    with pytest.raises(UserError, match="--no-refit: a language model is never taught the sealed rows"):
        melior.improve(recipe(tmp_path), budget="5m", refit=False, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_where_the_time_is_too_short_the_trials_model_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(language, "LAST", 1.0)  # no time is left after the first trial
    found = melior.improve(recipe(tmp_path, steps=5), budget=1, run=tmp_path / "run")
    assert found.taught_all is None
    assert any("the model that is kept learned 58 of the 80 development rows" in note for note in found.notes)
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert scores["scores"]["bits_per_byte"]["value"] == pytest.approx(found.final.value)
    assert "taught all development rows" not in (tmp_path / "run" / "report.html").read_text()


def test_a_killed_command_goes_on(improved, tmp_path):
    """The command itself, and a real SIGKILL in the middle of a candidate's training."""
    _, found = improved
    asked = recipe(tmp_path)
    (tmp_path / "melior.yaml").write_text(asked.to_yaml())
    code = "import sys; from melior.cli.main import run; sys.argv = ['melior', *sys.argv[1:]]; run()"
    never = [piece for name in NEVER for piece in ("--never", name)]
    called = [sys.executable, "-c", code, "improve", tmp_path / "melior.yaml", "--run", tmp_path / "run", *never]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # as here: sums in another order are other weights
    quiet = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(called, env=one_thread, **quiet) as command:
        assert command.stderr is not None
        for line in command.stderr:
            if "training: higher rate" in line:
                command.kill()
                break
    assert command.returncode == -signal.SIGKILL
    told = Told()
    again = melior.improve(asked, budget="5m", never=NEVER, run=tmp_path / "run", progress=told)
    assert "training: plain recipe" not in told.stages
    assert [(one.methods, one.effect) for one in again.evidence] == [
        (one.methods, one.effect) for one in found.evidence
    ]
    assert (again.baseline, again.final, again.gain) == (found.baseline, found.final, found.gain)
    assert again.taught_all == found.taught_all


def test_what_does_not_fit_the_budget_is_not_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(language, "LAST", 1.0)  # all of the budget is for the last look
    told = Told()
    found = melior.improve(recipe(tmp_path, steps=5), budget=1, run=tmp_path / "run", progress=told)
    assert found.evidence == ()
    assert {stage for stage in told.stages if stage.startswith("training")} == {"training: plain recipe"}
    assert any("not begun" in note and "higher_rate" in note for note in found.notes)
    assert "A larger --budget" in (tmp_path / "run" / "report.html").read_text()


def test_rows_with_equal_text_stay_on_one_side():
    rows = [{"text": f"text number {n % 90}"} for n in range(300)]
    parts, sealed, _ = language._parts(rows, None, Recipe(task="generate"), "rows")
    sides = [{texts_of(row) for row in part} for part in (parts.learned, parts.watched, parts.judged, sealed)]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 90
    assert all(sides)
    test = [{"text": f"text number {n}"} for n in range(30)]
    parts, sealed, notes = language._parts(rows, test, Recipe(task="generate"), "rows")
    assert sealed == test
    assert not {texts_of(row) for row in test} & {texts_of(row) for row in (*parts.learned, *parts.judged)}
    assert any("120 rows also stand among the test rows" in note for note in notes)


def record(losses):
    return Record([{"kind": "valid", "step": 10 * (n + 1), "loss": loss} for n, loss in enumerate(losses)])


def names(settings, losses):
    return [one.name for one in changes(settings, record(losses))]


def test_what_is_tried_follows_the_model_and_its_course():
    falls, rises = [3, 2, 1.0], [3, 1.0, 2]
    assert names(CausalLm(base="a"), falls) == [
        "higher_rate", "lower_rate", "more_epochs", "higher_rank", "last_layers"
    ]  # fmt: skip
    assert "fewer_epochs" in names(CausalLm(base="a"), rises)
    assert "more_epochs" not in names(CausalLm(base="a"), rises)
    assert names(CausalLm(base="a", tuning="last_k"), falls)[-2:] == ["more_layers", "lora"]
    assert names(CausalLm(), falls)[-2:] == ["wider", "deeper"]
    assert "narrower" in names(CausalLm(), rises)
    lora = CausalLm(base="a", learning_rate=1e-3)
    last = next(one for one in changes(lora, record(falls)) if one.name == "last_layers")
    made = last.of(Recipe(task="generate", model={"causal_lm": {"base": "a", "learning_rate": 1e-3}}), lora)
    assert made.model.settings == {"base": "a", "tuning": "last_k"}  # with its own usual rate
    fewer = next(one for one in changes(CausalLm(epochs=9), record(rises)) if one.name == "fewer_epochs")
    assert fewer.settings == {"epochs": 6}


@pytest.mark.parametrize(
    ("change", "how", "said"),
    [
        (lambda one: one, {"metric": "macro_f1"}, "bits_per_byte"),
        (lambda one: one, {"never": ["class_weights"]}, "class_weights"),
        (lambda one: one.with_split(sealed=0), {}, "sealed"),
        (lambda one: one.with_methods("threshold"), {}, "threshold"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, change, how, said):
    with pytest.raises(UserError, match=said) as error:
        melior.improve(change(recipe(tmp_path)), **how)
    assert "\n" not in str(error.value)


def test_too_few_rows_are_one_sentence(tmp_path):
    (tmp_path / "few.jsonl").write_text("\n".join(json.dumps({"text": f"row {n}"}) for n in range(20)))
    with pytest.raises(UserError, match="different rows"):
        melior.improve(recipe(tmp_path).with_data(path=str(tmp_path / "few.jsonl")))


def test_a_damaged_trial_is_done_again(tmp_path):
    assert kept(tmp_path) is None
    good = {"nats": [1.5, 2.0], "bytes": [3, 4], "seconds": 1.0, "limit": 48}
    (tmp_path / "trial.json").write_text(json.dumps(good))
    found = kept(tmp_path)
    assert (found.nats.tolist(), found.bytes.tolist(), found.limit) == ([1.5, 2.0], [3, 4], 48)
    for text in ("", "{", "[]", json.dumps({**good, "nats": "many"}), json.dumps({"nats": [1.0]})):
        (tmp_path / "trial.json").write_text(text)
        assert kept(tmp_path) is None


def test_two_changes_that_help_are_put_together_and_proved_again(tmp_path):
    never = ("lower_rate", "wider", "narrower", "deeper", "fewer_epochs")
    asked = recipe(tmp_path, steps=20)
    found = melior.improve(asked, budget="5m", attempt=["more_epochs"], never=never, run=tmp_path / "run")
    alone = {one.methods: one for one in found.evidence if one.stage == "confirm"}
    assert {one.verdict for one in alone.values()} == {"accepted"}
    (together,) = [one for one in found.evidence if one.stage == "combine"]
    assert set(together.methods) == {"higher_rate", "more_epochs"}
    assert together.verdict == "accepted"
    assert together.low > 0
    assert set(found.accepted) == {"higher_rate", "more_epochs"}
    assert found.recipe.model.settings == {**asked.model.settings, "learning_rate": 3e-3, "steps": 40}
    assert found.gain.low > 0
