"""Frames: identity, selection, formats."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from aiida_mliptransport.science.formats import read_frames, write_deepmd, write_extxyz
from aiida_mliptransport.science.frames import Frames, FramesError, System


@pytest.fixture
def labelled() -> Frames:
    rng = np.random.default_rng(1)
    images = []
    for symbol, repeat in (("Cu", 2), ("Au", 1)):
        for _ in range(3):
            atoms = bulk(symbol, cubic=True).repeat((repeat, 1, 1))
            atoms.positions += 0.1 * rng.standard_normal(atoms.positions.shape)
            atoms.calc = EMT()
            atoms.get_potential_energy()
            atoms.get_stress()
            images.append(atoms)
    return Frames.from_atoms(images)


def test_frames_of_one_kind_share_a_system(labelled):
    assert [s.n_frames for s in labelled.systems] == [3, 3]
    assert labelled.labelled
    assert labelled.has_stress
    assert labelled.elements == ["Cu", "Au"]


def test_identity_ignores_wrapping_and_noise_below_the_rounding():
    atoms = Atoms("LiCl", positions=[[0, 0, 0], [2.5, 0, 0]], cell=[5, 5, 5], pbc=True)
    moved = atoms.copy()
    moved.positions += [[5.0, -5.0, 0.0], [1e-9, -1e-9, 1e-9]]
    other = atoms.copy()
    other.positions[0, 0] += 1e-4
    same, shifted, changed = Frames.from_atoms([atoms, moved, other]).identities()
    assert same == shifted
    assert changed != same


def test_identity_is_one_on_both_sides_of_the_cell_boundary():
    one = Atoms("Li", positions=[[-1e-9, 0, 0]], cell=[5, 5, 5], pbc=True)
    two = Atoms("Li", positions=[[+1e-9, 0, 0]], cell=[5, 5, 5], pbc=True)
    first, second = Frames.from_atoms([one, two]).identities()
    assert first == second


def test_identity_depends_on_charge():
    atoms = Atoms("Li", cell=[5, 5, 5], pbc=True)
    ion = atoms.copy()
    ion.info["charge"] = 1
    assert len(set(Frames.from_atoms([atoms, ion]).identities())) == 2


def test_extended_xyz_round_trip_keeps_labels(labelled, tmp_path):
    write_extxyz(tmp_path / "f.xyz", labelled)
    back = read_frames(tmp_path / "f.xyz")
    for old, new in zip(labelled.systems, back.systems, strict=True):
        np.testing.assert_allclose(new.energies, old.energies, atol=1e-6)
        np.testing.assert_allclose(new.forces, old.forces, atol=1e-6)
        np.testing.assert_allclose(new.stresses, old.stresses, atol=1e-6)


def test_deepmd_round_trip_keeps_labels_and_sign_of_the_virial(labelled, tmp_path):
    write_deepmd(tmp_path / "npy", labelled, ["Au", "Cu"])
    virial = np.load(tmp_path / "npy" / "system_000" / "set.000" / "virial.npy").reshape(-1, 3, 3)
    system = labelled.systems[0]
    volume = abs(np.linalg.det(system.cells[0]))
    np.testing.assert_allclose(virial[0], -volume * system.stresses[0])
    back = read_frames(tmp_path / "npy")
    assert back.identities() == labelled.identities()
    np.testing.assert_allclose(back.systems[0].stresses, system.stresses)


def test_a_type_map_that_lacks_an_element_is_refused(labelled, tmp_path):
    with pytest.raises(FramesError, match=r"type_map \['Cu'\] lacks \['Au'\]"):
        write_deepmd(tmp_path / "npy", labelled, ["Cu"])


def test_nan_in_forces_is_refused_with_the_frame(labelled):
    system = labelled.systems[0]
    forces = system.forces.copy()
    forces[1, 0, 0] = np.nan
    with pytest.raises(FramesError, match=r"forces is not finite in frame\(s\) \[1\]"):
        System(system.numbers, system.positions, system.cells, system.pbc, forces=forces)


def test_a_periodic_structure_without_a_cell_is_refused():
    with pytest.raises(FramesError, match="a periodic structure needs a cell"):
        Frames.from_atoms([Atoms("Li", pbc=True)])


def test_taking_frames_keeps_their_order(labelled):
    taken = labelled.take([4, 0, 5])
    identities = labelled.identities()
    assert sorted(taken.identities()) == sorted(identities[i] for i in (4, 0, 5))
    assert [s.n_frames for s in taken.systems] == [2, 1]
