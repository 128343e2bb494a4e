"""A Lennard-Jones potential against one that binds a tenth stronger: every answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from ase.build import bulk

from aiida_mliptransport.backends.lammps import potential_arguments
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.protocols import list_protocols, load_protocol
from aiida_mliptransport.workflows.validate.workchain import ValidateWorkChain

pytestmark = [pytest.mark.lammps, pytest.mark.medium]

#: eV; the labeller binds a tenth stronger, and has the same distances.
EPSILON = 0.0103
#: Å: near the minimum of both.
EDGE = 5.27


def argon(epsilon=EPSILON) -> PotentialData:
    pairs = {"Ar-Ar": {"epsilon_eV": epsilon, "sigma_A": 3.4}}
    return PotentialData(
        **potential_arguments({"form": "lennard_jones", "pairs": pairs, "cutoff_A": 8.5})
    )


def crystal(repeat=1):
    return bulk("Ar", a=EDGE, cubic=True) * (repeat, repeat, repeat)


#: No check at all; tests put in what they ask for.
NOTHING = dict.fromkeys(load_protocol("validate")["checks"])


@pytest.fixture
def build(make_code, lammps):
    def factory(checks, engine="teacher", **kwargs):
        defaults = load_protocol("validate", "stringent")["checks"]
        chosen = {name: {**(defaults[name] or {}), **changes} for name, changes in checks.items()}
        engine_options = {"potential": argon(1.1 * EPSILON)} if engine == "teacher" else {}
        return ValidateWorkChain.get_builder_from_protocol(
            codes={"python": make_code("python"), "lmp": lammps},
            potentials={"member_0": argon()},
            structures={"ar": orm.StructureData(ase=crystal())},
            engine=engine,
            engine_options=engine_options,
            overrides={"checks": {**NOTHING, **chosen}, **kwargs.pop("overrides", {})},
            **kwargs,
        )

    return factory


def lines_of(results):
    return {(line["check"], line["quantity"]): line for line in results["validation"]["lines"]}


def blind_frames():
    """Rattled cells with forces and energies that are zero."""
    images = []
    for seed in range(3):
        atoms = crystal()
        atoms.rattle(0.05, seed=seed)
        images.append(atoms)
    (system,) = Frames.from_atoms(images).systems
    labels = type(system)(
        numbers=system.numbers,
        positions=system.positions,
        cells=system.cells,
        pbc=system.pbc,
        energies=np.zeros(3),
        forces=np.ones_like(system.positions),
    )
    return FrameSetData(Frames((labels,)), level_of_theory={"engine": "by hand"})


def test_a_potential_that_binds_too_weakly_is_too_soft_by_as_much(build):
    builder = build({"eos": {}, "elastic": {}, "dimer": {"n_distances": 6}, "lattice": {}})
    reference = crystal()
    reference.set_cell(1.05 * reference.cell, scale_atoms=True)
    builder.reference_structures = {"ar": orm.StructureData(ase=reference)}
    builder.max_concurrent = 4
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    lines = lines_of(results)
    for check, quantity in (("eos", "bulk modulus"), ("elastic", "C44, clamped ions")):
        line = lines[check, quantity]
        assert line["potential"] / line["labeller"] == pytest.approx(1 / 1.1, rel=1e-4)
    volume = lines["eos", "equilibrium volume per atom"]
    assert volume["difference"] == pytest.approx(0.0, abs=1e-4)
    assert volume["verdict"] == "pass"
    assert lines["dimer", "distance of attraction Ar-Ar"]["verdict"] == "pass"
    relaxed = lines["lattice", "a"]
    assert relaxed["potential"] ** 3 / 4 == pytest.approx(volume["potential"], rel=1e-2)
    assert relaxed["verdict"] == "fail"
    assert set(results["labels"]) == {"eos_ar", "elastic_ar"}
    arrays = set(results["curves"].get_arraynames())
    assert {"eos_ar__energies_labeller", "dimer_ar__Ar_Ar_energies"} <= arrays
    assert results["validation"]["passed"] is False
    assert results["validation"].creator.process_label == "collect_validation"


def test_energies_are_a_tenth_apart_and_frequencies_by_its_root(build):
    one = {"structures": ["ar"]}
    builder = build(
        {
            "phonons": {**one, "width_A": 10.0, "n_points": 10},
            "size_transfer": {**one, "n_atoms": 100, "n_cells": 2},
            "compression": {**one, "relative_volumes": [1.0, 0.8, 0.6]},
            "surfaces": {
                **one, "planes": [[1, 0, 0]], "thickness_A": 12.0, "vacuum_A": 12.0,
                "max_relative_error": 0.05,
            },
            "interfaces": {
                "interfaces": {"fault": {"cell": "fault", "crystals": ["ar"]}},
                "max_relative_error": 0.2,
            },
        },
    )  # fmt: skip
    fault = crystal() * (2, 2, 4)
    fault.positions[fault.positions[:, 2] > 2 * EDGE - 0.1, 0] += 0.2 * EDGE
    cells = {"ar": crystal(), "fault": fault}
    builder.structures = {name: orm.StructureData(ase=atoms) for name, atoms in cells.items()}
    builder.max_concurrent = 4
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    lines = lines_of(results)
    for check, quantity, verdict in (
        ("surfaces", "energy of surface (100) 0, unrelaxed", "fail"),
        ("interfaces", "energy of the interface, as given", "pass"),
    ):
        line = lines[check, quantity]
        assert line["potential"] / line["labeller"] == pytest.approx(1 / 1.1, rel=1e-4)
        assert line["verdict"] == verdict
    highest = lines["phonons", "highest frequency"]
    assert highest["potential"] / highest["labeller"] == pytest.approx(1.1**-0.5, rel=1e-4)
    # Solid argon ends at 2 THz: Y. Fujii et al., Phys. Rev. B 10, 3647 (1974).
    assert highest["potential"] == pytest.approx(2.0, rel=0.1)
    force = lines["size_transfer", "force RMSE per component, all atoms"]
    assert force["difference"] / force["tolerance"] == pytest.approx(0.1 / 1.1 / 0.15, rel=1e-3)
    assert results["labels"]["size_transfer_ar"].frames.systems[0].positions.shape[1] >= 100
    repelled = [line for key, line in lines.items() if key[0] == "compression"]
    assert {line["verdict"] for line in repelled} == {"pass"}


def test_what_cannot_be_labelled_is_not_available_and_the_rest_is_kept(build, make_code):
    builder = build({"eos": {}, "errors": {}, "stability": {}, "lattice": {}}, engine=None)
    builder.label.replay.pool = blind_frames()
    builder.blind_frames = {"T40K": builder.label.replay.pool}
    builder.reference_structures = {"ar": orm.StructureData(ase=crystal(2))}
    results, node = run_get_node(builder)
    assert node.exit_status == ValidateWorkChain.exit_codes.ERROR_CHECKS_INCOMPLETE.status
    # What was not given is no failure; what failed is.
    assert "eos/ar: labels:" in node.exit_message
    assert "stability" not in node.exit_message
    lines = lines_of(results)
    bulk_modulus = lines["eos", "bulk modulus"]
    assert bulk_modulus["verdict"] == "not available"
    assert bulk_modulus["potential"] > 0
    assert "no labels: 0 of 7 frames got a label" in bulk_modulus["reason"]
    # Each component of the labels is 1 eV/Å, and the potential's are a hundredth of it.
    force = lines["blind", "force RMSE per component, all atoms"]
    assert force["difference"] == pytest.approx(1.0, abs=0.1)
    assert force["verdict"] == "fail"
    assert "no inputs in 'explore'" in lines["stability", "all of it"]["reason"]
    assert "expected the same cell" in lines["lattice", "all of it"]["reason"]


def test_md_of_the_potential_is_judged_and_labelled_again(build):
    long_run = load_protocol("validate")["checks"]["long_run"]
    builder = build(
        {"stability": {"min_mean_ps": 0.1}, "long_run": {**long_run, "n_frames": 4}},
        temperatures=[30.0],
        overrides={
            "explore": {
                "replicas": 1,
                "parameters": {"steps": 200, "timestep_fs": 5.0, "equilibration_steps": 10},
            }
        },
    )
    builder.structures = {"ar": orm.StructureData(ase=crystal(2))}
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    lines = lines_of(results)
    assert list(results["trajectories"]) == ["ar_30K_replica0"]
    life = lines["stability", "mean time to failure"]
    # One run of 1 ps without a failure: longer than 1/3 ps.
    assert life["potential"] == pytest.approx(0.95 / -np.log(0.05), rel=0.1)
    assert life["verdict"] == "pass"
    force = lines["long_run", "force RMSE per component, all atoms"]
    # A tenth of 1.1 parts, where 0.15 of the labels is the limit.
    assert force["difference"] / force["tolerance"] == pytest.approx(0.1 / 1.1 / 0.15, rel=1e-3)
    assert results["labels"]["long_run_runs"].n_frames == 4


def test_a_job_that_would_be_refused_costs_its_own_lines_only(build):
    builder = build({"lattice": {}, "errors": {}})
    arguments = potential_arguments(
        {
            "form": "lennard_jones",
            "pairs": {"Ar-Ar": {"epsilon_eV": EPSILON, "sigma_A": 3.4}},
            "cutoff_A": 8.5,
        }
    )
    builder.potentials = {"member_0": PotentialData(**{**arguments, "trained_on_stress": False})}
    builder.blind_frames = {"T40K": blind_frames()}
    process = instantiate_process(get_manager().get_runner(), builder)
    process.setup()
    assert process.ctx.pending == ["blind_T40K", "reference_ar"]
    process.compare_relaxations()
    assert "trained without stress" in process.ctx.failures["lattice/ar"]


def test_wrong_settings_and_elements_are_refused_before_any_job(build):
    with pytest.raises(ValueError, match="relative_volumes"):
        run_get_node(build({"eos": {"relative_volumes": [1.0]}}))
    with pytest.raises(ValueError, match=r"names the structures \['nacl'\]"):
        run_get_node(build({"eos": {"structures": ["nacl"]}}))
    builder = build({"eos": {}})
    builder.structures = {"xe": orm.StructureData(ase=bulk("Xe"))}
    with pytest.raises(ValueError, match=r"structures\.xe"):
        run_get_node(builder)


@pytest.mark.parametrize("protocol", list_protocols("validate"))
def test_the_settings_of_each_protocol_are_those_of_the_checks(protocol, make_code):
    builder = ValidateWorkChain.get_builder_from_protocol(
        codes={"python": make_code("python")},
        potentials={"member_0": argon()},
        structures={"ar": orm.StructureData(ase=crystal())},
        protocol=protocol,
    )
    assert builder.checks["eos"]["max_delta_meV_atom"] == 3.0
    assert (builder.checks["phonons"] is None) == (protocol != "stringent")
