"""`task: generate` with rows that go through the disk: the same model, safe to kill, and when it is done so."""

import json
import re
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import melior  # noqa: E402
from melior.data.aside import Aside, part_of  # noqa: E402
from melior.errors import UserError  # noqa: E402
from melior.recipe import Recipe  # noqa: E402
from melior.runs.store import Run  # noqa: E402
from melior.trials import language_rows  # noqa: E402

SMALL = {
    "width": 32, "depth": 2, "heads": 2, "vocabulary": 400, "context": 32, "steps": 40, "batch_rows": 16,
    "learning_rate": 5e-3, "answer_tokens": 6, "checkpoint_every": 5,
}  # fmt: skip


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """So that small files have several."""
    monkeypatch.setattr("melior.data.row_blocks.SMALLEST", 2000)


def rows(many=60):
    colours = {"sky": "blue", "grass": "green", "coal": "black", "snow": "white", "blood": "red"}
    return [
        {"prompt": f"{n}: colour of {thing}?", "answer": f" {c}"} for n in range(many) for thing, c in colours.items()
    ]


def recipe(folder, found=None, stream=True, name="rows.jsonl", test=None, **settings):
    (folder / name).write_text("\n".join(map(json.dumps, found or rows())))
    made = Recipe(task="generate", model={"causal_lm": {**SMALL, **settings}})
    return made.with_data(path=str(folder / name), stream=stream, test=test and str(test))


def held(folder):
    (folder / "test.jsonl").write_text("\n".join(map(json.dumps, rows(3))))
    return folder / "test.jsonl"


def weights(run):
    from safetensors.numpy import load_file

    return load_file(run / "model" / "model.safetensors")


def equal(one, other):
    expected, found = weights(one), weights(other)
    assert expected.keys() == found.keys()
    return all(np.array_equal(expected[name], found[name]) for name in expected)


def history(run):
    return [json.loads(line) for line in (run / "training" / "history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("packed", [True, False])
def test_the_same_model_as_with_rows_in_memory(tmp_path, packed):
    """Tokenizer, training and scores, where the rows to score are given: which rows are put aside differs."""
    test = held(tmp_path)
    made = {
        stream: melior.train(recipe(tmp_path, stream=stream, test=test, packed=packed), run=tmp_path / f"{stream}")
        for stream in (True, False)
    }
    assert equal(tmp_path / "True", tmp_path / "False")
    assert made[True].evaluation.scores == made[False].evaluation.scores
    assert made[True].rows == made[False].rows == 300
    notes = " ".join(made[True].notes)
    assert re.search(r"learned from [\d,]+ bytes of tokens on disk, as data\.stream says", notes)
    assert "disk" not in " ".join(made[False].notes)
    lines = [
        [line["loss"] for line in history(tmp_path / name) if line["kind"] == "step"] for name in ("True", "False")
    ]
    assert lines[0] == lines[1] != []


def test_rows_are_put_aside_and_the_store_goes_when_the_run_is_finished(tmp_path):
    found = [*rows(), *rows(20)]  # the first hundred stand there twice
    asked = recipe(tmp_path, found, stop_share=0.1)
    trained = melior.train(asked, run=tmp_path / "run")
    notes = " ".join(trained.notes)
    sealed = int(re.search(r"([\d,]+) rows were put aside by their text; [\d,]+ of them are scored", notes)[1])
    stop = int(re.search(r"([\d,]+) rows were put aside by their text; [\d,]+ of them say when to stop", notes)[1])
    assert trained.rows + sealed + stop == 400
    assert trained.evaluation.rows == sealed  # fewer than 500
    assert any("valid" in line["kind"] for line in history(tmp_path / "run"))
    assert not (tmp_path / "run" / "training" / "tokens").exists()
    assert not any("tokens/" in name for name in json.loads((tmp_path / "run" / "MANIFEST.json").read_text())["sha256"])
    Run.open(tmp_path / "run")
    again = melior.train(asked, run=tmp_path / "run")
    assert any("nothing was trained again" in note for note in again.notes)
    assert again.rows == trained.rows


def test_a_folder_and_row_groups(tmp_path):
    (tmp_path / "shards").mkdir()
    for number in range(3):
        pl.DataFrame(rows()[100 * number : 100 * number + 100]).write_parquet(
            tmp_path / "shards" / f"{number}.parquet", row_group_size=30
        )
    asked = recipe(tmp_path, stream=None, test=held(tmp_path))
    melior.train(asked.with_data(path=str(tmp_path / "shards")), run=tmp_path / "shards-run")
    melior.train(asked, run=tmp_path / "run")
    assert equal(tmp_path / "run", tmp_path / "shards-run")


def test_ranks_share_the_making_and_see_the_whole(tmp_path, words):
    given = language_rows.Streamed(recipe(tmp_path), language_rows.RowBlocks(tmp_path / "rows.jsonl"), None, "so")
    waited = []

    def the_other_is_done():
        with given.ready(words, 32, tmp_path / "shared", rank=1, ranks=2, wait=lambda: waited.append(1)) as other:
            assert other.rows == sum(1 for _ in given.spelled())

    with given.ready(words, 32, tmp_path / "shared", rank=0, ranks=2, wait=the_other_is_done) as ready:
        pass
    with given.ready(words, 32, tmp_path / "alone") as alone:
        assert (ready.rows, ready.held, ready.on) == (alone.rows, alone.held, alone.on)
    assert waited == [1]
    with pytest.raises(UserError, match="--run"), given.ready(words, 32, None, rank=0, ranks=2):
        pass


def test_without_a_run_tokens_are_written_aside_and_removed(tmp_path, monkeypatch):
    (tmp_path / "aside").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "aside"))
    trained = melior.train(recipe(tmp_path, steps=3))
    assert trained.run is None
    assert any("tokens on disk" in note for note in trained.notes)
    assert not list((tmp_path / "aside").iterdir())


def test_a_tokenizer_is_learned_from_all_or_from_blocks_all_over(tmp_path, monkeypatch):
    for number in range(100):
        lines = (json.dumps({"text": f"{number} {at}"}) for at in range(5))
        (tmp_path / f"{number:03}.jsonl").write_text("\n".join(lines))
    plain = Recipe(task="generate", split={"sealed": 0})
    given = language_rows.Streamed(plain, language_rows.RowBlocks(tmp_path), None, "")
    assert [row["text"] for row in given.spelled()] == [f"{number} {at}" for number in range(100) for at in range(5)]
    monkeypatch.setattr(language_rows, "SPELLED", given.blocks.bytes // 10)
    some = [row["text"].split()[0] for row in given.spelled()]
    assert len(some) == 50
    assert (some[0], some[-1]) == ("0", "99")
    without_sealed = language_rows.Streamed(Recipe(task="generate"), given.blocks, None, "")
    assert len(list(without_sealed.spelled())) < 50


# ---- killed

KILLED = """
import signal, sys
import torch
import melior, melior.data.row_blocks as row_blocks
torch.set_num_threads(1)
row_blocks.SMALLEST = 2000
def progress(stage, done, total, note=""):
    if stage == sys.argv[3] and done == int(sys.argv[4]):
        signal.raise_signal(signal.SIGKILL)
melior.train(sys.argv[1], run=sys.argv[2], progress=progress)
"""


def ctrl_c(at):
    """Progress that sends Ctrl-C at a step."""

    def progress(stage, done, total, note=""):
        if stage == "training" and done == at:
            signal.raise_signal(signal.SIGINT)

    return progress


def killed(folder, asked, stage, at):
    (folder / "melior.yaml").write_text(asked.to_yaml())
    given = [folder / "melior.yaml", folder / "run", stage, str(at)]
    ran = subprocess.run([sys.executable, "-c", KILLED, *given], capture_output=True, text=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("melior.data.row_blocks.SMALLEST", 2000)
        return folder / "run", melior.train(recipe(folder), run=folder / "run")


@pytest.mark.parametrize(("stage", "at"), [("writing tokens", 4), ("training", 23)])
def test_killed_it_goes_on_and_ends_the_same(undisturbed, tmp_path, stage, at):
    asked = recipe(tmp_path)
    killed(tmp_path, asked, stage, at)
    tokens = tmp_path / "run" / "training" / "tokens"
    kept = {path: path.stat().st_mtime_ns for path in tokens.glob("*.tokens")}
    assert len(kept) >= 4
    seen = {}

    def progress(stage, done, total, note=""):
        if stage == "training" and not seen:
            seen.update({path: path.stat().st_mtime_ns for path in tokens.glob("*.tokens")})

    on = melior.train(asked, run=tmp_path / "run", progress=progress)
    assert kept.items() <= seen.items()  # none was made twice
    assert equal(undisturbed[0], tmp_path / "run")
    assert on.evaluation.scores == undisturbed[1].evaluation.scores
    assert any("went on from step 20 of 40" in note for note in on.notes) == (stage == "training")
    assert not tokens.exists()


def test_a_piece_that_is_damaged_meanwhile_is_named_and_the_end_is_the_same(undisturbed, tmp_path):
    asked = recipe(tmp_path)
    killed(tmp_path, asked, "training", 23)
    path = tmp_path / "run" / "training" / "tokens" / "000001.tokens"
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(bytes(content))
    on = melior.train(asked, run=tmp_path / "run")
    assert any("000001.tokens of the tokens on disk was damaged" in note for note in on.notes)
    assert equal(undisturbed[0], tmp_path / "run")


def test_ctrl_c_keeps_the_tokens(undisturbed, tmp_path):
    cut = melior.train(recipe(tmp_path), run=tmp_path / "run", progress=ctrl_c(12))
    assert cut.interrupted == "step 12 of 40"
    assert list((tmp_path / "run" / "training" / "tokens").glob("*.tokens"))
    Run.open(tmp_path / "run")
    melior.train(recipe(tmp_path), run=tmp_path / "run")
    assert equal(undisturbed[0], tmp_path / "run")


def test_other_rows_are_another_run(tmp_path):
    melior.train(recipe(tmp_path, steps=3), run=tmp_path / "run")
    changed = rows()
    changed[7]["answer"] = " pink"
    with pytest.raises(UserError, match="other rows"):
        melior.train(recipe(tmp_path, changed, steps=3), run=tmp_path / "run")
    elsewhere = recipe(tmp_path, name="moved.jsonl", steps=3)
    assert any("nothing was trained again" in note for note in melior.train(elsewhere, run=tmp_path / "run").notes)


# ---- when


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_a_file_of_more_than_a_quarter_of_the_free_memory(tmp_path, monkeypatch, name):
    asked = recipe(tmp_path, stream=None, steps=2)
    if name == "rows.parquet":
        pl.DataFrame(rows()).write_parquet(tmp_path / name, compression="uncompressed")
        asked = asked.with_data(path=str(tmp_path / name))
    size = language_rows.RowBlocks(tmp_path / name).bytes
    monkeypatch.setattr(language_rows, "_free", lambda: 4 * size + 4)
    assert not any("on disk" in note for note in melior.train(asked).notes)
    monkeypatch.setattr(language_rows, "_free", lambda: 4 * size - 4)
    assert any(re.search("on disk, as they are .* of memory are free", note) for note in melior.train(asked).notes)
    assert not any("on disk" in note for note in melior.train(asked.with_data(stream=False)).notes)


@pytest.mark.parametrize("began", [True, False])
def test_a_run_goes_on_as_it_began(tmp_path, monkeypatch, began):
    """Which rows are put aside differs: what memory is free when a run goes on must not decide it anew."""
    asked = recipe(tmp_path, stream=None)
    monkeypatch.setattr(language_rows, "_free", lambda: 1.0 if began else 1e12)
    cut = melior.train(asked, run=tmp_path / "run", progress=ctrl_c(12))
    monkeypatch.setattr(language_rows, "_free", lambda: 1e12 if began else 1.0)
    on = melior.train(asked, run=tmp_path / "run")
    assert any("went on from step 12" in note for note in on.notes)
    assert any("as this run began so" in note for note in on.notes) == began
    assert on.rows == cut.rows


def _aside(row):
    return part_of(row, 0, (Aside("sealed", 0.2, 500),)) is not None


def test_what_cannot_be_streamed_is_one_sentence(tmp_path):
    asked = recipe(tmp_path)
    with pytest.raises(UserError, match=r"data\.stream: improve holds its rows in memory"):
        melior.improve(asked)
    with pytest.raises(UserError, match=r"data\.stream is for task: generate"):
        Recipe.checked({"data": {"path": "a.csv", "target": "y", "stream": True}})
    (tmp_path / "rows.csv").write_text("text\na\n")
    with pytest.raises(UserError, match=r"rows\.csv: this is no JSONL or Parquet file"):
        melior.train(asked.with_data(path=str(tmp_path / "rows.csv")))
    bad = rows()
    bad[250]["answer"] = None
    with pytest.raises(UserError, match=r'^rows\.jsonl, row 251 has no "answer"'):
        melior.train(recipe(tmp_path, bad))
    # one that is put aside is read as well, before anything is learned, and named by its place in the file
    at = next(at for at, row in enumerate(rows()) if _aside({"prompt": row["prompt"], "answer": None}))
    bad = rows()
    bad[at]["answer"] = None
    with pytest.raises(UserError, match=rf'^rows\.jsonl, row {at + 1} has no "answer"'):
        melior.train(recipe(tmp_path, bad))
    (tmp_path / "rows.jsonl").write_text("\n".join([*map(json.dumps, rows()), "{half"]))
    with pytest.raises(UserError, match=r"^rows\.jsonl, line 301: this is not JSON"):
        melior.train(asked)


def test_how_rows_are_read_is_not_what_a_recipe_is():
    plain = Recipe(task="generate")
    assert plain.with_data(stream=True).fingerprint() == plain.fingerprint()
