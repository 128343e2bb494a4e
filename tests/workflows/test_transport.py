"""Transport runs go on from their own state until D and σ are known well enough, or end."""

from __future__ import annotations

import re

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase.build import bulk

from aiida_mliptransport.backends.lammps import tosi_fumi_licl
from aiida_mliptransport.calculations import lammps_script
from aiida_mliptransport.calculations.run_names import RunName
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.data.segments import JoinedTrajectory
from aiida_mliptransport.workflows.transport import TransportWorkChain
from aiida_mliptransport.workflows.transport.targets import missed_targets

EXTENSION = {
    "max_segments": 1,
    "max_relative_error_D": 0.10,
    "max_relative_error_sigma": 0.20,
    "species": ["Li"],
}


def record(sampling_error, resolved=True):
    return {"relative_sampling_error": sampling_error, "resolved": resolved}


def point(d, sigma, equilibrated=True):
    return {
        "diffusion": {"Li": d, "Cl": record(None, False)},
        "conductivity": sigma,
        "equilibrated": equilibrated,
    }


def test_targets_that_are_met_ask_for_nothing():
    assert missed_targets(point(record(0.09), record(0.19)), EXTENSION) == ""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (point(record(0.11), record(0.19)), "D(Li) has a sampling error of 0.110, expected 0.1"),
        (point(record(0.09), record(0.21)), "σ has a sampling error of 0.210, expected 0.2"),
        (point(record(None, False), record(0.1)), "D(Li) is not resolved"),
        (point(record(0.05), record(None, False)), "σ is not resolved"),
        (point(record(0.05), record(0.1), equilibrated=False), "not every run is equilibrated"),
    ],
)
def test_a_missed_target_is_named_with_its_value(given, words):
    assert words in missed_targets(given, EXTENSION)


@pytest.fixture
def builder(lammps):
    def factory(n_members=1, temperatures=(1500.0,), parameters=None, **overrides):
        cell = bulk("LiCl", "rocksalt", a=5.6, cubic=True)
        short = {"steps": 400, "equilibration_steps": 50, "timestep_fs": 1.0}
        return TransportWorkChain.get_builder_from_protocol(
            code=lammps,
            structures={"licl": orm.StructureData(ase=cell)},
            potentials={
                f"member_{i}": PotentialData(**tosi_fumi_licl(cutoff_A=5.0 + 0.2 * i))
                for i in range(n_members)
            },
            temperatures=list(temperatures),
            charges={"Li": 1, "Cl": -1},
            protocol="fast",
            overrides={"parameters": {**short, **(parameters or {})}, **overrides},
            options={"max_wallclock_seconds": 300},
        )

    return factory


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_segments": 0}, "max_segments"),
        ({"max_relative_error_D": -1.0}, "max_relative_error_D"),
        ({"species": []}, "species"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_an_extension_that_makes_no_sense_is_refused(builder, changes, message):
    with pytest.raises(ValueError, match=message):
        builder(extension={**EXTENSION, **changes})


@pytest.mark.lammps
def test_a_species_that_no_structure_has_is_refused_before_any_run(builder):
    with pytest.raises(ValueError, match="'Na', which no structure has"):
        run_get_node(builder(extension={**EXTENSION, "species": ["Na"]}))


@pytest.mark.lammps
def test_a_run_goes_on_from_its_own_state_until_its_segments_are_spent(builder):
    # 0.4 ps can never give σ to 0.1 %.
    extension = {**EXTENSION, "max_segments": 2, "max_relative_error_sigma": 0.001}
    results, node = run_get_node(builder(extension=extension))
    assert node.is_finished_ok, node.exit_message
    trajectories = results["trajectories"]
    assert sorted(trajectories) == [
        "licl_1500K_replica0",
        "licl_1500K_replica0_segment1",
        "licl_1500K_replica0_segment2",
    ]
    joined = JoinedTrajectory([trajectories[key] for key in sorted(trajectories)])
    assert joined.n_frames == 1 + 3 * 40
    np.testing.assert_allclose(np.diff(joined.times_ps), 0.01)
    # No jump where a segment begins: an ion moves far less than 1 Å in 10 fs.
    assert np.abs(np.diff(joined.positions(), axis=0)).max() < 1.0
    assert np.abs(np.diff(joined.species_series()[1], axis=0)).max() < 0.5
    (analysed,) = results["observables"].get_dict()["points"]
    assert analysed["n_segments"] == 3
    assert analysed["length_ps"] == pytest.approx(1.2)
    labels = [link.link_label for link in node.base.links.get_outgoing().all()]
    assert [label for label in labels if label.startswith("analyse")] == [
        "analyse",
        "analyse_1",
        "analyse_2",
    ]


@pytest.mark.lammps
def test_without_an_extension_every_run_has_one_segment(builder):
    results, node = run_get_node(builder())
    assert node.is_finished_ok, node.exit_message
    assert list(results["trajectories"]) == ["licl_1500K_replica0"]


@pytest.mark.lammps
def test_every_driving_member_has_runs_of_its_own_and_its_results_join(builder, tmp_path):
    mechanism = {
        "hops": {"Li": {"core_radius_A": 0.7}},
        "molecules": {"bonds": {"Cl-Li": [2.8, 3.6]}, "central": "Li"},
        "vibrations": {"resolution_THz": 15.0},
    }
    results, node = run_get_node(
        builder(
            n_members=2,
            drivers=2,
            parameters={"equilibration_steps": 0, "store_velocities": True},
            mechanism=mechanism,
        )
    )
    assert node.is_finished_ok, node.exit_message
    assert sorted(results["trajectories"]) == [
        "licl_1500K_member0_replica0",
        "licl_1500K_member1_replica0",
    ]
    for number in range(2):
        run = results["trajectories"][f"licl_1500K_member{number}_replica0"].creator
        (driver,) = run.inputs.potentials.values()
        assert driver.uuid == node.inputs.potentials[f"member_{number}"].uuid
    (point,) = results["observables"]["points"]
    assert point["n_members"] == 2
    assert sorted(point["members"]) == ["member_0", "member_1"]
    for element in ("Li", "Cl"):
        members = [point["members"][f"member_{i}"]["diffusion"][element] for i in range(2)]
        joint = point["diffusion"][element]
        if all(record["resolved"] for record in members):
            product = members[0]["D_cm2_s"] * members[1]["D_cm2_s"]
            assert joint["D_cm2_s"] == pytest.approx(np.sqrt(product))
            assert joint["model_error"] is not None
        else:
            assert not joint["resolved"]
    assert "green_kubo" in point
    # Half of the cell is shorter than the first minimum: no number, and the reason.
    assert "raise r_max" in point["coordination"]["Cl-Li"]["reason"]
    # 0.4 ps are too short to say that anything is equilibrated.
    assert {check["member"] for check in point["equilibration"]} == {"member_0", "member_1"}
    assert "licl_1500K_member1_msd_Li" in results["curves"].get_arraynames()
    (row,) = node.tools.table()
    assert (row["structure"], row["T_K"]) == ("licl", 1500.0)
    assert row["D_Li_cm2_s"] == point["diffusion"]["Li"]["D_cm2_s"]
    with pytest.raises(ValueError, match=r"resolved at \d of 1 temperatures"):
        node.tools.at("D_Li", 300.0)
    _check_mechanism(results)
    node.tools.plot_mechanism(tmp_path / "mechanism.png")
    assert (tmp_path / "mechanism.png").stat().st_size > 10_000
    node.tools.plot_msd(tmp_path / "msd.png")
    assert (tmp_path / "msd.png").stat().st_size > 10_000


def _check_mechanism(results):
    """0.4 ps of a crystal that melts resolve no rate; what there is must be there all the same."""
    (point,) = results["mechanism"]["points"]
    assert sorted(point["members"]) == ["member_0", "member_1"]
    rate = point["rows"]["hop_rate_Li"]
    assert rate["unit"] == "1/ps"
    assert rate["resolved"] or "member_0" in rate["reason"]
    record = point["members"]["member_1"]
    assert "rate" in record["hops"]["Li"] or "broad site" in record["hops"]["Li"]["reason"]
    assert record["n_frames"] == 41
    assert sum(s["number"] for s in record["molecules"]["species"].values()) > 0
    # The vibrations of 8 atoms in both members.
    assert record["vibrations"]["n_modes"] == 21
    names = results["mechanism_curves"].get_arraynames()
    assert {"licl_1500K_vdos_Li", "licl_1500K_member1_vdos_total"} <= set(names)


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        ({"hops": {"Na": {"core_radius_A": 1.0}}}, "mechanism names ['Na']"),
        ({"hops": {"Li": {"core_radius_A": -1.0}}}, "mechanism: hops.Li.core_radius_A is -1.0"),
        ({"vibrations": {"resolution_THz": 1.0}}, "set parameters.store_velocities to true"),
    ],
)
def test_a_mechanism_that_cannot_be_found_is_refused(builder, mechanism, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        run_get_node(builder(mechanism=mechanism))


@pytest.mark.lammps
def test_production_runs_in_the_mean_cell_of_an_npt_run(builder):
    npt = {"pressure_bar": 1.0, "steps": 400, "barostat_damping_fs": 200.0}
    results, node = run_get_node(builder(mean_cell=npt))
    assert node.is_finished_ok, node.exit_message
    trajectory = results["trajectories"]["licl_1500K_replica0"]
    start = trajectory.creator.inputs.structure
    assert start.creator.process_label == "structure_at_mean_cell"
    npt_run = start.creator.inputs.trajectory
    volumes = np.abs(np.linalg.det(npt_run.cells))
    assert volumes.std() > 0
    record = start.creator.outputs.mean_cell
    assert volumes.min() < record["volume_A3"] < volumes.max()
    np.testing.assert_allclose(np.abs(np.linalg.det(trajectory.cells)), record["volume_A3"])


@pytest.mark.lammps
def test_a_structure_whose_melt_fails_is_left_out(builder):
    process = builder(melt={"temperature_K": 2000.0, "steps": 100})
    broken = bulk("LiCl", "rocksalt", a=5.6, cubic=True)
    broken.positions[1] = broken.positions[0] + [0.05, 0.0, 0.0]
    process.structures = {"broken": orm.StructureData(ase=broken), **process.structures}
    results, node = run_get_node(process)
    assert node.is_finished_ok, node.exit_message
    assert list(results["trajectories"]) == ["licl_1500K_replica0"]
    reports = " ".join(log.message for log in orm.Log.collection.get_logs_for(node))
    assert "broken is left out, its melt failed" in reports
    process.structures = {"broken": process.structures["broken"]}
    _, node = run_get_node(process)
    assert node.exit_status == TransportWorkChain.exit_codes.ERROR_NO_MELT.status
    assert "melt_broken" in node.exit_message


@pytest.mark.lammps
def test_a_run_that_ran_out_of_wall_clock_time_goes_on_from_its_own_state(builder, monkeypatch):
    # LAMMPS ends itself one second after the start of the first run, and never again.
    limits = iter([1])
    monkeypatch.setattr(lammps_script, "timeout_seconds", lambda _: next(limits, 10_000))
    strides = {"trajectory_stride": 200, "species_stride": 100, "thermo_stride": 100}
    steps = 12_000
    results, node = run_get_node(
        builder(parameters={"steps": steps, "timestep_fs": 0.5, **strides})
    )
    assert node.is_finished_ok, node.exit_message
    keys = sorted(results["trajectories"], key=lambda key: RunName.parse(key).segment)
    assert len(keys) == 2
    assert results["trajectories"][keys[0]].creator.exit_status == 400
    joined = JoinedTrajectory([results["trajectories"][key] for key in keys])
    np.testing.assert_array_equal(joined.steps, np.arange(0, steps + 1, 200))
    times, _, _ = joined.species_series()
    np.testing.assert_allclose(np.diff(times), 0.05)
    # A cell vector is 5.6 Å: no image is lost where the second segment begins.
    assert np.abs(np.diff(joined.positions(), axis=0)).max() < 5.0


def test_more_drivers_than_members_are_refused(builder):
    with pytest.raises(ValueError, match="drivers is 3, but there are 2 potentials"):
        run_get_node(builder(n_members=2, drivers=3))
