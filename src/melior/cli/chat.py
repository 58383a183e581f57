"""melior chat"""

from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    @app.command()
    def chat(
        run: Annotated[Path, typer.Argument(help="The run of a language model, or a model by folder, name or GGUF.")],
        system: Annotated[str | None, typer.Option("--system", help="What the model is told first.")] = None,
        temperature: Annotated[
            float, typer.Option("--temperature", min=0, max=5, help="0: the likeliest words.")
        ] = 0.7,
        tokens: Annotated[int, typer.Option("--tokens", min=1, help="Most tokens of an answer.")] = 256,
        seed: Annotated[int, typer.Option("--seed", help="Same seed and words, same answers.")] = 0,
    ) -> None:
        """Talk to a language model; an empty line or Ctrl-D ends, /new begins again."""
        from melior.cli import show
        from melior.errors import UserError
        from melior.verbs.chat import writer_of

        with show.progress() as progress:
            progress("loading the model", 0, 1)
            writer = writer_of(run)
            progress("loading the model", 1, 1)
        said: list[dict[str, Any]] = [] if system is None else [{"role": "system", "content": system}]
        first = list(said)
        while True:
            try:
                asked = show.out.input("[bold]you[/]  ").strip()
            except EOFError:
                break
            if not asked:
                break
            if asked == "/new":
                said = list(first)
                continue
            said.append({"role": "user", "content": asked})
            show.out.print("[bold green]model[/]  ", end="")
            pieces = []
            try:
                for piece in writer.stream(said, temperature=temperature, maximum=tokens, seed=seed):
                    pieces.append(piece)
                    show.out.print(piece, end="", markup=False)
            except KeyboardInterrupt:  # enough of this answer
                pass
            except UserError as error:  # this turn cannot be; what was said before stands
                show.out.print()
                show.note(f"{error} /new begins again.")
                said.pop()
                continue
            show.out.print()
            said.append({"role": "assistant", "content": "".join(pieces)})
