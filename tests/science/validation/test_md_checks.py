"""Overlap of RDFs, the energy along runs, larger cells, and relaxed cells."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from aiida_mliptransport.science.validation import (
    ErrorLimits,
    LatticeLimits,
    RdfLimits,
    energy_shift_line,
    lattice_lines,
    rdf_line,
    rdf_overlap,
)
from aiida_mliptransport.science.validation.rdf_overlap import overlap
from aiida_mliptransport.science.validation.size_transfer import SizeTransferCheck

from .lennard_jones import crystal, evaluate


def test_overlap_of_boxes_is_what_they_share():
    a, b = np.zeros(40), np.zeros(40)
    a[:20], b[15:35] = 1.0, 1.0
    assert overlap(a, b) == pytest.approx(0.25)
    assert overlap(a, a) == 1.0
    with pytest.raises(ValueError, match="equal grids"):
        overlap(a, b[:10])


def blocks(rng, centre=2.5, n=8):
    r = np.linspace(0, 6, 120)
    g = 3 * np.exp(-((r - centre) ** 2) / 0.08) + (r > 3.2)
    return g + rng.normal(0, 0.1, (n, 120)) * (g > 0.05)


def test_the_error_of_the_overlap_is_its_scatter():
    rng = np.random.default_rng(1)
    found = [rdf_overlap(blocks(rng), blocks(rng, 2.6)) for _ in range(60)]
    scatter = np.std([one.overlap for one in found])
    assert np.mean([one.error for one in found]) == pytest.approx(scatter, rel=0.35)


LIMITS = RdfLimits(reach_A=6.0, bin_width_A=0.05, n_blocks=8, min_overlap=0.95)


def test_a_shifted_peak_fails_and_noise_alone_does_not():
    rng = np.random.default_rng(2)
    assert rdf_line("licl", "Cl-Li", blocks(rng), blocks(rng), LIMITS).verdict == "pass"
    line = rdf_line("licl", "Cl-Li", blocks(rng, 2.9), blocks(rng), LIMITS)
    assert (line.verdict, line.unit) == ("fail", "")
    single = rdf_line("licl", "Cl-Li", blocks(rng)[:1], blocks(rng), LIMITS)
    assert single.verdict == "not available"
    assert "longer trajectories" in single.reason


def test_energies_that_run_away_along_a_run_fail():
    rng = np.random.default_rng(3)
    late = np.arange(20) >= 10
    errors = rng.normal(5.0, 0.5, 20)
    assert energy_shift_line("runs", errors, late, 2.0).verdict == "pass"
    line = energy_shift_line("runs", errors + 6.0 * late, late, 2.0)
    assert line.verdict == "fail"
    assert abs(line.difference - 6.0) < 3 * line.uncertainty
    assert energy_shift_line("runs", errors[:3], late[:3], 2.0).verdict == "not available"


def test_larger_cells_have_the_size_asked_for_and_known_errors():
    limits = ErrorLimits(
        max_relative_force_rmse=0.15,
        max_energy_rmse_meV_atom=5.0,
        max_stress_rmse_GPa=0.3,
        n_bootstrap=50,
        seed=1,
    )
    check = SizeTransferCheck(n_atoms=32, n_cells=2, displacement_A=0.02, seed=1, limits=limits)
    cells = {"ar": crystal()}
    built = check.build(cells)
    assert [len(cell) for cell in built] == [32, 32]
    ours, theirs = evaluate(built), evaluate(built, epsilon=1.25)
    lines = check.compare("ar", cells, ours, theirs, {}).lines
    assert {line.subject for line in lines} == {"ar, 32 atoms"}
    force = lines[0]
    # The RMSE is a fifth of the labels' RMS, and the limit 0.15 of it.
    assert force.difference / force.tolerance == pytest.approx(0.2 / 0.15, rel=1e-6)
    assert check.compare("ar", cells, ours, None, {}).lines[0].verdict == "not available"


def test_a_cell_longer_by_one_percent_has_three_percent_more_volume():
    atoms = bulk("LiCl", "rocksalt", a=5.1)
    longer = atoms.copy()
    longer.set_cell(1.01 * atoms.cell, scale_atoms=True)
    limits = LatticeLimits(max_relative_error_length=0.009, max_error_angle_degrees=1.0)
    lines = {line.quantity: line for line in lattice_lines("licl", longer, atoms, limits)}
    assert lines["a"].difference == pytest.approx(0.01 * 5.1 / np.sqrt(2))
    assert lines["a"].verdict == "fail"
    assert lines["α"].verdict == "pass"
    assert lines["volume per atom"].difference == pytest.approx((1.01**3 - 1) * 5.1**3 / 8)
    # 4 (6.94 + 35.45) u in 5.1³ Å³.
    assert lines["density"].labeller == pytest.approx(2.12, abs=0.01)
    with pytest.raises(ValueError, match="expected the same cell"):
        lattice_lines("licl", longer, atoms * (2, 1, 1), limits)
