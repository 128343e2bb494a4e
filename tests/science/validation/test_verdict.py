"""When a difference passes, fails, or cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from aiida_mliptransport.science.validation import Quantity, count_verdicts

GPA = Quantity("elastic", "licl", "C11", "GPa")


@pytest.mark.parametrize(
    ("uncertainty", "verdict"), [(None, "pass"), (0.4, "pass"), (0.6, "warn"), (3.0, "warn")]
)
def test_a_difference_passes_only_if_two_standard_uncertainties_fit_in(uncertainty, verdict):
    line = GPA.against(51.0, 50.0, tolerance=2.0, uncertainty=uncertainty)
    assert line.verdict == verdict
    assert bool(line.reason) == (verdict != "pass")


@pytest.mark.parametrize(("uncertainty", "verdict"), [(None, "fail"), (0.4, "fail"), (0.6, "warn")])
def test_a_difference_fails_only_if_it_is_two_standard_uncertainties_beyond(uncertainty, verdict):
    line = GPA.against(47.0, 50.0, tolerance=2.0, uncertainty=uncertainty)
    assert (line.difference, line.verdict) == (-3.0, verdict)


def test_a_relative_tolerance_is_a_share_of_the_labellers_value():
    line = GPA.against(-44.0, -40.0, relative_tolerance=0.2)
    assert line.tolerance == pytest.approx(8.0)
    assert line.verdict == "pass"


def test_without_labeller_or_number_nothing_is_judged():
    line = GPA.against(47.0, None, tolerance=1.0, missing="labels cost too much")
    assert (line.verdict, line.reason, line.potential) == (
        "not available", "labels cost too much", 47.0,
    )  # fmt: skip
    assert GPA.at_most(np.nan, 1.0).verdict == "not available"


def test_lines_are_counted_by_verdict():
    lines = [GPA.at_most(1.0, 2.0), GPA.at_most(3.0, 2.0), GPA.not_available("none")]
    assert count_verdicts(lines) == {"pass": 1, "fail": 1, "warn": 0, "not available": 1}
