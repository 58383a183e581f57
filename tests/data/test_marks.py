"""Decimal marks: 0,126 is no thousand, columns of one file agree, and new rows may be written with the other mark."""

import polars as pl
import pytest

from melior.data import numbers
from melior.data.read import read, read_like


def table(**columns):
    return read({name: list(cells) * 20 for name, cells in columns.items()})


def test_a_leading_zero_is_before_no_mark_of_thousands():
    found = numbers.parse(pl.Series(["0,126", "-0,132", "1,500"]))
    assert found.values.to_list() == [0.126, -0.132, 1.5]
    assert found.notation == {"decimal": ","}
    assert numbers.parse(pl.Series(["0.126", "1.126"]), {"decimal": ","}).values.to_list() == [None, 1126]
    assert numbers.parse(pl.Series(["0,126", "1,126"]), {}).values.to_list() == [None, 1126]


def test_a_file_with_exactly_three_decimals(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("x;z;y\n" + "0,126;-0,360;a\n-0,132;1,584;b\n" * 20)
    found = read(path, target="y")
    assert found.column("x")[:2].to_list() == [0.126, -0.132]
    assert found.column("z")[:2].to_list() == [-0.36, 1.584]
    assert found.notes == ()


@pytest.mark.parametrize(
    ("other", "value"), [(["0,5", "1,25"], 1.126), (["0.5", "1.25"], 1126), (["3", "4"], 1126), (["$1,234.5"], 1126)]
)
def test_another_column_decides_where_a_column_says_nothing(other, value):
    found = table(a=["1,126", "2,300"], b=other * (2 // len(other)))
    assert found.column("a")[0] == value
    assert len(found.notes) == (other == ["3", "4"])


def test_points_between_thousands_where_another_column_has_decimal_commas():
    found = table(a=["1.126", "12.300"], b=["0,5", "7"])
    assert found.column("a")[:2].to_list() == [1126, 12300]
    assert table(a=["1.126", "12.300"], b=["5", "7"]).column("a")[:2].to_list() == [1.126, 12.3]
    assert table(a=["1.126", "0.300"], b=["0,5", "7"]).column("a")[:2].to_list() == [1.126, 0.3]


def test_what_stays_in_doubt_is_told(tmp_path):
    assert table(a=["1,126", "7"]).notes == ()  # a whole number without thousands beside them
    found = table(a=["1,126", "2,300"])
    assert found.notes == (
        '"a" has numbers such as "1,126" (row 1), read with a comma between thousands, which no cell shows to be '
        'meant; if it is not, write "1.126".',
    )
    path = tmp_path / "rows.csv"
    path.write_text("a;b\n" + "1,126;3\n" * 20)
    found = read(path)
    assert found.column("a")[0] == 1.126
    assert "read with a decimal comma" in found.notes[0]
    assert 'write "1126"' in found.notes[0]


@pytest.mark.parametrize("first", ["point", "comma"])
def test_new_rows_with_the_other_mark_are_read_rightly_and_told(first):
    ways = {"point": ["0.126", "1.5", "2.250"], "comma": ["0,126", "1,5", "2,250"]}
    other = next(cells for name, cells in ways.items() if name != first)
    learned = table(x=ways[first], z=ways[first])
    found = read_like({"x": other, "z": other}, learned.schema)
    assert found.column("x").to_list() == [0.126, 1.5, 2.25]
    assert not found.unparsed
    assert len(found.notes) == 1
    assert '"x", "z": numbers have decimal' in found.notes[0]
    same = read_like({"x": ways[first], "z": ways[first]}, learned.schema)
    assert same.column("x").to_list() == [0.126, 1.5, 2.25]
    assert same.notes == ()


def test_new_cells_in_doubt():
    learned = table(x=["0.126", "1.5"], z=["0.126", "1.5"])
    alone = read_like({"x": ["1,126", "2,250"], "z": [1.5, 2.5]}, learned.schema)
    assert alone.column("x").to_list() == [1126, 2250]
    assert "read with a comma between thousands" in alone.notes[0]
    along = read_like({"x": ["1,126", "2,250"], "z": ["0,5", "2,5"]}, learned.schema)
    assert along.column("x").to_list() == [1.126, 2.25]
    beside = read_like({"x": ["1,126", "2,250"], "z": ["0.5", "2.5"]}, learned.schema)
    assert beside.column("x").to_list() == [1126, 2250]
    assert beside.notes == ()
