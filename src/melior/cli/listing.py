"""melior questions, checks, methods, models: what there is, from the code itself."""

from typing import TYPE_CHECKING, Annotated

import typer

from melior.cli import options as given

if TYPE_CHECKING:
    from pydantic import BaseModel


def register(app: typer.Typer) -> None:
    @app.command()
    def questions(
        number: Annotated[int | None, typer.Argument(help="A question's number, 1 to 30.")] = None,
        chinese: Annotated[bool, typer.Option("--zh", help="In Chinese.")] = False,
        json: given.Json = None,
    ) -> None:
        """The thirty questions, what answers each, and what it was worth where it was measured."""
        from melior.cli import show, show_cards
        from melior.errors import UserError
        from melior.questions import questions as all_questions
        from melior.questions.cards import cards_of, questions_told

        known = all_questions()
        if number is not None and not 1 <= number <= len(known):
            raise UserError(f"there is no question {number}; they are numbered 1 to {len(known)}.")
        given.write_json(json, {"questions": [one for one in questions_told() if number in (None, one["n"])]})
        if number is None:
            table = show.Table(title="The questions", title_justify="left", title_style="bold")
            for heading in ("", "question", "answers here", "symptoms"):
                table.add_column(heading)
            for one in known:
                here = sum(answer.here for answer in one.answers)
                asked = one.zh if chinese else one.en
                table.add_row(str(one.n), asked, f"{here} of {len(one.answers)}", ", ".join(one.symptoms))
            show.out.print(table)
            return
        one = known[number - 1]
        show.out.print(f"[bold]{one.n}. {one.zh if chinese else one.en}[/]")
        for answer in one.answers:
            mark = "[green]●[/]" if answer.here else "[dim]○[/]"
            name = f"{answer.id}, {answer.zh}" if chinese else answer.id
            by = f"by {', '.join(answer.by)}" if answer.here else "not yet"
            show.out.print(f"  {mark} {name}: {answer.must} [dim]({by})[/]")
            for card in cards_of(answer.id, answer.by):
                for case in card.cases:
                    show_cards.line(case, "      ")

    @app.command()
    def checks() -> None:
        """Every check: what it finds and what it costs, and those that look at a training."""
        from melior.checks._base import checks as known
        from melior.checks._training import training_checks
        from melior.cli import show

        table = show.Table(title="The checks", title_justify="left", title_style="bold")
        for heading in ("check", "finds", "cost", "what it does"):
            table.add_column(heading)
        for name, check in known().items():
            table.add_row(name, ", ".join(sorted(check.symptoms)), check.cost, first_line(check))
        show.out.print(table)
        table = show.Table(
            title="The checks of a training: they look at a run (melior diagnose RUN)",
            title_justify="left",
            title_style="bold",
        )
        for heading in ("check", "finds", "what it does"):
            table.add_column(heading)
        for name, look in training_checks().items():
            table.add_row(name, ", ".join(sorted(look.symptoms)), first_line(look))
        show.out.print(table)

    @app.command()
    def methods() -> None:
        """Every method: what it treats, its settings, and where it comes from."""
        from melior.cli import show
        from melior.methods._base import methods as known

        table = show.Table(title="The methods", title_justify="left", title_style="bold")
        for heading in ("method", "treats", "settings", "what it does"):
            table.add_column(heading)
        for name, method in known().items():
            settings = settings_of(method)
            table.add_row(name, ", ".join(sorted(method.treats)), settings, first_line(method))
        show.out.print(table)

    @app.command()
    def models() -> None:
        """Every family of models and its settings."""
        from melior.cli import show
        from melior.models._base import families
        from melior.models._generator import generators

        table = show.Table(title="The models", title_justify="left", title_style="bold")
        for heading in ("family", "reads", "settings", "what it is"):
            table.add_column(heading)
        for name, family in families().items():
            settings = settings_of(family)
            table.add_row(name, ", ".join(sorted(family.kinds)), settings, first_line(family))
        for name, generator in generators().items():
            settings = settings_of(generator)
            table.add_row(name, "texts, prompts, chats", settings, first_line(generator))
        show.out.print(table)

    @app.command()
    def schema() -> None:
        """The JSON schema of a recipe file, for editors."""
        import json

        from melior.recipe import schema as of_recipe

        print(json.dumps(of_recipe(), indent=1))


def settings_of(part: "type[BaseModel]") -> str:
    """Every setting with its default."""
    defaults = {name: field.get_default(call_default_factory=True) for name, field in part.model_fields.items()}
    return ", ".join(f"{name}={default}" for name, default in defaults.items())


def first_line(documented: type) -> str:
    """The first sentence of what a class says of itself."""
    return (documented.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ").strip()
