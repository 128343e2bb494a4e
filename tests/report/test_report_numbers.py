"""Numbers are written with the digits that their errors allow."""

from __future__ import annotations

import pytest

from aiida_mliptransport.report.numbers import (
    common_exponent,
    duration,
    grouped,
    md_length,
    number,
    percent,
    plus_minus,
    significant,
)


@pytest.mark.parametrize(
    ("value", "error", "unit", "text"),
    [
        (1.2345e-4, 5.2e-6, "cm²/s", "(1.23 ± 0.05)×10⁻⁴ cm²/s"),
        (1.2345e-4, 1.4e-5, "cm²/s", "(1.23 ± 0.14)×10⁻⁴ cm²/s"),
        (0.2712, 0.0183, "eV", "(0.271 ± 0.018) eV"),
        (2936.0, 171.0, "mS/cm", "(2940 ± 170) mS/cm"),
        (1.21, 0.08, "", "1.21 ± 0.08"),
        (0.5, 0.0975, "", "0.50 ± 0.10"),
        (-0.31, 0.02, "", "−0.310 ± 0.020"),
        (3.0e-9, None, "cm²/s", "3.00×10⁻⁹ cm²/s"),
        (0.0, 0.02, "", "0.000 ± 0.020"),
        (None, 0.1, "eV", "–"),
        (float("nan"), 0.1, "eV", "–"),
        (0.5, float("nan"), "eV", "0.500 eV"),
    ],
)
def test_a_value_is_rounded_to_its_error(value, error, unit, text):
    assert plus_minus(value, error, unit) == text


def test_an_exponent_of_the_column_head_is_not_repeated():
    assert plus_minus(5.3e-5, 4.0e-6, exponent=-4) == "0.53 ± 0.04"


def test_a_column_shares_an_exponent_unless_it_spans_too_much():
    assert common_exponent([2.2e-4, 5.3e-5, None]) == -4
    assert common_exponent([2.2e-4, 5.3e-9]) is None
    assert common_exponent([2936.0, 120.0]) == 0
    assert common_exponent([]) == 0


def test_other_numbers_are_short_and_readable():
    assert significant(0.08312, 2) == "0.083"
    assert significant(1234567.0) == "1.23×10⁶"
    assert grouped(12345) == "12\u202f345"
    assert [number(v) for v in (3, 3.0, 2.6, True, None, "x")] == [
        "3",
        "3",
        "2.60",
        "yes",
        "–",
        "x",
    ]
    assert percent(0.943) == "94.3 %"
    assert [duration(s) for s in (45, 900, 9000, 500_000)] == ["45 s", "15 min", "2.5 h", "5.8 d"]
    assert [md_length(t) for t in (30.0, 240.0, 5000.0)] == ["30.0 ps", "240 ps", "5.00 ns"]
