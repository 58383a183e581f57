"""task: generate, from a recipe and a file to a run that answers: from nothing, and a model taught further."""

import json
import shutil
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import melior  # noqa: E402
from melior.data.language import language_rows, split_answer  # noqa: E402
from melior.errors import UserError  # noqa: E402
from melior.models._generator import resolve_generator  # noqa: E402
from melior.recipe import Choice, Recipe  # noqa: E402
from melior.trials.language_model import put_aside  # noqa: E402
from melior.trials.language_scores import scored  # noqa: E402
from melior.verbs.language import load_writer  # noqa: E402

COLOURS = {"sky": "blue", "grass": "green", "coal": "black", "snow": "white", "blood": "red"}
SMALL = {
    "width": 32, "depth": 2, "heads": 2, "vocabulary": 400, "context": 48, "steps": 120, "batch_rows": 16,
    "learning_rate": 5e-3, "answer_tokens": 12, "checkpoint_every": 50,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def questions(times=12):
    return [
        {"prompt": f"colour of {thing}, asked {number}?", "answer": f" {colour}"}
        for number in range(times)
        for thing, colour in COLOURS.items()
    ]


def _chat(*contents):
    return [
        {"role": "assistant" if number % 2 else "user", "content": content} for number, content in enumerate(contents)
    ]


def recipe(**settings):
    return Recipe(task="generate", model={"causal_lm": {**SMALL, **settings}})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("language")
    pl.DataFrame(questions()).write_ndjson(folder / "questions.jsonl")
    (folder / "melior.yaml").write_text(recipe().with_data(path="questions.jsonl").to_yaml())
    trained = melior.train(folder / "melior.yaml", run=folder / "run")
    return folder, trained


def test_a_small_model_learns_to_answer(run):
    folder, trained = run
    assert trained.rows == 48
    assert trained.evaluation.rows == 12
    assert trained.evaluation["token_f1"].value > 0.8
    assert trained.evaluation["perplexity"].value < 2
    assert {"MANIFEST.json", "model", "recipe.yaml", "scores.json", "training"} <= {
        p.name for p in folder.glob("run/*")
    }
    assert not list(folder.glob("run/**/*.bin")) + list(folder.glob("run/**/*.pt"))


def test_what_is_loaded_elsewhere_answers_the_same(run):
    folder, trained = run
    rows = [{"prompt": "colour of coal, asked 3?"}, {"prompt": "colour of snow, asked 99?"}]
    (folder / "new.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code = "import sys, melior; print(melior.predict(sys.argv[1], sys.argv[2])['answer'].to_list())"
    made = subprocess.run(
        [sys.executable, "-c", code, folder / "run", folder / "new.jsonl"], capture_output=True, text=True, check=True
    )
    assert made.stdout.strip() == str(trained.writer.answers(rows))
    again = melior.evaluate(folder / "run", folder / "questions.jsonl")
    assert again["exact_match"].value > 0.8


def test_a_prompt_too_long_costs_nothing_but_its_answer(tmp_path, capsys):
    """The answer has the room that is left, be it less than `answer_tokens`; where there is none, that is said."""
    rows = questions() + [{"prompt": "and " * 200 + f"{number}?", "answer": " blue"} for number in range(30)]
    asked = recipe(steps=4, context=64, answer_tokens=128).with_data(path=str(_written(tmp_path, rows)))
    trained = melior.train(asked, run=tmp_path / "run")
    (note,) = (one for one in trained.evaluation.notes if "no room" in one)
    assert "prompts leave the model no room for an answer, and no answer to it is scored: and and" in note
    assert note in trained.notes
    held = [one for one in trained.evaluation.answered if one.given is None]
    assert len(held) == int(note.split()[0])
    assert 0 < len(held) < len(trained.evaluation.answered)
    assert trained.evaluation.foreseen.tokens.min() > 0
    told = json.loads((tmp_path / "run" / "examples.json").read_text())["answers"]
    assert all(one["after"] is not None for one in told)
    assert len(melior.judge(tmp_path / "run", tmp_path / "run", tmp_path / "rows.jsonl").metrics) == 3
    answered = melior.predict(tmp_path / "run", [rows[-1], rows[0]])["answer"].to_list()
    assert answered[0] is None
    assert isinstance(answered[1], str)
    (tmp_path / "new.jsonl").write_text("\n".join(map(json.dumps, [rows[0], rows[-1]])))
    with pytest.raises(SystemExit) as ended:
        _called("predict", tmp_path / "run", tmp_path / "new.jsonl")
    assert not ended.value.code
    assert "no room for an answer, which is empty: 1; shorten" in capsys.readouterr().err


def _called(*arguments):
    from melior.cli.main import run as command

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["melior", *map(str, arguments)])
        command()


def test_the_model_is_kept_before_it_is_scored(tmp_path, monkeypatch):
    import melior.verbs.language as verb

    def fails(*_, **__):
        raise RuntimeError("scoring broke")

    asked = recipe(steps=4).with_data(path=str(_written(tmp_path, questions(2))))
    with monkeypatch.context() as patch:
        patch.setattr(verb, "scored", fails)
        with pytest.raises(RuntimeError, match="scoring broke"):
            melior.train(asked, run=tmp_path / "run")
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    assert melior.train(asked, run=tmp_path / "run").evaluation is not None


def test_a_talk_goes_on_where_a_question_is_too_long(run):
    """A model of 48 tokens: the usual 256 of an answer are cut to what is left."""
    folder, _ = run
    code = "import sys; from melior.cli.main import run; sys.argv = ['melior', 'chat', *sys.argv[1:]]; run()"
    typed = f"coal?\n/new\n{'so ' * 100}\ncoal?\n\n"
    said = subprocess.run([sys.executable, "-c", code, folder / "run"], input=typed, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert said.stdout.count("model  ") == 3
    told = " ".join(said.stdout.split())
    assert told.count("and the model takes 48 with the answer; shorten the prompt. /new begins again.") == 1


def test_talking_to_it(run):
    folder, _ = run
    code = "import sys; from melior.cli.main import run; sys.argv = ['melior', 'chat', *sys.argv[1:]]; run()"
    typed = "colour of coal?\n/new\nhello\n\n"
    called = [sys.executable, "-c", code, folder / "run", "--tokens", "4"]
    said = subprocess.run(called, input=typed, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert said.stdout.count("model") == 2


def test_a_model_is_taught_further(run, tmp_path):
    """From the run's own model: LoRA is kept as an adapter, and the weights below stay as they were."""
    folder, trained = run
    base = str(folder / "run" / "model")
    other = [{"prompt": row["prompt"], "answer": " white"} for row in questions(4)]
    asked = recipe(base=base, tuning="lora", rank=8, steps=100, learning_rate=1e-2)
    taught = melior.train(asked.with_data(path=str(_written(tmp_path, other))), run=tmp_path / "run")
    assert taught.before["token_f1"].value < 0.6 < 0.8 < taught.evaluation["token_f1"].value
    assert (tmp_path / "run" / "model" / "adapter_model.safetensors").is_file()
    writer, _ = load_writer(tmp_path / "run")
    assert writer.answers([{"prompt": "colour of coal, asked 3?"}]) == [" white"]
    first, _ = load_writer(folder / "run")
    assert first.answers([{"prompt": "colour of coal, asked 3?"}]) == trained.writer.answers(
        [{"prompt": "colour of coal, asked 3?"}]
    )


def test_a_base_beside_the_recipe_is_found_from_anywhere(run, tmp_path, monkeypatch):
    """When it is trained and when the adapter is used, wherever the commands are given."""
    folder, _ = run
    own = tmp_path / "own"
    shutil.copytree(folder / "run" / "model", own / "start")
    _written(own, questions(2))
    asked = recipe(base="./start", tuning="lora", steps=2).with_data(path="rows.jsonl")
    (own / "melior.yaml").write_text(asked.to_yaml())
    monkeypatch.chdir(tmp_path)
    melior.train("own/melior.yaml", run="run")
    # and from Python, relative to where it is called
    melior.train(recipe(base="own/start", tuning="lora", steps=2).with_data(path="own/rows.jsonl"), run="other")
    monkeypatch.chdir(own)
    for made in ("run", "other"):
        writer, _ = load_writer(f"../{made}")
        assert isinstance(writer.answers([{"prompt": "colour of coal?"}])[0], str)


def _written(folder, rows):
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "rows.jsonl"


def test_perplexity_by_hand(run):
    """Of one answer: the model's own probabilities of its tokens, one after the other."""
    _, trained = run
    writer = trained.writer
    row = questions(1)[0]
    found = scored(writer, [row], on="one row")
    ids = writer.tokenizer(row["prompt"], add_special_tokens=False)["input_ids"]
    answer = [*writer.tokenizer(row["answer"], add_special_tokens=False)["input_ids"], writer.tokenizer.eos_token_id]
    start = writer.tokenizer.bos_token_id or writer.tokenizer.eos_token_id
    whole = torch.tensor([[start, *ids, *answer]])
    with torch.no_grad():
        logs = writer.model(input_ids=whole).logits[0].double().log_softmax(-1)
    nats = -sum(float(logs[len(ids) + at, token]) for at, token in enumerate(answer))
    assert found["perplexity"].value == pytest.approx(np.exp(nats / len(answer)), rel=1e-4)
    size = len(row["answer"].encode())
    assert found["bits_per_byte"].value == pytest.approx(nats / np.log(2) / size, rel=1e-4)


def test_texts_of_two_languages_are_scored_apart(tmp_path):
    texts = [{"text": f"the cat number {n} sat on the mat", "language": "en"} for n in range(20)]
    texts += [{"text": f"die Katze Nummer {n} sass da", "language": "de"} for n in range(20)]
    trained = melior.train(recipe(steps=20).with_data(path=str(_written(tmp_path, texts))))
    assert set(trained.evaluation.by_language) == {"en", "de"}
    assert set(trained.evaluation.scores) == {"perplexity", "bits_per_byte"}


def test_the_same_row_is_never_on_both_sides():
    rows = [{"text": f"text {n % 7}"} for n in range(70)]
    kept, aside = put_aside(rows, Recipe(task="generate").split.sealed, 0)
    assert len(kept) + len(aside) == 70
    assert not {row["text"] for row in kept} & {row["text"] for row in aside}
    assert aside


def test_no_text_says_when_to_stop_and_is_learned(monkeypatch):
    from melior.networks import finetune
    from melior.trials.language_model import begun, settings_of, taught

    given = {}
    real = finetune.finetune

    def seen(loaded, rows, training, **how):
        given.update(learned=rows, stopping=how["valid"], patience=training.patience)
        return real(loaded, rows, training, **how)

    monkeypatch.setattr(finetune, "finetune", seen)
    rows = [{"text": f"only {n % 5} words here to learn"} for n in range(50)]
    settings = settings_of(recipe(steps=2, stop_share=0.2))
    taught(settings, begun(settings, rows, 0), rows, 32, 0)
    learned, stopping = ({row["text"] for row in given[part]} for part in ("learned", "stopping"))
    assert (len(learned), len(stopping), given["patience"]) == (4, 1, 2)
    assert not learned & stopping
    alike = [{"text": "always the same"}] * 5  # of one text there is nothing to put aside
    taught(settings, begun(settings, alike, 0), alike, 32, 0)
    assert (len(given["learned"]), given["stopping"], given["patience"]) == (5, None, 0)


def test_rows_of_every_form(tmp_path):
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    assert language_rows([chat])[0] == [{"messages": chat}]
    assert split_answer({"messages": chat}) == ({"messages": chat[:1]}, "hello")
    assert split_answer({"text": "a"}) is None
    (tmp_path / "book.txt").write_text("Once upon a time", encoding="utf-16")
    assert language_rows(tmp_path / "book.txt")[0] == [{"text": "Once upon a time"}]
    pl.DataFrame({"messages": [chat], "other": [1]}).write_parquet(tmp_path / "chats.parquet")
    assert language_rows(tmp_path / "chats.parquet")[0] == [{"messages": chat}]
    pl.DataFrame({"a": [1]}).write_csv(tmp_path / "table.csv")
    with pytest.raises(UserError, match=r'columns a; "messages", or'):
        language_rows(tmp_path / "table.csv")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: recipe(base="/no/such/model"), "no/such/model"),
        (lambda: recipe(context=100_000, base="RUN"), "takes"),
        (lambda: recipe(width=30), "twice"),
        (lambda: recipe(checkpoint_every="often"), "checkpoint_every: should be steps, such as 200, or time.*often"),
        (lambda: recipe(checkpoint_every=-3), "checkpoint_every: should be steps, .*-3"),
        (lambda: recipe(stop=[""]), r"stop\.0: should be text of at least 1 character"),
        (lambda: Recipe(task="generate", model="linear"), "no family of task: generate"),
        (lambda: recipe().with_methods("threshold"), "threshold"),
        (lambda: recipe(device="cuda"), "GPU|CUDA|cuda"),
    ],
)
def test_what_cannot_be_is_one_sentence(run, tmp_path, made, said):
    folder, _ = run
    asked = made()
    if asked.model.settings.get("base") == "RUN":
        asked = recipe(context=100_000, base=str(folder / "run" / "model"))
    with pytest.raises(UserError, match=said) as error:
        melior.train(asked.with_data(path=str(folder / "questions.jsonl")))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("row", "bad", "said"),
    [
        (lambda n: {"prompt": f"p{n}", "answer": "a"}, {"answer": None}, 'has no "answer"'),
        (lambda n: {"text": f"text {n} of words"}, {"text": None}, 'has no "text"'),
        (lambda n: {"messages": _chat(f"q{n}", "a")}, {"messages": _chat("q")}, "the assistant says nothing"),
    ],
)
def test_rows_put_aside_are_read_before_anything_is_learned(tmp_path, row, bad, said):
    """Wherever a row stands that cannot be read, it is named by its place in the file, and no training is lost."""
    for at in range(20):  # some of these are put aside, some are not
        rows = [row(number) if number != at else row(number) | bad for number in range(20)]
        with pytest.raises(UserError, match=rf"^rows\.jsonl, row {at + 1}\b.*{said}"):
            melior.train(recipe().with_data(path=str(_written(tmp_path, rows))), run=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match=rf"^rows\.jsonl, row 20\b.*{said}"):
        melior.improve(recipe().with_data(path=str(tmp_path / "rows.jsonl")), budget=60)


def test_rows_that_a_template_refuses_keep_their_numbers(run, tmp_path):
    from transformers import AutoTokenizer

    folder, _ = run
    model = tmp_path / "model"
    shutil.copytree(folder / "run" / "model", model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    turn = "{% if m.content == 'no' %}{{ raise_exception('it will not') }}{% endif %}{{ m.role + m.content }}"
    tokenizer.chat_template = f"{{% for m in messages %}}{turn}{{% endfor %}}"
    tokenizer.save_pretrained(model)
    asked = recipe(base=str(model), context=None, steps=1)
    for at in (4, 19):
        rows = [{"messages": _chat(f"q{number}", "no" if number == at else "yes")} for number in range(20)]
        with pytest.raises(UserError, match=rf"row {at + 1}: the model's chat template refuses it \(it will not\)"):
            melior.train(asked.with_data(path=str(_written(tmp_path, rows))))


def test_a_chat_put_aside_that_ends_with_a_long_question_is_scored(tmp_path):
    rows = [{"messages": _chat(f"q{number}", f"a{number}")} for number in range(20)]
    rows += [{"messages": _chat(f"q{number} " + "w " * 90, "a", "z " * 90)} for number in range(20)]
    found = melior.train(recipe(steps=2).with_data(path=str(_written(tmp_path, rows)))).evaluation
    assert found.rows == 8
    assert found.foreseen.tokens.min() > 0


def test_other_commands_say_what_they_are_for(run):
    folder, _ = run
    with pytest.raises(UserError, match="task: generate"):
        melior.audit(folder / "melior.yaml")
    assert resolve_generator(Choice(name="auto")).name == "causal_lm"
