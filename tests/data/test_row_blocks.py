"""Rows read block by block: every row once and in order, for any size of a block; who reads what; what is refused."""

import gzip
import json
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melior.data.aside import Aside, Kept, drawn_place, lowest, part_of
from melior.data.language import language_rows
from melior.data.parquet_groups import groups_of
from melior.data.row_blocks import RowBlocks
from melior.errors import UserError

pyarrow = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402


def read(blocks):
    assert blocks.kept
    return [row for block in blocks.blocks for some in blocks.rows(block) for _, row in some]


def texts(blocks):
    return [row["text"] for row in read(blocks)]


def written(path, found, end="\n"):
    path.write_text(end.join(json.dumps({"text": text}, ensure_ascii=False) for text in found), encoding="utf-8")
    return path


# ---- every row once, in order


@settings(max_examples=60, deadline=None)
@given(
    found=st.lists(st.text(max_size=40), min_size=1, max_size=30),
    size=st.integers(1, 200),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\n  \n"]),
    mark=st.booleans(),
    last=st.booleans(),
)
def test_lines_of_any_length_in_blocks_of_any_size(tmp_path_factory, found, size, end, mark, last):
    path = tmp_path_factory.mktemp("lines") / "rows.jsonl"
    content = end.join(json.dumps({"text": text}) for text in found) + (end if last else "")
    path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + content.encode())
    blocks = RowBlocks(path, size=size)
    wanted = [row["text"] for row in language_rows(path)[0]]
    assert texts(blocks) == wanted
    numbers = [number for block in blocks.blocks for some in blocks.rows(block) for number, _ in some]
    assert len(numbers) == len(wanted)
    before = [blocks.rows_before(block) for block in blocks.blocks]
    each = [sum(len(some) for some in blocks.rows(block)) for block in blocks.blocks]
    assert before == np.concatenate([[0], np.cumsum(each)[:-1]]).tolist()


@pytest.mark.parametrize("group", [1, 7, 40, 1000])
@pytest.mark.parametrize("size", [50, 2000, 10**9])
def test_row_groups_of_any_size(tmp_path, group, size):
    found = [f"text {n} " * (n % 13) for n in range(300)]
    pl.DataFrame({"other": range(300), "text": found}).write_parquet(tmp_path / "a.parquet", row_group_size=group)
    blocks = RowBlocks(tmp_path / "a.parquet", size=size)
    assert texts(blocks) == found
    ends = [block.end for block in blocks.blocks]
    assert [block.start for block in blocks.blocks] == [0, *ends[:-1]]
    assert ends[-1] == 300


def test_groups_are_those_that_pyarrow_sees(tmp_path):
    chats = [[{"role": "user", "content": f"hello {n}"}] * (n % 3) for n in range(5000)]
    table = pyarrow.table({"messages": chats, "flag": [n % 2 == 0 for n in range(5000)], "x": np.arange(5000.0)})
    for name, how in {
        "plain": {"compression": "none", "use_dictionary": False},
        "zstd": {"compression": "zstd", "data_page_version": "2.0"},
        "indexed": {"write_page_index": True, "write_statistics": True},
    }.items():
        path = tmp_path / f"{name}.parquet"
        pq.write_table(table, path, row_group_size=777, **how)
        about = pq.ParquetFile(path).metadata
        found = groups_of(path)
        groups = [about.row_group(number) for number in range(about.num_row_groups)]
        assert [one.rows for one in found] == [one.num_rows for one in groups]
        assert [one.unpacked for one in found] == [one.total_byte_size for one in groups]
        for one, group in zip(found, groups, strict=True):
            columns = [group.column(at) for at in range(group.num_columns)]
            assert one.end - one.start >= sum(column.total_compressed_size for column in columns)
        assert all(one.end <= other.start for one, other in pairwise(found))


def test_a_damaged_footer_is_one_sentence_and_never_a_crash(tmp_path):
    pl.DataFrame({"text": ["a", "b"] * 50}).write_parquet(tmp_path / "a.parquet", row_group_size=10)
    whole = (tmp_path / "a.parquet").read_bytes()
    length = int.from_bytes(whole[-8:-4], "little")
    random = np.random.default_rng(1234)
    for _ in range(300):
        content = bytearray(whole)
        for at in random.integers(len(whole) - length - 8, len(whole), 3):
            content[at] = int(random.integers(256))
        (tmp_path / "b.parquet").write_bytes(bytes(content))
        with suppress(UserError):  # many of them damage nothing that is looked at; nothing else may be raised
            groups_of(tmp_path / "b.parquet")
    (tmp_path / "b.parquet").write_bytes(whole[:-40])
    with pytest.raises(UserError, match=r"b\.parquet: the Parquet file cannot be read"):
        RowBlocks(tmp_path / "b.parquet")


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    for number in (2, 0, 1):
        written(tmp_path / f"part-{number}.jsonl", [f"{number} {at}" for at in range(5)])
    (tmp_path / "README.md").write_text("not rows")
    (tmp_path / "_SUCCESS").write_text("")
    blocks = RowBlocks(tmp_path, size=30)
    assert texts(blocks) == [f"{number} {at}" for number in range(3) for at in range(5)]
    assert blocks.notes == (f"{tmp_path.name}: files of other kinds in the folder were left out: 1",)
    assert [block.number for block in blocks.blocks] == list(range(len(blocks.blocks)))
    assert blocks.where(blocks.blocks[-1]) == f"{tmp_path.name}/part-2.jsonl"


def test_what_is_read_of_lines_is_what_is_read_in_memory(tmp_path):
    rows = [{"prompt": f"p {n}", "answer": f"a {n}", "language": "en", "more": n} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet", row_group_size=9)
    for name in ("rows.jsonl", "rows.parquet"):
        assert read(RowBlocks(tmp_path / name, size=100)) == language_rows(tmp_path / name)[0]


def test_half_characters_are_replaced_as_in_memory(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a\\ud800b"}\n{"text": "\\ud83d\\ude00"}\n')
    assert texts(RowBlocks(tmp_path / "a.jsonl")) == ["a\ufffdb", "😀"]
    assert texts(RowBlocks(tmp_path / "a.jsonl")) == [row["text"] for row in language_rows(tmp_path / "a.jsonl")[0]]


# ---- digests


def test_the_digest_is_of_the_content(tmp_path):
    found = [f"text {n}" for n in range(100)]
    one, other = written(tmp_path / "one.jsonl", found), written(tmp_path / "other.jsonl", found)
    first, second = RowBlocks(one, size=200), RowBlocks(other, size=200)
    assert first.identity() == second.identity()
    content = other.read_bytes().replace(b"text 50", b"text 05")
    other.write_bytes(content)
    changed = RowBlocks(other, size=200)
    assert changed.identity() != first.identity()
    differ = [
        a.number for a, b in zip(first.blocks, changed.blocks, strict=True) if first.digest(a) != changed.digest(b)
    ]
    assert len(differ) == 1
    assert "text 05" in str([row for some in changed.rows(changed.blocks[differ[0]]) for _, row in some])


def test_the_digest_of_row_groups_is_of_their_bytes(tmp_path):
    found = [f"text {n}" for n in range(100)]
    frame = pl.DataFrame({"text": found})
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=10, compression="uncompressed")
    frame.with_columns(pl.col("text").str.replace("text 55", "text 05")).write_parquet(
        tmp_path / "b.parquet", row_group_size=10, compression="uncompressed"
    )
    one, other = (RowBlocks(tmp_path / f"{name}.parquet", size=1) for name in "ab")
    assert len(one.blocks) == 100
    differ = [a.number for a, b in zip(one.blocks, other.blocks, strict=True) if one.digest(a) != other.digest(b)]
    assert differ == list(range(50, 60))
    assert len({one.digest(block) for block in one.blocks}) == 100


# ---- what is refused, with its place


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{not json}", r"rows\.jsonl, line 41: this is not JSON .*one whole object a line"),
        (b"[1, 2]", r"rows\.jsonl, line 41: an object is expected"),
        (b'{"text": "caf\xe9"}', r"rows\.jsonl, line 41: this is not UTF-8"),
        (b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", r"rows\.jsonl, line 41: it is nested too deeply"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, said):
    good = b'{"text": "fine"}\n'
    (tmp_path / "rows.jsonl").write_bytes(good * 40 + line + b"\n" + good * 40)
    with pytest.raises(UserError, match=said):
        read(RowBlocks(tmp_path / "rows.jsonl", size=100))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "a.jsonl.gz",
            gzip.compress(b'{"text": "a"}', mtime=0),
            "a compressed file cannot be read in blocks; unpack it",
        ),
        ("a.json", b'[{"text": "a"}]', "one JSON array"),
        ("a.csv", b"text\na\n", "no JSONL or Parquet file"),
        ("a.jsonl", b"", "the file is empty"),
        ("a.jsonl", b"\n\n", "it holds no rows"),
        ("a.jsonl", '{"text": "a"}'.encode("utf-16"), "not UTF-8"),
        ("a.jsonl", b"PK\x03\x04", "zip archive"),
        ("a.jsonl", b'{"a": 1}', 'columns a; "messages", or'),
    ],
)
def test_what_cannot_be_read_in_blocks_is_one_sentence(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said) as error:
        read(RowBlocks(tmp_path / name))
    assert "\n" not in str(error.value)


def test_folders_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        RowBlocks(tmp_path / "none.jsonl")
    with pytest.raises(UserError, match="no unpacked JSONL or Parquet files"):
        RowBlocks(tmp_path)
    written(tmp_path / "a.jsonl", ["a"])
    pl.DataFrame({"text": ["a"]}).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(UserError, match="both JSONL and Parquet"):
        RowBlocks(tmp_path)
    (tmp_path / "a.jsonl").unlink()
    pl.DataFrame({"other": ["a"]}).write_parquet(tmp_path / "c.parquet")
    with pytest.raises(UserError, match=r"c\.parquet: it has no column 'text', and b\.parquet has"):
        read(RowBlocks(tmp_path))


# ---- rows put aside


def test_the_same_text_is_on_one_side_and_the_share_is_about_right():
    asides = (Aside("sealed", 0.2, 10), Aside("stop", 0.1, 10))
    rows = [{"text": f"text {n % 4000}"} for n in range(8000)]
    names = [getattr(part_of(row, 3, asides), "name", "learned") for row in rows]
    assert names[:4000] == names[4000:]
    count = {name: names[:4000].count(name) for name in ("sealed", "stop", "learned")}
    for name, share in {"sealed": 0.2, "stop": 0.08, "learned": 0.72}.items():  # five standard deviations of a binomial
        assert abs(count[name] - 4000 * share) < 5 * np.sqrt(4000 * share * (1 - share))
    other = [getattr(part_of(row, 4, asides), "name", "learned") for row in rows]
    assert other != names
    assert all(part_of(row, 3, (Aside("sealed", 0.0, 10),)) is None for row in rows)


def test_rows_are_drawn_alike_however_they_are_dealt():
    rows = [Kept(drawn_place(5, n // 100, n % 100), n // 100, n % 100, {"text": str(n)}) for n in range(1000)]
    whole = lowest(rows, 50)
    dealt = [lowest(rows[start::7], 50) for start in range(7)]
    assert lowest([one for some in dealt for one in some], 50) == whole
    assert [one[1:3] for one in whole] == sorted(one[1:3] for one in whole)
    drawn = np.array([int(one.row["text"]) for one in whole])
    assert abs(drawn.mean() - 499.5) < 5 * 288.7 / np.sqrt(50)


def test_reading_holds_some_rows_at_a_time(tmp_path):
    found = ["word " * 2000] * 500  # 5 MB
    path: Path = written(tmp_path / "rows.jsonl", found)
    blocks = RowBlocks(path)
    most = max(sum(len(row["text"]) for _, row in some) for block in blocks.blocks for some in blocks.rows(block))
    assert most <= 2**20 + 10_000
