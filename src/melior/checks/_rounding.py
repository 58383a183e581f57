"""Numbers with fewer digits: at fifteen precisions, and in the three ways in which programs round."""

import numpy as np

from melior.data.table import Floats

DECIMALS = range(9)
DIGITS = range(2, 8)
PRECISIONS = [*(("decimals", number) for number in DECIMALS), *(("digits", number) for number in DIGITS)]

Ways = tuple[Floats, Floats, Floats]


def rounded(values: Floats) -> list[Ways]:
    """Values (n,) at fifteen precisions: with 0 to 8 decimals, and with 2 to 7 significant digits; each in three ways,
    which differ in what becomes of a 5 at the end: as the binary number says (C's printf, Python), as the product says
    (numpy), and up (spreadsheets). Ways that give the same are one array."""
    return [at_precision(values, kind, digits) for kind, digits in PRECISIONS]


def at_precision(values: Floats, kind: str, digits: int) -> Ways:
    """Values (n,) with so many `decimals`, or so many significant `digits`, in the ways of `rounded`."""
    with np.errstate(all="ignore"):
        if kind == "decimals":
            return at_scale(values, np.full(values.shape, float(digits)))
        known = (values != 0) & np.isfinite(values)
        power = np.where(known, np.floor(np.log10(np.abs(np.where(known, values, 1.0)))), 0.0)
        return at_scale(values, digits - 1 - power)


def at_scale(values: Floats, scale: Floats) -> Ways:
    """Values rounded to multiples of 10**-scale."""
    # powers up to 10**22 are exact; a double of 300 digits is left as it is by what follows
    up, down = np.power(10.0, np.clip(scale, 0, 300)), np.power(10.0, np.clip(-scale, 0, 300))
    scaled = np.where(scale >= 0, values * up, values / down)
    low = np.floor(scaled)
    product = np.rint(scaled)
    # within a few units of the last place the decimal number that was meant ends in 5
    meant = np.abs(scaled - low - 0.5) <= 4 * np.spacing(np.abs(scaled))

    def back(whole: Floats) -> Floats:
        found = np.where(scale >= 0, whole / up, whole * down)
        return np.where(np.isfinite(found) | ~np.isfinite(values), found, values) + 0.0

    second = back(product)
    if not meant.any():
        return second, second, second
    error = np.where(scale >= 0, product_error(values, up, scaled), 0.0)
    tie = scaled - low == 0.5
    first = back(np.where(tie & (error != 0), low + (error > 0), product))
    third = back(np.where(meant, np.where(values >= 0, low + 1, low), product))
    second = first if np.array_equal(first, second, equal_nan=True) else second
    third = next((way for way in (first, second) if np.array_equal(way, third, equal_nan=True)), third)
    return first, second, third


def product_error(one: Floats, two: Floats, product: Floats) -> Floats:
    """one * two - product without rounding (Dekker, A floating-point technique for extending the available precision,
    1971)."""
    split = 134217729.0  # 2**27 + 1
    high_one, high_two = one * split - (one * split - one), two * split - (two * split - two)
    low_one, low_two = one - high_one, two - high_two
    found: Floats = ((high_one * high_two - product) + high_one * low_two + low_one * high_two) + low_one * low_two
    return np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)
