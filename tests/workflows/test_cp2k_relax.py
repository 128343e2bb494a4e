"""Relaxations by the real CP2K: fixed and free cell, cut short and taken up again."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from ase import Atoms
from ase.build import bulk

from aiida_mliptransport.calculations.cp2k import Cp2kLabelCalculation
from aiida_mliptransport.calculations.cp2k_input import relax_motion
from aiida_mliptransport.calculations.cp2k_settings import Cp2kRelaxParameters
from aiida_mliptransport.calculations.parameters import validation_message
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames

SETTINGS = {
    "basis_set": "SZV-MOLOPT-SR-GTH",
    "potential": "GTH-PBE",
    "cutoff_Ry": 120,
    "relative_cutoff_Ry": 25,
    "dispersion": "none",
    "scf": {"method": "diagonalization", "eps_scf": 1e-6, "max_scf": 60, "outer_max_scf": 1},
}
TOLERANCE = 0.2


def hydrogen_chloride():
    return Atoms("HCl", positions=[[1, 1, 1], [2.45, 1.3, 1.1]], cell=[4.2, 4.0, 4.1], pbc=True)


def problem(**inputs):
    return Cp2kLabelCalculation.validate_inputs({"parameters": orm.Dict(SETTINGS), **inputs}, None)


def test_one_kind_of_run_is_asked_for_at_a_time():
    structure = orm.StructureData(ase=hydrogen_chloride())
    relax, md = orm.Dict({}), orm.Dict({"temperature_K": 300, "steps": 1, "seed": 1})
    assert "neither md nor relax" in problem(structure=structure)
    assert "md and relax" in problem(structure=structure, md=md, relax=relax)
    assert problem(structure=structure, relax=relax) is None


def test_unknown_parameters_of_a_relaxation_are_refused():
    assert "unknown key 'pressure_bar'" in validation_message(
        Cp2kRelaxParameters, {"pressure_bar": 1.0}
    )


def test_a_relaxation_ends_by_its_largest_force_and_not_by_its_last_step():
    (run_type,) = set(relax_motion(Cp2kRelaxParameters(force_tolerance_eV_A=0.03))) - {"PRINT"}
    assert run_type == "GEO_OPT"
    motion = relax_motion(Cp2kRelaxParameters(force_tolerance_eV_A=0.03, cell=True))["CELL_OPT"]
    assert float(motion["MAX_FORCE"].split()[1]) == pytest.approx(0.03 / np.sqrt(3))
    assert motion["MAX_DR"] > 1.0
    assert motion["EXTERNAL_PRESSURE"] == "[bar] 0.0"


@pytest.mark.medium
@pytest.mark.cp2k
def test_a_relaxation_that_was_cut_short_goes_on_and_every_step_is_a_label(cp2k_job):
    start = orm.StructureData(ase=hydrogen_chloride())

    def run(steps, **inputs):
        relax = orm.Dict({"steps": steps, "force_tolerance_eV_A": TOLERANCE})
        return cp2k_job(SETTINGS, structure=start, relax=relax, **inputs)

    first, node = run(2)
    assert node.exit_status == Cp2kLabelCalculation.exit_codes.ERROR_NOT_RELAXED.status
    assert first["results"]["last_step"] == 2
    assert not first["results"]["relaxed"]
    second, node = run(40, restart=first["restart"])
    assert node.is_finished_ok, node.exit_message
    results = second["results"]
    assert results["relaxed"]
    assert results["max_force_eV_A"] <= TOLERANCE
    paths = [part["frames"].frames.systems[0] for part in (first, second)]
    steps = [step for path in paths for step in path.steps.tolist()]
    assert steps == list(range(1, results["n_steps"] + 1))
    energies = np.concatenate([path.energies for path in paths])
    assert energies[-1] == pytest.approx(results["energy_eV"])
    assert energies[-1] < energies[0] - 0.01
    assert all(path.stresses is not None for path in paths)
    relaxed = second["structure"].get_ase()
    np.testing.assert_allclose(relaxed.positions, paths[1].positions[-1], atol=1e-9)
    assert 1.2 < relaxed.get_distance(0, 1, mic=True) < 1.45
    # A label at that structure, with a fresh start of the SCF, is that of the path.
    label, node = cp2k_job(SETTINGS, frames=FrameSetData(Frames.from_atoms([relaxed])))
    assert node.is_finished_ok, node.exit_message
    static = label["frames"].frames.systems[0]
    assert static.energies[0] == pytest.approx(energies[-1], abs=1e-3)
    np.testing.assert_allclose(static.forces[0], paths[1].forces[-1], atol=5e-3)
    assert second["frames"].level_of_theory == label["frames"].level_of_theory


@pytest.mark.slow
@pytest.mark.cp2k
def test_a_cell_relaxes_to_no_pressure(cp2k_job):
    settings = {**SETTINGS, "cutoff_Ry": 250, "eps_default": 1e-8}
    start = bulk("LiCl", "rocksalt", a=4.9, cubic=True)
    relax = {
        "cell": True,
        "force_tolerance_eV_A": 0.1,
        "pressure_tolerance_bar": 3000.0,
        "steps": 15,
    }
    results, node = cp2k_job(
        settings, structure=orm.StructureData(ase=start), relax=orm.Dict(relax)
    )
    assert node.is_finished_ok, node.exit_message
    path = results["frames"].frames.systems[0]
    assert results["results"]["relaxed"]
    pressures = -np.trace(path.stresses, axis1=1, axis2=2) / 3
    assert abs(pressures[-1]) < 3000 / 1.602e6
    assert pressures[0] > 5 * abs(pressures[-1])
    volume = results["structure"].get_cell_volume()
    assert volume > 1.02 * start.get_volume()
    assert volume == pytest.approx(abs(np.linalg.det(path.cells[-1])))
