"""What a run folder holds, read for the report: whatever is missing is empty, and nothing is required."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from melior.checks._training import Record
from melior.errors import UserError
from melior.recipe import Recipe
from melior.runs.store import TRAINING, Run
from melior.trials.diagnosis import examine


@dataclass(frozen=True)
class Limits:
    """How much of the user's data is shown, so that the file stays small."""

    findings: int = 100
    rows: int = 12  # example rows of a finding
    pairs: int = 10  # pairs of classes with their example rows
    columns: int = 12  # columns of an example row
    letters: int = 300  # of a cell
    described: int = 300  # columns in the section on the data
    classes: int = 60  # in the table of scores by class
    map: bool = True  # the map of the rows


# the first that gives a file below the limit is taken
STEPS = (
    Limits(),
    Limits(findings=60, rows=6, pairs=5, columns=8, letters=120, described=150, classes=40),
    Limits(findings=30, rows=3, pairs=3, columns=6, letters=60, described=60, classes=20, map=False),
    Limits(findings=20, rows=0, pairs=0, columns=0, letters=40, described=20, classes=10, map=False),
)


@dataclass(frozen=True)
class Content:
    """findings, evidence and scores are None where the run has none: it is another verb's."""

    about: Mapping[str, Any]
    folder: str
    recipe: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    findings: list[dict[str, Any]] | None = None
    evidence: Mapping[str, Any] | None = None
    scores: Mapping[str, Any] | None = None
    table: Mapping[str, Any] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)
    confusions: list[dict[str, Any]] = field(default_factory=list)
    pictures: Mapping[str, Any] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)  # of a language model to some prompts
    predictor: bool = False
    writer: bool = False  # there is a language model to talk to
    training: Record | None = None  # of its network
    diagnosed: list[dict[str, Any]] = field(default_factory=list)  # what the checks of a training found

    @classmethod
    def of(cls, run: Run) -> "Content":
        """Everything that the report shows of a run."""
        evidence = run.read("evidence.json") if run.has("evidence.json") else None
        examples = run.read("examples.json") if run.has("examples.json") else {}
        findings = run.read("findings.json") if run.has("findings.json") else None
        if isinstance(findings, dict):  # the shape of an audit
            findings = findings.get("findings", [])
        if findings is None and evidence:
            findings = evidence.get("findings")
        training = _training(run)
        return cls(
            about=run.read("run.json") if run.has("run.json") else {},
            folder=run.folder.resolve().name,
            recipe=_text(run),
            settings=_settings(run),
            findings=findings,
            evidence=evidence,
            scores=run.read("scores.json") if run.has("scores.json") else None,
            table=examples.get("table") or {},
            examples=examples.get("findings") or [],
            confusions=examples.get("confusions") or [],
            pictures=run.read("pictures.json") if run.has("pictures.json") else {},
            answers=examples.get("answers") or [],
            predictor=(run.folder / "predictor").is_dir(),
            writer=(run.folder / "model").is_dir(),
            training=training,
            diagnosed=[] if training is None else [one.to_dict() for one in examine(training, _recipe(run)).findings],
        )

    @property
    def verb(self) -> str:
        return str(self.about.get("verb") or ("improve" if self.evidence else "train"))

    @property
    def generates(self) -> bool:
        """Whether the run is of a language model."""
        return self.settings.get("task") == "generate"

    @property
    def name(self) -> str:
        """What the data is called."""
        return str(self.about.get("name") or self.table.get("name") or "the table")

    @property
    def interrupted(self) -> list[str]:
        """A sentence where Ctrl-C ended the training; else nothing."""
        where = self.about.get("interrupted")
        return [f"The training was interrupted at {where}; the same command goes on from there."] if where else []

    @property
    def metric(self) -> str:
        for source in (self.evidence, self.scores, self.settings):
            if source and source.get("metric"):
                return str(source["metric"])
        return "score"

    @property
    def rows(self) -> Mapping[str, Any]:
        """Rows in all, for development and sealed, as far as it is known."""
        known = dict((self.evidence or {}).get("rows") or {})
        if "all" not in known and self.table.get("rows") is not None:
            known["all"] = self.table["rows"]
        return known

    def named_score(self, name: str) -> Mapping[str, Any] | None:
        """One metric of `scores.json`."""
        found = ((self.scores or {}).get("scores") or {}).get(name)
        return found if isinstance(found, Mapping) else None


def _text(run: Run) -> str:
    if not run.has("recipe.yaml"):
        return ""
    return (run.folder / "recipe.yaml").read_text(encoding="utf-8", errors="replace").strip()


def _training(run: Run) -> Record | None:
    """The record of the network's training; None where there is none or it cannot be read."""
    try:
        return Record.load(run.folder / TRAINING)
    except (UserError, OSError):
        return None


def _recipe(run: Run) -> Recipe | None:
    """None where it cannot be read, because a report does not fail for that."""
    try:
        return run.recipe() if run.has("recipe.yaml") else None
    except UserError:
        return None


def _settings(run: Run) -> dict[str, Any]:
    """The recipe as plain values; empty where it cannot be read."""
    recipe = _recipe(run)
    return {} if recipe is None else recipe.model_dump(mode="json")
