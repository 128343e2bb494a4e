"""Barriers of a potential beside those of the labeller, on paths given and along directions."""

from __future__ import annotations

import io
from copy import deepcopy

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory
from ase.build import bulk

from aiida_mliptransport.backends.lammps import lennard_jones_argon
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.data.trajectory import MDTrajectoryData
from aiida_mliptransport.report.collect import collect
from aiida_mliptransport.report.html import render
from aiida_mliptransport.workflows.neb import NebWorkChain

pytestmark = [pytest.mark.lammps, pytest.mark.medium]

ARGON = {"name": "lj", "epsilon_eV": 0.0103408, "sigma_A": 3.4, "cutoff_A": 8.5}


@pytest.fixture
def builder(make_code):
    """Paths on a Lennard-Jones potential by LAMMPS, labelled with that of ASE."""
    made = NebWorkChain.get_builder()
    python = make_code("python")
    made.potential = PotentialData(**lennard_jones_argon())
    made.neb.code = python
    made.neb.parameters = orm.Dict({"images": 3})
    made.label.ase.ase.code = python
    made.label.ase.ase.calculator = orm.Dict(ARGON)
    return made


def vacancy_hop():
    perfect = bulk("Ar", a=5.3, cubic=True) * (2, 2, 2)
    distances = np.linalg.norm(perfect.positions - [2.65, 2.65, 0], axis=1)
    hopper = int(np.argmin(distances))
    final = perfect.copy()
    final.positions[hopper] = perfect.positions[0]
    del perfect[0], final[0]
    return orm.StructureData(ase=perfect), orm.StructureData(ase=final)


def test_barriers_of_potential_and_labeller_are_set_side_by_side(builder):
    initial, final = vacancy_hop()
    builder.initial, builder.final = {"hop": initial}, {"hop": final}
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    record = results["barriers"]["hop"]
    potential, labels = record["potential"], record["labels"]
    assert record["force_errors_eV_A"]["missing_images"] == []
    assert record["moving_ions"][0][1] == "Ar"
    assert potential["barrier_eV"] == pytest.approx(labels["barrier_eV"], rel=0.02)
    report = collect(node)
    (path,) = report.barriers.paths
    assert (path.name, path.moving, path.origin) == ("hop", "1 Ar", "given")
    assert path.profile("potential").barrier == potential["barrier_eV"]
    assert report.engine == "ase"
    page = render(report)
    error = abs(record["barrier_error_to_labels_eV"])
    assert f"1 barrier found; the labeller differs by {error:.3f} eV" in page
    assert f"labeller, same images: {labels['barrier_eV']:.3f} eV" in page
    assert page == render(collect(node))


def test_directions_that_cannot_be_are_refused_and_the_labeller_has_a_band_of_its_own(builder):
    del builder.label
    builder.host = orm.StructureData(ase=bulk("Ar", a=5.3, cubic=True))
    builder.directions = {"symbol": "Ar", "directions": [[1, 1, 0], [0, 0, 0]]}
    builder.reference.ase.code = builder.neb.code
    builder.reference.ase.calculator = orm.Dict(ARGON)
    builder.reference.ase.parameters = orm.Dict({"relax_ends": True})
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    (call,) = [child for child in node.called if child.process_label == "directional_ends"]
    found = call.outputs.paths.get_dict()
    assert list(found["paths"]) == ["Ar_110"]
    assert found["paths"]["Ar_110"]["length_A"] == pytest.approx(5.3 / np.sqrt(2))
    assert "[0, 0, 0]" in found["refused"][0]
    record = results["barriers"]["Ar_110"]
    page = render(collect(node))
    assert "Refused: [0, 0, 0]" in page
    assert "along [1 1 0]" in page
    assert "no labeller was asked" in page
    assert "labels" not in record
    assert record["barrier_error_to_reference_eV"] == pytest.approx(0.0, abs=2e-3)
    arrays = set(results["profiles"].get_arraynames())
    assert {"Ar_110_potential_energies", "Ar_110_reference_curve"} <= arrays


def hopping(n_frames=80):
    """A run in which the hop of `vacancy_hop` happens in the middle, among vibrations."""
    ends = [node.get_ase() for node in vacancy_hop()]
    middle = n_frames // 2
    still = np.stack([ends[0].positions] * middle + [ends[1].positions] * (n_frames - middle))
    return MDTrajectoryData(
        numbers=ends[0].numbers,
        steps=np.arange(n_frames),
        times_ps=0.1 * np.arange(n_frames),
        positions=still + 0.1 * np.random.default_rng(1).normal(size=still.shape),
        cells=np.repeat(ends[0].cell.array[None], n_frames, axis=0),
        info={"temperature_K": 80.0},
    )


def test_a_hop_of_a_run_becomes_a_path_and_the_committee_judges_its_images(builder):
    del builder.label
    builder.neb.parameters = orm.Dict({"images": 3, "charge": -1, "multiplicity": 2})
    builder.trajectories = {"argon_80K_replica0": hopping()}
    builder.harvest = {
        "symbol": "Ar", "core_radius_A": 1.2, "window_ps": 1.0, "distance_A": 4.0,
        "sites": {
            "scaled_positions": bulk("Ar", a=5.3, cubic=True).get_scaled_positions().tolist(),
            "repeats": [2, 2, 2],
        },
    }  # fmt: skip
    softer = deepcopy(lennard_jones_argon())
    softer["parameters"]["pairs"]["Ar-Ar"]["epsilon_eV"] *= 0.9
    builder.committee = {
        "member_0": builder.potential,
        "member_1": PotentialData(**softer),
    }
    builder.evaluate.code = builder.neb.code
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    (name,) = results["barriers"].get_dict()
    assert name == "argon_Ar_vacancy_1"
    (images,) = results["paths"][name].frames.systems
    assert (images.charge, images.multiplicity) == (-1, 2)
    record = results["barriers"][name]
    assert "vacancy, seen 1 times (100 % of hops)" in render(collect(node))
    first, second = record["committee"]["member_barriers_eV"]
    assert first == pytest.approx(record["potential"]["barrier_eV"], rel=0.02)
    # The second has nine tenths of the well depth, and so of every energy.
    assert second == pytest.approx(0.9 * first, rel=0.01)
    assert record["committee"]["barrier_std_eV"] == pytest.approx(0.1 * first / 2**0.5, rel=0.05)
    deviations = record["committee"]["max_force_deviation_by_image_eV_A"]
    assert len(deviations) == record["n_images"]
    assert record["committee"]["max_force_deviation_eV_A"] == max(deviations) > 0


def test_no_path_and_half_a_path_are_refused(builder):
    with pytest.raises(ValueError, match="no path is given"):
        run_get_node(builder)
    initial, _ = vacancy_hop()
    builder.initial = {"hop": initial}
    with pytest.raises(ValueError, match="expected the same names of paths"):
        run_get_node(builder)
    builder.final = {"hop": initial}
    with pytest.raises(ValueError, match=r"initial\.hop and final\.hop: .*displacement"):
        run_get_node(builder)


def test_two_engines_of_the_labellers_own_band_are_refused(builder):
    initial, final = vacancy_hop()
    builder.initial, builder.final = {"hop": initial}, {"hop": final}
    for job in (builder.reference.ase, builder.reference.cp2k):
        job.code = builder.neb.code
    builder.reference.ase.calculator = orm.Dict(ARGON)
    builder.reference.cp2k.parameters = orm.Dict(
        {
            "basis_set": "SZV-MOLOPT-SR-GTH",
            "potential": "GTH-PBE",
            "cutoff_Ry": 150,
            "relative_cutoff_Ry": 25,
        }
    )
    builder.reference.cp2k.files = {
        name: orm.SinglefileData(io.BytesIO(b""), filename=name)
        for name in ("basis_set", "potential")
    }
    with pytest.raises(ValueError, match=r"reference has \['ase', 'cp2k'\], expected one engine"):
        run_get_node(builder)


def test_a_labeller_that_refuses_the_images_leaves_what_the_potential_says(builder):
    initial, final = vacancy_hop()
    builder.initial, builder.final = {"hop": initial}, {"hop": final}
    builder.neb.parameters = orm.Dict({"images": 1})
    builder.label.ase.ase.calculator = orm.Dict({"name": "emt"})
    results, node = run_get_node(builder)
    assert node.exit_status == 320, node.exit_message
    assert "Ar" in node.exit_message
    assert results["barriers"]["hop"]["potential"]["barrier_eV"] > 0
    assert "labels" not in results


def by_lammps(codes, potential, ends, **parameters):
    """Return the inputs that a file with ``relaxed_by: lammps`` gives."""
    return NebWorkChain.get_builder_from_protocol(
        codes=codes,
        potentials={"member_0": potential},
        ends={"hop": ends},
        overrides={"relaxed_by": "lammps", "parameters": {"images": 1, **parameters}},
    )


def test_lammps_relaxes_the_bands_where_the_file_says_so(make_code, lammps):
    codes = {"python": make_code("python"), "lmp": lammps}
    potential = PotentialData(**lennard_jones_argon())
    built = by_lammps(codes, potential, vacancy_hop(), end_force_tolerance_eV_A=0.001)
    assert built.neb_lammps.metadata.options["resources"]["num_mpiprocs_per_machine"] == 3
    results, node = run_get_node(built)
    assert node.is_finished_ok, node.exit_message
    (band,) = (child for child in node.called if child.process_type.endswith("lammps.neb"))
    found = band.outputs.results.get_dict()
    assert found["completed"]
    assert results["barriers"]["hop"]["potential"]["barrier_eV"] == pytest.approx(
        found["barrier_eV"], abs=1e-6
    )
    assert len(collect(node).barriers.paths) == 1


def test_lammps_without_mpi_is_refused_before_anything_runs(make_code, computer):
    serial = orm.InstalledCode(
        label="lmp-without-mpi", computer=computer, filepath_executable="/bin/true", with_mpi=False
    ).store()
    codes = {"python": make_code("python"), "lmp": serial}
    built = by_lammps(codes, PotentialData(**lennard_jones_argon()), vacancy_hop())
    with pytest.raises(ValueError, match=r"neb_lammps: code lmp-without-mpi@.* without MPI"):
        instantiate_process(get_manager().get_runner(), built)


@pytest.mark.slow
@pytest.mark.deepmd
def test_lammps_relaxes_the_bands_of_a_trained_potential(make_code, lammps, tiny_committee):
    """Deep Potentials through the plugin, one process an image."""
    perfect = bulk("LiCl", "rocksalt", a=5.13).repeat(3)
    initial, final = perfect.copy(), perfect.copy()
    final.positions[2] = perfect.positions[0]
    del initial[0], final[0]
    built = by_lammps(
        {"python": make_code("python"), "lmp": lammps},
        tiny_committee[0],
        (orm.StructureData(ase=initial), orm.StructureData(ase=final)),
        relax_ends=False,
        force_tolerance_eV_A=0.1,
    )
    _, node = run_get_node(built)
    assert node.is_finished_ok, node.exit_message
    (band,) = (child for child in node.called if child.process_type.endswith("lammps.neb"))
    labels, label = run_get_node(
        CalculationFactory("mliptransport.ase.label"),
        code=make_code("python"),
        potential=tiny_committee[0],
        frames=band.outputs.frames,
        metadata={"options": {"max_wallclock_seconds": 300}},
    )
    assert label.is_finished_ok, label.exit_message
    (system,), (again,) = (f.frames.systems for f in (band.outputs.frames, labels["frames"]))
    np.testing.assert_allclose(system.energies, again.energies, atol=1e-5)
    np.testing.assert_allclose(system.forces, again.forces, atol=1e-5)
    assert band.outputs.frames.level_of_theory == labels["frames"].level_of_theory
