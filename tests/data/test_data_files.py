"""Formats, compression, encodings, and structure of files."""

import csv
import gzip
import io
import json
from itertools import product

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from melior.data import delimited
from melior.data.delimited import read_delimited, scan, sniff
from melior.data.encodings import decode, judge
from melior.data.files import read_file, usable_names
from melior.data.read import read
from melior.errors import UserError

ROWS = {"name": ["Ann", "Bob, jr", 'C "x"', None], "n": ["1", "2", None, "4"]}
FRAME = pl.DataFrame(ROWS)
CHINESE = "这家店的东西很好，下次还会再来。价格也不贵，服务态度不错，推荐给大家！"
JAPANESE = "この店の料理はとても美味しかったです。また来ます。カレーとラーメンがおすすめ。"


def written(path, data):
    path.write_bytes(data)
    return path


def formats():
    records = "\n".join(json.dumps(row) for row in FRAME.iter_rows(named=True))
    parquet = io.BytesIO()
    FRAME.write_parquet(parquet)
    return {
        "csv": FRAME.write_csv().encode(),
        "tsv": FRAME.write_csv(separator="\t").encode(),
        "jsonl": records.encode(),
        "ndjson": records.encode(),
        "json": json.dumps(list(FRAME.iter_rows(named=True))).encode(),
        "parquet": parquet.getvalue(),
    }


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "ndjson", "json", "parquet"])
def test_every_format_plain_and_compressed(tmp_path, form, packed):
    data = formats()[form]
    data = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}[packed](data)
    table = read(written(tmp_path / f"rows.{form}{packed}", data), columns={"name": "text"})
    assert table.column("name").to_list() == ROWS["name"]
    assert table.column("n").to_list() == [1, 2, None, 4]
    assert table.name == f"rows.{form}{packed}"


def test_the_bytes_decide_and_not_the_extension(tmp_path):
    for number, (form, data) in enumerate(formats().items()):
        if form == "json":
            continue
        table = read(written(tmp_path / f"{number}.data", gzip.compress(data)), columns={"name": "text"})
        assert table.column("name").to_list() == ROWS["name"], form


@pytest.mark.parametrize("size", [10, -10])
@pytest.mark.parametrize("packed", ["gz", "zst"])
def test_a_cut_archive_is_damaged(tmp_path, packed, size):
    data = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}[packed](b"a,b\n" + b"1,2\n" * 999)
    with pytest.raises(UserError, match="damaged"):
        read(written(tmp_path / f"a.csv.{packed}", data[:size]))


def test_two_zstd_frames_are_one_file(tmp_path):
    pack = zstandard.ZstdCompressor().compress
    table = read(written(tmp_path / "a.csv.zst", pack(b"a,b\n1,2\n") + pack(b"3,4\n")))
    assert table.column("b").to_list() == [2, 4]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04rest", "Excel"),
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"PAR1 not really PAR1", "Parquet"),
        (b"\x80\x04\x95pickle", "pickle"),
        (b"<!DOCTYPE html><p>404", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\0" * 257 + b"ustar", "tar archive"),
        (b"a,b\n", "no rows"),
        (b'"a",b\n1,"2\n3,4\n', "never closed"),
        (b'a,b\n1,"2"x\n', "followed by more text"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, data, says):
    with pytest.raises(UserError, match=says) as caught:
        read(written(tmp_path / "rows.csv", data))
    assert str(caught.value).startswith("rows.csv")


def test_missing_files_folders_and_addresses(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(UserError, match="folder"):
        read(tmp_path)
    with pytest.raises(UserError, match="download"):
        read("https://example.org/a.csv")


# ---- encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"])
def test_chinese_in_every_encoding(tmp_path, encoding):
    text = "编号,评论\n" + "".join(f"{i},{CHINESE}\n" for i in range(30))
    table = read(written(tmp_path / "评论.csv", text.encode(encoding)), columns={"评论": "text"})
    assert list(table.schema.kinds) == ["编号", "评论"]
    assert set(table.column("评论").to_list()) == {CHINESE}


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        ("naïve café, déjà vu, Müller, größer, señor", "cp1252", "cp1252"),
        ("it’s “fine” – 5 € only", "cp1252", "cp1252"),
        ("Bjørn\nÅse\nÆrlig talt\n", "latin-1", "cp1252"),
        (CHINESE, "gb18030", "gb18030"),
        ("男,女\n好,坏\n", "gbk", "gb18030"),
        (JAPANESE, "shift_jis", "cp932"),
        (JAPANESE, "euc_jp", "euc_jp"),
        ("這家店的東西很好，下次還會再來，服務態度不錯，推薦給大家", "big5", "big5"),
        ("이 가게의 음식은 정말 맛있었습니다. 다음에도 다시 방문하겠습니다", "euc_kr", "euc_kr"),
        ("Очень хороший магазин, приду ещё раз", "cp1251", "cp1251"),
    ],
)
def test_encodings_are_told_apart(text, encoding, found):
    data = text.encode(encoding)
    assert judge(data) == found
    assert decode(data, None, "f").data.decode() == text


def test_a_judged_encoding_is_noted_and_a_given_one_wins(tmp_path):
    path = written(tmp_path / "a.csv", "naam,n\ncafé,1\nthé,2\n".encode("cp1252"))
    assert "cp1252" in read(path).notes[0]
    assert read(path, encoding="latin-1").notes == ()
    with pytest.raises(UserError, match=r"a\.csv, line 2: .* are not utf-8"):
        read(path, encoding="utf-8")
    with pytest.raises(UserError, match="not an encoding"):
        read(path, encoding="klingon")


def test_bytes_in_no_language_ask_for_the_encoding():
    with pytest.raises(UserError, match=r"data\.encoding"):
        decode(bytes(range(128, 256)) * 3 + b"\n", None, "f")


def test_nul_bytes_are_kept(tmp_path):
    table = read(written(tmp_path / "a.csv", b"a,b\nx\x00y,1\nz,2\n"))
    assert table.column("a").to_list() == ["x\x00y", "z"]


# ---- structure


def cells(data, separator=None):
    names, frame = read_delimited(data, "f.csv", separator)
    return names, [[cell or None for cell in row] for row in frame.rows()]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_blank_lines(end, last):
    text = end.join(["", "a,b", "", "1,2", "", ",", "3,", *([""] if last else [])])
    assert cells(text.encode()) == (["a", "b"], [["1", "2"], [None, None], ["3", None]])


def test_quoted_newlines_separators_and_quotes():
    data = b'a,"b\nc"\r\n"1\r\n2","x""y, z"\r\n3,""\r\n'
    assert cells(data) == (["a", "b\nc"], [["1\r\n2", 'x"y, z'], ["3", None]])


def test_quotes_inside_a_cell_are_letters():
    assert cells(b'size,n\n5" pipe,1\n"a, b",2\n') == (["size", "n"], [['5" pipe', "1"], ["a, b", "2"]])


def test_one_column_keeps_quoted_empty_cells_and_loses_blank_lines():
    assert cells(b'a\n\n"x, y"\n""\n \nz\n', ",") == (["a"], [["x, y"], [None], [" "], ["z"]])


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_separators_are_found(mark):
    text = "\n".join(mark.join(row) for row in [["name", "price"], ["a b", "1.5"], ["c-d", "2.5"]])
    assert sniff(text.encode()) == mark


def test_decimal_commas_do_not_make_a_comma_file():
    assert cells(b"a;b\n1,5;2,5\n3,5;4,5\n")[1] == [["1,5", "2,5"], ["3,5", "4,5"]]
    assert cells(b"sep=;\na;b\n1;2\n") == (["a", "b"], [["1", "2"]])


def test_a_separator_must_be_one_character():
    assert cells(b"a:b\n1:2\n", ":") == (["a", "b"], [["1", "2"]])
    assert cells(b"a\tb\n1\t2\n", "tab") == (["a", "b"], [["1", "2"]])
    with pytest.raises(UserError, match="one plain character"):
        read_delimited(b"a::b\n", "f.csv", "::")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'a,b\n"1\n1",2\n\n3\n5,6\n', r'f.csv, line 5 \(row 2\): 1 field where the header has 2\. .* separators ","'),
        (b"a,b\n1,2\n3,4,5\n6,7,8\n", r"line 3 \(row 2\): 3 fields .* \(2 lines differ\)\. .* quotes around it"),
        (b'a,b\n1",2\n3\n', r"line 3 \(row 2\): 1 field where the header has 2\."),
        (b"a\tb\n1\n", r"line 2 \(row 1\): 1 field .* separators tab"),
    ],
)
def test_ragged_lines_are_named(data, says):
    with pytest.raises(UserError, match=says):
        read_delimited(data, "f.csv", None)


def test_pieces_of_a_large_file_fit_together(monkeypatch):
    data = b'a,b\n"x,\n""1",2\n' * 40 + b"3,4"
    whole = scan(data, ",")
    monkeypatch.setattr(delimited, "PIECE", 7)
    pieces = scan(data, ",")
    assert (whole.ends == pieces.ends).all()
    assert (whole.fields == pieces.fields).all()
    assert set(whole.fields) == {2}


def test_names_are_made_usable(tmp_path):
    names, notes = usable_names(["a", "", "a", "a_2", "column_2", ""])
    assert names == ["a", "column_2_2", "a_3", "a_2", "column_2", "column_6"]
    assert len(notes) == 3
    table = read(written(tmp_path / "a.csv", b"x,x,\n1,u,5\n2,v,6\n"))
    assert list(table.schema.kinds) == ["x", "x_2", "column_3"]
    assert any("x_2" in note for note in table.notes)


def test_both_readers_agree_on_every_short_file():
    def outcome(read_cells, data):
        try:
            names, frame = read_cells(data, "f.csv", ",")
        except UserError:
            return "refused"
        return names, [[cell or "" for cell in row] for row in frame.rows()]

    for letters in (letters for size in range(1, 6) for letters in product('a,"\n', repeat=size)):
        data = b"h,k\n" + "".join(letters).encode()
        assert outcome(read_delimited, data) == outcome(delimited._read_by_python, data), data


# ---- JSON


def test_json_lines_of_mixed_types(tmp_path):
    lines = '{"a": 1, "b": true}\n\n{"a": "x", "b": 2, "c": [1]}\n{"a": 1.5, "d": "\\ud800"}\n'
    raw = read_file(written(tmp_path / "a.jsonl", lines.encode()))
    assert raw.frame.get_column("a").to_list() == ["1", "x", "1.5"]
    assert raw.frame.get_column("b").to_list() == ["true", "2", None]
    assert raw.frame.get_column("d").to_list() == [None, None, "\ufffd"]
    assert "surrogates" in raw.notes[0]


@pytest.mark.parametrize(
    ("line", "says"),
    [('{"a": 1', "not JSON"), ("[1, 2]", "an object such as"), ('{"a": 1} {"a": 2}', "not JSON")],
)
def test_json_lines_that_are_wrong_are_named(tmp_path, line, says):
    with pytest.raises(UserError, match=rf"a\.jsonl, line 3 \(row 2\): .*{says}"):
        read_file(written(tmp_path / "a.jsonl", f'{{"a": 1}}\n\n{line}\n'.encode()))


# ---- properties

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
CELLS = st.one_of(TEXT, st.sampled_from(["", " ", '"', '""', ",", "\n", "\r\n", "a,b", 'x"y', "\t", ";", "NA", "1"]))


@st.composite
def tables(draw):
    width, height = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    return [[draw(CELLS) for _ in range(width)] for _ in range(height)]


@given(tables(), st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
@settings(max_examples=200, deadline=None)
def test_what_python_writes_is_read_back(rows, end, quoting):
    if end == "\n" and quoting == csv.QUOTE_MINIMAL:  # Python then leaves returns unquoted, and nobody can tell
        rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    names = [f"c{i}" for i in range(len(rows[0]))]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=end, quoting=quoting)
    writer.writerows([names, *rows])
    found_names, frame = read_delimited(out.getvalue().encode(), "f.csv", ",")
    assert found_names == names
    assert [[cell or "" for cell in row] for row in frame.rows()] == rows


@given(tables())
@settings(max_examples=200, deadline=None)
def test_what_polars_writes_is_read_back(rows):
    names = [f"c{i}" for i in range(len(rows[0]))]
    data = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row").write_csv().encode()
    found_names, frame = read_delimited(data, "f.csv", ",")
    assert found_names == names
    assert [[cell or "" for cell in row] for row in frame.rows()] == rows


@given(st.text(st.sampled_from('ab,"\n\r '), max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_cells_or_a_sentence(text):
    try:
        names, frame = read_delimited(b"h,k\n" + text.encode(), "f.csv", ",")
    except UserError:
        return
    assert names == ["h", "k"]
    if "\r" not in text:
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        assert [[cell or "" for cell in row] for row in frame.rows()] == [row for row in rows if len(row) > 1]
