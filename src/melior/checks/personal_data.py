"""Personal data: names, numbers that belong to a person, and addresses stand in texts and columns."""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from melior.checks._base import Check, Context
from melior.checks._statistics import count, share
from melior.data.table import Rows, Table
from melior.findings import Finding
from melior.privacy.spans import KINDS, Span, masked

if TYPE_CHECKING:
    from melior.privacy.columns import Found  # its patterns take half a second to compile: read where they are used

SHOWN = 4  # kinds that a message names
LEAST, MOST = 1e8, 2.0**53  # numbers that may be a phone or a card, and that a number column holds to the last digit


class PersonalData(Check):
    """Looks for personal data in every text, category, id and number column, in English and Chinese.

    Kinds: names; e-mail, phones, IP addresses, log-ins in web addresses; street addresses; payment and bank cards,
    IBAN, passports, US social security numbers; Chinese resident identity numbers and unified social credit codes.
    Numbers must have the right shape and check digit, and a column of them counts only if more hold than chance gives
    or the words near them say what they are. Number columns are read for cards and phones of at most 16 digits. The
    target and ignored columns are not read.

    One finding a column. Severity is the probability that a hundred of its rows hold some, 1 - (1 - share)**100. Only
    names, addresses and IP addresses are a suspicion; the others are certain. Examples are shown by their shape only.
    """

    symptoms = frozenset({"personal_data"})
    reads = frozenset({"text", "category", "id", "number"})
    cost = "pass"
    for_people = True

    def measure(self, context: Context) -> list[Finding]:
        from melior.privacy.columns import personal_spans

        table, found = context.table, []
        for column in table.of_kind(*self.reads):
            values = written(table, column)
            if values is None:
                continue
            different = values.unique(maintain_order=True)
            seen = personal_spans(different, column)
            if seen.spans:
                found.append(self.said(table, column, values, different, seen))
        return found

    def said(self, table: Table, column: str, values: pl.Series, different: pl.Series, seen: "Found") -> Finding:
        from melior.privacy.columns import FALSE_RATE

        rows, which = places(values, different)
        scores = np.zeros(len(different))
        kinds: dict[str, list[Span]] = {}
        for span in seen.spans:
            scores[span.row] = max(scores[span.row], span.score)
            kinds.setdefault(span.kind, []).append(span)
        per_row = scores[which]
        named = np.flatnonzero(per_row > 0)
        named = named[np.argsort(-per_row[named], kind="stable")]
        part = len(named) / table.rows
        measured: dict[str, Any] = {}
        for kind, spans in kinds.items():
            holding = np.zeros(len(different), dtype=bool)
            holding[[span.row for span in spans]] = True
            many = int(holding[which].sum())
            first = spans[0]
            measured[kind] = {
                "rows": many,
                "share": many / table.rows,
                "found": len(spans),
                "example": masked(different[first.row][first.start : first.end]),
            }
        measured = dict(sorted(measured.items(), key=lambda item: (-item[1]["rows"], item[0])))
        shown = [f"{KINDS[kind][1]} ({count(said['rows'])})" for kind, said in list(measured.items())[:SHOWN]]
        more = f" and {count(len(measured) - SHOWN)} more kinds" if len(measured) > SHOWN else ""
        example = next(iter(measured.values()))["example"]
        return Finding(
            symptom="personal_data",
            severity=float(1 - (1 - part) ** 100),
            message=(
                f"{count(len(named))} of {count(table.rows)} rows ({share(part)}) hold personal data in {column!r}: "
                f"{', '.join(shown)}{more}, written like {example!r}. Whoever sees the data or the model may learn it."
            ),
            measured={
                "rows": len(named),
                "share": part,
                "kinds": measured,
                "chance": {
                    of: {"shaped": c.shaped, "passed": c.passed, "expected": c.expected, "p": c.p, "kept": c.kept}
                    for of, c in seen.chance.items()
                },
            },
            threshold=FALSE_RATE,
            threshold_from="strings whose check digit holds, against how many would by chance (binomial)",
            columns=(column,),
            rows=table.row_ids[rows[named]],
            row_scores=per_row[named],
            certain=not set(kinds) <= {"name", "address", "ip_address"},
        )


def written(table: Table, column: str) -> pl.Series | None:
    """The column's cells as strings; whole numbers of a number column as digits, None where it has none to look at."""
    if table.schema.kinds[column] != "number":
        return table.column(column)
    numbers = table.numbers(column)
    whole = (numbers >= LEAST) & (numbers < MOST) & (numbers == np.floor(numbers))
    if whole.sum() <= 0.5 * np.isfinite(numbers).sum():
        return None
    digits = pl.Series(column, np.where(whole, numbers, 0).astype(np.int64)).cast(pl.String)
    return pl.select(pl.when(pl.Series(whole)).then(digits)).to_series()


def places(values: pl.Series, different: pl.Series) -> tuple[Rows, Rows]:
    """(rows,) the positions of all rows, and where the cell of each stands among the different ones."""
    frame = pl.DataFrame({"cell": different, "place": np.arange(len(different))})
    joined = pl.DataFrame({"cell": values}).join(frame, on="cell", how="left", nulls_equal=True, maintain_order="left")
    return np.arange(len(values)), np.asarray(joined.get_column("place").to_numpy(), dtype=np.int64)
