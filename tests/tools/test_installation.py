"""Setup finds programs, makes codes once, and keeps what is there."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.manage import get_config
from aiida.manage.caching import get_use_cache

from aiida_mliptransport.campaign.source import CampaignError
from aiida_mliptransport.tools import installation
from aiida_mliptransport.tools.installation import (
    CACHING_OPTIONS,
    find_program,
    missing,
    setup_caching,
    setup_from_file,
    setup_localhost,
)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH with ``dp`` and CP2K under its usual other name, and a Python beside nothing."""
    for name in ("dp", "cp2k.psmp"):
        path = tmp_path / name
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(installation.sys, "executable", str(tmp_path / "elsewhere" / "python3"))
    return tmp_path


@pytest.fixture
def localhost(aiida_profile, monkeypatch, request):
    """A label for the computer that no other test uses.

    The profile must not be emptied for that: nodes and the daemon of other tests would go too.
    """
    label = f"localhost-{request.node.name}"
    monkeypatch.setattr(installation, "LOCALHOST", label)
    return label


def test_a_program_beside_the_interpreter_comes_before_the_path(programs):
    beside = programs / "elsewhere" / "dp"
    beside.parent.mkdir()
    assert find_program("dp") == str(programs / "dp")
    beside.write_text("#!/bin/sh\n")
    assert find_program("dp") == str(beside)


def test_other_names_of_a_program_are_found(programs):
    assert find_program("cp2k") == str(programs / "cp2k.psmp")


def test_setup_makes_what_it_finds_and_names_what_it_does_not(localhost, programs):
    done = {entry.what: entry for entry in setup_localhost(str(programs / "run"))}
    assert done[f"computer {localhost}"].action == "made"
    assert done[f"dp@{localhost}"].action == "made"
    assert done["lmp"].action == "missing"
    assert "pip install" in done["lmp"].detail
    assert missing(list(done.values())) == ["lmp"]
    code = orm.load_code(f"cp2k@{localhost}")
    assert code.with_mpi is False
    assert code.computer.is_configured
    assert code.computer.get_minimum_job_poll_interval() <= 1.0
    assert code.computer.get_configuration()["use_login_shell"] is False
    assert code.computer.get_configuration()["safe_interval"] == 0.0


def test_a_second_setup_changes_nothing(localhost, programs):
    setup_localhost(str(programs / "run"))
    before = orm.QueryBuilder().append(orm.InstalledCode).count()
    done = setup_localhost(str(programs / "run"))
    assert {entry.action for entry in done} == {"kept", "missing"}
    assert orm.QueryBuilder().append(orm.InstalledCode).count() == before


def test_a_code_that_points_elsewhere_is_kept_and_told(localhost, programs):
    setup_localhost(str(programs / "run"))
    beside = programs / "elsewhere" / "dp"
    beside.parent.mkdir()
    beside.write_text("#!/bin/sh\n")
    done = {entry.what: entry for entry in setup_localhost()}
    assert f"found {beside}" in done[f"dp@{localhost}"].detail
    assert f"verdi code relabel dp@{localhost} dp-old" in done[f"dp@{localhost}"].detail


def test_a_file_makes_computers_and_codes(aiida_profile, tmp_path):
    path = tmp_path / "codes.yaml"
    path.write_text(
        "computers:\n"
        "  near: {hostname: localhost, transport: core.local, scheduler: core.direct, "
        "work_dir: /tmp/near, configure: {safe_interval: 0.0}}\n"
        "codes:\n"
        "  dp: {computer: near, executable: /opt/dp, prepend_text: module load deepmd}\n"
    )
    assert [entry.action for entry in setup_from_file(path)] == ["made", "made"]
    assert orm.load_code("dp@near").prepend_text == "module load deepmd"
    assert [entry.action for entry in setup_from_file(path)] == ["kept", "kept"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("codes:\n  dp: {computer: far, executable: /opt/dp}\n", "line 2: codes.dp.computer"),
        ("codes:\n  dp: {executable: dp}\n", "expected a full path"),
        ("codes:\n  dp: {executabel: /opt/dp}\n", "did you mean 'executable'"),
        ("computers: {}\n", "codes is missing"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(aiida_profile, tmp_path, text, expected):
    path = tmp_path / "codes.yaml"
    path.write_text(text)
    with pytest.raises(CampaignError, match=expected):
        setup_from_file(path)


# ---------------------------------------------------------------- caching


@pytest.fixture
def caching(aiida_profile):
    """Return a function that sets a caching option of the profile; none is left set at the end."""
    config, name = get_config(), aiida_profile.name
    yield lambda option, value: config.set_option(f"caching.{option}", value, scope=name)
    for option in CACHING_OPTIONS:
        config.unset_option(option, scope=name)
    config.store()


def is_cached(name):
    return get_use_cache(identifier=f"aiida.calculations:{name}")


def test_setup_switches_caching_on_for_the_jobs_of_this_package(caching):
    assert not is_cached("mliptransport.lammps.md")
    made = setup_caching()
    assert made.action == "made"
    assert "verdi config set --remove caching.enabled_for" in made.detail
    assert is_cached("mliptransport.lammps.md")
    assert is_cached("mliptransport.deepmd.train")
    assert not is_cached("core.arithmetic.add")


def test_a_second_setup_keeps_caching_as_it_is(caching):
    setup_caching()
    again = setup_caching()
    assert again.action == "kept"
    assert again.detail.startswith("on for")
    assert is_cached("mliptransport.lammps.md")


@pytest.mark.parametrize(
    ("option", "value", "cached"),
    [
        # What the command that setup names leaves behind.
        ("enabled_for", [], False),
        ("enabled_for", ["aiida.calculations:core.*"], False),
        ("disabled_for", ["aiida.calculations:mliptransport.lammps.md"], False),
        ("default_enabled", False, False),
        ("default_enabled", True, True),
    ],
)
def test_caching_that_was_set_by_hand_is_kept(caching, option, value, cached):
    caching(option, value)
    made = setup_caching()
    assert made.action == "kept"
    assert made.detail.startswith("on for" if cached else "off for")
    assert is_cached("mliptransport.lammps.md") is cached


def test_a_daemon_that_runs_is_to_be_restarted(caching, monkeypatch):
    class Client:
        is_daemon_running = True

    monkeypatch.setattr(installation, "get_daemon_client", Client)
    assert "verdi daemon restart" in setup_caching().detail


@pytest.mark.medium
def test_the_command_that_setup_names_switches_caching_off_for_good(other_profile):
    def caching_line():
        printed = other_profile("aiida-mliptransport", "setup")
        return next(line for line in printed.splitlines() if line.startswith("caching"))

    first = caching_line()
    assert " made " in first
    words = first.split("verdi ")[1].replace("'", "").split()
    other_profile("verdi", *words)
    assert "off for" in caching_line()
