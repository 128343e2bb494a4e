"""Dynamics and relaxations of the stand-in do what VASP's do."""

from __future__ import annotations

from pathlib import Path

import ase.io
import dpdata
import numpy as np
import parsevasp.poscar
import pytest
from ase import units
from ase.build import bulk
from ase.constraints import FixAtoms
from pymatgen.io.vasp import Oszicar, Poscar

from .cases import DYNAMICS, RELAXATION, quiet_vasprun, read_xml


def md_totals(folder: Path) -> np.ndarray:
    lines = (folder / "OUTCAR").read_text().splitlines()
    return np.array([float(line.split()[4]) for line in lines if "total energy   ETOTAL" in line])


@pytest.mark.medium
def test_dynamics_without_thermostat_conserves_energy(run_stand_in, atoms):
    fine = md_totals(run_stand_in(atoms, **{**DYNAMICS, "NSW": 200, "POTIM": 0.25}).folder)
    coarse = md_totals(run_stand_in(atoms, **{**DYNAMICS, "NSW": 100, "POTIM": 0.5}).folder)
    assert (len(fine), len(coarse)) == (200, 100)
    # The error of velocity Verlet falls with the square of the time step.
    assert np.ptp(fine) < 2e-3
    assert np.ptp(coarse) / np.ptp(fine) == pytest.approx(4, abs=0.5)


def test_a_run_from_contcar_continues_the_dynamics(run_stand_in, atoms):
    whole = run_stand_in(atoms, **{**DYNAMICS, "NSW": 8}).folder
    first = run_stand_in(atoms, **{**DYNAMICS, "NSW": 4}).folder
    contcar = (first / "CONTCAR").read_text()
    second = run_stand_in(contcar, **{**DYNAMICS, "NSW": 4}).folder
    together = read_xml(first) + read_xml(second)
    assert len(together) == 8
    for one, other in zip(read_xml(whole), together, strict=True):
        np.testing.assert_allclose(one.get_positions(), other.get_positions(), atol=1e-6)
    last = [ase.io.read(folder / "CONTCAR", format="vasp") for folder in (whole, second)]
    np.testing.assert_allclose(last[0].get_velocities(), last[1].get_velocities(), atol=1e-6)
    assert (first / "CONTCAR").read_text() != (second / "CONTCAR").read_text()


def test_parsevasp_reads_a_contcar_of_dynamics(run_stand_in, atoms):
    folder = run_stand_in(atoms, **DYNAMICS).folder
    found = parsevasp.poscar.Poscar(file_path=str(folder / "CONTCAR"), conserve_order=True)
    positions = np.array([site["position"] for site in found.get_dict(direct=True)["sites"]])
    expected = ase.io.read(folder / "CONTCAR", format="vasp").get_scaled_positions()
    np.testing.assert_allclose(positions, expected, atol=1e-10)


def test_velocities_of_the_poscar_are_those_of_the_first_step(run_stand_in, atoms):
    # Masses of the POTCAR differ from ASE's in the fourth digit; velocities are what is given.
    atoms.set_velocities(np.full((len(atoms), 3), 2e-3) / units.fs)
    atoms.set_velocities(atoms.get_velocities() * np.sign(np.arange(len(atoms)) - 3.5)[:, None])
    folder = run_stand_in(atoms, **DYNAMICS).folder
    line = next(x for x in (folder / "OUTCAR").read_text().splitlines() if "kinetic energy EK" in x)
    assert float(line.split()[4]) == pytest.approx(atoms.get_kinetic_energy(), rel=1e-4)
    read = Poscar.from_file(folder / "POSCAR", check_for_potcar=False).velocities
    np.testing.assert_allclose(np.abs(read), 2e-3)


def test_the_temperature_at_the_start_is_tebeg_and_the_seed_decides_the_velocities(
    run_stand_in, atoms
):
    def start(**tags):
        done = run_stand_in(atoms, **{**DYNAMICS, "NSW": 1}, **tags)
        text = (done.folder / "OUTCAR").read_text()
        contcar = (done.folder / "CONTCAR").read_text()
        return float(text.split("(temperature")[1].split()[0]), contcar

    assert start()[0] == pytest.approx(300, abs=0.01)
    assert start(RANDOM_SEED="7 0 0")[1] == start(RANDOM_SEED="7 0 0")[1]
    assert start(RANDOM_SEED="7 0 0")[1] != start(RANDOM_SEED="8 0 0")[1]


@pytest.mark.medium
@pytest.mark.parametrize(
    "tags",
    [
        {"MDALGO": 1, "ANDERSEN_PROB": 0.1},
        {"MDALGO": 2, "SMASS": 0},
        {"MDALGO": 3, "LANGEVIN_GAMMA": "20 20"},
        {"SMASS": -1, "NBLOCK": 2},
    ],
    ids=["andersen", "nose", "langevin", "rescaling"],
)
def test_thermostats_keep_the_temperature(run_stand_in, atoms, tags):
    folder = run_stand_in(atoms, **{**DYNAMICS, "NSW": 300, "POTIM": 2.0, **tags}).folder
    steps = Oszicar(folder / "OSZICAR").ionic_steps
    temperatures = [float(step["T"]) for step in steps[100:]]
    assert np.mean(temperatures) == pytest.approx(300, rel=0.2)


def test_the_stress_is_missing_from_dynamics_unless_it_is_asked_for(run_stand_in, atoms):
    tags = {name: value for name, value in DYNAMICS.items() if name != "ISIF"}
    folder = run_stand_in(atoms, **tags).folder
    assert quiet_vasprun(folder).parameters["ISIF"] == 0
    assert "stress" not in quiet_vasprun(folder).ionic_steps[0]
    assert "in kB" not in (folder / "OUTCAR").read_text()
    assert "virials" not in dpdata.LabeledSystem(str(folder / "OUTCAR"), fmt="vasp/outcar").data


def test_only_outcar_gives_the_kinetic_pressure_and_apart(run_stand_in, atoms):
    folder = run_stand_in(atoms, **{**DYNAMICS, "NSW": 1}).folder
    lines = (folder / "OUTCAR").read_text().splitlines()
    found = {}
    for key in ("external pressure", "kinetic pressure", "total pressure"):
        words = next(line for line in lines if key in line).split()
        found[key] = float(words[words.index("=") + 1])
    # Eight atoms have 21 degrees of freedom.
    energy = 21 / 2 * units.kB * 300
    kinetic = 2 / 3 * energy / atoms.get_volume() / units.GPa * 10
    assert found["kinetic pressure"] == pytest.approx(kinetic, abs=0.01)
    total = found["external pressure"] + found["kinetic pressure"]
    assert found["total pressure"] == pytest.approx(total, abs=0.011)
    inside = np.trace(quiet_vasprun(folder).ionic_steps[0]["stress"]) / 3
    assert found["external pressure"] == pytest.approx(inside, abs=0.006)


def test_xdatcar_holds_every_nblock_step(run_stand_in, atoms):
    folder = run_stand_in(atoms, **{**DYNAMICS, "NSW": 6, "NBLOCK": 2}).folder
    images = ase.io.read(folder / "XDATCAR", index=":", format="vasp-xdatcar")
    frames = read_xml(folder)
    assert len(images) == 3
    for image, frame in zip(images, frames[1::2], strict=True):
        np.testing.assert_allclose(image.get_positions(), frame.get_positions(), atol=1e-5)


@pytest.mark.medium
@pytest.mark.parametrize("ibrion", [1, 2, 3])
def test_a_relaxation_ends_where_forces_are_small(run_stand_in, atoms, ibrion):
    done = run_stand_in(atoms, **{**RELAXATION, "IBRION": ibrion, "NSW": 200})
    frames = read_xml(done.folder)
    assert np.linalg.norm(frames[-1].get_forces(), axis=1).max() < 0.05
    assert "reached required accuracy" in done.stdout
    assert quiet_vasprun(done.folder).converged_ionic
    np.testing.assert_allclose(frames[0].cell.array, frames[-1].cell.array)
    contcar = ase.io.read(done.folder / "CONTCAR", format="vasp")
    np.testing.assert_allclose(contcar.get_positions(), frames[-1].get_positions(), atol=1e-7)


def test_a_relaxation_of_the_cell_ends_without_stress(run_stand_in):
    copper = bulk("Cu", a=3.7, cubic=True)
    tags = {**RELAXATION, "ISIF": 3, "EDIFFG": -1e-3, "SYSTEM": "calculator=emt"}
    first, *_, last = read_xml(run_stand_in(copper, **tags).folder)
    assert np.abs(first.get_stress()).max() > 1e-2
    assert np.abs(last.get_stress()).max() < 1e-4
    assert last.cell.lengths() == pytest.approx(3.59, abs=0.01)


def test_fixed_atoms_stay_and_their_forces_are_printed(run_stand_in, atoms):
    atoms.set_constraint(FixAtoms([0, 1]))
    folder = run_stand_in(atoms, **{**RELAXATION, "NSW": 3}).folder
    frames = read_xml(folder)
    moved = np.linalg.norm(frames[-1].get_positions() - frames[0].get_positions(), axis=1)
    assert np.all(moved[:2] < 1e-7)
    assert np.all(moved[2:] > 1e-4)
    assert np.abs(quiet_vasprun(folder).ionic_steps[0]["forces"][0]).max() > 1e-3
    assert "F F F" in (folder / "CONTCAR").read_text().replace("  ", " ")
