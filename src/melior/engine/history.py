"""What happened, line by line: kept in memory, in `history.jsonl`, and in TensorBoard or MLflow where asked for."""

import json
from contextlib import suppress
from math import isfinite
from pathlib import Path
from time import monotonic
from typing import Any, Protocol, TextIO

from melior.errors import UserError
from melior.storage import write_atomic

FLUSH = 1.0  # seconds after which lines are written through

Line = dict[str, Any]


class Sink(Protocol):
    def write(self, line: Line) -> None: ...
    def close(self) -> None: ...


class History:
    """Lines of six kinds, each with `kind` and `step` (steps done):

    start   what it is about, see start.start
    step    loss (mean over what counted since the last such line), rate, norm (of the gradient before clipping, the
            largest since then), rows_per_second, tokens_per_second, padding (share of all tokens), waited (share of
            the time that batches were waited for), memory_mib (peak), seconds (since the beginning)
    valid   loss, and what `measure` gave
    layers  layers, units and signals (see norms.Layers.after)
    meet    where ranks step alone (see parallel/local_steps.py): apart (how far their weights were, as a share of the
            weights' length), steps (that each made alone), sent_bytes (by each rank so far), every_step_bytes (what
            summing gradients at every step would have sent)
    event   name: non_finite, spike, out_of_memory, compile, checkpoint; what: a sentence; more by name: micro_batch
            (rows at once from here on; 0: not even one) and before; data (whether rows are at fault), rows, at (the
            step that broke, where training went back) and rate (the factor of the rate from here on)

    Going back to a checkpoint drops the lines after it: those steps are done again.
    """

    def __init__(self, folder: Path | None, sinks: list[Sink]) -> None:
        self.path = folder / "history.jsonl" if folder is not None else None
        self.lines: list[Line] = []
        self.sinks = sinks
        self._file: TextIO | None = None
        self._behind = False
        self._flushed = monotonic()
        if self.path is not None and self.path.exists():
            self.lines = read(self.path)

    def add(self, line: Line) -> None:
        plain: Line = _plain(line)
        self.lines.append(plain)
        if self.path is not None and not self._behind:
            try:
                if self._file is None:
                    self._file = self.path.open("a", encoding="utf-8")
                self._file.write(json.dumps(plain) + "\n")
            except OSError:
                self._let_go(behind=True)
        if monotonic() - self._flushed > FLUSH:
            self.flush()
        for sink in self.sinks:
            sink.write(plain)

    def flush(self) -> None:
        """Lets other processes see every line. A full disk ends no training: the file is written whole later on."""
        self._flushed = monotonic()
        try:
            if self._behind:
                self._whole()
            elif self._file is not None:
                self._file.flush()
        except OSError:
            self._let_go(behind=True)

    def back_to(self, lines: int) -> None:
        """Drops every line after the first `lines`."""
        if len(self.lines) <= lines:
            return
        self.lines = self.lines[:lines]
        self._let_go(behind=True)
        self.flush()

    def _whole(self) -> None:
        assert self.path is not None
        write_atomic(self.path, "".join(json.dumps(line) + "\n" for line in self.lines))
        self._behind = False

    def _let_go(self, *, behind: bool) -> None:
        """Closes the file; behind: what it holds is no longer what it should hold."""
        self._behind = self.path is not None and (behind or self._behind)
        if self._file is not None:
            with suppress(OSError):  # what could not be written before can still not be
                self._file.close()
            self._file = None

    def close(self) -> None:
        self.flush()
        self._let_go(behind=False)
        for sink in self.sinks:
            sink.close()


def read(path: Path) -> list[Line]:
    """The lines of a history file; one that a kill cut short ends it."""
    lines: list[Line] = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def sinks(names: tuple[str, ...], folder: Path | None) -> list[Sink]:
    """TensorBoard writes into the folder of the training; MLflow to wherever its own settings say."""
    if "tensorboard" in names and folder is None:
        raise UserError("log_to: tensorboard needs a folder to write to; train in a run.")
    return [TensorBoard(folder or Path()) if name == "tensorboard" else MLflow() for name in names]


class TensorBoard:
    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError("log_to: tensorboard is not installed: pip install tensorboard.") from None
        self.writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def write(self, line: Line) -> None:
        for name, value in scalars(line).items():
            self.writer.add_scalar(name, value, line["step"])

    def close(self) -> None:
        self.writer.close()


class MLflow:
    def __init__(self) -> None:
        try:
            import mlflow  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            raise UserError("log_to: mlflow is not installed: pip install mlflow.") from None
        self.mlflow: Any = mlflow
        self.mlflow.start_run(nested=True)

    def write(self, line: Line) -> None:
        found = scalars(line)
        if found:
            self.mlflow.log_metrics(found, step=line["step"])

    def close(self) -> None:
        self.mlflow.end_run()


def scalars(line: Line) -> dict[str, float]:
    """The numbers of a line, as `train/loss`, `valid/loss`."""
    if line["kind"] not in ("step", "valid"):
        return {}
    part = "train" if line["kind"] == "step" else "valid"
    numbers = {name: value for name, value in line.items() if isinstance(value, int | float) and name != "step"}
    return {f"{part}/{name}": float(value) for name, value in numbers.items()}


def _plain(value: Any) -> Any:
    """Plain values, with six digits and None for what is no number."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.9g}") if isfinite(value) else None
    return value
