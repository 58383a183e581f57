"""What a setting is refused for is said in plain words, with what would do instead."""

import doctest

import pytest

from melior import refusals
from melior.errors import UserError
from melior.methods._base import resolve
from melior.models._base import families
from melior.models._base import resolve as family
from melior.recipe import Choice, Recipe

JARGON = ("Input should", "Field required", "validation", "Extra inputs", "Tuple", "valid dictionary", "instance of")


def said(of, settings, resolved=lambda choice: resolve([choice])):
    with pytest.raises(UserError) as refused:
        resolved(Choice(name=of, settings=settings))
    return str(refused.value)


@pytest.mark.parametrize(
    ("method", "settings", "wanted"),
    [
        ("voting", {"families": []}, "a list of at least 1 entry"),
        ("weighted_loss", {"gamma": -1}, "should be 0.0 or more (it is -1)"),
        ("oversampling", {"ratio": 7}, "should be 1.0 or less (it is 7)"),
        ("oversampling", {"ratio": "much"}, "should be a number (it is 'much')"),
        ("bagging", {"members": 2.5}, "should be a whole number (it is 2.5)"),
        ("robust_loss", {"kind": "huber"}, "'symmetric'"),
        ("dropout", {"rte": 0.1}, "'rte' is not a setting; did you mean rate?"),
        ("deduplication", {"bagels": 1}, "'bagels' is not a setting; there are conflicts, near."),
    ],
)
def test_settings_of_methods(method, settings, wanted):
    found = said(method, settings)
    assert found.startswith(f"methods.{method}: ")
    assert wanted in found


@pytest.mark.parametrize("name", sorted(families()))
def test_a_setting_nobody_has_names_those_there_are(name):
    found = said(name, {"qqqq": 1}, family)
    assert all(setting in found for setting in families()[name].model_fields if setting != "taught")


@pytest.mark.parametrize(
    "given",
    [
        {"data": {"sources": [{"colums": 1}]}}, {"data": {"pth": 1}}, {"dta": 1}, {"split": {"folds": "x"}},
        {"data": 5}, {"seed": 1.5}, {"model": 1.5}, {"methods": [{"bagging": 1}]}, {"methods": 3}, {"metric": []},
        {"train": {"minutes": -1}}, {"data": {"columns": {"a": "numbr"}}},
    ],
)  # fmt: skip
def test_recipes_are_refused_without_jargon(given):
    with pytest.raises(UserError) as refused:
        Recipe.checked(given)
    assert not any(word in str(refused.value) for word in JARGON)


def test_the_example():
    assert doctest.testmod(refusals).failed == 0
