"""The diagnosis: every check of a training on the record of one; a check that fails is a finding of its own."""

from dataclasses import dataclass, replace
from typing import Any

from melior.checks._training import Record, training_checks
from melior.findings import Finding
from melior.methods._base import treating
from melior.recipe import Recipe
from melior.trials.audit import muted


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a training, the worst first, the muted last.

    steps, seconds  of the training             family  of the model that was trained
    why_not         one sentence where there is no training to look at; then nothing was found
    """

    findings: tuple[Finding, ...]
    name: str = "run"
    family: str = ""
    steps: int = 0
    seconds: float = 0.0
    why_not: str = ""

    @property
    def failed(self) -> bool:
        """True where a check could not do its work."""
        return any(finding.symptom == "failed_check" for finding in self.findings)

    @property
    def active(self) -> tuple[Finding, ...]:
        """The findings that are not muted."""
        return tuple(finding for finding in self.findings if not finding.muted)

    def __getitem__(self, symptom: str) -> Finding | None:
        """The worst finding of a symptom that is not muted, or None."""
        return next((finding for finding in self.active if finding.symptom == symptom), None)

    def to_dict(self) -> dict[str, Any]:
        """The shape that other programs read."""
        return {
            "run": self.name,
            "family": self.family,
            "steps": self.steps,
            "seconds": round(self.seconds, 3),
            "findings": [finding.to_dict() for finding in self.findings],
            **({"why_not": self.why_not} if self.why_not else {}),
        }

    def __repr__(self) -> str:
        if self.why_not:
            return f"<Diagnosis {self.name}: {self.why_not}>"
        lines = [f"<Diagnosis {self.name}: {self.steps:,} steps, {len(self.findings)} findings>"]
        lines += [f"  {f.severity:4.2f}  {f.symptom:<20}  {f.message}" for f in self.findings]
        return "\n".join(lines)


def examine(record: Record, recipe: Recipe | None = None, name: str = "run") -> Diagnosis:
    """Runs every check of a training. recipe: what it mutes is muted."""
    recipe = recipe or Recipe()
    found: list[Finding] = []
    for check in training_checks().values():
        try:
            measured = check().measure(record)
        except Exception as error:  # one check that fails must not stop the others; it is reported, with the reason
            measured = [
                Finding(
                    symptom="failed_check",
                    severity=0.0,
                    message=f"the check {check.name} could not finish ({type(error).__name__}: {error}).",
                    measured={"check": check.name},
                )
            ]
        found += [
            replace(
                f,
                check=check.name,
                methods=treating(f.symptom) if recipe.task == "classify" else (),  # other tasks take no methods
                muted=muted(f, recipe),
            )
            for f in measured
        ]
    found.sort(key=lambda finding: (bool(finding.muted), -finding.severity))
    return Diagnosis(tuple(found), name, record.family, record.last_step, record.seconds)
