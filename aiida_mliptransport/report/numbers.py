"""Write numbers for people: value and error with matching digits, powers of ten, durations."""

from __future__ import annotations

import math
from collections.abc import Iterable

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

#: Values in this range are written without a power of ten.
_PLAIN_EXPONENTS = range(-2, 4)


#: Relative errors below it are rounding: the number follows from a conservation law.
NEGLIGIBLE = 1e-6


def is_number(value: object) -> bool:
    """Whether ``value`` is a finite real number (a bool is not one)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def power_of_ten(exponent: int) -> str:
    """Return for example ``10⁻⁴``."""
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def exponent_of(value: float) -> int:
    """Return the decimal exponent of a number (0 for zero)."""
    return math.floor(math.log10(abs(value))) if value else 0


def error_decimals(error: float) -> int:
    """Return after how many decimals a value with this error is rounded.

    Two digits of an error whose leading digits are below 355, else one: the rule of the Particle
    Data Group (Review of Particle Physics, introduction, section 5.3).
    """
    exponent = exponent_of(error)
    leading = round(abs(error) / 10.0 ** (exponent - 2))
    if leading >= 950:
        return -exponent
    return 1 - exponent if leading < 355 else -exponent


def fixed(value: float, decimals: int) -> str:
    """Round to a number of decimals (negative: to tens, hundreds, …), with a true minus sign."""
    rounded = round(value, decimals)
    return f"{rounded:.{max(decimals, 0)}f}".replace("-", "−")


def common_exponent(values: Iterable[float | None]) -> int | None:
    """Return one exponent for a table column, or None where the values span too much for one.

    0 means that the column needs none.
    """
    exponents = [exponent_of(v) for v in values if v is not None and is_number(v) and v]
    if not exponents:
        return 0
    if max(exponents) - min(exponents) > 2:
        return None
    return 0 if all(e in _PLAIN_EXPONENTS for e in exponents) else max(exponents)


def plus_minus(
    value: float | None, error: float | None = None, unit: str = "", exponent: int | None = None
) -> str:
    """Return for example ``(1.23 ± 0.05)×10⁻⁴ cm²/s``.

    Parameters
    ----------
    value, error
        In ``unit``; None for a value that does not exist, or that has no error.
    unit
        Appended after a space.
    exponent
        Power of ten that the column head already names: it is divided out and not written.
    """
    tail = f" {unit}" if unit else ""
    if value is None or not is_number(value):
        return "–"
    power = exponent_of(value) if value else exponent_of(error or 0.0)
    if exponent is not None:
        power, suffix = exponent, ""
    elif power in _PLAIN_EXPONENTS:
        power, suffix = 0, ""
    else:
        suffix = f"×{power_of_ten(power)}"
    scaled = value / 10.0**power
    if error is None or not is_number(error) or error <= NEGLIGIBLE * abs(value):
        return f"{significant(scaled)}{suffix}{tail}"
    scaled_error = error / 10.0**power
    decimals = error_decimals(scaled_error)
    body = f"{fixed(scaled, decimals)} ± {fixed(scaled_error, decimals)}"
    return f"({body}){suffix}{tail}" if suffix or tail else body


def significant(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, and a power of ten where that is shorter."""
    if value == 0:
        return "0"
    exponent = exponent_of(value)
    if exponent < -3 or exponent >= 6:
        return f"{fixed(value / 10.0**exponent, digits - 1)}×{power_of_ten(exponent)}"
    return fixed(value, max(0, digits - 1 - exponent))


def number(value: object, digits: int = 3) -> str:
    """Return anything a table cell may hold: integers whole and grouped, None as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return grouped(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        return (
            grouped(int(value)) if value.is_integer() and abs(value) < 1e6
            else significant(value, digits)
        )  # fmt: skip
    return str(value)


def grouped(value: int) -> str:
    """Return an integer with thin spaces between thousands from five digits on."""
    text = f"{value:,}".replace(",", "\u202f") if abs(value) >= 10_000 else str(value)
    return text.replace("-", "−")


def percent(share: float | None, decimals: int = 1) -> str:
    """Return a share of one as a percentage."""
    return "–" if share is None or not is_number(share) else f"{fixed(100 * share, decimals)} %"


def duration(seconds: float | None) -> str:
    """Return for example ``45 s``, ``12 min``, ``3.4 h``, ``2.1 d``."""
    if seconds is None or not is_number(seconds):
        return "–"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} d"


def md_length(picoseconds: float | None) -> str:
    """Return a length of MD in ps, or ns from 1000 ps on."""
    if picoseconds is None or not is_number(picoseconds):
        return "–"
    if picoseconds >= 1000:
        return f"{significant(picoseconds / 1000)} ns"
    return f"{significant(picoseconds)} ps" if picoseconds < 100 else f"{picoseconds:.0f} ps"


def plural(count: int, noun: str) -> str:
    """Return ``1 frame``, ``2 frames``."""
    return f"{grouped(count)} {noun}" if count == 1 else f"{grouped(count)} {noun}s"
