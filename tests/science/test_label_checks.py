"""Labels from elsewhere: wrong units are found and named, useless frames dropped with reason."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from ase.units import fs

from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.science.label_checks import check_units, screen_labels
from aiida_mliptransport.science.units import BOHR_ANGSTROM, HARTREE_EV


def md_frames(stride=2, n_frames=12):
    atoms = bulk("Cu", cubic=True).repeat(2)
    atoms.calc = EMT()
    MaxwellBoltzmannDistribution(atoms, temperature_K=600, rng=np.random.default_rng(3))
    dynamics = VelocityVerlet(atoms, 2 * fs)
    images = []
    for _ in range(n_frames):
        image = atoms.copy()
        image.wrap()
        image.calc = EMT()
        image.get_potential_energy(), image.get_forces()
        images.append(image)
        dynamics.run(stride)
    return Frames.from_atoms(images)


@pytest.fixture(scope="module")
def frames():
    return md_frames()


def scaled(frames, energies=1.0, forces=1.0):
    return Frames(
        tuple(replace(s, energies=s.energies * energies, forces=s.forces * forces) for s in frames)
    )


def test_energies_and_forces_of_md_belong_together_across_the_cell_wall(frames):
    check = check_units(frames)
    assert check.consistent is True
    assert check.slope == pytest.approx(1.0, abs=0.05)
    assert check.n_pairs == 11


@pytest.mark.parametrize(
    ("energies", "forces", "what"),
    [
        (1 / HARTREE_EV, 1.0, "where energies are in hartree"),
        (1.0, BOHR_ANGSTROM / HARTREE_EV, "where forces are in hartree/bohr"),
        (1 / HARTREE_EV, BOHR_ANGSTROM / HARTREE_EV, "energies are in hartree and forces in"),
        (23.0605, 1.0, "where energies are in kcal/mol"),
        (1 / 32, 1.0, "where energies are per atom"),
        (1.0, -1.0, "where forces have the wrong sign"),
    ],
)
def test_wrong_units_are_found_and_named(frames, energies, forces, what):
    check = check_units(scaled(frames, energies, forces))
    assert check.consistent is False
    assert what in check.message


def test_frames_that_are_no_neighbours_carry_no_verdict(frames):
    rng = np.random.default_rng(1)
    (system,) = frames
    spread = replace(system, positions=rng.uniform(0, 7, system.positions.shape))
    check = check_units(Frames((spread,)))
    assert check.consistent is None
    assert "0 pairs of neighbouring frames, expected 5 or more" in check.message


def test_repeated_and_collapsed_frames_are_dropped_with_their_number(frames):
    (system,) = frames
    positions = system.positions.copy()
    positions[4] = positions[2]
    positions[7, 0] = positions[7, 1] + [0.2, 0.0, 0.0]
    kept, dropped = screen_labels(Frames((replace(system, positions=positions),)))
    assert kept.n_frames == 10
    assert [(d.index, d.reason) for d in dropped] == [
        (4, "the same frame came before"),
        (7, "two atoms are 0.200 Å apart"),
    ]


def test_frames_that_are_not_finite_are_dropped_while_reading(frames, tmp_path):
    from aiida_mliptransport.science.formats import read_frames, write_extxyz
    from aiida_mliptransport.science.frames import FramesError

    path = tmp_path / "md.xyz"
    write_extxyz(path, frames)
    lines = path.read_text().splitlines()
    # Frame 1 begins after 32 atoms and two lines; its first atom's force becomes NaN.
    words = lines[34 + 2].split()
    lines[34 + 2] = " ".join([*words[:4], "nan", *words[5:]])
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(FramesError, match="not finite"):
        read_frames(path)
    dropped = []
    assert read_frames(path, dropped=dropped).n_frames == 11
    assert [(d.index, d.reason) for d in dropped] == [(1, "values are not finite")]
