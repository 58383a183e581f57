"""Numbers and times out of text."""

from datetime import datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melior.data import numbers, times


def parsed(*cells, **how):
    return numbers.parse(pl.Series("x", cells, dtype=pl.String), **how)


@pytest.mark.parametrize(
    ("cells", "values", "notation"),
    [
        (["1", "2.5", " 3 ", "1e5", "-.5"], [1, 2.5, 3, 1e5, -0.5], {}),
        (["1,234.5", "12,345,678", "7"], [1234.5, 12345678, 7], {}),
        (["1,23,456", "12,34,567.5"], [123456, 1234567.5], {}),
        (["1.234,5", "12.345.678", "7"], [1234.5, 12345678, 7], {"decimal": ","}),
        (["1,5", "2,25"], [1.5, 2.25], {"decimal": ","}),
        (["1 234,5", "1\u202f234", "2 000 000"], [1234.5, 1234, 2e6], {"decimal": ","}),
        (["1 234.5", "1'234", "2\u00a0000"], [1234.5, 1234, 2000], {}),
        (["12 kg", "3kg", "4 KG"], [12, 3, 4], {"unit": "kg"}),
        (["3.5cm", "-2 cm"], [3.5, -2], {"unit": "cm"}),
        (["10 years", "1 year"], [10, 1], {"unit": "year"}),
        (["60 km/h", "70 km/h"], [60, 70], {"unit": "km/h"}),
        (["20 m²", "30 m²"], [20, 30], {"unit": "m²"}),
        (["$1,234.50", "($3)", "-$5", "$-6", "(7)"], [1234.5, -3, -5, -6, -7], {"unit": "$"}),
        (["1.234,50 €", "€ 7,25"], [1234.5, 7.25], {"decimal": ",", "unit": "€"}),
        (["US$5", "US$ 6"], [5, 6], {"unit": "us$"}),
        (["USD 5", "6 usd"], [5, 6], {"unit": "usd"}),
        (["12%", "5.5 %", "７％"], [12, 5.5, 7], {"unit": "%"}),
        (["１２．５", "－３", "（４）"], [12.5, -3, -4], {}),
        (["3人", "12 人"], [3, 12], {"unit": "人"}),
        (["￥1,200", "¥300"], [1200, 300], {"unit": "¥"}),
        (["−5", "3"], [-5, 3], {}),
    ],
)
def test_ways_to_write_numbers(cells, values, notation):
    found = parsed(*cells)
    assert found.values.to_list() == values
    assert found.notation == notation
    assert found.share == 1


def test_when_both_marks_fit_the_point_is_taken():
    assert parsed("1,234", "5,678").values.to_list() == [1234, 5678]
    assert parsed("1.234", "5.678").values.to_list() == [1.234, 5.678]
    assert parsed("1,234", "5,67").values.to_list() == [1.234, 5.67]  # the second cell decides for both


def test_a_notation_is_kept_for_later_rows():
    assert parsed("1,234", notation={"decimal": ","}).values.to_list() == [1.234]
    assert parsed("1,234", notation={}).values.to_list() == [1234]
    assert parsed("5 g", "6 kg", "7", notation={"unit": "kg"}).values.to_list() == [None, 6, 7]
    assert parsed("5 kg", notation={}).values.to_list() == [None]


def test_another_unit_is_told_and_not_converted():
    found = parsed("1 kg", "2 kg", "500 g", None)
    assert found.values.to_list() == [1, 2, None, None]
    assert found.unparsed.to_list() == [False, False, True, False]


@pytest.mark.parametrize(
    "cell", ["B12", "1.2.3", "12-3", "1_000", "--5", "(-5)", "5)", "inf", "-Infinity", "1e999", "$5€"]
)
def test_what_is_no_number(cell):
    found = parsed(cell, "1", "2")
    assert found.values.to_list() == [None, 1, 2]
    assert found.unparsed.to_list() == [True, False, False]


def test_markers_are_missing_and_marks_of_absence_are_told():
    found = parsed("NA", "nan", "", " ", None, "None", "-", "?", "4")
    assert found.values.to_list() == [None] * 8 + [4]
    assert found.unparsed.to_list() == [False] * 6 + [True, True, False]
    assert found.share == 1


FINITE = st.floats(-1e12, 1e12).map(lambda value: round(value, 2))


@given(st.lists(FINITE, min_size=1, max_size=8), st.sampled_from(["", "'", " "]))
@settings(max_examples=200, deadline=None)
def test_formatted_numbers_are_read_in_both_conventions(values, group):
    english = [f"{value:,.2f}" for value in values]
    swapped = [cell.translate(str.maketrans({",": group or ".", ".": ","})) for cell in english]
    assert parsed(*english).values.to_list() == values
    assert parsed(*swapped).values.to_list() == values
    assert parsed(*swapped).notation == {"decimal": ","}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_plain_numbers_round_trip(values):
    assert parsed(*map(repr, values)).values.to_list() == values


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_number_or_told(cells):
    found = parsed(*cells)
    for cell, value, wrong in zip(cells, found.values, found.unparsed, strict=True):
        assert (value is None) == (wrong or cell.strip() in numbers.MARKERS) or not cell.strip()
    times.parse(pl.Series(cells))  # never raises


# ---- times


def dates(*cells, **how):
    found = times.parse(pl.Series("t", cells, dtype=pl.String), **how)
    return found.values.to_list(), found.notation


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2024-03-05", datetime(2024, 3, 5)),
        ("2024-3-5 7:08", datetime(2024, 3, 5, 7, 8)),
        ("2024-03-05T10:11:12.5Z", datetime(2024, 3, 5, 10, 11, 12, 500_000)),
        ("2024-03-05 10:00:00+02:00", datetime(2024, 3, 5, 8)),
        ("2024-03-05T10:00:00-0530", datetime(2024, 3, 5, 15, 30)),
        ("2024/03/05 8:05:01 PM", datetime(2024, 3, 5, 20, 5, 1)),
        ("2024年3月5日", datetime(2024, 3, 5)),
        ("2024年12月5日 10时5分", datetime(2024, 12, 5, 10, 5)),
        ("3 May 2024", datetime(2024, 5, 3)),
        ("May 3, 2024 12:00 am", datetime(2024, 5, 3)),
        ("Sept. 3, 2024", datetime(2024, 9, 3)),
        ("03-May-24", datetime(2024, 5, 3)),
        ("Tue, 15 Nov 1994 08:12:31 GMT", datetime(1994, 11, 15, 8, 12, 31)),
        ("Wed Aug 27 13:08:45 +0000 2008", datetime(2008, 8, 27, 13, 8, 45)),
        ("0001-01-01", datetime(1, 1, 1)),
        ("9999-12-31 23:59:59", datetime(9999, 12, 31, 23, 59, 59)),
        ("5.3.2024", datetime(2024, 3, 5)),
        ("5/3/2024", datetime(2024, 5, 3)),
        ("31/12/99", datetime(1999, 12, 31)),
        ("20240305", datetime(2024, 3, 5)),
        ("1709600000", datetime(2024, 3, 5, 0, 53, 20)),
        ("1709600000000", datetime(2024, 3, 5, 0, 53, 20)),
    ],
)
def test_ways_to_write_times(cell, expected):
    assert dates(cell)[0] == [expected]


@pytest.mark.parametrize("cell", ["2024-02-30", "2024-13-01", "10:30", "May", "1.2.3", "2024-03-05 24:00", "12345"])
def test_what_is_no_time(cell):
    assert dates(cell)[0] == [None]


def test_the_order_of_day_and_month_is_one_for_the_column():
    assert dates("5/3/2024", "25/3/2024") == ([datetime(2024, 3, 5), datetime(2024, 3, 25)], {"order": "dmy"})
    assert dates("5/3/2024", "5/25/2024") == ([datetime(2024, 5, 3), datetime(2024, 5, 25)], {"order": "mdy"})
    assert dates("5/3/2024", notation={"order": "dmy"})[0] == [datetime(2024, 3, 5)]
    assert dates("5/3/2024", notation={})[0] == [None]
    assert dates("2024-03-05", notation={"order": "dmy"})[0] == [datetime(2024, 3, 5)]


@given(st.lists(st.datetimes(), min_size=1, max_size=5), st.sampled_from(["T", " "]))
@settings(max_examples=100, deadline=None)
def test_iso_times_round_trip(moments, between):
    assert dates(*(moment.isoformat(between) for moment in moments))[0] == moments
