"""Label one structure with a calculator: the command of DP-GEN's custom labelling.

Usage: python teacher_recovery_dpgen_label.py CALCULATOR POSCAR FOLDER

CALCULATOR is a JSON file with the description that the package's own labelling jobs take. The
labels (eV, eV/Å, virial in eV) go to ``FOLDER/system_000``, a DeePMD system of one frame.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ase.io import read

from aiida_mliptransport.calculations.runners.calculators import evaluate, make_calculator
from aiida_mliptransport.science.formats import write_deepmd
from aiida_mliptransport.science.frames import Frames, System


def main() -> None:
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    calculator, structure, folder = sys.argv[1:]
    spec = json.loads(Path(calculator).read_text())
    atoms = read(structure, format="vasp")
    atoms.calc = make_calculator(spec)
    energy, forces, stress = evaluate(atoms)
    system = System(
        numbers=atoms.numbers,
        positions=atoms.positions[None],
        cells=atoms.cell.array[None],
        pbc=atoms.pbc,
        energies=[energy],
        forces=forces[None],
        stresses=stress[None],
    )
    write_deepmd(folder, Frames((system,)), spec["type_map"])


if __name__ == "__main__":
    main()
