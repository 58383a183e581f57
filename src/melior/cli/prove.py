"""melior prove"""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    @app.command()
    def prove(
        names: Annotated[
            list[str] | None, typer.Argument(help="Methods or other answers; none: those that have an experiment.")
        ] = None,
        every: Annotated[
            bool, typer.Option("--all", help="All whose card is missing or of an older experiment.")
        ] = False,
        again: Annotated[bool, typer.Option("--again", help="With --all: those with a card too.")] = False,
        out: Annotated[Path, typer.Option("--out", help="The folder for cards.")] = Path("cards"),
        seeds: Annotated[
            int | None, typer.Option("--seeds", min=2, help="Seeds of each case, for a quick look.")
        ] = None,
        budget: Annotated[
            str | None, typer.Option("--budget", help="With --all: begin none after so long, as 2h.")
        ] = None,
    ) -> None:
        """Measure what a method is worth: run its recorded experiment and write its card.

        Each case is fitted with the method and without it, on the same rows and
        seeds; where it is meant to help, and where it is not. An experiment that
        was interrupted goes on.
        """
        import time

        from melior.cli import show, show_cards
        from melior.errors import UserError
        from melior.proofs import prove as proofs
        from melior.questions.cards import read_card
        from melior.verbs.improve import budget_seconds

        if not names and not every:
            for name in proofs.names():
                show.out.print(name)
            return
        wanted = list(names or ())
        if every:
            wanted += [name for name in proofs.names() if again or _lacks(name, out)]
        ends = None if budget is None else time.monotonic() + budget_seconds(budget)
        failed = []
        for name in dict.fromkeys(wanted):
            if ends is not None and time.monotonic() >= ends:
                show.out.print(f"time is over: {name} and what comes after it was not begun")
                break
            try:
                with show.progress() as progress:
                    proofs.prove(name, out=out, seeds=seeds, progress=progress)
            except UserError as error:
                if not every:
                    raise
                failed.append(name)
                show.err.print(f"{error}")
                continue
            show_cards.card(read_card(out / f"{name}.json"))
        if failed:
            raise UserError(f"{len(failed)} experiments did not end: {', '.join(failed)}.")


def _lacks(name: str, out: Path) -> bool:
    from melior.proofs.prove import digest_of
    from melior.questions.cards import read_card

    path = out / f"{name}.json"
    return not path.exists() or read_card(path).experiment != digest_of(name)
