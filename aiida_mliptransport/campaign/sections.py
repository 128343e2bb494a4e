"""Sections that several files have: structures, and the paths between them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..science.barriers import HarvestSettings

Label = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
Row = Annotated[list[int], Field(min_length=3, max_length=3)]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class StructureSection(Section):
    """One structure file, and what is made of it.

    ``density_g_cm3`` scales the cell isotropically after the supercell was made.
    """

    file: str
    supercell: list[int] | list[Row] | None = None
    density_g_cm3: Annotated[float, Field(gt=0, le=30)] | None = None

    @field_validator("supercell", mode="before")
    @classmethod
    def _three_or_nine(cls, value: Any) -> Any:
        expected = "expected three integers [a, b, c] or three rows of three integers"
        if value is None:
            return value
        if not isinstance(value, list) or len(value) != 3:
            raise ValueError(expected)
        rows = [isinstance(row, list) for row in value]
        if any(rows) and not all(rows):
            raise ValueError(expected)
        entries = [entry for row in value for entry in row] if all(rows) else value
        if any(isinstance(entry, bool) or not isinstance(entry, int) for entry in entries):
            raise ValueError(expected)
        if all(rows):
            if any(len(row) != 3 for row in value):
                raise ValueError(expected)
            if _determinant(value) == 0:
                raise ValueError("expected a matrix with a determinant other than zero")
        elif min(value) < 1:
            raise ValueError("expected multiples of 1 or more")
        return value

    def matrix(self) -> list[list[int]] | None:
        """Return the supercell as a 3x3 matrix (rows), or None."""
        if self.supercell is None:
            return None
        if isinstance(self.supercell[0], list):
            return [list(row) for row in self.supercell]
        a, b, c = self.supercell
        return [[a, 0, 0], [0, b, 0], [0, 0, c]]


class EndsSection(Section):
    """Two states of the same atoms, in the same order and cell."""

    initial: StructureSection
    final: StructureSection


class DirectionsSection(Section):
    """Jumps of an element along lattice directions; the rest as ``directional_end_points``."""

    symbol: str
    directions: Annotated[list[Row], Field(min_length=1)]
    max_angle_degrees: Annotated[float, Field(gt=0)] | None = None
    max_length_A: Annotated[float, Field(gt=0)] | None = None
    min_width_A: Annotated[float, Field(gt=0)] | None = None


class PathsSection(Section):
    """Where paths begin and end: given, along directions of ``host``, or harvested from MD.

    ``parameters`` override those of the band in ``protocols/neb.yaml``; ``relaxed_by`` says what
    finds it on the potential: ASE, or LAMMPS with one process an image.
    """

    paths: dict[Label, EndsSection] = Field(default_factory=dict)
    host: StructureSection | None = None
    directions: DirectionsSection | None = None
    harvest: HarvestSettings | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    relaxed_by: Literal["ase", "lammps"] = "ase"

    def band_overrides(self) -> dict[str, Any]:
        return {"parameters": self.parameters, "relaxed_by": self.relaxed_by}

    @model_validator(mode="after")
    def _some_path(self) -> PathsSection:
        if (self.host is None) != (self.directions is None):
            raise ValueError(
                "expected both of 'host' (a crystal) and 'directions' (symbol, and a list of "
                "[u, v, w] in its cell), or neither"
            )
        if not self.paths and self.directions is None and self.harvest is None:
            raise ValueError(
                "expected 'paths' (initial and final structure by name), 'host' and 'directions', "
                "or 'harvest' (symbol, core_radius_A, window_ps, distance_A)"
            )
        return self


def _determinant(rows: list[list[int]]) -> int:
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
