"""Language imbalance: some languages of a column are so rare that a model learns little of them, or give the answer."""

from typing import Any

import numpy as np
from scipy import stats

from melior.checks._base import Check, Context
from melior.checks._statistics import count, labelled, share
from melior.data.table import Rows, Table
from melior.findings import Finding
from melior.metrics.effective import effective_classes
from melior.texts.languages import Identified, identify, mixtures
from melior.texts.names import NAMES

MOST_ROWS = 20_000
MOST_SPLIT = 1_000
FEWEST_ROWS = 20
WRONG = 1e-3  # of the texts of one column, those whose language is named wrongly; measured: 3e-4 of messages
MIXED = 1e-2  # of texts in one language, those with foreign sentences all the same: titles, licences, commands
FALSE_RATE = 0.01
EVEN = 0.9  # as for classes
FEWEST_EXPECTED = 5
WEAK = 0.1  # Cohen (1988) calls an association of 0.1 small
FROM_WRONG = "more rows than the identifier's errors explain, 0.1 % of a column's texts (binomial)"


class LanguageImbalance(Check):
    """Names the language of each text and compares the shares of the languages, column by column.

    A language counts as present when it has more rows than wrong names explain. Up to three findings a column:

    imbalance  the effective number of languages, exp(entropy of the shares), is below nine tenths of the languages
               present and below what even shares would give by chance. `rows` are those of languages with less than
               an even share, the rarest language first. Severity is 1 - effective languages / languages.
    mixed      texts with at least a fifth of their letters in sentences of another language, where that is more than
               1 % of the texts with two sentences and more. Severity is their share.
    answers    the languages and the target go together: chi-squared, and Cramér's V without its bias (Bergsma 2013)
               of 0.1 and more. Severity is V. A suspicion: it may be so where the model is used, too.

    Of more than 20,000 texts a random sample is looked at, and of these 1,000 sentence by sentence.
    """

    symptoms = frozenset({"language_imbalance"})
    reads = frozenset({"text"})
    cost = "pass"
    for_people = True

    def measure(self, context: Context) -> list[Finding]:
        found = []
        for column in context.table.of_kind("text"):
            texts = context.table.column(column)
            languages = identify(texts, most=MOST_ROWS, seed=context.seed)
            present = beyond_errors(languages)
            if languages.known >= FEWEST_ROWS and len(present) > 1:
                found.append(imbalance(context.table, column, languages, present))
                found.append(answers(context.table, column, languages, present))
            found.append(mixed(context, column, languages))
        return [finding for finding in found if finding is not None]


def beyond_errors(found: Identified) -> dict[str, int]:
    """Language -> rows for the most frequent one and all that have more rows than wrong names explain."""
    counts = found.counts()
    others = max(1, len(counts) - 1)
    return {
        language: rows
        for number, (language, rows) in enumerate(counts.items())
        if number == 0 or stats.binom.sf(rows - 1, found.known, WRONG) < FALSE_RATE / others
    }


def imbalance(table: Table, column: str, found: Identified, present: dict[str, int]) -> Finding | None:
    total = sum(present.values())
    effective = effective_classes(present)
    by_chance = float(np.exp(-stats.chi2.isf(FALSE_RATE, len(present) - 1) / (2 * total)))
    threshold = min(EVEN, by_chance)
    if effective / len(present) >= threshold:
        return None
    main, rarest = max(present, key=lambda one: present[one]), min(present, key=lambda one: present[one])
    rare = [code for code, name in enumerate(found.languages) if present.get(name, total) < total / len(present)]
    rows = np.flatnonzero(np.isin(found.codes, rare))
    part = np.array([present.get(name, 0) for name in found.languages]) / total
    scores = found.confidence[rows] * (1 - part[found.codes[rows]])
    order = np.argsort(-scores, kind="stable")
    said = f"{NAMES[main]} is the language of {share(present[main] / total)} of the texts of {column!r}"
    few = f"{NAMES[rarest]} of {count(present[rarest])} ({share(present[rarest] / total)})"
    return Finding(
        symptom="language_imbalance",
        severity=1 - effective / len(present),
        message=(
            f"{said}, {few}: a model can be bad in the rare languages and still look good.{sampled(found, table)}"
        ),
        measured={
            "kind": "imbalance",
            "languages": present,
            "shares": {name: rows / total for name, rows in present.items()},
            "effective_languages": effective,
            "ratio": effective / len(present),
            "unknown": len(found.looked) - found.known,
            "rows_looked_at": len(found.looked),
        },
        threshold=threshold,
        threshold_from=f"a tenth lost, and more than even shares lose by chance; a language counts with {FROM_WRONG}",
        columns=(column,),
        rows=table.row_ids[rows[order]],
        row_scores=scores[order],
    )


def mixed(context: Context, column: str, found: Identified) -> Finding | None:
    table, looked = context.table, found.looked
    if len(looked) > MOST_SPLIT:
        looked = np.sort(np.random.default_rng(context.seed).choice(looked, MOST_SPLIT, replace=False))
    split = mixtures(table.column(column).gather(looked))
    many = len(split.positions)
    if many < 2 or stats.binom.sf(many - 1, split.compared, MIXED) >= FALSE_RATE:
        return None
    order = np.argsort(-split.shares, kind="stable")
    pairs: dict[str, int] = {}
    for one, other in split.languages:
        name = " and ".join(sorted((NAMES[one], NAMES[other])))
        pairs[name] = pairs.get(name, 0) + 1
    usual = max(pairs, key=lambda name: pairs[name])
    part = many / split.compared
    where = f"a sample of {count(len(looked))} rows" if len(looked) < table.rows else f"{count(table.rows)} rows"
    return Finding(
        symptom="language_imbalance",
        severity=min(1.0, part),
        message=(
            f"{count(many)} texts of {column!r} hold sentences in several languages, mostly {usual}; looked at were "
            f"{where}."
        ),
        measured={
            "kind": "mixed",
            "rows": many,
            "share": part,
            "texts_of_several_sentences": split.compared,
            "pairs": pairs,
            "rows_looked_at": len(looked),
        },
        threshold=MIXED,
        threshold_from="more than 1 % of the texts of several sentences (binomial), as clean technical texts have",
        columns=(column,),
        rows=table.row_ids[looked[split.positions[order]]],
        row_scores=split.shares[order],
    )


def answers(table: Table, column: str, found: Identified, present: dict[str, int]) -> Finding | None:
    """Whether the classes and the languages go together."""
    if table.labels is None:
        return None
    here = labelled(table.labels)
    names = list(present)
    number = np.array([names.index(name) if name in present else -1 for name in found.languages] + [-1])
    here = here[number[found.codes[here]] >= 0]
    counted = np.zeros((len(names), len(table.classes)))
    np.add.at(counted, (number[found.codes[here]], table.labels[here]), 1.0)
    kept = merged(merged(counted).T).T
    if min(kept.shape) < 2:
        return None
    p = float(stats.chi2_contingency(kept, correction=False).pvalue)
    strength = cramers_v(kept)
    if p >= FALSE_RATE / max(1, len(table.of_kind("text"))) or strength < WEAK:
        return None
    expected = counted.sum(axis=1, keepdims=True) * counted.sum(axis=0) / counted.sum()
    standing = np.where(expected >= FEWEST_EXPECTED, (counted - expected) / np.sqrt(np.maximum(expected, 1)), 0)
    language, label = np.unravel_index(int(standing.argmax()), standing.shape)
    inside = counted[language, label] / counted[language].sum()
    outside = counted[:, label].sum() - counted[language, label]
    outside /= max(counted.sum() - counted[language].sum(), 1)
    measured: dict[str, Any] = {
        "kind": "answers",
        "cramers_v": strength,
        "p": p,
        "counts": {name: dict(zip(table.classes, row, strict=True)) for name, row in zip(names, counted, strict=True)},
    }
    return Finding(
        symptom="language_imbalance",
        severity=min(1.0, strength),
        message=(
            f"Languages and answers go together: of the texts of {column!r} in {NAMES[names[language]]}, "
            f"{share(float(inside))} are {table.classes[label]!r}, of the others {share(float(outside))}. A model can "
            f"answer by the language instead of by what is said."
        ),
        measured=measured,
        threshold=WEAK,
        threshold_from="chi-squared test at 1 % over the text columns, and a Cramér's V that is called small",
        columns=(column, table.target) if table.target else (column,),
        certain=False,
    )


def merged(counted: Any) -> Any:
    """Counts with the rows that are too small for a chi-squared test added up into one (or left out, if still)."""
    total = counted.sum()
    smallest = counted.sum(axis=1) * counted.sum(axis=0).min() / max(total, 1) < FEWEST_EXPECTED
    rest = counted[smallest].sum(axis=0, keepdims=True)
    kept = np.vstack([counted[~smallest], rest]) if rest.sum() >= 2 * FEWEST_EXPECTED else counted[~smallest]
    return kept[:, kept.sum(axis=0) > 0] if len(kept) else kept


def cramers_v(counted: Any) -> float:
    """Association of a table of counts, 0..1, without the bias of small samples.

    V = sqrt(phi2 / min(r - 1, k - 1)) with phi2, r and k corrected as by Bergsma (Journal of the Korean Statistical
    Society 2013).
    """
    rows, columns = counted.shape
    total = counted.sum()
    phi2 = stats.chi2_contingency(counted, correction=False).statistic / total
    phi2 = max(0.0, phi2 - (rows - 1) * (columns - 1) / (total - 1))
    least = min(rows - (rows - 1) ** 2 / (total - 1), columns - (columns - 1) ** 2 / (total - 1)) - 1
    return float(np.sqrt(phi2 / least)) if least > 0 else 0.0


def sampled(found: Identified, table: Table) -> str:
    """A sentence where not all rows were looked at."""
    rows: Rows = found.looked
    return "" if len(rows) == table.rows else f" Looked at was a sample of {count(len(rows))} rows."
