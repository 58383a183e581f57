"""Numbers as people read them: three digits, thousands separated, per cent where a share is meant."""

import math
from datetime import datetime
from typing import Any

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NARROW NO-BREAK SPACE}"
SHARES = ("share", "rate", "fraction", "percent", "missing", "confidence")


def known(value: Any) -> float | None:
    """The value as a finite float; None for everything else, booleans included.

    >>> known("0.5"), known(None), known(2)
    (None, None, 2.0)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def count(value: Any) -> str:
    """Whole things.

    >>> count(12345), count(12.5), count(None)
    ('12,345', '12.5', '–')
    """
    number = known(value)
    if number is None:
        return MISSING
    return _minus(f"{number:,.0f}" if abs(number - round(number)) < 1e-9 else f"{number:,.1f}")


def score(value: Any) -> str:
    """A metric: three decimals, and fewer where it is large.

    >>> score(0.81234), score(12.345), score(-0.5)
    ('0.812', '12.3', '−0.500')
    """
    number = known(value)
    if number is None:
        return MISSING
    return _minus(f"{number:.3f}" if abs(number) < 10 else f"{number:,.1f}")


def signed(value: Any) -> str:
    """A difference, with its sign; four decimals where three would hide it.

    >>> signed(0.0812), signed(-0.0004), signed(0)
    ('+0.081', '−0.0004', '0.000')
    """
    number = known(value)
    if number is None:
        return MISSING
    if number == 0 or abs(number) < 0.00005:
        return "0.000"
    return _minus(f"{number:+.4f}" if abs(number) < 0.0005 else f"{number:+.3f}")


def percent(value: Any) -> str:
    """A share.

    >>> percent(0.1234), percent(1), percent(0.00001)
    ('12.3\u202f%', '100\u202f%', '<0.1\u202f%')
    """
    number = known(value)
    if number is None:
        return MISSING
    if 0 < number < 0.0005:
        return f"<0.1{SPACE}%"
    if 0.9995 <= number < 1:
        return f">99.9{SPACE}%"
    whole = number in (0, 1)
    return _minus(f"{100 * number:.0f}{SPACE}%" if whole else f"{100 * number:.1f}{SPACE}%")


def chance(value: Any) -> str:
    """A p value.

    >>> chance(0.0316), chance(0.0002), chance(None)
    ('0.032', '<0.001', '–')
    """
    number = known(value)
    if number is None:
        return MISSING
    return "<0.001" if number < 0.001 else f"{number:.3f}"


def seconds(value: Any) -> str:
    """How long.

    >>> seconds(0.42), seconds(31.4), seconds(252), seconds(7500)
    ('0.4\u202fs', '31\u202fs', '4\u202fmin 12\u202fs', '2\u202fh 5\u202fmin')
    """
    number = known(value)
    if number is None:
        return MISSING
    if number < 9.95:
        return f"{number:.1f}{SPACE}s"
    if number < 59.5:
        return f"{number:.0f}{SPACE}s"
    if number < 3600:
        minutes, left = divmod(round(number), 60)
        return f"{minutes}{SPACE}min" + (f" {left}{SPACE}s" if left else "")
    hours, left = divmod(round(number / 60), 60)
    return f"{hours}{SPACE}h" + (f" {left}{SPACE}min" if left else "")


def number(value: Any) -> str:
    """Any number: whole ones with thousands separated, others with three significant digits.

    >>> number(1234567), number(0.000123), number(1234.5), number(3.0)
    ('1,234,567', '0.000123', '1,234', '3')
    """
    found = known(value)
    if found is None:
        return MISSING
    if found == round(found) and abs(found) < 1e15:
        return _minus(f"{found:,.0f}")
    if 1000 <= abs(found) < 1e15:
        return _minus(f"{found:,.0f}")
    return _minus(f"{found:.3g}")


def measured(name: str, value: Any) -> str:
    """A number behind a finding; a share by its name is shown in per cent.

    >>> measured("share_of_rarest", 0.0421), measured("rate", 0.001), measured("rows", 1200), measured("noisy", True)
    ('4.2\u202f%', '0.001', '1,200', 'yes')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    found = known(value)
    if found is None:
        return MISSING if value is None else str(value)
    words = name.lower().split("_")
    if words == ["rate"]:  # of learning, no share
        return number(found)
    if words[0] == "p" and 0 <= found <= 1:
        return chance(found)
    if isinstance(value, float) and 0 <= found <= 1 and any(word in words for word in SHARES):
        return percent(found)
    if words[0] in ("score", "auc") and isinstance(value, float):
        return score(found)
    return number(found)


def when(text: Any) -> str:
    """The moment of `run.json`, as a date; as it stands where it cannot be read.

    >>> when("2025-11-24T06:12:36+0000")
    '24 November 2025, 06:12'
    """
    try:
        moment = datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return "" if text is None else str(text)
    return f"{moment.day} {moment:%B %Y, %H:%M}"


def listed(words: list[str], last: str = "and") -> str:
    """Words in a sentence.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def plural(amount: float, one: str, many: str = "") -> str:
    """An amount of things.

    >>> plural(1, "row"), plural(2500, "row"), plural(2, "class", "classes")
    ('1 row', '2,500 rows', '2 classes')
    """
    return f"{count(amount)} {one if amount == 1 else many or one + 's'}"


def _minus(text: str) -> str:
    return text.replace("-", MINUS)
