"""The commands end with a clear line and a fitting exit code, never with a traceback."""

from __future__ import annotations

import json

import pytest
from aiida import orm
from aiida.engine import calcfunction
from ase.build import bulk
from click.testing import CliRunner

from aiida_mliptransport.cli import cli
from aiida_mliptransport.cli.main import COMMANDS

CAMPAIGN = """\
name: licl-melt
protocol: fast
ase: {calculator: tblite, method: GFN1-xTB}
structures:
  licl: {file: LiCl.cif, supercell: [2, 1, 1]}
temperatures_K: [1200]
"""


@calcfunction
def double(number):
    return orm.Int(2 * number.value)


@pytest.fixture
def run(aiida_profile):
    def factory(*arguments: object):
        result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return result

    return factory


@pytest.fixture
def campaign(tmp_path):
    bulk("LiCl", "rocksalt", a=5.13, cubic=True).write(tmp_path / "LiCl.cif")
    path = tmp_path / "licl.yaml"
    path.write_text(CAMPAIGN)
    return path


@pytest.fixture
def running():
    node = orm.WorkChainNode(label="licl-melt")
    node.set_process_state("running")
    node.set_checkpoint("a checkpoint")
    node.store()
    yield node
    node.set_process_state("killed")
    node.delete_checkpoint()
    node.seal()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_shows_an_example(run, name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"aiida-mliptransport {name}" in result.output


def test_a_subcommand_of_launch_shows_an_example_and_a_file_alone_is_a_campaign(run, campaign):
    assert "aiida-mliptransport launch neb" in run("launch", "neb", "--help").output
    assert "aiida-mliptransport launch campaign.yaml" in run("launch", "campaign", "-h").output
    campaign.write_text(CAMPAIGN.replace("protocol:", "protocoll:"))
    assert run("launch", campaign).output == run("launch", "campaign", campaign).output
    assert "give CAMPAIGN.yaml" in run("launch").output


def test_a_wrong_key_is_told_with_its_line(run, campaign):
    campaign.write_text(CAMPAIGN.replace("protocol:", "protocoll:"))
    result = run("launch", campaign)
    assert result.exit_code == 1
    assert "licl.yaml, line 2: protocoll is not a known key" in result.output
    assert "did you mean 'protocol'" in result.output


def test_an_unknown_command_is_a_usage_error(run):
    assert run("lunch").exit_code == 2


def test_a_launch_without_daemon_says_how_to_start_it(run, campaign):
    result = run("launch", campaign)
    assert result.exit_code == 1
    assert "is not running; start it with `verdi daemon start`" in result.output


def test_a_missing_code_is_told_with_the_command_that_makes_it(run, campaign):
    campaign.write_text(CAMPAIGN + "codes: {dp: dp@nowhere}\n")
    result = run("launch", campaign, "--dry-run")
    assert result.exit_code == 1
    assert "line 7: codes.dp is 'dp@nowhere', but the profile has no such code" in result.output
    assert "aiida-mliptransport setup" in result.output


def test_a_dry_run_prints_the_jobs_and_stores_nothing(run, campaign, make_code):
    labels = {name: f"dry-run-{name}" for name in ("dp", "lmp", "python")}
    for label in labels.values():
        make_code(label, f"/bin/{label}")
    codes = ", ".join(f"{name}: {label}@localhost" for name, label in labels.items())
    campaign.write_text(CAMPAIGN + f"codes: {{{codes}}}\n")
    before = orm.QueryBuilder().append(orm.Node).count()
    result = run("launch", campaign, "--dry-run")
    assert result.exit_code == 0, result.output
    for text in ("licl-melt: protocol fast, engine ase", "exploration", "labels", "core-hours"):
        assert text in result.output
    assert "nothing was submitted" in result.output
    assert orm.QueryBuilder().append(orm.Node).count() == before


def test_another_profile_that_does_not_exist_is_told(run):
    result = run("-p", "nowhere", "status", "1")
    assert result.exit_code == 1
    assert "no AiiDA profile 'nowhere'" in result.output


def test_a_node_that_does_not_exist_is_told(run):
    result = run("status", "99999999")
    assert result.exit_code == 1
    assert "there is no node '99999999'" in result.output


def test_a_data_node_has_no_status(run):
    node = orm.Int(1).store()
    result = run("status", node.pk)
    assert result.exit_code == 1
    assert f"node {node.pk} is a Int, expected a process" in result.output


def test_the_status_of_a_running_process_is_plain_in_a_pipe(run, running):
    result = run("status", running.pk)
    assert result.exit_code == 0
    assert f"licl-melt <{running.pk}>: running" in result.output
    assert "0 labels, 0 of 0 jobs done" in result.output
    assert json.loads(run("status", running.pk, "--json").output)["state"] == "running"


def test_follow_ends_with_the_process(run):
    _, node = double.run_get_node(orm.Int(2))
    result = run("status", node.pk, "--follow")
    assert result.exit_code == 0
    assert "finished" in result.output


def test_finish_sets_the_extra_that_the_loop_reads(run, running):
    result = run("finish", running.pk)
    assert result.exit_code == 0
    assert running.base.extras.get("mliptransport_finish") is True
    assert "asked to finish" in run("status", running.pk).output


def test_a_process_that_ended_cannot_finish(run):
    _, node = double.run_get_node(orm.Int(2))
    result = run("finish", node.pk)
    assert result.exit_code == 1
    assert f"process {node.pk} has already ended (finished)" in result.output


@pytest.mark.medium
def test_an_export_writes_an_archive_and_keeps_an_existing_one(run, tmp_path):
    result = double(orm.Int(2))
    path = tmp_path / "study.aiida"
    assert run("export", result.pk, "-o", path).exit_code == 0
    assert path.exists()
    again = run("export", result.pk, "-o", path)
    assert again.exit_code == 1
    assert "--force" in again.output
    assert run("export", result.pk, "-o", path, "--force").exit_code == 0


def test_a_lineage_is_drawn_as_a_tree_and_as_json(run):
    result = double(double(orm.Int(2)))
    text = run("lineage", result.pk).output
    assert f"Int <{result.pk}>" in text
    assert f"└─ double <{result.creator.pk}>" in text
    assert "core-hours" in text
    content = json.loads(run("lineage", result.pk, "--json").output)
    assert content["processes"] == {"double": 2}


def test_a_report_into_a_missing_folder_is_refused(run, tmp_path):
    _, node = double.run_get_node(orm.Int(2))
    result = run("report", node.pk, "-o", tmp_path / "nowhere" / "report.html")
    assert result.exit_code == 1
    assert "make it first" in result.output


@pytest.mark.medium
def test_the_doctor_ends_with_1_and_the_command_that_mends(run):
    result = run("doctor", "--no-codes")
    assert result.exit_code == 1
    assert "BAD daemon: is not running" in result.output
    assert "mend it: verdi daemon start" in result.output


@pytest.mark.medium
def test_the_doctor_closes_orphans_when_asked(run, running):
    from aiida.common.links import LinkType

    child = orm.CalcFunctionNode()
    child.base.links.add_incoming(running, LinkType.CALL_CALC, "step")
    child.store()
    assert "orphaned processes" in run("doctor", "--no-codes").output
    assert (
        f"<{child.pk}>, left behind by a killed worker"
        in run("doctor", "--repair", "--no-codes").output
    )
    assert child.is_sealed
    assert "orphaned processes" not in run("doctor", "--no-codes").output
