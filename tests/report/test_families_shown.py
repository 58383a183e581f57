"""How another family stands in the report: named, explained, and apart from the methods beside it."""

from melior.report.tried import _entry


def entry(*methods, stage="confirm"):
    told = {"effect": 0.1, "low": 0.05, "high": 0.15, "verdict": "accepted", "reason": "better", "stage": stage}
    return _entry({"methods": list(methods), **told})


def test_a_family_is_named_with_its_method():
    alone, treated = entry("model: linear"), entry("model: linear", "l1_selection")
    assert alone["name"] == "model: linear"
    assert "family" in alone["does"]
    assert treated["name"] == "model: linear + L1 selection"
    assert treated["does"] == entry("l1_selection")["does"] != ""


def test_what_is_added_to_it_says_what_stands_already():
    added = entry("model: linear", "l1_selection", "l2_penalty", stage="combine")
    assert added["name"] == "L2 penalty"
    assert added["with"] == "model: linear and L1 selection"
