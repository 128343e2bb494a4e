"""What checks share: cells that are built from structures, evaluated twice and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from .verdict import CheckLine, Quantity

T = TypeVar("T")
FloatArray = NDArray[np.float64]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Evaluated:
    """Energies, forces and stresses of n cells; NaN where one is not known.

    Attributes
    ----------
    energies : (n,) float
        eV.
    forces : n arrays (N, 3)
        eV/Å.
    stresses : (n, 3, 3) float
        eV/Å³, ASE's sign, without the kinetic part.
    """

    energies: FloatArray
    forces: Sequence[FloatArray]
    stresses: FloatArray

    @property
    def known(self) -> NDArray[np.bool_]:
        """Return which cells have energy and forces ``(n,)``."""
        finite = np.array([bool(np.isfinite(force).all()) for force in self.forces], dtype=bool)
        return np.asarray(np.isfinite(self.energies) & finite, dtype=bool)

    @property
    def n_missing(self) -> int:
        return int(np.count_nonzero(~self.known))


@dataclass(frozen=True)
class CheckResult:
    """Lines of the table, and curves to draw by name."""

    lines: list[CheckLine]
    curves: dict[str, NDArray[Any]] = field(default_factory=dict)


class FrameCheck(BaseModel):
    """A check whose cells follow from structures and settings alone.

    The settings are the fields. ``build`` is deterministic, so that ``compare`` can build the same
    cells again and knows what each of them stands for.

    Attributes
    ----------
    structures
        Names of the structures that it is done on; all where None.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    #: Whether the labeller is asked as well.
    labelled: ClassVar[bool] = True

    structures: tuple[str, ...] | None = None

    def subjects(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return what the check is done on: subject to the names of its structures.

        Raises
        ------
        ValueError
            If the settings name a structure that is not there.
        """
        if self.structures is None:
            return {name: [name] for name in sorted(names)}
        self.require_structures(self.structures, names)
        return {name: [name] for name in self.structures}

    def require_structures(self, wanted: Sequence[str], names: Sequence[str]) -> None:
        """Raise ValueError if a wanted structure is not among ``names``."""
        unknown = sorted(set(wanted) - set(names))
        if unknown:
            raise ValueError(
                f"checks.{self.name} names the structures {unknown}, expected some of "
                f"{sorted(names)}"
            )

    def build(self, cells: Mapping[str, Atoms]) -> list[Atoms]:
        """Return the cells to evaluate.

        Parameters
        ----------
        cells
            The structures of one subject, by name.
        """
        raise NotImplementedError

    def compare(
        self,
        subject: str,
        cells: Mapping[str, Atoms],
        potential: Evaluated,
        labeller: Evaluated | None,
        trained: Mapping[str, float],
    ) -> CheckResult:
        """Return the lines of one subject.

        Parameters
        ----------
        subject, cells
            As they were built.
        potential, labeller
            What each says of the cells, in the order of ``build``; None without any label.
        trained
            Shortest distance in the training frames (Å) by pair of symbols, ``Cl-Li``.
        """
        raise NotImplementedError

    def quantity(self, subject: str, quantity: str, unit: str) -> Quantity:
        """Return what a line of this check is about."""
        return Quantity(self.name, subject, quantity, unit)


def combined(*errors: float | None) -> float | None:
    """Return independent standard uncertainties added in quadrature, None if there is none."""
    known = [error for error in errors if error is not None]
    return float(np.sqrt(np.sum(np.square(known)))) if known else None


def only(cells: Mapping[str, Atoms]) -> Atoms:
    """Return the one structure of a subject."""
    (atoms,) = cells.values()
    return atoms


def of_labels(
    labeller: Evaluated | None, estimate: Callable[[Evaluated], T]
) -> tuple[T | None, str]:
    """Return what ``estimate`` makes of the labels; None and why where there is nothing."""
    if labeller is None:
        return None, "no labels"
    try:
        return estimate(labeller), ""
    except ValueError as error:
        return None, f"labeller: {error}"
