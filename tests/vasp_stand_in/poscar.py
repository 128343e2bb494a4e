"""POSCAR, CONTCAR and XDATCAR: structures with velocities, in VASP's layout."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import ase.io
import numpy as np
from ase import Atoms, units

from .fortran import NOTICE, exponential, fixed
from .potcar import Potential


@dataclass(frozen=True)
class Poscar:
    """What a POSCAR says.

    Attributes
    ----------
    title : str
        First line.
    atoms : ase.Atoms
        With the constraints of selective dynamics; with velocities where the file has any.
    counts : tuple of int
        Atoms of each group of the file; an element may come in several groups.
    flags : tuple of str or None
        ``T T F`` of each atom, where selective dynamics is on.
    named : tuple of str
        Species as the file names them.
    """

    title: str
    atoms: Atoms
    counts: tuple[int, ...]
    flags: tuple[str, ...] | None
    named: tuple[str, ...]

    @property
    def has_velocities(self) -> bool:
        """Whether there are velocities; VASP writes zeros after a run without dynamics."""
        return bool(self.atoms.has("momenta") and np.any(self.atoms.get_momenta()))


def read_poscar(text: str, potentials: Sequence[Potential]) -> Poscar:
    """Read a POSCAR of version 5 or 6; the elements and masses are those of the POTCAR, as in VASP.

    Raises
    ------
    ValueError
        If the numbers of groups differ, or velocities are in direct coordinates.
    """
    lines = text.splitlines()
    counts = tuple(int(word) for word in lines[6].split())
    if len(counts) != len(potentials):
        raise ValueError(
            f"number of potentials on File POTCAR incompatible with number of species: "
            f"POTCAR has {len(potentials)}, POSCAR has {len(counts)}"
        )
    named = tuple(lines[5].split())
    lines[5] = " ".join(potential.element for potential in potentials)
    n_atoms = sum(counts)
    selective = lines[7].strip()[:1].upper() == "S"
    first = 9 if selective else 8
    after = lines[first + n_atoms] if len(lines) > first + n_atoms else ""
    if after.strip()[:1].upper() == "D":
        raise ValueError("POSCAR has velocities in direct coordinates; give them in Å/fs")
    atoms = ase.io.read(io.StringIO("\n".join(lines) + "\n"), format="vasp")
    velocities = atoms.get_velocities() if atoms.has("momenta") else None
    atoms.set_masses(np.repeat([potential.mass for potential in potentials], counts))
    if velocities is not None:
        # Momenta keep what they are when masses change; the file gives velocities.
        atoms.set_velocities(velocities)
    flags = None
    if selective:
        flags = tuple(" ".join(line.split()[3:6]) for line in lines[first : first + n_atoms])
    return Poscar(lines[0].strip(), atoms, counts, flags, named)


def contcar_text(poscar: Poscar, atoms: Atoms, elements: Sequence[str]) -> str:
    """Return the CONTCAR of ``atoms``; velocities in Å/fs, zeros where there are none."""
    lines = _head(poscar, atoms, elements, cell_decimals=16)
    if poscar.flags is not None:
        lines.append("Selective dynamics")
    lines.append("Direct")
    for index, position in enumerate(atoms.get_scaled_positions(wrap=False) % 1.0):
        line = "".join(fixed(x, 20, 16) for x in position)
        lines.append(line if poscar.flags is None else f"{line}   {poscar.flags[index]}")
    lines.append(" ")
    velocities = atoms.get_velocities() * units.fs
    lines += ["".join(exponential(x, 16, 8) for x in velocity) for velocity in velocities]
    return "\n".join(lines) + "\n"


def xdatcar_header(poscar: Poscar, atoms: Atoms, elements: Sequence[str]) -> str:
    """Return the lines of an XDATCAR before a configuration."""
    return "\n".join(_head(poscar, atoms, elements, cell_decimals=6)) + "\n"


def xdatcar_configuration(index: int, atoms: Atoms) -> str:
    """Return one configuration of an XDATCAR."""
    lines = [f"Direct configuration={index:6d}"]
    for position in atoms.get_scaled_positions(wrap=False) % 1.0:
        lines.append("".join(fixed(x, 12, 8) for x in position))
    return "\n".join(lines) + "\n"


def _head(poscar: Poscar, atoms: Atoms, elements: Sequence[str], cell_decimals: int) -> list[str]:
    title = poscar.title.removesuffix(f" ({NOTICE})")
    lines = [f"{title} ({NOTICE})", "   1.00000000000000     "]
    width = cell_decimals + 6
    lines += ["".join(fixed(x, width, cell_decimals) for x in vector) for vector in atoms.cell]
    lines.append("".join(f"{element:>5}" for element in elements))
    lines.append("".join(f"{count:6d}" for count in poscar.counts))
    return lines
