"""How changes of a language model are put together, on trials whose figures are made up."""

import time
from pathlib import Path

import numpy as np
import pytest

from melior.errors import UserError
from melior.improvement import language_search
from melior.improvement.language_plan import Change
from melior.improvement.language_search import Search, Tried
from melior.models.causal_lm import CausalLm
from melior.progress import silent
from melior.recipe import Recipe
from melior.trials.language_trial import LanguageTrial, Rows

ROWS = 200
RATE = Change("higher_rate", {"learning_rate": 3e-3})
SLOW = Change("lower_rate", {"learning_rate": 1e-4})
LONG = Change("more_epochs", {"epochs": 6}, times=2.0)
WIDE = Change("wider", {"width": 512}, times=3.0)


class World:
    """What each pair of settings costs in bits, and which trainings were asked for."""

    def __init__(self, bits):
        self.bits, self.asked, self.rows = bits, [], []

    def trial(self, store, recipe, rows, **_):
        settings = frozenset(recipe.model.settings)
        self.asked.append(settings)
        self.rows.append(rows)
        bits = self.bits(settings)
        if bits is None:
            raise UserError("it does not fit the memory")
        random = np.random.default_rng(5)
        common, own = random.normal(100, 20, ROWS), np.random.default_rng(sorted(map(len, settings))).normal(0, 1, ROWS)
        return LanguageTrial(common - bits + own, np.full(ROWS, 50), 10.0, 64, Path("nowhere"))


@pytest.fixture
def search(monkeypatch):
    def made(bits, seconds=1e6):
        world = World(bits)
        monkeypatch.setattr(language_search, "language_trial", world.trial)
        recipe = Recipe(task="generate", model={"causal_lm": {}})
        part = [{"text": f"text {n}"} for n in range(ROWS)]
        parts = Rows(part[:120], part[120:130], part)
        plain = Tried(recipe, world.trial(None, recipe, parts))
        found = Search(Path("nowhere"), parts, CausalLm(), plain, time.monotonic() + seconds, "rows", 0.0, silent)
        world.asked.clear()
        world.rows.clear()
        return world, found

    return made


def combined(found, changes):
    candidates = found.screen(changes)
    return found.combined(candidates, found.judged(found.plain, candidates), {"untuned"})


def test_what_adds_to_the_rest_is_added(search):
    gains = {"learning_rate": 3, "epochs": 2, "width": 1}
    world, found = search(lambda settings: sum(gains[name] for name in settings))
    best, evidence = combined(found, [LONG, WIDE, RATE])
    assert best.names == ("higher_rate", "more_epochs", "wider")  # the largest first
    assert best.recipe.model.settings == {"learning_rate": 3e-3, "epochs": 6, "width": 512}
    assert [one.methods for one in evidence] == [("higher_rate", "more_epochs"), best.names]
    assert {(one.verdict, one.stage, one.treats) for one in evidence} == {("accepted", "combine", ("untuned",))}
    assert len(world.asked) == 5


def test_what_helps_alone_and_not_beside_the_rest_is_left_out(search):
    """The rate and the length mend the same, the width something else."""
    _, found = search(lambda settings: 3 * bool(settings & {"learning_rate", "epochs"}) + ("width" in settings))
    best, evidence = combined(found, [RATE, LONG, WIDE])
    assert [one.verdict for one in found.judged(found.plain, found.screen([RATE, LONG, WIDE]))] == ["accepted"] * 3
    assert best.names in {("higher_rate", "wider"), ("more_epochs", "wider")}
    assert sorted(one.verdict == "accepted" for one in evidence) == [False, True]
    assert next(one for one in evidence if one.verdict == "accepted").methods == best.names


def test_changes_of_one_setting_exclude_one_another(search):
    world, found = search(lambda settings: len(settings))
    best, evidence = combined(found, [RATE, SLOW])
    assert len(best.names) == 1
    assert evidence == []
    assert len(world.asked) == 2
    assert any("cannot be joined" in note for note in found.notes)
    lora = Change("lora", {"tuning": "lora", "learning_rate": None})
    layers = Change("more_layers", {"layers": 4})
    rank = Change("higher_rank", {"rank": 32, "alpha": 64.0})
    assert layers.excludes(lora)
    assert lora.excludes(layers)
    assert rank.excludes(Change("last_layers", {"tuning": "last_k"}))
    assert not rank.excludes(RATE)
    assert not RATE.excludes(LONG)


def test_nothing_accepted_leaves_the_plain_recipe(search):
    world, found = search(lambda settings: 0)
    best, evidence = combined(found, [RATE, LONG, WIDE])
    assert best is found.plain
    assert evidence == []
    assert len(world.asked) == 3


def test_what_does_not_fit_the_time_is_named(search):
    """A trial costs 10 s here, and all rows (330 for 120 that a trial learns) 27.5 s."""
    world, found = search(lambda settings: len(settings), seconds=45)
    assert [one.names for one in found.screen([RATE, LONG])] == [("higher_rate",)]  # 10 + 27.5, and 20 + 27.5
    candidates = [Tried(change.of(found.plain.recipe, found.settings), one.trial, (change,))
                  for change, one in zip([RATE, LONG], found.screen([RATE, RATE]), strict=True)]  # fmt: skip
    found.deadline = time.monotonic() + 30
    world.asked.clear()
    best, evidence = found.combined(candidates, found.judged(found.plain, candidates), set())
    assert len(best.names) == 1
    assert (evidence, world.asked) == ([], [])
    assert any("no time left" in note for note in found.notes)
    assert found.whole(best) is not None  # 27.5 s
    assert len(world.rows[-1].learned) == 330
    assert (world.rows[-1].watched, world.rows[-1].judged) == ((), ())
    found.deadline = time.monotonic() + 20
    assert found.whole(best) is None
    assert any("learned 120 of the 330 development rows" in note for note in found.notes)


def test_steps_cost_the_same_on_more_rows(search):
    _, found = search(lambda settings: 0, seconds=12)
    assert found.whole(found.plain) is None
    found.settings = CausalLm(steps=5)
    assert found.whole(found.plain) is not None


def test_what_cannot_work_together_is_refused_and_the_rest_stays(search):
    _, found = search(lambda settings: None if settings == {"learning_rate", "width"} else len(settings))
    best, evidence = combined(found, [RATE, WIDE])
    assert len(best.names) == 1
    assert evidence == []
    assert found.refused[0][1] == "it does not fit the memory"
