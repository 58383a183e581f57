"""Tokens on disk: the same as in memory to the bit, made in parts by several, gone on with, and mended."""

import json
import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from melior.data.aside import Aside  # noqa: E402
from melior.data.language import texts_of  # noqa: E402
from melior.data.row_blocks import RowBlocks  # noqa: E402
from melior.engine.settings import Training  # noqa: E402
from melior.errors import UserError  # noqa: E402
from melior.networks import token_store  # noqa: E402
from melior.networks.conversation import language  # noqa: E402
from melior.networks.finetune import finetune  # noqa: E402
from melior.networks.loading import load_causal  # noqa: E402
from melior.networks.packing import LanguageRows  # noqa: E402

LIMIT = 24


def texts(many=120):
    return [{"text": f"the quick brown fox {n} jumps " + "over the lazy dog " * (n % 9)} for n in range(many)]


def answered(many=120):
    rows = [{"prompt": f"how many is {n}? " * (n % 4), "answer": f" it is {n} " * (n % 5)} for n in range(many)]
    return [*rows, {"prompt": "the fabric is thin " * 20, "answer": "good"}]


def chats(many=120):
    return [
        {
            "messages": [
                {"role": "user", "content": f"a shirt {n}"},
                {"role": "assistant", "content": "looks good " * (n % 7 + 1)},
                {"role": "user", "content": "Wie geht es dir?"},
                {"role": "assistant", "content": "Mir geht es gut. 我很喜欢。"},
            ]
        }
        for n in range(many)
    ]


def written(path, rows):
    if path.suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(path, row_group_size=17)
    else:
        path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def blocks_of(path, size=1500):
    return RowBlocks(path, size=size)


def same(stored, read):
    whole = slice(0, len(stored.tokens.values))
    assert stored.tokens.values[whole].tolist() == read.tokens.values.tolist()
    assert stored.counts[whole].tolist() == read.counts.tolist()
    assert np.array_equal(stored.tokens.offsets, read.tokens.offsets)
    assert np.array_equal(stored.tokens.lengths, read.tokens.lengths)
    assert (stored.truncated, stored.dropped, stored.rows) == (read.truncated, read.dropped, read.rows)


@pytest.fixture
def store(tmp_path, words):
    """(blocks, folder) of a store of texts with several pieces."""
    blocks = blocks_of(written(tmp_path / "rows.jsonl", texts()))
    assert len(blocks.blocks) > 5
    token_store.make(blocks, words, LIMIT, tmp_path / "store")
    return blocks, tmp_path / "store"


# ---- the same as in memory


@pytest.mark.parametrize("made", [texts, answered, chats])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
@pytest.mark.parametrize("size", [400, 3000, 10**9])
def test_the_store_is_what_is_read_in_memory(tmp_path, words, made, name, size):
    rows = made()
    blocks = blocks_of(written(tmp_path / name, rows), size)
    token_store.make(blocks, words, LIMIT, tmp_path / "store")
    read = language(words, rows, LIMIT)
    stored = token_store.open(tmp_path / "store")
    same(stored.language, read)
    assert stored.put == {}
    counts = stored.language.counts
    random = np.random.default_rng(1000)
    for first, second in np.sort(random.integers(0, len(read.counts) + 1, (200, 2)), axis=1).tolist():
        assert counts[first:second].tolist() == read.counts[first:second].tolist()
        assert stored.language.tokens.values[first:second].tolist() == read.tokens.values[first:second].tolist()
    for packed in (True, False):
        one, other = (LanguageRows(rows, words.pad_token_id, packed=packed) for rows in (stored.language, read))
        assert len(one) == len(other)
        for _ in range(10):
            chosen = random.permutation(len(one))[:8]
            a, b = one.batch(chosen), other.batch(chosen)
            assert a.inputs.keys() == b.inputs.keys()
            assert all(torch.equal(a.inputs[key], b.inputs[key]) for key in a.inputs)
            assert (a.rows, a.tokens, a.padding) == (b.rows, b.tokens, b.padding)


def test_a_large_vocabulary_takes_four_bytes(tmp_path, words):
    import copy

    large = copy.deepcopy(words)
    large.add_tokens([f"<{n}>" for n in range(70_000)])
    rows = [{"text": f"the <{n}> fox <69999>"} for n in range(30)]
    token_store.make(blocks_of(written(tmp_path / "rows.jsonl", rows), 200), large, LIMIT, tmp_path / "store")
    stored = token_store.open(tmp_path / "store").language
    same(stored, language(large, rows, LIMIT))
    assert int(stored.tokens.values[0 : len(stored.tokens.values)].max()) > 2**16


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("by_length", [True, False])
def test_training_is_the_same_to_the_bit(tmp_path, causal_folder, packed, by_length):
    settings = Training(
        epochs=2, batch_rows=8, learning_rate=0.01, checkpoint_every=0, log_every=1, device="cpu", threads=1,
        precision="float32", by_length=by_length, seed=7,
    )  # fmt: skip
    rows = answered(40)
    loaded = load_causal(causal_folder)
    blocks = blocks_of(written(tmp_path / "rows.jsonl", rows))
    token_store.make(blocks, loaded.tokenizer, LIMIT, tmp_path / "store")
    stored = token_store.open(tmp_path / "store").language
    made = [
        finetune(str(causal_folder), given, settings, tuning="full", packed=packed, limit=LIMIT)
        for given in (rows, stored)
    ]
    steps = [[line["loss"] for line in one.trained.history if line["kind"] == "step"] for one in made]
    assert len(steps[0]) > 5
    assert steps[0] == steps[1]
    for first, second in zip(made[0].model.parameters(), made[1].model.parameters(), strict=True):
        assert torch.equal(first, second)
    assert made[0].notes == made[1].notes


# ---- several ranks


@pytest.mark.parametrize("ranks", [2, 3, 30])
def test_ranks_make_together_what_one_makes(tmp_path, words, store, ranks):
    blocks, folder = store
    own = {}
    for rank in reversed(range(ranks)):
        each = RowBlocks(blocks.path, size=blocks.size)
        token_store.make(each, words, LIMIT, tmp_path / "shared", rank, ranks)
        own[rank] = set(each._digests)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "shared").iterdir()
    }
    for rank in range(ranks):  # and none has read more than its own
        assert own[rank] == set(range(rank, len(blocks.blocks), ranks))
    same(token_store.open(tmp_path / "shared").language, language(words, texts(), LIMIT))


def test_a_store_that_lacks_a_ranks_share_is_not_opened(tmp_path, words, store):
    blocks, _ = store
    token_store.make(blocks, words, LIMIT, tmp_path / "shared", 0, 2)
    with pytest.raises(UserError, match=r"000001\.json is missing"):
        token_store.open(tmp_path / "shared")


# ---- interrupted and damaged


class Stops(Exception):
    pass


def test_making_goes_on_from_the_last_finished_block(tmp_path, words, store):
    blocks, folder = store

    def stops(stage, done, total, note=""):
        if done == 3:
            raise Stops

    with pytest.raises(Stops):
        token_store.make(blocks, words, LIMIT, tmp_path / "again", progress=stops)
    (tmp_path / "again" / "000003.aside").write_bytes(b"half a piece")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "again").glob("*.tokens")}
    assert sorted(before) == ["000000.tokens", "000001.tokens", "000002.tokens"]
    assert token_store.make(blocks, words, LIMIT, tmp_path / "again") == []
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "again").glob("*.tokens")}
    assert before.items() <= after.items()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()
    }


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("000002.tokens", flipped, "000002.tokens of the tokens on disk was damaged"),
        ("000002.tokens", lambda path: path.write_bytes(path.read_bytes()[:-5]), "000002.tokens .* was damaged"),
        ("000002.tokens", lambda path: path.unlink(), "000002.tokens .* was missing"),
        ("000002.json", flipped, "000002.json .* was damaged"),
        ("000002.json", lambda path: path.write_text("{"), "000002.json .* was damaged"),
        ("000002.json", lambda path: path.write_text("[]"), "000002.json .* was damaged"),
        ("000002.json", lambda path: path.unlink(), None),
        ("tokens.json", lambda path: path.write_text("{"), None),
    ],
)
def test_damage_is_named_and_made_anew(words, store, name, harm, said):
    blocks, folder = store
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    harm(folder / name)
    notes = token_store.make(blocks, words, LIMIT, folder)
    assert len(notes) == (said is not None)
    if said is not None:
        assert re.search(said, notes[0])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert token_store.make(blocks, words, LIMIT, folder) == []


def test_what_is_cut_short_while_it_is_read_is_named(words, store):
    _, folder = store
    stored = token_store.open(folder).language
    (folder / "000001.tokens").write_bytes(b"")
    with pytest.raises(UserError, match=r"000001\.tokens is cut short"):
        stored.tokens.values[0 : len(stored.tokens.values)]
    with pytest.raises(UserError, match=r"000001\.tokens is damaged"):
        token_store.open(folder)
    (folder / "tokens.json").write_text("{")
    with pytest.raises(UserError, match=r"tokens\.json is damaged"):
        token_store.open(folder)


def test_other_rows_or_settings_are_not_taken_for_the_same(tmp_path, words, pieces, store):
    blocks, folder = store
    first = {path.name: path.read_bytes() for path in folder.iterdir()}

    def changed(*given, **how):
        assert token_store.make(*given, folder, **how) == []
        now = {path.name: path.read_bytes() for path in folder.iterdir()}
        different = {name for name in first if name.endswith(".json") and first[name] != now.get(name)}
        token_store.make(blocks, words, LIMIT, folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
        return different

    every = {name for name in first if name.endswith(".json")}
    assert changed(blocks, words, LIMIT + 1) == every
    assert changed(blocks, words, LIMIT, asides=(Aside("sealed", 0.5, 5),), seed=1) == every
    rows = texts()
    rows[60]["text"] = rows[60]["text"].replace("60", "06")
    other = blocks_of(written(tmp_path / "other.jsonl", rows))
    assert len(changed(other, words, LIMIT)) == 1  # the block of the row alone
    shorter = blocks_of(written(tmp_path / "shorter.jsonl", texts(40)))
    assert changed(shorter, words, LIMIT) == every
    token_store.make(shorter, words, LIMIT, folder)
    assert len(list(folder.glob("*.tokens"))) == len(shorter.blocks)


def test_a_full_disk_is_one_sentence_and_goes_on(tmp_path, words, store, monkeypatch):
    import errno
    import os

    blocks, folder = store
    flush, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) == 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        return flush(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"could not be written \(No space left on device\): make room"):
        token_store.make(blocks, words, LIMIT, tmp_path / "full")
    monkeypatch.undo()
    assert token_store.make(blocks, words, LIMIT, tmp_path / "full") == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "full").iterdir()
    }


# ---- rows put aside, rows that are wrong


def test_rows_put_aside_are_not_learned_and_not_lost(tmp_path, words):
    rows = [{"text": f"row {n % 300} of many"} for n in range(400)]
    path = written(tmp_path / "rows.jsonl", rows)
    asides = (Aside("sealed", 0.3, 20), Aside("stop", 0.2, 10_000))
    token_store.make(blocks_of(path), words, LIMIT, tmp_path / "store", asides=asides, seed=11)
    stored = token_store.open(tmp_path / "store")
    learned = [
        words.decode(stored.language.tokens.values[a:b], skip_special_tokens=True)
        for a, b in zip(stored.language.tokens.offsets, stored.language.tokens.offsets[1:], strict=False)
    ]
    sealed, stop = ([texts_of(row) for row in stored.held[name]] for name in ("sealed", "stop"))
    assert len(sealed) == 20 < stored.put["sealed"]
    assert len(stop) == stored.put["stop"]
    assert stored.language.rows + sum(stored.put.values()) == 400
    assert len(learned) == stored.language.rows
    assert not (set(learned) & set(sealed)) | (set(learned) & set(stop)) | (set(sealed) & set(stop))
    order = [row["text"] for row in rows if row["text"] in set(stop)]
    assert stop == order  # all of them, in their order
    for ranks in (2, 5):
        for rank in range(ranks):
            token_store.make(blocks_of(path), words, LIMIT, tmp_path / f"{ranks}", rank, ranks, asides=asides, seed=11)
        assert token_store.open(tmp_path / f"{ranks}").held == stored.held


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_a_bad_row_is_named_with_its_file_and_number(tmp_path, words, name):
    rows = answered(100)
    rows[66] = {"prompt": "no answer", "answer": None}
    blocks = blocks_of(written(tmp_path / name, rows), 600)
    with pytest.raises(UserError, match=rf'^{name}, row 67 has no "answer" \(a text is wanted\)'):
        token_store.make(blocks, words, LIMIT, tmp_path / "store")


def test_rows_of_which_nothing_can_be_learned(tmp_path, words):
    blocks = blocks_of(written(tmp_path / "rows.jsonl", [{"prompt": "a", "answer": "b"}]))
    token_store.make(blocks, words, LIMIT, tmp_path / "store", asides=(Aside("sealed", 1.0, 5),))
    with pytest.raises(UserError, match="nothing in them that could be learned"):
        token_store.open(tmp_path / "store")


# ---- memory

PROGRAM = """
import json, resource, sys
from pathlib import Path
import numpy as np, torch
from melior.networks import token_store
from melior.networks.packing import LanguageRows
from melior.networks.tokenizers import train_tokenizer

path, folder = Path(sys.argv[1]), Path(sys.argv[2])
torch.set_num_threads(1)
tokenizer = train_tokenizer(["a text"], vocabulary=300, marks="causal")
# every fourth letter is a token: a real one would take minutes
type(tokenizer).__call__ = lambda self, texts, **how: {"input_ids": [list(one[::4].encode()) for one in texts]}
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before = peak()
token_store.make(path, tokenizer, 256, folder)
made = peak()
rows = LanguageRows(token_store.open(folder).language, tokenizer.pad_token_id, packed=True)
order = np.random.default_rng(1000).permutation(len(rows))
tokens = sum(rows.batch(some).tokens for some in np.array_split(order, max(len(order) // 16, 1)))
print(json.dumps({"before": before, "made": made - before, "read": peak() - made, "tokens": tokens}))
"""


def test_memory_does_not_grow_with_the_file(tmp_path):
    """Peaks of processes of their own: making and reading all of a file ten times as large takes little more, where
    the tokens alone would take a half of it."""
    line = json.dumps({"text": " ".join(f"w{n}" for n in range(400))}) + "\n"
    found = {}
    for size in (6, 60):
        path = tmp_path / f"{size}.jsonl"
        with path.open("w") as file:
            file.writelines([line] * (size * 10**6 // len(line)))
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, path, tmp_path / f"store{size}"], capture_output=True, text=True, check=True
        )
        found[size] = json.loads(ran.stdout)
    assert found[60]["tokens"] > 9 * found[6]["tokens"]
    grown = sum(found[60][part] - found[6][part] for part in ("made", "read"))
    assert grown < 0.2 * 54 * 10**6, found
