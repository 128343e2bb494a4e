"""Yeh–Hummer: the lattice constant, the shift, fits over boxes, and what is refused."""

import json

import numpy as np
import pytest
from scipy import special

from aiida_mliptransport.science.transport.finite_size import (
    CUBIC_LATTICE_CONSTANT,
    correct_with_viscosity,
    cubic_box_length,
    finite_size_shift,
    fit_box_lengths,
)

BOXES = np.array([20.0, 25.0, 32.0, 40.0, 50.0])
TRUE, VISCOSITY, TEMPERATURE = 5e-5, 1.0, 300.0


def in_boxes(lengths: np.ndarray) -> np.ndarray:
    return TRUE - finite_size_shift(1.0, TEMPERATURE, VISCOSITY) / lengths


def test_the_constant_is_the_lattice_sum_of_the_cube() -> None:
    # Ewald sum of unit charges on a cubic lattice in a neutralising background, splitting 2.
    index = np.arange(-6, 7)
    lattice = np.array(np.meshgrid(index, index, index)).reshape(3, -1).T
    square = (lattice**2).sum(axis=1)
    square = square[square > 0].astype(float)
    width = 2.0
    real = (special.erfc(width * np.sqrt(square)) / np.sqrt(square)).sum()
    reciprocal = (np.exp(-(np.pi**2) * square / width**2) / (np.pi * square)).sum()
    potential = real + reciprocal - 2.0 * width / np.sqrt(np.pi) - np.pi / width**2
    assert -potential == pytest.approx(CUBIC_LATTICE_CONSTANT, abs=1e-6)


def test_the_shift_of_a_small_water_box() -> None:
    # 2.837297 k_B 298.15 K / (6 π 0.89 mPa s 18.6 Å), by hand.
    assert finite_size_shift(18.6, 298.15, 0.89) == pytest.approx(3.743e-6, rel=1e-3)


def test_a_given_viscosity_adds_the_shift_and_its_error() -> None:
    shift = finite_size_shift(25.0, 300.0, 1.0)
    result = correct_with_viscosity(4e-5, 1e-6, 25.0, 300.0, 1.0, 0.1)
    assert result.diffusion_cm2_s == pytest.approx(4e-5 + shift)
    assert result.standard_error_cm2_s == pytest.approx(np.hypot(1e-6, 0.1 * shift))


def test_exact_boxes_give_back_the_limit_and_the_viscosity() -> None:
    values = in_boxes(BOXES)
    result = fit_box_lengths(BOXES, values, 0.002 * values, TEMPERATURE)
    assert result.diffusion_cm2_s == pytest.approx(TRUE, rel=1e-9)
    assert result.viscosity_mPa_s == pytest.approx(VISCOSITY, rel=1e-9)
    assert json.loads(json.dumps(result.as_dict()))["resolved"] is True


def test_both_methods_agree_where_they_share_the_viscosity() -> None:
    values = in_boxes(BOXES)
    fitted = fit_box_lengths(BOXES, values, 0.01 * values, TEMPERATURE)
    single = correct_with_viscosity(values[0], 1e-7, BOXES[0], TEMPERATURE, VISCOSITY, 0.01)
    assert single.diffusion_cm2_s == pytest.approx(fitted.diffusion_cm2_s, rel=1e-9)


def test_intervals_of_both_methods_cover_the_truth() -> None:
    rng = np.random.default_rng(4)
    fitted = given = 0
    n_sets = 400
    for _ in range(n_sets):
        values = in_boxes(BOXES) * (1.0 + 0.03 * rng.normal(size=5))
        low, high = fit_box_lengths(BOXES, values, 0.03 * values, TEMPERATURE).interval()
        fitted += low <= TRUE <= high
        viscosity = VISCOSITY * (1.0 + 0.1 * rng.normal())
        low, high = correct_with_viscosity(
            values[0], 0.03 * values[0], BOXES[0], TEMPERATURE, viscosity, 0.1 * viscosity
        ).interval()
        given += low <= TRUE <= high
    assert 0.91 <= fitted / n_sets <= 0.98
    assert 0.91 <= given / n_sets <= 0.98


def test_boxes_without_a_trend_leave_the_viscosity_open() -> None:
    result = fit_box_lengths(BOXES, np.full(5, 4e-5), np.full(5, 2e-6), TEMPERATURE)
    assert result.resolved
    assert result.viscosity_mPa_s is None
    assert "the viscosity is not resolved" in result.warning


def test_a_noisy_limit_is_not_resolved() -> None:
    result = fit_box_lengths(BOXES, np.full(5, 4e-5), np.full(5, 3e-5), TEMPERATURE)
    assert result.diffusion_cm2_s is None
    with pytest.raises(ValueError, match="not resolved: the limit of large boxes"):
        result.interval()


def test_an_unknown_viscosity_gives_no_correction() -> None:
    result = correct_with_viscosity(4e-5, 1e-6, 25.0, 300.0, 1.0, 0.6)
    assert not result.resolved
    assert result.diffusion_cm2_s is None
    assert "not told from zero" in result.reason


def test_boxes_off_the_line_give_a_warning() -> None:
    values = in_boxes(BOXES) * np.array([1.0, 1.1, 1.0, 0.9, 1.0])
    assert "not Yeh–Hummer" in fit_box_lengths(BOXES, values, 0.01 * values, TEMPERATURE).warning


def test_two_boxes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 different ones"):
        fit_box_lengths([20, 20, 40], [1e-5] * 3, [1e-6] * 3, 300.0)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan])
def test_a_viscosity_that_is_not_positive_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="viscosity_mPa_s is"):
        finite_size_shift(25.0, 300.0, bad)


def test_only_a_cube_has_a_box_length() -> None:
    turned = 12.0 * np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert cubic_box_length(turned) == pytest.approx(12.0)
    with pytest.raises(ValueError, match="not a cube"):
        cubic_box_length(np.diag([12.0, 12.0, 13.0]))
    with pytest.raises(ValueError, match="not a cube"):
        cubic_box_length([[12, 0, 0], [6, 10.392, 0], [0, 0, 12]])
