"""The `melior` command: its commands in order, and what happens to errors."""

import os
import sys
from importlib import import_module

import typer

from melior.errors import RankLost, UserError
from melior.processes import end_with_parent, first_process, how_it_ended, say_how_it_ended

INTERRUPTED, LOST = 130, 75
COMMANDS = (
    "init", "audit", "improve", "train", "evaluate", "judge", "diagnose", "predict", "chat", "report", "demo", "prove",
    "listing",
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
    """The entry point: bad input ends with one sentence and code 2, an interruption with 130. Of processes that were
    started together one speaks for all."""
    told = how_it_ended()
    if told is not None:
        end_with_parent()
        if told.exists():  # the agent started this process again, for one that ended with a sentence
            sys.exit(0)
    try:
        app()
    except UserError as error:
        end_with(2, str(error))
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, KeyboardInterrupt) or end.code == INTERRUPTED:  # typer may have caught it already
            end_with(INTERRUPTED, "interrupted; the same command goes on from here.")
        raise
    except RankLost as error:
        print(f"melior: {error}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(LOST)  # no waiting for what the lost rank will never answer
    except BrokenPipeError:
        sys.exit(141)
    except OSError as error:
        if error.errno is None or error.filename is None:  # a library's own, and no word of a file
            raise
        end_with(
            2, f"{error.filename} cannot be written or read ({error.strerror}); see to that, or name another place."
        )


def end_with(code: int, sentence: str) -> None:
    """Whoever started the processes (`launch`) is told in a file, by the first that has something to say; of its code
    the agent sees that the others are to be stopped."""
    if not say_how_it_ended(code, sentence) and first_process():
        print(f"melior: {sentence}", file=sys.stderr)
    sys.exit(code)
