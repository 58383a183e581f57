"""What a model may cost: measured, kept to, and a reason to accept what is as good and cheaper."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import melior
from melior.errors import UserError
from melior.improvement.limits import NO_WORSE, Costs, goal_and_limits, within
from melior.recipe import Limits, Recipe
from melior.trials.cost import Cost, cost_of, exceeded
from melior.trials.judge import Judged


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("limits") / "rows.csv"
    random = np.random.default_rng(3)
    answer = (random.random(500) < 0.4).astype(int)
    columns = {f"x{one}": random.normal(size=500) + answer * (one < 2) for one in range(4)}
    pl.DataFrame({**columns, "y": np.where(answer == 1, "yes", "no")}).write_csv(path)
    return path


@pytest.mark.parametrize(
    ("given", "meant"),
    [("5ms", 5.0), ("0.2s", 200.0), ("300us", 0.3), (7, 7.0), ("7", 7.0), ("300 µs", 0.3)],
)
def test_latencies_are_read_in_their_unit(given, meant):
    assert Limits(latency=given).latency == pytest.approx(meant)


@pytest.mark.parametrize(("given", "meant"), [("25MB", 25.0), ("800kB", 0.8), ("1GB", 1000.0), ("1MiB", 1.048576)])
def test_sizes_are_read_in_their_unit(given, meant):
    assert Limits(size=given).size == pytest.approx(meant)


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        ("macro_f1, latency<=5hours", "is no latency; give a number and one of ms"),
        ("macro_f1, latency>=5ms", "a limit is <="),
        ("macro_f1, size<=1MB, size<=2MB", "two limits"),
        ("macro_f1, size<=0MB", "size"),
    ],
)
def test_wrong_limits_are_refused_in_one_sentence(goal, said):
    with pytest.raises(UserError, match=said) as refused:
        goal_and_limits(goal)
    assert "\n" not in str(refused.value)


def test_limits_change_no_trial_and_are_kept_in_the_recipe():
    recipe = Recipe(limits={"latency": "5ms"})
    assert recipe.fingerprint() == Recipe().fingerprint()
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


def test_a_predictor_costs_what_its_files_weigh_and_more_members_weigh_more(file):
    plain = melior.train(file, target="y", model="trees").predictor
    many = melior.train(file, target="y", model="trees", methods=["bagging"]).predictor
    table = melior.read(file, target="y")
    one, ten = cost_of(plain, table), cost_of(many, table)
    assert ten.size > 3 * one.size
    assert min(one.latency, ten.latency, one.size) > 0


def test_what_is_too_much_is_said_in_words():
    assert exceeded(Cost(3.0, 1.0), Limits(latency=5, size=2)) == ""
    said = exceeded(Cost(7.0, 3.0), Limits(latency=5, size=2))
    assert said == "latency is 7 ms where 5 ms are allowed and size is 3 MB where 2 MB are allowed"


def runner(name: str, complete: bool = True):
    recipe = Recipe().with_methods(name)
    return SimpleNamespace(candidate=SimpleNamespace(recipe=recipe), complete=complete)


def verdict(effect: float, half: float, said: str) -> Judged:
    return Judged(effect, effect - half, effect + half, 0.5, 0.5, said, 0.02, "")  # type: ignore[arg-type]


def judged_within(costs: dict[str, float], given):
    """The verdicts under a limit of 5 ms, with these latencies by method; "" for the plain recipe."""

    def beside(allowed):
        """A candidate is no worse where its interval says so: alone, nothing is to be adjusted for."""
        return [(one, replace(v, verdict="accepted" if one.complete and v.low > -allowed else "rejected"))
                for one, v in given]  # fmt: skip

    race = SimpleNamespace(margin=0.0, baseline=Recipe(), judged=beside)
    known = Costs(race, Limits(latency=5.0))  # type: ignore[arg-type]
    recipes = {name: Recipe().with_methods(name) if name else Recipe() for name in costs}
    known._known = {recipes[name].fingerprint(): Cost(value, 1.0) for name, value in costs.items()}
    return [one.verdict for _, one in within(given, race, known)]  # type: ignore[arg-type]


def test_what_is_better_and_too_slow_is_rejected():
    given = [
        (runner("bagging"), verdict(0.05, 0.01, "accepted")),
        (runner("threshold"), verdict(0.03, 0.01, "accepted")),
    ]
    assert judged_within({"": 1.0, "bagging": 9.0, "threshold": 1.0}, given) == ["rejected", "accepted"]


def test_where_the_plain_recipe_is_too_slow_what_is_as_good_and_quick_is_accepted():
    as_good = (runner("l1_selection"), verdict(0.0, 0.9 * NO_WORSE, "rejected"))
    unsure = (runner("normalization"), verdict(0.0, 1.1 * NO_WORSE, "undecided"))
    given_up = (runner("threshold", complete=False), verdict(0.0, 0.001, "rejected"))
    slow = (runner("bagging"), verdict(0.05, 0.01, "accepted"))
    costs = {"": 9.0, "l1_selection": 1.0, "normalization": 1.0, "threshold": 1.0, "bagging": 20.0}
    verdicts = judged_within(costs, [as_good, unsure, given_up, slow])
    assert verdicts == ["accepted", "undecided", "rejected", "rejected"]


def test_nothing_is_accepted_for_its_cost_where_the_plain_recipe_is_quick_enough():
    given = [(runner("l1_selection"), verdict(0.0, 0.001, "rejected"))]
    assert judged_within({"": 1.0, "l1_selection": 0.5}, given) == ["rejected"]


def test_a_size_that_one_family_keeps_decides_the_family(file):
    free = melior.improve(file, target="y", budget=20, goal="macro_f1, size<=1GB", never=["label_cleaning"])
    (aim,) = free.aims
    assert aim.met(aim.after.value)
    small = cost_of(free.predictor, melior.read(file, target="y")).size
    trees = cost_of(melior.train(file, target="y", model="trees").predictor, melior.read(file, target="y")).size
    linear = cost_of(melior.train(file, target="y", model="linear").predictor, melior.read(file, target="y")).size
    assert linear < trees
    bound = (linear + trees) / 2
    tight = melior.improve(file, target="y", budget=20, goal=f"macro_f1, size<={bound:.4f}MB", never=["label_cleaning"])
    assert tight.recipe.model.name == "linear"
    assert tight.aims[0].after.value <= bound
    assert small > 0


def test_what_cannot_be_kept_is_said(file):
    found = melior.improve(file, target="y", model="trees", budget=15, goal="size<=1kB", never=["label_cleaning"])
    assert any("nothing that was tried is within the limits" in note for note in found.notes)
    assert "missed" in found.aims[0].said()


def test_each_part_of_a_goal_is_told_before_and_after(file, tmp_path):
    goal = "precision[yes], recall[yes]>=0.9"
    found = melior.improve(file, target="y", model="linear", budget=120, goal=goal, never=["label_cleaning"],
                           run=tmp_path / "run")  # fmt: skip
    objective, condition = found.aims
    assert (objective.name, objective.bound) == ("precision[yes]", None)
    assert (condition.name, condition.bound) == ("recall[yes]", 0.9)
    assert condition.after.value > condition.before.value
    assert "threshold" in {name for one in found.evidence for name in one.methods if one.verdict == "accepted"}
    page = (tmp_path / "run" / "report.html").read_text()
    assert "recall of yes at least 0.9" in page
    assert "the goal goes from" in page
    assert found.to_dict()["aims"][1]["met"] == condition.met(condition.after.value)


def test_a_goal_and_a_metric_are_not_both_taken(file):
    with pytest.raises(UserError, match="take the metric accuracy out"):
        melior.improve(file, target="y", goal="macro_f1, size<=1MB", metric="accuracy")
