"""Errors on labelled cells against errors that were planted."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from aiida_mliptransport.science.units import EV_ANGSTROM3_TO_GPA
from aiida_mliptransport.science.validation import ErrorLimits, Evaluated, error_lines
from aiida_mliptransport.science.validation.errors import rms_with_error

LIMITS = ErrorLimits(
    max_relative_force_rmse=0.2,
    max_energy_rmse_meV_atom=5.0,
    max_stress_rmse_GPa=0.3,
    n_bootstrap=200,
    seed=1,
)


def planted(n=60, force=0.1, energy=0.002, stress=0.1):
    """LiCl cells with reference forces of 1 eV/Å and Gaussian errors; that of Li is doubled."""
    rng = np.random.default_rng(2)
    cells = [bulk("LiCl", "rocksalt", a=5.1, cubic=True) for _ in range(n)]
    reference = [rng.normal(size=(8, 3)) for _ in cells]
    scale = np.where(cells[0].numbers == 3, 2 * force, force)[:, None]
    labeller = Evaluated(rng.normal(size=n), reference, rng.normal(size=(n, 3, 3)))
    potential = Evaluated(
        labeller.energies + 8 * (0.05 + rng.normal(0, energy, n)),
        [f + scale * rng.normal(size=(8, 3)) for f in reference],
        labeller.stresses + rng.normal(0, stress / EV_ANGSTROM3_TO_GPA, (n, 3, 3)),
    )
    return cells, potential, labeller


def by_quantity(lines):
    return {line.quantity: line for line in lines}


def test_planted_errors_come_back_with_their_uncertainty():
    lines = by_quantity(error_lines("blind", "300K", *planted(), LIMITS))
    li, cl = lines["force RMSE per component, Li"], lines["force RMSE per component, Cl"]
    for line, expected in ((li, 0.2), (cl, 0.1)):
        assert abs(line.difference - expected) < 3 * line.uncertainty
    # 60 frames with 4 atoms of 3 components each.
    assert cl.uncertainty == pytest.approx(0.1 / np.sqrt(2 * 60 * 12), rel=0.3)
    vector = lines["force RMSE of the vector, Li"]
    assert vector.difference == pytest.approx(np.sqrt(3) * li.difference)
    assert lines["force MAE per component, Cl"].difference == pytest.approx(
        0.1 * np.sqrt(2 / np.pi), rel=0.05
    )
    assert lines["energy RMSE per atom without the mean"].difference == pytest.approx(2, rel=0.3)
    assert lines["mean error of the energy per atom"].potential == pytest.approx(50, abs=1)
    assert lines["stress RMSE per component"].difference == pytest.approx(0.1, rel=0.1)
    assert li.verdict == "warn"
    assert cl.verdict == "pass"


def test_equal_values_have_no_error():
    cells, _, labeller = planted(n=3)
    lines = error_lines("blind", "300K", cells, labeller, labeller, LIMITS)
    assert {line.verdict for line in lines} == {"pass"}
    assert all(line.difference == 0 for line in lines if line.difference is not None)


def test_cells_that_are_not_known_are_counted_and_left_out():
    cells, potential, labeller = planted(n=4, force=0.0)
    labeller.energies[1] = np.nan
    potential.forces[2][0, 0] = np.inf
    lines = error_lines("blind", "300K", cells, potential, labeller, LIMITS)
    assert (lines[0].quantity, lines[0].verdict) == ("2 of 4 cells", "not available")
    assert by_quantity(lines)["force RMSE per component, all atoms"].difference < 1e-12
    labeller.energies[:] = np.nan
    assert len(error_lines("blind", "300K", cells, potential, labeller, LIMITS)) == 1


def test_the_error_of_a_root_mean_square_is_its_scatter():
    rng = np.random.default_rng(3)
    found = [rms_with_error(rng.normal(size=25), rng, 200) for _ in range(100)]
    scatter = np.std([rms for rms, _ in found])
    assert np.mean([error for _, error in found]) == pytest.approx(scatter, rel=0.25)
    assert rms_with_error([2.0], rng, 10) == (2.0, None)
