"""What all charts are made of.

Charts carry no colours of their own: classes name what a thing is, and the style sheet decides, so that they follow
the light and the dark scheme. A `<title>` inside a mark is what hovering over it shows.
"""

import math
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

# control characters, what turns the direction of everything after it, and what is no character
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202d\u202e\ufffe\uffff]")

TOLD = 240  # letters that hovering shows


def clean(text: Any) -> str:
    """Text that any file can hold: control characters and halves of characters become a replacement sign."""
    return UNPRINTABLE.sub("\ufffd", str(text)).encode("utf-8", "replace").decode("utf-8")


def shortened(text: Any, letters: int) -> str:
    """The beginning of a text that is too long, with a mark that it goes on."""
    said = str(text)
    return said if len(said) <= letters else said[: max(letters - 1, 0)].rstrip() + "…"


def element(name: str, *inside: str, **attributes: Any) -> str:
    """One element. `inside` is SVG already; attributes are escaped; `class_` is `class`, `_` is `-`, None is left out.

    >>> element("text", said("a < b"), x=1.5, text_anchor="end", class_="tick")
    '<text x="1.5" text-anchor="end" class="tick">a &lt; b</text>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-") if key != "viewBox" else key}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{''.join(inside)}</{name}>" if inside else f"<{name}{given}/>"


def said(text: Any) -> str:
    """Escaped text."""
    return escape(clean(text))


def title(text: Any) -> str:
    """What hovering shows."""
    return element("title", said(shortened(text, TOLD)))


def chart(label: str, *inside: str, **attributes: Any) -> str:
    """The whole chart, with a label for those who do not see it."""
    return element("svg", *inside, role="img", aria_label=shortened(label, TOLD), **attributes)


def finite(values: Iterable[Any]) -> list[float]:
    """Numbers as floats; whatever is none becomes nan."""
    return [
        float(v) if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) else math.nan
        for v in values
    ]


def shares(values: Iterable[Any]) -> list[float]:
    """Numbers as floats from 0 to 1; whatever is none becomes nan."""
    return [value if math.isnan(value) else min(max(value, 0.0), 1.0) for value in finite(values)]


def line(across: Sequence[float], up: Sequence[float], **attributes: Any) -> str:
    """A line through points in the chart's own units; it is broken where a point is unknown."""
    pieces, pen = [], "M"
    for x, y in zip(across, up, strict=False):
        if math.isnan(x) or math.isnan(y):
            pen = "M"
            continue
        pieces.append(f"{pen}{_value(x)} {_value(y)}")
        pen = "L"
    inside = attributes.pop("inside", ())
    return element("path", *inside, d="".join(pieces), **attributes) if pieces else ""


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between two ends.

    >>> ticks(0, 1), ticks(-0.013, 0.09)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 0.05])
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    rough = (high - low) / max(about, 1)
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, 12) + 0.0 for place in range(first, last + 1)]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".") if math.isfinite(value) else "0"
    return escape(clean(value), quote=True)
