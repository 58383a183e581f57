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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from melior.engine.state import Place, Tensors
from melior.errors import UserError
from melior.storage import sha256, write_atomic

KEPT = 2


@dataclass
class Checkpoints:
    """The checkpoints in `folder`. training: a digest of what must be the same to go on (see `digest`)."""

    folder: Path
    training: str
    damaged: list[str] = field(default_factory=list)  # sentences about those that cannot be used

    def there(self) -> list[Path]:
        """All finished ones, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if path.name.isdigit())

    def write(self, tensors: Tensors, place: Place) -> Path:
        """A new checkpoint, verified; then the oldest beyond two are removed. An OSError leaves the older ones."""
        last = self.there()
        name = f"{int(last[-1].name) + 1 if last else 1:06d}"
        aside = self.folder / f".{name}.aside"
        self.clean()
        try:
            aside.mkdir(parents=True)
            _save(tensors, aside)
            self._verify(tensors, aside)
            files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in aside.iterdir()}
            state = {"training": self.training, "calm": place.calm, "place": place.to_dict(), "files": files}
            write_atomic(aside / "state.json", json.dumps(state, indent=1))
            _flush(aside)
            aside.rename(self.folder / name)
            _flush(self.folder)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        there = self.there()
        calm = [path for path in there if self._calm(path)]
        for path in there[:-KEPT]:
            if path not in calm[-1:]:
                shutil.rmtree(path)
        return self.folder / name

    def _verify(self, tensors: Tensors, folder: Path) -> None:
        """Reads back what was written and compares it, bit by bit."""
        for name, found in _load(folder).items():
            expected = tensors[name].to("cpu")
            if not torch.equal(_bits(found), _bits(expected)):
                raise OSError(f"{folder.name}: {name} was not read back as it was written")

    def clean(self) -> None:
        """Removes what a killed process left unfinished."""
        if self.folder.is_dir():
            for path in self.folder.glob(".*.aside"):
                shutil.rmtree(path, ignore_errors=True)

    def latest(self, *, calm: bool = False) -> tuple[Tensors, Place] | None:
        """The newest that is whole, or None; calm: of those that are good to go back to (see Place.calm). Those that
        are damaged are told in `damaged`, and removed by nobody."""
        for path in reversed(self.there()):
            if calm and not self._calm(path):
                continue
            fault = self._fault(path)
            if fault is None:
                state = json.loads((path / "state.json").read_bytes())
                if state["training"] != self.training:
                    raise UserError(
                        f"{self.folder.parent} holds a training of other settings, rows or weights: give the same "
                        "again to continue it, or another folder to start anew."
                    )
                return _load(path), Place.from_dict(state["place"])
            sentence = f"checkpoint {path.name} is damaged ({fault}) and is not used"
            if sentence not in self.damaged:
                self.damaged.append(sentence)
        return None

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


def digest(of: Any) -> str:
    """A short digest of plain values."""
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:16]


def _save(tensors: Tensors, folder: Path) -> None:
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    # every rank writes a file of its own, with the place of its shards in the whole
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    whole: dict[str, Any] = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is")
        try:
            save(whole, storage_writer=writer)
        except CheckpointException as error:  # of all ranks; a full disk is what it usually is
            cause: BaseException = next(iter(error.failures.values()))[0]
            raise cause from None


def _load(folder: Path) -> Tensors:
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    known = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    tensors: dict[str, Any] = {
        name: torch.empty(one.size, dtype=one.properties.dtype)  # type: ignore[union-attr]
        for name, one in known.items()
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is")
        load(tensors, storage_reader=HuggingFaceStorageReader(str(folder)))
    return tensors


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of a tensor: not-a-number equals itself there."""
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def _flush(folder: Path) -> None:
    """Makes the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
