"""What there is in place of a name that nothing has."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from melior.data.target import listed

MOST = 2000  # names that are compared: a table may have a million columns


def named(name: Any, there: Sequence[str]) -> str:
    """A name as a table has it: as text, and without spaces around it where the table took them away.

    >>> named(1, ["0", "1"]), named("y ", ["x", "y"])
    ('1', 'y')
    """
    text = str(name)
    return text if text in there else text.strip()


def instead(wanted: str, there: Sequence[str]) -> str:
    """The nearest name of those there are, or the first few, as a sentence.

    >>> instead("Colour", ["size", "color"])
    'Did you mean "color"?'
    """
    folded = {one.casefold(): one for one in there}
    near = get_close_matches(wanted.casefold(), list(folded)[:MOST], n=1, cutoff=0.75)
    return f'Did you mean "{folded[near[0]]}"?' if near else f"There are {listed(list(there))}."
