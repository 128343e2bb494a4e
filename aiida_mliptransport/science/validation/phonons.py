"""Phonons by finite displacements, through phonopy: frequencies of potential and labeller."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from ase import Atoms
from ase.cell import Cell
from numpy.typing import ArrayLike, NDArray
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from pydantic import Field

from ..selection.neighbours import cell_heights
from .check import CheckResult, Evaluated, FloatArray, FrameCheck, Positive, of_labels, only


@dataclass(frozen=True)
class DisplacedCells:
    """The supercell of a crystal and its copies with one atom displaced, as symmetry needs them.

    Parameters
    ----------
    atoms
        The crystal, whose symmetry is found within 1e-5 Å.
    supercell
        Repeats (3,) along the vectors of the cell.
    displacement
        Å.

    Notes
    -----
    A. Togo, J. Phys. Soc. Jpn. 92, 012001 (2023). Fields of long-range dipoles are left out, so
    that optical modes of polar crystals do not split at Γ; they are left out for both forces.
    """

    atoms: Atoms
    supercell: tuple[int, int, int]
    displacement: float

    def _phonopy(self) -> Any:
        atoms = self.atoms
        with warnings.catch_warnings():
            # phonopy 4 warns of what is asked for here: a primitive cell other than the given one.
            warnings.simplefilter("ignore")
            phonons = Phonopy(
                PhonopyAtoms(
                    numbers=atoms.numbers, positions=atoms.positions, cell=np.asarray(atoms.cell)
                ),
                supercell_matrix=np.diag(self.supercell),
                primitive_matrix="auto",
            )
        phonons.generate_displacements(distance=self.displacement)
        return phonons

    def cells(self) -> list[Atoms]:
        """Return the perfect supercell, and those with a displaced atom."""
        phonons = self._phonopy()
        return [
            Atoms(numbers=cell.numbers, positions=cell.positions, cell=cell.cell, pbc=True)
            for cell in (phonons.supercell, *phonons.supercells_with_displacements)
        ]

    @property
    def primitive_cell(self) -> FloatArray:
        """Return the cell (3, 3) in Å whose reciprocal vectors q points are given in."""
        return np.asarray(self._phonopy().primitive.cell, dtype=np.float64)

    def path(self, n_points: int) -> tuple[NDArray[Any], NDArray[Any], list[str]]:
        """Return q points (n, 3) along the lattice's path in the primitive cell's reciprocal one.

        With them the distance (n,) along the path in Å⁻¹ and its special points, as
        ``0.12 G``. W. Setyawan and S. Curtarolo, Comput. Mater. Sci. 49, 299 (2010), by ASE.
        """
        path = Cell(self.primitive_cell).bandpath(npoints=n_points)
        distances, places, labels = path.get_linear_kpoint_axis()
        special = [f"{place:.4f} {label}" for place, label in zip(places, labels, strict=True)]
        return path.kpts, distances, special

    def frequencies(self, forces: Sequence[FloatArray], q_points: ArrayLike) -> FloatArray:
        """Return frequencies (n_q, 3·N_primitive) in THz, imaginary ones as negative numbers.

        Parameters
        ----------
        forces
            eV/Å of ``cells()``, in order. Those of the perfect supercell are subtracted.
        q_points
            ``(n_q, 3)`` in units of the primitive cell's reciprocal vectors.

        Raises
        ------
        ValueError
            If a force is not known.
        """
        missing = sum(not np.isfinite(force).all() for force in forces)
        if missing:
            raise ValueError(f"{missing} of {len(forces)} displaced cells have no forces")
        phonons = self._phonopy()
        phonons.forces = [force - forces[0] for force in forces[1:]]
        phonons.produce_force_constants(show_drift=False)
        phonons.symmetrize_force_constants(show_drift=False)
        phonons.run_qpoints(np.asarray(q_points, dtype=np.float64))
        return np.asarray(phonons.get_qpoints_dict()["frequencies"], dtype=np.float64)


def supercell_of(atoms: Atoms, width: float) -> tuple[int, int, int]:
    """Return the least repeats whose opposite faces are ``width`` Å apart."""
    heights = cell_heights(np.asarray(atoms.cell), np.array([True] * 3))
    a, b, c = (int(number) for number in np.ceil(width / heights - 1e-6))
    return a, b, c


class PhononCheck(FrameCheck):
    """Frequencies along the path of the Brillouin zone, of the structure as it is given."""

    name: ClassVar[str] = "phonons"

    width_A: Positive
    displacement_A: Positive
    n_points: Annotated[int, Field(ge=10)]
    max_rmse_THz: Positive
    #: THz; a mode below minus this is imaginary, above it is noise of the acoustic ones.
    imaginary_THz: Positive

    def displaced(self, atoms: Atoms) -> DisplacedCells:
        return DisplacedCells(atoms, supercell_of(atoms, self.width_A), self.displacement_A)

    def build(self, cells: Mapping[str, Atoms]) -> list[Atoms]:
        return self.displaced(only(cells)).cells()

    def compare(
        self,
        subject: str,
        cells: Mapping[str, Atoms],
        potential: Evaluated,
        labeller: Evaluated | None,
        trained: Mapping[str, float],
    ) -> CheckResult:
        displaced = self.displaced(only(cells))
        q_points, distances, _ = displaced.path(self.n_points)
        ours = displaced.frequencies(potential.forces, q_points)
        theirs, missing = of_labels(
            labeller, lambda labels: displaced.frequencies(labels.forces, q_points)
        )
        curves = {"distances": distances, "q_points": q_points, "frequencies_potential": ours}
        rmse = self.quantity(subject, "RMSE of the frequencies", "THz")
        highest = self.quantity(subject, "highest frequency", "THz")
        lowest = self.quantity(subject, "lowest frequency", "THz")
        if theirs is None:
            lines = [rmse.not_available(missing), highest.not_available(missing, float(ours.max()))]
        else:
            curves["frequencies_labeller"] = theirs
            difference = float(np.sqrt(np.mean((ours - theirs) ** 2)))
            lines = [
                rmse.at_most(difference, self.max_rmse_THz),
                highest.against(
                    float(ours.max()), float(theirs.max()), tolerance=self.max_rmse_THz
                ),
            ]
        bottom = float(ours.min())
        reference = None if theirs is None else float(theirs.min())
        if bottom >= -self.imaginary_THz:
            lines.append(lowest.found("pass", "", bottom, reference))
        else:
            where = ", ".join(f"{x:.3g}" for x in q_points[int(ours.min(axis=1).argmin())])
            n_modes = int(np.count_nonzero(ours < -self.imaginary_THz))
            reason = f"{n_modes} imaginary modes on the path, the worst at q = ({where})"
            if reference is not None and reference < -self.imaginary_THz:
                reason += "; the labeller has imaginary ones too"
                lines.append(lowest.found("warn", reason, bottom, reference))
            else:
                lines.append(lowest.found("fail", reason, bottom, reference))
        return CheckResult(lines, curves)
