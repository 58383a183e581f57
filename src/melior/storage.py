"""Fitted objects to disk and back without executing anything.

A fitted object is a tree of plain values, numpy arrays and other fitted objects. It is written as two files:
`NAME.json` holds the tree, `NAME.safetensors` its arrays. Reading rebuilds the tree: a class is looked up by name
among the subclasses of `Fitted` inside this package and made without calling its constructor, so a file can only
ever name what the package itself defines, and no code comes from the file.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile, mkstemp
from typing import Any, ClassVar, Self
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from melior.errors import UserError

Arrays = dict[str, NDArray[Any]]
ASIDE = ".aside"  # ends the name of a file that is not whole yet
LONG_TEXT = 4096  # a longer string is kept as bytes beside the arrays, so that the JSON stays readable


class Fitted:
    """Base of everything that learns from rows and is kept: steps, scorers, calibrators, predictors.

    Subclasses put what they keep in instance attributes made of None, bool, int, float, str, list, tuple, dict with
    string keys, numpy arrays, scipy CSR matrices and other Fitted objects. Attributes that start with an underscore
    are caches and are not written.
    """

    kinds: ClassVar[dict[str, type["Fitted"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Fitted.kinds[cls.__name__] = cls

    def kept(self) -> dict[str, Any]:
        """What is written: every attribute but the caches."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle that somebody else makes holds: the same, so that no cache of rows goes with it."""
        return self.kept()

    @classmethod
    def rebuilt(cls, kept: dict[str, Any]) -> Self:
        """The object from what was written."""
        made = cls.__new__(cls)
        vars(made).update(kept)
        return made


def pack(value: Any, arrays: Arrays, seen: dict[int, int] | None = None) -> Any:
    """The JSON tree of a value; arrays are put aside in `arrays` under a number of their own.

    An object that occurs twice (the encoding that the members of an ensemble share) is written once.
    """
    seen = {} if seen is None else seen

    def put(array: NDArray[Any]) -> str:
        key = str(len(arrays))
        arrays[key] = np.ascontiguousarray(array)
        return key

    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, str):
        if len(value) < LONG_TEXT:
            return value
        return {"$text": put(np.frombuffer(value.encode("utf-8", "surrogatepass"), dtype=np.uint8))}
    if isinstance(value, np.generic):
        return pack(value.item(), arrays, seen)
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "OUS":
            raise TypeError("arrays of objects or strings are not kept: use a list")
        return {"$array": put(value), "shape": list(value.shape)}
    if isinstance(value, list):
        return [pack(item, arrays, seen) for item in value]
    if isinstance(value, tuple):
        return {"$tuple": [pack(item, arrays, seen) for item in value]}
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a dict cannot be kept unless its keys are strings")
        return {"$dict": [[key, pack(item, arrays, seen)] for key, item in value.items()]}
    if isinstance(value, Fitted):
        if id(value) in seen:
            return {"$same": seen[id(value)]}
        seen[id(value)] = number = len(seen)
        return {"$fitted": type(value).__name__, "number": number, "kept": pack(value.kept(), arrays, seen)}
    if type(value).__name__ in ("csr_matrix", "csr_array"):
        parts = (value.data, value.indices, value.indptr)
        return {"$csr": [put(part) for part in parts], "shape": list(value.shape)}
    raise TypeError(f"{type(value).__name__} cannot be kept: use plain values, arrays and Fitted objects")


def unpack(tree: Any, arrays: Arrays, made: dict[int, Fitted] | None = None) -> Any:
    """The value that `pack` was given."""
    made = {} if made is None else made  # by number, for what occurs twice
    if isinstance(tree, list):
        return [unpack(item, arrays, made) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if "$dict" in tree:
        return {key: unpack(item, arrays, made) for key, item in tree["$dict"]}
    if "$array" in tree:
        return arrays[tree["$array"]].reshape(tree["shape"])
    if "$float" in tree:
        return float(tree["$float"])
    if "$text" in tree:
        return arrays[tree["$text"]].tobytes().decode("utf-8", "surrogatepass")
    if "$tuple" in tree:
        return tuple(unpack(item, arrays, made) for item in tree["$tuple"])
    if "$csr" in tree:
        from scipy.sparse import csr_matrix

        data, indices, indptr = (arrays[key] for key in tree["$csr"])
        matrix = csr_matrix((data, indices, indptr), shape=tuple(tree["shape"]))
        matrix.check_format(full_check=True)  # compiled code follows these numbers without looking
        return matrix
    if "$same" in tree:
        return made[tree["$same"]]
    if "$fitted" in tree:
        name = tree["$fitted"]
        if name not in Fitted.kinds:
            raise UserError(f"{name!r} is not known to this version of melior: use the version that made the run.")
        rebuilt = Fitted.kinds[name].rebuilt(unpack(tree["kept"], arrays, made))
        made[tree["number"]] = rebuilt
        return rebuilt
    raise UserError(f"a stored object has an unknown part ({', '.join(sorted(tree))}): the file is damaged or newer.")


def save_fitted(value: Fitted, folder: Path, name: str) -> list[Path]:
    """Writes `name`.json and `name`.safetensors in `folder`; returns their paths."""
    from safetensors.numpy import save

    arrays: Arrays = {}
    tree = pack(value, arrays)
    # safetensors knows no zero-dimensional arrays of every type alike: each is stored flat, its shape in the tree
    flat = {key: array.reshape(-1) for key, array in arrays.items()}
    tree_path, array_path = folder / f"{name}.json", folder / f"{name}.safetensors"
    write_atomic(array_path, save(flat))
    write_atomic(tree_path, json.dumps(tree, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass"))
    return [tree_path, array_path]


def load_fitted(folder: Path, name: str) -> Any:
    """The object that `save_fitted` wrote. Nothing in the files is executed."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    from melior.registry import import_rooms

    import_rooms()
    tree_path, array_path = folder / f"{name}.json", folder / f"{name}.safetensors"
    try:
        tree = json.loads(tree_path.read_bytes())
        arrays = load(array_path.read_bytes())
        return unpack(tree, arrays)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is missing: the run is incomplete; train it again.") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise UserError(f"{tree_path} is damaged (not JSON): restore it from a copy or train the run again.") from None
    except UserError as error:
        raise UserError(f"{tree_path}: {error}") from None
    except SafetensorError as error:
        raise UserError(f"{array_path} is damaged ({error}): restore it from a copy or train the run again.") from None
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{tree_path} does not fit {array_path.name}, one of them is damaged: restore both from a copy or train "
            "the run again."
        ) from None


def writable_file(path: Path) -> None:
    """Refuses a path where no file can be made, before the work whose result it is to hold; makes nothing."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file.")
    _try_in(path.absolute().parent, path, partial(NamedTemporaryFile, prefix=f".{path.name}."))


def writable_folder(path: Path) -> None:
    """Refuses a folder that can neither be made nor be written in, before any work; makes nothing."""
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file; name a folder.")
    _try_in(path.absolute(), path, partial(TemporaryFile, prefix=".run.json."))


def _try_in(folder: Path, path: Path, made: Callable[..., Any]) -> None:
    """Tries it with a file that is gone at once, in what there is of the folders: permissions do not tell all."""
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"{path} cannot be written: {folder} is no folder; name another place.")
    try:
        with made(dir=folder, suffix=ASIDE):
            pass
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}); name another place.") from None


def write_atomic(path: Path, content: bytes | str) -> None:
    """Writes aside, flushes to disk, renames: a reader sees the old file or the new one, never half of one."""
    try:
        _write_atomic(path, content)
    except OSError as error:
        if error.errno is not None:
            error.filename = str(path)  # and not the one beside it
        raise


def _write_atomic(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode()
    handle, aside = mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=ASIDE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def sha256(path: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


_FILE = re.compile(r"^file:(?://(?:localhost)?)?(?=/)(?!//)", re.IGNORECASE)


def of_address(text: str) -> Path | None:
    """The path that a file:// address of this machine names (RFC 8089); None where the text is none.

    >>> of_address("file:///data/my%20rows.csv").as_posix(), of_address("file://elsewhere/rows.csv")
    ('/data/my rows.csv', None)
    """
    found = _FILE.match(text)
    if found is None:
        return None
    path = unquote(text[found.end() :])
    return Path(path[1:] if re.match(r"/[A-Za-z]:", path) else path)
