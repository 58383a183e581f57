"""The race: every candidate gets a quick look, the promising ones get all folds and all repeats, within the time there
is."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from melior.data.splits import Fold
from melior.data.table import Floats, Rows
from melior.errors import UserError
from melior.improvement.pace import all_at_once, enough_folds, quick
from melior.improvement.plan import FIRST, Candidate
from melior.improvement.runner import HOPELESS, NO_TIME, OTHER_SETTING, SAVED, Runner, joined, why
from melior.metrics import Metric, Predictions
from melior.metrics.custom import must_be_defined
from melior.progress import Progress
from melior.recipe import Recipe
from melior.runs.study import agreed, moment
from melior.trials.bench import Result
from melior.trials.judge import LEVEL, NO_SPREAD, Judged, Scored, compare
from melior.trials.outlook import Outlook, outlook
from melior.trials.run import Trials

LOOK = 1.5  # cross-validations of the baseline that the first look at all candidates may cost
CONFIRM = 3.0  # ... and the folds of the promising ones
BASELINE = 0.5  # of the time left, in which folds of the baseline are begun
LOOKING = 0.4  # of the time left, that the first look at all candidates may take: what is seen there proves nothing
LONGEST = 0.4  # of the time left, that one fold of a candidate may take
FURTHER = 0.25  # ... for settings beside the usual one
CLEARLY = 0.16  # one-sided p of a difference of one standard error
FEWEST_TRAINING = 500  # rows of the quick look
FEWEST_TESTED = 10_000  # rows that it scores, where there are as many: macro F1 of them is known to half a hundredth
EVERY = 2  # folds between two looks whether a gain is still in reach, however many run at once: the verdict is the same
NOT_PROVED = {
    SAVED: "to save time (all of the budget is used with `--thorough`, or thorough=True in Python)",
    NO_TIME: "because the time would not have sufficed",
}
SETTLED_FITS = 150  # fits of the baseline that repeats may cost there


@dataclass
class Race:
    """Candidates beside one baseline on the folds of `trials`: whole repeats, one after the other.

    truth     (rows, classes) label weights that trials are scored against
    groups    (rows,) rows of one group are drawn together by the judge; None for independent rows
    deadline  time.monotonic() at which no new trial begins
    settled   every candidate has every fold until it is hopeless, and repeats go by what methods usually cost, not by
              the clock: the same rows give the same verdicts unless the deadline comes first, and then `notes` say so
    thorough  all the time up to the deadline may be used; else no more than some cross-validations of the baseline, or
              some seconds (`quick`), whichever is more
    """

    trials: Trials
    metric: Metric
    truth: Floats
    baseline: Recipe
    candidates: Sequence[Candidate]
    deadline: float
    progress: Progress
    seed: int = 0
    margin: float = 0.0
    groups: NDArray[np.int64] | None = None
    settled: bool = False
    thorough: bool = False

    def run(self) -> None:
        """Runs the race; afterwards `base` and `runners` hold what was scored."""
        started = moment("the race")
        # the folds of the first repeat decide what goes on; those of the others are run for what is left
        dealt = sum(fold.repeat == 0 for fold in self.trials.folds)
        self.folds = enough_folds(self.trials.folds)
        self.repeats = len(self.trials.folds) // dealt if self.folds == dealt else 1
        self.scored_rows = sum(len(fold.test) for fold in self.trials.folds[: self.folds])
        self.quick = quick(self.trials.table.rows)
        self.runners = [Runner(candidate) for candidate in self.candidates]
        self.promising: list[Runner] = []
        self.notes: list[str] = []
        if self.folds < dealt:
            told = f"{self.folds} of {dealt} folds were run"
            self.notes.append(f"{told}: they score {self.scored_rows:,} rows, which is enough to prove a difference on")
        self.workers = agreed("workers", lambda: self.trials.workers)  # of the first process, by which time is reckoned
        self.base_results = self._baseline(started)
        self.base = joined(self.base_results)
        scored = Predictions(self.truth[self.base.rows], self.base.scores, self.base.answers)
        must_be_defined(self.metric, scored, "the plain recipe")
        taken = sum(result.seconds for result in self.base_results.values()) / self.workers  # where they were kept
        self.baseline_seconds = agreed("seconds of the baseline", lambda: max(time.monotonic() - started, taken))
        if self.runners:
            self._look()
            self._confirm()
            self._repeat()

    def _baseline(self, started: float) -> dict[int, Result]:
        """The folds of the baseline: all, or those that are begun in half of the time left, and two at least."""
        tell = self._teller("the baseline", self.folds)
        first = min(max(2, self.workers), self.folds)  # what runs side by side costs no more time
        done = self.trials.many([(self.baseline, fold) for fold in range(first)], done=tell)
        stop = np.inf if self.settled else started + BASELINE * max(self.deadline - started, 0.0)
        rest = range(first, self.folds)
        asked = [(self.baseline, fold) for fold in rest]
        done += self.trials.many(asked, done=tell, late=lambda: time.monotonic() > stop)
        there = [fold for fold, result in enumerate(done) if result is not None]
        whole = next((fold for fold in range(self.folds) if fold not in there), self.folds)
        if whole < self.folds:
            self.notes.append(f"{whole} of {self.folds} folds were run, because a fold takes long for this budget")
            self.folds, self.repeats = whole, 1
            self.scored_rows = sum(len(fold.test) for fold in self.trials.folds[:whole])
        return {fold: result for fold, result in enumerate(done[:whole]) if result is not None}

    def _saving(self, seconds: float) -> float:
        """The seconds that are enough for something, unless all the time may be used."""
        return np.inf if self.thorough else seconds

    def _takes(self, runner: Runner | None) -> float:
        """Seconds that a fold of a candidate takes (of the baseline: None) as trials are run side by side."""
        fold = self.baseline_seconds / self.folds
        return fold if runner is None else runner.candidate.takes(fold, self.workers)

    def _to_prove(self, runner: Runner) -> float:
        """Seconds that the folds take which it has not run, by what it took so far, or by what is usual."""
        return self._takes(None) * self._slower(runner) * (self.folds - len(runner.results))

    def _slower(self, runner: Runner) -> float:
        """How many times what a fold of the baseline takes one of it does: as measured on the same rows at the first
        look, or by what is usual."""
        if runner.look is None:
            return self._takes(runner) / max(self._takes(None), 1e-9)
        return runner.alone / max(self.look_seconds, 1e-9)

    def _begin(self, runners: Sequence[Runner]) -> list[Runner]:
        """Those of which a fold can be expected to end in time. A trial is not broken off, so what takes too long is
        not begun."""
        allowed = LONGEST * max(self._left("beginning"), 0.0)
        late = [runner for runner in runners if self._takes(runner) * self.workers > allowed]
        for runner in late:
            runner.stopped = NO_TIME
        if late:
            names = "; ".join(runner.candidate.name for runner in late)
            self.notes.append(f"not tried, since a fold takes too long for what is left of the budget: {names}")
        return [runner for runner in runners if runner not in late]

    def _refused(self, recipe: Recipe, error: UserError) -> None:
        """What turns out to be impossible on the rows of a fold ends its candidate, and not the race."""
        for runner in self.runners:
            if runner.candidate.recipe is recipe and not runner.stopped:
                runner.stopped = str(error)
                self.notes.append(f"{runner.candidate.name} was given up: {error}")

    def _left(self, when: str) -> float:
        """Seconds left, the same for all processes at work on this study."""
        return agreed(f"left: {when}", lambda: self.deadline - time.monotonic())

    def passed(self, when: str) -> bool:
        return self._left(when) <= 0

    def _past(self, moment: float) -> bool:
        return time.monotonic() > moment

    def deadline_passed(self) -> bool:
        return time.monotonic() >= self.deadline

    def _teller(self, stage: str, total: int):  # type: ignore[no-untyped-def]
        done = 0

        def tell(recipe: Recipe, fold: int, result: Result) -> None:
            nonlocal done
            done += 1
            names = ", ".join(choice.name for choice in recipe.methods) or recipe.model.name
            self.progress(stage, done, total, names)

        self.progress(stage, 0, total)
        return tell

    def _look(self) -> None:
        """One fold for every candidate, on part of its rows where rows are many; then the best setting of
        each method and the candidates that are not hopeless go on."""
        fold = self.trials.folds[0]
        share = 1.0
        begun = list(self.runners) if self.settled else self._begin(self.runners)
        cost = sum(self._takes(runner) for runner in begun)
        swift = [runner for runner in begun if not runner.candidate.seconds]
        left = self._left("a look")
        once = all_at_once(
            self.folds * sum(map(self._takes, swift)), left, self.trials.table.rows, thorough=self.thorough
        )
        if self.settled or once:
            self._skip_look(swift)
            # what takes its time whatever the rows waits, so that no choice among the others is made for its sake
            self.promising += [runner for runner in begun if runner.candidate.seconds]
            return
        allowed = min(self._saving(max(LOOK * self.baseline_seconds, self.quick)), LOOKING * left)
        if cost > allowed:
            # fewer rows shorten what grows with them; what methods do beside takes its time all the same
            own = sum(runner.candidate.seconds for runner in begun) / self.workers
            share = max(max(allowed - own, allowed / 2) / max(cost - own, 1e-9), FEWEST_TRAINING / len(fold.train))
        number, base = 0, self.base_results[0]
        if share < 1:
            tested = self._part(fold.test, max(share, min(1.0, FEWEST_TESTED / len(fold.test))))
            self.trials.folds.append(Fold(self._part(fold.train, share), tested, fold.repeat, fold.number))
            number = len(self.trials.folds) - 1
            base = self.trials.run(self.baseline, number)
        self.look_seconds = base.alone
        usual = [runner for runner in begun if not runner.candidate.further]
        further = [runner for runner in begun if runner.candidate.further]
        now = moment("a first look")
        left = max(self.deadline - now, 0)
        tell = self._teller("a first look at each candidate", len(begun))
        results: list[Result | None] = []
        for runners, share_of_time in ((usual, LOOKING), (further, FURTHER)):
            results += self.trials.many(
                [(runner.candidate.recipe, number) for runner in runners],
                done=tell,
                late=partial(self._past, now + share_of_time * left),
                refused=self._refused,
            )
        begun = [*usual, *further]
        first = joined({0: base})
        looked = []
        for runner, result in zip(begun, results, strict=True):
            if result is None:
                continue
            runner.seconds += result.seconds
            runner.look, runner.alone = joined({0: result}), result.alone
            if number == 0:
                runner.results[0] = result
            looked.append(runner)
        self._tell_left(begun)
        self.first = first
        best: dict[tuple[str, ...], Runner] = {}  # of each method the usual setting, or one that is clearly better
        for runner in looked:
            names = runner.candidate.names
            if names not in best or self._clearly_better(best[names], runner):
                best[names] = runner
        for runner in looked:
            if runner is not best[runner.candidate.names]:
                runner.stopped = OTHER_SETTING
        expected = {
            id(runner): self._outlook(first, runner.look) for runner in best.values() if runner.look is not None
        }
        # one fold, on part of the rows perhaps, is no reason to give up what helps most often against what was found
        promising = [
            runner
            for runner in best.values()
            if not expected[id(runner)].hopeless
            or (runner.candidate.weight >= FIRST and expected[id(runner)].spread > NO_SPREAD)
        ]
        for runner in best.values():
            runner.stopped = "" if runner in promising else HOPELESS
        # the likeliest proof for its time goes first, and more so what helps most often against what was found: the
        # gain on one fold is a noisy witness. Where only a few fit in the time, what a proof takes counts for less than
        # how likely it is, hence the root
        shares = sum(runner.candidate.weight for runner in begun)

        def worth(runner: Runner) -> float:
            weight = runner.candidate.weight
            chance = expected[id(runner)].chance(LEVEL * weight / shares)
            return float(min(weight, FIRST) * chance / np.sqrt(max(self._slower(runner), 1.0)))

        self.promising = sorted(promising, key=worth, reverse=True)

    def _skip_look(self, runners: Sequence[Runner]) -> None:
        """All folds are affordable for all candidates: no choice is made on the rows of one fold alone."""
        self.first = joined({0: self.base_results[0]})
        self.look_seconds = self.base_results[0].alone
        wanted = [(runner.candidate.recipe, 0) for runner in runners]
        results = self.trials.many(
            wanted,
            done=self._teller("the first fold of each candidate", len(wanted)),
            late=self.deadline_passed,
            refused=self._refused,
        )
        begun = []
        for runner, result in zip(runners, results, strict=True):
            if result is None:
                continue
            begun.append(runner)
            runner.seconds += result.seconds
            runner.results[0] = result
            runner.look, runner.alone = joined({0: result}), result.alone
        self._tell_left(runners)
        # where the time runs out after all, what helps most often against what was found has had its turn
        self.promising = sorted(begun, key=lambda r: (r.candidate.seconds, -r.candidate.weight, r.candidate.cost))

    def _tell_left(self, wanted: Sequence[Runner]) -> None:
        left = [runner.candidate.name for runner in wanted if runner.look is None and not runner.stopped]
        if left:
            self.notes.append(f"not tried, because the time ran out: {'; '.join(left)}")

    def _part(self, rows: Rows, share: float) -> Rows:
        """A share of a fold's rows, of every class alike."""
        if share >= 1:
            return rows
        random = np.random.default_rng([self.seed, 5])
        labels = self.trials.table.strata()[rows]
        kept = []
        for code in np.unique(labels):
            own = rows[labels == code]
            kept.append(random.choice(own, min(len(own), max(round(share * len(own)), 10)), replace=False))
        return np.sort(np.concatenate(kept))

    def _outlook(self, base: Scored, scored: Scored) -> Outlook:
        """What the rows scored so far let expect of a candidate."""
        share = len(base.rows) / self.scored_rows
        return outlook(self.metric, self.truth, base, scored, share=share, groups=self.groups, seed=self.seed)

    def _clearly_better(self, usual: Runner, other: Runner) -> bool:
        """Whether the first look speaks for another setting by a standard error or more."""
        assert usual.look is not None
        assert other.look is not None
        found = compare(self.metric, self.truth, usual.look, [other.look], groups=self.groups, seed=self.seed)[0]
        return found.p is not None and found.p < CLEARLY

    def _confirm(self) -> None:
        """All folds for the promising ones, the most promising first; one that becomes hopeless stops."""
        begun = self._left("proving")
        saving = self._saving(max(CONFIRM * self.baseline_seconds, 2 * self.quick))
        allowed = min(saving, 0.75 * begun)
        self.progress("proving the promising ones", 0, max(len(self.promising), 1))
        beside = max(self.trials.workers // self.folds, 1)  # one after the other where a machine has few cores
        any_fits = any(0.7 * self._to_prove(runner) <= allowed for runner in self.promising)
        for first in range(0, len(self.promising), beside):
            going = []
            for number, runner in enumerate(self.promising[first : first + beside], first):
                spent = begun - self._left(f"proving {runner.candidate.name}")
                late = spent + 0.7 * self._to_prove(runner) > allowed
                # where nothing would end in time the first is begun all the same
                if late and not self.settled and (number > 0 or any_fits):
                    runner.stopped = SAVED if saving < 0.75 * begun else NO_TIME
                else:
                    going.append(runner)
            self._all_folds(going)
            done = min(first + beside, len(self.promising))
            names = ", ".join(runner.candidate.name for runner in going)
            self.progress("proving the promising ones", done, len(self.promising), names)
        for reason, why_not in (NOT_PROVED if not self.settled else {NO_TIME: "because the time ran out"}).items():
            left = [one.candidate.name for one in self.promising if one.stopped == reason and not one.complete]
            if left:
                self.notes.append(f"not proved, {why_not}: {'; '.join(left)}")

    def _all_folds(self, going: list[Runner]) -> None:
        while going:
            each = -(-self.trials.workers // len(going))
            chosen = {id(runner): self._next_folds(runner, each) for runner in going}
            wanted = [(runner, fold) for runner in going for fold in chosen[id(runner)]]
            asked = [(runner.candidate.recipe, fold) for runner, fold in wanted]
            results = self.trials.many(asked, refused=self._refused)
            found = {(id(runner), fold): result for (runner, fold), result in zip(wanted, results, strict=True)}
            for runner in going:
                for start in range(0, len(chosen[id(runner)]), EVERY):
                    for fold in chosen[id(runner)][start : start + EVERY]:
                        result = found[id(runner), fold]
                        if result is None:
                            break
                        runner.results[fold] = result
                        runner.seconds += result.seconds
                    if runner.stopped or self._given_up(runner):
                        break
            going = [runner for runner in going if not runner.stopped and not runner.complete]

    def _next_folds(self, runner: Runner, most: int) -> list[int]:
        """Folds to run next, EVERY or so many times more as there is room for; none where the time is over."""
        missing = [fold for fold in range(self.folds) if fold not in runner.results]
        chosen: list[int] = []
        for start in range(0, min(max(most, EVERY), len(missing)), EVERY):
            # what runs at once is in time when its first is
            late = self.deadline_passed if start == 0 else lambda: False
            if agreed(f"late: {runner.candidate.name}, fold {missing[start]}", late):
                break
            chosen += missing[start : start + EVERY]
        if not chosen:
            runner.stopped = NO_TIME
        return chosen

    def _given_up(self, runner: Runner) -> bool:
        """Whether it is complete, or no gain is in reach by the folds so far."""
        if len(runner.results) == self.folds:
            runner.complete = True
            return True
        part = joined({fold: self.base_results[fold] for fold in runner.results})
        if self._outlook(part, joined(runner.results)).hopeless:
            runner.stopped = HOPELESS
        return bool(runner.stopped)

    def _repeat(self) -> None:
        """Other drawings of the folds, for the baseline and every candidate that may still be accepted.

        Who goes on, and how often, is settled before the first of them: nobody stops because of what is seen there.
        """
        if self.repeats == 1:
            return
        open_ones = self._open()
        going, times = self._affordable(open_ones)
        done = 0
        for repeat in range(1, times + 1):
            folds = range(repeat * self.folds, (repeat + 1) * self.folds)
            recipes = [self.baseline, *(runner.candidate.recipe for runner in going)]
            wanted = [(recipe, fold) for recipe in recipes for fold in folds]
            found = self.trials.many(
                wanted,
                done=self._teller(f"other folds for what may help ({repeat} of {times})", len(wanted)),
                late=self.deadline_passed,
            )
            if any(result is None for result in found):
                if self.settled:
                    self.notes.append("the time ran out before the folds were drawn as often as they might have been")
                break  # a repeat counts for all or for none: the judge pairs the n-th scores of a row
            shares = [found[at : at + self.folds] for at in range(0, len(found), self.folds)]
            for own, results in zip([self.base_results, *(runner.results for runner in going)], shares, strict=True):
                own.update({fold: result for fold, result in zip(folds, results, strict=True) if result is not None})
            for runner in going:
                runner.seconds += sum(runner.results[fold].seconds for fold in folds)
            done += 1
        self.base = joined(self.base_results)
        self._tell_drawn(open_ones, going, done)

    def _tell_drawn(self, open_ones: Sequence[Runner], going: Sequence[Runner], done: int) -> None:
        """How often the folds were drawn depends on the time there was, and so do verdicts: that is said."""
        if not open_ones or (done == self.repeats - 1 and len(going) == len(open_ones)):
            return
        told = f"folds were drawn {'once' if not done else f'{done + 1} times'}, of {self.repeats} times at most"
        told += "" if self.settled else ", by the time there was"
        left = [runner.candidate.name for runner in open_ones if done and runner not in going]
        self.notes.append(told + (f", and once for {'; '.join(left)}" if left else ""))

    def _open(self) -> list[Runner]:
        """What was run on all folds and is not rejected, what gains most for its time first."""
        judged = [(runner, verdict) for runner, verdict in self.judged() if runner.complete]
        going = [(runner, verdict) for runner, verdict in judged if verdict.verdict != "rejected"]
        return [runner for runner, _ in sorted(going, key=lambda pair: -pair[1].effect / self._price(pair[0]))]

    def _price(self, runner: Runner) -> float:
        """What all folds of a candidate cost: seconds as if it shared nothing with others, of which some may not go on,
        or fits of the baseline where the race is settled."""
        if self.settled:
            return runner.candidate.cost * self.folds
        return max(sum(runner.results[fold].alone for fold in range(self.folds)), 1e-9)

    def _affordable(self, going: list[Runner]) -> tuple[list[Runner], int]:
        """As many of them, and then as many repeats, as there is time for."""
        asked = self.baseline.split.repeats is not None  # repeats that were asked for may take the time there is
        if self.settled:
            time_for, own, side_by_side = np.inf if asked else SETTLED_FITS, float(self.folds), 1
        else:
            left = 0.7 * self._left("other folds")
            time_for = left if asked else min(left, self._saving(2 * self.quick))
            own, side_by_side = self.baseline_seconds, self.workers
        while going:
            once = own + sum(self._price(runner) for runner in going) / side_by_side
            times = min(self.repeats - 1, int(min(time_for / max(once, 1e-9), 100)))
            if times:
                return going, times
            going = going[:-1]
        return [], 0

    def judged(self, allowed: float = 0.0) -> list[tuple[Runner, Judged]]:
        """Every candidate that was begun, judged together. allowed: see `compare`."""
        begun = [runner for runner in self.runners if runner.results or runner.look is not None]
        entries, baselines, whole = [], [], []
        for runner in begun:
            use_look = not runner.results
            entry = runner.look if use_look else joined(runner.results)
            assert entry is not None
            entries.append(entry)
            baselines.append(self.first if use_look else self.base)
            whole.append(runner.complete)
        judged = compare(
            self.metric,
            self.truth,
            baselines,
            entries,
            whole=whole,
            weights=[runner.candidate.weight for runner in begun],
            margin=self.margin,
            allowed=allowed,
            groups=self.groups,
            seed=self.seed,
        )
        return [(runner, why(runner, verdict)) for runner, verdict in zip(begun, judged, strict=True)]
