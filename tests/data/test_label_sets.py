"""Targets of several labels a row: how they are read, what is refused, and how their rows are dealt out."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melior.data import deal
from melior.data.label_sets import LabelSets, writable_separator
from melior.data.read import read, read_like, read_pair
from melior.data.splits import folds, seal
from melior.errors import UserError
from melior.recipe import Split

SETS = [["fit", "price"], [], ["colour ", " fit", "fit", ""], ["price"]]
ROWS = [{"x": number, "topics": SETS[number % 4]} for number in range(40)]
MATRIX = np.array([[0, 1, 1], [0, 0, 0], [1, 1, 0], [0, 0, 1]] * 10)


def written(folder, kind):
    """The rows in a file of this kind; labels that are text are joined, or written as lists."""
    frame = pl.DataFrame(ROWS)
    path = folder / f"rows.{kind.partition(' ')[0]}"
    if kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in ROWS))
    elif kind == "parquet":
        frame.write_parquet(path)
    else:
        texts = {
            "csv joined": [";".join(row["topics"]) for row in ROWS],
            "csv json": [json.dumps(row["topics"]) for row in ROWS],
            "csv python": [str(row["topics"]) for row in ROWS],
        }
        frame.with_columns(topics=pl.Series(texts[kind])).write_csv(path)
    return path


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv joined", "csv json", "csv python"])
def test_every_way_of_writing_gives_the_same(tmp_path, kind):
    joined = {"label_separator": ";", "missing_target": "no_label"} if kind == "csv joined" else {}
    table = read(written(tmp_path, kind), target="topics", **joined)
    assert table.classes == ("colour", "fit", "price")
    assert table.labels is None
    assert table.multilabel
    assert table.has_answers
    np.testing.assert_array_equal(table.label_matrix, MATRIX)
    assert table.target_counts() == {"colour": 10, "fit": 20, "price": 20}
    np.testing.assert_array_equal(table.truth(), MATRIX)
    again = read_like(ROWS, table.schema)
    np.testing.assert_array_equal(again.label_matrix, MATRIX)


def test_one_class_a_row_stays_what_it_was():
    table = read([{"x": k, "topics": "fit" if k % 2 else "price"} for k in range(20)], target="topics")
    assert not table.multilabel
    assert table.label_matrix is None
    assert set(table.schema.to_dict()) == {"kinds", "target", "classes"}
    np.testing.assert_array_equal(table.truth(), np.eye(2)[table.labels])
    np.testing.assert_array_equal(table.strata(), table.labels)


def test_an_empty_cell_is_not_an_empty_list():
    rows = [*ROWS, {"x": 99, "topics": None}]
    with pytest.raises(UserError, match=r'row 41: "topics" is empty.*no_label'):
        read(rows, target="topics")
    assert len(read(rows, target="topics", missing_target="drop")) == 40
    told = read(rows, target="topics", missing_target="no_label")
    assert len(told) == 41
    assert not told.label_matrix[-1].any()
    learned = read(ROWS, target="topics")
    unknown = read_like(rows, learned.schema)
    assert (unknown.label_matrix[-1] == -1).all()
    assert unknown.answered().tolist() == [True] * 40 + [False]
    assert not read_like(rows, told.schema).label_matrix[-1].any()
    with pytest.raises(UserError, match="row 41"):
        read_like(rows, learned.schema, need_target=True)


def test_a_second_table_is_read_as_the_first():
    first, second = read_pair(ROWS, ROWS[:5], target="topics")
    np.testing.assert_array_equal(second.label_matrix, MATRIX[:5])
    assert second.classes == first.classes
    with pytest.raises(UserError, match=r'row 2: "topics" has the label "size"'):
        read_pair(ROWS, [ROWS[0], {"x": 1, "topics": ["fit", "size"]}], target="topics")


BAD = {
    "has no label in any row": [[]] * 30,
    'every row of "topics" has the label "fit" and no other': [["fit"]] * 30,
    r"numbers such as 0\.5": [[0.5, 1.5]] * 30,
    "lists of 3 marks": [[0, 1, 1], [1, 0, 0]] * 15,
    "lists of 2 marks": [[True, False], [True, True]] * 15,
    "things that are no names": [[["fit"]], [["price"]]] * 15,
    "different kinds of things": ['["fit", 1]', '["price"]'] * 15,
    "begins like a list and is none": ["[fit", "[price]"] * 15,
    "too many to learn": [[f"a{k}", f"b{k}"] for k in range(30)],
}


@pytest.mark.parametrize("said", BAD)
def test_bad_labels_are_refused_in_one_sentence(said):
    cells = BAD[said]
    if said.startswith("begins"):
        cells = ["[fit)]"] * 30
    with pytest.raises(UserError, match=said) as error:
        read([{"x": k, "topics": cell} for k, cell in enumerate(cells)], target="topics")
    assert str(error.value).startswith("table")
    assert str(error.value).endswith(".")


def test_ten_thousand_labels_are_refused():
    rows = {"x": range(60_000), "topics": [[f"a{k % 10_000}"] for k in range(60_000)]}
    with pytest.raises(UserError, match="10,000 different labels in 60,000 rows, too many to learn; at most 1,000"):
        read(rows, target="topics")


def test_a_separator_that_never_occurs_is_a_slip():
    rows = [{"x": k, "topics": "fit|price" if k % 2 else "fit"} for k in range(20)]
    with pytest.raises(UserError, match=r'no row of "topics" has the separator ";".*"\|" does'):
        read(rows, target="topics", label_separator=";")
    one = [{"x": k, "topics": "fit" if k % 2 else "price"} for k in range(20)]
    with pytest.raises(UserError, match="no_label is for a target of several labels a row"):
        read(one, target="topics", missing_target="no_label")


def test_a_label_on_every_row_is_said():
    table = read([{"x": k, "topics": ["fit", "price"] if k % 2 else ["fit"]} for k in range(20)], target="topics")
    assert 'the label "fit" is on every row of "topics"' in " ".join(table.notes)


def test_whole_numbers_are_names_in_their_order():
    table = read([{"x": k, "topics": [10, 9] if k % 2 else [2]} for k in range(20)], target="topics")
    assert table.classes == ("2", "9", "10")


@given(st.lists(st.text(alphabet="ab;|,/\t ", min_size=1, max_size=6), min_size=1, max_size=8))
def test_what_is_joined_is_split_again(labels):
    separator = writable_separator(labels)
    assert separator.join(labels).split(separator) == labels


def test_a_schema_is_kept():
    schema = read(ROWS, target="topics").schema
    again = type(schema).from_dict(json.loads(json.dumps(schema.to_dict())))
    assert again == schema
    assert again.label_sets == LabelSets(";")


# ---- rows dealt out


@st.composite
def label_tables(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, labels = draw(st.integers(20, 120)), draw(st.integers(1, 8))
    return rng.random((rows, labels)) < rng.uniform(0.01, 0.7, labels)


@settings(max_examples=50, deadline=None)
@given(label_tables(), st.integers(2, 6), st.integers(0, 99))
def test_parts_are_even_and_lonely_labels_stay_in_training(sets, parts, seed):
    part = deal.label_sets(sets, np.full(parts, 1 / parts), np.random.default_rng(seed))
    lonely = sets[:, sets.sum(axis=0) == 1].any(axis=1)
    np.testing.assert_array_equal(part < 0, lonely)
    dealt = np.bincount(part[part >= 0], minlength=parts)
    assert dealt.sum() == (~lonely).sum()
    again = deal.label_sets(sets, np.full(parts, 1 / parts), np.random.default_rng(seed))
    np.testing.assert_array_equal(part, again)
    sealed = deal.label_sets(sets, np.array([0.2, 0.8]), np.random.default_rng(seed))
    assert (sealed[lonely] == 1).all()


def test_every_part_has_its_share_of_every_label():
    """Against random parts: the largest distance of a label's share from what it should be is a small part of it."""
    rng = np.random.default_rng(0)
    sets = rng.random((2000, 12)) < np.geomspace(0.01, 0.5, 12)
    shares = np.full(5, 0.2)

    def worst(part):
        held = np.array([sets[part == number].sum(axis=0) for number in range(5)])
        return np.abs(held / sets.sum(axis=0) - 0.2).max()

    dealt = deal.label_sets(sets, shares, rng)
    assert worst(dealt) < 0.06 < worst(rng.permutation(2000) % 5)
    assert np.ptp(np.bincount(dealt)) < 40


@pytest.mark.parametrize("kind", ["auto", "random", "group", "time"])
def test_folds_test_each_row_once(kind):
    rows = [
        {"x": float(k % 7), "who": f"w{k % 13}", "when": f"2024-01-{k % 28 + 1:02}", **ROWS[k % 4]} for k in range(200)
    ]
    table = read(rows, target="topics")
    split = Split(kind=kind, column={"group": "who", "time": "when"}.get(kind), repeats=1)
    inside, sealed = seal(table, split, 0)
    assert sorted([*inside, *sealed]) == list(range(200))
    tested = np.concatenate([fold.test for fold in folds(table, split, 0)])
    assert len(np.unique(tested)) == len(tested)
    assert kind == "time" or len(tested) == 200


def test_one_class_a_row_for_dealing():
    sets = np.array([[1, 0], [1, 1], [1, 0], [0, 0]], dtype=bool)
    assert deal.rarest(sets).tolist() == [0, 1, 0, 2]


def test_rows_are_taken_and_joined_with_their_labels():
    table = read(ROWS, target="topics")
    both = table.take(np.array([3, 0])).joined(table.take(np.array([2])))
    np.testing.assert_array_equal(both.label_matrix, MATRIX[[3, 0, 2]])
    assert both.combinations().tolist() == [0, 1, 2] or len(set(both.combinations().tolist())) == 3
    with pytest.raises(UserError, match="several labels a row"):
        table.given_labels()


def test_tables_in_memory_hold_lists_in_many_ways():
    lists = [row["topics"] for row in ROWS]
    wanted = read(ROWS, target="topics").label_matrix
    given_ways = {
        "polars": pl.DataFrame({"x": range(40), "topics": lists}),
        "tuples": {"x": range(40), "topics": [tuple(names) for names in lists]},
        "sets": {"x": range(40), "topics": [set(names) for names in lists]},
        "arrays": pl.DataFrame({"x": range(40), "topics": lists}).to_arrow() if _has("pyarrow") else None,
    }
    if _has("pandas") and _has("pyarrow"):
        import pandas

        given_ways["pandas"] = pandas.DataFrame({"x": range(40), "topics": lists})
        given_ways["pandas of arrays"] = pandas.DataFrame({"x": range(40), "topics": [np.array(n) for n in lists]})
    for name, source in given_ways.items():
        if source is not None:
            np.testing.assert_array_equal(read(source, target="topics").label_matrix, wanted, err_msg=name)


def test_datasets_of_lists_give_their_class_names():
    datasets = pytest.importorskip("datasets")
    kind = datasets.Sequence(datasets.ClassLabel(names=["price", "fit"]))
    features = datasets.Features({"x": datasets.Value("int64"), "topics": kind})
    data = datasets.Dataset.from_dict({"x": range(20), "topics": [[0, 1], [1]] * 10}, features=features)
    table = read(data, target="topics")
    assert table.classes == ("fit", "price")
    assert table.label_matrix[:2].tolist() == [[1, 1], [1, 0]]


def _has(module):
    from importlib.util import find_spec

    return find_spec(module) is not None
