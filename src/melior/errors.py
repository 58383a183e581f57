"""What a user did that cannot work, said in one sentence: what is wrong, where, and what to do."""


class UserError(ValueError):
    """Bad input. The command line prints the sentence and ends with code 2, without a traceback."""


class RankLost(RuntimeError):
    """Of processes that train together another did not answer in time, or is gone. The sentence says which."""


class MissingExtra(UserError):
    """Something needs a heavier part of the project; the sentence names the command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra {extra!r}: pip install 'melior[{extra}]'.")
