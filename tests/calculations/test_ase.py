"""Calculators, the ASE runner and the inputs of the ASE jobs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from aiida import orm
from ase import units
from ase.build import bulk

from aiida_mliptransport.calculations import runners
from aiida_mliptransport.calculations.runners import calculators
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames

pytestmark = pytest.mark.medium

RUNNER = Path(runners.__file__).parent / "ase_runner.py"

EMT = {"name": "emt"}
LJ = {"name": "lj", "epsilon_eV": 0.01, "sigma_A": 2.3}
TBLITE = {"name": "tblite", "method": "GFN1-xTB"}
HOT_TBLITE = {**TBLITE, "electronic_temperature_K": 10000.0}


def copper(seed=0, repeat=(2, 2, 1)):
    return rattled(bulk("Cu", cubic=True) * repeat, seed)


def licl(seed=0, repeat=(1, 1, 1)):
    return rattled(bulk("LiCl", "rocksalt", a=5.13, cubic=True) * repeat, seed)


def rattled(atoms, seed):
    """Displace atoms and shear the cell, so that no component vanishes by symmetry."""
    rng = np.random.default_rng(seed)
    atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
    atoms.set_cell(atoms.cell.array + rng.normal(scale=0.1, size=(3, 3)), scale_atoms=True)
    return atoms


def label(spec, atoms):
    image = atoms.copy()
    image.calc = calculators.make_calculator(spec)
    return calculators.evaluate(image)


def write_job(folder, task, atoms, calculator, parameters=None, positions=None):
    folder.mkdir(parents=True, exist_ok=True)
    count = 1 if positions is None else len(positions)
    arrays = {
        "numbers": atoms.numbers,
        "positions": atoms.positions[None] if positions is None else positions,
        "cells": np.repeat(atoms.cell.array[None], count, axis=0),
        "pbc": atoms.pbc,
    }
    for name, array in arrays.items():
        np.save(folder / f"system_000_{name}.npy", array)
    job = {
        "task": task,
        "calculator": calculator,
        "stress": True,
        "parameters": parameters or {},
        "systems": [{"charge": 0, "multiplicity": 1}],
    }
    (folder / "job.json").write_text(json.dumps(job))
    return folder


def run_job(folder, check=True):
    return subprocess.run(
        [sys.executable, str(RUNNER)],
        cwd=folder,
        check=check,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def md_parameters(**changes):
    return {
        "ensemble": "nvt",
        "temperature_K": 600.0,
        "steps": 20,
        "timestep_fs": 2.0,
        "thermostat": "bussi",
        "thermostat_damping_fs": 50.0,
        "seed": 7,
        "trajectory_stride": 5,
        "thermo_stride": 1,
        "species_stride": 2,
        "equilibration_steps": 0,
        **changes,
    }


def rows(folder, name, prefix="out_000"):
    return np.load(folder / f"{prefix}_{name}.npy")


@pytest.mark.parametrize("thermostat", ["bussi", "langevin"])
def test_thermostats_keep_the_temperature_and_the_centre_of_mass(tmp_path, thermostat):
    atoms = copper()
    parameters = md_parameters(
        steps=160,
        timestep_fs=4.0,
        thermostat=thermostat,
        thermostat_damping_fs=10.0,
        equilibration_steps=20,
    )
    run = write_job(tmp_path / "md", "md", atoms, EMT, parameters)
    run_job(run)
    temperatures = rows(run, "values", "thermo")[:, 3]
    # 45 degrees of freedom fluctuate by sqrt(2/45) = 21 %, about 30 independent values in 0.64 ps
    # give 4 % for the mean.
    assert temperatures.mean() == pytest.approx(600.0, rel=0.12)
    velocities = rows(run, "velocities")
    assert np.abs(velocities.mean(axis=1)).max() < 1e-9
    centre = rows(run, "positions").mean(axis=1)
    assert np.abs(centre - centre[0]).max() < 1e-9


def test_nve_conserves_energy_and_velocities_are_those_of_the_positions(tmp_path):
    parameters = md_parameters(ensemble="nve", steps=100, timestep_fs=1.0, trajectory_stride=1)
    run = write_job(tmp_path / "md", "md", copper(), EMT, parameters)
    run_job(run)
    thermo = rows(run, "values", "thermo")
    total = thermo[:, 1] + thermo[:, 2]
    assert np.ptp(total) < 0.01 * thermo[:, 2].mean()
    positions, velocities = rows(run, "positions"), rows(run, "velocities")
    central = (positions[2:] - positions[:-2]) / 0.002
    np.testing.assert_allclose(central, velocities[1:-1], atol=0.05 * np.abs(velocities).max())
    kinetic = 0.5 * 63.546 * (velocities[0] ** 2).sum() * (units.fs * 1000) ** -2
    assert kinetic == pytest.approx(thermo[0, 2], rel=1e-6)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tmp_path):
    results = []
    for number, seed in enumerate((1, 1, 2)):
        folder = write_job(tmp_path / str(number), "md", copper(), EMT, md_parameters(seed=seed))
        run_job(folder)
        results.append(rows(folder, "positions"))
    np.testing.assert_array_equal(results[0], results[1])
    assert np.abs(results[0] - results[2]).max() > 1e-3


def test_coordinates_of_md_are_not_wrapped(tmp_path):
    atoms = copper()
    atoms.positions[0] += 3 * atoms.cell.array[0]
    run = write_job(tmp_path / "md", "md", atoms, EMT, md_parameters())
    run_job(run)
    positions = rows(run, "positions")
    np.testing.assert_array_equal(positions[0], atoms.positions)
    assert np.abs(np.diff(positions, axis=0)).max() < 2.0


def test_species_displacements_are_the_mean_of_the_atoms(tmp_path):
    atoms = copper()
    atoms.numbers[:4] = 79
    parameters = md_parameters(steps=4, trajectory_stride=2, species_stride=2)
    run = write_job(tmp_path / "md", "md", atoms, EMT, parameters)
    run_job(run)
    centres = rows(run, "centres", "species")
    positions = rows(run, "positions")
    np.testing.assert_allclose(centres[:, 0], positions[:, atoms.numbers == 29].mean(axis=1))
    np.testing.assert_allclose(centres[:, 1], positions[:, atoms.numbers == 79].mean(axis=1))


def test_a_killed_run_keeps_its_frames(tmp_path):
    parameters = md_parameters(steps=100_000, trajectory_stride=1)
    run = write_job(tmp_path / "md", "md", copper(), EMT, parameters)
    with subprocess.Popen(
        [sys.executable, str(RUNNER)], cwd=run, stdout=subprocess.PIPE, text=True
    ) as process:
        for _ in range(6):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    state = rows(run, "state")
    complete = int((state == 1).sum())
    assert 5 <= complete < 100_000
    assert (state[:complete] == 1).all()
    last = copper()
    last.positions[:] = rows(run, "positions")[complete - 1]
    energy, forces, _ = label(EMT, last)
    assert rows(run, "energies")[complete - 1] == pytest.approx(energy)
    np.testing.assert_allclose(rows(run, "forces")[complete - 1], forces, atol=1e-10)
    assert not (run / "results.json").exists()


def test_a_frame_that_fails_does_not_lose_the_others(tmp_path):
    atoms = copper()
    positions = np.repeat(atoms.positions[None], 3, axis=0)
    positions[1, 1] = positions[1, 0]
    run = write_job(tmp_path / "label", "label", atoms, LJ, positions=positions)
    run_job(run)
    assert rows(run, "state").tolist() == [1, 0, 1]
    failure = json.loads((run / "failures.jsonl").read_text())
    assert (failure["frame"], failure["class"]) == (1, "not_finite")


def test_an_exploding_run_stops_and_keeps_what_came_before(tmp_path):
    parameters = md_parameters(timestep_fs=200.0, trajectory_stride=1, ensemble="nve")
    run = write_job(tmp_path / "md", "md", copper(), EMT, parameters)
    run_job(run)
    results = json.loads((run / "results.json").read_text())
    assert not results["completed"]
    assert "exploded" in results["stopped"]
    assert results["n_frames"] == (rows(run, "state") == 1).sum() > 0


@pytest.mark.tblite
def test_an_unconverged_scf_never_becomes_a_label(tmp_path):
    atoms = licl()
    impatient = {**TBLITE, "max_iterations": 3}
    with pytest.raises(calculators.ScfNotConvergedError):
        label(impatient, atoms)
    run = write_job(tmp_path / "label", "label", atoms, impatient)
    run_job(run)
    assert rows(run, "state").tolist() == [0]
    assert json.loads((run / "failures.jsonl").read_text())["class"] == "scf_unconverged"
    run = write_job(tmp_path / "md", "md", atoms, impatient, md_parameters())
    run_job(run)
    assert (rows(run, "state") == 0).all()


@pytest.mark.tblite
def test_md_starts_each_step_from_the_last_density(tmp_path):
    """A warm start needs fewer iterations: a limit that a cold start exceeds is kept."""
    atoms = licl()
    calculator = calculators.make_calculator({**TBLITE, "max_iterations": 250})
    atoms.calc = calculator
    atoms.get_potential_energy()
    calculator._xtb.set("max-iter", 5)
    atoms.positions[0, 0] += 0.001
    warm = atoms.get_potential_energy()
    with pytest.raises(calculators.ScfNotConvergedError):
        label({**TBLITE, "max_iterations": 5}, atoms)
    assert warm == pytest.approx(label(TBLITE, atoms)[0], abs=1e-6)


@pytest.mark.tblite
def test_a_label_does_not_depend_on_the_batch_it_was_in(tmp_path):
    atoms = licl()
    positions = np.stack([atoms.positions, licl(seed=1).positions])
    both = write_job(tmp_path / "both", "label", atoms, TBLITE, positions=positions)
    alone = write_job(tmp_path / "alone", "label", atoms, TBLITE, positions=positions[1:])
    for folder in (both, alone):
        run_job(folder)
    np.testing.assert_array_equal(rows(both, "forces")[1], rows(alone, "forces")[0])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "__import__('os')"}, "expected one of"),
        ({"name": "emt", "command": "rm"}, "unknown settings"),
        ({"name": "tblite", "method": "GFN1-xTB; ls"}, "expected one of"),
        ({"name": "deepmd", "model": "../../etc/passwd"}, "name of a file"),
    ],
)
def test_only_the_registry_and_its_settings_are_built(spec, message):
    with pytest.raises(calculators.CalculatorError, match=message):
        calculators.make_calculator(spec)


@pytest.mark.parametrize(
    "line",
    [
        "shell rm -rf .",
        "pair_style lj/cut 8.0\nshell ls",
        "pair_coeff 1 1 ${x} 1.0",
        "pair_style python 8.0",
        "pair_coeff * * $(system('ls'))",
        "include other.lmp",
    ],
)
def test_lammps_lines_other_than_pair_settings_are_refused(line):
    with pytest.raises(calculators.CalculatorError, match="not allowed"):
        calculators.make_calculator({"name": "lammps", "type_map": ["Ar"], "lines": [line]})


def test_the_level_of_theory_holds_physics_and_not_what_only_helps_convergence():
    level = calculators.describe({**TBLITE, "max_iterations": 500, "mixer_damping": 0.1})
    assert level == calculators.describe(TBLITE)
    assert level["method"] == "GFN1-xTB"
    assert level["k_points"] == "gamma"
    assert level != calculators.describe(HOT_TBLITE)
    assert "tblite" in calculators.engine_version(TBLITE)


@pytest.fixture
def label_inputs(make_code):
    frames = FrameSetData(Frames.from_atoms([copper(), copper(seed=1)]))
    return {"code": make_code("python"), "frames": frames, "calculator": orm.Dict(EMT)}


def test_inputs_of_the_label_job_are_arrays_and_json(generate_calc_job, label_inputs):
    folder, info = generate_calc_job("mliptransport.ase.label", label_inputs)
    job = json.loads((folder / "job.json").read_text())
    assert job["task"] == "label"
    assert job["calculator"] == {"name": "emt"}
    np.testing.assert_array_equal(
        np.load(folder / "system_000_positions.npy"),
        label_inputs["frames"].frames.systems[0].positions,
    )
    assert info.codes_info[0].cmdline_params == ["ase_runner.py"]
    assert "OMP_NUM_THREADS" in info.prepend_text
    # What was written is what the runner reads.
    run_job(folder)
    assert rows(folder, "state").tolist() == [1, 1]


def salt():
    return FrameSetData(Frames.from_atoms([bulk("LiCl", "rocksalt", a=5.13)]))


def charged():
    atoms = copper()
    atoms.info["charge"] = 1
    return FrameSetData(Frames.from_atoms([atoms]))


def two_sizes():
    return FrameSetData(Frames.from_atoms([licl(), licl(repeat=(2, 1, 1))]))


def iodide():
    return FrameSetData(Frames.from_atoms([bulk("LiI", "rocksalt", a=6.0)]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": iodide, "calculator": {"name": "tblite"}}, r"cells with \['I'\]; choose 'GFN2"),
        ({"calculator": None}, "neither of 'calculator' and 'potential'"),
        ({"calculator": {"name": "lammps", "lines": ["shell ls"]}}, "expected one of"),
        ({"calculator": {"name": "tblite", "accuracy": 500.0}}, "accuracy is 500.0"),
        ({"calculator": {"name": "tblite", "acuracy": 1.0}}, "unknown key 'acuracy'"),
        ({"frames": salt}, "no parameters for"),
        ({"frames": two_sizes, "calculator": {"name": "tblite"}}, "cells of one size"),
        ({"frames": charged, "calculator": {"name": "tblite", "charge": 0}}, "the frames have 1"),
    ],
)
def test_a_label_job_that_cannot_run_is_refused(generate_calc_job, label_inputs, changes, message):
    inputs = dict(label_inputs)
    for key, value in changes.items():
        if value is None:
            inputs.pop(key)
        else:
            inputs[key] = value() if callable(value) else orm.Dict(value)
    with pytest.raises(ValueError, match=message):
        generate_calc_job("mliptransport.ase.label", inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature_K": -1.0}, "temperature_K is -1.0"),
        ({"ensemble": "npt"}, "ensemble is 'npt'"),
        ({"seed": "1; ls"}, "seed is '1; ls'"),
        ({"stride": 3}, "unknown key 'stride'"),
    ],
)
def test_md_parameters_are_typed(generate_calc_job, make_code, changes, message):
    parameters = {"temperature_K": 600.0, "steps": 10, "timestep_fs": 2.0, "seed": 1, **changes}
    inputs = {
        "code": make_code("python"),
        "structure": orm.StructureData(ase=copper()),
        "calculator": orm.Dict(EMT),
        "parameters": orm.Dict(parameters),
    }
    with pytest.raises(ValueError, match=message):
        generate_calc_job("mliptransport.ase.md", inputs)


def test_a_structure_without_a_cell_is_refused(generate_calc_job, make_code):
    atoms = copper()
    atoms.pbc = False
    inputs = {
        "code": make_code("python"),
        "structure": orm.StructureData(ase=atoms),
        "calculator": orm.Dict(EMT),
        "parameters": orm.Dict(
            {"temperature_K": 600.0, "steps": 10, "timestep_fs": 2.0, "seed": 1}
        ),
    }
    with pytest.raises(ValueError, match="periodic in all"):
        generate_calc_job("mliptransport.ase.md", inputs)


def test_a_calculator_that_is_not_installed_says_how_to_install_it(tmp_path, monkeypatch):
    (tmp_path / "model").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mace.calculators", None)
    with pytest.raises(calculators.CalculatorUnavailableError, match="pip install mace-torch"):
        calculators.make_calculator({"name": "mace", "model": "model"})


def test_progress_is_one_line_a_frame(tmp_path):
    start = time.time()
    run = write_job(tmp_path / "md", "md", copper(), EMT, md_parameters())
    log = run_job(run).stdout.splitlines()
    assert [line.split(":")[0] for line in log] == [f"step {n}" for n in (0, 5, 10, 15, 20)]
    assert json.loads((run / "results.json").read_text())["seconds"] < time.time() - start
