"""What the audit's pictures are drawn from: a map of the rows, histograms of number columns, clusters of copies."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from melior.data.table import Rows, Table
from melior.findings import Finding
from melior.trials.context import TableContext
from melior.verbs.examples import columns_shown, values_shown

MOST_ON_MAP = 1500  # rows drawn; each carries its own text, and the file stays small
MOST_NAMED = 900  # of them, rows that a finding names
FEWEST_ON_MAP = 20
MANY_ROWS = 20_000
BINS = 40
HISTOGRAMS = 3  # of a finding
CLUSTERS = 60
LETTERS = 140
DIRECTIONS = 30  # principal components that t-SNE looks at: fewer noise dimensions, and quicker
PERPLEXITY = 30.0  # about how many neighbours of a row count, the usual number
By = Literal["pca", "tsne"]
MANY = 0.3  # a finding about more of the rows than this is about the table, and no place on the map


def pictures_of(context: TableContext, findings: Sequence[Finding], by: By = "pca") -> dict[str, Any]:
    """{"map": ..., "findings": [{"finding": number, "histograms": [...], "clusters": [...]}, ...]}

    by  how rows are laid out on the map: by two principal components, or by t-SNE
    """
    table = context.table
    place = {int(row): position for position, row in enumerate(table.row_ids)}
    own = []
    for number, finding in enumerate(findings):
        if finding.muted:
            continue
        named = np.array([place[int(row)] for row in finding.rows if int(row) in place], dtype=np.int64)
        drawn = {"histograms": _histograms(table, finding, named), "clusters": _clusters(finding)}
        if any(drawn.values()):
            own.append({"finding": number, **drawn})
    return {"map": _map(context, findings, place, by), "findings": own}


def _map(context: TableContext, findings: Sequence[Finding], place: dict[int, int], by: By) -> dict[str, Any] | None:
    """The rows in two dimensions, laid out as `flat` says, and the worst finding that names each."""
    table = context.table
    if table.rows < FEWEST_ON_MAP or not table.features():
        return None
    chosen, symptom, why = _named(table, findings, place)
    # of many rows the places are learned from those drawn alone: the whole table is not worth a picture
    many = table.rows > MANY_ROWS
    few = TableContext(table.take(chosen), context.recipe).embedding() if many else context.embedding()[chosen]
    if few.shape[1] < 2:
        return None
    places = flat(np.clip(few, -8, 8), by, context.seed)
    columns = columns_shown(table, ())
    return {
        "rows": table.rows,
        "by": by,
        "x": places[:, 0].round(4),
        "y": places[:, 1].round(4),
        "row": table.row_ids[chosen],
        "symptom": symptom,
        "told": [
            "; ".join(part for part in (note, _told(table, int(position), columns)) if part)
            for position, note in zip(chosen, why, strict=True)
        ],
    }


def flat(space: NDArray[np.float64], by: By, seed: int) -> NDArray[np.float64]:
    """(rows, 2) places of rows, from (rows, dimensions) of robustly scaled columns.

    pca   the two directions in which they differ most
    tsne  near each other where they are neighbours; how far groups lie apart means nothing. It begins from pca.
          van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 2008
    """
    from sklearn.decomposition import PCA

    if by == "pca":
        return np.asarray(PCA(2, random_state=seed).fit_transform(space))
    from sklearn.manifold import TSNE

    few = PCA(min(DIRECTIONS, *space.shape), random_state=seed).fit_transform(space)
    perplexity = min(PERPLEXITY, (len(space) - 1) / 3)
    return np.asarray(TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(few))


def _named(table: Table, findings: Sequence[Finding], place: dict[int, int]) -> tuple[Rows, list[str], list[str]]:
    """Positions of the rows on the map, the symptom of each (empty for none), and what is said of it."""
    symptom: dict[int, str] = {}
    share = max(1, MOST_NAMED // max(sum(bool(len(finding.rows)) for finding in findings), 1))
    for finding in findings:  # the worst first
        if finding.muted or not len(finding.rows) or len(finding.rows) > MANY * table.rows:
            continue
        for row in finding.rows[:share]:
            if int(row) in place:
                symptom.setdefault(place[int(row)], finding.symptom)
    others = np.setdiff1d(np.arange(table.rows), np.fromiter(symptom, dtype=np.int64, count=len(symptom)))
    room = max(MOST_ON_MAP - len(symptom), 0)
    if len(others) > room:
        others = np.random.default_rng(0).choice(others, room, replace=False)
    chosen = np.sort(np.concatenate([others, np.fromiter(symptom, dtype=np.int64, count=len(symptom))]))
    kinds = [symptom.get(int(position), "") for position in chosen]
    return chosen, kinds, [kind.replace("_", " ") for kind in kinds]


def _told(table: Table, position: int, columns: Sequence[str]) -> str:
    values = values_shown(table, position, columns)
    said = ", ".join(f"{name}: {value}" for name, value in values.items() if value)
    return said if len(said) <= LETTERS else said[: LETTERS - 1] + "…"


def _histograms(table: Table, finding: Finding, named: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Of the finding's first number columns: edges, rows in each bin, and those of them that are named."""
    found: list[dict[str, Any]] = []
    for column in finding.columns:
        if table.schema.kinds.get(column) != "number" or len(found) == HISTOGRAMS:
            continue
        values = table.numbers(column)
        known = values[np.isfinite(values)]
        if len(np.unique(known[:5000])) < 3:
            continue
        edges = _edges(known)
        if edges is None:
            continue
        marked = values[named] if len(named) <= MANY * table.rows else values[:0]
        found.append(
            {
                "column": column,
                "edges": edges,
                "rows": np.histogram(known, edges)[0],
                "named": np.histogram(marked[np.isfinite(marked)], edges)[0],
                "missing": len(values) - len(known),
            }
        )
    return found


def _edges(known: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """BINS equal steps from the least to the largest; None where numbers of 64 bits cannot hold them."""
    with np.errstate(over="ignore", invalid="ignore"):
        edges = np.linspace(known.min(), known.max(), BINS + 1)
    fits = np.isfinite(edges).all() and np.isfinite(np.ptp(edges / 2) * 2) and (np.diff(edges) > 0).all()
    return edges if fits else None


def _clusters(finding: Finding) -> list[list[int]]:
    """Clusters of copies, the largest first, as row numbers."""
    clusters = finding.measured.get("clusters")
    if not isinstance(clusters, Sequence) or isinstance(clusters, str):
        return []
    lists = [[int(row) for row in one] for one in clusters if isinstance(one, Sequence | np.ndarray) and len(one) > 1]
    return sorted(lists, key=lambda one: -len(one))[:CLUSTERS]
