"""A whole campaign by a real daemon with real dp, lmp and tblite: provenance, caching, archive."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.manage import get_config, get_manager
from aiida.manage.caching import enable_caching
from click.testing import CliRunner

from aiida_mliptransport.campaign.launch import build, launch
from aiida_mliptransport.campaign.schema import load_campaign
from aiida_mliptransport.cli import cli
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.tools.archive import export_study

pytestmark = [pytest.mark.daemon, pytest.mark.deepmd, pytest.mark.lammps, pytest.mark.tblite]

TIMEOUT = 1800
EXAMPLES = Path(__file__).parents[1] / "examples"
FILES = ("licl_melt/LiCl.cif", "licl_barrier/before.vasp", "licl_barrier/after.vasp")

CAMPAIGN = """
name: tiny-licl
protocol: fast
engine: ase
seed: 3
max_concurrent: 2
codes: {lmp: lmp-deepmd@localhost}
ase: {calculator: tblite, method: GFN1-xTB}
structures:
  licl: {file: LiCl.cif, density_g_cm3: 1.6}
temperatures_K: [1000]
charges: {Li: 1, Cl: -1}
aimd: {parameters: {steps: 40}}
train:
  committee_size: 2
  parameters:
    model:
      descriptor: {rcut: 4.0, neuron: [4, 8], axis_neuron: 4}
      fitting_net: {neuron: [8, 8]}
    training: {numb_steps: 300, save_freq: 100}
training: {final: {training: {numb_steps: 200}}}
explore: {parameters: {steps: 200, timestep_fs: 1.0, equilibration_steps: 20}}
ladder:
  stages: [{}, {temperatures_K: [1100], volume_scale: 1.02}]
  starts: explored
selection:
  strategy: quality_diversity
  mobile: [Li]
  n_candidates: 3
  n_blind: 2
  blind_start_ps: 0.02
  calibration: {coverage: 0.95, min_independent: 20, accurate_error: 0.6, failed_error: 1.0}
targets:
  observable:
    {quantity: D, species: Li, temperature_K: 1000, length_ps: 0.7, max_relative_error: 0.5}
budget: {max_iterations: 2}
barriers:
  target_eV: 0.03
  paths: {hop: {initial: {file: before.vasp}, final: {file: after.vasp}}}
  parameters: {images: 1, steps: 4, relax_ends: false, charge: -1}
transport:
  structures:
    big: {file: LiCl.cif, supercell: [2, 1, 1], density_g_cm3: 1.6}
  temperatures_K: [800, 900, 1000]
  melt: null
  drivers: 2
  parameters: {steps: 700, timestep_fs: 1.0, equilibration_steps: 50}
  mechanism:
    molecules: {bonds: {Cl-Li: [2.8, 3.6]}, central: Li}
"""


def wait_for_end(node: orm.ProcessNode) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not node.is_terminated:
        if time.monotonic() > deadline:
            pytest.fail(f"process {node.pk} did not end within {TIMEOUT} s")
        time.sleep(0.5)


def job_nodes(node: orm.ProcessNode) -> list[orm.CalcJobNode]:
    return [child for child in node.called_descendants if isinstance(child, orm.CalcJobNode)]


def ancestors(node: orm.Node) -> list[orm.Node]:
    """Return all nodes from which ``node`` was made, by input and create links."""
    seen: dict[str, orm.Node] = {}
    stack = [node]
    while stack:
        for link in stack.pop().base.links.get_incoming(
            link_type=(LinkType.INPUT_CALC, LinkType.CREATE)
        ):
            if link.node.uuid not in seen:
                seen[link.node.uuid] = link.node
                stack.append(link.node)
    return list(seen.values())


@pytest.fixture(scope="session")
def campaign_file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("campaign")
    for name in FILES:
        file = EXAMPLES / name
        (folder / file.name).write_text(file.read_text())
    path = folder / "campaign.yaml"
    path.write_text(CAMPAIGN)
    return path


@pytest.fixture(scope="session")
def campaign(daemon, campaign_file, lammps_code) -> orm.WorkChainNode:
    """One small campaign, run once for all tests of this module."""
    result = CliRunner().invoke(cli, ["setup"])
    assert result.exit_code == 0, result.output
    lammps_code(orm.load_computer("localhost"))
    # Tests share the profile, and some run a job twice to see that it comes out the same.
    config = get_config()
    config.unset_option("caching.enabled_for", scope=get_manager().get_profile().name)
    config.store()
    node = launch(load_campaign(campaign_file))
    wait_for_end(node)
    return node


def test_the_campaign_ends_with_results_and_says_why(campaign):
    assert campaign.exit_status in (0, 411), campaign.exit_message
    history = campaign.outputs.history.get_dict()
    assert history["stop_reason"]
    assert len(history["iterations"]) in (1, 2)
    assert all(not child.is_excepted for child in campaign.called_descendants)
    observables = campaign.outputs.transport.observables.get_dict()
    assert [p["temperature_K"] for p in observables["points"]] == [800.0, 900.0, 1000.0]


def test_each_iteration_tells_what_the_deviation_is_worth_and_what_was_missed(campaign):
    records = campaign.outputs.history["iterations"]
    calls = {link.link_label: link.node for link in campaign.base.links.get_outgoing().all()}
    for number, record in enumerate(records, 1):
        levels = record["calibrated_trust_levels"]
        # Two blind frames a round are too few, and it says so.
        assert levels["calibration"] == "not available"
        assert "20 are needed" in levels["by_species"]["Li"]["reason"]
        points = calls[f"iteration_{number:02d}_calibrate"].outputs.points
        blind = sum(campaign.outputs.blind_frames[k].n_frames
                    for k in sorted(campaign.outputs.blind_frames)[:number])  # fmt: skip
        assert len(points.get_array("Li_error")) == blind
        observable = record["observable"]
        assert (observable["value"] is None) == bool(observable["reason"])
        runs = calls[f"iteration_{number:02d}_observable"]
        assert runs.inputs.drivers.value == 2
        assert len(record["decision"]["met"] + record["decision"]["missed"]) == len(
            record["checks"]
        )
    assert records[1]["trust_levels"]["low"] == records[0]["calibrated_trust_levels"]["low"]


def test_the_committee_describes_what_is_chosen_from(campaign):
    for record in campaign.outputs.history["iterations"]:
        selection = record["selection"]
        assert selection["strategy"] == "quality_diversity"
        assert selection["descriptors"] == "model"
        assert selection["notes"] == []


def test_explorations_follow_the_ladder_and_begin_where_the_one_before_was(campaign):
    calls = {link.link_label: link.node for link in campaign.base.links.get_outgoing().all()}
    first, second = campaign.outputs.history["iterations"]
    assert first["ladder"]["explored"] == {"licl": 0}
    assert second["ladder"]["explored"] == first["ladder"]["stages"]
    stage = second["ladder"]["explored"]["licl"]
    exploration = calls["iteration_02_explore"]
    assert {
        trajectory.info["temperature_K"]
        for trajectory in dict(exploration.outputs.trajectories).values()
    } == {[1000.0, 1100.0][stage]}
    assert "starts" not in calls["iteration_01_explore"].inputs
    starts = exploration.inputs.starts
    assert sorted(starts) == ["licl_replica0", "licl_replica1"]
    assert len({starts[label].uuid for label in starts}) == 2
    cells = [starts[label].get_cell_volume() for label in sorted(starts)]
    given = calls["iteration_01_explore"].inputs.structures["licl"].get_cell_volume()
    assert cells == pytest.approx([given * [1.0, 1.02][stage]] * 2)
    checks = second["checks"]["structures_at_the_last_stage"]
    assert checks["passed"] == (stage == 1)


def test_the_barrier_of_the_final_potential_is_compared_with_the_labeller(campaign):
    calls = {link.link_label: link.node for link in campaign.base.links.get_outgoing().all()}
    search, judged = calls["final_neb"], calls["final_judge_barriers"]
    (images,) = search.outputs.paths.hop.frames.systems
    assert (images.n_frames, images.charge) == (3, -1)
    assert search.outputs.labels.n_frames == 3
    assert sorted(search.inputs.committee) == sorted(campaign.outputs.committee)
    record = search.outputs.barriers["hop"]
    assert record["committee"]["n_members"] == 2
    verdict = campaign.outputs.history["barriers"]
    assert verdict == judged.outputs.verdict.get_dict()
    assert verdict["paths"]["hop"]["error_eV"] == record["barrier_error_to_labels_eV"]
    # Four steps do not converge, and so the campaign has not.
    assert verdict["not_converged"] == ["hop"]
    assert not verdict["passed"]
    assert not campaign.outputs.history["converged"]
    # No iteration met all else, so none had its labels spent on a barrier.
    assert not any("barriers" in record for record in campaign.outputs.history["iterations"])


def test_both_members_drive_and_the_mechanism_is_told(campaign):
    points = campaign.outputs.transport.observables["points"]
    for point in points:
        assert sorted(point["members"]) == ["member_0", "member_1"]
        assert point["n_trajectories"] == 2
    runs = campaign.outputs.transport.trajectories
    given = [runs[name].creator.inputs.potentials for name in runs]
    assert len(given) == 6
    # The first in order of name drives.
    assert len({potentials[min(potentials)].uuid for potentials in given}) == 2
    for point in campaign.outputs.transport.mechanism["points"]:
        assert sorted(point["members"]) == ["member_0", "member_1"]
        for record in point["members"].values():
            numbers = record["molecules"]["species"]
            assert sum(species["number"] for species in numbers.values()) >= 1
    assert {row.temperature for row in campaign.tools.mechanism.rows} == {800.0, 900.0, 1000.0}


def test_every_training_frame_is_reached_from_the_potential_and_no_blind_frame_is_among_them(
    campaign,
):
    above = ancestors(campaign.outputs.potential)
    trainings = [n for n in above if getattr(n, "process_label", "") == "DeepmdTrainCalculation"]
    used = {node.uuid: node for job in trainings for node in job.inputs.frames.values()}
    frames = campaign.outputs.frames
    assert set(used) == {frames[key].uuid for key in frames}
    blind = campaign.outputs.blind_frames
    trained = {i for node in used.values() for i in node.frames.identities()}
    tested = {i for key in blind for i in blind[key].frames.identities()}
    assert tested
    assert not trained & tested


def test_no_trajectory_gives_both_training_and_blind_frames(campaign):
    def origins(namespace):
        return {
            (key, str(origin))
            for key in namespace
            if key.startswith("iteration")
            for system in namespace[key].frames.systems
            for origin in system.origins
        }

    trained = origins(campaign.outputs.frames)
    tested = origins(campaign.outputs.blind_frames)
    assert trained
    assert tested
    assert not trained & tested


def test_every_data_node_has_a_creator_or_is_a_declared_import(campaign):
    tracked = (
        FrameSetData, PotentialData, orm.StructureData, orm.ArrayData
    )  # fmt: skip
    nodes = [
        link.node
        for process in [campaign, *campaign.called_descendants]
        for link in process.base.links.get_outgoing(link_type=(LinkType.CREATE, LinkType.RETURN))
    ]
    without = [node for node in nodes if isinstance(node, tracked) and node.creator is None]
    assert without == []


def test_labels_have_one_level_of_theory(campaign):
    frames = campaign.outputs.frames
    blind = campaign.outputs.blind_frames
    hashes = {n[key].level_of_theory_hash for n in (frames, blind) for key in n}
    assert len(hashes) == 1


def test_the_same_campaign_again_is_taken_from_the_cache(campaign, campaign_file):
    with enable_caching():
        builder = build(load_campaign(campaign_file))
        # The workers read the profile's caching option, the caller's context does not reach them.
        from aiida.engine import run_get_node

        _, again = run_get_node(builder)
    assert again.exit_status == campaign.exit_status
    ran = [job for job in job_nodes(again) if not job.base.caching.is_created_from_cache]
    assert ran == []
    one = campaign.outputs.potential.base.caching.compute_hash()
    two = again.outputs.potential.base.caching.compute_hash()
    assert one == two
    assert again.outputs.history.get_dict() == campaign.outputs.history.get_dict()


def test_status_report_and_lineage_work_on_the_campaign(campaign, tmp_path):
    runner = CliRunner()
    status = runner.invoke(cli, ["status", str(campaign.pk)])
    assert status.exit_code == 0, status.output
    path = tmp_path / "report.html"
    report = runner.invoke(cli, ["report", str(campaign.pk), "-o", str(path)])
    assert report.exit_code == 0, report.output
    page = path.read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "licl" in page
    lineage = runner.invoke(cli, ["lineage", str(campaign.outputs.potential.pk), "--json"])
    assert lineage.exit_code == 0, lineage.output
    content = json.loads(lineage.output)
    frames = campaign.outputs.frames
    assert content["training_frames"] == sum(frames[key].n_frames for key in frames)


def test_the_summary_line_has_every_number(campaign):
    result = CliRunner().invoke(
        cli, ["summary", str(campaign.pk), "--name", "demo", "--mobile", "Li"]
    )
    assert result.exit_code == 0, result.output
    keys = [word.split("=")[0] for word in result.output.split()[1:]]
    assert keys == [
        "converged", "iterations", "labels", "force_rmse_eV_A", "D_Li_cm2_s", "sigma_mS_cm",
        "Ea_eV", "wall_s",
    ]  # fmt: skip


def test_an_archive_works_in_an_empty_profile(campaign, tmp_path, other_profile):
    archive = export_study(campaign, tmp_path / "study.aiida")
    other_profile("verdi", "archive", "import", str(archive))
    page = tmp_path / "imported.html"
    other_profile("aiida-mliptransport", "report", campaign.uuid, "-o", str(page))
    assert page.stat().st_size > 100_000
    printed = other_profile("aiida-mliptransport", "lineage", campaign.outputs.potential.uuid)
    assert "labelling jobs" in printed
