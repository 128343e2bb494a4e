"""The protocol of a kind of potential: what MD, labelling and evaluation need to know of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class PotentialError(ValueError):
    """A potential does not fit its use; the message names the value and what was expected."""


@dataclass(frozen=True)
class PotentialSpec:
    """A potential as it lies in a run directory.

    Attributes
    ----------
    backend : str
        Name of the backend.
    type_map : tuple of str
        Chemical symbols in the order of the model's type indices.
    cutoff : float
        Å.
    files : mapping
        Role (``model``, ``compressed``) to file name in the run directory.
    parameters : mapping
        Typed parameters of a potential without files (the ``lammps`` backend).
    trained_on_stress : bool
        Whether the potential may be used where the cell moves.
    framework_version : str
        Version of the program that made it.
    """

    backend: str
    type_map: tuple[str, ...]
    cutoff: float
    files: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    trained_on_stress: bool = False
    framework_version: str = ""


@dataclass(frozen=True)
class LammpsPair:
    """What a LAMMPS script needs to use potentials (``units metal``).

    Attributes
    ----------
    lines : tuple of str
        Commands after the atoms are defined: pair_style, pair_coeff, kspace_style, …
    charges : mapping
        Charge of each element (elementary charges); not empty means ``atom_style charge``.
    deviation_file : str or None
        File with the committee's force deviation, if one is written.
    """

    lines: tuple[str, ...]
    charges: Mapping[str, float] = field(default_factory=dict)
    deviation_file: str | None = None


class Backend(ABC):
    """One kind of potential. Stateless; found by name with ``get_backend``."""

    #: Name under which nodes refer to it.
    name: str
    #: Whether MD with one member can write how far the others of a committee deviate from it.
    writes_deviation: bool = False

    @abstractmethod
    def run_roles(self) -> tuple[str, ...]:
        """Roles of the files that MD needs, first choice first; empty if it needs none."""

    @abstractmethod
    def lammps_pair(
        self,
        potentials: Sequence[PotentialSpec],
        elements: Sequence[str],
        deviation_stride: int | None = None,
    ) -> LammpsPair:
        """Return the LAMMPS commands.

        Parameters
        ----------
        potentials
            The first drives; with more than one the deviation of the forces is written.
        elements
            Chemical symbols in the order of the atom types of the LAMMPS data file.
        deviation_stride
            Steps between two lines of the deviation file.

        Raises
        ------
        PotentialError
            If an element is not in a potential's type map, or the committee's maps differ.
        """

    @abstractmethod
    def calculator_spec(self, potential: PotentialSpec) -> dict[str, Any]:
        """Return the JSON description from which ``runners/calculators.py`` builds a calculator."""

    def check_elements(self, potentials: Sequence[PotentialSpec], elements: Sequence[str]) -> None:
        """Raise `PotentialError` unless every potential has the same map with all elements."""
        first = potentials[0].type_map
        for potential in potentials:
            if potential.backend != self.name:
                raise PotentialError(
                    f"potential of backend {potential.backend!r} given to {self.name!r}; a "
                    "committee has one backend"
                )
            if potential.type_map != first:
                raise PotentialError(
                    f"type maps of the committee differ: {list(first)} and "
                    f"{list(potential.type_map)}; train the members with one type map"
                )
        missing = [element for element in elements if element not in first]
        if missing:
            raise PotentialError(
                f"type map {list(first)} of the potential lacks {missing} of the structure; "
                "use a potential trained on these elements"
            )
