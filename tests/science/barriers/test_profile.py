"""Barriers of known paths, and warnings of paths that are not one hop between two minima."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.morse import MorsePotential
from ase.constraints import FixAtoms
from ase.mep import NEB, NEBTools
from ase.optimize import BFGS
from ase.utils.forcecurve import fit_images

from aiida_mliptransport.science.barriers import (
    EndPoints,
    PathProfile,
    check_end_points,
    force_errors_along,
    path_profile,
)

BARRIER, LENGTH = 0.4, 3.0


def straight_path(energy, slope, n_images: int, forces: bool = True) -> PathProfile:
    """A single ion along x with given energy and slope."""
    x = np.linspace(0.0, LENGTH, n_images)
    positions = np.zeros((n_images, 2, 3))
    positions[:, 0, 0] = x
    f = np.zeros_like(positions)
    f[:, 0, 0] = -slope(x)
    return path_profile(positions, -7.0 + energy(x), f if forces else None)


def cosine(n_images: int, forces: bool = True) -> PathProfile:
    k = 2 * np.pi / LENGTH
    return straight_path(
        lambda x: 0.5 * BARRIER * (1 - np.cos(k * x)),
        lambda x: 0.5 * BARRIER * k * np.sin(k * x),
        n_images,
        forces,
    )


@pytest.mark.parametrize(
    ("n_images", "forces", "error"),
    [(6, True, 0.004), (10, True, 4e-4), (6, False, 0.017), (10, False, 2e-3)],
)
def test_the_barrier_of_a_cosine_between_images_is_fitted(
    n_images: int, forces: bool, error: float
) -> None:
    profile = cosine(n_images, forces)
    assert profile.barrier == pytest.approx(BARRIER, abs=error * BARRIER)
    assert profile.saddle_coordinate == pytest.approx(LENGTH / 2, abs=1e-6)
    # The images themselves miss the top, by far.
    missed = 0.5 * (1 - np.cos(np.pi / (n_images - 1)))
    assert profile.image_barrier == pytest.approx(BARRIER * (1 - missed))
    assert profile.warnings == ()
    assert profile.slopes[[0, -1]] == pytest.approx(0.0, abs=1e-12)


def test_an_image_on_top_has_the_barrier() -> None:
    profile = cosine(5)
    assert profile.image_barrier == pytest.approx(BARRIER)
    assert profile.barrier == pytest.approx(BARRIER)
    assert profile.saddle_image == 2
    assert profile.warnings == ()


def test_barriers_differ_by_the_reaction_energy() -> None:
    k = np.pi / LENGTH
    profile = straight_path(
        lambda x: 0.2 * (1 - np.cos(2 * k * x)) + 0.05 * (1 - np.cos(k * x)),
        lambda x: k * (0.4 * np.sin(2 * k * x) + 0.05 * np.sin(k * x)),
        9,
    )
    assert profile.reaction_energy == pytest.approx(0.1)
    assert profile.barrier - profile.reverse_barrier == pytest.approx(0.1)
    assert profile.image_barrier - profile.image_reverse_barrier == pytest.approx(0.1)
    assert profile.warnings == ()


def test_the_fit_is_that_of_ase() -> None:
    rng = np.random.default_rng(4)
    images = []
    for step in np.linspace(0, 1, 5):
        image = bulk("Al", cubic=True)
        image.positions[0] += step * np.array([0.0, 1.0, 0.7])
        image.rattle(0.05, rng=rng)
        image.calc = EMT()
        images.append(image)
    fit = fit_images(images)
    profile = path_profile(
        [image.positions for image in images],
        [image.get_potential_energy() for image in images],
        [image.get_forces() for image in images],
        images[0].cell,
    )
    np.testing.assert_allclose(profile.coordinate, fit.path)
    along, energies = profile.curve(2001)
    np.testing.assert_allclose(
        np.interp(fit.fit_path, along, energies), fit.fit_energies, atol=1e-4
    )
    # The maximum is exact, while that of ASE's fit is the highest of its points.
    assert 0.0 <= profile.barrier - fit.fit_energies.max() < 2e-3


def test_images_are_followed_over_the_faces_of_the_cell() -> None:
    cell = np.diag([6.0, 5.0, 5.0])
    positions = np.zeros((5, 1, 3))
    positions[:, 0, 0] = np.linspace(4.5, 7.5, 5)
    energies = [0.0, 0.2, 0.4, 0.2, 0.0]
    forces = np.zeros((5, 1, 3))
    forces[:, 0, 0] = [0.0, -0.4, 0.0, 0.4, 0.0]
    unwrapped = path_profile(positions, energies, forces, cell)
    wrapped = path_profile(positions % 6.0, energies, forces, cell)
    np.testing.assert_allclose(wrapped.coordinate, np.linspace(0, 3, 5))
    np.testing.assert_allclose(wrapped.slopes, [0.0, 0.4, 0.0, -0.4, 0.0], atol=1e-12)
    np.testing.assert_allclose(unwrapped.slopes, wrapped.slopes, atol=1e-12)


class BentDoubleWell(Calculator):
    """h (x² - 1)² + k/2 (y - c (1 - x²))²: minima at x = ±1, the saddle at (0, c) with h."""

    implemented_properties = ["energy", "forces"]
    h, k, c = 0.6, 8.0, 0.5

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        x, y = self.atoms.positions[0, :2]
        off = y - self.c * (1 - x**2)
        forces = np.zeros((1, 3))
        forces[0, 0] = -4 * self.h * x * (x**2 - 1) - 2 * self.k * off * self.c * x
        forces[0, 1] = -self.k * off
        energy = self.h * (x**2 - 1) ** 2 + 0.5 * self.k * off**2
        self.results = {"energy": energy, "forces": forces}


def profile_of(images: list[Atoms], cell=None) -> PathProfile:
    return path_profile(
        [image.positions for image in images],
        [image.get_potential_energy() for image in images],
        [image.get_forces() for image in images],
        cell,
    )


def test_the_saddle_of_a_bent_double_well_is_found() -> None:
    images = []
    for x in np.linspace(-1, 1, 7):
        image = Atoms("H", [[x, 0.1 * (1 - x**2), 0.0]])
        image.calc = BentDoubleWell()
        images.append(image)
    band = NEB(images, k=1.0, climb=True, method="improvedtangent")
    BFGS(band, logfile=None).run(fmax=5e-3)
    profile = profile_of(images)
    saddle = images[profile.saddle_image].positions[0]
    np.testing.assert_allclose(saddle, [0.0, BentDoubleWell.c, 0.0], atol=1e-3)
    assert profile.image_barrier == pytest.approx(BentDoubleWell.h, abs=1e-3)
    assert profile.barrier == pytest.approx(BentDoubleWell.h, abs=1e-3)
    assert profile.reaction_energy == pytest.approx(0.0, abs=1e-9)
    assert profile.warnings == ()


def test_an_atom_that_crosses_four_morse_atoms_has_the_barrier_of_ases_own_test() -> None:
    # ase/test/neb/test_neb.py, NEB with a climbing image: 1.389 ± 0.001.
    plate = [[x, y, 0.0] for y in (0.0, 1.0, 2.0) for x in (0.0, 1.0)]
    ends = []
    for y in (0.5, 1.5):
        end = Atoms("H7", [*plate, [0.5, y, 1.0]], constraint=FixAtoms(range(6)))
        end.calc = MorsePotential()
        BFGS(end, logfile=None).run(fmax=0.01)
        ends.append(end)
    images = [ends[0].copy(), ends[0].copy(), ends[0].copy(), ends[1].copy()]
    band = NEB(images, method="aseneb")
    band.interpolate()
    for image in images:
        image.calc = MorsePotential()
    BFGS(band, logfile=None).run(fmax=0.05)
    band.climb = True
    BFGS(band, logfile=None).run(fmax=0.05)
    assert profile_of(images).barrier == pytest.approx(1.389, abs=1e-3)


def test_a_vacancy_of_aluminium_hops_over_the_barrier_that_ase_finds() -> None:
    crystal = bulk("Al", "fcc", a=3.99, cubic=True).repeat(2)
    initial, final = crystal[1:], crystal[1:]
    final.positions[0] = crystal.positions[0]
    path = EndPoints(initial, final)
    assert check_end_points(path) == ()
    for end in (initial, final):
        end.calc = EMT()
        BFGS(end, logfile=None).run(fmax=0.01)
    images = [initial, *(initial.copy() for _ in range(3)), final]
    band = NEB(images, climb=True, method="improvedtangent")
    band.interpolate(mic=True)
    for image in images[1:-1]:
        image.calc = EMT()
    BFGS(band, logfile=None).run(fmax=0.05)
    profile = profile_of(images, crystal.cell)
    barrier, reaction_energy = NEBTools(images).get_barrier()
    assert profile.barrier == pytest.approx(barrier, abs=1e-3)
    assert profile.image_barrier == pytest.approx(NEBTools(images).get_barrier(fit=False)[0])
    assert profile.reaction_energy == pytest.approx(reaction_energy, abs=1e-9)
    assert profile.reaction_energy == pytest.approx(0.0, abs=1e-4)
    assert profile.saddle_image == 2
    assert profile.warnings == ()


def test_two_maxima_are_two_hops() -> None:
    k = 4 * np.pi / LENGTH
    profile = straight_path(
        lambda x: 0.5 * BARRIER * (1 - np.cos(k * x)) + 0.05 * np.sin(np.pi * x / LENGTH),
        lambda x: (
            0.5 * BARRIER * k * np.sin(k * x) + 0.05 * np.pi / LENGTH * np.cos(np.pi * x / LENGTH)
        ),
        13,
    )
    (warning,) = (warning for warning in profile.warnings if "two maxima" in warning)
    assert "minimum of 0.050 eV at 1.50 Å" in warning


def test_a_shallow_dip_on_the_top_is_one_maximum() -> None:
    k = np.pi / LENGTH

    def plateau(x):
        return BARRIER * np.sin(k * x) ** 2 + 0.12 * np.sin(2 * k * x) ** 2

    profile = straight_path(plateau, lambda x: 0 * x, 31, forces=False)
    # 3 meV lower in the middle than at either maximum.
    assert profile.energies[15] == pytest.approx(BARRIER)
    assert profile.barrier == pytest.approx(BARRIER + 0.0033, abs=1e-4)
    assert not [warning for warning in profile.warnings if "two maxima" in warning]


@pytest.mark.parametrize("n_images", [7, 9])
@pytest.mark.parametrize("forces", [True, False])
def test_an_image_that_stands_out_is_a_kink(n_images: int, forces: bool) -> None:
    x = np.linspace(0.0, LENGTH, n_images)
    k = 2 * np.pi / LENGTH
    energies = 0.5 * BARRIER * (1 - np.cos(k * x))
    energies[2] += 0.4 * BARRIER
    positions = np.zeros((n_images, 1, 3))
    positions[:, 0, 0] = x
    f = np.zeros_like(positions)
    f[:, 0, 0] = -0.5 * BARRIER * k * np.sin(k * x)
    profile = path_profile(positions, energies, f if forces else None)
    assert [w[:10] for w in profile.warnings if "kink" in w] == ["image 2 is"]


def test_an_end_point_that_is_no_minimum_is_warned_of() -> None:
    k = 2 * np.pi / LENGTH
    shift = 0.3

    def energy(x):
        return 0.5 * BARRIER * (1 - np.cos(k * (x - shift)))

    profile = straight_path(energy, lambda x: 0.5 * BARRIER * k * np.sin(k * (x - shift)), 9)
    depth = float(energy(0.0))
    (warning,) = profile.warnings
    assert f"falls by {depth:.3f} eV from the initial structure" in warning
    back = straight_path(
        lambda x: energy(LENGTH - x),
        lambda x: -0.5 * BARRIER * k * np.sin(k * (LENGTH - x - shift)),
        9,
    )
    assert f"falls by {depth:.3f} eV from the final structure" in back.warnings[0]


def test_a_path_without_maximum_is_warned_of() -> None:
    profile = straight_path(lambda x: 0.1 * x, lambda x: 0.1 + 0 * x, 5)
    assert "no maximum" in profile.warnings[0]
    assert profile.barrier == pytest.approx(0.3)
    assert profile.reverse_barrier == pytest.approx(0.0)


def test_bad_input_is_refused_by_name() -> None:
    positions = np.zeros((4, 2, 3))
    positions[:, 0, 0] = [0, 1, 2, 3]
    energies = np.array([0.0, 1.0, 1.0, 0.0])
    with pytest.raises(ValueError, match=r"energies \(3,\)"):
        path_profile(positions, energies[:3])
    with pytest.raises(ValueError, match="2 images, expected at least three"):
        path_profile(positions[:2], energies[:2])
    with pytest.raises(ValueError, match=r"forces have shape \(4, 1, 3\)"):
        path_profile(positions, energies, np.zeros((4, 1, 3)))
    with pytest.raises(ValueError, match=r"images 1 and 2 are 0\.0e\+00 Å apart"):
        path_profile(positions[[0, 1, 1, 3]], energies)
    with pytest.raises(ValueError, match="energies"):
        path_profile(positions, [0.0, np.nan, 1.0, 0.0])


def test_force_errors_of_moving_ions_are_told_from_those_of_all() -> None:
    reference = np.random.default_rng(6).normal(size=(5, 10, 3))
    predicted = reference.copy()
    predicted[:, 2:, 0] += 0.1
    predicted[3, 7] += [0.0, 0.3, 0.4]
    predicted[1, 4, 2] += 2.0
    errors = force_errors_along(predicted, reference, [7])
    np.testing.assert_allclose(errors.moving_rmse[[0, 3]], [0.1 / np.sqrt(3), np.sqrt(0.26 / 3)])
    np.testing.assert_allclose(errors.moving_max_error[[0, 3]], [0.1, np.sqrt(0.26)])
    np.testing.assert_allclose(errors.rmse[0], np.sqrt(8 * 0.01 / 30))
    np.testing.assert_allclose(errors.max_error[1], np.sqrt(4.01))
    assert errors.worst_image == 3


def test_force_errors_refuse_what_does_not_fit() -> None:
    forces = np.zeros((3, 4, 3))
    with pytest.raises(ValueError, match=r"shape \(3, 4, 3\) and reference forces \(3, 3, 3\)"):
        force_errors_along(forces, forces[:, 1:], [0])
    with pytest.raises(ValueError, match=r"moving_ions=\[4\].* from 0 to 3"):
        force_errors_along(forces, forces, [4])
    with pytest.raises(ValueError, match="moving_ions=\\[\\]"):
        force_errors_along(forces, forces, [])
