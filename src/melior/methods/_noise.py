"""Wrong labels: how often which class is given for which, and which class each row really has.

Three steps, shared by label_cleaning and noise_correction:

1. Out-of-fold scores of fits on all rows give the confident joint (Northcutt et al. 2021), which says how many labels
   of each class are wrong; the least likely ones are put aside.
2. Fits on the rest score all rows again. They estimate P(true | x) instead of P(given | x), so that now noise matrix
   and posterior can be had by maximum likelihood (`fit_noise`): the labels that were given are explained as true
   labels, seen through the noise.
3. Once more, with the rows put aside that the posterior calls wrong. What a fit learns from a wrong label in one
   round is corrected in the next.
"""

from dataclasses import dataclass

import numpy as np

from melior.data.table import Floats, Labels, Table
from melior.errors import UserError
from melior.methods._rows import Mask, none_emptied
from melior.models._base import FamilyLearner, FitContext, Learner, Model
from melior.predictor import Scorer

TINY = 1e-6
BRIEFLY = 0.4  # of the cost, where the family has a brief way of being fitted
LEAST_KEPT = 0.1  # of each class, and 5 rows
SHARPNESS = (0.1, 2.0)  # how far scores are sharpened or flattened
PULL = 0.3  # rows of the matrix it starts from, for each row of the table
SHIFT_PULL = 0.002  # price of a shift of 1 in log-likelihood a row


def confident_joint(labels: Labels, scores: Floats) -> Floats:
    """(given, true) shares of the rows, sum 1: the joint distribution of given and true labels.

    labels (rows,); scores (rows, classes) out of fold. A row counts for the class that it is most confident of among
    those whose score reaches the mean score of the rows given that class; then the rows of the table are scaled to
    the counts of the given labels.  Northcutt et al., Confident Learning, JAIR 2021, equations 1 to 3.
    """
    classes = scores.shape[1]
    counts = np.bincount(labels, minlength=classes)
    own = scores[np.arange(len(labels)), labels]
    bar = np.where(counts > 0, np.bincount(labels, weights=own, minlength=classes) / np.maximum(counts, 1), np.inf)
    reached = scores >= bar
    guessed = np.where(reached, scores, -1.0).argmax(axis=1)
    sure = reached.any(axis=1)
    joint = np.zeros((classes, classes))
    np.add.at(joint, (labels[sure], guessed[sure]), 1.0)
    unseen = joint.sum(axis=1) == 0
    joint[unseen, unseen] = 1.0
    joint *= (counts / joint.sum(axis=1))[:, None]
    return np.asarray(joint / joint.sum())


def noise_matrix(joint: Floats) -> tuple[Floats, Floats]:
    """(true, given) P(given | true), rows sum to 1, and (classes,) P(true), from the joint (given, true)."""
    prior = joint.sum(axis=0)
    classes = len(prior)
    matrix = np.where(prior[:, None] > 0, joint.T / np.maximum(prior, 1e-300)[:, None], np.eye(classes))
    return matrix, prior


def likeliest_errors(labels: Labels, scores: Floats, joint: Floats) -> Mask:
    """(rows,) True for the rows of each given class with the least margin, as many as the joint says are wrong.

    The margin is the score of the given class minus the largest other (prune by noise rate, Northcutt et al. 2021).
    """
    rows, classes = scores.shape
    own = scores[np.arange(rows), labels]
    others = scores.copy()
    others[np.arange(rows), labels] = -1.0
    margin = own - others.max(axis=1)
    wrong = np.zeros(rows, dtype=bool)
    for given in range(classes):
        inside = np.flatnonzero(labels == given)
        count = round(rows * float(joint[given].sum() - joint[given, given]))
        wrong[inside[np.argsort(margin[inside], kind="stable")[:count]]] = True
    return wrong


def posterior(scores: Floats, matrix: Floats, labels: Labels) -> Floats:
    """(rows, classes) P(true | x, given) proportional to P(true | x) P(given | true)."""
    found = scores * matrix[:, labels].T
    total = found.sum(axis=1, keepdims=True)
    return np.where(total > 0, found / np.maximum(total, 1e-300), scores)


def fit_noise(labels: Labels, scores: Floats, start: Floats, rounds: int = 20) -> tuple[Floats, Floats]:
    """The noise matrix (true, given) and the posterior (rows, classes) that explain the given labels best.

    Maximises sum_rows log sum_t s(x)_t N[t, given] by expectation maximisation over the matrix N and over the scores
    s = softmax(sharpness * log(scores) + shifts): fits on cleaned rows are too sure of themselves, and cleaning moves
    the shares of the classes. Flat scores explain the labels as well as noise does, so N is pulled to `start`
    (true, given): its prior is 0.3 rows drawn from it for each row of the table, shared by the classes, and one clean
    row a class.  Patrini et al., Making Deep Neural Networks Robust to Label Noise, CVPR 2017.
    """
    classes = scores.shape[1]
    logs = np.log(np.maximum(scores, TINY))
    prior = np.eye(classes) + start * (PULL * len(labels) / classes)
    matrix, found, adjusted = start, scores, np.zeros(classes)
    for _ in range(rounds):
        adjusted, clean = fit_adjustment(logs, matrix[:, labels].T, adjusted)
        found = posterior(clean, matrix, labels)
        counts = prior.copy()
        for true in range(classes):
            counts[true] += np.bincount(labels, weights=found[:, true], minlength=classes)
        before, matrix = matrix, counts / counts.sum(axis=1, keepdims=True)
        if np.abs(matrix - before).max() < 1e-3:
            break
    return matrix, found


def fit_adjustment(logs: Floats, seen: Floats, start: Floats) -> tuple[Floats, Floats]:
    """(classes,) log sharpness and the shifts of all classes but the first, and the probabilities (rows, classes)
    softmax(sharpness * logs + shifts), such that sum_rows log sum_t probabilities_t seen_t is largest.

    logs (rows, classes) log scores; seen (rows, classes) P(the given label | true).
    """
    from scipy.optimize import minimize
    from scipy.special import softmax

    rows = len(logs)

    def adjusted(found: Floats) -> Floats:
        return np.asarray(softmax(np.exp(found[0]) * logs + np.concatenate([[0.0], found[1:]]), axis=1))

    def loss(found: Floats) -> tuple[float, Floats]:
        clean = adjusted(found)
        joint = clean * seen
        explained = np.maximum(joint.sum(axis=1, keepdims=True), 1e-300)
        slack = joint / explained - clean
        shifts = found[1:]
        value = -np.log(explained).mean() + SHIFT_PULL * shifts @ shifts
        gradient = np.concatenate([[-(slack * logs).sum() * np.exp(found[0])], -slack.sum(axis=0)[1:]]) / rows
        gradient[1:] += 2 * SHIFT_PULL * shifts
        return float(value), gradient

    bounds = [tuple(np.log(SHARPNESS)), *[(-3.0, 3.0)] * (logs.shape[1] - 1)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 8}).x
    return found, adjusted(found)


@dataclass(frozen=True)
class TrueClasses:
    """What is known of the true classes of training rows.

    chances  (rows, classes) P(true | x, given)
    matrix   (true, given) P(given | true)
    right    (rows,) the rows whose label is more likely right than wrong
    """

    chances: Floats
    matrix: Floats
    right: Mask


class KeptRows:
    """A learner that fits on the rows with weight and leaves the others out: scored all the same, out of fold."""

    def __init__(self, inner: Learner) -> None:
        self.inner = inner

    def fit(self, train: Table, context: FitContext) -> Scorer:
        weights = train.row_weights()
        kept = weights > 0
        rest = train.take(kept) if kept.any() else train
        plain = bool((weights[kept] == 1).all()) or not kept.any()
        return self.inner.fit(rest.with_weights(None) if plain else rest, context)


def find_true_classes(train: Table, context: FitContext, rounds: int, second: str) -> TrueClasses:
    """The three steps above, with the recipe's own family, as it is fitted quickly (`Model.brief`), and a second one,
    whose scores are averaged with its own.

    second  name of a family; `auto` takes linear beside any other family (it costs little and fails elsewhere),
            `none` takes none

    Both methods and all their settings ask the same of the same rows, so it is found once and shared.
    """
    key = f"true classes, {rounds} rounds, second {second}"
    return context.once(train, key, lambda: _find_true_classes(train, context, rounds, second))


def _find_true_classes(train: Table, context: FitContext, rounds: int, second: str) -> TrueClasses:
    labels = train.given_labels()
    learners = [brief(context.base_learner()), *second_family(train, context, second)]
    joint_scores = mean_scores(learners, train, context)
    joint = confident_joint(labels, joint_scores)
    start, _ = noise_matrix(joint)
    matrix = start
    chances = posterior(joint_scores, matrix, labels)
    right = kept_classes(labels, ~likeliest_errors(labels, joint_scores, joint), joint_scores)
    for number in range(rounds):
        if right.all():
            break
        masked = train.with_weights(train.row_weights() * right)
        scores = mean_scores([KeptRows(learner) for learner in learners], masked, context.reseeded(number + 1))
        matrix, chances = fit_noise(labels, scores, start)
        right = kept_classes(labels, chances[np.arange(train.rows), labels] > 0.5, chances)
    return TrueClasses(chances, matrix, right)


def fits_of(cost: float, model: Model) -> float:
    """The fits of the baseline that a method costs which asks for the true classes."""
    return cost if model.brief() is model else BRIEFLY * cost


def brief(learner: Learner) -> Learner:
    return learner.brief() if isinstance(learner, FamilyLearner) else learner


def mean_scores(learners: list[Learner], train: Table, context: FitContext) -> Floats:
    scores: Floats = np.mean([context.out_of_fold(learner, train) for learner in learners], axis=0)
    return scores


def kept_classes(labels: Labels, right: Mask, chances: Floats) -> Mask:
    """`right` with at least a tenth and five of the rows of each class kept, the likeliest first."""
    own = chances[np.arange(len(labels)), labels]
    for number, count in enumerate(np.bincount(labels)):
        inside = labels == number
        right = np.where(inside, none_emptied(labels, right, own, max(5, round(LEAST_KEPT * count))), right)
    return right


def second_family(train: Table, context: FitContext, second: str) -> list[Learner]:
    if second == "none":
        return []
    name = "linear" if second == "auto" else second
    own = getattr(getattr(context.base_learner(), "model", None), "name", None)
    if own in (name, None):
        return []
    try:
        learner = context.family(name)
    except UserError:
        if second == "auto":
            return []
        raise
    model = getattr(learner, "model", None)
    return [learner] if model is None or model.unsuitable(train) is None else []
