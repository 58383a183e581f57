"""Evidence and Verdict: what trying a method on the user's own rows showed."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from melior.findings import plain

FAMILY = "model: "  # before the name of another family, where changes are named
Verdict = Literal["accepted", "rejected", "undecided"]


@dataclass(frozen=True)
class Evidence:
    """Paired trials of one candidate against the baseline, judged.

    methods      names of the methods the candidate adds to the baseline ("model: trees" for another family)
    effect       mean paired difference of the metric, candidate minus baseline, positive is better
    low, high    95 % confidence interval of the effect
    p            one-sided p value that the effect is not above zero, None where too few trials were run
    p_adjusted   the same, adjusted for all candidates that were compared
    seconds      what its trials cost
    trials       how many were run
    detectable   the smallest effect that this comparison would have proved four times in five
    reason       one sentence: why this verdict
    stage        screen | confirm | combine | sealed
    """

    methods: tuple[str, ...]
    effect: float
    low: float
    high: float
    p: float | None
    p_adjusted: float | None
    verdict: Verdict
    seconds: float
    trials: int
    detectable: float | None = None
    reason: str = ""
    treats: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    stage: str = "confirm"

    @property
    def name(self) -> str:
        """What was tried, with the settings that are not the usual ones: "bagging (members=25)"."""
        settings = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        return " + ".join(self.methods) + (f" ({settings})" if settings else "")

    def to_dict(self) -> dict[str, Any]:
        return dict(plain(asdict(self)))

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Evidence":
        return cls(**{**given, "methods": tuple(given["methods"]), "treats": tuple(given.get("treats", ()))})
