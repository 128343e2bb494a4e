"""Equation of state of crystals whose minimum and curvature are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from aiida_mliptransport.science.units import EV_ANGSTROM3_TO_GPA
from aiida_mliptransport.science.validation import (
    EquationOfState,
    delta_gauge,
    fit_equation_of_state,
)
from aiida_mliptransport.science.validation.eos import EosCheck

from .lennard_jones import CUTOFF, crystal, evaluate, nearest_neighbour_distance, without

CHECK = EosCheck(
    relative_volumes=[0.94, 0.96, 0.98, 1.0, 1.02, 1.04, 1.06],
    max_relative_error_volume=0.01,
    max_relative_error_bulk_modulus=0.05,
    max_delta_meV_atom=1.0,
)
PLANTED = EquationOfState(-3.0, 40.0, 0.0, 80.0, 0.0, 4.5, 0.0)


def test_a_planted_curve_comes_back():
    volumes = np.linspace(36, 44, 7)
    found = fit_equation_of_state(volumes, PLANTED.energies(volumes))
    assert found.volume == pytest.approx(40.0, rel=1e-6)
    assert found.bulk_modulus == pytest.approx(80.0, rel=1e-4)
    assert found.pressure_derivative == pytest.approx(4.5, rel=1e-3)


def test_the_error_of_the_fit_is_the_scatter_of_many_fits():
    volumes = np.linspace(36, 44, 9)
    rng = np.random.default_rng(1)
    fits = [
        fit_equation_of_state(volumes, PLANTED.energies(volumes) + rng.normal(0, 1e-4, 9))
        for _ in range(200)
    ]
    scatter = np.std([fit.bulk_modulus for fit in fits])
    stated = np.sqrt(np.mean([fit.bulk_modulus_error**2 for fit in fits]))
    assert stated == pytest.approx(scatter, rel=0.15)


def test_lennard_jones_has_the_bulk_modulus_of_its_lattice_sums():
    # E = C12/V⁴ − C6/V² has B = 8 |E|/V at its minimum.
    atoms = crystal()
    energies = evaluate(CHECK.build({"ar": atoms})).energies
    found = fit_equation_of_state(atoms.get_volume() * np.array(CHECK.relative_volumes), energies)
    assert found.volume == pytest.approx(atoms.get_volume(), rel=1e-4)
    # The shift at the cutoff is no part of the lattice sums' energy.
    cutoff = CUTOFF * nearest_neighbour_distance()
    shift = 4 * (cutoff**-12 - cutoff**-6)
    n_pairs = 54 / 2 * len(atoms)
    expected = -8 * (found.energy + n_pairs * shift) / found.volume
    assert found.bulk_modulus == pytest.approx(expected * EV_ANGSTROM3_TO_GPA, rel=5e-3)


def test_silver_has_the_volume_and_modulus_of_the_documentation_of_ase():
    # "Equation of state (EOS)" in the examples of ASE: EMT silver, five lattice constants around
    # 4 Å, 16.781 Å³ and 100.142 GPa by a polynomial in V^(−1/3).
    volumes, energies = [], []
    for scale in np.linspace(0.95, 1.05, 5):
        atoms = bulk("Ag", a=4.0 * scale)
        atoms.calc = EMT()
        volumes.append(atoms.get_volume())
        energies.append(atoms.get_potential_energy())
    found = fit_equation_of_state(volumes, energies)
    assert found.volume == pytest.approx(16.781, rel=1e-3)
    assert found.bulk_modulus == pytest.approx(100.14, rel=0.02)


def test_delta_of_two_curves_does_not_depend_on_their_order_or_zero():
    other = EquationOfState(5.0, 40.4, 0.0, 84.0, 0.0, 4.5, 0.0)
    assert delta_gauge(PLANTED, PLANTED) == 0.0
    assert delta_gauge(PLANTED, other) == pytest.approx(delta_gauge(other, PLANTED))
    # To first order in the shift of the minimum: B ΔV (V − V0)/V0, over ±6 %.
    expected = 80.0 / EV_ANGSTROM3_TO_GPA * 0.4 * 0.06 / np.sqrt(3)
    shifted = EquationOfState(-3.0, 40.4, 0.0, 80.0, 0.0, 4.5, 0.0)
    assert delta_gauge(PLANTED, shifted) == pytest.approx(expected, rel=0.05)


def test_no_minimum_and_too_few_points_are_refused():
    volumes = np.linspace(41, 46, 6)
    with pytest.raises(ValueError, match="no minimum between 41 and 46"):
        fit_equation_of_state(volumes, PLANTED.energies(volumes))
    with pytest.raises(ValueError, match="3 volumes have an energy"):
        fit_equation_of_state([38, 39, 40, 41], [1.0, 0.5, 0.6, np.nan])


def test_a_labeller_that_binds_stronger_has_the_same_volume_and_another_modulus():
    cells = {"ar": crystal()}
    built = CHECK.build(cells)
    ours, theirs = evaluate(built), evaluate(built, epsilon=1.1)
    lines = CHECK.compare("ar", cells, ours, theirs, {}).lines
    assert [line.verdict for line in lines][:2] == ["pass", "fail"]
    assert lines[1].potential / lines[1].labeller == pytest.approx(1 / 1.1, rel=1e-4)
    same = CHECK.compare("ar", cells, ours, ours, {}).lines
    assert [line.difference for line in same] == [0.0, 0.0, 0.0]


def test_a_potential_without_a_minimum_where_the_labeller_has_one_fails():
    cells = {"ar": crystal()}
    theirs = evaluate(CHECK.build(cells))
    falling = replace(theirs, energies=-np.arange(7.0))
    found = CHECK.compare("ar", cells, falling, theirs, {})
    (line,) = found.lines
    assert line.verdict == "fail"
    assert line.reason.startswith("potential: the energies have no minimum")
    assert line.labeller == pytest.approx(nearest_neighbour_distance() ** 3 / 2**0.5, rel=1e-3)
    assert {"energies_potential", "energies_labeller"} <= set(found.curves)
    with pytest.raises(ValueError, match="no minimum"):
        CHECK.compare("ar", cells, falling, None, {})


def test_missing_labels_leave_the_potentials_values():
    cells = {"ar": crystal()}
    ours = evaluate(CHECK.build(cells))
    lines = CHECK.compare("ar", cells, ours, without(ours, 0, 1, 2), {}).lines
    assert {line.verdict for line in lines} == {"not available"}
    assert "4 volumes have an energy" in lines[0].reason
    assert lines[1].potential > 0
