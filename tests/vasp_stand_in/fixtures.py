"""Fixtures around the stand-in: a code, a family of fake potentials, inputs, plain runs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import ase.io
import pytest
from aiida import orm
from aiida.common.exceptions import NotExistent
from aiida_vasp.data.potcar import PotcarData
from ase import Atoms

from .poscar import contcar_text, read_poscar
from .potcar import fake_potcar, read_potcar, write_family
from .program import main

EXECUTABLE = Path(__file__).with_name("vasp_std")

#: Name of the family, and its potentials with their elements.
FAMILY = "PBE.stand-in"
POTENTIALS = {
    **{element: element for element in ("H", "Li", "O", "Na", "Si", "P", "S", "Cl", "Cu")},
    "Li_sv": "Li",
}


@pytest.fixture
def vasp_code(computer: orm.Computer) -> orm.InstalledCode:
    """Return the stand-in as a code that `vasp.vasp` can run."""
    label = "vasp-stand-in"
    try:
        return orm.load_code(f"{label}@{computer.label}")
    except NotExistent:
        return orm.InstalledCode(
            label=label,
            computer=computer,
            filepath_executable=str(EXECUTABLE),
            with_mpi=False,
            # `env python3` is to be the Python of the tests, which has ASE.
            prepend_text=f'export PATH="{Path(sys.executable).parent}:$PATH" OMP_NUM_THREADS=1',
        ).store()


@pytest.fixture(scope="session")
def potcar_family(aiida_profile: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the name of a family of fake potentials in the profile of the tests."""
    source = write_family(tmp_path_factory.mktemp("potentials") / FAMILY, POTENTIALS)
    PotcarData.upload_potcar_family(
        str(source), FAMILY, "fakes of the tests, without VASP data", stop_if_existing=False
    )
    return FAMILY


@pytest.fixture(scope="session")
def pw91_family(aiida_profile: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the name of a family of fakes of LiCl that say that they are of PW91."""
    name = "PW91.stand-in"
    folder = tmp_path_factory.mktemp("potentials_pw91") / name
    source = write_family(folder, {"Li_sv": "Li", "Cl": "Cl"}, lexch="91")
    PotcarData.upload_potcar_family(
        str(source), name, "fakes of the tests, without VASP data", stop_if_existing=False
    )
    return name


@pytest.fixture
def vasp_inputs(
    vasp_code: orm.InstalledCode, potcar_family: str
) -> Callable[[Atoms, Mapping[str, Any]], dict[str, Any]]:
    """Return a factory of inputs of `vasp.vasp` from atoms and an INCAR; k-points are Γ."""

    def factory(atoms: Atoms, incar: Mapping[str, Any]) -> dict[str, Any]:
        structure = orm.StructureData(ase=atoms)
        kpoints = orm.KpointsData()
        kpoints.set_kpoints_mesh([1, 1, 1])
        energies = ["energy_free", "energy_extrapolated", "energy_no_entropy"]
        return {
            "code": vasp_code,
            "structure": structure,
            "parameters": orm.Dict(dict(incar)),
            "kpoints": kpoints,
            "potential": PotcarData.get_potcars_from_structure(structure, potcar_family),
            "settings": orm.Dict(
                {
                    "parser_settings": {
                        "include_node": ["trajectory", "energies"],
                        "energy_type": energies,
                    }
                }
            ),
            "metadata": {
                "options": {
                    "resources": {"num_machines": 1},
                    "max_wallclock_seconds": 300,
                }
            },
        }

    return factory


@dataclass(frozen=True)
class PlainRun:
    """A run without AiiDA: its folder, exit status and stdout."""

    folder: Path
    status: int
    stdout: str


@pytest.fixture
def run_stand_in(tmp_path: Path) -> Callable[..., PlainRun]:
    """Return a function that runs the stand-in in a folder of its own.

    It takes atoms, or the text of a POSCAR, and INCAR tags; ``potcar`` names the elements of the
    POTCAR where they are to differ from the atoms', ``files`` gives further files by name, and
    ``process`` runs the executable instead of its main function.
    """
    count = 0

    def run(
        structure: Atoms | str,
        *,
        potcar: Sequence[str] | None = None,
        files: Mapping[str, str] | None = None,
        process: bool = False,
        **tags: Any,
    ) -> PlainRun:
        nonlocal count
        count += 1
        folder = tmp_path / f"vasp-{count}"
        folder.mkdir()
        write_inputs(folder, structure, tags, potcar)
        for name, content in (files or {}).items():
            (folder / name).write_text(content, encoding="utf-8")
        stdout = folder / "vasp_output"
        if process:
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            with stdout.open("w") as stream:
                done = subprocess.run(
                    [EXECUTABLE], cwd=folder, stdout=stream, env={**os.environ, "PATH": path}
                )
            status = done.returncode
        else:
            with stdout.open("w") as stream, contextlib.redirect_stdout(stream):
                status = main(folder)
        return PlainRun(folder, status, stdout.read_text(encoding="utf-8"))

    return run


def write_inputs(
    folder: Path,
    structure: Atoms | str,
    tags: Mapping[str, Any],
    potcar: Sequence[str] | None = None,
) -> None:
    """Write POSCAR, POTCAR, INCAR and KPOINTS (Γ); atoms are written with their velocities."""
    if isinstance(structure, str):
        text = structure
        elements = list(potcar or text.splitlines()[5].split())
    else:
        groups = [symbol for symbol, _ in groupby(structure.get_chemical_symbols())]
        elements = list(potcar or groups)
        ase.io.write(folder / "POSCAR", structure, format="vasp", direct=True)
        text = (folder / "POSCAR").read_text(encoding="utf-8")
        if structure.has("momenta"):
            fakes = read_potcar("".join(fake_potcar(element) for element in groups))
            text = contcar_text(read_poscar(text, fakes), structure, groups)
    (folder / "POSCAR").write_text(text, encoding="utf-8")
    potentials = "".join(fake_potcar(element) for element in elements)
    (folder / "POTCAR").write_text(potentials, encoding="utf-8")
    incar = "".join(f"{tag} = {_fortran(value)}\n" for tag, value in tags.items())
    (folder / "INCAR").write_text(incar, encoding="utf-8")
    (folder / "KPOINTS").write_text("Gamma\n0\nGamma\n1 1 1\n0 0 0\n", encoding="utf-8")


def _fortran(value: Any) -> str:
    if isinstance(value, bool):
        return ".TRUE." if value else ".FALSE."
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value)
    return str(value)
