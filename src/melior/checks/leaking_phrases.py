"""A phrase in a text that gives the answer away: a stamp, a status, a signature that was written after the fact."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from melior.checks._base import Check, Context
from melior.checks._each_label import each_label, one_of_columns
from melior.checks._leaks import FEWEST_ERRORS, LOOSE_COPY, copy_explains, within
from melior.checks._statistics import answered, count, entropy, explained, mean_interval, share
from melior.data.table import Floats, Labels, Rows
from melior.features.texts import Terms
from melior.findings import Finding

FEWEST_ROWS = 50
FEWEST_OF_CLASS = 20
LONGEST = 2  # words of a phrase; the same as the linear family counts, so that they are counted once
MOST_PHRASES = 5  # named of a column
MOST_TAKEN = 50
HIDDEN_COPY = 0.3  # share of wrong values up to which a phrase that says more than all else is one of a copy's
SURELY = 0.999
TOGETHER = 0.7  # |phi| from which phrases stand and fall together: the words of one stamp, or the stamps of two classes
SURE_ERRORS = 3.0  # standard errors
CONTENT = 0.15  # share of the texts with a word that say it again; a stamp is written once (Church and Gale 1995)


class LeakingPhrases(Check):
    """One word or pair of words whose presence says as much as a copy of the answer with 13 % of its values wrong; with
    more than two classes, of one class against the rest.

    What a text says is spread over many words, and hardly any honest one stands in nearly all texts of one class and in
    hardly any of the others. One that does ("dress" in the reviews of dresses) is missing where the rest of the text is
    unsure of the class too; a stamp is missing anywhere. Where many given answers are wrong themselves, a stamp says
    less: as much as a copy with 30 % of its values wrong is enough if it says more than all else in the rows together,
    out of fold, without the words that stand and fall with it (paired over rows). Whether the phrase will be there in
    new texts is for the user to say, so the finding is a question, and no column is left out for it: it is the phrase
    that has to go, and goes unless somebody says that it stays. One that many texts say more than once is what they are
    about (`content`), and stays unless somebody says that it has to go. Severity is the share of the answer's entropy
    that the phrase explains alone. Where a row may have several labels, each is looked at by itself.
    """

    symptoms = frozenset({"target_leakage"})
    reads = frozenset({"text"})
    cost = "model"
    needs_target = True
    multilabel = True

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        if table.multilabel:
            return one_of_columns(each_label(self.measure, context))
        known = answered(table, FEWEST_ROWS)
        if known is None:
            return []
        rows, labels = known
        counts = np.bincount(labels, minlength=len(table.classes))
        found = []
        for column in table.of_kind("text"):
            if column in context.recipe.data.known_at_prediction:
                continue
            present, again, names = Terms(column, longest=LONGEST).presence(table)
            explains, of = np.zeros(present.shape[1]), np.zeros(present.shape[1], dtype=np.int64)
            strict = np.zeros(present.shape[1], dtype=bool)
            for code in np.flatnonzero((counts >= FEWEST_OF_CLASS) & (len(labels) - counts >= FEWEST_OF_CLASS)):
                halves = np.array([len(labels) - counts[code], counts[code]])
                told = explained_by_presence(present[rows], (labels == code).astype(np.int32), 2)
                told = np.where(told > copy_explains(HIDDEN_COPY, halves), told, 0.0)
                strict |= told > copy_explains(LOOSE_COPY, halves)
                of = np.where(told > explains, code, of)
                explains = np.maximum(explains, told)
            phrases = Phrases(context, column, present, again, names, explains, of)
            groups = phrases.groups(strict)
            if strict.any():
                stamps = [group for group in groups if not phrases.honest(group, np.concatenate(groups))]
            else:
                stamps = [group for group in groups if phrases.beats_all_else(group)]
            if stamps:
                strong = phrases.strongest_first(np.concatenate(stamps))
                again_in = np.array([phrases.said_again(int(one)) for one in strong])
                once = again_in <= CONTENT
                # what the texts are about is not taken out together with a stamp
                kept = once if once.any() else ~once
                found.append(self.finding(phrases, strong[kept], float(again_in[kept][0]), not strict.any()))
        return found

    @staticmethod
    def finding(phrases: "Phrases", strong: Rows, said_again: float, beats: bool) -> Finding:
        context, column, explains = phrases.context, phrases.column, phrases.explains
        table = context.table
        labels = table.given_labels()
        best, names = int(strong[0]), phrases.names(strong[:MOST_TAKEN])
        holds = np.flatnonzero(phrases.holds(best))
        inside = np.bincount(labels[holds][labels[holds] >= 0], minlength=len(table.classes))
        name = table.classes[int(inside.argmax())]
        few = names[:MOST_PHRASES]
        others = f" So do {', '.join(repr(other) for other in few[1:])}." if len(few) > 1 else ""
        more = ", more than all else in the rows together" if beats else ""
        take_out = shortest(names)
        without = context.score_without_phrases(column, tuple(take_out))
        wrong = HIDDEN_COPY if beats else LOOSE_COPY
        return Finding(
            symptom="target_leakage",
            severity=float(np.clip(explains[best], 0.0, 1.0)),
            message=(
                f"The words {names[0]!r} in {column!r} give the answer away: {share(inside.max() / inside.sum())} of "
                f"the {count(len(holds))} texts that hold them are {name!r}, and alone they explain "
                f"{share(float(explains[best]))} of whether it is{more}.{others} If they are written after the answer "
                "is known, they have no place in the texts: data.without takes them out."
            ),
            measured={
                "phrases": dict(zip(few, explains[strong[: len(few)]].tolist(), strict=True)),
                "take_out": take_out,
                "rows_with_phrase": len(holds),
                "score_with": context.metric_value(context.out_of_fold()),
                "score_without": context.metric_value(without),
                "metric": context.recipe.metric,
                "beats_all_others": beats,
                "said_again": said_again,
                "content": said_again > CONTENT,
                "kind": "phrase",
            },
            threshold=copy_explains(wrong, np.bincount(labels[labels >= 0])),
            threshold_from=f"what a copy of the answer with {share(wrong)} of its values wrong explains",
            columns=(column,),
            rows=table.row_ids[holds],
            certain=False,
        )


@dataclass(frozen=True)
class Phrases:
    """Phrases of a column: which are `present` in which rows of the table, and there `again` (rows, phrases); what each
    `explains` of the class `of` it tells most, 0 where that is little."""

    context: Context
    column: str
    present: csr_matrix
    again: csr_matrix
    names: Callable[[np.ndarray], list[str]]
    explains: Floats
    of: Rows

    def holds(self, phrase: int) -> NDArray[np.bool_]:
        """(rows,) whether it stands there."""
        found: NDArray[np.bool_] = np.asarray(self.present[:, phrase].todense()).ravel() > 0
        return found

    def strongest_first(self, phrases: Rows) -> Rows:
        found: Rows = phrases[np.argsort(-self.explains[phrases], kind="stable")]
        return found

    def said_again(self, phrase: int) -> float:
        """The share of the texts with the phrase that say it more than once; of the telling words that it is made of
        the most."""
        words, telling = self.names(np.array([phrase]))[0].split(), np.flatnonzero(self.explains)
        own = [n for n, name in zip(telling, self.names(telling), strict=True) if inside_of(name.split(), words)]
        return float(np.max(self.again[:, own].sum(axis=0) / self.present[:, own].sum(axis=0)))

    def groups(self, strict: NDArray[np.bool_]) -> list[Rows]:
        """Phrases that stand and fall together, each group with the one that tells most in front: those of the `strict`
        phrases, or where there are none of the one that tells most."""
        left = self.strongest_first(np.flatnonzero(self.explains))
        found: list[Rows] = []
        while len(left) and (strict[left[0]] if strict.any() else not found):
            together = self.alike(left) >= TOGETHER
            together[0] = True
            found.append(left[together])
            left = left[~together]
        return found

    def alike(self, phrases: Rows) -> Floats:
        """(phrases,) how far each stands and falls with the first: |phi|, the correlation of their presence."""
        first, own = self.holds(int(phrases[0])), self.present[:, phrases]
        size, share = len(first), first.mean()
        shares = np.asarray((own > 0).sum(axis=0)).ravel() / size
        both = np.asarray((own > 0).T @ first.astype(np.float64)).ravel() / size
        spread = np.sqrt(share * (1 - share) * shares * (1 - shares))
        found: Floats = np.abs(both - share * shares) / np.maximum(spread, 1e-12)
        return found

    def scored(self, group: Rows, out: Rows) -> tuple[Floats, Floats, Labels]:
        """(rows, 2) scores of the class that the group tells: by its first phrase, and by all that is left in the rows
        once the phrases `out` are; (rows,) whether it is the class."""
        code, labels = int(self.of[group[0]]), self.context.table.given_labels()
        rows = np.flatnonzero(labels >= 0)
        own = (labels[rows] == code).astype(np.int32)
        holds = self.holds(int(group[0]))[rows]
        shares = np.array([(own[holds == held].sum() + 0.5) / ((holds == held).sum() + 1) for held in (False, True)])
        gone = tuple(shortest(self.names(self.strongest_first(out)[:MOST_TAKEN])))
        alone, rest = shares[holds.astype(np.int64)], self.context.score_without_phrases(self.column, gone)[rows, code]
        return np.column_stack([1 - alone, alone]), np.column_stack([1 - rest, rest]), own

    def honest(self, group: Rows, suspected: Rows) -> bool:
        """Whether the phrase surely is missing, or there, against its class where the rest is unsure too: what no
        suspected phrase says, for a stamp that is wrong contradicts those of other classes as well."""
        alone, rest, own = self.scored(group, suspected)
        errs = alone.argmax(axis=1) != own
        if errs.sum() < FEWEST_ERRORS:
            return False
        elsewhere, error = within(-rest[np.arange(len(own)), own], errs, own)
        return elsewhere - 0.5 > SURE_ERRORS * error

    def beats_all_else(self, group: Rows) -> bool:
        """Whether the phrase surely says more of its class than a model of all that is left without the group."""
        alone, rest, own = self.scored(group, group)
        losses = [explained(each, own)[1] for each in (alone, rest)]
        return mean_interval(losses[1] - losses[0], level=SURELY)[1] > 0


def shortest(names: list[str]) -> list[str]:
    """The phrases that hold none of the others, in their order: who takes these out takes all out."""
    words = [name.split() for name in names]

    def holds_another(own: list[str]) -> bool:
        return any(other != own and inside_of(other, own) for other in words)

    return [name for name, own in zip(names, words, strict=True) if not holds_another(own)]


def inside_of(part: list[str], whole: list[str]) -> bool:
    return any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))


def explained_by_presence(present: csr_matrix, labels: Labels, classes: int) -> Floats:
    """(terms,) the share of the labels' entropy that the presence of each term removes, less its bias of
    (classes - 1) / 2n (Miller 1955)."""
    rows = len(labels)
    onehot = csr_matrix((np.ones(rows), (np.arange(rows), labels)), shape=(rows, classes))
    with_term = np.asarray((present.T @ onehot).todense())  # (terms, classes)
    total = np.bincount(labels, minlength=classes).astype(np.float64)
    without = total - with_term

    def part(counts: Floats) -> Floats:
        size = counts.sum(axis=1)
        shares = counts / np.maximum(size, 1)[:, None]
        logs = np.log(np.where(shares > 0, shares, 1.0))
        found: Floats = -(shares * logs).sum(axis=1) * size / rows
        return found

    whole = entropy(total)
    bias = (np.count_nonzero(total) - 1) / (2 * rows)
    return np.asarray((whole - part(with_term) - part(without) - bias) / max(whole, 1e-12))
