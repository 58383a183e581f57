"""A causal language model: a pretrained one that is taught further, or a small one from nothing."""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from melior.models._generator import Generator

RATES = {"lora": 2e-4, "last_k": 5e-5, "full": 2e-5}  # usual rates of fine-tuning with AdamW
FROM_NOTHING = 1e-3


class CausalLm(Generator):
    """Next-token prediction on texts, on answers to prompts, or on what the assistant says in chats.

    Radford et al., Language Models are Unsupervised Multitask Learners, 2019. LoRA: Hu et al., 2021.

    base           a transformers model by folder or name, or a GGUF file; none: a small model and its tokenizer from
                   the rows alone
    tuning         lora (a correction of low rank beside the layers), last_k (the last layers), full
    layers         of last_k, 1 or more
    rank, alpha    of LoRA: 1..4,096, and > 0; the correction counts alpha / rank times
    dropout        of LoRA's input, 0..1
    vocabulary     tokens of a tokenizer from nothing, 300..1,000,000
    width, depth, heads  of a model from nothing: states (a multiple of twice the heads), layers, heads
    context        most tokens of a row; none: what the model takes, at most 1,024 (256 from nothing)
    packed         several rows behind one another in a line, kept apart: less padding, the same loss
    epochs, steps  passes over the rows, or optimiser steps where given
    batch_rows     rows of a step
    learning_rate  the largest; none: 2e-4 for lora, 5e-5 for last_k, 2e-5 for full, 1e-3 from nothing
    optimizer      sgd, adam, adamw, rmsprop, adafactor, muon
    schedule       constant, linear, cosine, exponential, one_cycle, warmup_stable_decay
    warmup         share of the steps (below 1) or steps over which the rate rises
    weight_decay   >= 0
    clip_norm      longest gradient, > 0
    precision      auto (what the hardware does fast), float32, bfloat16, float16
    checkpointing  computes activations again instead of keeping them: slower, less memory
    checkpoint_every  steps (200) or time (90s, 5m) between checkpoints
    stop_share     share of the training rows that says when to stop; 0 trains to the end
    patience       validations without a better loss there until it stops
    answer_tokens  most tokens of an answer
    temperature    0 (default): the likeliest token each time; more: drawn, the freer the higher, up to 5
    top_p, top_k   when drawn: only the likeliest tokens, by their joint probability, by their number (0: all)
    repetition_penalty  1: none, 0.1..10
    stop           texts at which an answer ends
    device         auto, cpu, cuda
    micro_batch    rows computed at once; none: as many as fit; the step is the same
    average        decay of the moving average of the weights that is kept, 0..0.99999; 0 keeps the last ones
    compile        auto (for long trainings on a GPU), true, false
    non_finite     what is done with a step whose loss is no number: lower the rate, skip it, or stop
    log_to         tensorboard, mlflow: where training in a run is logged besides its history, if installed
    """

    files: ClassVar[tuple[str, ...]] = ("base",)

    base: str | None = None
    tuning: Literal["lora", "last_k", "full"] = "lora"
    layers: Annotated[int, Field(ge=1)] = 2
    rank: Annotated[int, Field(ge=1, le=4096)] = 8
    alpha: Annotated[float, Field(gt=0)] = 16.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    vocabulary: Annotated[int, Field(ge=300, le=1_000_000)] = 4000
    width: Annotated[int, Field(ge=8)] = 256
    depth: Annotated[int, Field(ge=1, le=200)] = 4
    heads: Annotated[int, Field(ge=1)] = 4
    context: Annotated[int, Field(ge=4)] | None = None
    packed: bool = True
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 3
    steps: Annotated[int, Field(ge=1)] | None = None
    batch_rows: Annotated[int, Field(ge=1)] = 16
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    optimizer: Literal["sgd", "adam", "adamw", "rmsprop", "adafactor", "muon"] = "adamw"
    schedule: Literal["constant", "linear", "cosine", "exponential", "one_cycle", "warmup_stable_decay"] = "cosine"
    warmup: Annotated[float, Field(ge=0)] = 0.05
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    checkpointing: bool = False
    checkpoint_every: int | str = "5m"
    stop_share: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    patience: Annotated[int, Field(ge=1)] = 2
    answer_tokens: Annotated[int, Field(ge=1)] = 128
    temperature: Annotated[float, Field(ge=0, le=5)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    top_k: Annotated[int, Field(ge=0)] = 0
    repetition_penalty: Annotated[float, Field(ge=0.1, le=10)] = 1.0
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    device: Literal["auto", "cpu", "cuda"] = "auto"
    micro_batch: Annotated[int, Field(ge=1)] | None = None
    average: Annotated[float, Field(ge=0, le=0.99999)] = 0.0
    compile: bool | Literal["auto"] = "auto"
    non_finite: Literal["lower", "skip", "stop"] = "lower"
    log_to: tuple[Literal["tensorboard", "mlflow"], ...] = ()

    @field_validator("checkpoint_every")
    @classmethod
    def is_steps_or_time(cls, given: int | str) -> int | str:
        if given < 0 if isinstance(given, int) else not re.fullmatch(r"\d+(\.\d+)?[smh]", given):
            raise ValueError('should be steps, such as 200, or time, such as "90s", "5m" or "1h"; 0: only at the end')
        return given

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        if self.base is None and self.width % (2 * self.heads):
            raise ValueError(f"width is {self.width} and must be a multiple of twice the {self.heads} heads")
        return self

    @property
    def rate(self) -> float:
        """The largest learning rate."""
        return self.learning_rate or (FROM_NOTHING if self.base is None else RATES[self.tuning])
