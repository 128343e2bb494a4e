"""Typed settings of a VASP calculation, its INCAR, and the level of theory that they stand for."""

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

#: Name of a POTCAR in its family, as Li_sv; nothing else may reach the input.
PotcarName = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9_.]{0,39}$")]

#: INCAR values of each functional and dispersion correction (VASP manual: GGA, IVDW).
_GGA = {"PBE": "PE", "PBEsol": "PS", "PW91": "91"}
_IVDW = {"none": 0, "D3": 11, "D3(BJ)": 12}
_ISMEAR = {"gaussian": 0, "fermi_dirac": -1}


class _Typed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VaspScfSettings(_Typed):
    """How the energy is minimised; no part of the level of theory except through its accuracy."""

    algorithm: Literal["Normal", "Fast", "VeryFast", "All", "Damped"] = "Normal"
    max_scf: Annotated[int, Field(ge=2)] = 100
    min_scf: PositiveInt = 4


class HubbardU(_Typed):
    """Hubbard correction of one element after Dudarev: only U − J matters."""

    orbital: Literal["p", "d", "f"] = "d"
    u_eV: PositiveFloat


class VaspSettings(_Typed):
    """Settings of energy, forces and stress by VASP.

    Parameters
    ----------
    functional
        Stated explicitly: aiida-vasp's own protocols differ in it.
    cutoff_eV, energy_tolerance_eV
        ENCUT and EDIFF, eV.
    k_points
        ``gamma`` or a Γ-centred mesh.
    smearing_width_eV
        SIGMA, eV. The energy is the free energy, which the forces belong to.
    charge
        Of the cell, elementary charges; the electrons are those of the POTCARs less the charge.
        VASP adds a uniform background, and no correction for the images.
    potentials
        Element to name of its POTCAR in the family.
    magnetic_moments
        Start value by element, μ_B; an element without one starts from 0.
    """

    functional: Literal["PBE", "PBEsol", "PW91"]
    dispersion: Literal["D3(BJ)", "D3", "none"] = "none"
    cutoff_eV: Annotated[float, Field(ge=100.0, le=3000.0)]
    energy_tolerance_eV: Annotated[float, Field(gt=0.0, le=1e-2)]
    precision: Literal["Normal", "Accurate"] = "Accurate"
    real_space_projection: bool = False
    k_points: Literal["gamma"] | tuple[PositiveInt, PositiveInt, PositiveInt] = "gamma"
    smearing: Literal["gaussian", "fermi_dirac"] = "gaussian"
    smearing_width_eV: PositiveFloat = 0.05
    spin_polarized: bool = False
    magnetic_moments: dict[str, float] = {}
    hubbard: dict[str, HubbardU] = {}
    charge: int = 0
    multiplicity: PositiveInt = 1
    potentials: dict[str, PotcarName]
    scf: VaspScfSettings = VaspScfSettings()

    @field_validator("potentials", "hubbard", "magnetic_moments")
    @classmethod
    def _elements(cls, value: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(value) - set(atomic_numbers))
        if unknown:
            raise ValueError(f"has keys {unknown}, expected chemical symbols")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> VaspSettings:
        if not self.spin_polarized and (self.magnetic_moments or self.multiplicity != 1):
            raise ValueError(
                f"magnetic_moments is {self.magnetic_moments} and multiplicity "
                f"{self.multiplicity} without spin; set spin_polarized to true"
            )
        return self

    def incar(self) -> dict[str, Any]:
        """Return the INCAR of a single point, tags in lower case as aiida-vasp wants them."""
        tags: dict[str, Any] = {
            "gga": _GGA[self.functional],
            "encut": self.cutoff_eV,
            "ediff": self.energy_tolerance_eV,
            "prec": self.precision,
            "lreal": "Auto" if self.real_space_projection else False,
            "ismear": _ISMEAR[self.smearing],
            "sigma": self.smearing_width_eV,
            "ispin": 2 if self.spin_polarized else 1,
            "algo": self.scf.algorithm,
            "nelm": self.scf.max_scf,
            "nelmin": self.scf.min_scf,
            "isym": 0,
            "lasph": True,
            "lwave": False,
            "lcharg": False,
            "ibrion": -1,
            "nsw": 0,
            "isif": 2,
        }
        if _IVDW[self.dispersion]:
            tags["ivdw"] = _IVDW[self.dispersion]
        if self.multiplicity != 1:
            tags["nupdown"] = self.multiplicity - 1
        return tags

    def mesh(self) -> tuple[int, int, int]:
        """Return the Γ-centred mesh."""
        return (1, 1, 1) if self.k_points == "gamma" else self.k_points


class VaspMDParameters(_Typed):
    """Molecular dynamics: ``ensemble`` nvt (Nosé–Hoover) or nve.

    The thermostat's mass is VASP's own (SMASS = 0: a period of 40 time steps).
    """

    ensemble: Literal["nvt", "nve"] = "nvt"
    temperature_K: PositiveFloat
    steps: PositiveInt
    timestep_fs: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    trajectory_stride: PositiveInt = 1
    seed: Annotated[int, Field(ge=1, lt=2**31)]

    def incar(self) -> dict[str, Any]:
        """Return the tags that make MD of a single point's INCAR."""
        return {
            "ibrion": 0,
            "nsw": self.steps,
            "potim": self.timestep_fs,
            "tebeg": self.temperature_K,
            "teend": self.temperature_K,
            "smass": 0 if self.ensemble == "nvt" else -3,
            "random_seed": [self.seed, 0, 0],
        }


def level_of_theory(settings: VaspSettings, potcars: Mapping[str, str]) -> dict[str, Any]:
    """Return the physics of the settings.

    Parameters
    ----------
    potcars : mapping
        Element to the sha512 of its POTCAR: one name has had different content in different
        releases.
    """
    level = settings.model_dump(mode="json", exclude={"scf"})
    if not settings.spin_polarized:
        del level["magnetic_moments"]
    level["potentials"] = {element: settings.potentials[element] for element in sorted(potcars)}
    return {
        "engine": "vasp",
        "method": "PAW",
        **level,
        "potcars_sha512": dict(sorted(potcars.items())),
    }
