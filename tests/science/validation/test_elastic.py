"""Elastic constants of Lennard-Jones fcc, whose lattice sums are known, and of planted tensors."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from aiida_mliptransport.science.units import EV_ANGSTROM3_TO_GPA
from aiida_mliptransport.science.validation import elastic_strains, fit_elastic_constants
from aiida_mliptransport.science.validation.elastic import (
    VOIGT,
    ElasticCheck,
    independent_components,
)

from .lennard_jones import crystal, evaluate, lattice_vectors, nearest_neighbour_distance, without

MAGNITUDES = (-0.01, -0.005, 0.005, 0.01)
CHECK = ElasticCheck(magnitudes=MAGNITUDES, max_relative_error=0.05, negligible_share=0.05)


def analytic(component: tuple[tuple[int, int], tuple[int, int]]) -> float:
    """Elastic constant in GPa of a crystal of pairs without stress.

    (1/2V) Σ (φ'' − φ'/r) x_a x_b x_c x_d/r²: M. Born and K. Huang, Dynamical Theory of Crystal
    Lattices (1954), § 11.
    """
    vectors = nearest_neighbour_distance() * lattice_vectors()
    r = np.linalg.norm(vectors, axis=1)
    first = 4 * (-12 * r**-13 + 6 * r**-7)
    second = 4 * (156 * r**-14 - 42 * r**-8)
    (a, b), (c, d) = component
    product = vectors[:, a] * vectors[:, b] * vectors[:, c] * vectors[:, d]
    volume = nearest_neighbour_distance() ** 3 / np.sqrt(2)
    return float(((second - first / r) * product / r**2).sum() / (2 * volume) * EV_ANGSTROM3_TO_GPA)


def test_lennard_jones_has_the_constants_of_its_lattice_sums():
    atoms = crystal()
    stresses = evaluate(CHECK.build({"ar": atoms})).stresses
    found = fit_elastic_constants(MAGNITUDES, stresses, atoms)
    for row, column in ((0, 0), (0, 1), (3, 3)):
        expected = analytic((VOIGT[row], VOIGT[column]))
        assert found.stiffness[row, column] == pytest.approx(expected, rel=2e-3)
    # Cauchy: central forces and every atom in a centre of inversion.
    assert found.stiffness[0, 1] == pytest.approx(found.stiffness[3, 3], rel=2e-3)
    assert np.abs(found.reference_stress).max() < 0.01 * found.bulk_modulus
    c11, c12 = found.stiffness[0, 0], found.stiffness[0, 1]
    assert found.bulk_modulus == pytest.approx((c11 + 2 * c12) / 3)
    assert found.lowest_eigenvalue == pytest.approx(min(c11 - c12, found.stiffness[3, 3]))


def planted_stresses(stiffness, noise=0.0, seed=1):
    strains = elastic_strains(MAGNITUDES)
    rng = np.random.default_rng(seed)
    voigt = strains @ stiffness.T + rng.normal(0, noise, (len(strains), 6)) + 0.3
    voigt += 20 * (strains**2).sum(axis=1)[:, None]
    full = np.empty((len(strains), 3, 3))
    for k, (row, column) in enumerate(VOIGT):
        full[:, row, column] = full[:, column, row] = voigt[:, k] / EV_ANGSTROM3_TO_GPA
    return full


def cubic_stiffness(c11=100.0, c12=60.0, c44=40.0):
    stiffness = np.diag([c11 - c12] * 3 + [c44] * 3)
    stiffness[:3, :3] += c12
    return stiffness


def test_a_planted_tensor_comes_back_whatever_the_residual_stress_and_curvature():
    found = fit_elastic_constants(MAGNITUDES, planted_stresses(cubic_stiffness()), bulk("Cu"))
    np.testing.assert_allclose(found.stiffness, cubic_stiffness(), atol=1e-6)
    np.testing.assert_allclose(found.reference_stress[0], 0.3, atol=1e-6)


def test_the_error_of_the_fit_is_the_scatter_of_many_fits():
    fits = [
        fit_elastic_constants(
            MAGNITUDES, planted_stresses(cubic_stiffness(), noise=0.01, seed=seed), bulk("Cu")
        )
        for seed in range(30)
    ]
    stated = np.sqrt(np.mean([fit.errors[0, 0] ** 2 for fit in fits]))
    # Three equal components are averaged, which the stated error does not count on.
    scatter = np.std([fit.stiffness[0, 0] for fit in fits])
    assert scatter < stated < 3.5 * scatter


def test_symmetry_says_which_constants_are_independent():
    assert independent_components(bulk("Cu", cubic=True)) == [(0, 0), (0, 1), (3, 3)]
    hexagonal = independent_components(bulk("Mg"))
    assert hexagonal == [(0, 0), (0, 1), (0, 2), (2, 2), (3, 3), (5, 5)]


def test_a_labeller_that_binds_stronger_is_stiffer_by_as_much():
    cells = {"ar": crystal()}
    built = CHECK.build(cells)
    lines = CHECK.compare("ar", cells, evaluate(built), evaluate(built, epsilon=1.1), {}).lines
    ratios = [line.potential / line.labeller for line in lines]
    np.testing.assert_allclose(ratios, 1 / 1.1, rtol=1e-6)
    assert {line.verdict for line in lines[:-1]} == {"fail"}
    assert lines[-1].verdict == "pass"


def test_a_missing_label_and_an_unstable_crystal_are_told():
    cells = {"cu": bulk("Cu", cubic=True)}
    ours = evaluate([crystal()] * 24)
    unstable = type(ours)(ours.energies, ours.forces, planted_stresses(cubic_stiffness(50.0, 60.0)))
    lines = CHECK.compare("cu", cells, unstable, without(unstable, 3), {}).lines
    assert "1 of 24 strained cells have no stress" in lines[0].reason
    assert (lines[-1].verdict, lines[-1].potential) == ("fail", pytest.approx(-10.0))
    lines = CHECK.compare("cu", cells, unstable, unstable, {}).lines
    assert lines[-1].verdict == "warn"
