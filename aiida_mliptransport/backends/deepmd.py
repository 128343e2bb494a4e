"""DeePMD models: what LAMMPS and ASE need to use them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .base import Backend, LammpsPair, PotentialError, PotentialSpec

#: Written by ``pair_style deepmd`` when there is more than one model.
DEVIATION_FILE = "model_devi.out"


class DeepmdBackend(Backend):
    """Deep potentials trained by DeePMD-kit."""

    name = "deepmd"
    writes_deviation = True

    def run_roles(self) -> tuple[str, ...]:
        """Return the compressed model first: it gives the same forces several times faster."""
        return ("compressed", "model")

    def run_file(self, potential: PotentialSpec) -> str:
        """Return the name of the file that a run uses.

        Raises
        ------
        PotentialError
            If the potential has no file in a role that can be run.
        """
        for role in self.run_roles():
            if role in potential.files:
                return potential.files[role]
        raise PotentialError(
            f"DeePMD potential has files in the roles {sorted(potential.files)}, expected one of "
            f"{list(self.run_roles())}; freeze the model"
        )

    def lammps_pair(
        self,
        potentials: Sequence[PotentialSpec],
        elements: Sequence[str],
        deviation_stride: int | None = None,
    ) -> LammpsPair:
        """Return ``pair_style deepmd`` with all models; the first one drives.

        Raises
        ------
        PotentialError
            If type maps differ or lack an element, or a committee comes without a stride.
        """
        if not potentials:
            raise PotentialError("no potential given for pair_style deepmd, expected one or more")
        self.check_elements(potentials, elements)
        style = "pair_style deepmd " + " ".join(self.run_file(p) for p in potentials)
        deviation_file = None
        if len(potentials) > 1:
            if deviation_stride is None or deviation_stride < 1:
                raise PotentialError(
                    f"deviation_stride is {deviation_stride} for {len(potentials)} potentials, "
                    "expected a number of steps of 1 or more"
                )
            style += f" out_file {DEVIATION_FILE} out_freq {deviation_stride}"
            deviation_file = DEVIATION_FILE
        # Symbols after '* *' are looked up in the model's own type map: without them the order
        # of the data file would be taken for the order of the model, silently.
        return LammpsPair(
            lines=(style, "pair_coeff * * " + " ".join(elements)), deviation_file=deviation_file
        )

    def calculator_spec(self, potential: PotentialSpec) -> dict[str, Any]:
        """Return ``{"name": "deepmd", "model": file, "type_map": symbols}``."""
        return {
            "name": "deepmd",
            "model": self.run_file(potential),
            "type_map": list(potential.type_map),
        }
