"""Out of memory: fewer rows went through the network at once than were meant to."""

from melior.checks._devices import devices_of, trained_weights
from melior.checks._training import Record, TrainingCheck
from melior.engine.plan.layouts import gib
from melior.engine.plan.memory import dealt_out
from melior.engine.plan.sizes import STATE
from melior.findings import Finding


class OutOfMemory(TrainingCheck):
    """Memory ran out and the rows at once were halved, perhaps several times, or a single row was too much.

    Severity is the share of the rows at once that was given up, at least 0.5; 1 where a single row was too much. The
    result is the same with fewer rows at once, but it takes longer, and each time the step was done again.

    What would help is said where the history tells: activations that are computed again, and on a machine of several
    GPUs weights, gradients and the optimiser's state dealt out over them (`train.parallel: {sharded: true}`), with what
    each would hold. Processes on one machine without GPUs share its memory, so there it would not help.
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
                message=" ".join([said, *helps(record)]),
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


def helps(record: Record) -> list[str]:
    """Sentences on what would need less memory, where the history tells enough."""
    found = []
    if record.settings.get("activation_checkpointing") is False:
        found.append("checkpointing: true keeps the activations of one block at a time, for about a third more time.")
    there, trained = devices_of(record), trained_weights(record)
    optimizer = str(record.settings.get("optimizer"))
    if there is not None and there.gpu is not None and there.devices > 1 and trained and optimizer in STATE:
        alone, each = (gib(dealt_out(trained, optimizer, ranks)) for ranks in (1, there.devices))
        found.append(
            f"Sharded over the {there.devices} GPUs here, each holds {each} of weights, gradients and the optimiser's "
            f"state instead of {alone}, by the plan (train.parallel: {{sharded: true}}, --processes {there.devices})."
        )
    return found
