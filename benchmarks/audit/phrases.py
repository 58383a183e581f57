"""Words that texts are about beside stamps that give the answer away, on real reviews.

    python benchmarks/audit/phrases.py

Of the sample of reviews every two of its nine commonest classes of clothes are told apart by title and review. Hardly
any task has stronger honest words: reviews of skirts say "skirt". Honest is each pair as it is; stamped is the same
with "Returned." at the end of the reviews of one class, wrong in 3 % of all. Named: there is a finding; taken out: its
words leave the texts unless somebody says that they stay, as `improve` does where nobody is asked.
"""

import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Results, Shown, median, number, options, share_interval

CLASSES, WRONG, STAMP = 9, 0.03, "Returned."


def rows_of(pair: tuple[str, str], stamped: bool) -> pl.DataFrame:
    from melior.samples import REVIEWS

    frame = pl.read_csv(REVIEWS).filter(pl.col("class").is_in(pair)).select("title", "review", answer="class")
    if not stamped:
        return frame
    told = (frame["answer"] == pair[0]).to_numpy() ^ (np.random.default_rng(0).random(len(frame)) < WRONG)
    texts = [f"{text or ''} {STAMP}" if one else text for text, one in zip(frame["review"], told, strict=True)]
    return frame.with_columns(pl.Series("review", texts))


def case(pair: tuple[str, str], stamped: bool) -> dict[str, Any]:
    from melior.data.read import read
    from melior.improvement.ask import known_before
    from melior.recipe import Recipe
    from melior.trials.audit import run_checks

    table = read(rows_of(pair, stamped), target="answer")
    found = run_checks(table, Recipe(metric="macro_f1"), only=["leaking_phrases"]).findings
    gone = [word for one in found if not known_before(one).default for word in one.measured["take_out"]]
    return {
        "rows": table.rows,
        "named": sorted({word for one in found for word in one.measured["take_out"]}),
        "taken_out": gone,
        "stamp": "returned" in gone,
    }


def tables(results: Results) -> list[Shown]:
    rows, named = [], []
    for kind in ("honest", "stamped"):
        own = {key: one for key, one in results.finished().items() if key.endswith(kind)}
        if not own:
            continue
        rows.append(
            (kind, str(len(own)), number(median([one["rows"] for one in own.values()]), 0),
             *(share_interval(sum(bool(one[key]) for one in own.values()), len(own))
               for key in ("named", "taken_out", "stamp")))
        )  # fmt: skip
        named += [
            (key, ", ".join(one["named"]), ", ".join(one["taken_out"]) or "nothing")
            for key, one in own.items()
            if one["named"] and (kind == "honest" or set(one["taken_out"]) != {"returned"})
        ]
    return [
        Shown("Words and stamps", ("texts", "pairs", "rows", "named", "taken out", "the stamp taken out"), rows),
        Shown("Honest words that are named, and stamps beside others", ("pair", "named", "taken out"), named),
    ]


def main() -> None:
    given = options(__doc__ or "")
    results = Results(
        "audit/phrases", "Words that texts are about, and stamps", given, {"wrong": WRONG, "stamp": STAMP}
    )
    if not given.show:
        from melior.samples import REVIEWS

        counts = pl.read_csv(REVIEWS).group_by("class").len().sort("len", "class", descending=[True, False])
        pairs = list(combinations(counts["class"].to_list()[:CLASSES], 2))
        for pair in pairs[: 2 if given.quick else None]:
            for kind in ("honest", "stamped"):
                results.case(f"{' | '.join(pair)} | {kind}", lambda p=pair, k=kind: case(p, k == "stamped"))
    results.show(
        tables(results),
        ["The rule that tells stamps from words was made on these very reviews; the stamps were planted afterwards."],
    )


if __name__ == "__main__":
    main()
