"""The pages that are made from cards: one for each question, with a plot, and what to try first for each symptom."""

from collections.abc import Callable, Iterable
from html import escape

from translated import English

from melior.questions import Question
from melior.questions.cards import Card, CardCase, cards, cards_of

Link = Callable[[str], str]
FOUND = {"better": "helps", "worse": "harms", "not shown": "no effect shown"}
NO_EFFECT = "**No effect was shown anywhere.**"
MARK = {"better": "●", "worse": "✕", "not shown": "○"}
COLOUR = {"better": "#2e8b57", "worse": "#c0392b", "not shown": "#b8860b"}
WIDTH, LEFT, RIGHT, STEP = 740, 230, 560, 26


# ---- figures


def both(case: CardCase, say: English) -> str:
    """The measure without the change and with it. Metrics keep their names; units are words."""
    name = case.measure if case.measure.replace("_", "").isalnum() else say(case.measure, "card measures")
    return f"{name} {case.from_to}"


def times(case: CardCase, say: English) -> str:
    """What a fit costs with the change, as a multiple of one without."""
    if case.seconds is None or not case.seconds[0]:
        return say("–")
    return say.form("{} times", f"{case.seconds[1] / case.seconds[0]:.1f}")


def numbered(found: Iterable[Card]) -> list[tuple[str, Card, CardCase]]:
    """Each case with what the plot calls it."""
    return [(f"{card.name} {n}", card, case) for card in found for n, case in enumerate(card.cases, start=1)]


# ---- pages


def of_question(question: Question) -> list[Card]:
    """The cards of a question's answers, each once."""
    found = {card.name: card for answer in question.answers for card in cards_of(answer.id, answer.by)}
    return list(found.values())


def question_page(question: Question, say: English, by: Callable[[Question, English], str], up: str) -> str:
    """The whole page. by: the table of answers; up: from the page to the documents' folder."""
    from make_reference import QUESTION, code

    asked = say.form(QUESTION, question.en, question.zh).split("\n\n")
    pieces = [f"# {question.n}. {asked[0]}", "<!-- generated:question -->", asked[1]]
    if question.symptoms:
        pieces.append(say.form("Symptoms: {}.", code(question.symptoms, say)))
    pieces.append(by(question, say))
    found = of_question(question)
    if found:
        pieces += [say("## What was measured"), say(MEASURED)]
        alt = say("Effects with their 95 % intervals, a line for each case; right of the line is better")
        pieces.append(f"![{alt}]({up}img/questions/{question.n}.svg)")
        pieces += [card_part(card, say) for card in found]
    else:
        pieces.append(say("Nothing is measured here yet: `melior prove` has no experiment for these answers."))
    return "\n\n".join([*pieces, "<!-- /generated -->"]) + "\n"


MEASURED = (
    "Each line is one comparison on the same rows and seeds, with the change and without it, scored on rows that no "
    "fit saw. A case marked with × was expected to bring nothing. The cost is the time of a fit with the change, as a "
    "multiple."
)


def card_part(card: Card, say: English) -> str:
    """One card: its cases as a table, then where and with what."""
    from make_reference import plain, table

    rows = []
    for label, _, case in numbered([card]):
        name = plain(say(case.name, f"card {card.name}"))
        change = " ".join(
            filter(None, [f"`{case.model}`" if case.model else "", f"`{case.change}`" if case.change else ""])
        )
        rows.append((
            f"{label.rsplit(' ', 1)[1]}{'' if case.helps else ' ×'}",
            name,
            change or say("–"),
            both(case, say),
            case.better_by,
            times(case, say),
            f"{MARK[case.found]} {say(FOUND[case.found])}",
        ))  # fmt: skip
    headings = ("", "measured on", "family and change", "without → with", "better by, 95 %", "cost", "so")
    seeds = sorted({len(case.before) for case in card.cases})
    made = say.form(
        "{0} seeds; {1} cores of {2}, {3}. Source: {4}.",
        say(" or ").join(str(one) for one in seeds),
        card.machine["cores"],
        card.machine["processor"],
        ", ".join(f"{name} {number}" for name, number in card.versions.items()),
        plain(card.paper),
    )
    lines = [f"### {card.name}", table(headings, rows, say), made]
    if not card.proved:
        lines.insert(2, say(NO_EFFECT))
    return "\n\n".join(lines)


def choosing(symptoms: dict[str, list[str]], say: English, link: Link) -> str:
    """For each symptom what to try first: methods that treat it, by the surest gain where they were meant to help.

    symptoms  symptom -> methods that treat it
    """
    from make_reference import plain, table

    known, pieces = cards(), []
    for symptom, names in symptoms.items():
        shown = sorted((known[name] for name in names if name in known), key=_surest, reverse=True)
        if not shown:
            continue
        rows = []
        for card in shown:
            case = card.best
            rows.append((
                link(card.name),
                plain(say(case.name, f"card {card.name}")),
                both(case, say),
                case.better_by,
                times(case, say),
                f"{MARK[case.found]} {say(FOUND[case.found])}",
                _all_cases(card),
            ))  # fmt: skip
        headings = ("try", "measured on", "without → with", "better by, 95 %", "cost", "so", "in all its cases")
        unproved = [name for name in names if name not in known]
        more = "\n\n" + say.form("Without a card: {}.", say(", ").join(map(link, unproved))) if unproved else ""
        pieces.append(f"## {symptom}\n\n{table(headings, rows, say)}{more}")
    return "\n\n".join(pieces)


def _all_cases(card: Card) -> str:
    """How many cases were found to help, to do nothing and to harm: the one that is shown is the best of them."""
    found = [case.found for case in card.cases]
    return " ".join(f"{MARK[kind]} {found.count(kind)}" for kind in ("better", "not shown", "worse") if kind in found)


def _surest(card: Card) -> tuple[bool, float]:
    """Proved first; then by how far the interval of the best case lies from 0, in widths of it."""
    case = card.best
    return card.proved, case.low / max(case.high - case.low, 1e-9)


def foretold(say: English) -> None:
    """Says what pages will say once cards are there that are not yet: their Chinese is no leftover."""
    from melior.proofs.one import cases_of, proof_of
    from melior.proofs.prove import names

    for said in (*FOUND.values(), NO_EFFECT, "–"):
        say(said)
    for name in names():
        for case, _ in cases_of(proof_of(name)):
            say(case.name, f"card {name}")
            if case.unit and not case.unit.replace("_", "").isalnum():
                say(case.unit, "card measures")


# ---- the plot


def plot(found: Iterable[Card]) -> str:
    """A line a case, on one scale for each measure. Names of methods only, so it stands on pages of both languages."""
    lines = numbered(found)
    groups: dict[str, list[tuple[str, CardCase]]] = {}
    for label, _, case in lines:
        groups.setdefault(case.measure, []).append((label, case))
    marks, y = [], 8.0
    for measure, inside in groups.items():
        low = min(0.0, *(case.low for _, case in inside))
        high = max(0.0, *(case.high for _, case in inside))
        room = 0.05 * (high - low or 1.0)
        low, high = low - room, high + room

        def x(value: float, low: float = low, high: float = high) -> float:
            return LEFT + (value - low) / (high - low) * (RIGHT - LEFT)

        marks.append(_text(0, y + 14, measure, "group"))
        y += 22
        marks.append(
            f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{y:.1f}" y2="{y + STEP * len(inside):.1f}"/>'
        )
        for label, case in inside:
            middle = y + STEP / 2
            colour = COLOUR[case.found]
            marks.append(_text(0, middle + 4, label, "label"))
            marks.append(
                f'<line x1="{x(case.low):.1f}" x2="{x(case.high):.1f}" y1="{middle}" y2="{middle}" stroke="{colour}" '
                'stroke-width="2"/>'
            )
            full, at = colour if case.found == "better" else "none", f"{x(case.effect):.1f}"
            marks.append(f'<circle cx="{at}" cy="{middle}" r="4.5" fill="{full}" stroke="{colour}" stroke-width="2"/>')
            said = case.better_by
            marks.append(_text(RIGHT + 12, middle + 4, said, "value"))
            y += STEP
        y += 12
    style = (
        "text{font:13px system-ui,sans-serif;fill:#555}.group{font-weight:600}.value{font-size:12px}"
        ".zero{stroke:#999;stroke-dasharray:3 3}@media (prefers-color-scheme:dark){text{fill:#bbb}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}" role="img" width="{WIDTH}">'
        f"<style>{style}</style>{''.join(marks)}</svg>\n"
    )


def _text(x: float, y: float, said: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(said)}</text>'
