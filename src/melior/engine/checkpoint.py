"""Checkpoints: written aside by torch.distributed.checkpoint, verified, renamed, and only then is an older one removed.

A checkpoint is a folder with shards in safetensors (one a rank; no pickle, which DCP's own format would bring) and
`state.json`: where the training stands, and size and SHA-256 of every file. The newest two are kept, so that there is
one to fall back on, and the newest of before the loss ran away, where it did.
"""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from melior.engine.parallel.mesh import Mesh
from melior.engine.parallel.spread import local
from melior.engine.settings import Training
from melior.engine.state import Place, State, Tensors, frozen, shapes
from melior.errors import UserError
from melior.layout import Layout
from melior.storage import sha256, write_atomic

KEPT = 2
NOT_NUMERICS = {
    "device",
    "threads",
    "checkpoint_every",
    "log_every",
    "log_to",
    "compile",
    "micro_batch",
    "precision",
    "parallel",
}


class Held:
    """A state as it is now: a copy of its tensors on the CPU, where a thread beside the training has nothing to do with
    the GPU of the one that trains."""

    def __init__(self, state: State) -> None:
        self.copies = state.snapshot()

    def tensors(self) -> Tensors:
        return self.copies

    def wanted(self, name: str) -> Tensor | None:
        """See `State.wanted`: here the copy is what says how a tensor is dealt out."""
        return self.copies.get(name)


@dataclass
class Checkpoints:
    """The checkpoints in `folder`. training: a digest of what must be the same to go on (see `digest`)."""

    folder: Path
    training: str
    mesh: Mesh = field(default_factory=Mesh)
    damaged: list[str] = field(default_factory=list)  # sentences about those that cannot be used
    _thread: Thread | None = field(default=None, repr=False)
    _fault_beside: Exception | None = field(default=None, repr=False)
    _beside: "Checkpoints | None" = field(default=None, repr=False)

    def there(self) -> list[Path]:
        """All finished ones, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if path.name.isdigit())

    def later(self, state: State, place: Place) -> None:
        """Begins a new checkpoint from a copy, and comes back; what goes wrong with it is raised by the next `wait`."""
        self.wait()
        if self._beside is None:
            self._beside = replace(self, mesh=self.mesh.aside())
        beside, held, here = self._beside, Held(state), place.copy()

        def work() -> None:
            try:
                beside.write(held, here)
            except Exception as error:  # raised again by `wait`, on the thread that trains
                self._fault_beside = error

        self._thread = Thread(target=work, name="checkpoint")
        self._thread.start()

    def wait(self) -> None:
        """Until the checkpoint that was begun is written; an OSError where it could not be, or what else went wrong."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        fault, self._fault_beside = self._fault_beside, None
        if fault is not None:
            raise fault

    def write(self, state: "State | Held", place: Place) -> Path:
        """A new checkpoint, verified; then the oldest beyond two are removed. An OSError leaves the older ones. All
        ranks together: each writes its part, the first what is written once."""
        last = self.there()
        name = f"{int(self.mesh.most(int(last[-1].name) if last else 0)) + 1:06d}"
        aside = self.folder / f".{name}.aside"
        fault: BaseException | None = None
        try:
            if self.mesh.first:
                self.clean()
                aside.mkdir(parents=True)
        except OSError as error:
            fault = error
        if not self.mesh.any(fault is not None):
            try:
                tensors = state.tensors()
                _save(tensors, aside, self.mesh.group)
                self._verify(tensors, aside, state)
            except OSError as error:
                fault = error
        if not self.mesh.any(fault is not None) and self.mesh.first:
            try:
                self._finish(aside, name, place)
            except OSError as error:
                fault = error
        if self.mesh.any(fault is not None):  # all ranks say so, or none does
            if self.mesh.first:
                shutil.rmtree(aside, ignore_errors=True)
            raise fault or OSError(f"{aside.name}: another rank could not write its part")
        return self.folder / name

    def _finish(self, aside: Path, name: str, place: Place) -> None:
        """What one rank does for all: names and digests of the files, the new name, and older ones removed."""
        files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in aside.iterdir()}
        state = {"training": self.training, "calm": place.calm, "place": place.to_dict(), "files": files}
        write_atomic(aside / "state.json", json.dumps(state, indent=1))
        _flush(aside)
        aside.rename(self.folder / name)
        _flush(self.folder)
        there = self.there()
        calm = [path for path in there if self._calm(path)]
        for path in there[:-KEPT]:
            if path not in calm[-1:]:
                shutil.rmtree(path)

    def _verify(self, tensors: Tensors, folder: Path, state: "State | Held") -> None:
        """Reads back what this rank wrote and compares it, bit by bit."""
        for name, found in _load(folder, state, set(tensors), self.mesh.group).items():
            if not torch.equal(_bits(found), _bits(tensors[name])):
                raise OSError(f"{folder.name}: {name} was not read back as it was written")

    def clean(self) -> None:
        """Removes what a killed process left unfinished."""
        if self.folder.is_dir():
            for path in self.folder.glob(".*.aside"):
                shutil.rmtree(path, ignore_errors=True)

    def latest(self, state: State, *, calm: bool = False) -> tuple[Tensors, Place] | None:
        """The newest that is whole, or None; calm: of those that are good to go back to (see Place.calm). Those that
        are damaged are told in `damaged`, and removed by nobody."""
        for path in reversed(self.there()):
            if calm and not self._calm(path):
                continue
            fault = self._fault(path)
            if fault is None:
                kept = json.loads((path / "state.json").read_bytes())
                if kept["training"] != self.training:
                    raise UserError(
                        f"{self.folder.parent} holds a training of other settings, rows or weights: give the same "
                        "again to continue it, or another folder to start anew."
                    )
                return self._mine(_load(path, state), state), Place.from_dict(kept["place"])
            sentence = f"checkpoint {path.name} is damaged ({fault}) and is not used"
            if sentence not in self.damaged:
                self.damaged.append(sentence)
        return None

    def _mine(self, tensors: Tensors, state: State) -> Tensors:
        """Where ranks stepped alone and there are now more of them, the new ones begin like one of the old."""
        if not state.own:
            return tensors
        ranks = {int(part.partition("-")[2]) for name in tensors if "-" in (part := name.partition(".")[0])}
        other = f"-{self.mesh.rank % max(len(ranks), 1)}"
        found = {}
        for name, one in tensors.items():
            part, _, rest = name.partition(".")
            if "-" not in part:
                found[name] = one
            elif part.endswith(other):
                found[f"{part.removesuffix(other)}{state.own}.{rest}"] = one
        return found

    def _calm(self, path: Path) -> bool:
        try:
            return bool(json.loads((path / "state.json").read_bytes())["calm"])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _fault(self, path: Path) -> str | None:
        """What is wrong with a checkpoint, or None."""
        try:
            files = json.loads((path / "state.json").read_bytes())["files"]
        except FileNotFoundError:
            return "state.json is missing"
        except (OSError, ValueError, KeyError, TypeError):
            return "state.json cannot be read"
        for name, expected in files.items():
            file = path / name
            if not file.exists():
                return f"{name} is missing"
            if file.stat().st_size != expected["bytes"]:
                return f"{name} has {file.stat().st_size:,} of {expected['bytes']:,} bytes"
            if sha256(file) != expected["sha256"]:
                return f"{name} has changed"
        return None


def begun_in(folder: Path) -> str:
    """The type of products (see Place.dtype) in which the training with these checkpoints was computed last; empty
    where that is not known."""
    for path in reversed(Checkpoints(folder, "").there()):
        try:
            return str(json.loads((path / "state.json").read_bytes())["place"]["dtype"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return ""


def same_training(settings: Training, layout: Layout, rows: int, module: nn.Module, lessons: Sequence[str] = ()) -> str:
    """What must be the same to go on with a training; on how many ranks is not among it, but for steps that each of
    them makes alone."""
    kept = settings.model_dump(mode="json", exclude=NOT_NUMERICS)
    if layout.local_steps:
        kept["local_steps"] = [layout.local_steps, layout.outer_rate, layout.outer_momentum]
    if lessons:
        kept["lessons"] = list(lessons)
    return digest([kept, rows, shapes(module), frozen(module)])


def digest(of: Any) -> str:
    """A short digest of plain values."""
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:16]


def _save(tensors: Tensors, folder: Path, group: Any = None) -> None:
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    # every rank writes a file of its own, with the place of its shards in the whole
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    whole: dict[str, Any] = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is")
        try:
            save(whole, storage_writer=writer, process_group=group)
        except CheckpointException as error:  # of all ranks; a full disk is what it usually is
            cause: BaseException = next(iter(error.failures.values()))[0]
            raise cause from None


def _load(folder: Path, state: "State | Held", names: set[str] | None = None, group: Any = None) -> Tensors:
    """The tensors of a checkpoint in which this rank has a part, dealt out as its own are; names: of these alone."""
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    tensors: dict[str, Any] = {}
    for name, one in HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata.items():
        like = state.wanted(name)
        if like is None or (names is not None and name not in names):
            continue
        size, dtype = one.size, one.properties.dtype  # type: ignore[union-attr]
        if isinstance(like, DTensor) and like.size() == size:
            tensors[name] = torch.empty_like(like.detach(), dtype=dtype)
        else:
            tensors[name] = torch.empty(size, dtype=dtype)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is")
        load(tensors, storage_reader=HuggingFaceStorageReader(str(folder)), process_group=group)
    return tensors


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of a tensor: not-a-number equals itself there."""
    return local(tensor.detach()).to("cpu").contiguous().reshape(-1).view(torch.uint8)


def _flush(folder: Path) -> None:
    """Makes the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
