"""A function of Python as a metric: what is refused, when, and which of two of one name is meant."""

import numpy as np
import polars as pl
import pytest

import melior
from melior.errors import UserError
from melior.metrics import Predictions, bootstrap, custom, from_function, metric, one_hot
from melior.trials.run import Trials

CLASSES = ["no", "yes"]


@pytest.fixture(autouse=True)
def _none_known(monkeypatch):
    monkeypatch.setattr(custom, "_known", {})


def costs(truth, said, sample_weight):
    each = np.where(truth == said, 0.0, np.where(truth == "yes", 10.0, 2.0))
    return float(np.average(each, weights=sample_weight))


def faulty(truth, said, sample_weight):
    return 1 / (len(truth) - len(said))


def two_arguments(truth, said):
    return 0.5


def always_nan(truth, said, sample_weight):
    return float("nan")


def always_undefined(truth, said, sample_weight):
    raise ValueError("not here")


def text(truth, said, sample_weight):
    return "0.5"


def nothing(truth, said, sample_weight):
    return None


def several(truth, said, sample_weight):
    return np.array([0.5, 0.6])


def frame(rows=200):
    random = np.random.default_rng(4)
    truth = (random.random(rows) < 0.4).astype(int)
    return pl.DataFrame({"a": random.normal(size=rows) + truth, "y": np.array(CLASSES)[truth]})


@pytest.fixture
def trials_run(monkeypatch):
    """The trials that were asked for."""
    asked, many = [], Trials.many

    def counted(self, wanted, **how):
        wanted = list(wanted)
        asked.extend(wanted)
        return many(self, wanted, **how)

    monkeypatch.setattr(Trials, "many", counted)
    return asked


# ---- the range


def test_values_beyond_the_range_are_refused_with_the_value():
    answers = np.array([0, 0, 0, 0])
    with pytest.raises(UserError, match=r"costs gave 5, outside 0 to 1: give its range .*from_function\(costs, low="):
        metric(from_function(costs), CLASSES).measure(one_hot([1, 1, 0, 0], 2), None, answers)
    with pytest.warns(UserWarning, match="from 0 to 10"):
        name = from_function(costs, high=10)
    assert metric(name, CLASSES).measure(one_hot([1, 1, 0, 0], 2), None, answers) == 5


def test_what_rounding_adds_is_within_the_range():
    def barely(truth, said, sample_weight):
        return 1 + 1e-12

    assert metric(from_function(barely), CLASSES).measure(one_hot([1], 2), None, [1]) == 1


def test_a_range_that_is_none_is_refused():
    with pytest.raises(UserError, match=r"the range of costs, 1 to 0, is none"):
        from_function(costs, low=1, high=0)


@pytest.mark.parametrize("model", ["linear", "auto"])
def test_an_improvement_refuses_it_before_its_race(model, trials_run):
    with pytest.raises(UserError, match=r"costs gave [\d.]+, outside 0 to 1"):
        melior.improve(frame(), target="y", model=model, metric=costs, budget=20)
    assert not any(recipe.methods for recipe, _ in trials_run)


def test_a_comparison_refuses_it():
    data = frame(40)
    said = pl.DataFrame({"prediction": ["no"] * data.height})
    with pytest.raises(UserError, match="costs gave"):
        melior.judge(said, said, data, target="y", metric=costs)


def test_the_interval_of_no_error_at_all_is_that_of_the_cells_not_the_range():
    """With no wrong answer among n rows, one class may still be wrong in z^2 / (n + z^2) of its rows."""
    truth = np.repeat([0, 1], 100)
    name = from_function(costs, greater_is_better=False, high=10)
    found = bootstrap([metric(name, CLASSES)], Predictions(one_hot(truth, 2), None, truth))[name]
    z = 1.959964
    assert found.high == pytest.approx(0.5 * 10 * z**2 / (100 + z**2), rel=1e-4)
    assert found.value == found.low == 0


# ---- what it raises and returns


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (faulty, "metric: faulty raised ZeroDivisionError: division by zero; it is called as"),
        (two_arguments, "metric: two_arguments raised TypeError: "),
        (text, "metric: text gave '0.5', which is no number"),
        (nothing, "metric: nothing gave None, which is no number"),
        (several, r"metric: several gave array\(\[0.5, 0.6\]\), which is no number"),
    ],
)
def test_what_cannot_be_called_or_gives_no_number_is_refused_before_any_trial(function, said, trials_run):
    for verb in (melior.improve, melior.plan):
        with pytest.raises(UserError, match=said):
            verb(frame(), target="y", model="linear", metric=function, budget=20)
    assert not trials_run


@pytest.mark.parametrize("function", [always_nan, always_undefined])
def test_what_is_undefined_on_all_rows_is_refused_before_the_race(function, trials_run):
    with pytest.raises(UserError, match=f"{function.__name__} is undefined .* on all rows of the plain recipe"):
        melior.improve(frame(), target="y", model="linear", metric=function, budget=20)
    assert not any(recipe.methods for recipe, _ in trials_run)
    data = frame(40)
    said = pl.DataFrame({"prediction": ["no"] * data.height})
    with pytest.raises(UserError, match="is undefined"):
        melior.judge(said, said, data, target="y", metric=function)


def test_numbers_of_every_kind_are_numbers():
    for value in (1, True, np.float32(1), np.array(1.0)):
        custom._known.clear()

        def one(truth, said, sample_weight, value=value):
            return value

        assert metric(from_function(one), CLASSES).measure(one_hot([1], 2), None, [1]) == 1


def test_a_function_is_refused_where_rows_have_several_labels():
    with pytest.raises(UserError, match="for rows of one class each"):
        metric(from_function(costs), CLASSES, multilabel=True)


# ---- one name twice


def test_a_function_that_is_known_keeps_its_settings_where_it_is_named_bare():
    name = from_function(costs, greater_is_better=False, high=10)
    assert custom.name_of(costs) == name
    found = metric(name, CLASSES)
    assert (found.greater_is_better, found.high) == (False, 10)
    own = from_function(faulty, name="mine", greater_is_better=False)
    assert custom.name_of(faulty) == own == "python:mine"


def test_the_same_settings_again_are_nothing_new():
    assert from_function(costs, high=10) == from_function(costs, high=10)


def test_settings_may_be_given_to_what_was_only_named_and_another_range_to_what_was_set():
    custom.name_of(costs)
    with pytest.warns(UserWarning, match=r"costs was .* from 0 to 1, .* greater is better, and is .* less is better"):
        name = from_function(costs, greater_is_better=False)
    with pytest.warns(UserWarning, match=r"from 0 to 1, .* from 0 to 10"):
        from_function(costs, greater_is_better=False, high=10)
    assert metric(name, CLASSES).high == 10


def test_another_direction_is_refused_and_the_first_stays():
    name = from_function(costs, greater_is_better=False, high=10)
    with pytest.raises(
        UserError, match=r"costs is known already as .* less is better, and not as .* greater is better"
    ):
        from_function(costs, high=10)
    assert not metric(name, CLASSES).greater_is_better
    assert metric(from_function(costs, name="gains", high=10), CLASSES).greater_is_better


def written(source, module="__main__"):
    place = {"__name__": module}
    exec(source, place)
    return place["score"]


def test_a_function_may_be_written_anew_and_another_of_its_name_is_refused():
    first = written("def score(truth, said, sample_weight): return 1.0")
    again = written("def score(truth, said, sample_weight): return 2.0")
    name = from_function(first, greater_is_better=False, high=3)
    assert custom.name_of(again) == name
    found = metric(name, CLASSES)
    assert found.measure(one_hot([1], 2), None, [1]) == 2
    assert (found.greater_is_better, found.high) == (False, 3)
    with pytest.warns(UserWarning, match="greater is better"):
        from_function(written("def score(truth, said, sample_weight): return 2.0"), high=3)
    with pytest.raises(UserError, match="another function is called score already"):
        from_function(written("def score(truth, said, sample_weight): return 1.0", "elsewhere"))
    with pytest.raises(UserError, match="another function is called score already"):
        custom.name_of(written("def score(truth, said, sample_weight): return 1.0", "elsewhere"))


def test_two_that_one_function_made_are_two_unless_they_say_the_same():
    def made(value):
        def score(truth, said, sample_weight):
            return value

        return score

    assert custom.name_of(made(0.5)) == custom.name_of(made(0.5))
    with pytest.raises(UserError, match="another function is called score already"):
        custom.name_of(made(0.25))
    with pytest.raises(UserError, match="another function is called score already"):
        from_function(made(0.25))
