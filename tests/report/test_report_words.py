"""Words and numbers."""

import doctest
import importlib

import pytest

from melior.findings import SYMPTOMS
from melior.metrics.registry import families
from melior.report import words


@pytest.mark.parametrize("module", ["numbers", "words", "charts._svg"])
def test_examples(module: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"melior.report.{module}"))
    assert tried > 0
    assert failed == 0


def test_every_symptom_has_words() -> None:
    assert set(words.SYMPTOMS) == set(SYMPTOMS)
    assert len({title for title, _ in words.SYMPTOMS.values()}) == len(SYMPTOMS)


@pytest.mark.parametrize("multilabel", [False, True])
def test_losses_are_known_as_losses(multilabel: bool) -> None:
    for name, family in families(multilabel).items():
        made = family.make(["no", "yes"], None if family.overall else 0)
        assert words.larger_is_better(name) == made.greater_is_better, name
        assert words.meaning(name), name


def test_a_method_says_what_it_does_without_being_imported() -> None:
    assert words.method("threshold").startswith("The probability from which a class is answered")
    assert words.method("no_such_method") == ""
    assert words.method("../errors") == ""
    assert words.method("_base") == ""
