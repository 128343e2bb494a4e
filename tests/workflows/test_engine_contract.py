"""One contract for all engines: units, signs, derivatives, and MD frames equal to single points.

Each engine runs short MD at high temperature from a compressed crystal whose elements alternate.
Then one label WorkChain takes all frames of the MD again, with displaced and strained copies of the
last one. The engines with electrons run a charged cell: a lithium ion is missing from LiCl.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase import Atoms, units
from ase.build import bulk

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames, System
from aiida_mliptransport.workflows.aimd.ase import AseAimdWorkChain
from aiida_mliptransport.workflows.aimd.cp2k import Cp2kAimdWorkChain
from aiida_mliptransport.workflows.aimd.vasp import VaspAimdWorkChain
from aiida_mliptransport.workflows.label.ase import AseLabelWorkChain
from aiida_mliptransport.workflows.label.cp2k import Cp2kLabelWorkChain
from aiida_mliptransport.workflows.label.teacher import TeacherLabelWorkChain
from aiida_mliptransport.workflows.label.vasp import VaspLabelWorkChain

pytestmark = pytest.mark.medium


@dataclass(frozen=True)
class Engine:
    """How one engine is run, and how exact it is.

    Attributes
    ----------
    prepare
        Given pytest's request: the builders of ``(structure, MD parameters, T)`` and ``(frames)``.
    structure
        Compressed crystal.
    step_A, strain
        Half of what displaced and strained frames are apart.
    force_atol, stress_atol
        Of derivatives, eV/Å and eV/Å³: the third derivative of the energy times the step squared
        over 6, and the noise of the energy over the step.
    again
        How far single points are from the MD frames: energy (eV), forces, stresses.
    n_directions, n_again
        How many directions of displacement, and how many of the last MD frames are labelled again.
    """

    prepare: Callable[[pytest.FixtureRequest], tuple[Callable[..., Any], Callable[..., Any]]]
    structure: Callable[[], Atoms]
    temperature_K: float = 3000.0
    timestep_fs: float = 1.0
    step_A: float = 1e-3
    strain: float = 1e-3
    force_atol: float = 1e-4
    stress_atol: float = 1e-5
    again: tuple[float, float, float] = (1e-8, 1e-8, 1e-10)
    n_directions: int = 2
    n_again: int = 2


def compressed(atoms: Atoms) -> Atoms:
    """Return the crystal sheared and rattled, so that no component vanishes by symmetry."""
    rng = np.random.default_rng(1)
    shear = np.eye(3) + np.array([[0, 0.02, 0.03], [0, 0, -0.02], [0, 0, 0]])
    atoms.set_cell(atoms.cell.array @ shear, scale_atoms=True)
    atoms.positions += rng.normal(scale=0.03, size=atoms.positions.shape)
    return atoms


def rock_salt(a: float = 4.9) -> Atoms:
    return compressed(bulk("LiCl", "rocksalt", a=a, cubic=True))


def vacancy() -> Atoms:
    """Return a charged cell of closed shells: the missing ion has a charge of +1."""
    atoms = rock_salt()
    del atoms[2]
    atoms.info["charge"] = -1
    return atoms


def small_vacancy() -> Atoms:
    """Return three atoms, for what takes a second a step and more."""
    atoms = compressed(bulk("LiCl", "rocksalt", a=5.1) * (2, 1, 1))
    del atoms[2]
    atoms.info["charge"] = -1
    return atoms


def alloy() -> Atoms:
    atoms = bulk("Cu", a=3.7, cubic=True) * (2, 1, 1)
    atoms.numbers[::2] = 79
    return compressed(atoms)


def argon() -> Atoms:
    return compressed(bulk("Ar", a=4.8, cubic=True))


def calculator(content: Mapping[str, Any]) -> Callable[..., Any]:
    """Return how a calculator of the ASE registry is run."""

    def prepare(request: pytest.FixtureRequest) -> tuple[Callable[..., Any], Callable[..., Any]]:
        code = request.getfixturevalue("make_code")("python")

        def md(structure: orm.StructureData, parameters: dict[str, Any], temperature: float) -> Any:
            return AseAimdWorkChain.get_builder_from_protocol(
                code,
                {"start": structure},
                [temperature],
                calculator=content,
                overrides={"runs": 1, "parameters": parameters},
            )

        def label(frames: FrameSetData) -> Any:
            return AseLabelWorkChain.get_builder_from_protocol(
                code, frames=frames, calculator=content
            )

        return md, label

    return prepare


def deep_potential(
    request: pytest.FixtureRequest,
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return how a trained potential is run as a teacher."""
    code = request.getfixturevalue("make_code")("python")
    potential = request.getfixturevalue("tiny_committee")[0]

    def md(structure: orm.StructureData, parameters: dict[str, Any], temperature: float) -> Any:
        return AseAimdWorkChain.get_builder_from_protocol(
            code,
            {"start": structure},
            [temperature],
            potential=potential,
            overrides={"runs": 1, "parameters": parameters},
        )

    def label(frames: FrameSetData) -> Any:
        return TeacherLabelWorkChain.get_builder_from_protocol(code, potential, frames=frames)

    return md, label


def vasp(request: pytest.FixtureRequest) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return how VASP's stand-in is run: what is tested is all that lies around VASP."""
    code = request.getfixturevalue("vasp_code")
    family = request.getfixturevalue("potcar_family")
    settings = {"potentials": {"Li": "Li_sv"}, "charge": -1}
    options = {"max_wallclock_seconds": 300, "resources": {"num_machines": 1}}

    return by_electronic_structure(
        VaspAimdWorkChain, VaspLabelWorkChain, code, family, settings=settings, options=options
    )


def cp2k(request: pytest.FixtureRequest) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return how CP2K is run: a small basis, but a grid fine enough for derivatives."""
    code = request.getfixturevalue("make_code")("cp2k")
    settings = {
        "basis_set": "SZV-MOLOPT-SR-GTH",
        "cutoff_Ry": 240,
        "relative_cutoff_Ry": 30,
        "eps_default": 1e-10,
        "dispersion_cutoff_A": 8.0,
        "charge": -1,
        "scf": {"method": "diagonalization", "eps_scf": 1e-7, "max_scf": 40},
    }
    options = {"max_wallclock_seconds": 300}

    return by_electronic_structure(
        Cp2kAimdWorkChain, Cp2kLabelWorkChain, code, settings=settings, options=options
    )


def by_electronic_structure(
    aimd: Any, label_by: Any, *code: Any, **shared: Any
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return how an electronic-structure code is run; ``code`` may have a family of POTCARs."""

    def md(structure: orm.StructureData, parameters: dict[str, Any], temperature: float) -> Any:
        return aimd.get_builder_from_protocol(
            *code,
            {"start": structure},
            [temperature],
            protocol="fast",
            overrides={"aimd": {"runs": 1, "parameters": parameters}},
            **shared,
        )

    def label(frames: FrameSetData) -> Any:
        return label_by.get_builder_from_protocol(*code, frames=frames, protocol="fast", **shared)

    return md, label


ENGINES = {
    # Hot electrons: forces belong to the free energy. tblite cuts its lattice sums sharply: a pair
    # that crosses a cutoff between two frames changes the energy by 1e-6 eV (seen).
    "tblite": Engine(
        calculator({"name": "tblite", "electronic_temperature_K": 5000.0, "charge": -1}),
        vacancy,
        step_A=3e-3,
        strain=3e-3,
        force_atol=5e-4,
        stress_atol=2e-5,
        again=(1e-6, 2e-5, 1e-6),
    ),
    "emt": Engine(calculator({"name": "emt"}), alloy),
    "lj": Engine(calculator({"name": "lj", "epsilon_eV": 0.0104, "sigma_A": 3.4}), argon),
    "molten_salt": Engine(
        calculator({"name": "molten_salt", "salt": "LiCl", "ewald_accuracy": 1e-8}), rock_salt
    ),
    "deepmd": Engine(deep_potential, rock_salt, temperature_K=1500.0),
    # vasprun.xml has eight decimals of direct coordinates, energies and forces, and of the stress
    # in kB. One frame is one run, so there are fewer.
    "vasp": Engine(
        vasp,
        vacancy,
        strain=5e-4,
        again=(1e-6, 1e-5, 1e-7),
        n_directions=1,
        n_again=1,
    ),
    # The density is on a grid that moves with the cell, and not with the atoms: 5e-4 of a stress of
    # 0.5 eV/Å³ (seen). MD starts each step from extrapolated wave functions.
    "cp2k": Engine(
        cp2k,
        small_vacancy,
        step_A=1e-2,
        strain=2e-3,
        force_atol=5e-3,
        stress_atol=2.5e-4,
        again=(1e-4, 2e-3, 2e-5),
        n_directions=1,
        n_again=1,
    ),
}

MARKS = {
    "tblite": [pytest.mark.tblite],
    "molten_salt": [pytest.mark.lammps],
    "deepmd": [pytest.mark.deepmd],
    "cp2k": [pytest.mark.cp2k],
}


@dataclass(frozen=True)
class Measured:
    """What an engine gave: MD frames, and single points of them and of what lies around the last.

    ``single`` holds the last MD frames first, then two frames of each of ``directions`` (Å, of unit
    length over all atoms) and of each of ``strains`` (of unit norm): forward and backward.
    """

    engine: Engine
    start: Atoms
    given: Frames
    md_node: FrameSetData
    single_node: FrameSetData
    directions: list[np.ndarray]
    strains: list[np.ndarray]

    @property
    def md(self) -> System:
        return self.md_node.frames.systems[0]

    @property
    def single(self) -> System:
        return self.single_node.frames.systems[0]

    def differences(self) -> tuple[np.ndarray, np.ndarray]:
        """Return dE/dx along the directions (eV/Å) and dE/dε of the strains (eV)."""
        energies = self.single.energies[self.engine.n_again :].reshape(-1, 2)
        change = 0.5 * (energies[:, 0] - energies[:, 1])
        count = len(self.directions)
        return change[:count] / self.engine.step_A, change[count:] / self.engine.strain


def around(system: System, engine: Engine) -> tuple[list[Atoms], list[Any], list[Any]]:
    """Return frames around the last one, the directions and the strains."""
    rng = np.random.default_rng(2)
    (atoms,) = system.take([-1]).without_labels().to_atoms()
    # The first direction is that of the forces: the energy falls along it.
    directions = [system.forces[-1], rng.normal(size=atoms.positions.shape)]
    directions = directions[: engine.n_directions]
    directions = [direction / np.linalg.norm(direction) for direction in directions]
    random = rng.normal(size=(2, 3, 3))
    strains = [np.eye(3), *(random + random.transpose(0, 2, 1))]
    strains = [strain / np.linalg.norm(strain) for strain in strains]
    images = []
    for direction in directions:
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions += sign * engine.step_A * direction
            images.append(moved)
    for strain in strains:
        for sign in (1, -1):
            strained = atoms.copy()
            change = np.eye(3) + sign * engine.strain * strain
            strained.set_cell(atoms.cell.array @ change, scale_atoms=True)
            images.append(strained)
    return images, directions, strains


def measure(engine: Engine, request: pytest.FixtureRequest) -> Measured:
    """Run MD, then label its frames and those around the last one."""
    md_builder, label_builder = engine.prepare(request)
    start = engine.structure()
    parameters = {
        "ensemble": "nve",
        "steps": 3,
        "timestep_fs": engine.timestep_fs,
        "trajectory_stride": 2,
        "discard_steps": 0,
        "initial_displacement_A": 0.0,
    }
    results, node = run_get_node(
        md_builder(orm.StructureData(ase=start), parameters, engine.temperature_K)
    )
    assert node.is_finished_ok, node.exit_message
    (system,) = results["frames"].frames.systems
    images, directions, strains = around(system, engine)
    again = system.without_labels().to_atoms()[-engine.n_again :]
    given = Frames.from_atoms([*again, *images])
    builder = label_builder(FrameSetData(given))
    builder.reuse_labels = orm.Bool(False)
    # One job: a second one starts the program once more.
    builder.max_concurrent = orm.Int(1)
    labelled, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    return Measured(
        engine, start, given, results["frames"], labelled["frames"], directions, strains
    )


_MEASURED: dict[str, Measured] = {}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in ENGINES])
def measured(request: pytest.FixtureRequest) -> Measured:
    """Return what an engine gave; each engine is run once for all tests."""
    name = request.param
    if name not in _MEASURED:
        _MEASURED[name] = measure(ENGINES[name], request)
    return _MEASURED[name]


def test_frames_keep_identity_order_charge_and_level_of_theory(measured):
    assert measured.single_node.frames.identities() == measured.given.identities()
    start, md = measured.start, measured.md
    assert md.numbers.tolist() == start.numbers.tolist()
    np.testing.assert_allclose(md.positions[0], start.positions, atol=1e-6)
    np.testing.assert_allclose(md.cells, np.broadcast_to(start.cell.array, md.cells.shape))
    assert md.steps.tolist() == [0, 2]
    assert md.charge == measured.single.charge == start.info.get("charge", 0)
    level = measured.md_node.level_of_theory
    assert level == measured.single_node.level_of_theory
    assert level["charge"] == md.charge
    assert measured.md_node.engine_version == measured.single_node.engine_version


def test_a_compressed_cell_has_pressure_and_the_energy_falls_along_the_forces(measured):
    for system in (measured.md, measured.single):
        assert (np.trace(system.stresses, axis1=1, axis2=2) < 0).all()
    slopes, _ = measured.differences()
    assert slopes[0] < -10 * measured.engine.force_atol


def test_forces_are_minus_the_gradient_of_the_energy(measured):
    slopes, _ = measured.differences()
    for forces in (measured.md.forces[-1], measured.single.forces[measured.engine.n_again - 1]):
        expected = [-np.sum(forces * direction) for direction in measured.directions]
        np.testing.assert_allclose(slopes, expected, atol=measured.engine.force_atol)


def test_stress_is_the_strain_derivative_of_the_energy_over_the_volume(measured):
    _, slopes = measured.differences()
    volume = measured.start.get_volume()
    for stress in (measured.md.stresses[-1], measured.single.stresses[measured.engine.n_again - 1]):
        np.testing.assert_allclose(stress, stress.T, atol=measured.engine.stress_atol)
        expected = [np.sum(stress * strain) for strain in measured.strains]
        np.testing.assert_allclose(slopes / volume, expected, atol=measured.engine.stress_atol)


def test_md_frames_are_labelled_as_single_points_without_the_kinetic_part(measured):
    engine = measured.engine
    md = measured.md.take(range(-engine.n_again, 0))
    single = measured.single.take(range(engine.n_again))
    energy, force, stress = engine.again
    np.testing.assert_allclose(single.energies, md.energies, atol=energy)
    np.testing.assert_allclose(single.forces, md.forces, atol=force)
    np.testing.assert_allclose(single.stresses, md.stresses, atol=stress)
    # At the start all of the temperature is kinetic: its part of the stress would be seen.
    pressure = (md.n_atoms - 1) * units.kB * engine.temperature_K / measured.start.get_volume()
    assert pressure > 50 * stress
    assert pressure > 10 * engine.stress_atol
