"""How one training is spread over processes: `train.parallel` of a recipe."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Schedule = Literal["1f1b", "gpipe"]


class Layout(BaseModel):
    """Ranks along three axes: data (each has its share of the rows of a step), tensor (each has its share of every
    matrix) and pipeline (each has some of the layers). data x tensor x pipeline is the number of ranks.

    data            ranks that share the rows; auto: all that the other axes leave
    sharded         weights, gradients and the optimiser's state are dealt out over the data ranks and gathered layer by
                    layer when needed (Zhao et al., PyTorch FSDP, VLDB 2023); off: each has a copy of all (DDP)
    tensor          ranks that share each matrix (Shoeybi et al., Megatron-LM, 2019), >= 1
    pipeline        ranks that share the layers, >= 1; cut so that the slowest takes as little time as can be, measured
                    at the start. What a stage has is shared further by tensor ranks, and by data ranks where sharded
    schedule        of the pipeline: 1f1b keeps the activations of few micro-batches (Narayanan et al., PipeDream,
                    SOSP 2019), gpipe those of all of a step (Huang et al., GPipe, NeurIPS 2019)
    pieces          micro-batches of a step of the pipeline, as far as there are rows; None: as many as micro_batch asks
                    for, else four a stage. With p stages and m pieces the share (p - 1) / (m + p - 1) of the time is
                    spent waiting
    local_steps     steps that each data rank makes alone before weights are averaged; 0: never alone, gradients are
                    summed at every step, which gives the answer of one process
    outer_rate      of the step from the last common weights towards the mean of the ranks', > 0; 1 with outer_momentum
                    0 is the plain mean (McMahan et al., Communication-Efficient Learning, AISTATS 2017)
    outer_momentum  Nesterov's, 0..1. Douillard et al., DiLoCo, 2023 take 0.7 and 0.9 with 500 local steps; with few
                    and large steps that overshoots
    background      checkpoints are written while training goes on, from a copy in memory of what they hold
    timeout         seconds after which a rank that waits for another gives up

    >>> Layout(tensor=2).ranks_per_copy
    2
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    sharded: bool = False
    tensor: Annotated[int, Field(ge=1)] = 1
    pipeline: Annotated[int, Field(ge=1)] = 1
    schedule: Schedule = "1f1b"
    pieces: Annotated[int, Field(ge=1)] | None = None
    local_steps: Annotated[int, Field(ge=0)] = 0
    outer_rate: Annotated[float, Field(gt=0, le=2)] = 1.0
    outer_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    background: bool = False
    timeout: Annotated[float, Field(gt=0)] = 600.0

    @model_validator(mode="after")
    def goes_together(self) -> Self:
        if self.local_steps and (self.sharded or self.tensor > 1 or self.pipeline > 1):
            raise ValueError(
                "local_steps are for ranks that each have a copy of all weights: take sharded, tensor and pipeline out"
            )
        if self.local_steps and self.data == 1:
            raise ValueError("local_steps need data ranks to average over")
        return self

    @property
    def ranks_per_copy(self) -> int:
        """Ranks that together hold one copy of the weights (of a data rank, where not sharded)."""
        return self.tensor * self.pipeline

    def fits(self, ranks: int) -> "Layout":
        """The same with the number of data ranks; ValueError where so many ranks cannot be laid out so."""
        rest, left = divmod(ranks, self.ranks_per_copy)
        asked = rest if self.data == "auto" else self.data
        if left or asked * self.ranks_per_copy != ranks:
            axes = f"data {self.data} x tensor {self.tensor} x pipeline {self.pipeline}"
            raise ValueError(f"train.parallel: {axes} does not make {ranks} ranks; change an axis or --processes")
        return self.model_copy(update={"data": asked})

    def __str__(self) -> str:
        kind = f"local steps, averaged every {self.local_steps}" if self.local_steps else ""
        kind = kind or ("sharded" if self.sharded else "replicated")
        parts = [f"data {self.data} ({kind})"] if self.data != 1 else []
        parts += [f"tensor {self.tensor}"] if self.tensor > 1 else []
        parts += [f"pipeline {self.pipeline} ({self.schedule})"] if self.pipeline > 1 else []
        return " x ".join(parts) or "one rank"
