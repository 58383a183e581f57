"""What runs on a machine of the cluster: one process there, whose threads share encodings as they do at home."""

import threading
import traceback
from typing import Any

import numpy as np

from melior.data.splits import Fold
from melior.data.table import Table
from melior.errors import UserError
from melior.recipe import Recipe
from melior.trials.bench import Bench
from melior.trials.executors.parcel import unpacked
from melior.trials.shared import Shared
from melior.trials.threads import one_thread_each


def _warmed() -> None:
    """Loads what most trials need, so that the first takes no longer than others."""
    import sklearn.linear_model  # noqa: F401

    from melior.registry import import_rooms

    import_rooms()
    with one_thread_each():
        pass


Told = tuple[str, dict[str, Any], bytes]  # result, refused or failed; what about it; the result's bytes


class Node:
    """Fits trials. Its methods are called by several threads at once.

    name  what messages call the machine
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._tables: dict[int, tuple[Table, Shared]] = {}
        self._benches: dict[tuple[int, int], Bench] = {}
        self._lock = threading.Lock()
        _warmed()

    def fit(self, table: tuple[int, list[Any]], fold: tuple[int, list[Any]], recipe: str) -> Told:
        """A trial. table and fold: a number, and in a list, so that the cluster does not send it with every trial, the
        reference to what was put in its store."""
        try:
            wanted = Recipe.model_validate_json(recipe)
            result = self._bench(table, fold).fitted(wanted, 0)
            return "result", {"seconds": result.seconds, "alone": result.alone}, result.to_bytes(wanted)
        except UserError as error:
            return "refused", {"sentence": f"{str(error).rstrip('.')} (on {self.name})."}, b""
        except Exception:
            return "failed", {"sentence": f"on {self.name}: {traceback.format_exc()}"}, b""

    def _bench(self, table: tuple[int, list[Any]], fold: tuple[int, list[Any]]) -> Bench:
        import ray

        key = (table[0], fold[0])
        with self._lock:
            if table[0] not in self._tables:
                advice = (
                    "this model reads whole images: put their folder where every machine of the cluster finds it at "
                    "the same path, or leave out --cluster"
                )
                self._tables[table[0]] = unpacked(ray.get(table[1][0]), advice=advice), Shared()
            if key not in self._benches:
                rows, shared = self._tables[table[0]]
                train, test = (np.frombuffer(part, dtype=np.int64) for part in ray.get(fold[1][0]))
                self._benches[key] = Bench(rows, [Fold(train, test, 0, 0)], shared=shared)
            return self._benches[key]
