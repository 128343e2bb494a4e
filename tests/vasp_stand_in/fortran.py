"""Numbers as Fortran prints them: a field that is too narrow is filled with asterisks."""

from __future__ import annotations

import math
from collections.abc import Iterable

#: What every file says of itself.
NOTICE = "stand-in of the tests, no VASP result"


def fixed(value: float, width: int, decimals: int) -> str:
    """Return ``value`` in format ``Fwidth.decimals``."""
    text = "NaN" if math.isnan(value) else f"{value:.{decimals}f}"
    return text.rjust(width) if len(text) <= width else "*" * width


def row(values: Iterable[float], width: int, decimals: int) -> str:
    """Return a line of numbers in format ``nFwidth.decimals``."""
    return "".join(fixed(float(value), width, decimals) for value in values)


def exponential(value: float, width: int, decimals: int) -> str:
    """Return ``value`` in format ``Ewidth.decimals``: the mantissa is below one."""
    if math.isnan(value):
        return "NaN".rjust(width)
    exponent = math.floor(math.log10(abs(value))) + 1 if value else 0
    mantissa = f"{abs(value) / 10.0**exponent:.{decimals}f}"
    if mantissa.startswith("1"):  # 0.9999 was rounded up
        exponent += 1
        mantissa = f"{0.1:.{decimals}f}"
    sign = "-" if value < 0 else ""
    text = f"{sign}{mantissa}E{exponent:+03d}"
    if len(text) > width and mantissa.startswith("0"):
        text = f"{sign}{mantissa[1:]}E{exponent:+03d}"
    return text.rjust(width) if len(text) <= width else "*" * width
