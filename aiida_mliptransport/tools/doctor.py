"""Look at the profile, the daemon, the broker, the codes and the processes; say what is wrong."""

from __future__ import annotations

import re
import shlex
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from aiida import orm
from aiida.engine.daemon.client import DaemonException, get_daemon_client
from aiida.manage import get_config_option, get_manager
from aiida_vasp.data.potcar import PotcarGroup

from .daemon import (
    CONNECT_SECONDS,
    DaemonProcess,
    deaf_workers,
    strays,
    supervisor_pid,
    was_killed,
)
from .repair import (
    BrokerState,
    broker_state,
    find_lost,
    find_orphans,
    release_dead_workers,
    unfinished,
)

#: Codes that campaigns use, by label; those of a DFT engine only for that engine.
CODE_NAMES = ("dp", "lmp", "python", "cp2k", "vasp")
OPTIONAL = ("cp2k", "vasp")

#: Slots that a daemon needs beside the jobs: a campaign's waiting parents.
MIN_SLOTS = 20

#: Packages that the runners of the ``python`` code need.
PYTHON_PACKAGES = ("ase", "numpy")

#: Seconds for one look at a program (``dp`` imports TensorFlow).
TIMEOUT = 180

#: What replaces workers that do not hear the broker.
DEAF_REMEDY = "aiida-mliptransport doctor --repair"

#: How to get a code that ``setup`` does not find on PATH.
REMEDIES = {"vasp": "aiida-mliptransport setup --config CODES.yaml, with the path of your VASP"}

CP2K_FILES = ("BASIS_MOLOPT", "GTH_POTENTIALS", "dftd3.dat")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; ``remedy`` is the command that mends it."""

    subject: str
    ok: bool
    detail: str
    remedy: str = ""


def examine(codes: bool = True) -> list[Finding]:
    """Return all findings for the loaded profile; ``codes=False`` starts no program.

    The broker gives the tasks of killed workers to others on the way.
    """
    release_dead_workers()
    findings = [_profile(), *_daemon(), *_broker(), *_processes()]
    if codes:
        for name in CODE_NAMES:
            findings.extend(_code(name))
    return findings


def _profile() -> Finding:
    manager = get_manager()
    profile = manager.get_profile()
    name = profile.name if profile else "?"
    if manager.get_broker() is None:
        return Finding(
            f"profile {name}",
            False,
            "has no broker, so no daemon can run its processes",
            "verdi presto --use-zeromq",
        )
    storage = profile.storage_backend if profile else "?"
    return Finding(f"profile {name}", True, f"{storage}, {type(manager.get_broker()).__name__}")


def _daemon() -> list[Finding]:
    client = get_daemon_client()
    if supervisor_pid() is None:
        detail = "was killed" if was_killed() else "is not running"
        return [*_strays(), Finding("daemon", False, detail, "verdi daemon start")]
    try:
        client.get_status(timeout=10)
        workers = client.get_number_of_workers(timeout=10)
    except DaemonException as error:
        return [Finding("daemon", False, f"does not answer: {error}", "verdi daemon restart")]
    findings = [Finding("daemon", workers > 0, f"{workers} worker(s)", "verdi daemon incr 1")]
    findings += _strays()
    slots = workers * int(get_config_option("daemon.worker_process_slots"))
    active = sum(node.checkpoint is not None for node in unfinished())
    if slots < max(MIN_SLOTS, active + MIN_SLOTS // 2):
        findings.append(
            Finding(
                "slots",
                False,
                f"{slots} for {active} processes at work: parents that wait for children would "
                "hold them all",
                "verdi config set daemon.worker_process_slots 200 && verdi daemon restart",
            )
        )
    else:
        findings.append(Finding("slots", True, f"{slots}, {active} in use"))
    return findings


def _strays() -> list[Finding]:
    found = strays()
    if not found:
        return []
    detail = ", ".join(f"{entry.role} {entry.pid}" for entry in found)
    remedy = "aiida-mliptransport doctor --repair"
    if supervisor_pid() is not None:
        remedy = f"verdi daemon stop && {remedy}; verdi daemon start"
    detail += ": the daemon that started them was killed"
    return [Finding("stray processes", False, detail, remedy)]


def _broker() -> list[Finding]:
    state = broker_state()
    if state is None:
        return []
    running = supervisor_pid() is not None
    if not state.alive:
        # The built-in broker lives and dies with the daemon.
        why = "while the daemon is: it was killed" if running else "(it starts with the daemon)"
        detail = f"is not running {why}"
        return [Finding("broker", not running, detail, DEAF_REMEDY if running else "")]
    deaf = deaf_workers()
    if running and not deaf and state.workers == 0:
        state = _wait_for_workers(state)
    if running and (deaf or state.workers == 0):
        who = f"worker(s) {_numbers(deaf)} do not hear it" if deaf else "no worker is connected"
        return [
            Finding(
                "broker",
                False,
                f"holds {state.pending} task(s) but {who}: the broker was killed and the workers "
                "did not come back",
                DEAF_REMEDY if deaf else "verdi daemon restart",
            )
        ]
    if state.pending is None:
        return [Finding("broker", True, "answers")]
    return [Finding("broker", True, f"{state.pending} task(s) wait, {state.processing} at work")]


def _numbers(processes: list[DaemonProcess]) -> str:
    return ", ".join(str(entry.pid) for entry in processes)


def _wait_for_workers(state: BrokerState) -> BrokerState:
    """Give workers that just started the time to connect."""
    deadline = time.monotonic() + CONNECT_SECONDS
    while state.workers == 0 and time.monotonic() < deadline:
        time.sleep(1.0)
        state = broker_state() or state
    return state


def _processes() -> list[Finding]:
    findings = []
    orphans = find_orphans()
    if orphans:
        findings.append(
            Finding(
                "orphaned processes",
                False,
                f"{_pks(orphans)}: left behind by a killed worker",
                "aiida-mliptransport doctor --repair",
            )
        )
    try:
        lost = find_lost()
    except DaemonException as error:
        findings.append(Finding("lost processes", True, f"not looked for: {error}"))
        lost = []
    if lost:
        findings.append(
            Finding(
                "lost processes",
                False,
                f"{_pks(lost)}: could go on, but the broker has no task for them",
                "aiida-mliptransport doctor --repair",
            )
        )
    return findings or [Finding("processes", True, "none orphaned or lost")]


def _pks(nodes: list[orm.ProcessNode]) -> str:
    shown = ", ".join(f"{node.process_label}<{node.pk}>" for node in nodes[:5])
    return shown + (f" and {len(nodes) - 5} more" if len(nodes) > 5 else "")


def _code(name: str) -> list[Finding]:
    query = orm.QueryBuilder().append(orm.InstalledCode, filters={"label": name})
    codes = [code for (code,) in query.all() if not code.is_hidden]
    if not codes:
        optional = name in OPTIONAL
        return [
            Finding(
                f"code {name}",
                optional,
                "there is none" + (f" (needed for engine {name} only)" if optional else ""),
                REMEDIES.get(name, "aiida-mliptransport setup"),
            )
        ]
    return [finding for code in codes for finding in _examine_code(name, code)]


def _examine_code(name: str, code: orm.InstalledCode) -> list[Finding]:
    subject = f"code {code.full_label}"
    if not code.computer.is_configured:
        return [
            Finding(
                subject,
                False,
                f"computer {code.computer.label!r} is not configured",
                f"verdi computer configure {code.computer.transport_type} {code.computer.label}",
            )
        ]
    checks: dict[str, Callable[[str, Shell], list[Finding]]] = {
        "dp": _check_dp,
        "lmp": _check_lmp,
        "python": _check_python,
        "cp2k": _check_cp2k,
        "vasp": _check_vasp,
    }
    try:
        with Shell(code) as shell:
            status, _ = shell.run(f"test -x {shell.executable}", plain=True)
            if status:
                return [
                    Finding(
                        subject,
                        False,
                        f"{shell.executable} does not exist or cannot be executed",
                        f"verdi code relabel {code.full_label} {name}-old && "
                        "aiida-mliptransport setup",
                    )
                ]
            return checks[name](subject, shell)
    except OSError as error:
        return [
            Finding(
                subject,
                False,
                f"computer {code.computer.label!r} cannot be reached: {error}",
                f"verdi computer test {code.computer.label}",
            )
        ]


class Shell:
    """Run commands on a code's computer, with the texts that its jobs get."""

    def __init__(self, code: orm.InstalledCode) -> None:
        self.code = code
        self.executable = shlex.quote(str(code.get_executable()))

    def __enter__(self) -> Shell:
        self.transport = self.code.computer.get_transport()
        self.transport.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    def run(self, command: str, plain: bool = False) -> tuple[int, str]:
        """Return exit status and output; ``plain`` leaves out the prepended texts."""
        texts = [] if plain else [self.code.computer.get_prepend_text(), self.code.prepend_text]
        script = "\n".join([*(text for text in texts if text), command])
        status, out, err = self.transport.exec_command_wait(
            f"timeout {TIMEOUT} bash -c {shlex.quote(script)}"
        )
        return int(status), f"{out}\n{err}".strip()


def _check_dp(subject: str, shell: Shell) -> list[Finding]:
    status, text = shell.run(f"{shell.executable} --version")
    version = re.search(r"v?(\d+\.\d+[\w.]*)", text)
    if status or version is None:
        return [_does_not_run(subject, text, "pip install 'deepmd-kit[cpu,lmp]'")]
    return [Finding(subject, True, f"DeePMD-kit {version.group(1)}")]


def _check_lmp(subject: str, shell: Shell) -> list[Finding]:
    # An unknown style is an 'Unrecognized pair style'; the loaded plugin complains of no models.
    script = "units metal\\natom_style atomic\\nregion r block 0 1 0 1 0 1\\ncreate_box 1 r\\n"
    name = f"mliptransport-doctor-{uuid.uuid4().hex}.in"
    _, text = shell.run(
        f"cd \"${{TMPDIR:-/tmp}}\" && printf '{script}pair_style deepmd\\n' > {name}; "
        f"{shell.executable} -in {name} -log none; rm -f {name}"
    )
    version = re.search(r"LAMMPS \(([^)]+)\)", text)
    if version is None:
        return [_does_not_run(subject, text, "pip install 'deepmd-kit[cpu,lmp]'")]
    found = Finding(subject, True, f"LAMMPS {version.group(1)}")
    if re.search(r"Unrecognized pair style|Unknown pair style", text):
        return [
            found,
            Finding(
                f"{subject}, pair_style deepmd",
                False,
                "is not known: this LAMMPS does not load the DeePMD plugin",
                "pip install 'deepmd-kit[cpu,lmp]' and use its 'lmp', or set LAMMPS_PLUGIN_PATH in "
                "the code's prepend_text",
            ),
        ]
    return [found, Finding(f"{subject}, pair_style deepmd", True, "loads")]


def _check_python(subject: str, shell: Shell) -> list[Finding]:
    names = (*PYTHON_PACKAGES, "deepmd", "tblite")
    script = (
        "import importlib.metadata as m, importlib.util as u\n"
        f"for n, d in {[(n, {'deepmd': 'deepmd-kit'}.get(n, n)) for n in names]!r}:\n"
        "    print(n, m.version(d) if u.find_spec(n) else '-')\n"
    )
    status, text = shell.run(f"{shell.executable} -c {shlex.quote(script)}")
    found = dict(re.findall(r"^(\w+) (\S+)$", text, flags=re.MULTILINE))
    if status or not found:
        return [_does_not_run(subject, text, "aiida-mliptransport setup")]
    missing = [name for name in PYTHON_PACKAGES if found.get(name, "-") == "-"]
    if missing:
        return [
            Finding(
                subject, False, f"lacks {missing}", f"{shell.executable} -m pip install ase numpy"
            )
        ]
    present = ", ".join(f"{name} {version}" for name, version in found.items() if version != "-")
    absent = [name for name in names if found.get(name, "-") == "-"]
    return [Finding(subject, True, present + (f"; without {', '.join(absent)}" if absent else ""))]


def _check_cp2k(subject: str, shell: Shell) -> list[Finding]:
    status, text = shell.run(f"{shell.executable} --version")
    version = re.search(r"CP2K version ([\w.]+)", text)
    if status or version is None:
        return [_does_not_run(subject, text, "apt-get install cp2k")]
    found = Finding(subject, True, f"CP2K {version.group(1)}")
    # The compiler options wrap at 72 characters, also in the middle of a path.
    unwrapped = re.sub(r"\n\s+", "", text)
    built_in = re.search(r'__DATA_DIR="([^"]+)"', unwrapped)
    default = built_in.group(1) if built_in else "/usr/share/cp2k"
    tests = "; ".join(
        f'test -r "${{CP2K_DATA_DIR:-{default}}}/{name}" || echo missing {name}'
        for name in CP2K_FILES
    )
    _, text = shell.run(f'{tests}; echo "data ${{CP2K_DATA_DIR:-{default}}}"')
    missing = re.findall(r"^missing (\S+)$", text, flags=re.MULTILINE)
    folder = re.search(r"^data (.*)$", text, flags=re.MULTILINE)
    where = folder.group(1) if folder else default
    return [
        found,
        Finding(
            f"{subject}, basis files",
            not missing,
            f"{where} lacks {missing}" if missing else where,
            "apt-get install cp2k-data, or set CP2K_DATA_DIR in the code's prepend_text",
        ),
    ]


def _check_vasp(subject: str, shell: Shell) -> list[Finding]:
    """Look for POTCARs; VASP itself says nothing without inputs."""
    query = orm.QueryBuilder().append(PotcarGroup, project="label")
    families = sorted(query.all(flat=True))
    return [
        Finding(subject, True, f"{shell.executable} is there; VASP tells its version in a run"),
        Finding(
            "POTCAR families",
            bool(families),
            ", ".join(families) or "there is none",
            "aiida-vasp potcar uploadfamily --path FOLDER --name PBE.54 --description '…'",
        ),
    ]


def _does_not_run(subject: str, text: str, remedy: str) -> Finding:
    last = text.splitlines()[-1][:200] if text else "no output"
    return Finding(subject, False, f"does not run: {last}", remedy)
