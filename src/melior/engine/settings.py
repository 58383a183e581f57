"""How a training goes: every setting of the engine, checked."""

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from melior.layout import Layout

OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop", "adafactor", "muon"]
ScheduleName = Literal[
    "constant", "linear", "cosine", "exponential", "one_cycle", "warmup_stable_decay", "plateau"
]  # fmt: skip
PrecisionName = Literal["auto", "float32", "bfloat16", "float16"]
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Training(BaseModel):
    """Settings of one training. Frozen; the same settings, seed, rows and hardware give the same weights.

    epochs            passes over the rows, 1..100,000; `steps`, where given, counts instead
    steps             optimiser steps, or None
    batch_rows        rows of one step, over all micro-batches and devices; an epoch is cut evenly, so a step has at
                      most this many
    micro_batch       rows that go through the module at once; None: found from what a row needs, halved when memory
                      runs out
    learning_rate     highest rate, > 0
    optimizer         sgd (with momentum), adam, adamw, rmsprop, adafactor, muon (matrices inside; adamw for the rest)
    momentum          of sgd and muon, and the first moment of adam and adamw, 0..1
    second_moment     of adam and adamw, 0..1
    schedule          how the rate goes on after the warm-up (see schedules.py)
    warmup            linear warm-up: a share of all steps below 1, a number of steps from 1 on
    final_rate        where the schedule ends, as a share of learning_rate, 0..1
    decay             share of the steps that warmup_stable_decay takes to come down
    plateau_patience  validations without improvement until `plateau` multiplies the rate by plateau_factor
    weight_decay      on weights of two or more dimensions (matrices, kernels), not on biases and norms, >= 0
    l1                penalty on the absolute values of the same weights, added to the loss, >= 0
    clip_norm         gradients are scaled down to this norm over all weights; None: never
    clip_value        each entry of a gradient is cut to +- this, before the norm; None: never
    precision         auto: what the hardware does fast (device.py says what and why)
    by_length         rows of like length go together, so that little is padding
    same_rows         by_length only inside a step: which rows a step holds stays as it is without
    average           exponential moving average of the weights: the share of the old average kept at each step; 0 off
    validate_every    steps between validations; None: at the end of each epoch
    watch             what early stopping looks at: loss (lower is better), or a name that `measure` gives (higher is)
    patience          validations without improvement until training stops; 0: never
    keep              which weights the module has in the end: best (of the validations), last, or auto: best where
                      patience stops it
    checkpoint_every  steps (a number) or time ("90s", "5m", "1h") between checkpoints; 0: only at the end
    non_finite        a loss or gradient that is not finite: lower (back to the last good state, half the rate), skip
                      (that step is left out), stop
    spike             a step whose mean loss is above this times the running mean of the last ten or so halves the rate
                      from there on, at most once in ten steps; 0: never, else above 1
    compile           torch.compile; auto: on a GPU where there are steps enough to earn it back
    activation_checkpointing  blocks are computed again in the backward pass: less memory, about a third more time
    log_every         steps of one line of the history; None: some 400 lines in all
    log_to            "tensorboard", "mlflow": besides the history
    seed              of order, dropout and everything drawn
    device            auto: a GPU where there is one
    threads           CPU threads; 0: as torch has them
    parallel          how the ranks that were started together share the work (see layout.py); auto: by the plan (see
                      plan/auto.py); None: each alone
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 3
    steps: Annotated[int, Field(ge=1)] | None = None
    batch_rows: Annotated[int, Field(ge=1)] = 32
    micro_batch: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    optimizer: OptimizerName = "adamw"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    second_moment: Annotated[float, Field(ge=0, lt=1)] = 0.999
    schedule: ScheduleName = "linear"
    warmup: Annotated[float, Field(ge=0)] = 0.0
    final_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    decay: Annotated[float, Field(gt=0, le=1)] = 0.2
    plateau_patience: Annotated[int, Field(ge=0)] = 2
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    l1: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    clip_value: Annotated[float, Field(gt=0)] | None = None
    precision: PrecisionName = "auto"
    by_length: bool = True
    same_rows: bool = False
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    validate_every: Annotated[int, Field(ge=1)] | None = None
    watch: str = "loss"
    patience: Annotated[int, Field(ge=0)] = 0
    keep: Literal["auto", "best", "last"] = "auto"
    checkpoint_every: int | str = "5m"
    non_finite: Literal["lower", "skip", "stop"] = "lower"
    spike: Annotated[float, Field(ge=0)] = 0.0
    compile: bool | Literal["auto"] = "auto"
    activation_checkpointing: bool = False
    log_every: Annotated[int, Field(ge=1)] | None = None
    log_to: tuple[Literal["tensorboard", "mlflow"], ...] = ()
    seed: Annotated[int, Field(ge=0)] = 0
    device: str = "auto"
    threads: Annotated[int, Field(ge=0)] = 0
    parallel: Layout | Literal["auto"] | None = None

    @model_validator(mode="after")
    def makes_sense(self) -> Self:
        if isinstance(self.checkpoint_every, str) and not re.fullmatch(r"\d+(\.\d+)?[smh]", self.checkpoint_every):
            raise ValueError(f"checkpoint_every is steps (200) or a time (90s, 5m, 1h), not {self.checkpoint_every!r}")
        if isinstance(self.checkpoint_every, int) and self.checkpoint_every < 0:
            raise ValueError("checkpoint_every cannot be negative")
        if 0 < self.spike <= 1:
            raise ValueError(f"spike is times the usual loss, so above 1 (or 0: never), not {self.spike}")
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise ValueError(f"device is auto, cpu, cuda or cuda:NUMBER, not {self.device!r}")
        return self

    @property
    def checkpoint_steps(self) -> int | None:
        """Steps between checkpoints, or None where it goes by time or not at all."""
        return self.checkpoint_every or None if isinstance(self.checkpoint_every, int) else None

    @property
    def checkpoint_seconds(self) -> float | None:
        """Seconds between checkpoints, or None where it goes by steps or not at all."""
        if isinstance(self.checkpoint_every, int):
            return None
        return float(self.checkpoint_every[:-1]) * UNITS[self.checkpoint_every[-1]]

    @property
    def keeps_best(self) -> bool:
        return self.keep == "best" or (self.keep == "auto" and self.patience > 0)
