"""The generated LAMMPS input, what is refused, and real runs against known answers."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.common import exceptions
from aiida.engine import run_get_node
from ase import Atoms
from ase.build import bulk
from ase.io import read as ase_read

from aiida_mliptransport.backends.lammps import lennard_jones_argon, tosi_fumi_licl
from aiida_mliptransport.calculations import lammps_script
from aiida_mliptransport.calculations.lammps_md import LammpsMDCalculation
from aiida_mliptransport.calculations.lammps_script import (
    DATA_FILE,
    LammpsMDParameters,
    restricted_cell,
    timeout_seconds,
)
from aiida_mliptransport.data.potential import PotentialData

ENTRY_POINT = "mliptransport.lammps.md"

PARAMETERS = {
    "ensemble": "nve",
    "temperature_K": 600.0,
    "steps": 40,
    "timestep_fs": 1.0,
    "seed": 7,
    "trajectory_stride": 10,
    "thermo_stride": 5,
    "species_stride": 2,
}


def licl(repeat=1) -> orm.StructureData:
    return orm.StructureData(ase=bulk("LiCl", "rocksalt", a=5.13, cubic=True).repeat(repeat))


def licl_potential() -> PotentialData:
    return PotentialData(**tosi_fumi_licl(kspace="ewald"))


def deepmd_potential(tmp_path, name="model.pb", stress=False, type_map=("Li", "Cl"), **kwargs):
    path = tmp_path / name
    path.write_bytes(b"not a model")
    return PotentialData(
        backend="deepmd", type_map=type_map, cutoff=6.0, files={"model": path},
        trained_on_stress=stress, **kwargs,
    )  # fmt: skip


@pytest.fixture
def inputs(lammps):
    def factory(structure=None, potentials=None, restart=None, options=None, **changes):
        given = {
            "code": lammps,
            "structure": structure or licl(),
            "potentials": potentials or {"member_0": licl_potential()},
            "parameters": orm.Dict({**PARAMETERS, **changes}),
            "metadata": {"options": {"max_wallclock_seconds": 600, **(options or {})}},
        }
        if restart is not None:
            given["restart"] = restart
        return given

    return factory


@pytest.fixture
def script_of(generate_calc_job, inputs):
    def factory(**kwargs):
        folder, _ = generate_calc_job(ENTRY_POINT, inputs(**kwargs))
        return (folder / "input.in").read_text()

    return factory


# ---------------------------------------------------------------- what is written


@pytest.mark.medium
def test_an_nvt_run_is_written_as_expected(script_of):
    assert script_of(
        ensemble="nvt", thermostat_damping_fs=100.0, store_velocities=True, equilibration_steps=20
    ).splitlines() == [
        "timer timeout 570 every 10",
        "units metal",
        "atom_style charge",
        "boundary p p p",
        "read_data structure.data",
        *script_of().splitlines()[5:11],
        "neigh_modify every 1 delay 0 check yes one 10000 page 100000",
        "timestep 0.001",
        "velocity all create 600.0 7 mom yes rot no dist gaussian",
        "fix integrate all nvt temp 600.0 600.0 0.1",
        "thermo 5",
        "run 20",
        'if "$(step) < 20" then "quit 0"',
        "reset_timestep 0",
        'print "first_step $(step)" file state.txt screen no',
        "dump trajectory all custom 10 trajectory.bin id type xu yu zu vx vy vz",
        "dump_modify trajectory sort id time yes",
        *script_of().splitlines()[-20:-3],
        "run 40",
        "write_restart final.restart",
        'print "last_step $(step)" append state.txt screen no',
    ]


def test_npt_names_the_coupling_and_its_damping(script_of):
    script = script_of(ensemble="npt", pressure_bar=1.0, pressure_coupling="tri")
    assert "fix integrate all npt temp 600.0 600.0 0.1 tri 1.0 1.0 1.0\n" in script


def test_a_restart_takes_velocities_from_its_file_and_does_not_equilibrate_again(
    generate_calc_job, inputs, tmp_path
):
    restart = tmp_path / "any name.bin"
    restart.write_bytes(b"x")
    node = orm.SinglefileData(restart).store()
    folder, info = generate_calc_job(ENTRY_POINT, inputs(restart=node, equilibration_steps=10))
    script = (folder / "input.in").read_text()
    assert "read_restart parent.restart" in script
    assert "velocity" not in script
    assert "reset_timestep" not in script
    assert "read_data" not in script
    assert (node.uuid, "any name.bin", "parent.restart") in info.local_copy_list


def test_the_raw_dump_is_retrieved_for_parsing_only(generate_calc_job, inputs):
    _, info = generate_calc_job(ENTRY_POINT, inputs())
    assert "trajectory.bin" in info.retrieve_temporary_list
    assert info.retrieve_list == ["lammps.out", "_walltime_exceeded"]
    assert "OMP_NUM_THREADS" in info.prepend_text
    assert "timeout --kill-after" in info.prepend_text


def test_a_deepmd_committee_writes_its_deviation(generate_calc_job, inputs, tmp_path):
    potentials = {
        f"member_{i}": deepmd_potential(tmp_path, framework_version="3.2.0").store()
        for i in range(3)
    }
    folder, info = generate_calc_job(ENTRY_POINT, inputs(potentials=potentials))
    script = (folder / "input.in").read_text()
    assert (
        "pair_style deepmd potential_0.pb potential_1.pb potential_2.pb "
        "out_file model_devi.out out_freq 10\npair_coeff * * Li Cl\n" in script
    )
    assert "atom_style atomic" in script
    assert [target for _, _, target in info.local_copy_list] == [
        f"potential_{i}.pb" for i in range(3)
    ]
    assert "model_devi.out" in info.retrieve_temporary_list


def test_the_data_file_holds_a_triclinic_cell_that_ase_reads_back(generate_calc_job, inputs):
    atoms = bulk("LiCl", "rocksalt", a=5.13)
    atoms.rotate(25, (1, 2, 3), rotate_cell=True)
    atoms.rattle(0.1, seed=1)
    folder, _ = generate_calc_job(ENTRY_POINT, inputs(structure=orm.StructureData(ase=atoms)))
    read = ase_read(folder / DATA_FILE, format="lammps-data", units="metal", atom_style="charge")
    assert read.get_chemical_symbols() == ["Li", "Cl"]
    assert np.allclose(read.cell.cellpar(), atoms.cell.cellpar())
    assert read.get_distance(0, 1, mic=True) == pytest.approx(atoms.get_distance(0, 1, mic=True))
    assert read.get_initial_charges().tolist() == [1.0, -1.0]


@pytest.mark.parametrize("seed", range(5))
def test_a_cell_is_turned_to_lower_triangular_and_back(seed):
    cell = np.random.default_rng(seed).normal(size=(3, 3))
    lower, rotation = restricted_cell(cell)
    assert np.allclose(np.triu(lower, 1), 0)
    assert (np.diag(lower) > 0).all()
    assert np.allclose(lower @ rotation, cell)
    assert np.allclose(rotation @ rotation.T, np.eye(3))


def test_lammps_stops_before_the_scheduler_does():
    assert timeout_seconds(86400) == 86100
    assert timeout_seconds(3600) == 3420
    assert timeout_seconds(60) == 40
    assert timeout_seconds(5) == 1


# ---------------------------------------------------------------- what is refused


INJECTION = "nvt\nshell touch injected"


@pytest.mark.parametrize("name", sorted(LammpsMDParameters.model_fields))
def test_no_parameter_lets_a_command_into_the_script(inputs, generate_calc_job, name):
    with pytest.raises((ValueError, exceptions.InputValidationError), match=name):
        generate_calc_job(ENTRY_POINT, inputs(**{name: INJECTION}))


def test_an_unknown_parameter_is_refused(inputs, generate_calc_job):
    with pytest.raises(ValueError, match="script"):
        generate_calc_job(ENTRY_POINT, inputs(script=INJECTION))


@pytest.mark.parametrize("port", ["script", "files", "filenames", "settings"])
def test_the_free_inputs_of_the_raw_calculation_are_gone(port):
    assert port not in LammpsMDCalculation.spec().inputs


def test_names_of_nodes_and_files_do_not_reach_the_script(inputs, generate_calc_job, tmp_path):
    structure = licl()
    kinds = orm.StructureData(cell=structure.cell)
    for number, site in enumerate(structure.sites):
        symbol = structure.get_kind(site.kind_name).symbol
        kinds.append_atom(position=site.position, symbols=symbol, name=f"{symbol}{number}\nshell x")
    potential = deepmd_potential(tmp_path, "model shell x.pb")
    folder, info = generate_calc_job(
        ENTRY_POINT, inputs(structure=kinds, potentials={"shell_touch": potential.store()})
    )
    assert "shell" not in (folder / "input.in").read_text()
    assert "shell" not in (folder / DATA_FILE).read_text()
    assert info.local_copy_list[0][2] == "potential_0.pb"


def test_a_file_suffix_that_is_a_command_is_refused(inputs, generate_calc_job, tmp_path):
    potential = deepmd_potential(tmp_path, "model.pb\nshell touch injected")
    with pytest.raises(ValueError, match="suffix"):
        generate_calc_job(ENTRY_POINT, inputs(potentials={"member_0": potential}))


def test_a_type_map_that_is_a_command_never_matches_an_element(inputs, generate_calc_job, tmp_path):
    potential = deepmd_potential(tmp_path, type_map=("Li\nshell touch injected", "Cl"))
    with pytest.raises(ValueError, match="lacks"):
        generate_calc_job(ENTRY_POINT, inputs(potentials={"member_0": potential}))


def test_npt_without_training_on_stress_is_refused(inputs, generate_calc_job, tmp_path):
    changes = {"ensemble": "npt", "pressure_bar": 1.0}
    potentials = {"member_0": deepmd_potential(tmp_path)}
    with pytest.raises(ValueError, match="not trained on stress"):
        generate_calc_job(ENTRY_POINT, inputs(potentials=potentials, **changes))
    potentials = {"member_0": deepmd_potential(tmp_path, stress=True).store()}
    generate_calc_job(ENTRY_POINT, inputs(potentials=potentials, **changes))


def test_an_element_the_potential_does_not_know_is_refused(inputs, generate_calc_job):
    structure = orm.StructureData(ase=bulk("NaCl", "rocksalt", a=5.6))
    with pytest.raises(ValueError, match="lacks \\['Na'\\]"):
        generate_calc_job(ENTRY_POINT, inputs(structure=structure))


def test_a_structure_that_is_not_periodic_is_refused(inputs, generate_calc_job):
    structure = orm.StructureData(ase=Atoms("LiCl", positions=[(0, 0, 0), (0, 0, 2)], cell=[9] * 3))
    with pytest.raises(ValueError, match="pbc"):
        generate_calc_job(ENTRY_POINT, inputs(structure=structure))


def test_a_charged_cell_is_refused(inputs, generate_calc_job):
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    del atoms[0]
    with pytest.raises(ValueError, match="total charge of -1"):
        generate_calc_job(ENTRY_POINT, inputs(structure=orm.StructureData(ase=atoms)))


def test_pressure_without_npt_is_refused(inputs, generate_calc_job):
    with pytest.raises(ValueError, match="pressure_bar"):
        generate_calc_job(ENTRY_POINT, inputs(pressure_bar=1.0))
    with pytest.raises(ValueError, match="pressure_bar"):
        generate_calc_job(ENTRY_POINT, inputs(ensemble="npt"))


# ---------------------------------------------------------------- real runs


@pytest.fixture
def run(inputs):
    def factory(**kwargs):
        return run_get_node(LammpsMDCalculation, **inputs(**kwargs))

    return factory


def lattice_sum(r, parameters, cutoff, shells=6):
    """Energy per ion pair of rocksalt at nearest distance r: Madelung and direct sums."""
    grid = np.arange(-shells, shells + 1)
    sites = np.array(np.meshgrid(grid, grid, grid)).reshape(3, -1).T
    sites = sites[(sites != 0).any(axis=1)]
    distances, unlike = np.linalg.norm(sites, axis=1) * r, sites.sum(axis=1) % 2 == 1
    energy = -1.747564594633 * 14.39964548 / r
    for name, chosen, weight in (
        ("Li-Cl", unlike, 1.0), ("Li-Li", ~unlike, 0.5), ("Cl-Cl", ~unlike, 0.5)
    ):  # fmt: skip
        p, d = parameters["pairs"][name], distances[chosen & (distances < cutoff)]

        def pair(d, p=p):
            repulsion = p["A_eV"] * np.exp((p["sigma_A"] - d) / p["rho_A"])
            return repulsion - p["C_eV_A6"] / d**6 - p["D_eV_A8"] / d**8

        energy += weight * np.sum(pair(d) - pair(cutoff))
    return energy


@pytest.mark.lammps
def test_the_lattice_energy_of_licl_is_the_sum_of_madelung_and_pairs(run):
    _, node = run(steps=0, temperature_K=1e-6)
    assert node.is_finished_ok, node.exit_message
    thermo = node.outputs.trajectory.thermo
    expected = 4 * lattice_sum(5.13 / 2, tosi_fumi_licl()["parameters"], cutoff=8.0)
    assert thermo["potential_energy_eV"][0] == pytest.approx(expected, rel=1e-4)
    # The crystal is held by 8.6 to 8.9 eV per ion pair in experiment and in every rigid-ion model.
    assert thermo["potential_energy_eV"][0] / 4 == pytest.approx(-8.6, abs=0.2)
    # The potential was fitted to this lattice: the pressure is small against the bulk modulus.
    assert abs(thermo["pressure_bar"][0]) < 15_000


@pytest.mark.lammps
def test_argon_fcc_has_the_lennard_jones_lattice_energy(run):
    # Lattice sums of the fcc Lennard-Jones crystal: E = -8.610 ε at a nearest distance of 1.090 σ.
    atoms = bulk("Ar", "fcc", a=1.0902 * 3.4 * np.sqrt(2), cubic=True)
    arguments = lennard_jones_argon(cutoff_A=30.0)
    potential = PotentialData(**arguments)
    _, node = run(
        structure=orm.StructureData(ase=atoms), potentials={"member_0": potential}, steps=0,
        temperature_K=1e-6, species_stride=None,
    )  # fmt: skip
    assert node.is_finished_ok, node.exit_message
    energy = node.outputs.trajectory.thermo["potential_energy_eV"][0]
    epsilon = arguments["parameters"]["pairs"]["Ar-Ar"]["epsilon_eV"]
    assert energy / 4 / epsilon == pytest.approx(-8.610, rel=0.005)
    assert node.outputs.trajectory.species is None


@pytest.mark.lammps
def test_nve_conserves_energy_and_records_what_was_asked(run):
    _, node = run(structure=licl(2), store_velocities=True, store_forces=True, steps=100)
    assert node.is_finished_ok, node.exit_message
    trajectory = node.outputs.trajectory
    assert trajectory.steps.tolist() == list(range(0, 101, 10))
    assert trajectory.times_ps[-1] == pytest.approx(0.1)
    thermo = trajectory.thermo
    assert thermo["step"].tolist() == list(range(0, 101, 5))
    kinetic = thermo["kinetic_energy_eV"]
    assert kinetic.std() > 0.1
    # Of which most comes from the forces' step at the cutoff, 8 Å.
    assert np.ptp(thermo["total_energy_eV"]) < 0.002 * kinetic[0]
    assert thermo["temperature_K"][0] == pytest.approx(600.0)
    # Velocities in Å/ps: their kinetic energy is that of LAMMPS (1 u Å²/ps² = 1.0364e-4 eV).
    v = trajectory.velocities()
    energy = 0.5 * 1.036427e-4 * (trajectory.masses[None, :, None] * v**2).sum(axis=(1, 2))
    assert np.allclose(energy, kinetic[::2], rtol=1e-4)
    assert np.abs(trajectory.forces().sum(axis=1)).max() < 1e-2
    results = node.outputs.results.get_dict()
    assert results["completed"]
    assert results["performance_katom_step_per_s"] > 0
    assert "2" in results["lammps_version"]
    assert "trajectory.bin" not in node.outputs.retrieved.base.repository.list_object_names()


@pytest.mark.lammps
def test_species_displacements_are_those_of_the_dump_in_a_turned_cell(run):
    atoms = bulk("LiCl", "rocksalt", a=5.13).repeat((3, 2, 2))
    atoms.rotate(40, (1, 1, 2), rotate_cell=True)
    atoms.positions += 20.0
    _, node = run(
        structure=orm.StructureData(ase=atoms), ensemble="nvt", temperature_K=1500.0, steps=60
    )
    assert node.is_finished_ok, node.exit_message
    trajectory = node.outputs.trajectory
    assert np.allclose(trajectory.reference, atoms.positions)
    assert np.allclose(trajectory.cells, atoms.cell.array)
    species = trajectory.species
    assert species["names"] == ["Li", "Cl"]
    for index, number in enumerate((3, 17)):
        mean = trajectory.positions()[:, trajectory.numbers == number].mean(axis=1)
        chosen = np.isin(species["steps"], trajectory.steps)
        given = species["displacements"][chosen, index]
        assert np.abs(given).max() > 1e-3
        assert np.allclose(given, mean - mean[0], atol=2e-6)
        assert np.allclose(species["reference"][index], mean[0], atol=1e-6)
    # The derivative of the displacement is the velocity (central differences over 4 fs).
    slope = (species["displacements"][2:] - species["displacements"][:-2]) / 0.004
    scale = np.abs(species["velocities"]).max()
    assert np.abs(slope - species["velocities"][1:-1]).max() < 0.1 * scale


@pytest.mark.lammps
@pytest.mark.parametrize("ensemble", ["nvt", "npt"])
def test_two_halves_are_the_whole_run_and_repeat_no_frame(run, ensemble):
    changes = {"ensemble": ensemble, "temperature_K": 1200.0, "structure": licl(2)}
    changes |= {"equilibration_steps": 10, "pressure_bar": 1.0 if ensemble == "npt" else None}
    _, whole = run(**changes, steps=40)
    _, first = run(**changes, steps=20)
    assert first.is_finished_ok, first.exit_message
    _, second = run(**changes, steps=20, restart=first.outputs.restart)
    assert second.is_finished_ok, second.exit_message
    a, b, c = (node.outputs.trajectory for node in (whole, first, second))
    assert a.steps.tolist() == [0, 10, 20, 30, 40]
    assert [*b.steps, *c.steps] == a.steps.tolist()
    assert np.allclose([*b.times_ps, *c.times_ps], a.times_ps)
    joined = np.concatenate([b.positions(), c.positions()])
    assert np.abs(joined[-1] - joined[0]).max() > 0.1
    assert np.abs(joined - a.positions()).max() < 1e-6
    assert np.allclose(np.concatenate([b.cells, c.cells]), a.cells, atol=1e-8)
    for name in ("steps", "times_ps"):
        assert np.allclose([*b.species[name], *c.species[name]], a.species[name])
    absolute = [s["reference"] + s["displacements"] for s in (b.species, c.species)]
    expected = a.species["reference"] + a.species["displacements"]
    assert np.abs(np.concatenate(absolute) - expected).max() < 1e-6
    assert [*b.thermo["step"], *c.thermo["step"]] == a.thermo["step"].tolist()
    conserved = np.concatenate([t.thermo["conserved_energy_eV"] for t in (b, c)])
    assert np.allclose(conserved, a.thermo["conserved_energy_eV"], atol=1e-5)
    assert c.info["segment"]


@pytest.mark.lammps
def test_an_exploded_run_keeps_the_frames_before(run):
    # At 10 fs and 20000 K ions pass the barrier and fall into each other.
    _, node = run(
        structure=licl(2), temperature_K=20_000.0, timestep_fs=10.0, steps=5000,
        trajectory_stride=1, thermo_stride=1,
    )  # fmt: skip
    assert node.exit_status in (310, 311), node.exit_message
    trajectory = node.outputs.trajectory
    assert 0 < trajectory.n_frames < 5000
    assert not trajectory.completed
    assert np.isfinite(trajectory.positions()).all()
    assert trajectory.thermo["step"][-1] <= trajectory.steps[-1]
    assert not node.outputs.results["completed"]
    assert "restart" not in node.outputs


@pytest.mark.lammps
def test_a_run_out_of_time_leaves_trajectory_and_restart(run, monkeypatch):
    monkeypatch.setattr(lammps_script, "TIMEOUT_MARGIN_BOUNDS", (298, 300))
    _, node = run(
        steps=10_000_000, trajectory_stride=1000, species_stride=1000, thermo_stride=1000,
        options={"max_wallclock_seconds": 300},
    )  # fmt: skip
    assert node.exit_status == 400, node.exit_message
    assert node.outputs.trajectory.n_frames >= 1
    assert not node.outputs.trajectory.completed


@pytest.mark.lammps
def test_a_model_that_cannot_be_read_has_its_own_code(run, tmp_path):
    _, node = run(potentials={"member_0": deepmd_potential(tmp_path)})
    assert node.exit_status == 321, node.exit_message
    assert "trajectory" not in node.outputs
