"""Label each small cell once: with CP2K up to a size and a time, else with GFN1-xTB.

Run it in an AiiDA profile that has the codes of `aiida-mliptransport setup`, after
`build_cells.py`: `python examples/cells/label_cells.py cells/`. The labels are in the profile then;
the table goes to the standard output. The exit status is 1 if a cell got no label.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from aiida import load_profile, orm
from aiida.engine import run_get_node
from ase import Atoms
from ase.io import read
from build_cells import rows

from aiida_mliptransport.calculations.ase_parameters import WRONG_IN_GFN1
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.workflows.label.ase import AseLabelWorkChain
from aiida_mliptransport.workflows.label.cp2k import Cp2kLabelWorkChain

#: Metals need fractional occupation and, in a small cell, k-points.
SETTINGS: dict[str, dict[str, Any]] = {
    "Li_bcc": {"k_points": [8, 8, 8], "electronic_temperature_K": 500.0, "added_orbitals": 4},
    "Li111_Li2CO3_001": {"electronic_temperature_K": 500.0, "added_orbitals": 20},
}


@dataclass(frozen=True)
class Label:
    """Outcome of one cell; without frames it failed."""

    name: str
    atoms: int
    engine: str
    seconds: float
    energy: float | None = None
    force: float | None = None
    note: str = ""


def label_with_cp2k(name: str, atoms: Atoms, limit: int, threads: int) -> Label:
    """Label with PBE-D3(BJ), DZVP, protocol `fast`."""
    settings = {**SETTINGS.get(name, {}), "multiplicity": int(atoms.info["multiplicity"])}
    builder = Cp2kLabelWorkChain.get_builder_from_protocol(
        orm.load_code("cp2k@localhost"),
        settings=settings,
        protocol="fast",
        options={
            "max_wallclock_seconds": limit,
            "resources": {
                "num_machines": 1,
                "num_mpiprocs_per_machine": 1,
                "num_cores_per_mpiproc": threads,
            },
        },
    )
    return _run(name, atoms, builder, "CP2K")


def label_with_xtb(name: str, atoms: Atoms, limit: int) -> Label:
    """Label with GFN1-xTB."""
    wrong = sorted(WRONG_IN_GFN1 & set(atoms.symbols))
    if wrong:
        note = f"GFN1-xTB of tblite is wrong in periodic cells with {', '.join(wrong)}"
        return Label(name, len(atoms), "none", 0.0, note=note)
    builder = AseLabelWorkChain.get_builder_from_protocol(
        orm.load_code("python@localhost"),
        protocol="fast",
        options={"max_wallclock_seconds": limit},
    )
    return _run(name, atoms, builder, "GFN1-xTB")


def _run(name: str, atoms: Atoms, builder: Any, engine: str) -> Label:
    builder.frames = FrameSetData(Frames.from_atoms([atoms]))
    started = time.monotonic()
    outputs, node = run_get_node(builder)
    seconds = time.monotonic() - started
    if not node.is_finished_ok:
        failures = outputs["failures"]["failures"] if "failures" in outputs else []
        note = failures[0]["class"] if failures else node.exit_message
        return Label(name, len(atoms), engine, seconds, note=note)
    frames = outputs["frames"]
    system = frames.frames.systems[0]
    return Label(
        name,
        len(atoms),
        f"{engine} ({frames.engine_version})",
        seconds,
        float(system.energies[0]) / len(atoms),
        float(np.linalg.norm(system.forces[0], axis=1).max()),
    )


def label_cell(name: str, atoms: Atoms, cp2k_atoms: int, limit: int, threads: int) -> Label:
    """Label by CP2K if the cell is small enough and it ends in time, else by GFN1-xTB."""
    if len(atoms) > cp2k_atoms:
        return label_with_xtb(name, atoms, limit)
    first = label_with_cp2k(name, atoms, limit, threads)
    if first.energy is not None:
        return first
    second = label_with_xtb(name, atoms, limit)
    reason = f"CP2K: {first.note} after {first.seconds:.0f} s"
    note = f"{reason}; {second.note}" if second.note else reason
    return Label(**{**vars(second), "note": note})


def row_of_table(label: Label) -> str:
    """Return one Markdown row."""
    energy = "" if label.energy is None else f"{label.energy:.4f}"
    force = "" if label.force is None else f"{label.force:.3f}"
    numbers = (label.engine, energy, force, f"{label.seconds:.0f}", label.note)
    return "| " + " | ".join((label.name, str(label.atoms), *numbers)) + " |"


def read_cell(folder: Path, name: str) -> Atoms:
    """Read a cell that was built before."""
    path = folder / f"{name}.extxyz"
    if not path.is_file():
        raise SystemExit(
            f"there is no {path}: run python examples/cells/build_cells.py --output {folder}"
        )
    return read(path, format="extxyz")


def main() -> int:
    """Label, print the table, and return 1 if a cell has no label."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where build_cells.py wrote the cells")
    parser.add_argument("--only", action="append", help="name of a cell; may be repeated")
    parser.add_argument("--cp2k-atoms", type=int, default=60, help="largest cell for CP2K")
    parser.add_argument("--limit", type=int, default=600, help="seconds that a job may take")
    parser.add_argument("--threads", type=int, default=2, help="threads of CP2K")
    chosen = parser.parse_args()
    load_profile()
    names = [row.name for row in rows() if row.label]
    unknown = sorted(set(chosen.only or ()) - set(names))
    if unknown:
        parser.error(f"--only {unknown}: expected some of {names}")
    cells = [(name, read_cell(chosen.folder, name)) for name in names]
    print("| cell | atoms | engine | energy (eV/atom) | largest force (eV/Å) | seconds | note |")
    print("|---|---|---|---|---|---|---|")
    failed = False
    for name, atoms in sorted(cells, key=lambda cell: len(cell[1])):
        if chosen.only and name not in chosen.only:
            continue
        label = label_cell(name, atoms, chosen.cp2k_atoms, chosen.limit, chosen.threads)
        print(row_of_table(label), flush=True)
        failed |= label.energy is None
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
