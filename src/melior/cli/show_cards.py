"""Cards in the terminal."""

from melior.cli.show import Text, out
from melior.questions.cards import Card, CardCase

COLOURS = {"better": "green", "worse": "red", "not shown": "yellow"}
MARKS = {"better": "●", "worse": "✕", "not shown": "○"}


def cost(case: CardCase) -> list[str]:
    """Seconds and memory of a fit without the change and with it."""
    said = []
    if case.seconds is not None:
        said.append(f"{case.seconds[0]:.2g} → {case.seconds[1]:.2g} s")
    if case.mib is not None:
        said.append(f"{case.mib[0]:,.0f} → {case.mib[1]:,.0f} MiB")
    return said


def card(shown: Card) -> None:
    """Name, cases, figures: two lines a case, where it was meant to help first."""
    out.print(Text.assemble((shown.name, "bold"), f"   question {shown.question}   ", (shown.paper, "dim")))
    for case in shown.cases:
        line(case)
    if not shown.proved:
        out.print(Text("  No effect was shown anywhere.", style="yellow"))


def line(case: CardCase, indent: str = "  ") -> None:
    """One case: what was looked at, then what came of it."""
    said = {"better": "helps", "worse": "harms", "not shown": "no effect shown"}[case.found]
    on = f"{case.name} ({case.model})" if case.model else case.name
    out.print(Text.assemble(indent, (MARKS[case.found], COLOURS[case.found]), f" {on}"))
    pieces = [
        f"{case.measure} {case.from_to}",
        case.better_by,
        f"{len(case.before)} seeds",
        *cost(case),
    ]
    out.print(Text.assemble(f"{indent}    ", "   ".join(pieces), "   ", (said, COLOURS[case.found])))
