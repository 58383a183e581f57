"""A phrase in a text that gives the answer away: a stamp, a status, a signature that was written after the fact."""

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_matrix

from melior.checks._base import Check, Context
from melior.checks._each_label import each_label, one_of_columns
from melior.checks._leaks import LOOSE_COPY, copy_explains
from melior.checks._statistics import answered, count, entropy, explained, mean_interval, share
from melior.data.table import Floats, Labels
from melior.features.texts import Terms
from melior.findings import Finding

FEWEST_ROWS = 50
FEWEST_OF_CLASS = 20
LONGEST = 2  # words of a phrase; the same as the linear family counts, so that they are counted once
MOST_PHRASES = 5  # named of a column
MOST_TAKEN = 50
HIDDEN_COPY = 0.3  # share of wrong values up to which a phrase that says more than all else is one of a copy's
SURELY = 0.999


class LeakingPhrases(Check):
    """One word or pair of words whose presence says as much as a copy of the answer with 13 % of its values wrong; with
    more than two classes, of one class against the rest.

    No honest word does: what a text says is spread over many words, none of which stands in nearly all texts of one
    class and in hardly any of the others. Where many given answers are wrong themselves, such a phrase says less: as
    much as a copy with 30 % of its values wrong is enough if it says more than all else in the rows together, out of
    fold, every such phrase taken out (paired over rows). Whether the phrase will be there in new texts is for the user
    to say, so the finding is a question, and no column is left out for it: it is the phrase that has to go, and goes
    unless somebody says that it stays. Severity is the share of the answer's entropy that the phrase explains alone.
    Where a row may have several labels, each is looked at by itself.
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
            terms = Terms(column, longest=LONGEST)
            present, names = terms.presence(table)
            explains, of = np.zeros(present.shape[1]), np.zeros(present.shape[1], dtype=np.int64)
            hidden = np.zeros(present.shape[1])  # the same for what is a copy only if answers are wrong themselves
            for code in np.flatnonzero((counts >= FEWEST_OF_CLASS) & (len(labels) - counts >= FEWEST_OF_CLASS)):
                halves = np.array([len(labels) - counts[code], counts[code]])
                told = explained_by_presence(present[rows], (labels == code).astype(np.int32), 2)
                explains = np.maximum(explains, np.where(told > copy_explains(LOOSE_COPY, halves), told, 0.0))
                weaker = np.where(told > copy_explains(HIDDEN_COPY, halves), told, 0.0)
                of = np.where(weaker > hidden, code, of)
                hidden = np.maximum(hidden, weaker)
            beats = False
            if not explains.any() and hidden.any():
                beats = self.beats_all_else(context, column, present, names, hidden, int(of[hidden.argmax()]))
                explains = hidden if beats else explains
            strong = np.flatnonzero(explains > 0)
            if len(strong):
                strong = strong[np.argsort(-explains[strong], kind="stable")]
                taken = names(strong[:MOST_TAKEN])
                found.append(self.finding(context, column, present, taken, strong, explains, beats))
        return found

    def beats_all_else(
        self,
        context: Context,
        column: str,
        present: csr_matrix,
        names: Callable[[np.ndarray], list[str]],
        told: Floats,
        code: int,
    ) -> bool:
        """Whether the phrase that tells most (`told`, of one class) surely says more of it than a model of all that is
        left once every phrase that tells something is taken out."""
        labels = context.table.given_labels()
        rows = np.flatnonzero(labels >= 0)
        own = (labels[rows] == code).astype(np.int32)
        holds = np.asarray(present[:, int(told.argmax())].todense()).ravel()[rows] > 0
        shares = np.array([(own[holds == held].sum() + 0.5) / ((holds == held).sum() + 1) for held in (False, True)])
        alone = shares[holds.astype(np.int64)]
        strong = np.argsort(-told, kind="stable")[: min(MOST_TAKEN, np.count_nonzero(told))]
        rest = context.score_without_phrases(column, tuple(shortest(names(strong))))[rows, code]
        losses = [explained(np.column_stack([1 - each, each]), own)[1] for each in (alone, rest)]
        return mean_interval(losses[1] - losses[0], level=SURELY)[1] > 0

    def finding(
        self,
        context: Context,
        column: str,
        present: csr_matrix,
        names: list[str],
        strong: np.ndarray,
        explains: Floats,
        beats: bool,
    ) -> Finding:
        table = context.table
        labels = table.given_labels()
        best = int(strong[0])
        holds = np.flatnonzero(np.asarray(present[:, best].todense()).ravel())
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
                "kind": "phrase",
            },
            threshold=copy_explains(wrong, np.bincount(labels[labels >= 0])),
            threshold_from=f"what a copy of the answer with {share(wrong)} of its values wrong explains",
            columns=(column,),
            rows=table.row_ids[holds],
            certain=False,
        )


def shortest(names: list[str]) -> list[str]:
    """The phrases that hold none of the others, in their order: who takes these out takes all out."""
    words = [name.split() for name in names]

    def holds_another(own: list[str]) -> bool:
        return any(other != own and within(other, own) for other in words)

    return [name for name, own in zip(names, words, strict=True) if not holds_another(own)]


def within(part: list[str], whole: list[str]) -> bool:
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
