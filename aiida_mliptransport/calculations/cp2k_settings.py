"""Typed settings of a CP2K calculation, and the level of theory that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from ase.data import atomic_numbers
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from ..data.level_of_theory import GAMMA_WIDTH_A, cell_widths
from ..science.frames import FloatArray

#: A name in a basis-set or potential file; nothing else may reach the input.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+*()-]{0,79}$")]


class _Typed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScfSettings(_Typed):
    """How the energy is minimised; no part of the level of theory except through its accuracy."""

    method: Literal["ot", "diagonalization"] = "ot"
    eps_scf: PositiveFloat = 1e-6
    max_scf: PositiveInt = 30
    outer_max_scf: PositiveInt = 5
    minimizer: Literal["diis", "cg"] = "diis"
    preconditioner: Literal["full_all", "full_single_inverse", "full_kinetic"] = "full_all"
    mixing_alpha: Annotated[float, Field(gt=0.0, le=1.0)] = 0.4


class HubbardSettings(_Typed):
    """A Hubbard term on the shell of angular momentum ``l`` of an element, U − J in eV."""

    l: Annotated[int, Field(ge=0, le=3)]  # noqa: E741 (the quantum number's own name)
    u_minus_j_eV: PositiveFloat


class Cp2kSettings(_Typed):
    """Settings of energy, forces and stress by CP2K's GPW method.

    Parameters
    ----------
    basis_set, potential
        Name in the basis-set and potential files, of every element without one of its own in
        ``basis_sets`` and ``potentials`` (element to name).
    cutoff_Ry, relative_cutoff_Ry, n_grids
        Plane-wave cutoff of the finest grid and of a Gaussian of exponent 1, Ry.
    k_points
        ``gamma`` or a Monkhorst–Pack mesh; a mesh needs ``scf.method = diagonalization``.
    electronic_temperature_K
        Fermi–Dirac smearing; null for none. The energy is then the free energy, which the forces
        belong to.
    unrestricted
        Orbitals of their own for each spin also at multiplicity 1, where an open-shell singlet (an
        antiferromagnet, a stretched bond) lies below the closed-shell one. Any other multiplicity
        has them anyway.
    magnetization
        Element to the unpaired electrons per atom from which the SCF starts: it decides which of
        several spin states is found, so it is part of the level of theory.
    hubbard
        Element to its Hubbard term, from Mulliken populations: in CP2K 2023.1 the only kind whose
        forces and stress are derivatives of the energy, and both at the Γ point only. See
        :func:`stress_is_analytic`.
    ignore_convergence_failure
        CP2K 2024.1 and later stop at the first unconverged frame without it; earlier versions do
        not know the keyword. Unconverged frames never become labels either way.
    """

    functional: Literal["PBE"] = "PBE"
    dispersion: Literal["D3(BJ)", "D3", "none"] = "D3(BJ)"
    dispersion_cutoff_A: PositiveFloat = 15.0
    basis_set: Name
    basis_sets: dict[str, Name] = {}
    potential: Name
    potentials: dict[str, Name] = {}
    cutoff_Ry: Annotated[float, Field(ge=50.0, le=5000.0)]
    relative_cutoff_Ry: Annotated[float, Field(ge=10.0, le=500.0)]
    n_grids: Annotated[int, Field(ge=1, le=10)] = 5
    eps_default: Annotated[float, Field(gt=0.0, le=1e-6)] = 1e-10
    k_points: Literal["gamma"] | tuple[PositiveInt, PositiveInt, PositiveInt] = "gamma"
    electronic_temperature_K: PositiveFloat | None = None
    added_orbitals: Annotated[int, Field(ge=0)] = 0
    charge: int = 0
    multiplicity: PositiveInt = 1
    unrestricted: bool = False
    magnetization: dict[str, float] = {}
    hubbard: dict[str, HubbardSettings] = {}
    scf: ScfSettings = ScfSettings()
    ignore_convergence_failure: bool = False

    @field_validator("basis_sets", "potentials", "magnetization", "hubbard")
    @classmethod
    def _elements(cls, value: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(value) - set(atomic_numbers))
        if unknown:
            raise ValueError(f"has keys {unknown}, expected chemical symbols")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Cp2kSettings:
        if self.scf.method == "ot" and self.k_points != "gamma":
            raise ValueError(
                f"k_points is {self.k_points} with scf.method 'ot', which knows the Γ point only; "
                "set scf.method to 'diagonalization'"
            )
        if self.scf.method == "ot" and (self.electronic_temperature_K or self.added_orbitals):
            raise ValueError(
                "electronic_temperature_K or added_orbitals is set with scf.method 'ot', which "
                "has full occupation only; set scf.method to 'diagonalization'"
            )
        if self.electronic_temperature_K and not self.added_orbitals:
            raise ValueError(
                f"electronic_temperature_K is {self.electronic_temperature_K} with "
                "added_orbitals 0, expected empty orbitals to smear into; set added_orbitals"
            )
        if self.magnetization and not self.spin_polarized:
            raise ValueError(
                f"magnetization is {self.magnetization} with multiplicity 1 and unrestricted "
                "false, where both spins share their orbitals; set unrestricted to true"
            )
        if self.hubbard and self.k_points != "gamma":
            raise ValueError(
                f"hubbard is set for {sorted(self.hubbard)} with k_points {self.k_points}, which "
                "CP2K has not together; set k_points to gamma in a larger cell"
            )
        return self

    @property
    def spin_polarized(self) -> bool:
        """Whether each spin has orbitals of its own."""
        return self.unrestricted or self.multiplicity > 1

    def basis_of(self, element: str) -> str:
        return self.basis_sets.get(element, self.basis_set)

    def potential_of(self, element: str) -> str:
        return self.potentials.get(element, self.potential)


def stress_is_analytic(settings: Cp2kSettings, cells: FloatArray) -> bool:
    """Whether CP2K's stress is the derivative of its energy in all of the cells (n, 3, 3), Å.

    The Hubbard term of CP2K 2023.1 lacks the stress between an atom and its own images: 1 eV per
    unit of strain was seen in a cell of 4 Å, below 0.002 eV in one of 7 Å with compact functions.
    """
    return not settings.hubbard or float(cell_widths(cells).min()) >= GAMMA_WIDTH_A


class Cp2kMDParameters(_Typed):
    """Molecular dynamics: ``ensemble`` nvt (velocity rescaling), npt or nve.

    In npt the cell is scaled as a whole (``pressure_coupling`` iso), or its shape changes too
    (tri). Plane-wave cutoffs belong to the first cell: raise them for accurate densities.
    """

    ensemble: Literal["nvt", "npt", "nve"] = "nvt"
    temperature_K: PositiveFloat
    steps: PositiveInt
    timestep_fs: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    trajectory_stride: PositiveInt = 1
    thermostat_damping_fs: PositiveFloat = 50.0
    pressure_bar: float = 1.0
    pressure_coupling: Literal["iso", "tri"] = "iso"
    barostat_damping_fs: PositiveFloat = 500.0
    seed: Annotated[int, Field(ge=1, lt=2**31)]


class Cp2kRelaxParameters(_Typed):
    """Relaxation of positions, and of the cell to no pressure where ``cell``.

    It ends when no component of a force is larger than ``force_tolerance_eV_A``/√3, so that no
    force is, and with ``cell`` the pressure is within its tolerance. Plane-wave cutoffs belong to
    the first cell: relax the result once more where the cell changed by more than a few percent.
    """

    force_tolerance_eV_A: PositiveFloat = 0.02
    steps: PositiveInt = 200
    cell: bool = False
    pressure_tolerance_bar: PositiveFloat = 500.0


class Cp2kNebParameters(_Typed):
    """A nudged elastic band with improved tangents (Henkelman and Jónsson, 2000) over given images.

    Attributes
    ----------
    climb
        Whether the highest image climbs to the saddle point, from the first step on.
    spring_eV_A2
        Between neighbouring images, along the path only.
    force_tolerance_eV_A
        Largest force on an image, perpendicular to the path where it is not the climbing one.
    steps
        Of the band; each computes all images, the ends too.
    relax_ends
        Whether the ends go to their minima with the images; else they stay where they are.
    """

    climb: bool = True
    spring_eV_A2: PositiveFloat = 1.0
    force_tolerance_eV_A: PositiveFloat = 0.05
    steps: PositiveInt = 50
    relax_ends: bool = False


def level_of_theory(settings: Cp2kSettings, files: Mapping[str, str]) -> dict[str, Any]:
    """Return the physics of the settings.

    Parameters
    ----------
    files : mapping
        Role (``basis_set``, ``potential``, ``dispersion``) to the sha256 of the file's content:
        one name has had different parameters in different releases of CP2K.
    """
    level = settings.model_dump(
        mode="json",
        exclude={"scf", "ignore_convergence_failure", "electronic_temperature_K"},
    )
    if settings.dispersion == "none":
        del level["dispersion_cutoff_A"]
    # What is not used is not named: labels from before these settings keep their level.
    level["unrestricted"] = settings.unrestricted and settings.multiplicity == 1
    for key in ("unrestricted", "magnetization", "hubbard"):
        if not level[key]:
            del level[key]
    if settings.electronic_temperature_K:
        level["smearing"] = {
            "method": "fermi_dirac",
            "temperature_K": settings.electronic_temperature_K,
        }
    else:
        del level["added_orbitals"]
    return {
        "engine": "cp2k",
        "method": "GPW",
        **level,
        "files_sha256": dict(sorted(files.items())),
    }
