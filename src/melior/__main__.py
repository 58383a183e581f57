"""`python -m melior`: the `melior` command."""

from melior.cli.main import run

run()
