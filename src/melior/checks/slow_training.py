"""Slow training: time spent on padding, on waiting for data, in a slow precision, on small batches, on one device."""

from math import isfinite

from melior.checks._devices import best_processes, devices_of
from melior.checks._training import Record, TrainingCheck, durations, over_time
from melior.findings import Finding

MATTERS = 0.1  # of the time; two runs of the same training on one machine differ by some percent
PRECISION_PAYS = 1.2  # as in melior.engine.device: casts cost, and digits are lost
LONG = 60.0  # seconds; batches are not made larger to save less of a shorter training, since they change the result
WAITED = 1.0  # seconds; of shorter trainings the shares are the noise of clocks and threads
PROCESSES_PAY = 1.2  # times as fast, by the plan; it does not know everything
BATCH_PAYS = 0.2  # of the time: larger steps need other rates, so it has to be worth it


class SlowTraining(TrainingCheck):
    """What of the training's time could be saved, computed for five causes; severity is that share of the time.

    Padding: the tokens that rows of like length together would have saved, counted in the first steps with the lengths
    of the rows. A finding is made from a tenth of all tokens on. Where lengths are unknown, padding itself counts, for
    packing saves it.

    Waiting: the share of the time in which no batch was ready, from a tenth and a second on.

    Precision: another than the hardware does fast, where a product of matrices, timed here, is 1.2 times as fast in
    that. The saving is an upper limit, for not all of a step is products.

    One device: the machine has further GPUs, or further processors, and processes that share the rows of each step
    would be 1.2 times as fast or more, by the plan: the time of a step, and the bytes of the gradients over the link
    that is assumed. `melior train --plan` shows that plan for any number of processes. In a training of a minute or
    longer.

    Batches too small for the device: twice as many rows in a forward pass take less than twice as long, by a fifth of
    the time per row or more, in a training of a minute or longer.
    """

    symptoms = frozenset({"slow_training"})

    def measure(self, record: Record) -> list[Finding]:
        every = (
            self.padding(record), self.waiting(record), self.precision(record), self.batches(record),
            self.devices(record),
        )  # fmt: skip
        return [found for found in every if found]

    def padding(self, record: Record) -> Finding | None:
        share, least = over_time(record, "padding"), record.start.get("padded_by_length")
        now = record.start.get("padded")
        if not isfinite(share):
            return None
        if isinstance(least, int | float) and isinstance(now, int | float):
            saved = 1 - (1 - now) / (1 - least) if least < 1 else 0.0
            how = f"with rows of like length together it would be {least:.0%}"
        else:
            saved, how = share, "packing several rows into one would save it"
        if saved <= MATTERS:
            return None
        return Finding(
            symptom="slow_training",
            severity=min(saved, 1.0),
            message=f"{share:.0%} of all tokens are padding, and {how}: about {saved:.0%} of the time could be saved.",
            measured={"cause": "padding", "padding": share, "padding_by_length": least, "saving": saved},
            threshold=MATTERS,
            threshold_from="share of the time that can be computed to be saved",
        )

    def waiting(self, record: Record) -> Finding | None:
        share = over_time(record, "waited")
        waited = share * float(durations(record).sum())
        if not (share > MATTERS and waited > WAITED):
            return None
        return Finding(
            symptom="slow_training",
            severity=min(share, 1.0),
            message=(
                f"The network waited for data {share:.0%} of the time ({waited:.1f} s): batches are made more slowly "
                "than they are learned."
            ),
            measured={"cause": "waiting", "waited": share, "seconds": waited, "saving": share},
            threshold=MATTERS,
            threshold_from="share of the time in which no batch was ready",
        )

    def precision(self, record: Record) -> Finding | None:
        fast, used = record.start.get("fast") or {}, str(record.start.get("precision"))
        times = float(fast.get("times") or 1.0)
        if fast.get("dtype") == used or times < PRECISION_PAYS:
            return None
        return Finding(
            symptom="slow_training",
            severity=1 - 1 / times,
            message=(
                f"Training in {used} takes up to {times:.1f} times as long as in {fast['dtype']}, which this hardware "
                "does fast; precision: auto takes that."
            ),
            measured={"cause": "precision", "precision": used, "fast": fast["dtype"], "times": times},
            threshold=PRECISION_PAYS,
            threshold_from="a product of two matrices, timed in both",
        )

    def batches(self, record: Record) -> Finding | None:
        twice, at_once = record.start.get("twice"), record.start.get("micro_batch")
        if not isinstance(twice, int | float) or record.seconds < LONG or record.events("out_of_memory"):
            return None
        saved = 1 - twice / 2
        if saved < BATCH_PAYS:
            return None
        rows = int(record.settings.get("batch_rows") or at_once or 1)
        what = "micro_batch" if at_once and at_once < rows else "batch_rows"
        return Finding(
            symptom="slow_training",
            severity=min(saved, 1.0),
            message=(
                f"Batches of {at_once} rows are too small for this device: twice as many take {twice:.1f} times as "
                f"long, so a larger {what} would save up to {saved:.0%} of the time for each row."
            ),
            measured={"cause": "small batches", "rows_at_once": at_once, "times_for_twice": twice, "saving": saved},
            threshold=BATCH_PAYS,
            threshold_from="share of the time for a row, in a forward pass of twice the rows",
        )

    def devices(self, record: Record) -> Finding | None:
        there = devices_of(record)
        best = best_processes(record) if there is not None and record.seconds >= LONG else None
        if there is None or best is None or best[1] < PROCESSES_PAY:
            return None
        processes, times = best
        what = f"one GPU of {there.devices}" if there.gpu is not None else f"one process on {there.devices} processors"
        return Finding(
            symptom="slow_training",
            severity=1 - 1 / times,
            message=(
                f"It was trained by {what}. {processes} processes: about {times:.1f} times as fast, by the plan "
                f"(melior train --processes {processes}; --plan shows it)."
            ),
            measured={"cause": "one device", "devices": there.devices, "processes": processes, "times": times,
                      "saving": 1 - 1 / times},
            threshold=PROCESSES_PAY,
            threshold_from="the time of a step and the bytes that processes would send, computed",
        )  # fmt: skip
