"""What all networks share: the settings of training, penalties and early stopping, and how a fitted one is kept.

A family says which module it is (`module` and its `plan`, both plain values) and how its matrix is encoded; building,
training on the engine, keeping and scoring are here and in `melior.networks`, which alone imports torch.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr, field_validator

from melior.data.table import Floats, LabelMatrix, Labels, Table
from melior.errors import UserError
from melior.features._base import Matrix
from melior.models._base import Hardware, MatrixScorer, Model, have_torch, known_codes, need_torch
from melior.models._place import PLACE
from melior.models.linear import Constant, spread

if TYPE_CHECKING:
    from melior.engine.settings import Training

Optimizer = Literal["sgd", "adam", "adamw", "rmsprop", "adafactor", "muon"]
Schedule = Literal["constant", "linear", "cosine", "exponential", "one_cycle", "warmup_stable_decay", "plateau"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Initialization = Literal["he", "xavier", "orthogonal"]
Activation = Literal["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid"]
Normalization = Literal["none", "batch", "layer", "rms"]

TUNINGS = {"none": "frozen", "last": "last_k", "all": "full"}  # what transfer learning calls them: what families do
DECAY = 0.01  # AdamW's usual weight decay
SHRINK = 1e-5  # what strength 1 of the L1 penalty is, on the mean loss of a row
LEAST_ROWS = 16  # a step on fewer is mostly noise
FEW_ROWS = 20_000  # below this threads wait for one another longer than they work
STEP_SECONDS = 0.003  # what a step costs beside its rows
WORTH_ROWS = 1000
MANY_CORES = 8
SHORT, LONG = 10.0, 120.0  # seconds of a fit that `model: auto` takes on few and on many cores
FEW_PICTURES = 10_000  # the same where there are pictures or words, which are more work a row


class NetworkModel(Model):
    """Base of the families that are networks. Its fields are how they are trained, the same for all.

    epochs         times that all rows are seen, 1..100,000; auto (none): enough steps for such a table
    batch_rows     rows of a step, 1..1,000,000; auto (none): by the number of rows
    micro_batch    rows computed at once, auto (none): as many as fit; the step is the same
    learning_rate  the largest, > 0; auto (none): the family's; found: by a range test on the training rows
    optimizer      sgd, adam, adamw, rmsprop, adafactor or muon
    schedule       constant, linear, cosine, exponential, one_cycle, warmup_stable_decay or plateau
    warmup         share of the steps over which the rate rises, 0..0.9
    weight_decay   L2 penalty, >= 0; beside the gradient with adamw, adafactor and muon, part of it with the others
    l1             penalty on the absolute weights, >= 0
    clip_norm      gradients longer than this are shortened to it; 0 leaves them
    clip_value     each gradient is cut to -clip_value..clip_value; 0 leaves them
    precision      auto (what the hardware does fast), float32, bfloat16 or float16
    by_length      batches of rows of like length, where rows have lengths
    average        decay of the moving average of the weights that is kept, 0..0.99999; 0 keeps the last ones
    spike          a step whose loss is above this times the usual halves the rate from there on; 0: never, else > 1
    stop_share     share of the training rows that says when to stop; 0 trains to the end on all rows
    patience       epochs without a better loss there until it stops
    non_finite     what is done with a step whose loss is no number: lower the rate, skip it, or stop
    checkpoint_every  steps (a number) or time ("90s", "5m", "1h") between checkpoints of the training in a run; 0: at
                   the end alone
    checkpointing  computes activations again instead of keeping them: slower, less memory
    compile        compiles the network first: pays for long trainings
    device         auto, cpu or cuda
    log_to         tensorboard, mlflow: where the final training in a run is logged besides its history, if installed
    """

    is_network: ClassVar[bool] = True
    can: ClassVar[frozenset[str]] = frozenset({"row_weights", "l1_penalty", "l2_penalty", "early_stopping", "going_on"})
    cost: ClassVar[int] = 5
    module: ClassVar[str]  # which class of melior.networks it builds, see `melior.networks.build`
    usual_rate: ClassVar[float] = 1e-3
    usual_decay: ClassVar[float] = DECAY  # what strength 1 of the L2 penalty is
    probes: ClassVar[bool] = False  # its last layer, `head`, may begin with what a logistic regression gives there
    exact: ClassVar[bool] = True  # scores are computed in double precision: the same whatever rows stand beside a row

    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    batch_rows: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    micro_batch: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=100)] | Literal["found"] | None = None
    optimizer: Optimizer = "adamw"
    schedule: Schedule = "cosine"
    warmup: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    weight_decay: Annotated[float, Field(ge=0, le=10_000)] = DECAY
    l1: Annotated[float, Field(ge=0, le=10)] = 0.0
    clip_norm: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    clip_value: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    precision: Precision = "auto"
    by_length: bool = True
    average: Annotated[float, Field(ge=0, le=0.99999)] = 0.0
    spike: Annotated[float, Field(ge=0, le=1000)] = 0.0
    stop_share: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    patience: Annotated[int, Field(ge=1, le=10_000)] = 20
    non_finite: Literal["lower", "skip", "stop"] = "lower"
    checkpoint_every: Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^\d+(\.\d+)?[smh]$")] = "5m"
    checkpointing: bool = False
    compile: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    log_to: tuple[Literal["tensorboard", "mlflow"], ...] = ()
    _methods: tuple[Any, ...] = PrivateAttr(default=())  # what acts inside training: put here by the recipe's methods

    @field_validator("spike")
    @classmethod
    def above_the_usual(cls, given: float) -> float:
        if 0 < given <= 1:
            raise ValueError("should be more than 1, times the usual loss, or 0: never")
        return given

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        shared = (NetworkModel.__doc__ or "").partition("\n\n")[2] if "NetworkModel" in globals() else ""
        if shared and shared not in (cls.__doc__ or ""):  # each family documents all its settings
            cls.__doc__ = f"{(cls.__doc__ or '').rstrip()}\n\n{shared}"

    # ---- what a family says

    @abstractmethod
    def plan(self, matrix: Matrix, classes: int) -> dict[str, Any]:
        """Plain values from which the module is built, the same each time: widths, sizes, kinds of layers. It is kept
        with the weights. matrix: the encoded training rows; classes: how many have rows."""

    def begun(self, matrix: Matrix, plan: dict[str, Any]) -> Mapping[str, NDArray[Any]]:
        """Arrays put into the new module before training, by their name in its state: pretrained weights."""
        return {}

    def measured(self, matrix: Matrix, weights: Floats | None, plan: dict[str, Any]) -> Mapping[str, NDArray[Any]]:
        """The same for what training rows say of means and quantiles. A row of weight 2 must count as two."""
        return {}

    def usual_epochs(self, rows: int) -> int:
        """Epochs where the recipe does not say: some 1,500 steps on small tables, fewer epochs on large ones."""
        return int(np.clip(1500 * self.usual_batch(rows) / max(rows, 1), 8, 60))

    def usual_batch(self, rows: int) -> int:
        """Rows of a step where the recipe does not say: a fortieth of the rows, 16 to 256."""
        return int(2 ** np.round(np.log2(np.clip(rows / 40, LEAST_ROWS, 256))))

    # ---- what methods change

    def taught_by(self, *methods: Any) -> Self:
        """The family with these acting inside its training, after those that it has: objects with the hooks network,
        batch, loss, forward and finished of `melior.methods._base.Method`, `acts` and `told`."""
        made = self.model_copy()
        made._methods = (*self._methods, *methods)
        return made

    @property
    def taught(self) -> str:
        return "".join(str(one.told) for one in self._methods)

    def penalized(self, *, l1: float | None = None, l2: float | None = None) -> Self:
        if l1 is not None:
            return self.model_copy(update={"l1": self.l1 + SHRINK * l1})
        assert l2 is not None
        return self.model_copy(update={"weight_decay": self.usual_decay * l2})

    def early_stopped(self, share: float, patience: int) -> Self:
        return self.model_copy(update={"stop_share": share, "patience": patience})

    def transferred(self, source: str, trained: str, layers: int) -> Self:
        """The family that begins with the pretrained model in the folder `source` (empty: the one that it names), of
        which `trained` says what is trained: none, the last `layers` or all layers. For families with the ability
        "transfer_learning"."""
        raise UserError(f"{self.name} has no pretrained form, so nothing can be transferred to it.")

    def pretrained_source(self) -> str:
        """The folder of the pretrained model that its settings name; empty where it begins from scratch."""
        return ""

    # ---- what it needs

    def unsuitable(self, table: Table) -> str | None:
        reason = super().unsuitable(table)
        if reason is None and not have_torch():
            reason = "networks need the extra 'networks': pip install 'melior[networks]'"
        return reason

    def untried(self, table: Table, hardware: Hardware) -> str | None:
        if hardware.gpu:
            return None
        if table.rows < WORTH_ROWS and not table.of_kind("image", "text"):
            return f"below {WORTH_ROWS:,} rows of numbers and categories networks seldom win"
        many = hardware.cores >= MANY_CORES
        seconds, most = self.seconds(table), (LONG if many else SHORT)
        if seconds <= most:
            return None
        how_long = f"{seconds / 60:,.0f} minutes" if seconds > 90 else f"{seconds:,.0f} seconds"
        return f"one fit takes some {how_long} on {hardware.cores} cores without a GPU"

    def seconds(self, table: Table) -> float:
        """About how long a fit with these settings takes on one core, from the steps and the work of a row."""
        rows = max(table.rows, 1)
        epochs, batch = self.epochs or self.usual_epochs(rows), self.batch_rows or self.usual_batch(rows)
        return epochs * rows * (self.row_seconds(table) + STEP_SECONDS / batch)

    def row_seconds(self, table: Table) -> float:
        """Seconds of one core to train on one row once."""
        return 5e-5

    def reads_lengths(self, table: Table) -> bool:
        """Whether rows of such a table have lengths, so that batches by length save work."""
        return False

    def reads_pixels(self) -> bool:
        """Whether it is shown the pixels of pictures at each step, so that methods can vary them."""
        return False

    # ---- fitting

    def fit(
        self,
        matrix: Matrix,
        labels: Labels,
        weights: Floats | None,
        classes: int,
        *,
        seed: int,
        threads: int = 1,
    ) -> MatrixScorer:
        present, codes = np.unique(labels, return_inverse=True)
        if len(present) < 2 or (matrix.features == 0 and not matrix.parts):
            return Constant.fitted(labels, weights, classes)
        return self._trained(matrix, codes, weights, present, classes, seed=seed, threads=threads)

    def fit_on(
        self,
        start: MatrixScorer,
        matrix: Matrix,
        labels: Labels,
        weights: Floats | None,
        classes: int,
        *,
        amount: float,
        seed: int,
        threads: int = 1,
    ) -> MatrixScorer:
        """Training goes on with the weights of the earlier fit, for a share of the usual epochs."""
        if not isinstance(start, NetworkScorer):
            return self.fit(matrix, labels, weights, classes, seed=seed, threads=threads)
        codes = known_codes(labels, start.present, self.name)
        epochs = self.epochs or self.usual_epochs(matrix.rows)
        shorter = self.model_copy(update={"epochs": max(1, round(epochs * amount))})
        return shorter._trained(matrix, codes, weights, start.present, classes, seed=seed, threads=threads, start=start)

    def untrained(
        self, matrix: Matrix, labels: Labels, weights: Floats | None, classes: int, *, seed: int, threads: int = 1
    ) -> "NetworkScorer":
        """The network as a fit on these rows begins, pretrained weights in place: what several fits go on from."""
        need_torch(f"model.{self.name}")
        from melior.networks.fitting import beginning, counting, probed_head

        present, codes = np.unique(labels, return_inverse=True)
        rows = counting(matrix, codes, weights)
        plan = self.plan(rows.matrix, len(present))
        begun = {**self.measured(rows.matrix, rows.weights, plan), **self.begun(rows.matrix, plan)}
        if self.probes and self.pretrained_source():
            begun |= probed_head(
                self.module, plan, begun, rows, self.training(len(rows), seed=seed, threads=threads, stops=False)
            )
        state = beginning(self.module, plan, begun, seed)
        return NetworkScorer(self.module, plan, state, present, classes, exact=self.exact)

    def rate(self) -> float:
        """The largest learning rate, where none is found by a range test."""
        return self.learning_rate if isinstance(self.learning_rate, float) else self.family_rate()

    def family_rate(self) -> float:
        """The learning rate of the family, where the recipe does not say."""
        return self.usual_rate

    def fit_labels(
        self, matrix: Matrix, labels: LabelMatrix, weights: Floats | None, *, seed: int, threads: int = 1
    ) -> MatrixScorer:
        """One network for all labels: a logit for each, the sum of their binary cross-entropies as the loss."""
        if matrix.features == 0 and not matrix.parts:
            return super().fit_labels(matrix, labels, weights, seed=seed, threads=threads)
        every = np.arange(labels.shape[1])
        marks = labels.astype(np.float32)
        return self._trained(matrix, marks, weights, every, len(every), seed=seed, threads=threads, several=True)

    def _trained(
        self,
        matrix: Matrix,
        codes: NDArray[Any],
        weights: Floats | None,
        present: NDArray[Any],
        classes: int,
        *,
        seed: int,
        threads: int,
        several: bool = False,
        start: "NetworkScorer | None" = None,
    ) -> MatrixScorer:
        """codes (rows,) numbers into `present`, or (rows, labels) of 0 and 1 where rows have `several` labels. start:
        an earlier fit in the same encoding, whose weights are gone on with."""
        need_torch(f"model.{self.name}")
        from melior.networks.fitting import counting, fitted, probed_head, put_aside

        whole = counting(matrix, codes, weights)
        rows, valid = put_aside(whole, self.stop_share, seed)
        if start is None:
            plan = self.plan(whole.matrix, len(present))
            begun = {**self.measured(rows.matrix, rows.weights, plan), **self.begun(whole.matrix, plan)}
        else:
            plan, begun = start.plan, dict(start.state)
        few = len(rows) < (FEW_PICTURES if matrix.parts else FEW_ROWS)
        settings = self.training(len(rows), seed=seed, threads=1 if few else threads, stops=valid is not None)
        if start is None and self.probes and self.pretrained_source():
            begun |= probed_head(self.module, plan, begun, rows, settings)
        where = PLACE.get()
        if where.interrupted:
            raise KeyboardInterrupt  # a fit of several networks: the rest of them is to come
        trained = fitted(
            self.module,
            plan,
            begun,
            rows,
            settings,
            valid=valid,
            find_rate=self.learning_rate == "found",
            folder=where.next_folder(),
            progress=where.progress,
            several=several,
            methods=self._methods,
        )
        if trained.interrupted and not (where.folder and where.unfinished_counts):
            raise KeyboardInterrupt
        where.interrupted = trained.interrupted
        state = trained.state
        return NetworkScorer(self.module, plan, state, present, classes, exact=self.exact, several=several)

    def training(self, rows: int, *, seed: int, threads: int, stops: bool) -> "Training":
        """The engine's settings for so many rows; stops: there are rows put aside that say when to stop."""
        from melior.engine.settings import Training

        return Training(
            epochs=self.epochs or self.usual_epochs(rows),
            batch_rows=min(self.batch_rows or self.usual_batch(rows), rows),
            micro_batch=self.micro_batch,
            learning_rate=self.rate(),
            optimizer=self.optimizer,
            schedule=self.schedule,
            warmup=self.warmup,
            weight_decay=self.weight_decay,
            l1=self.l1,
            clip_norm=self.clip_norm or None,
            clip_value=self.clip_value or None,
            precision=self.precision,
            by_length=self.by_length,
            average=self.average,
            spike=self.spike,
            patience=self.patience if stops else 0,
            non_finite=self.non_finite,
            compile=self.compile,
            activation_checkpointing=self.checkpointing,
            checkpoint_every=self.checkpoint_every,
            seed=seed,
            device=self.device,
            threads=threads,
            log_to=self.log_to if PLACE.get().folder else (),  # trials are not logged
            parallel=PLACE.get().parallel,
        )


class NetworkScorer(MatrixScorer):
    """A trained network: which module, its plan, its weights by name, and the classes seen in training; whether rows
    may have several of them."""

    def __init__(
        self,
        module: str,
        plan: dict[str, Any],
        state: dict[str, NDArray[Any]],
        present: NDArray[Any],
        classes: int,
        *,
        exact: bool = True,
        several: bool = False,
    ) -> None:
        self.module = module
        self.plan = plan
        self.state = state
        self.present = np.asarray(present, dtype=np.int32)
        self.classes = classes
        self.exact = exact
        self.several = several

    def scores(self, matrix: Matrix) -> Floats:
        if not matrix.rows:
            return np.zeros((0, self.classes))
        need_torch("a network")
        from melior.networks.scoring import probabilities

        found = probabilities(self.network(), matrix, exact=self.exact, several=self.several)
        return spread(found, self.present, self.classes)

    def network(self) -> Any:
        """The torch module with its weights, in evaluation mode; built once, never written to disk."""
        built = getattr(self, "_network", None)
        if built is None:
            from melior.networks.scoring import rebuilt

            built = self._network = rebuilt(self.module, self.plan, self.state, exact=self.exact)
        return built
