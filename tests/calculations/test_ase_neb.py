"""Nudged elastic bands: barriers that are known, ends that are none, bands that fail."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import CalculationFactory
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.optimize import BFGS

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames

pytestmark = pytest.mark.medium


def vacancy_hop(metal="Cu", a=3.6):
    """Return both ends of the hop of a neighbour into a vacancy, [110], and who hops."""
    perfect = bulk(metal, a=a, cubic=True) * (2, 2, 2)
    distances = np.linalg.norm(perfect.positions - [a / 2, a / 2, 0], axis=1)
    hopper = int(np.argmin(distances))
    initial, final = perfect.copy(), perfect.copy()
    final.positions[hopper] = perfect.positions[0]
    del initial[0], final[0]
    return initial, final, hopper - 1


def saddle_energy(initial, final, hopper):
    """Return the barrier (eV) without a band: halfway, by symmetry, no force is on the hopper."""
    ends = initial.copy()
    ends.calc = EMT()
    BFGS(ends, logfile=None).run(fmax=0.005)
    saddle = initial.copy()
    saddle.positions[hopper] = 0.5 * (initial.positions + final.positions)[hopper]
    saddle.set_constraint(FixAtoms([hopper]))
    saddle.calc = EMT()
    BFGS(saddle, logfile=None).run(fmax=0.005)
    free = saddle.get_forces(apply_constraint=False)[hopper]
    assert np.abs(free).max() < 0.01
    return saddle.get_potential_energy() - ends.get_potential_energy()


def structure(atoms):
    return orm.StructureData(ase=atoms)


@pytest.fixture
def neb(make_code):
    def run(parameters=None, calculator=None, **inputs):
        return run_get_node(
            CalculationFactory("mliptransport.ase.neb"),
            code=make_code("python"),
            calculator=orm.Dict(calculator or {"name": "emt"}),
            parameters=orm.Dict(parameters or {}),
            metadata={"options": {"max_wallclock_seconds": 300}},
            **inputs,
        )

    return run


def test_the_barrier_of_a_vacancy_hop_is_that_of_the_saddle_by_symmetry(neb):
    initial, final, hopper = vacancy_hop()
    results, node = neb({"images": 3}, initial=structure(initial), final=structure(final))
    assert node.is_finished_ok, node.exit_message
    found = results["results"]
    assert found["barrier_eV"] == pytest.approx(saddle_energy(initial, final, hopper), abs=2e-3)
    assert found["reverse_barrier_eV"] == pytest.approx(found["barrier_eV"], abs=1e-3)
    assert found["reaction_energy_eV"] == pytest.approx(0.0, abs=1e-3)
    assert found["max_force_eV_A"] <= 0.03
    assert found["history"]["barrier_eV"][-1] == pytest.approx(found["barrier_eV"])
    (system,) = results["frames"].frames.systems
    assert system.n_frames == 5
    assert found["highest_image"] == 2
    assert "emt" in str(results["frames"].level_of_theory).lower()
    moved = np.linalg.norm(np.diff(system.positions[:, hopper], axis=0), axis=1)
    assert moved.sum() == pytest.approx(3.6 / np.sqrt(2), rel=0.02)
    # Energies and forces are those of the images: a label of each again is the same.
    atoms = system.without_labels().to_atoms()[1]
    atoms.calc = EMT()
    assert atoms.get_potential_energy() == pytest.approx(system.energies[1], abs=1e-8)
    np.testing.assert_allclose(atoms.get_forces(), system.forces[1], atol=1e-8)


def test_a_given_path_is_taken_up_where_it_is(neb):
    initial, final, _ = vacancy_hop()
    first, node = neb({"images": 3, "steps": 4}, initial=structure(initial), final=structure(final))
    assert node.exit_status == 312
    assert "largest force" in node.exit_message
    assert first["frames"].n_frames == 5
    assert not first["results"]["completed"]
    second, node = neb({"relax_ends": False}, path=first["frames"])
    assert node.is_finished_ok, node.exit_message
    assert second["results"]["completed"]
    assert second["results"]["barrier_eV"] < first["results"]["barrier_eV"]
    ends = [results["frames"].frames.systems[0].positions[[0, -1]] for results in (first, second)]
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-10)


def test_ends_that_do_not_relax_are_named(neb):
    initial, final, _ = vacancy_hop()
    initial.rattle(0.2, seed=1)
    results, node = neb({"end_steps": 1}, initial=structure(initial), final=structure(final))
    assert node.exit_status == 311
    assert "the initial structure has a force of" in node.exit_message
    assert "frames" not in results


def test_ends_that_relax_to_one_minimum_are_refused(neb):
    initial, _, _ = vacancy_hop()
    final = initial.copy()
    final.positions[3] += [0.5, 0.2, 0.0]
    _, node = neb(initial=structure(initial), final=structure(final))
    assert node.exit_status == 314
    assert "one minimum" in node.exit_message


def test_an_image_that_explodes_is_named_and_the_band_is_kept(neb):
    initial, final, _ = vacancy_hop()
    path = [initial.copy() for _ in range(3)]
    path[1].positions[5] = path[1].positions[6] + [0.05, 0.0, 0.0]
    path[2].positions[:] = final.positions
    given = FrameSetData(Frames.from_atoms(path))
    calculator = {"name": "lj", "epsilon_eV": 0.4, "sigma_A": 2.3}
    results, node = neb({"relax_ends": False}, calculator, path=given)
    assert node.exit_status == 313, node.exit_message
    assert "image 1 is" in node.exit_message
    assert results["frames"].n_frames == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda a: a.set_chemical_symbols(["Au", *a.get_chemical_symbols()[1:]]),
            "expected the same atoms",
        ),
        (lambda a: a.set_cell(a.cell.array * 1.01), "the cells differ by up to"),
        (lambda a: a.__delitem__(0), "atoms"),
    ],
)
def test_ends_of_different_cells_or_atoms_are_refused(neb, change, message):
    initial, final, _ = vacancy_hop()
    change(final)
    with pytest.raises(ValueError, match=message):
        neb(initial=structure(initial), final=structure(final))


def test_ends_without_a_displacement_are_refused(neb):
    initial, _, _ = vacancy_hop()
    with pytest.raises(ValueError, match="no atom moves"):
        neb(initial=structure(initial), final=structure(initial))


def test_one_end_alone_is_refused(neb):
    initial, _, _ = vacancy_hop()
    with pytest.raises(ValueError, match="expected 'initial' and 'final', or 'path' alone"):
        neb(initial=structure(initial))
