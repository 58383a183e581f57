"""Scores, verdicts and findings like those of a real run, from simulated answers and the project's own metrics."""

from typing import Any

import numpy as np

from melior.evidence import Evidence
from melior.findings import Finding
from melior.metrics import (
    Predictions,
    all_scores,
    confusion,
    metric,
    paired_difference,
    precision_recall_curve,
    reliability_curve,
    roc_curve,
)

HOSTILE = "<script>alert('x')</script>"
TEXTS = [
    "Love this dress, it runs a little large but the fabric is lovely and it drapes beautifully.",
    "Had to return it. The colour is nothing like the picture and the seams came apart after one wash.",
    "Soft, warm and well made; I bought a second one for my sister.",
    "Not for me. It looked great on the model and shapeless on me, and the zipper kept catching.",
    "The perfect jeans! True to size, and they do not stretch out over the day.",
]


def simulated(shares: list[float], skill: float, rows: int, seed: int, hard: float = 1.0) -> Predictions:
    """Answers of a model that is better the larger `skill` is; the last class is harder by the factor `hard`."""
    random = np.random.default_rng(seed)
    truth = np.random.default_rng(7).choice(len(shares), rows, p=shares)
    logits = random.normal(size=(rows, len(shares))) + np.log(shares)
    logits[np.arange(rows), truth] += np.where(truth == len(shares) - 1, skill * hard, skill)
    scores = np.exp(1.15 * logits)
    return Predictions.of(truth, scores / scores.sum(axis=1, keepdims=True))


def scores_of(
    predictions: Predictions, classes: list[str], chosen: str, before: Predictions | None = None, on: str = ""
) -> dict[str, Any]:
    """What `scores.json` holds."""

    def measured(given: Predictions) -> dict[str, Any]:
        return {name: found.to_dict() for name, found in all_scores(given, classes, resamples=100).items()}

    codes = [1] if len(classes) == 2 else range(len(classes))
    return {
        "metric": chosen,
        "rows": predictions.rows,
        "on": on or "the sealed rows",
        "classes": classes,
        "scores": measured(predictions),
        "before": None if before is None else measured(before),
        "confusion": confusion(predictions, classes).to_dict(),
        "roc": [roc_curve(predictions, code, classes[code]).to_dict() for code in codes],
        "precision_recall": [precision_recall_curve(predictions, code, classes[code]).to_dict() for code in codes],
        "reliability": [reliability_curve(predictions).to_dict()],
    }


def shown(value: float, low: float, high: float) -> dict[str, float]:
    return {"score": value, "low": low, "high": high}


def outcome(before: Predictions, after: Predictions, classes: list[str], chosen: str) -> dict[str, Any]:
    """The scores of `evidence.json`."""
    measure = metric(chosen, classes)
    found = [all_scores(given, classes, resamples=100)[chosen] for given in (before, after)]
    gain = paired_difference(measure, before, after, resamples=200)
    return {
        "metric": chosen,
        "baseline": shown(found[0].value, found[0].low, found[0].high),
        "final": shown(found[1].value, found[1].low, found[1].high),
        "gain": shown(gain.value, gain.low, gain.high),
    }


CHANCE = "better, and chance alone would show this in {}% of cases at most"
UNSEEN = "not proved: these rows could have shown a gain of {}"
EARLY = "given up early: after its first folds no gain was in reach"


def tried(name: str, effect: float, half: float, verdict: str, reason: str, **more: Any) -> Evidence:
    given: dict[str, Any] = {
        "p": 0.0004 if effect > 2 * half else 0.21,
        "p_adjusted": 0.003 if effect > 2 * half else 0.64,
        "seconds": 31.4,
        "trials": 5,
        "detectable": 1.43 * half,
        "treats": ("class_imbalance",),
    }
    return Evidence(
        methods=tuple(name.split("+")),
        effect=effect,
        low=effect - half,
        high=effect + half,
        verdict=verdict,  # type: ignore[arg-type]
        reason=reason,
        **{**given, **more},
    )


CANDIDATES = [
    tried("threshold", 0.081, 0.019, "accepted", CHANCE.format("0.3")),
    tried("class_weights", 0.066, 0.021, "accepted", CHANCE.format("0.4")),
    tried("label_cleaning", 0.031, 0.018, "accepted", CHANCE.format("4.1"), treats=("label_noise",)),
    tried("oversampling", 0.019, 0.024, "undecided", UNSEEN.format("0.034"), settings={"kind": "smote", "share": 0.5}),
    tried("balanced_ensemble", 0.012, 0.022, "undecided", UNSEEN.format("0.031"), seconds=312.0),
    tried("bagging", 0.002, 0.006, "rejected", "a gain that matters is ruled out", treats=("overfitting",)),
    tried("l1_selection", -0.004, 0.009, "rejected", "a gain that matters is ruled out", treats=("sparse_features",)),
    tried("undersampling", -0.048, 0.026, "rejected", "it makes the score worse"),
    tried("dimension_reduction", -0.31, 0.05, "rejected", EARLY, stage="screen", trials=2, p_adjusted=None),
    tried(
        "threshold+label_cleaning",
        0.022,
        0.014,
        "accepted",
        "label_cleaning added to the rest: " + CHANCE.format("2.0"),
        stage="combine",
        treats=("label_noise",),
        p=0.001,
        p_adjusted=0.02,
    ),
    tried(
        "threshold+label_cleaning+class_weights",
        0.003,
        0.008,
        "rejected",
        "class_weights added to the rest: a gain that matters is ruled out",
        stage="combine",
    ),
]

LEAK = Finding(
    "target_leakage",
    0.97,
    "'Rating' alone tells the answer in 97 of 100 pairs of rows: it is given after the review, with the answer",
    {"score_with": 0.941, "score_without": 0.790, "auc_alone": 0.972},
    0.9,
    "the largest of 200 columns of random numbers, with room",
    ("Rating",),
)
NOISE = Finding(
    "label_noise",
    0.71,
    "about 8% of the labels are probably wrong: 391 rows contradict what models that did not see them say",
    {"noise_rate": 0.079, "noise_matrix": [[0.86, 0.14], [0.07, 0.93]], "rows_found": 391},
    0.02,
    "label noise of shuffled folds",
    rows=np.arange(391) * 12,
    row_scores=np.linspace(0.99, 0.6, 391),
    methods=("label_cleaning", "noise_correction"),
)
IMBALANCE = Finding(
    "class_imbalance",
    0.36,
    "'no' is 4,172 of 23,486 rows: a model that never answers it loses little",
    {"rows_of_rarest": 4172, "share_of_rarest": 0.1776, "counts": {"no": 4172, "yes": 19314}},
    methods=("class_weights", "oversampling", "threshold", "undersampling", "balanced_ensemble"),
)
GROUPS = Finding(
    "group_leakage",
    0.22,
    "rows of the same 'Clothing ID' may be on both sides: is every new row of a product that is known already?",
    {"score_random": 0.691, "score_group": 0.684},
    columns=("Clothing ID",),
    certain=False,
)

COLUMNS = [
    {"name": name, "kind": kind, "missing": missing, "distinct": distinct, "examples": examples}
    for name, kind, missing, distinct, examples in (
        ("Clothing ID", "id", 0.0, 1206, ["767", "1080", "1077"]),
        ("Age", "number", 0.0, 77, ["33", "34", "60"]),
        ("Title", "text", 0.1622, 13993, ["Some major design flaws", "My favorite buy!"]),
        ("Review Text", "text", 0.036, 22634, TEXTS[:2]),
        ("Rating", "ignore", 0.0, 5, ["4", "5", "3"]),
        ("Department", "category", 0.0006, 6, ["Dresses", "Bottoms", "Tops"]),
        ("recommended", "target", 0.0, 2, ["yes", "no"]),
    )
]


def example_rows(number: int, columns: list[str], amount: int = 6, first: int = 1203) -> dict[str, Any]:
    rows = [
        {
            "row": first + 517 * place,
            "values": {"Age": 30 + place, "Review Text": TEXTS[place % 5], "Department": "Tops", "recommended": "yes"},
            "note": "models say: no (0.97)" if place % 2 else "",
        }
        for place in range(amount)
    ]
    return {"finding": number, "columns": columns, "rows": rows}
