"""The `melior` command: its commands in order, and what happens to errors."""

import sys
from importlib import import_module

import typer

from melior.errors import UserError

INTERRUPTED = 130
COMMANDS = (
    "init", "audit", "improve", "train", "evaluate", "diagnose", "predict", "chat", "report", "demo", "listing",
)  # fmt: skip

app = typer.Typer(
    name="melior",
    help="Finds what is wrong with your data and model, tries what treats it, keeps what provably helps.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: melior demo",
)


def show_version(wanted: bool) -> None:
    if wanted:
        from melior import __version__

        print(f"melior {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", help="Show the version.", callback=show_version, is_eager=True),
) -> None:
    """Options that come before any command."""


for _command in COMMANDS:
    import_module(f"melior.cli.{_command}").register(app)


def run() -> None:
    """The entry point: bad input ends with one sentence and code 2, an interruption with 130."""
    try:
        app()
    except UserError as error:
        print(f"melior: {error}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, KeyboardInterrupt) or end.code == INTERRUPTED:  # typer may have caught it already
            print("melior: interrupted; the same command goes on from here.", file=sys.stderr)
            sys.exit(INTERRUPTED)
        raise
    except BrokenPipeError:
        sys.exit(141)
