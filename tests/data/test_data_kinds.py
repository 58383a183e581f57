"""Kinds and why, the overruling of them, tables in memory, and the columns as stored."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melior.data.describe import describe
from melior.data.hints import says_code, says_id, says_time
from melior.data.kinds import infer
from melior.data.read import read, read_like
from melior.errors import UserError

N = 200
RNG = np.random.default_rng(0)
WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]


def kind(cells, name="x", **how):
    return infer(pl.DataFrame({name: cells}), **how)[name].kind


def phrases(words, rows=N):
    return [" ".join(RNG.choice(WORDS, words)) for _ in range(rows)]


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("age", [str(i % 7) for i in range(N)], "number"),  # few values alone make no category
        ("price", [f"${i},000.50" for i in range(1, N)], "number"),
        ("weight", [f"{i} kg" for i in range(N)], "number"),
        ("mostly", ["1", "2", "3"] * 60 + ["oops"] * 5, "number"),
        ("hardly", ["1", "2", "3"] * 10 + ["oops", "ah"] * 5, "category"),
        ("gaps", ["1.5"] * 5 + ["NA", "?", "-"] * 50, "number"),
        ("size", ["None", "NA", "-", "S"] * 50, "category"),
        ("flag", ["True", "False", "TRUE", "false"] * 50, "category"),
        ("zip", ["10115", "80331", "20095", "50667"] * 50, "category"),
        ("plain", ["01", "02", "10", "11"] * 50, "category"),
        ("zip_code", [f"{i:05d}" for i in range(N)], "id"),
        ("card", [f"411111111111{i:04d}" for i in range(N)], "id"),
        ("Clothing ID", [str(i % 120) for i in range(N)], "id"),
        ("state_id", [str(i % 4) for i in range(N)], "category"),
        ("编号", [str(7 * i) for i in range(N)], "id"),
        ("column_1", [str(i) for i in range(N)], "id"),
        ("year", [str(1990 + i) for i in range(30)], "number"),
        ("ref", [f"CUST-{i:04d}" for i in range(N)], "id"),
        ("u", [f"{i:08x}-0000-4000-8000-{i:012x}" for i in range(N)], "id"),
        ("h", [f"{i * 2654435761 % 2**32:08x}" for i in range(N)], "id"),
        ("user_key", [f"{w}{i}" for i, w in enumerate(WORDS * 20)], "id"),
        ("review", phrases(8), "text"),
        ("title", phrases(3), "text"),
        ("handle", [f"{w}{i}x" for i, w in enumerate(WORDS * 20)], "text"),
        ("answer", ["I strongly agree with this statement", "I do not agree with it at all"] * 100, "category"),
        ("colour", WORDS * 20, "category"),
        ("评论", [f"这家店的东西很好下次还会再来{'好坏大小'[i % 4] * (i % 9)}{i}" for i in range(N)], "text"),
        ("城市", ["北京", "上海", "广州"] * 60, "category"),
        ("photo", [f"img/{i}.JPG" for i in range(N)], "image"),
        ("photo", [f"{i}.png" for i in range(N)], "image"),  # no numbers in the unit png
        ("joined", [f"2024-03-{1 + i % 28:02d}" for i in range(N)], "time"),
        ("joined", [f"{1 + i % 28}.3.2024" for i in range(N)], "time"),
        ("生日", [f"2024年3月{1 + i % 28}日" for i in range(N)], "time"),
        ("amount", ["20240305", "20240306"] * 100, "number"),
        ("num", [f"2024{1 + i % 12:02d}{1 + i % 28:02d}" for i in range(N)], "time"),
        ("num", [f"2024{1 + i % 13:02d}{1 + i % 28:02d}" for i in range(N)], "number"),  # there is no month 13
        ("order_date", ["20240305", "20240306"] * 100, "time"),
        ("created_at", [str(1_709_600_000 + i) for i in range(N)], "time"),
        ("time", [str(i * 3) for i in range(N)], "number"),
        ("tiny", ["red", "green", "blue"], "category"),
        ("tiny", ["1", "2", "3"], "number"),
        ("tiny", ["a rather long sentence of many words", "another one that is long as well"], "text"),
        ("empty", [None] * 5, "ignore"),
    ],
)
def test_kinds_of_text(name, cells, expected):
    assert kind(pl.Series(cells, dtype=pl.String), name) == expected


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("x", [True, False, None], "category"),
        ("x", [1, 2, 5], "number"),
        ("x", [7 * 10**16 + 3 * i for i in range(20)], "id"),
        ("x", [1.5, None, float("nan")], "number"),
        ("x", [float("nan"), None], "ignore"),
        ("user_id", list(range(5, 105)), "id"),
        ("user_id", [float(i) for i in range(5, 105)], "id"),
        ("zip", [10115, 80331] * 50, "category"),
        ("ts", [1_709_600_000, 1_709_700_000], "time"),
        ("day", [20240305, 20240306], "time"),
        ("day", [1, 2, 3], "number"),
        ("x", [dt.date(2024, 1, 1)], "time"),
        ("x", [dt.datetime(2024, 1, 1)], "time"),
        ("x", [dt.timedelta(seconds=5)], "number"),
        ("x", [dt.time(1, 2, 3)], "number"),
        ("x", [Decimal("1.5"), None], "number"),
        ("x", pl.Series(["a", "b"], dtype=pl.Categorical), "category"),
        ("x", [[1], [2]], "ignore"),
        ("x", [{"a": 1}], "ignore"),
        ("x", [b"1"], "ignore"),
        ("x", [{"bytes": b"1", "path": "a"}], "image"),
        ("x", [None, None], "ignore"),
    ],
)
def test_kinds_of_stored_types(name, cells, expected):
    assert kind(cells, name) == expected


def test_names_hint():
    assert all(map(says_id, ["id", "Clothing ID", "customerId", "id_customer", "order_no", "学号"]))
    assert not any(map(says_id, ["paid", "video", "no_of_rooms", "grid", "identity", ""]))
    assert all(map(says_code, ["zip", "ZIP Code", "phoneNumber", "邮编"]))
    assert all(map(says_time, ["created_at", "orderDate", "Date", "timestamp", "日期"]))
    assert not any(map(says_time, ["update_count", "sometimes", "runtime", "rating"]))


def test_every_kind_says_why_and_the_target_is_left_out():
    found = infer(pl.DataFrame({"a": ["1", "2"], "y": ["u", "v"]}), "y", {"a": "category"})
    assert list(found) == ["a"]
    assert found["a"].why == "as the recipe says"


# ---- stored


def test_columns_are_stored_as_their_kinds_say():
    table = read(
        {
            "n": ["1,5", "2,5", "oops", None] * 5 + ["3,5"] * 180,
            "c": ["True", "false"] * 100,
            "t": ["1.2.2024"] * 199 + ["13.2.2024"],
            "d": [dt.timedelta(minutes=1)] * 200,
            "k": [1.0, 2.0] * 100,
            "tags": [["a"]] * 200,
            "none": [None] * 200,
        },
        columns={"k": "category"},
    )
    assert [str(table.column(c).dtype) for c in "nctdk"] == [
        "Float64", "String", "Datetime(time_unit='us', time_zone=None)", "Float64", "String",
    ]  # fmt: skip
    assert table.unparsed == {"n": dict.fromkeys(range(2, 20, 4), "oops")}
    assert table.schema.notation == {"n": {"decimal": ","}, "t": {"order": "dmy"}}
    assert table.column("c").unique().sort().to_list() == ["false", "true"]
    assert table.column("k").unique().sort().to_list() == ["1", "2"]
    assert table.column("d")[0] == 60
    assert sorted(table.notes) == ['"none" ignored: empty in every row.', '"tags" ignored: list cells are not read.']


def test_endless_numbers_are_no_numbers():
    table = read({"a": [1.0, float("inf"), float("nan"), 2.0], "b": ["1", "-inf", "nan", "2"]}, columns={"b": "number"})
    assert table.column("a").to_list() == [1, None, None, 2]
    assert table.column("b").to_list() == [1, None, None, 2]
    assert table.unparsed == {"a": {1: "inf"}, "b": {1: "-inf"}}


@pytest.mark.parametrize("wanted", ["number", "category", "text", "time", "id", "language", "ignore"])
def test_any_column_can_be_any_kind(wanted):
    columns = {
        "s": ["1", "2024-03-05", None],
        "i": [20240305, 2, None],
        "f": [1.5, None, 2.0],
        "b": [True, False, None],
        "d": [dt.date(2024, 1, 1), None, None],
        "z": pl.Series([dt.datetime(2024, 1, 1)] * 3).dt.replace_time_zone("Asia/Shanghai"),
        "c": pl.Series(["3", "4", None], dtype=pl.Categorical),
    }
    for name, cells in columns.items():
        try:
            table = read({name: cells}, columns={name: wanted})
        except UserError as error:
            assert "no row has one" in str(error)  # noqa: PT017
            continue
        assert table.schema.kinds[name] == wanted
        again = read_like({name: cells}, table.schema)
        assert again.frame.equals(table.frame)


def test_a_kind_that_no_cell_has_is_refused():
    with pytest.raises(UserError, match=r'row 2: "a" is to be a number, but is "x"'):
        read({"a": [None, "x", "y"]}, columns={"a": "number"})
    with pytest.raises(UserError, match="is no kind"):
        read({"a": [1]}, columns={"a": "numeric"})
    with pytest.raises(UserError, match='Did you mean "Age"'):
        read({"Age": [1]}, columns={"age": "category"})


def test_names_of_images_that_are_not_there():
    pytest.importorskip("PIL")
    with pytest.raises(
        UserError, match=r'table, row 1: none of the images of "p".*a\.png, there is no such file.*p: ignore'
    ):
        read({"p": ["a.png", "b.png"]})
    assert read({"p": ["a.png", "b.png"], "x": [1, 2]}, columns={"p": "ignore"}).features() == ["x"]


# ---- tables in memory


def test_every_table_in_memory_gives_the_same():
    columns = {"n": [1, 2, None], "s": ["a", None, "c"], "t": [dt.datetime(2024, 1, 1), None, dt.datetime(2024, 1, 2)]}
    datasets = pytest.importorskip("datasets")
    frame = pl.DataFrame(columns)
    first = read(frame).frame
    sources = [
        columns,
        [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
        frame.lazy(),
        frame.to_arrow(),
        pa.Table.from_pandas(pd.DataFrame(columns)),
        pd.DataFrame(columns, index=[7, 7, 9]),
        pd.DataFrame(columns).astype({"s": "object"}),
        datasets.Dataset.from_dict(columns),
    ]
    for source in sources:
        assert read(source).frame.equals(first), type(source)


def test_pandas_with_all_its_habits():
    frame = pd.DataFrame([[1, "x", 1.0], [2, 3, None]], columns=["a", "a", 5], index=[3, 4])
    frame["p"] = pd.period_range("2024-01", periods=2, freq="M")
    frame["i"] = pd.interval_range(0, 2)
    frame["c"] = pd.Categorical(["u", None])
    table = read(frame)
    assert list(table.schema.kinds) == ["a", "a_2", "5", "p", "i", "c"]
    assert table.column("a_2").to_list() == ["x", "3"]
    assert table.column("p").to_list() == [dt.datetime(2024, 1, 1), dt.datetime(2024, 2, 1)]
    assert table.column("i").to_list() == ["(0, 1]", "(1, 2]"]
    assert table.column("c").to_list() == ["u", None]
    assert 'a second "a"' in table.notes[0]


def test_the_index_that_pandas_leaves_in_parquet_is_no_column(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "p": pd.period_range("2024-01", periods=2, freq="M")}, index=[5, 9])
    frame.to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").schema.kinds == {"a": "number", "p": "number"}


def test_datasets_give_their_class_names():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"x": datasets.Value("int64"), "y": datasets.ClassLabel(names=["no", "yes"])})
    data = datasets.Dataset.from_dict({"x": [1, 2, 3, 4], "y": [0, 1, 1, 0]}, features=features)
    assert read(data, target="y").classes == ("no", "yes")
    assert read(data.select([3, 1]), target="y").column("x").to_list() == [4, 2]
    with pytest.raises(UserError, match="train"):
        read(datasets.DatasetDict({"train": data}))
    with pytest.raises(UserError, match="streaming"):
        read(data.to_iterable_dataset())


@pytest.mark.parametrize("source", [5, None, [1, 2], "", {"a": 3}, {"a": [1], "b": [1, 2]}, {}, [], [{}]])
def test_what_is_no_table_is_said(source):
    with pytest.raises(UserError):
        read(source)


def test_half_characters_are_replaced_and_noted():
    table = read({"a": ["x\ud800", "\ud83d\ude00"], "b": [1, "\udc00"]}, columns={"a": "text"})
    assert table.column("a").to_list() == ["x\ufffd", "\U0001f600"]
    assert "surrogates" in table.notes[0]


@given(st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)), min_size=1))
@settings(max_examples=100, deadline=None)
def test_any_values_are_read(values):
    table = read({"a": values, "b": list(range(len(values)))})
    assert len(table) == len(values)
    assert read_like({"a": values, "b": list(range(len(values)))}, table.schema).frame.equals(table.frame)


# ---- describe


def test_describe_tells_what_columns_are():
    table = read(
        {"a": [1, None, 2, 2], "b": ["x y\nz" * 30, "q", "q", None], "e": [None] * 4, "n": ["1", "?", "2", "3"]}
    )
    a, b, e, n = describe(table)
    assert (a.kind, a.missing, a.distinct, a.examples) == ("number", 0.25, 2, ("1", "2"))
    assert b.examples[0].startswith("x y zx y z")
    assert len(b.examples[0]) == 60
    assert (e.kind, e.missing, e.distinct, e.examples) == ("ignore", 1.0, 0, ())
    assert (n.unparsed, n.why) == (1, "numbers")
    assert table.why["a"] == a.why


def test_examples_show_whole_numbers_whole():
    (summary,) = describe(read({"n": [20200101, 1_577_836_800, 0.25]}))
    assert summary.examples == ("20200101", "1577836800", "0.25")


def test_days_written_as_digits_are_no_amounts():
    days = [f"{year}{1 + n % 12:02d}{1 + n % 28:02d}" for n in range(100) for year in (2014, 2020)]
    for cells in (days, list(map(int, days))):
        table = read({"num": cells})
        assert table.schema.kinds == {"num": "time"}
        assert str(table.column("num")[0]) == "2014-01-01 00:00:00"
        assert read_like({"num": ["20240305", None]}, table.schema).column("num").null_count() == 1
        assert read_like({"num": [20240305]}, table.schema).column("num").null_count() == 0
