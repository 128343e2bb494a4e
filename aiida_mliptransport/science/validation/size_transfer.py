"""Size transfer: errors on cells that are larger than those of the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ase import Atoms

from ..structures.perturbed import rattle
from ..structures.supercells import supercell_of_size
from .check import CheckResult, Count, Evaluated, FrameCheck, Positive, only
from .errors import ErrorLimits, error_lines


class SizeTransferCheck(FrameCheck):
    """Errors on rattled supercells of about ``n_atoms`` atoms."""

    name: ClassVar[str] = "size_transfer"

    n_atoms: Count
    n_cells: Count
    displacement_A: Positive
    seed: Count
    limits: ErrorLimits

    def build(self, cells: Mapping[str, Atoms]) -> list[Atoms]:
        large = supercell_of_size(only(cells), self.n_atoms)
        return rattle(large, stdev=self.displacement_A, n_structures=self.n_cells, seed=self.seed)

    def compare(
        self,
        subject: str,
        cells: Mapping[str, Atoms],
        potential: Evaluated,
        labeller: Evaluated | None,
        trained: Mapping[str, float],
    ) -> CheckResult:
        built = self.build(cells)
        if labeller is None:
            quantity = self.quantity(subject, f"errors on {len(built[0])} atoms", "")
            return CheckResult([quantity.not_available("no labels")])
        where = f"{subject}, {len(built[0])} atoms"
        return CheckResult(error_lines(self.name, where, built, potential, labeller, self.limits))
