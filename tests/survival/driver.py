"""Run one campaign in a profile of its own, kill parts of the daemon, and tell what became of it.

With ``--about`` tell it of a campaign that was run already. Called by ``harness.Profile`` as a
program, so that the profile and the broker of the session that runs the tests are not touched.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
from aiida import load_profile, orm
from aiida.common.links import LinkType
from aiida.engine import ProcessBuilder, submit
from aiida.engine.daemon.client import get_daemon_client
from aiida.manage import get_manager
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_mliptransport.calculations.ase_parameters import complete_calculator
from aiida_mliptransport.calculations.runners.calculators import describe
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.level_of_theory import complete_level_of_theory
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.tools.archive import export_study
from aiida_mliptransport.tools.repair import refresh, unfinished
from aiida_mliptransport.workflows.active_learning import ActiveLearningWorkChain

#: Seconds in which a moment must come, and a campaign end once it has been repaired.
TIMEOUT = 600

#: Seconds between two looks at the profile.
POLL_SECONDS = 0.1

EMT_SPEC = {"name": "emt"}

#: Labelled frames that the campaign is given.
N_FIRST = 4


def codes(programs: Path) -> dict[str, orm.InstalledCode]:
    """Return the codes on localhost, made at the first call."""
    if not orm.QueryBuilder().append(orm.InstalledCode).count():
        computer = orm.Computer(
            label="here",
            hostname="localhost",
            transport_type="core.local",
            scheduler_type="core.direct",
            workdir=str(programs / "scratch"),
        ).store()
        computer.set_default_mpiprocs_per_machine(1)
        computer.set_minimum_job_poll_interval(0.2)
        computer.configure(safe_interval=0.0, use_login_shell=False)
        for name in ("dp", "lmp", "python"):
            path = str(programs / name)
            orm.InstalledCode(
                label=name, computer=computer, filepath_executable=path, with_mpi=False
            ).store()
    return {name: orm.load_code(f"{name}@here") for name in ("dp", "lmp", "python")}


def first_frames(atoms: Atoms) -> FrameSetData:
    """Return rattled copies with labels of EMT."""
    images = []
    for seed in range(N_FIRST):
        image = atoms.copy()
        image.rattle(0.1, seed=seed)
        image.calc = EMT()
        energy, forces, stress = (
            image.get_potential_energy(), image.get_forces(), image.get_stress()
        )  # fmt: skip
        image.calc = SinglePointCalculator(image, energy=energy, forces=forces, stress=stress)
        images.append(image)
    frames = Frames.from_atoms(images)
    level = complete_level_of_theory(describe(complete_calculator(EMT_SPEC)), frames)
    return FrameSetData(frames, level_of_theory=level)


def vacancy_hop(atoms: Atoms) -> tuple[orm.StructureData, orm.StructureData]:
    """Return both ends of the hop of the nearest atom into the site of the first one."""
    crystal = atoms * (1, 2, 2)
    hopper = 1 + int(np.argmin(crystal.get_distances(0, range(1, len(crystal)), mic=True)))
    initial, final = crystal.copy(), crystal.copy()
    final.positions[hopper] = crystal.positions[0]
    del initial[0], final[0]
    return orm.StructureData(ase=initial), orm.StructureData(ase=final)


def campaign(programs: Path, seed: int, parameters: dict, targets: dict) -> orm.WorkChainNode:
    """Submit a campaign of one iteration."""
    return submit(campaign_builder(codes(programs), seed, parameters, targets))


def campaign_builder(
    codes: dict[str, orm.InstalledCode], seed: int, parameters: dict, targets: dict
) -> ProcessBuilder:
    """Return the inputs of a campaign of one iteration: AuCu by EMT, a committee of two."""
    atoms = bulk("Cu", "fcc", a=3.8, cubic=True) * (2, 1, 1)
    atoms.symbols[::2] = "Au"
    builder = ActiveLearningWorkChain.get_builder_from_protocol(
        codes=codes,
        structures={"cell": orm.StructureData(ase=atoms)},
        engine="ase",
        temperatures=[600.0],
        engine_options={"calculator": EMT_SPEC},
        seed=seed,
        paths={"ends": {"hop": vacancy_hop(atoms)}} if "barriers" in targets else None,
        protocol="fast",
        overrides={
            # Each campaign of the profile pays for its own labels.
            "label": {"reuse_labels": False},
            "train": {"committee_size": 2, "parameters": parameters},
            "training": {"final": {"training": parameters["training"]}},
            "explore": {
                "parameters": {"steps": 40, "equilibration_steps": 10, "timestep_fs": 1.0}
            },
            "selection": {"n_candidates": 2, "n_blind": 1, "blind_start_ps": 0.0},
            "budget": {"max_iterations": 1},
            "targets": targets,
            "neb": {"parameters": {"images": 1, "relax_ends": False}},
        },
        options={stage: {"max_wallclock_seconds": 120}
                 for stage in ("label", "train", "explore", "evaluate")},
    )  # fmt: skip
    # Every process costs a second of CPU in the daemon: no MD by the labeller.
    del builder["aimd"]
    builder.initial_frames = {"given": first_frames(atoms)}
    return builder


def wait(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {seconds} s")
        time.sleep(POLL_SECONDS)


def n_processes(node: orm.WorkChainNode) -> int:
    refresh()
    return orm.QueryBuilder().append(orm.ProcessNode, filters={"id": {">": node.pk}}).count()


def ended(node: orm.WorkChainNode) -> bool:
    refresh()
    return bool(node.is_sealed)


def daemon_pids() -> dict[str, list[int]]:
    """Return the PIDs of the daemon's processes by role, the supervisor first."""
    supervisor = get_daemon_client().get_daemon_pid()
    children = psutil.Process(supervisor).children()
    found = {"supervisor": [supervisor], "worker": [], "broker": []}
    for child in children:
        for role in ("worker", "broker"):
            if role in child.cmdline():
                found[role].append(child.pid)
    return found


def daemon_runs() -> bool:
    pid = get_daemon_client().get_daemon_pid()
    return pid is not None and psutil.pid_exists(pid)


def kill(target: str) -> None:
    pids = daemon_pids()
    roles = list(pids) if target == "all" else [target]
    for role in roles:
        for pid in pids[role]:
            os.kill(pid, signal.SIGKILL)


def command(*words: str) -> dict:
    """Run a command as a user would; return what it said."""
    program = Path(sys.executable).parent / words[0]
    start = time.monotonic()
    done = subprocess.run([str(program), *words[1:]], capture_output=True, text=True)
    return {
        "command": " ".join(words),
        "status": done.returncode,
        "output": done.stdout + done.stderr,
        "seconds": round(time.monotonic() - start, 1),
    }


def repair() -> list[dict]:
    """Do what the documentation says after a crash."""
    said = [command("aiida-mliptransport", "doctor", "--repair", "--no-codes")]
    if not daemon_runs():
        said.append(command("verdi", "daemon", "start"))
    return said


def finished(node: orm.WorkChainNode) -> dict[str, list[str]]:
    """Return exit status and outputs of all processes of the campaign that have ended well."""
    refresh()
    return {
        child.uuid: [
            f"{link.link_label} {link.node.uuid}"
            for link in child.base.links.get_outgoing(link_type=(LinkType.CREATE, LinkType.RETURN))
        ]
        for child in node.called_descendants
        if child.is_finished and child.is_sealed
    }


def lost(before: dict[str, list[str]], node: orm.WorkChainNode) -> list[str]:
    """Return what of the finished processes is not as it was."""
    after = finished(node)
    return [
        uuid for uuid, outputs in before.items() if sorted(after.get(uuid, ())) != sorted(outputs)
    ]


def outgoing_calls(node: orm.ProcessNode) -> list:
    return node.base.links.get_outgoing(link_type=(LinkType.CALL_CALC, LinkType.CALL_WORK)).all()


def doubled(node: orm.WorkChainNode) -> list[str]:
    """Return children that a process has more than once under one label and that all count."""
    found = []
    for parent in [node, *node.called_descendants]:
        labels = Counter(
            link.link_label for link in outgoing_calls(parent) if not link.node.is_excepted
        )
        found += [f"{parent.process_label}<{parent.pk}> {k}" for k, n in labels.items() if n > 1]
    return found


def excepted(node: orm.WorkChainNode) -> list[str]:
    return [
        f"{child.process_label}<{child.pk}>: {(child.exception or '').splitlines()[-1:]}"
        for child in node.called_descendants
        if child.is_excepted
    ]


def program_runs(programs: Path, node: orm.WorkChainNode) -> dict:
    """Return how often each program ran in each working directory, from the log of the programs."""
    folders = {
        child.get_remote_workdir(): child
        for child in node.called_descendants
        if isinstance(child, orm.CalcJobNode)
    }
    starts: Counter[str] = Counter()
    running: dict[str, int] = {}
    overlapping = []
    for line in (programs / "log").read_text().splitlines():
        event, folder, arguments = line.split(" ", 2)
        if folder not in folders:
            continue
        running[folder] = running.get(folder, 0) + (1 if event == "start" else -1)
        if event == "start":
            starts[f"{folder} {arguments}"] += 1
            if running[folder] > 1:
                overlapping.append(folder)
    again = {key.split(" ", 1)[0] for key, number in starts.items() if number > 1}
    return {
        "runs": len(starts),
        "again": [folders[folder].process_label for folder in sorted(again)],
        "overlapping": overlapping,
    }


def results(node: orm.WorkChainNode) -> dict[str, str]:
    """Return hashes of the content of all outputs of a campaign."""

    def flat(prefix, outputs):
        for key in outputs:
            value = outputs[key]
            if isinstance(value, orm.Node):
                yield f"{prefix}{key}", value.base.caching.compute_hash()
            else:
                yield from flat(f"{prefix}{key}.", value)

    return dict(flat("", node.outputs))


def labels(node: orm.WorkChainNode) -> dict:
    """Return what the campaign counts as labels, and what it holds."""
    sets = [node.outputs[name][key] for name in ("frames", "blind_frames")
            for key in getattr(node.outputs, name, {})]  # fmt: skip
    identities = [i for frames in sets for i in frames.frames.identities()]
    made = [
        identity
        for job in node.called_descendants
        if isinstance(job, orm.CalcJobNode) and not job.is_excepted
        for frames in job.base.links.get_outgoing(node_class=FrameSetData).all_nodes()
        for identity in frames.frames.identities()
    ]
    return {
        "given": N_FIRST,
        "held": len(identities),
        "distinct": len(set(identities)),
        "made": len(made),
        "made_distinct": len(set(made)),
        "counted": node.outputs.history["n_labels_total"],
    }


def facts_about(node: orm.WorkChainNode, programs: Path) -> dict:
    """Return the facts about a campaign that has ended."""
    with tempfile.TemporaryDirectory() as folder:
        size = export_study(node, Path(folder) / "study.aiida").stat().st_size
    return {
        "pk": node.pk,
        "exit_status": node.exit_status,
        "exit_message": node.exit_message or node.exception,
        "processes": n_processes(node),
        "called": sorted(link.link_label for link in outgoing_calls(node)),
        "iterations": node.outputs.history["iterations"],
        "barriers": node.outputs.history["barriers"],
        "jobs": program_runs(programs, node),
        "labels": labels(node),
        "doubled": doubled(node),
        "excepted": excepted(node),
        "unsealed": [child.pk for child in unfinished()],
        "archive_bytes": size,
        "results": results(node),
    }


def wait_for_moment(node: orm.WorkChainNode, after: int, seconds: float) -> None:
    """Wait until the campaign has made so many processes, or has ended."""
    wait(lambda: n_processes(node) >= after or ended(node), seconds, "the moment did not come")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--about", type=int)
    parser.add_argument("--parameters", type=json.loads, default={})
    parser.add_argument("--targets", type=json.loads, default={})
    parser.add_argument("--timeout", type=float, default=TIMEOUT)
    parser.add_argument("--kills", type=json.loads, default=[])
    given = parser.parse_args()
    load_profile()
    if given.about is not None:
        facts = facts_about(orm.load_node(given.about), given.programs)
    else:
        facts = run_and_kill(given)
    print("\n" + json.dumps(facts), flush=True)
    get_manager().reset_profile()


def run_and_kill(given: argparse.Namespace) -> dict:
    """Run a campaign, kill what is asked for on the way, and return the facts about both."""
    start = time.monotonic()
    node = campaign(given.programs, given.seed, given.parameters, given.targets)
    facts: dict = {"kills": []}
    before: dict[str, list[str]] = {}
    for one in given.kills:
        wait_for_moment(node, one["after"], given.timeout)
        time.sleep(one["delay"])
        before |= finished(node)
        facts["kills"].append({**one, "too_late": ended(node), "finished": len(before)})
        kill(one["target"])
        facts["kills"][-1]["said"] = repair()
    try:
        wait(lambda: ended(node), given.timeout, "the campaign did not end")
    except TimeoutError as error:
        facts["stuck"] = str(error)
        facts["open"] = [
            f"{child.process_label}<{child.pk}> {child.process_state} "
            f"checkpoint {child.checkpoint is not None} {child.process_status}"
            for child in unfinished()
        ]
        facts["doctor"] = command("aiida-mliptransport", "doctor", "--no-codes")
        facts["daemon_log"] = Path(get_daemon_client().daemon_log_file).read_text()[-4000:]
    else:
        facts |= facts_about(node, given.programs)
        facts["lost"] = lost(before, node)
    facts["seconds"] = round(time.monotonic() - start, 1)
    return facts


if __name__ == "__main__":
    main()
