"""Records of several committee members become one with both parts of the error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aiida_mliptransport.science.transport.arrhenius import fit_arrhenius
from aiida_mliptransport.science.transport.joined_point import (
    join_conductivity,
    join_diffusion,
    join_fits,
)
from aiida_mliptransport.science.units import BOLTZMANN_EV_K


def record(value: float | None, error: float | None, **more: Any) -> dict[str, Any]:
    return {
        "D_cm2_s": value,
        "sigma_mS_cm": value,
        "standard_error": error,
        "relative_error": None if value is None or error is None else error / value,
        "log_log_slope": 1.0,
        "log_log_slope_error": 0.1,
        "fit_window_ps": [1.0, 5.0],
        "n_independent": 100.0,
        "resolved": value is not None,
        "reason": "" if value is not None else "too short",
        "needed_length_ps": None if value is not None else 40.0,
        "warning": "",
        "method": "a method",
        **more,
    }


def test_one_member_keeps_its_record() -> None:
    joined = join_diffusion({"member_0": record(1e-5, 1e-6)})
    assert joined["D_cm2_s"] == 1e-5
    assert joined["relative_sampling_error"] == pytest.approx(0.1)
    assert joined["model_error"] is None


def test_members_join_to_a_geometric_mean_with_a_model_error() -> None:
    members = {"a": record(1.0e-5, 1e-7), "b": record(2.0e-5, 2e-7), "c": record(4.0e-5, 4e-7)}
    joined = join_diffusion(members)
    assert joined["D_cm2_s"] == pytest.approx(2.0e-5)
    # ln 2 between neighbours, sampling errors of 1 %.
    assert joined["model_error"] / 2.0e-5 == pytest.approx(np.sqrt(np.log(2) ** 2 - 1e-4))
    assert joined["relative_sampling_error"] == pytest.approx(0.01 / np.sqrt(3))
    assert joined["dominant_error"] == "model"
    assert joined["log_log_slope_error"] == pytest.approx(0.1 / np.sqrt(3))
    low, high = joined["interval_95"]
    assert low < 1e-5 < 4e-5 < high


def test_tensors_join_element_by_element() -> None:
    tensors = [np.diag([1.0, 2.0, 3.0]), np.diag([2.0, 3.0, 4.0])]
    members = {
        str(number): record(
            2.0, 0.1, tensor_cm2_s=tensor.tolist(), tensor_error=(0.1 * np.eye(3)).tolist()
        )
        for number, tensor in enumerate(tensors)
    }
    joined = join_diffusion(members)
    np.testing.assert_allclose(joined["tensor_cm2_s"], np.diag([1.5, 2.5, 3.5]))
    # Between the members 1/√2, of which sampling takes 0.1; one more member has (1 + 1/2) of it.
    expected = np.sqrt(0.01 / 2 + 1.5 * (0.5 - 0.01))
    assert joined["tensor_error"][0][0] == pytest.approx(expected)
    unknown = join_diffusion({**members, "2": record(None, None, tensor_cm2_s=None)})
    assert unknown["tensor_cm2_s"] is None


def test_a_member_that_is_not_resolved_makes_the_joint_value_unknown() -> None:
    joined = join_diffusion({"a": record(1e-5, 1e-6), "b": record(None, None)})
    assert not joined["resolved"]
    assert joined["D_cm2_s"] is None
    assert joined["reason"] == "b: too short"
    assert joined["needed_length_ps"] == 80.0


def conductivity(sigma: float, haven: float, share: float) -> dict[str, Any]:
    return record(
        sigma, 0.01 * sigma,
        sigma_NE_mS_cm=sigma * haven, sigma_NE_error=0.01 * sigma * haven,
        haven_ratio=haven, haven_ratio_error=0.01 * haven, haven_convention="NE over collective",
        transference={"Li": share, "Cl": 1 - share},
        transference_error={"Li": 0.01, "Cl": 0.01},
    )  # fmt: skip


def test_conductivity_joins_haven_ratio_and_transference_too() -> None:
    joined = join_conductivity(
        {"a": conductivity(100.0, 0.8, 0.6), "b": conductivity(400.0, 0.9, 0.8)}
    )
    assert joined["sigma_mS_cm"] == pytest.approx(200.0)
    assert joined["haven_ratio"] == pytest.approx(np.sqrt(0.72))
    assert joined["transference"] == pytest.approx({"Li": 0.7, "Cl": 0.3})
    assert joined["haven_convention"] == "NE over collective"


def test_transference_numbers_that_the_masses_fix_stay_exact() -> None:
    exact = {**conductivity(100.0, 0.8, 0.836), "transference_error": {"Li": 0.0, "Cl": 3e-9}}
    for members in ({"a": exact}, {"a": exact, "b": exact}):
        joined = join_conductivity(members)
        assert joined["transference"] == pytest.approx({"Li": 0.836, "Cl": 0.164})
        assert joined["transference_error"] == {"Li": 0.0, "Cl": 0.0}


def test_lines_of_members_join_with_the_spread_of_their_energies() -> None:
    temperatures = np.array([500.0, 600.0, 800.0])
    fits = {}
    for name, energy in (("a", 0.30), ("b", 0.32), ("c", 0.34)):
        values = np.exp(-energy / (BOLTZMANN_EV_K * temperatures))
        fits[name] = fit_arrhenius(temperatures, values, 0.001 * values, "D")
    joined = join_fits(fits)
    assert joined["Ea_eV"] == pytest.approx(0.32)
    assert joined["model_error_eV"] == pytest.approx(0.02, rel=0.02)
    assert joined["dominant_error"] == "model"
    covariance = np.array(joined["covariance"])
    # (1 + 1/3) of 0.02² between members, and next to nothing of the sampling.
    assert covariance[1, 1] == pytest.approx(0.02**2 * 4 / 3, rel=0.02)
    assert np.linalg.eigvalsh(covariance).min() >= -1e-12
    alone = join_fits({"a": fits["a"]})
    assert alone["Ea_eV"] == pytest.approx(0.30)
    assert alone["model_error_eV"] is None
