"""Copies of images that are not the same to the byte: saved again, cut, made larger, smaller or brighter."""

import numpy as np

from melior.checks._base import Check, Context
from melior.checks._image_copies import FALSE_RATE, MOST_IMAGES, NearImages, of_tables
from melior.checks._statistics import count, share
from melior.data.table import Rows, Table
from melior.findings import Finding

FROM = (
    f"how near mirrored images come to the others: at most {FALSE_RATE:.0%} of the images within the threshold are "
    "there by chance; 0 for the same pictures only"
)
MOST_CLUSTERS = 1000  # listed in `measured`
EDITS = "(saved again, cut, of another size or brightness)"


class ImageCopies(Check):
    """Images that are nearly the same as another, beyond what chance gives; groups of any size, and whole.

    duplicate_rows  images of one part. Severity is the share that could be dropped.
    split_overlap   images of this part that stand in the other part too. Severity is the share of the other part.

    Pictures are laid on one another (shift, stretch, brightness), and the share of their details that is not in common
    is the distance, 0..1. Mirrored and turned copies are not looked for; uniform images are not compared. Ten images
    and more whose answers are about as mixed as those of all are what one camera sees, and only the same pictures among
    them are copies. The score of a row is 1 less the distance to its nearest copy.
    """

    symptoms = frozenset({"duplicate_rows", "split_overlap"})
    reads = frozenset({"image"})
    cost = "pass"

    def measure(self, context: Context) -> list[Finding]:
        table, other = context.table, context.other
        found = []
        for column in table.of_kind("image"):
            if other is not None and other.rows and column in other.frame.columns:
                found += self.overlap(table, other, column, *of_tables([table, other], column))
            found += self.repeated(table, column, of_tables([table], column)[0])
        return found

    def repeated(self, table: Table, column: str, near: NearImages) -> list[Finding]:
        clusters = near.clusters()
        if not clusters:
            return []
        members = _nearest_first(near, np.concatenate(clusters))
        extra = len(members) - len(clusters)
        part = extra / table.rows
        labels = table.labels
        conflicts = 0
        if labels is not None:
            conflicts = sum(1 for c in clusters if len(np.unique(labels[c][labels[c] >= 0])) > 1)
        differ = f" In {count(conflicts)} of these groups the answers differ." if conflicts else ""
        pixels = table.pictures(column).sizes.prod(axis=1)
        # the one to keep first: most pixels, then first in the file
        listed = [cluster[np.lexsort((cluster, -pixels[cluster]))] for cluster in clusters[:MOST_CLUSTERS]]
        finding = Finding(
            symptom="duplicate_rows",
            severity=min(1.0, part),
            message=(
                f"{count(extra)} of {count(table.rows)} images ({share(part)}) are nearly the same as an earlier one "
                f"{EDITS}, in {count(len(clusters))} groups{_sampled(near, table.rows)}.{differ} Any random split puts "
                "copies on both sides."
            ),
            measured={
                "kind": "images",
                "repeated_rows": extra,
                "share": part,
                "clusters": [table.row_ids[c].tolist() for c in listed],
                "clusters_in_all": len(clusters),
                "kept": "the first of each cluster: most pixels, then first in the file",
                "conflicting_clusters": conflicts,
                "same_picture": int((near.nearest[members] == 0).sum()),
                "compared": near.compared,
            },
            threshold=near.threshold,
            threshold_from=FROM,
            columns=(column,),
            rows=table.row_ids[members],
            row_scores=1 - near.nearest[members],
        )
        return [finding]

    def overlap(self, table: Table, other: Table, column: str, near: NearImages, there: NearImages) -> list[Finding]:
        size = table.rows
        ours = _nearest_first(near, np.flatnonzero(np.isin(near.group, there.group)))
        theirs = np.flatnonzero(np.isin(there.group, near.group))
        if not len(ours):
            return []
        part = len(theirs) / other.rows
        finding = Finding(
            symptom="split_overlap",
            severity=min(1.0, part),
            message=(
                f"{count(len(theirs))} of {count(other.rows)} images of {other.name} ({share(part)}) are nearly the "
                f"same as one of {table.name} {EDITS}{_sampled(near, size + other.rows)}: the score on them is memory, "
                "not skill."
            ),
            measured={
                "kind": "images",
                "rows": len(ours),
                "share": len(ours) / size,
                "rows_of_other": other.row_ids[theirs],
                "share_of_other": part,
                "compared": near.compared,
            },
            threshold=near.threshold,
            threshold_from=FROM,
            columns=(column,),
            rows=table.row_ids[ours],
            row_scores=1 - near.nearest[ours],
        )
        return [finding]


def _nearest_first(near: NearImages, positions: Rows) -> Rows:
    found: Rows = positions[np.argsort(near.nearest[positions], kind="stable")]
    return found


def _sampled(near: NearImages, rows: int) -> str:
    return f" among a sample of {count(MOST_IMAGES)}" if near.compared >= MOST_IMAGES < rows else ""
