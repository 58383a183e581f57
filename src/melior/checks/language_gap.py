"""Language gap: a model that is wrong much more often in one language than in the others."""

import numpy as np
from scipy import stats

from melior.checks._base import Check, Context
from melior.checks._languages import OTHER, languages_of
from melior.checks._statistics import answered, count, log_losses, share
from melior.checks.weak_slice import MATTERS, SMALLEST, counted_once
from melior.findings import Finding
from melior.texts.names import NAMES

FEWEST_ROWS = 100
MOST_ROWS = 20_000
LEVEL = 0.01  # that any language is named where mistakes have nothing to do with languages


class LanguageGap(Check):
    """Compares how often out-of-fold answers are wrong in each language with how often they are in all others.

    A language of at least 20 rows is named where it has more mistakes than chance gives (Fisher's exact test,
    one-sided, 1 % over all languages of the table, by Holm's correction) and at least five in a hundred more. The
    language of a row is what a language column says, else as its texts read. Severity is the difference in the share of
    mistakes. Repeated rows count once; of more than 20,000 rows a sample is looked at. The language may be harder, have
    fewer rows or other answers: the finding does not say which.
    """

    symptoms = frozenset({"language_gap"})
    reads = frozenset({"text", "language"})
    cost = "model"
    for_people = True
    needs_target = True

    def measure(self, context: Context) -> list[Finding]:
        table = context.table
        known = answered(table, FEWEST_ROWS)
        if known is None or not table.of_kind("text", "language"):
            return []
        rows = counted_once(context, known[0])
        if len(rows) > MOST_ROWS:
            rows = np.sort(np.random.default_rng([context.seed, 47]).choice(rows, MOST_ROWS, replace=False))
        languages = languages_of(table.take(rows), context.seed)
        names, counts = np.unique(languages[languages != OTHER], return_counts=True)
        if len(names) < 2:
            return []
        scores = context.out_of_fold()
        labels = table.given_labels()
        wrong = scores[rows].argmax(axis=1) != labels[rows]
        spoken = languages != OTHER
        tested = []
        for name, size in zip(names.tolist(), counts.tolist(), strict=True):
            if size < SMALLEST or size == int(spoken.sum()):
                continue
            here = languages == name
            inside, all_wrong = int(wrong[here].sum()), int(wrong[spoken].sum())
            p = float(stats.hypergeom.sf(inside - 1, int(spoken.sum()), all_wrong, size))
            tested.append((p, name, here, inside / size, (all_wrong - inside) / (int(spoken.sum()) - size)))
        found = []
        for place, (p, name, here, inside_share, outside) in enumerate(sorted(tested, key=lambda one: one[:2])):
            if p * (len(tested) - place) >= LEVEL:
                break  # Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979
            if inside_share - outside < MATTERS:
                continue
            own = rows[here]
            surprise = log_losses(scores[own], labels[own])
            order = np.argsort(-surprise, kind="stable")
            found.append(
                Finding(
                    symptom="language_gap",
                    severity=float(np.clip(inside_share - outside, 0.0, 1.0)),
                    message=(
                        f"In {NAMES.get(name, name)} ({count(len(own))} rows) the model is wrong in "
                        f"{share(inside_share)} of the rows, in the other languages in {share(outside)}."
                    ),
                    measured={
                        "language": name,
                        "rows": len(own),
                        "wrong": inside_share,
                        "wrong_elsewhere": outside,
                        "p": p,
                        "languages": dict(zip(names.tolist(), counts.tolist(), strict=True)),
                    },
                    threshold=LEVEL,
                    threshold_from="Fisher's exact test of the mistakes in a language, 1 % over all languages (Holm)",
                    columns=tuple((table.of_kind("language") or table.of_kind("text"))[:1]),
                    rows=table.row_ids[own[order]],
                    row_scores=surprise[order],
                )
            )
        return found
