"""A band by VASP through aiida-vasp: its barrier, its ends, and how it fails.

VASP is licensed, so the stand-in of tests/vasp_stand_in runs in its place. It computes with the
effective medium theory of ASE, and so does the band by ASE that it is compared with.
"""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory
from ase.calculators.emt import EMT
from vasp_stand_in.cases import copper_hop

from aiida_mliptransport.backends.lammps import potential_arguments
from aiida_mliptransport.calculations.vasp_neb import VaspNebParameters
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.neb import NebWorkChain
from aiida_mliptransport.workflows.neb_builder import _fill_reference
from aiida_mliptransport.workflows.protocols import load_protocol
from aiida_mliptransport.workflows.vasp_neb import VaspNebWorkChain

pytestmark = pytest.mark.medium


def options(fail=None):
    environment = {"VASP_STAND_IN_CALCULATOR": "emt"}
    if fail:
        environment["VASP_STAND_IN_FAIL"] = fail
    return {
        "max_wallclock_seconds": 240,
        "resources": {"num_machines": 1},
        "environment_variables": environment,
    }


def path_of(images):
    return FrameSetData(Frames.from_atoms(images))


def shaken(images):
    """The images with ends that are off their minima."""
    images = [image.copy() for image in images]
    for end in (images[0], images[-1]):
        end.rattle(0.02, seed=5)
    return images


@pytest.fixture
def builder(vasp_code, potcar_family):
    def factory(images, fail=None, neb=None, settings=None):
        made = VaspNebWorkChain.get_builder_from_protocol(
            vasp_code,
            potcar_family,
            path_of(images),
            settings=settings,
            neb=neb,
            protocol="fast",
            options=options(fail),
        )
        made.vasp.max_iterations = orm.Int(1)
        return made

    return factory


def test_the_barrier_is_that_of_ase_on_the_same_calculator(builder, make_code):
    images = copper_hop(3)
    tolerance = 0.03
    results, node = run_get_node(
        builder(shaken(images), neb={"force_tolerance_eV_A": tolerance, "relax_ends": True})
    )
    assert node.is_finished_ok, node.exit_message
    expected, run = run_get_node(
        CalculationFactory("mliptransport.ase.neb"),
        code=make_code("python"),
        calculator=orm.Dict({"name": "emt"}),
        path=path_of(images),
        parameters=orm.Dict(
            {
                "climb": False, "relax_ends": True, "spring_eV_A2": 5.0,
                "force_tolerance_eV_A": tolerance, "end_force_tolerance_eV_A": tolerance,
            }
        ),
        metadata={"options": {"resources": {"num_machines": 1}}},
    )  # fmt: skip
    assert run.is_finished_ok, run.exit_message
    found, known = results["results"], expected["results"]
    # 31 atoms with 0.03 eV/Å left and force constants of some eV/Å² are some meV off.
    assert found["barrier_eV"] == pytest.approx(known["barrier_eV"], abs=0.01)
    assert found["reaction_energy_eV"] == pytest.approx(0.0, abs=0.01)
    assert found["max_force_eV_A"] < tolerance + 1e-3
    (system,) = results["frames"].frames.systems
    for image, energy, forces in zip(
        system.without_labels().to_atoms(), system.energies, system.forces, strict=True
    ):
        image.calc = EMT()
        assert energy == pytest.approx(image.get_potential_energy(), abs=1e-4)
        np.testing.assert_allclose(forces, image.get_forces(), atol=1e-3)
    level = results["frames"].level_of_theory
    assert (level["engine"], level["functional"]) == ("vasp", "PBE")
    assert set(level["potcars_sha512"]) == {"Cu"}
    assert level["gamma_cell_atoms"] == 31
    (job,) = [child for child in node.called if child.process_label == "VaspNebCalculation"]
    incar = job.inputs.parameters.get_dict()
    wanted = {"images": 3, "spring": -5.0, "ibrion": 1, "ediffg": -tolerance, "nsw": 100}
    assert {tag: incar[tag] for tag in wanted} == wanted
    assert "lclimb" not in incar

    # A band that goes on from labels of its own level computes no ends.
    again = builder(images, neb={"steps": 1, "relax_ends": False})
    again.path = results["frames"]
    results, node = run_get_node(again)
    assert node.is_finished_ok, node.exit_message
    labels = [child.process_label for child in node.called]
    assert "VaspWorkChain" not in labels
    assert results["results"]["barrier_eV"] == pytest.approx(found["barrier_eV"], abs=1e-3)


@pytest.mark.parametrize(
    ("fail", "neb", "status", "message", "kept"),
    [
        (None, {"steps": 2, "force_tolerance_eV_A": 0.01}, 312, "largest force", True),
        ("md_scf=2@IMAGE=2", {"steps": 2}, 450, "images [2] took all iterations", True),
        ("killed=2@IMAGE=2", {"steps": 4}, 314, "after 1 whole steps", True),
        ("stop=2@IMAGE=1", {"steps": 4, "force_tolerance_eV_A": 0.01}, 400, "after 2 steps", True),
        ("zbrent@IMAGE=3", {"steps": 4}, 310, "zbrent", True),
        ("scf@IMAGE=0", {}, 450, "the initial structure took all", False),
        ("no_output", {}, 318, "initial structure", False),
    ],
    ids=["steps", "scf", "killed", "stopped", "error", "scf_of_end", "no_end"],
)
def test_a_band_that_fails_says_how_and_keeps_what_it_has(
    builder, fail, neb, status, message, kept
):
    results, node = run_get_node(
        builder(copper_hop(3), fail, {"relax_ends": False, "optimizer": "damped", **neb})
    )
    assert node.exit_status == status, node.exit_message
    assert message in node.exit_message
    assert ("frames" in results) == kept
    if kept:
        assert results["frames"].n_frames == 5
        assert not results["results"]["completed"]


def test_an_end_without_minimum_is_no_end(builder):
    _, node = run_get_node(builder(shaken(copper_hop(3)), neb={"relax_ends": True, "end_steps": 1}))
    assert node.exit_status == 317
    assert "the largest force on the initial structure" in node.exit_message


def test_paths_that_are_none_are_refused(builder):
    images = copper_hop(3)
    runner = get_manager().get_runner()
    with pytest.raises(ValueError, match="path has 2 images, expected both ends"):
        instantiate_process(runner, builder(images[:2]))
    with pytest.raises(ValueError, match="images 1 and 2 of path are the same"):
        instantiate_process(runner, builder([images[0], images[1], images[1], images[4]]))
    with pytest.raises(ValueError, match=r"frames have charge 0 and parameters\.charge is 1"):
        instantiate_process(runner, builder(images, settings={"charge": 1}))
    with pytest.raises(ValueError, match="climb is true and vtst is false"):
        builder(images, neb={"climb": True})


def test_tags_of_a_band():
    plain = VaspNebParameters(spring_eV_A2=3.0, optimizer="damped", step_scaling=0.1, steps=7)
    assert plain.incar(5) == {
        "images": 5, "spring": -3.0, "ibrion": 3, "potim": 0.1, "nsw": 7, "ediffg": -0.05,
    }  # fmt: skip
    climbing = VaspNebParameters(climb=True, vtst=True)
    assert climbing.incar(5)["lclimb"] is True
    assert climbing.end_incar() == {"ibrion": 2, "nsw": 100, "ediffg": -0.05}


def search(vasp_code, potcar_family, make_code, **given):
    """Return a search of a hop on a Lennard-Jones copper, with VASP as the labeller."""
    pair = {"epsilon_eV": 0.4, "sigma_A": 2.3}
    copper = potential_arguments(
        {"form": "lennard_jones", "pairs": {"Cu-Cu": pair}, "cutoff_A": 6.0, "source": "test"}
    )
    images = copper_hop(1)
    return NebWorkChain.get_builder_from_protocol(
        codes={"python": make_code("python"), "vasp": vasp_code},
        potentials={"member_0": PotentialData(**copper)},
        ends={"hop": (orm.StructureData(ase=images[0]), orm.StructureData(ase=images[-1]))},
        engine="vasp",
        engine_options={"potential_family": potcar_family, "settings": {"cutoff_eV": 333.0}},
        reference=True,
        protocol="fast",
        **given,
    )


def test_the_labeller_takes_its_band_from_the_settings_of_its_labels(
    vasp_code, potcar_family, make_code
):
    made = search(vasp_code, potcar_family, make_code)
    band, label = made.reference.vasp, made.label.vasp
    assert band.vasp.parameters.get_dict() == label.vasp.parameters.get_dict()
    assert band.vasp.parameters["cutoff_eV"] == 333.0
    assert band.vasp.code.pk == vasp_code.pk
    assert band.neb.get_dict() == load_protocol("neb", "fast")["reference_vasp"]
    assert not band.neb["climb"]
    assert band.vasp.calc.metadata.options.max_wallclock_seconds == 86400
    instantiate_process(get_manager().get_runner(), made)
    with pytest.raises(ValueError, match="ase, teacher, cp2k or vasp"):
        _fill_reference(made, "replay", load_protocol("neb"))


@pytest.mark.slow
def test_vasp_labels_the_images_and_relaxes_its_own_band_from_them(
    vasp_code, potcar_family, make_code
):
    built = search(
        vasp_code,
        potcar_family,
        make_code,
        overrides={"parameters": {"images": 1, "relax_ends": False}},
        options={"label": options()},
    )
    results, node = run_get_node(built)
    assert node.is_finished_ok, node.exit_message
    record = results["barriers"]["hop"]
    assert record["labels"]["barrier_eV"] > 0
    # Both are of EMT: the labeller's own band lies below the images of another potential.
    assert 0.3 < record["reference"]["barrier_eV"] < record["labels"]["barrier_eV"]
    (band,) = results["reference_paths"].values()
    assert band.labelled
    assert band.level_of_theory_hash == results["labels"].level_of_theory_hash
