"""What the names that melior uses mean, each in one line that needs no training."""

import ast
import re
from functools import cache
from importlib.resources import files
from typing import Any

from melior.evidence import FAMILY
from melior.metrics.custom import PREFIX
from melior.metrics.goals import is_goal

# symptom: (what it is called here, what it means)
SYMPTOMS: dict[str, tuple[str, str]] = {
    "overfitting": ("Overfitting", "The model knows the rows it was trained on far better than new ones."),
    "slow_training": ("Slow training", "Training takes longer than the machine needs."),
    "out_of_memory": ("Too little memory", "Training needs more memory than there is."),
    "language_gap": ("Gap between languages", "The model is much better in one language than in another."),
    "language_imbalance": ("Uneven languages", "Some languages have far fewer rows than others."),
    "truncated_text": ("Texts cut off", "Texts are longer than what the model reads of them."),
    "weak_slice": ("Weak part of the data", "The model is clearly worse on one part of the rows than on the rest."),
    "class_confusion": ("Confused classes", "Two classes are taken for each other more than others are."),
    "sparse_features": ("Sparse features", "Most values are empty or zero."),
    "slow_inference": ("Slow answers", "One answer takes longer than it should."),
    "large_model": ("Large model", "The model is larger than where it will run allows."),
    "class_imbalance": ("Rare classes", "Some answers are so rare that a model can ignore them and still look good."),
    "drift": ("Drift", "New rows do not look like those that were trained on."),
    "forgetting": ("Forgetting", "Learning something new made the model worse at what it could do."),
    "failing_behaviour": ("Failing behaviour", "The model breaks a rule that any sound model keeps."),
    "outliers": ("Outliers", "Rows that lie far away from all others."),
    "invalid_values": ("Invalid values", "Values that cannot be right, such as placeholders or another unit."),
    "feature_skew": ("Skewed columns", "A few very large values rule a column."),
    "scale_mismatch": ("Different scales", "Columns differ in size so much that large ones drown small ones."),
    "high_dimension": ("Many columns for the rows", "There are so many features that chance alone fits the target."),
    "vanishing_gradients": ("Vanishing gradients", "The first layers of the network hardly learn."),
    "exploding_gradients": ("Exploding gradients", "Steps of training become so large that they undo it."),
    "small_data": ("Few rows", "More rows would still make the model better."),
    "untuned": ("Untuned settings", "Settings of the model that were never tried may be better."),
    "label_noise": ("Wrong labels", "Rows whose given answer is probably not the true one."),
    "split_overlap": ("Rows on both sides", "Rows to test on also stand among the rows to train on."),
    "target_leakage": ("The answer in disguise", "A column gives the answer away and will not be known for new rows."),
    "group_leakage": ("Groups on both sides", "Rows that belong together are trained on and tested on."),
    "time_leakage": ("The future is known", "The model is tested on rows that are older than those it learnt from."),
    "preprocessing_leakage": ("Prepared with test rows", "Rows to test on had a say in how the data was prepared."),
    "duplicate_rows": ("Repeated rows", "Rows that say the same thing more than once."),
    "personal_data": ("Personal data", "Names, numbers or addresses of people stand in the data."),
    "noise_fragility": ("Fragile to noise", "Small random changes of the input change the answer."),
    "adversarial_fragility": ("Fragile to attacks", "Small changes made on purpose change the answer."),
    "outlier_fragility": ("Sure of the unknown", "The model is sure of inputs that it cannot know anything of."),
    "memorization": ("Memorised rows", "The model gives away which rows it was trained on."),
    "failed_check": ("A check that failed", "This check could not do its work, so what it looks for is unknown."),
}

# metric or family of metrics: (what it is called here, what it means, larger is better)
METRICS: dict[str, tuple[str, str, bool]] = {
    "accuracy": ("accuracy", "Share of the rows that are answered right.", True),
    "balanced_accuracy": ("balanced accuracy", "Recall, averaged so that every class counts the same.", True),
    "f1": ("F1", "One number for precision and recall: high only if both are.", True),
    "precision": ("precision", "Of the rows that are answered so, the share that is so.", True),
    "recall": ("recall", "Of the rows that are so, the share that is answered so.", True),
    "macro_f1": ("macro F1", "F1 of each class, averaged so that every class counts the same.", True),
    "macro_precision": ("macro precision", "Precision of each class, averaged so that every class counts alike.", True),
    "macro_recall": ("macro recall", "Recall of each class, averaged so that every class counts alike.", True),
    "micro_f1": ("micro F1", "F1 over all rows; with one label a row this is accuracy.", True),
    "micro_precision": ("micro precision", "Precision over all rows; with one label a row this is accuracy.", True),
    "micro_recall": ("micro recall", "Recall over all rows; with one label a row this is accuracy.", True),
    "weighted_f1": ("weighted F1", "F1 of each class, averaged by how many rows it has.", True),
    "weighted_precision": ("weighted precision", "Precision of each class, averaged by its rows.", True),
    "weighted_recall": ("weighted recall", "Recall of each class, averaged by its rows.", True),
    "roc_auc": ("ROC AUC", "Chance that a row of the class is scored above another row; 0.5 is guessing.", True),
    "average_precision": (
        "average precision",
        "Precision averaged over all thresholds; telling for rare classes.",
        True,
    ),
    "brier": ("Brier score", "Mean squared error of the probabilities; 0 is perfect.", False),
    "expected_calibration_error": (
        "calibration error",
        "How far, on average, a claimed probability is from the share that is really so; 0 is perfect.",
        False,
    ),
    "perplexity": (
        "perplexity",
        "Among how many equally likely tokens the model wavers at each; 1 is certainty. Depends on the tokenizer.",
        False,
    ),
    "bits_per_byte": (
        "bits per byte",
        "How surprised the model is by each byte of the text; comparable between tokenizers. 0 is never.",
        False,
    ),
    "exact_match": ("exact match", "Share of answers that are the right one, word for word.", True),
    "token_f1": ("token F1", "How many words an answer shares with the right one, averaged over the rows.", True),
    "log_loss": ("log loss", "How surprised the model is by the truth; 0 is never.", False),
    # where a row may have several labels
    "subset_accuracy": (
        "subset accuracy",
        "Share of the rows whose labels are all right, none missing or added.",
        True,
    ),
    "hamming_loss": ("Hamming loss", "Share of wrong answers over all rows and labels; 0 is perfect.", False),
    "jaccard": ("Jaccard index", "Of the rows that are so or are answered so, the share that is both.", True),
    "macro_jaccard": ("macro Jaccard index", "Jaccard index of each label, averaged so that each counts alike.", True),
    "micro_jaccard": ("micro Jaccard index", "Jaccard index over all pairs of a row and a label.", True),
    "weighted_jaccard": ("weighted Jaccard index", "Jaccard index of each label, averaged by its rows.", True),
    "sample_jaccard": ("sample Jaccard index", "Jaccard index of each row's labels, averaged over the rows.", True),
    "sample_f1": ("sample F1", "F1 of each row's labels, averaged over the rows.", True),
    "sample_precision": ("sample precision", "Precision of each row's labels, averaged over the rows.", True),
    "sample_recall": ("sample recall", "Recall of each row's labels, averaged over the rows.", True),
    "micro_roc_auc": ("micro ROC AUC", "ROC AUC over all pairs of a row and a label.", True),
    "micro_average_precision": (
        "micro average precision",
        "Average precision over all pairs of a row and a label.",
        True,
    ),
}

SHORT = {"auc": "AUC", "f1": "F1", "roc": "ROC", "l1": "L1", "l2": "L2"}

VERDICTS: dict[str, str] = {
    "accepted": "provably better than the plain recipe on the same rows",
    "undecided": "neither a gain nor its absence could be proved on these rows",
    "rejected": "a gain that matters is ruled out, or it was given up early",
}

KINDS: dict[str, str] = {
    "number": "a quantity",
    "category": "one of a few values",
    "text": "written by people, read word by word",
    "image": "a picture",
    "time": "a moment",
    "id": "names the row and says nothing about it; models do not read it",
    "language": "which language the row is in",
    "ignore": "left out; models do not read it",
    "target": "the column to predict",
}


def symptom(name: str) -> tuple[str, str]:
    """Its title and what it means.

    >>> symptom("label_noise")[0], symptom("new_kind")
    ('Wrong labels', ('New kind', ''))
    """
    return SYMPTOMS.get(name, (plain(name).capitalize(), ""))


def metric(name: str) -> str:
    """What a metric is called, with its class where it has one.

    >>> metric("macro_f1"), metric("recall[yes]"), metric("new_one")
    ('macro F1', 'recall of yes', 'new one')
    >>> metric("precision[yes], recall[yes]>=0.9"), metric("python:cost")
    ('the goal', 'cost')
    """
    if is_goal(name):
        return "the goal"
    name = name.removeprefix(PREFIX)
    family, bracket, label = name.partition("[")
    title = METRICS[family][0] if family in METRICS else plain(family)
    return f"{title} of {label.removesuffix(']')}" if bracket else title


def with_article(called: str) -> str:
    """What a metric is called, as it stands in a sentence.

    >>> with_article("macro F1"), with_article("accuracy"), with_article("F1 of yes"), with_article("bits per byte")
    ('a macro F1', 'an accuracy', 'an F1 of yes', 'bits per byte')
    """
    if called.startswith(("bits", "the ")):
        return called
    spoken = called.startswith(("F1", "ROC", "a", "e", "i", "o", "u"))  # F and R are spoken with a vowel
    return f"an {called}" if spoken else f"a {called}"


def meaning(name: str) -> str:
    """What a metric means, in one line; empty for an unknown one, and for a goal."""
    if is_goal(name):
        return ""
    family = name.partition("[")[0]
    return METRICS[family][1] if family in METRICS else ""


def larger_is_better(name: str) -> bool:
    """False for losses. A goal of a loss is its negative."""
    if is_goal(name):
        return True
    family = name.partition("[")[0]
    return METRICS[family][2] if family in METRICS else True


def plain(name: str) -> str:
    """A name of the code as words.

    >>> plain("class_weights"), plain("auc_alone")
    ('class weights', 'AUC alone')
    """
    return " ".join(SHORT.get(word, word) for word in name.split("_"))


def sentence(text: Any) -> str:
    """A text as a sentence: a capital first (names of the code keep theirs) and a full stop.

    >>> sentence("it changes no answer"), sentence("l1_selection is cheaper!"), sentence(None)
    ('It changes no answer.', 'l1_selection is cheaper!', '')
    """
    said = str(text or "").strip()
    if "_" not in said.partition(" ")[0]:
        said = said[:1].upper() + said[1:]
    return said if not said or said.endswith((".", "!", "?", "。")) else f"{said}."


@cache
def method(name: str) -> str:
    """What a change does, in one line: of a method the first line of its file; empty where it has none of its own.

    >>> method("class_weights")
    'Rows of rare classes count more, so that every class has the same say.'
    """
    if name.startswith(FAMILY):
        return "Another family of models takes the place of the chosen one."
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return ""
    try:
        said = ast.get_docstring(ast.parse((files("melior.methods") / f"{name}.py").read_text(encoding="utf-8"))) or ""
    except (OSError, ImportError, SyntaxError):
        return ""
    _, _, does = said.splitlines()[0].partition(": ") if said else ("", "", "")
    return does[:1].upper() + does[1:]
