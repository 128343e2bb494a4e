"""Bands by LAMMPS: the same path as ASE's on the same potential, and each way to fail."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import CalculationFactory
from ase.build import bulk

from aiida_mliptransport.backends.lammps import lennard_jones_argon
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.frames import Frames

pytestmark = [pytest.mark.medium, pytest.mark.lammps]

LATTICE_A = 5.31


def vacancy_hop():
    """Both ends of the hop of a neighbour into a vacancy of argon in a tilted cell."""
    perfect = bulk("Ar", "fcc", a=LATTICE_A).repeat(3)
    hopper = int(np.argmin(perfect.get_distances(0, range(1, len(perfect)), mic=True))) + 1
    initial, final = perfect.copy(), perfect.copy()
    final.positions[hopper] = perfect.positions[0]
    del initial[0], final[0]
    return initial, final


def structure(atoms):
    return orm.StructureData(ase=atoms)


@pytest.fixture
def potential():
    return PotentialData(**lennard_jones_argon())


@pytest.fixture
def band(lammps, potential):
    def run(parameters=None, processes=None, seconds=300, code=None, **inputs):
        parameters = {
            "images": 1,
            "force_tolerance_eV_A": 0.003,
            "end_force_tolerance_eV_A": 0.001,
            **(parameters or {}),
        }
        count = inputs["path"].n_frames if "path" in inputs else parameters["images"] + 2
        return run_get_node(
            CalculationFactory("mliptransport.lammps.neb"),
            code=code or lammps,
            potential=potential,
            parameters=orm.Dict(parameters),
            metadata={
                "options": {
                    "resources": {
                        "num_machines": 1,
                        "num_mpiprocs_per_machine": processes or count,
                    },
                    "max_wallclock_seconds": seconds,
                }
            },
            **inputs,
        )

    return run


def test_the_band_is_that_of_ase(band, make_code, potential):
    initial, final = vacancy_hop()
    ends = {"initial": structure(initial), "final": structure(final)}
    ours, node = band({"images": 3}, **ends)
    assert node.is_finished_ok, node.exit_message
    theirs, other = run_get_node(
        CalculationFactory("mliptransport.ase.neb"),
        code=make_code("python"),
        potential=potential,
        parameters=node.inputs.parameters,
        metadata={"options": {"max_wallclock_seconds": 300}},
        **ends,
    )
    assert other.is_finished_ok, other.exit_message
    found, expected = ours["results"].get_dict(), theirs["results"].get_dict()
    assert found["completed"]
    assert found["n_images"] == 3
    assert found["highest_image"] == 2
    assert found["max_force_eV_A"] <= 0.003
    assert expected["barrier_eV"] > 0.05
    assert found["barrier_eV"] == pytest.approx(expected["barrier_eV"], abs=2e-4)
    assert found["reaction_energy_eV"] == pytest.approx(0.0, abs=1e-4)
    (system,), (reference,) = (r["frames"].frames.systems for r in (ours, theirs))
    assert system.symbols == reference.symbols
    np.testing.assert_allclose(system.energies, reference.energies, atol=3e-4)
    assert ours["frames"].level_of_theory == theirs["frames"].level_of_theory
    # Energies and forces are those of the potential on these images, in the axes that were given.
    labels, label = run_get_node(
        CalculationFactory("mliptransport.ase.label"),
        code=make_code("python"),
        potential=potential,
        frames=ours["frames"],
        metadata={"options": {"max_wallclock_seconds": 300}},
    )
    assert label.is_finished_ok, label.exit_message
    (again,) = labels["frames"].frames.systems
    np.testing.assert_allclose(system.energies, again.energies, atol=1e-6)
    np.testing.assert_allclose(system.forces, again.forces, atol=1e-6)
    moved = np.linalg.norm(system.positions[-1] - system.positions[0], axis=1).max()
    assert moved == pytest.approx(LATTICE_A / np.sqrt(2), rel=0.1)


def test_a_band_that_is_not_done_is_kept_and_goes_on(band):
    initial, final = vacancy_hop()
    first, node = band({"steps": 10}, initial=structure(initial), final=structure(final))
    assert node.exit_status == 312, node.exit_message
    assert "largest force" in node.exit_message
    assert not first["results"]["completed"]
    second, node = band({"relax_ends": False}, path=first["frames"])
    assert node.is_finished_ok, node.exit_message
    assert second["results"]["completed"]
    assert second["results"]["max_force_eV_A"] < first["results"]["max_force_eV_A"]
    ends = [results["frames"].frames.systems[0].positions[[0, -1]] for results in (first, second)]
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-8)


def test_ends_that_do_not_relax_are_named(band):
    initial, final = vacancy_hop()
    initial.rattle(0.2, seed=1)
    results, node = band(
        {"end_steps": 1, "steps": 10, "end_force_tolerance_eV_A": 1e-5},
        initial=structure(initial),
        final=structure(final),
    )
    assert node.exit_status == 311, node.exit_message
    assert "the initial structure has a force of" in node.exit_message
    assert "frames" in results


def test_ends_that_relax_to_one_minimum_are_refused(band):
    initial, _ = vacancy_hop()
    final = initial.copy()
    final.positions[3] += [0.6, 0.3, 0.0]
    _, node = band(initial=structure(initial), final=structure(final))
    assert node.exit_status == 314, node.exit_message
    assert "one minimum" in node.exit_message


def test_an_image_that_explodes_is_named(band):
    initial, final = vacancy_hop()
    path = [initial.copy() for _ in range(3)]
    path[1].positions[5] = path[1].positions[6] + [0.8, 0.0, 0.0]
    path[2].positions[:] = final.positions
    results, node = band(
        {"relax_ends": False, "steps": 1}, path=FrameSetData(Frames.from_atoms(path))
    )
    assert node.exit_status == 313, node.exit_message
    assert results["frames"].n_frames == 3


def test_processes_that_do_not_fit_the_images_are_refused(band):
    initial, final = vacancy_hop()
    with pytest.raises(ValueError, match="ask for 4 MPI processes and the band has 3 images"):
        band(processes=4, initial=structure(initial), final=structure(final))


@pytest.mark.slow
def test_two_processes_an_image_give_the_same_barrier(band):
    initial, final = vacancy_hop()
    ends = {"initial": structure(initial), "final": structure(final)}
    one, node = band(**ends)
    assert node.is_finished_ok, node.exit_message
    two, node = band(processes=6, **ends)
    assert node.is_finished_ok, node.exit_message
    assert "'3x2'" in node.base.repository.get_object_content("_aiidasubmit.sh")
    assert two["results"]["barrier_eV"] == pytest.approx(one["results"]["barrier_eV"], abs=1e-5)


def test_a_code_that_runs_without_mpi_is_refused(band, computer):
    initial, final = vacancy_hop()
    serial = orm.InstalledCode(
        label="lmp-serial", computer=computer, filepath_executable="/bin/true", with_mpi=False
    ).store()
    with pytest.raises(ValueError, match=r"lmp-serial@.* is set to run without MPI"):
        band(code=serial, initial=structure(initial), final=structure(final))


def test_a_band_out_of_time_keeps_its_last_step(band):
    initial, final = vacancy_hop()
    results, node = band(
        {"force_tolerance_eV_A": 1e-12, "steps": 1_000_000},
        seconds=5,
        initial=structure(initial),
        final=structure(final),
    )
    assert node.exit_status == 400, node.exit_message
    assert results["frames"].n_frames == 3
    assert not results["results"]["completed"]
    assert str(results["results"]["n_steps"]) in node.exit_message


def test_an_mpirun_of_another_mpi_is_named(band, lammps, computer, tmp_path):
    """It starts processes that do not know of each other; here it starts one."""
    program = tmp_path / "mpirun"
    program.write_text('#!/bin/bash\nshift 2\nexec "$@"\n')
    program.chmod(0o755)
    code = orm.InstalledCode(
        label="lmp-other-mpi",
        computer=computer,
        filepath_executable=str(lammps.filepath_executable),
        prepend_text=f'{lammps.prepend_text}\nexport PATH="{tmp_path}:$PATH"',
    ).store()
    initial, final = vacancy_hop()
    _, node = band(code=code, initial=structure(initial), final=structure(final))
    assert node.exit_status == 316, node.exit_message
    assert "mpirun of the computer" in node.exit_message
