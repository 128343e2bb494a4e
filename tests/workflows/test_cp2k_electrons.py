"""Spin, Hubbard terms, k-points and smearing by the real CP2K, and the retries of its SCF."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase import Atoms
from ase.build import bulk

from aiida_mliptransport.calculations.cp2k import Cp2kLabelCalculation
from aiida_mliptransport.calculations.cp2k_settings import (
    Cp2kSettings,
    level_of_theory,
    stress_is_analytic,
)
from aiida_mliptransport.calculations.parameters import validation_message
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.label.cp2k import Cp2kLabelWorkChain
from aiida_mliptransport.workflows.label.cp2k_scf import retry_settings

#: Small basis and low cutoffs: what is tested are derivatives and differences, not their values.
SETTINGS = {
    "basis_set": "SZV-MOLOPT-SR-GTH",
    "potential": "GTH-PBE",
    "cutoff_Ry": 120,
    "relative_cutoff_Ry": 25,
    "dispersion": "none",
    "scf": {"method": "diagonalization", "eps_scf": 1e-5, "max_scf": 60, "outer_max_scf": 1},
}
TIGHT = {**SETTINGS["scf"], "eps_scf": 1e-7}
ORBITALS = {"method": "ot", "minimizer": "cg", "eps_scf": 1e-5, "max_scf": 50}
PLUS_U = {"Cl": {"l": 1, "u_minus_j_eV": 4.0}}


def frame_set(images, multiplicity=1):
    for image in images:
        image.info["multiplicity"] = multiplicity
    return FrameSetData(Frames.from_atoms(images))


def oxygen():
    return Atoms("O2", positions=[[2, 2, 2], [3.22, 2, 2]], cell=[5.0, 4.5, 4.6], pbc=True)


def hydrogen_chloride(edge):
    positions = np.array([[1.1, 0.3, 0.2], [2.4, 0.7, 0.1]])
    return Atoms("HCl", positions=positions, cell=np.diag([edge, edge - 0.2, edge - 0.1]), pbc=True)


def level(**changes):
    return level_of_theory(Cp2kSettings.model_validate({**SETTINGS, **changes}), {})


def displaced(start, delta):
    """The start, then its first atom moved by ± delta Å along x."""
    images = [start]
    for sign in (1, -1):
        image = start.copy()
        image.positions[0, 0] += sign * delta
        images.append(image)
    return images


def strained(start, strain):
    """The start under ± a strain of a general kind; its direction comes second."""
    direction = np.array([[1.0, 0.4, 0.2], [0.4, -0.5, 0.3], [0.2, 0.3, 0.8]])
    images = []
    for sign in (1, -1):
        image = start.copy()
        cell = start.cell.array @ (np.eye(3) + sign * strain * direction)
        image.set_cell(cell, scale_atoms=True)
        images.append(image)
    return images, direction


def energies(frames):
    """The energies in the order of the frames."""
    return np.concatenate([system.energies for system in frames.systems])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"magnetization": {"O": 1.0}}, "set unrestricted to true"),
        ({"magnetization": {"Xx": 1.0}, "unrestricted": True}, "chemical symbols"),
        ({"hubbard": {"Ti": {"l": 4, "u_minus_j_eV": 2.0}}}, "hubbard.Ti.l is 4"),
        ({"hubbard": {"Ti": {"u_eV": 2.0, "l": 2}}}, "u_minus_j_eV"),
        ({"hubbard": PLUS_U, "k_points": [2, 2, 2]}, "set k_points to gamma in a larger cell"),
    ],
)
def test_spin_and_hubbard_settings_that_make_no_sense_are_refused(change, words):
    assert words in validation_message(Cp2kSettings, {**SETTINGS, **change})


def test_spin_and_hubbard_terms_are_part_of_the_level_of_theory_only_where_they_are_used():
    plain = level()
    assert not {"unrestricted", "magnetization", "hubbard"} & set(plain)
    # All orbitals of a triplet are unrestricted: to say so again is no other physics.
    assert level(multiplicity=3, unrestricted=True) == level(multiplicity=3)
    for change in (
        {"unrestricted": True},
        {"unrestricted": True, "magnetization": {"Li": 1.0}},
        {"hubbard": PLUS_U},
    ):
        assert level(**change) != plain
    assert level(hubbard=PLUS_U)["hubbard"] == PLUS_U


def test_the_stress_of_a_hubbard_term_is_trusted_in_wide_cells_only():
    plus_u = Cp2kSettings.model_validate({**SETTINGS, "hubbard": PLUS_U})
    plain = Cp2kSettings.model_validate(SETTINGS)
    narrow, wide = 5.0 * np.eye(3)[None], 10.5 * np.eye(3)[None]
    assert stress_is_analytic(plain, narrow)
    assert stress_is_analytic(plus_u, wide)
    assert not stress_is_analytic(plus_u, np.concatenate([wide, narrow]))


def test_a_hubbard_term_in_a_narrow_cell_that_moves_is_refused():
    message = Cp2kLabelCalculation.validate_inputs(
        {
            "parameters": orm.Dict({**SETTINGS, "hubbard": PLUS_U}),
            "structure": orm.StructureData(ase=hydrogen_chloride(4.2)),
            "relax": orm.Dict({"cell": True}),
        },
        None,
    )
    assert "take a supercell" in message


def test_the_scf_is_first_softened_and_then_minimised_by_orbitals():
    first, second = retry_settings(SETTINGS)
    assert first["scf"]["method"] == "diagonalization"
    assert first["scf"]["mixing_alpha"] == pytest.approx(0.1)
    assert first["scf"]["max_scf"] == 240
    assert (second["scf"]["method"], second["scf"]["minimizer"]) == ("ot", "cg")
    orbitals = retry_settings({**SETTINGS, "scf": {"method": "ot"}})
    assert [content["scf"]["method"] for content in orbitals] == ["ot", "diagonalization"]
    for content in (first, second, *orbitals):
        assert validation_message(Cp2kSettings, content) is None
        assert content["scf"].get("eps_scf") in (None, SETTINGS["scf"]["eps_scf"])


@pytest.mark.parametrize(
    "change",
    [
        {"k_points": [2, 2, 2]},
        {"electronic_temperature_K": 500.0, "added_orbitals": 4},
    ],
)
def test_where_occupations_are_fractional_only_the_softer_mixing_is_tried(change):
    (only,) = retry_settings({**SETTINGS, **change})
    assert only["scf"]["method"] == "diagonalization"


@pytest.mark.medium
@pytest.mark.cp2k
def test_triplet_oxygen_lies_below_the_singlet_and_has_two_unpaired_electrons(cp2k_job):
    found = {}
    for multiplicity, scf in ((3, SETTINGS["scf"]), (1, ORBITALS)):
        results, node = cp2k_job(
            {**SETTINGS, "multiplicity": multiplicity, "scf": scf},
            frames=frame_set([oxygen()], multiplicity),
        )
        assert node.is_finished_ok, node.exit_message
        found[multiplicity] = results
    triplet, singlet = (energies(found[m]["frames"].frames)[0] for m in (3, 1))
    assert triplet < singlet - 0.5
    assert found[3]["results"]["integrated_spin_density"] == pytest.approx([2.0], abs=0.02)
    assert found[3]["results"]["spin_squared"] == pytest.approx([2.0], abs=0.02)
    assert found[3]["frames"].level_of_theory["multiplicity"] == 3
    assert "spin_squared" not in found[1]["results"].get_dict()


@pytest.mark.medium
@pytest.mark.cp2k
def test_a_start_with_opposite_spins_finds_the_open_shell_singlet_of_a_stretched_bond(cp2k_job):
    image = Atoms("LiH", positions=[[2, 2, 0.5], [2, 2, 4.0]], cell=[4.5, 4.6, 7.0], pbc=True)
    found = {}
    for name, magnetization in (("closed", {}), ("open", {"Li": 1.0, "H": -1.0})):
        settings = {**SETTINGS, "scf": ORBITALS, "unrestricted": True}
        results, node = cp2k_job(
            {**settings, "magnetization": magnetization}, frames=frame_set([image])
        )
        assert node.is_finished_ok, node.exit_message
        found[name] = results
    closed, opened = (energies(found[name]["frames"].frames)[0] for name in ("closed", "open"))
    assert opened < closed - 0.05
    assert found["closed"]["results"]["spin_squared"] == pytest.approx([0.0], abs=1e-4)
    assert found["open"]["results"]["spin_squared"][0] > 0.3


@pytest.mark.medium
@pytest.mark.cp2k
def test_forces_with_a_hubbard_term_are_derivatives_and_narrow_cells_have_no_stress(cp2k_job):
    settings = {**SETTINGS, "cutoff_Ry": 200, "relative_cutoff_Ry": 40, "eps_default": 1e-12}
    settings = {**settings, "scf": TIGHT, "hubbard": PLUS_U}
    delta = 0.005
    images = displaced(hydrogen_chloride(4.2), delta)
    results, node = cp2k_job(settings, frames=frame_set(images))
    assert node.is_finished_ok, node.exit_message
    frames = results["frames"].frames
    energy = energies(frames)
    force = -(energy[1] - energy[2]) / (2 * delta)
    assert frames.systems[0].forces[0, 0, 0] == pytest.approx(force, abs=4e-3)
    assert not frames.has_stress
    # The term itself is there: without it the force differs by far more than the tolerance.
    plain, node = cp2k_job({**settings, "hubbard": {}}, frames=frame_set(images[:1]))
    assert node.is_finished_ok, node.exit_message
    (system,) = plain["frames"].frames
    assert abs(system.forces[0, 0, 0] - force) > 0.05
    assert plain["frames"].frames.has_stress


@pytest.mark.slow
@pytest.mark.cp2k
def test_the_stress_of_a_hubbard_term_in_a_wide_cell_is_a_derivative(cp2k_job):
    settings = {**SETTINGS, "cutoff_Ry": 200, "relative_cutoff_Ry": 40, "eps_default": 1e-12}
    settings = {**settings, "scf": TIGHT, "hubbard": PLUS_U}
    start, strain = hydrogen_chloride(10.3), 0.004
    images, direction = strained(start, strain)
    results, node = cp2k_job(settings, frames=frame_set([start, *images]))
    assert node.is_finished_ok, node.exit_message
    energy = energies(results["frames"].frames)
    work = (energy[1] - energy[2]) / (2 * strain)
    stress = results["frames"].frames.systems[0].stresses[0]
    assert np.sum(stress * direction) * start.get_volume() == pytest.approx(work, abs=0.01)


@pytest.mark.slow
@pytest.mark.cp2k
def test_forces_and_stress_of_a_metal_with_k_points_belong_to_its_free_energy(cp2k_job):
    start = bulk("Li", "bcc", a=3.4, cubic=True)
    start.rattle(0.1, seed=3)
    settings = {
        **SETTINGS,
        "cutoff_Ry": 350,
        "relative_cutoff_Ry": 40,
        "eps_default": 1e-12,
        "k_points": [3, 3, 3],
        "electronic_temperature_K": 1000.0,
        "added_orbitals": 4,
        "scf": TIGHT,
    }
    delta, strain = 0.01, 0.004
    images, direction = strained(start, strain)
    results, node = cp2k_job(settings, frames=frame_set([*displaced(start, delta), *images]))
    assert node.is_finished_ok, node.exit_message
    frames = results["frames"].frames
    energy = energies(frames)
    system = frames.systems[0]
    force = -(energy[1] - energy[2]) / (2 * delta)
    assert system.forces[0, 0, 0] == pytest.approx(force, abs=2e-3)
    work = (energy[3] - energy[4]) / (2 * strain)
    assert np.sum(system.stresses[0] * direction) * start.get_volume() == pytest.approx(
        work, abs=5e-3
    )
    assert results["frames"].level_of_theory["k_points"] == [3, 3, 3]
    assert results["frames"].level_of_theory["smearing"]["temperature_K"] == 1000.0


@pytest.mark.medium
@pytest.mark.cp2k
def test_frames_that_do_not_converge_go_through_all_settings_and_end_with_the_last(make_code):
    builder = Cp2kLabelWorkChain.get_builder_from_protocol(
        make_code("cp2k"),
        frames=frame_set([hydrogen_chloride(4.4)]),
        settings={
            **SETTINGS,
            "scf": {"method": "diagonalization", "eps_scf": 1e-5, "max_scf": 1, "outer_max_scf": 1},
        },
        protocol="fast",
        options={"max_wallclock_seconds": 300},
    )
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    jobs = sorted((c for c in node.called if isinstance(c, orm.CalcJobNode)), key=lambda c: c.pk)
    assert [job.exit_status for job in jobs] == [450, 450, 0]
    assert [job.inputs.parameters["scf"]["method"] for job in jobs] == [
        "diagonalization",
        "diagonalization",
        "ot",
    ]
    assert results["frames"].n_frames == 1
    assert "scf" not in results["frames"].level_of_theory
