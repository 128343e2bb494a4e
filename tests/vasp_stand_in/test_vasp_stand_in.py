"""The stand-in for VASP is read alike by all readers, and says what its calculator says."""

from __future__ import annotations

import ase.io
import dpdata
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from parsevasp.vasprun import Xml
from pymatgen.io.vasp import Oszicar, Outcar

from .calculators import make_calculator
from .cases import DYNAMICS, KBAR, RELAXATION, SINGLE, quiet_vasprun, read_xml


def computed(frame):
    """Return the frame with the calculator's own numbers."""
    frame = frame.copy()
    frame.calc = make_calculator("lj")
    return frame


@pytest.mark.parametrize("tags", [SINGLE, DYNAMICS, RELAXATION], ids=["single", "md", "relax"])
def test_vasprun_holds_what_the_calculator_says(run_stand_in, atoms, tags):
    done = run_stand_in(atoms, **tags)
    assert done.status == 0
    frames = read_xml(done.folder)
    for frame in frames:
        expected = computed(frame)
        energy = expected.get_potential_energy()
        assert frame.calc.get_property("free_energy") == pytest.approx(energy, abs=2e-6)
        np.testing.assert_allclose(frame.get_forces(), expected.get_forces(), atol=2e-6)
        np.testing.assert_allclose(frame.get_stress(), expected.get_stress(), atol=1e-7)
    assert len(frames) == 1 if tags is SINGLE else len(frames) > 3
    np.testing.assert_allclose(
        frames[0].get_scaled_positions(), atoms.get_scaled_positions(), atol=1e-8
    )


@pytest.mark.parametrize("tags", [SINGLE, DYNAMICS, RELAXATION], ids=["single", "md", "relax"])
def test_all_readers_read_the_same(run_stand_in, atoms, tags):
    folder = run_stand_in(atoms, **tags).folder
    frames = read_xml(folder)
    free = [frame.calc.get_property("free_energy") for frame in frames]
    energies = [frame.get_potential_energy() for frame in frames]
    cells = np.array([frame.cell.array for frame in frames])
    positions = np.array([frame.get_positions() for frame in frames])
    forces = np.array([frame.get_forces() for frame in frames])
    stress = np.array([frame.get_stress(voigt=False) for frame in frames])

    outcar = ase.io.read(folder / "OUTCAR", index=":")
    assert len(outcar) == len(frames)
    np.testing.assert_allclose(
        [a.calc.get_property("free_energy") for a in outcar], free, atol=1e-8
    )
    np.testing.assert_allclose([a.get_potential_energy() for a in outcar], energies, atol=2e-8)
    np.testing.assert_allclose([a.get_forces() for a in outcar], forces, atol=1e-6)
    np.testing.assert_allclose([a.get_positions() for a in outcar], positions, atol=1e-5)
    np.testing.assert_allclose([a.get_stress(voigt=False) for a in outcar], stress, atol=1e-8)

    vasprun = quiet_vasprun(folder)
    assert vasprun.converged_electronic
    np.testing.assert_allclose([s["e_fr_energy"] for s in vasprun.ionic_steps], free)
    np.testing.assert_allclose([s["e_0_energy"] for s in vasprun.ionic_steps], energies, atol=2e-8)
    np.testing.assert_allclose([s["forces"] for s in vasprun.ionic_steps], forces)
    in_kbar = np.array([s["stress"] for s in vasprun.ionic_steps])
    np.testing.assert_allclose(in_kbar * KBAR, stress, atol=1e-12)
    np.testing.assert_allclose([s.lattice.matrix for s in vasprun.structures], cells)
    assert Outcar(folder / "OUTCAR").final_fr_energy == pytest.approx(free[-1], abs=1e-8)
    assert float(Oszicar(folder / "OSZICAR").ionic_steps[-1]["F"]) == pytest.approx(
        free[-1], rel=1e-7
    )

    volumes = np.array([frame.get_volume() for frame in frames])
    for form, name, digits in (("vasp/xml", "vasprun.xml", 1e-6), ("vasp/outcar", "OUTCAR", 2e-5)):
        system = dpdata.LabeledSystem(str(folder / name), fmt=form)
        np.testing.assert_allclose(system["energies"], free, atol=1e-8)
        # dpdata turns the cell to a lower triangle: norms do not turn.
        np.testing.assert_allclose(
            np.linalg.norm(system["forces"], axis=2), np.linalg.norm(forces, axis=2), atol=digits
        )
        traces = np.trace(system["virials"], axis1=1, axis2=2)
        expected = -volumes * np.trace(stress, axis1=1, axis2=2)
        np.testing.assert_allclose(traces, expected, rtol=1e-6, atol=1e-4)

    xml = Xml(file_path=str(folder / "vasprun.xml"))
    found = xml.get_energies("all", etype=["energy_free"], nosc=True)
    np.testing.assert_allclose(found["energy_free_final"], free, atol=1e-8)
    np.testing.assert_allclose(xml.get_forces("last"), forces[-1])
    np.testing.assert_allclose(xml.get_stress("last") * KBAR, stress[-1], atol=1e-12)


@pytest.mark.medium
@pytest.mark.parametrize("tags", [SINGLE, DYNAMICS], ids=["single", "md"])
def test_aiida_vasp_reads_what_ase_reads(vasp_inputs, atoms, tags):
    from aiida.engine import run_get_node
    from aiida.plugins import CalculationFactory

    incar = {tag.lower(): value for tag, value in tags.items()}
    inputs = vasp_inputs(atoms, incar)
    results, node = run_get_node(CalculationFactory("vasp.vasp"), **inputs)
    assert node.is_finished_ok, f"{node.exit_message}: {node.get_scheduler_stderr()}"
    with node.outputs.retrieved.as_path() as folder:
        frames = read_xml(folder)
    trajectory = results["trajectory"]
    arrays = {name: trajectory.get_array(name) for name in trajectory.get_arraynames()}
    if tags is SINGLE:
        # parsevasp repeats the only step of a run, but not its energies.
        assert all(len(arrays[name]) == 2 for name in ("cells", "positions", "forces", "stress"))
    n = len(frames)
    assert len(arrays["energy_free"]) == n
    expected = {
        "cells": [frame.cell.array for frame in frames],
        "positions": [frame.get_scaled_positions() for frame in frames],
        "forces": [frame.get_forces() for frame in frames],
        "stress": [frame.get_stress(voigt=False) / KBAR for frame in frames],
        "energy_free": [frame.calc.get_property("free_energy") for frame in frames],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(arrays[name][:n], values, atol=1e-8, err_msg=name)
    misc = results["misc"].get_dict()
    assert misc["version"].startswith("6.4.2")
    assert misc["run_status"]["finished"]
    assert misc["run_status"]["electronic_converged"]
    assert not misc["run_status"]["contains_nelm_breach"]
    assert misc["notifications"] == []


def test_forces_belong_to_the_free_energy_and_to_no_other(run_stand_in, atoms):
    forces = read_xml(run_stand_in(atoms, **SINGLE).folder)[0].get_forces()
    where = np.unravel_index(np.abs(forces).argmax(), forces.shape)
    force = forces[where]
    slopes = {}
    for sign in (-1, 1):
        moved = atoms.copy()
        moved.positions[where] += sign * 1e-3
        step = quiet_vasprun(run_stand_in(moved, **SINGLE).folder).ionic_steps[0]
        for name in ("e_fr_energy", "e_wo_entrp", "e_0_energy"):
            slopes[name] = slopes.get(name, 0.0) + sign * step[name] / 2e-3
    assert -slopes["e_fr_energy"] == pytest.approx(force, abs=2e-4)
    assert abs(slopes["e_wo_entrp"] + force) > 2e-3
    assert abs(slopes["e_0_energy"] + force) > 1e-3


def test_pressure_is_positive_under_compression_and_minus_the_slope_of_energy(run_stand_in, atoms):
    folder = run_stand_in(atoms, **SINGLE).folder
    pressure = np.trace(quiet_vasprun(folder).ionic_steps[0]["stress"]) / 3
    energies, volumes = [], []
    for scale in (0.9995, 1.0005):
        scaled = atoms.copy()
        scaled.set_cell(atoms.cell * scale, scale_atoms=True)
        frame = read_xml(run_stand_in(scaled, **SINGLE).folder)[0]
        energies.append(frame.calc.get_property("free_energy"))
        volumes.append(frame.get_volume())
    slope = (energies[1] - energies[0]) / (volumes[1] - volumes[0])
    assert pressure == pytest.approx(-slope / units.GPa * 10, rel=1e-3)
    line = next(x for x in (folder / "OUTCAR").read_text().splitlines() if "external pressure" in x)
    assert float(line.split()[3]) == pytest.approx(pressure, abs=0.006)
    assert pressure > 0


def test_energies_lie_as_the_smearing_says(run_stand_in, atoms):
    for ismear, fraction in ((0, 1 / 2), (1, 1 / 3), (2, 1 / 4)):
        folder = run_stand_in(atoms, **SINGLE, ISMEAR=ismear, SIGMA=0.1).folder
        step = quiet_vasprun(folder).ionic_steps[0]
        entropy = step["e_wo_entrp"] - step["e_fr_energy"]
        assert entropy > 0.01
        zero = step["e_0_energy"] - step["e_fr_energy"]
        assert zero == pytest.approx(fraction * entropy, abs=2e-8)
    step = quiet_vasprun(run_stand_in(atoms, **SINGLE, ISMEAR=-5).folder).ionic_steps[0]
    assert step["e_wo_entrp"] == step["e_fr_energy"] == step["e_0_energy"]


def test_electronic_steps_do_not_hold_the_dispersion(run_stand_in, atoms):
    plain = quiet_vasprun(run_stand_in(atoms, **SINGLE).folder).ionic_steps[0]
    folder = run_stand_in(atoms, **SINGLE, IVDW=12).folder
    step = quiet_vasprun(folder).ionic_steps[0]
    assert plain["electronic_steps"][-1]["e_fr_energy"] == plain["e_fr_energy"]
    assert step["electronic_steps"][-1]["e_fr_energy"] > step["e_fr_energy"] + 0.1
    assert step["e_fr_energy"] == plain["e_fr_energy"]
    free = step["e_fr_energy"]
    assert ase.io.read(folder / "OUTCAR").calc.get_property("free_energy") == pytest.approx(free)


@pytest.mark.tblite
@pytest.mark.medium
def test_gfn1_is_computed_by_tblite(run_stand_in, atoms):
    from tblite.ase import TBLite

    folder = run_stand_in(atoms, **SINGLE, SYSTEM="LiCl calculator=gfn1").folder
    frame = read_xml(folder)[0]
    expected = frame.copy()
    expected.calc = TBLite(method="GFN1-xTB", verbosity=0)
    energy = expected.get_potential_energy()
    assert frame.calc.get_property("free_energy") == pytest.approx(energy, abs=1e-5)
    np.testing.assert_allclose(frame.get_forces(), expected.get_forces(), atol=1e-4)


def test_emt_is_computed_by_ase(run_stand_in):
    copper = bulk("Cu", cubic=True)
    copper.rattle(0.05, seed=1)
    done = run_stand_in(copper, files={"calculator": "emt\n"}, **SINGLE)
    frame = read_xml(done.folder)[0]
    expected = frame.copy()
    expected.calc = make_calculator("emt")
    assert frame.calc.get_property("free_energy") == pytest.approx(
        expected.get_potential_energy(), abs=1e-6
    )
