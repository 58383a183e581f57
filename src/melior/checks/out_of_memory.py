"""Out of memory: fewer rows went through the network at once than were meant to."""

from melior.checks._training import Record, TrainingCheck
from melior.findings import Finding


class OutOfMemory(TrainingCheck):
    """Memory ran out and the rows at once were halved, perhaps several times, or a single row was too much.

    Severity is the share of the rows at once that was given up, at least 0.5; 1 where a single row was too much. The
    result is the same with fewer rows at once, but it takes longer, and each time the step was done again.
    """

    symptoms = frozenset({"out_of_memory"})

    def measure(self, record: Record) -> list[Finding]:
        events = record.events("out_of_memory")
        if not events:
            return []
        before = max(int(one.get("before") or 1) for one in events)
        left = min(int(one.get("micro_batch") or 0) for one in events)
        said = (
            "Memory ran out with a single row at a time: training cannot go on like this."
            if left == 0
            else f"Memory ran out: {left} rows go through the network at once, where {before} were meant to."
        )
        return [
            Finding(
                symptom="out_of_memory",
                severity=1 - left / before,
                message=said,
                measured={
                    "rows_at_once_before": before,
                    "rows_at_once": left,
                    "times": len(events),
                    "steps": [int(one["step"]) for one in events[:20]],
                },
                threshold=0.0,
                threshold_from="no training should run out of memory",
            )
        ]
