"""Energies of surfaces and interfaces, unrelaxed, from cells and the crystals they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import numpy as np
from ase import Atoms
from pydantic import BaseModel, ConfigDict, Field

from ..structures.surfaces import list_terminations
from ..units import EV_ANGSTROM2_TO_J_M2
from .check import CheckResult, Evaluated, FrameCheck, Positive, of_labels, only


def excess_energy(
    energy: float,
    atoms: Atoms,
    bulks: Sequence[Atoms],
    bulk_energies: Sequence[float],
    n_faces: int = 2,
) -> float:
    """Return the energy that a cell has above its crystals, per area of its faces, in J/m².

    Parameters
    ----------
    energy
        eV, of a slab or of a cell with two interfaces; its area is that of the first two vectors.
    bulks, bulk_energies
        The crystals and their energies in eV. The cell must hold a whole composition of them.
    n_faces
        Surfaces or interfaces in the cell.

    Raises
    ------
    ValueError
        If the cell is no mixture of the crystals, or an energy is not known.

    Notes
    -----
    γ = (E − Σ n_i E_i)/(n_faces A), with n_i cells of crystal i; for an interface of two strained
    crystals the strain is part of it unless the crystals are given with that strain.
    """
    if not np.isfinite([energy, *bulk_energies]).all():
        raise ValueError("the energy of the cell or of a crystal is not known")
    symbols = sorted(set(atoms.symbols).union(*(bulk.symbols for bulk in bulks)))
    contents = np.array(
        [[list(bulk.symbols).count(symbol) for bulk in bulks] for symbol in symbols], dtype=float
    )
    wanted = np.array([list(atoms.symbols).count(symbol) for symbol in symbols], dtype=float)
    amounts, _, rank, _ = np.linalg.lstsq(contents, wanted, rcond=None)
    formulas = [bulk.get_chemical_formula() for bulk in bulks]
    if rank < len(bulks):
        raise ValueError(
            f"the crystals {formulas} have proportional compositions, so nothing says how many "
            "atoms of the cell belong to which; give crystals of different composition"
        )
    if np.abs(contents @ amounts - wanted).max() > 1e-6:
        raise ValueError(
            f"{atoms.get_chemical_formula()} is not made of whole formula units of {formulas}: its "
            "energy depends on a chemical potential"
        )
    area = float(np.linalg.norm(np.cross(atoms.cell[0], atoms.cell[1])))
    excess = energy - float(amounts @ np.asarray(bulk_energies))
    return excess / (n_faces * area) * EV_ANGSTROM2_TO_J_M2


class SurfaceCheck(FrameCheck):
    """Energies of the stoichiometric terminations of some planes, as cut from the crystal."""

    name: ClassVar[str] = "surfaces"

    planes: Annotated[tuple[tuple[int, int, int], ...], Field(min_length=1)]
    thickness_A: Positive
    vacuum_A: Positive
    max_relative_error: Positive

    def slabs(self, atoms: Atoms) -> dict[str, Atoms]:
        """Return the slabs by plane and rank of the termination, like ``(100) 0``."""
        found = {}
        for plane in self.planes:
            for slab in list_terminations(
                atoms, plane, thickness=self.thickness_A, vacuum=self.vacuum_A
            ):
                if slab.info["slab"]["stoichiometric"]:
                    miller = "".join(str(index) for index in plane)
                    found[f"({miller}) {slab.info['slab']['termination']}"] = slab
        return found

    def build(self, cells: Mapping[str, Atoms]) -> list[Atoms]:
        crystal = only(cells)
        slabs = [Atoms(s.numbers, s.positions, cell=s.cell, pbc=True) for s in
                 self.slabs(crystal).values()]  # fmt: skip
        return [crystal.copy(), *slabs]

    def compare(
        self,
        subject: str,
        cells: Mapping[str, Atoms],
        potential: Evaluated,
        labeller: Evaluated | None,
        trained: Mapping[str, float],
    ) -> CheckResult:
        crystal, lines = only(cells), []
        for index, (name, slab) in enumerate(self.slabs(crystal).items(), start=1):

            def gamma(found: Evaluated, index: int = index, slab: Atoms = slab) -> float:
                return excess_energy(found.energies[index], slab, [crystal], [found.energies[0]])

            reference, missing = of_labels(labeller, gamma)
            lines.append(
                self.quantity(subject, f"energy of surface {name}, unrelaxed", "J/m²").against(
                    gamma(potential),
                    reference,
                    relative_tolerance=self.max_relative_error,
                    missing=missing,
                )
            )
        return CheckResult(lines)


#: A part of a link label in the graph.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9]+(_[A-Za-z0-9]+)*$")]


class InterfaceParts(BaseModel):
    """A cell that holds two like interfaces, and the crystals on either side, by structure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: str
    crystals: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)]


class InterfaceCheck(FrameCheck):
    """Energies of given interfaces against their crystals; give these with the same strain."""

    name: ClassVar[str] = "interfaces"

    #: By a name of letters, digits and single underscores.
    interfaces: Annotated[dict[Name, InterfaceParts], Field(min_length=1)]
    max_relative_error: Positive

    def subjects(self, names: Sequence[str]) -> dict[str, list[str]]:
        wanted = {name: [part.cell, *part.crystals] for name, part in self.interfaces.items()}
        for structures in wanted.values():
            self.require_structures(structures, names)
        return wanted

    def build(self, cells: Mapping[str, Atoms]) -> list[Atoms]:
        return [cells[name].copy() for name in sorted(cells)]

    def compare(
        self,
        subject: str,
        cells: Mapping[str, Atoms],
        potential: Evaluated,
        labeller: Evaluated | None,
        trained: Mapping[str, float],
    ) -> CheckResult:
        parts, order = self.interfaces[subject], sorted(cells)

        def gamma(found: Evaluated) -> float:
            energies = dict(zip(order, found.energies, strict=True))
            return excess_energy(
                energies[parts.cell],
                cells[parts.cell],
                [cells[name] for name in parts.crystals],
                [energies[name] for name in parts.crystals],
            )

        reference, missing = of_labels(labeller, gamma)
        line = self.quantity(subject, "energy of the interface, as given", "J/m²").against(
            gamma(potential),
            reference,
            relative_tolerance=self.max_relative_error,
            missing=missing,
        )
        return CheckResult([line])
