"""What the tests of the stand-in share: INCAR tags, a structure, and two readers."""

from __future__ import annotations

import warnings
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.geometry import find_mic
from ase.optimize import BFGS
from pymatgen.io.vasp import Vasprun

SINGLE = {"NSW": 0, "ISIF": 2, "EDIFF": 1e-6}
DYNAMICS = {
    "IBRION": 0,
    "NSW": 4,
    "POTIM": 1.0,
    "TEBEG": 300,
    "ISIF": 2,
    "SMASS": -3,
    "EDIFF": 1e-6,
}
RELAXATION = {"IBRION": 2, "NSW": 60, "EDIFFG": -0.05, "EDIFF": 1e-6}

#: VASP's kB in eV/Å³, with the sign of ASE.
KBAR = -0.1 * units.GPa


def compressed_licl() -> Atoms:
    """Return rattled rocksalt of 8 atoms, compressed, in a cell without right angles."""
    atoms = bulk("LiCl", "rocksalt", a=4.9, cubic=True)
    atoms = atoms[np.argsort(atoms.numbers)]
    strain = np.array([[0, 0, 0.02], [0.03, 0, 0], [0, 0, 0]])
    atoms.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
    atoms.rattle(0.08, seed=3)
    return atoms


def read_xml(folder: Path) -> list[Atoms]:
    """Return all frames of vasprun.xml as ASE reads them."""
    return ase.io.read(folder / "vasprun.xml", index=":")


def quiet_vasprun(folder: Path) -> Vasprun:
    """Return vasprun.xml as pymatgen reads it, without a warning that the potentials are fakes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Vasprun(folder / "vasprun.xml")


def copper_hop(images: int) -> list[Atoms]:
    """Return the hop of an atom into a vacancy of copper: both ends at rest, images between."""
    initial = bulk("Cu", a=3.6, cubic=True) * (2, 2, 2)
    hopper = int(np.argmin(np.linalg.norm(initial.positions - [1.8, 1.8, 0.0], axis=1)))
    final = initial.copy()
    final.positions[hopper] = initial.positions[0]
    del initial[0], final[0]
    for end in (initial, final):
        end.calc = EMT()
        BFGS(end, logfile=None).run(fmax=0.01)
        end.calc = None
    way = find_mic(final.positions - initial.positions, initial.cell)[0]
    path = [initial.copy() for _ in range(images + 2)]
    for number, image in enumerate(path):
        image.positions += way * number / (images + 1)
    return path
