"""Images that are none: files that cannot be read, uniform or tiny pictures, odd shapes, endings that do not fit."""

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._statistics import count
from melior.checks._tails import FEWEST_VALUES, MOST, upper_outliers
from melior.data.table import Rows, Table
from melior.findings import Finding
from melior.images.decode import FAULTS, SUFFIXES
from melior.images.features import LEVELS, parts_differ
from melior.images.store import ImageRows

TINY = 8  # pixels a side; fewer than the 8 x 8 numbers by which images are told apart
LONG = 8  # times as long as wide, against the usual shape
FALSE_RATE = 0.01


class InvalidImages(Check):
    """Five kinds of images, one finding each.

    unreadable  no such file, no image, damaged or cut short, too large
    uniform     one colour: the parts of the picture differ by no more than rounding to 256 levels and JPEG leave
    tiny        fewer than 8 pixels on a side, where at most 5 % of the images are so
    shape       far longer or wider than the tail of the others' shapes predicts; where most have one shape, more than
                8 times as long or as wide
    ending      the file's ending names another format than its bytes are: photo.png that is a JPEG

    Severity is the share of the column's images, times five; for endings the share.
    """

    symptoms = frozenset({"invalid_values"})
    reads = frozenset({"image"})
    cost = "pass"

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        found: list[Finding] = []
        for column in table.of_kind("image"):
            images = table.pictures(column)
            cells = table.column(column).to_list()
            found += self.unreadable(table, column, images, cells)
            found += self.uniform(table, column, images)
            found += self.tiny(table, column, images)
            found += self.shape(table, column, images)
            found += self.ending(table, column, images, cells)
        return found

    def unreadable(self, table: Table, column: str, images: ImageRows, cells: Sequence[str | None]) -> list[Finding]:
        faults = images.faults()
        rows = np.array([at for at, fault in enumerate(faults) if fault is not None], dtype=np.int64)
        if not len(rows):
            return []
        counts: dict[str, int] = {}
        for at in rows:
            counts[str(faults[at])] = counts.get(str(faults[at]), 0) + 1
        first = faults[rows[0]]
        assert first is not None
        named = short(str(cells[rows[0]]))
        said = f"{said_images(len(rows), table, column)} cannot be read, such as {named}: {FAULTS[first]}."
        return [
            self.finding(table, column, "unreadable", rows, said + " They count as missing.", {"reasons": counts},
                         "files that give no picture")
        ]  # fmt: skip

    def uniform(self, table: Table, column: str, images: ImageRows) -> list[Finding]:
        spread = images.derived("spread", parts_differ)[:, 0]
        rows = np.flatnonzero(images.readable & (spread <= LEVELS))
        if not len(rows):
            return []
        said = f"{said_images(len(rows), table, column)} are one colour all over: they show nothing."
        return [
            self.finding(table, column, "uniform", rows, said, {"levels": float(spread[rows].max())},
                         "rounding and JPEG leave up to 3 of 256 levels in a uniform picture", LEVELS)
        ]  # fmt: skip

    def tiny(self, table: Table, column: str, images: ImageRows) -> list[Finding]:
        side = images.sizes.min(axis=1)
        rows = np.flatnonzero(images.readable & (side < TINY))
        if not len(rows) or len(rows) > MOST * int(images.readable.sum()):
            return []
        rows = rows[np.argsort(side[rows], kind="stable")]
        width, height = images.sizes[rows[0]].tolist()
        said = f"{said_images(len(rows), table, column)} are tiny, down to {width} x {height} pixels: they show little."
        return [
            self.finding(table, column, "tiny", rows, said, {"smallest_side": int(side[rows[0]])},
                         "8 x 8 numbers tell images apart; at most 5 % of the images have fewer", TINY)
        ]  # fmt: skip

    def shape(self, table: Table, column: str, images: ImageRows) -> list[Finding]:
        where = np.flatnonzero(images.readable)
        if len(where) < FEWEST_VALUES:
            return []
        sizes = images.sizes[where].astype(np.float64)
        shapes = np.log(sizes[:, 0] / sizes[:, 1])
        usual = float(np.median(shapes))
        far: dict[int, float] = {}
        if np.mean(np.isclose(shapes, usual)) > 0.5:  # no tail to learn from
            odd = np.flatnonzero(np.abs(shapes - usual) > np.log(LONG))
            far = {int(at): float(abs(shapes[at] - usual)) for at in odd if len(odd) <= MOST * len(where)}
        else:
            for sign in (1.0, -1.0):
                beyond = upper_outliers(sign * shapes, FALSE_RATE / 2)
                if beyond is not None:
                    far.update({int(at): float(abs(shapes[at] - usual)) for at in beyond.positions})
        if not far:
            return []
        order = sorted(far, key=lambda at: (-far[at], at))
        rows = where[np.array(order, dtype=np.int64)]
        width, height = images.sizes[rows[0]].tolist()
        said = (
            f"{said_images(len(rows), table, column)} have a shape unlike the others, such as {count(width)} x "
            f"{count(height)} pixels: squeezed to the common shape they are hardly the same picture."
        )
        return [
            self.finding(table, column, "shape", rows, said, {"longest": [int(width), int(height)]},
                         "generalized Pareto tail of the logarithms of width over height, 1 % a table; 8 times the "
                         "usual shape where most images have one", FALSE_RATE)
        ]  # fmt: skip

    def ending(self, table: Table, column: str, images: ImageRows, cells: Sequence[str | None]) -> list[Finding]:
        known = {ending: kind for kind, endings in SUFFIXES.items() for ending in endings}
        rows, pairs = [], []
        for at, (cell, kind) in enumerate(zip(cells, images.formats(), strict=True)):
            said = known.get(PurePath(cell).suffix.lower()) if cell and kind else None
            if said is not None and said != kind:
                rows.append(at)
                pairs.append((PurePath(str(cell)).suffix, kind))
        if not rows:
            return []
        ending, kind = pairs[0]
        message = (
            f"{said_images(len(rows), table, column)} have an ending that does not fit, such as "
            f"{short(str(cells[rows[0]]))}, which is {kind} and not {ending}: they are read all the "
            "same, but other programs may refuse them."
        )
        return [
            self.finding(table, column, "ending", np.array(rows, dtype=np.int64), message,
                         {"first": [ending, kind]}, "the first bytes of the file", worst=1)
        ]  # fmt: skip

    def finding(
        self,
        table: Table,
        column: str,
        cause: str,
        rows: Rows,
        message: str,
        measured: dict[str, object],
        threshold_from: str,
        threshold: float | None = None,
        worst: int = 5,
    ) -> Finding:
        part = len(rows) / len(table)
        return Finding(
            symptom="invalid_values",
            severity=min(1.0, worst * part),
            message=message,
            measured={"kind": f"{cause} images", "rows": len(rows), "share": part, **measured},
            threshold=threshold,
            threshold_from=threshold_from,
            columns=(column,),
            rows=table.row_ids[rows],
        )


def said_images(many: int, table: Table, column: str) -> str:
    return f"{count(many)} of {count(len(table))} images of {column!r}"


def short(cell: str) -> str:
    """The cell as a sentence can hold it: its end, which is the file's name."""
    tidy = " ".join(cell.split()) or "a blank name"
    return tidy if len(tidy) <= 60 else "…" + tidy[-59:]
