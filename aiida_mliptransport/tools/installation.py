"""Make the computer and the codes that campaigns use, from PATH or from a file."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from aiida import orm
from aiida.common.exceptions import NotExistent
from aiida.engine.daemon.client import get_daemon_client
from aiida.manage import get_config, get_manager
from aiida.manage.caching import get_use_cache
from pydantic import BaseModel, ConfigDict, Field

from ..campaign.source import read_yaml

#: Names under which each program is installed, the usual one first.
PROGRAMS: dict[str, tuple[str, ...]] = {
    "dp": ("dp",),
    "lmp": ("lmp", "lmp_serial", "lmp_mpi"),
    "cp2k": ("cp2k", "cp2k.psmp", "cp2k.popt", "cp2k.ssmp", "cp2k.sopt"),
}

#: How to get a program that was not found.
REMEDIES = {
    "dp": "pip install 'deepmd-kit[cpu,lmp]'",
    "lmp": "pip install 'deepmd-kit[cpu,lmp]'",
    "cp2k": "apt-get install cp2k (needed for 'engine: cp2k' only)",
}

LOCALHOST = "localhost"

#: The jobs of this package, as AiiDA's caching options name them, and one of them.
OWN_JOBS = "aiida.calculations:mliptransport.*"
ONE_JOB = "aiida.calculations:mliptransport.lammps.md"

CACHING_OPTIONS = ("caching.default_enabled", "caching.enabled_for", "caching.disabled_for")


class ComputerSection(BaseModel):
    """A computer that ``setup --config`` makes."""

    model_config = ConfigDict(extra="forbid")
    hostname: str
    transport: str = "core.ssh_async"
    scheduler: str = "core.slurm"
    work_dir: str
    mpiprocs_per_machine: Annotated[int, Field(ge=1)] = 1
    memory_per_machine_kb: Annotated[int, Field(gt=0)] | None = None
    mpirun_command: str | None = None
    prepend_text: str = ""
    append_text: str = ""
    poll_interval_s: Annotated[float, Field(ge=0)] = 10.0
    configure: dict[str, Any] = Field(default_factory=dict)


class CodeSection(BaseModel):
    """A code that ``setup --config`` makes."""

    model_config = ConfigDict(extra="forbid")
    computer: str = LOCALHOST
    executable: str
    prepend_text: str = ""
    append_text: str = ""
    # Where nothing is said the job decides: MD by LAMMPS runs without, its bands with MPI.
    with_mpi: bool | None = None


class CodesFile(BaseModel):
    """Computers and codes by label."""

    model_config = ConfigDict(extra="forbid")
    computers: dict[str, ComputerSection] = Field(default_factory=dict)
    codes: Annotated[dict[str, CodeSection], Field(min_length=1)]


@dataclass(frozen=True)
class Made:
    """What was done about a computer, a code or caching: ``made``, ``kept`` or ``missing``."""

    what: str
    action: str
    detail: str


def find_program(name: str) -> str | None:
    """Return the path of a program beside the running Python, else on PATH, else None."""
    if name == "python":
        return sys.executable
    for candidate in PROGRAMS[name]:
        # Not resolve(): the interpreter of a virtual environment is a link out of it.
        beside = Path(sys.executable).parent / candidate
        found = str(beside) if beside.is_file() else shutil.which(candidate)
        if found:
            return found
    return None


def setup_localhost(work_dir: str | None = None) -> list[Made]:
    """Make the computer localhost and the codes that are found; keep what is there."""
    computer, done = _localhost(work_dir)
    for name in (*PROGRAMS, "python"):
        path = find_program(name)
        if path is None:
            done.append(Made(name, "missing", REMEDIES[name]))
        else:
            done.append(_make_code(name, _local_code(name, path), computer))
    return done


def _local_code(name: str, path: str) -> CodeSection:
    """Return how a program of this machine is run: LAMMPS by the ``mpirun`` that came with it."""
    if name != "lmp":
        return CodeSection(executable=path, with_mpi=False)
    folder = Path(path).parent
    own = f'export PATH="{folder}:$PATH"' if (folder / "mpirun").is_file() else ""
    return CodeSection(executable=path, prepend_text=own)


def setup_caching() -> Made:
    """Let AiiDA take identical jobs of this package from the profile.

    A campaign that goes on after a crash runs an iteration again, and pays only for what is new.
    Where the profile or the configuration sets any caching option, nothing is changed.
    """
    config, profile = get_config(), get_manager().get_profile()
    scopes = (profile.name, None)
    if any(
        config.get_option(option, scope=scope, default=False) is not None
        for option in CACHING_OPTIONS
        for scope in scopes
    ):
        state = "on" if get_use_cache(identifier=ONE_JOB) else "off"
        return Made(
            "caching", "kept", f"{state} for {OWN_JOBS}, as `verdi config list caching` says"
        )
    config.set_option("caching.enabled_for", [OWN_JOBS], scope=profile.name)
    config.store()
    detail = (
        "jobs with the same inputs are taken from the profile; to switch that off: "
        f"verdi config set --remove caching.enabled_for '{OWN_JOBS}'"
    )
    if get_daemon_client().is_daemon_running:
        detail += " (the running daemon does not know yet: verdi daemon restart)"
    return Made("caching", "made", detail)


def setup_from_file(path: str | Path) -> list[Made]:
    """Make the computers and codes of a YAML file; keep what is there.

    Raises
    ------
    CampaignError
        If the file is wrong; the message names the line.
    """
    source = read_yaml(path)
    content = source.validate(CodesFile)
    done: list[Made] = []
    for label, section in content.computers.items():
        done.append(_make_computer(label, section))
    for label, code in content.codes.items():
        if code.computer == LOCALHOST:
            computer, made = _localhost(None)
            done.extend(entry for entry in made if entry not in done)
        else:
            try:
                computer = orm.load_computer(code.computer)
            except NotExistent as error:
                raise source.error(
                    ("codes", label, "computer"),
                    f"is {code.computer!r}, but there is no such computer; add it under "
                    "'computers' or make it with `verdi computer setup`",
                ) from error
        if not code.executable.startswith("/"):
            raise source.error(
                ("codes", label, "executable"), f"is {code.executable!r}, expected a full path"
            )
        done.append(_make_code(label, code, computer))
    return done


def _localhost(work_dir: str | None) -> tuple[orm.Computer, list[Made]]:
    try:
        computer = orm.load_computer(LOCALHOST)
        action = "kept"
    except NotExistent:
        folder = work_dir or str(Path(get_config().dirpath).resolve() / "scratch")
        computer = orm.Computer(
            label=LOCALHOST,
            hostname=LOCALHOST,
            description="this machine",
            transport_type="core.local",
            scheduler_type="core.direct",
            workdir=folder,
        ).store()
        computer.set_default_mpiprocs_per_machine(1)
        action = "made"
    if not computer.is_configured:
        computer.configure(safe_interval=0.0)
        action = "made"
    local = computer.transport_type == "core.local"
    if local and computer.get_minimum_job_poll_interval() > 1.0:
        # Local jobs take seconds; AiiDA's default of 10 s would be most of a campaign's wall time.
        computer.set_minimum_job_poll_interval(1.0)
        action = "made"
    if local and "use_login_shell" not in computer.get_configuration():
        # Each poll would start a login shell, which took a sixth of a core; jobs inherit the
        # environment of the daemon without it.
        computer.configure(use_login_shell=False)
        action = "made"
    return computer, [Made(f"computer {LOCALHOST}", action, computer.get_workdir())]


def _make_computer(label: str, section: ComputerSection) -> Made:
    try:
        computer = orm.load_computer(label)
        return Made(f"computer {label}", "kept", computer.hostname)
    except NotExistent:
        computer = orm.Computer(
            label=label,
            hostname=section.hostname,
            transport_type=section.transport,
            scheduler_type=section.scheduler,
            workdir=section.work_dir,
        )
    computer.set_prepend_text(section.prepend_text)
    computer.set_append_text(section.append_text)
    computer.set_minimum_job_poll_interval(section.poll_interval_s)
    computer.set_default_mpiprocs_per_machine(section.mpiprocs_per_machine)
    if section.memory_per_machine_kb is not None:
        computer.set_default_memory_per_machine(section.memory_per_machine_kb)
    if section.mpirun_command is not None:
        computer.set_mpirun_command(section.mpirun_command.split())
    computer.store()
    computer.configure(**section.configure)
    return Made(f"computer {label}", "made", section.hostname)


def _make_code(label: str, section: CodeSection, computer: orm.Computer) -> Made:
    full = f"{label}@{computer.label}"
    try:
        code = orm.load_code(full)
    except NotExistent:
        code = orm.InstalledCode(
            label=label,
            computer=computer,
            filepath_executable=section.executable,
            prepend_text=section.prepend_text,
            append_text=section.append_text,
            with_mpi=section.with_mpi,
        ).store()
        return Made(full, "made", section.executable)
    present = str(code.get_executable())
    detail = present
    if present != section.executable:
        detail = (
            f"{present} (found {section.executable}; to use that, rename the old code with "
            f"`verdi code relabel {full} {label}-old` and run setup again)"
        )
    return Made(full, "kept", detail)


def missing(done: Sequence[Made]) -> list[str]:
    """Return the names of programs that were not found."""
    return [entry.what for entry in done if entry.action == "missing"]
