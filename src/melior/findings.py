"""Symptom and Finding: what is wrong, where, how sure, and how that was measured."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Symptom = Literal[
    "overfitting", "slow_training", "out_of_memory", "language_gap", "language_imbalance", "truncated_text",
    "weak_slice", "class_confusion", "sparse_features", "slow_inference", "large_model", "class_imbalance", "drift",
    "forgetting", "failing_behaviour", "outliers", "invalid_values", "feature_skew", "scale_mismatch",
    "high_dimension", "vanishing_gradients", "exploding_gradients", "small_data", "untuned", "label_noise",
    "split_overlap", "target_leakage", "group_leakage", "time_leakage", "preprocessing_leakage", "duplicate_rows",
    "personal_data", "noise_fragility", "adversarial_fragility", "outlier_fragility", "memorization", "failed_check",
]  # fmt: skip
SYMPTOMS: tuple[str, ...] = get_args(Symptom)

# Faults of the measurement: they make the score a lie, so they are repaired before anything is tried.
MEASUREMENT_FAULTS = frozenset({"split_overlap", "target_leakage", "group_leakage", "time_leakage"})


@dataclass(frozen=True)
class Finding:
    """One symptom found on one table.

    severity   0..1, how bad; what 1 means stands in the check's documentation
    message    one sentence a person understands
    measured   the numbers behind it
    threshold  what `measured` was compared with, None where nothing was; how it was set stands in `threshold_from`
    columns    the columns concerned
    rows       every row concerned, by its number in the file from 0, the most suspicious first
    row_scores one number a row, larger is more suspicious; None where rows are not ranked
    methods    names of the methods that treat it (filled in by the audit, not by the check)
    certain    False where the finding is a suspicion that only the user can settle
    muted      the reason why the recipe mutes it; empty where it does not. Nothing acts on a muted finding
    """

    symptom: Symptom
    severity: float
    message: str
    measured: dict[str, Any] = field(default_factory=dict)
    threshold: float | None = None
    threshold_from: str = ""
    columns: tuple[str, ...] = ()
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    row_scores: NDArray[np.float64] | None = None
    methods: tuple[str, ...] = ()
    check: str = ""
    certain: bool = True
    muted: str = ""

    def __post_init__(self) -> None:
        if self.symptom not in SYMPTOMS:
            raise ValueError(f"{self.symptom!r} is no symptom")
        if not 0 <= self.severity <= 1:
            raise ValueError(f"severity {self.severity} of {self.symptom} is outside 0..1")
        object.__setattr__(self, "rows", np.asarray(self.rows, dtype=np.int64))
        object.__setattr__(self, "columns", tuple(self.columns))
        if self.row_scores is not None:
            scores = np.asarray(self.row_scores, dtype=np.float64)
            if scores.shape != self.rows.shape:
                raise ValueError(f"{self.symptom}: {len(scores)} scores for {len(self.rows)} rows")
            object.__setattr__(self, "row_scores", scores)

    @property
    def name(self) -> str:
        """The symptom, with a question mark where only the user can settle it."""
        return self.symptom if self.certain else f"{self.symptom}?"

    def with_methods(self, methods: Sequence[str]) -> "Finding":
        return replace(self, methods=tuple(methods))

    def to_dict(self) -> dict[str, Any]:
        """The shape that other programs read."""
        return {
            "symptom": self.symptom,
            "severity": round(float(self.severity), 4),
            "columns": list(self.columns),
            "rows": self.rows.tolist(),
            "row_scores": None if self.row_scores is None else [round(float(s), 6) for s in self.row_scores],
            "measured": plain(self.measured),
            "threshold": None if self.threshold is None else float(self.threshold),
            "threshold_from": self.threshold_from,
            "message": self.message,
            "methods": list(self.methods),
            "check": self.check,
            "certain": self.certain,
            **({"muted": self.muted} if self.muted else {}),
        }

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Finding":
        scores = given.get("row_scores")
        return cls(
            symptom=given["symptom"],
            severity=given["severity"],
            message=given["message"],
            measured=given.get("measured", {}),
            threshold=given.get("threshold"),
            threshold_from=given.get("threshold_from", ""),
            columns=tuple(given.get("columns", ())),
            rows=np.array(given.get("rows", []), dtype=np.int64),
            row_scores=None if scores is None else np.array(scores, dtype=np.float64),
            methods=tuple(given.get("methods", ())),
            check=given.get("check", ""),
            certain=given.get("certain", True),
            muted=given.get("muted", ""),
        )


def plain(value: Any) -> Any:
    """The value with numpy's types, tuples and infinities turned into what JSON knows."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
