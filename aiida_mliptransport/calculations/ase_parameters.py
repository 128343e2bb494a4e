"""Typed settings of the ASE jobs: calculators by name, MD and relaxation parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from ..backends import PotentialSpec
from ..backends.lammps import LammpsBackend, tosi_fumi
from ..backends.tosi_fumi import TOSI_FUMI_SALTS
from .parameters import validation_message

Count = Annotated[int, Field(strict=True, ge=1)]
CountOrZero = Annotated[int, Field(strict=True, ge=0)]
Positive = Annotated[FiniteFloat, Field(gt=0)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Tblite(_Settings):
    """GFN1- or GFN2-xTB at the Γ point of the cell."""

    name: Literal["tblite"]
    method: Literal["GFN1-xTB", "GFN2-xTB"] = "GFN1-xTB"
    # Above 20 the integrals are cut so short that energies change by 1e-5 eV per atom and more.
    accuracy: Annotated[FiniteFloat, Field(gt=0, le=20)] = 1.0
    electronic_temperature_K: Positive = 300.0
    max_iterations: Count = 250
    mixer_damping: Annotated[FiniteFloat, Field(gt=0, le=1)] = 0.4
    charge: Annotated[int, Field(strict=True)] | None = None
    multiplicity: Count | None = None


class Emt(_Settings):
    """Effective medium theory of ASE: metals in a fraction of a second, for tests."""

    name: Literal["emt"]


class LennardJones(_Settings):
    """One Lennard-Jones species, smooth at the cutoff (default: three times sigma)."""

    name: Literal["lj"]
    epsilon_eV: Positive
    sigma_A: Positive
    cutoff_A: Positive | None = None


class MoltenSalt(_Settings):
    """Rigid ions after Tosi and Fumi with an Ewald sum by LAMMPS: a fast teacher."""

    name: Literal["molten_salt"]
    salt: Literal[TOSI_FUMI_SALTS]
    cutoff_A: Positive = 8.0
    # Relative to the force of two unit charges 1 Å apart; 1e-6 is 1.4e-5 eV/Å.
    ewald_accuracy: Annotated[FiniteFloat, Field(gt=0, lt=0.1)] = 1e-6


CALCULATORS: dict[str, type[BaseModel]] = {
    "tblite": Tblite,
    "emt": Emt,
    "lj": LennardJones,
    "molten_salt": MoltenSalt,
}

#: Elements that EMT has parameters for.
EMT_ELEMENTS = frozenset(("H", "C", "N", "O", "Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"))

#: GFN-xTB is parametrised up to radon.
XTB_LAST_ELEMENT = 86

#: Elements for which GFN1-xTB forces of tblite 0.8.0 are not the derivative of the energy in
#: periodic cells; tests/test_cells.py watches whether a later one mends it.
WRONG_IN_GFN1 = frozenset(("Br", "I"))


class MDParameters(_Settings):
    """One MD run in a fixed cell; steps of the equilibration come first and are not recorded."""

    ensemble: Literal["nvt", "nve"] = "nvt"
    temperature_K: Positive
    steps: Count
    timestep_fs: Annotated[FiniteFloat, Field(gt=0, le=20)]
    thermostat: Literal["bussi", "langevin"] = "bussi"
    thermostat_damping_fs: Positive = 100.0
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)]
    trajectory_stride: Count = 10
    thermo_stride: Count = 10
    species_stride: Count | None = None
    equilibration_steps: CountOrZero = 0
    store_velocities: bool = False
    store_forces: bool = False


class RelaxParameters(_Settings):
    """Relaxation of positions, and of the cell where ``cell``."""

    force_tolerance_eV_A: Positive = 0.02
    steps: Count = 200
    cell: bool = False


class NebParameters(_Settings):
    """A nudged elastic band with improved tangents (Henkelman and Jónsson, 2000).

    Attributes
    ----------
    images
        Between the ends; not looked at where a path is given.
    climb
        Whether the highest image climbs to the saddle point.
    force_tolerance_eV_A
        Largest force on an image, perpendicular to the path where it is not the climbing one.
    steps
        Of the band, both stages together.
    relax_ends
        Whether the ends are brought to their minima first.
    charge, multiplicity
        Of the cell, for the labels of its images; a cell that lost a lithium ion has charge -1. A
        potential does not know of it, and a calculator names its own.
    """

    images: Annotated[int, Field(strict=True, ge=1, le=50)] = 5
    climb: bool = True
    spring_eV_A2: Positive = 0.1
    force_tolerance_eV_A: Positive = 0.03
    steps: Count = 300
    relax_ends: bool = True
    end_force_tolerance_eV_A: Positive = 0.01
    end_steps: Count = 300
    charge: Annotated[int, Field(strict=True)] = 0
    multiplicity: Count = 1


def calculator_message(content: Mapping[str, Any], elements: list[str]) -> str | None:
    """Return why a calculator's description does not fit, or None if it does.

    Calculators that read files (a trained potential) are not among those that can be named here:
    they come as a potential.
    """
    from ase.data import atomic_numbers

    name = content.get("name")
    if name not in CALCULATORS:
        return (
            f"calculator name is {name!r}, expected one of {sorted(CALCULATORS)}; give a trained "
            "or classical potential through 'potential'"
        )
    message = validation_message(CALCULATORS[name], content)
    if message is not None:
        return f"calculator: {message}"
    if name == "emt":
        missing = [symbol for symbol in elements if symbol not in EMT_ELEMENTS]
    elif name == "molten_salt":
        known = tosi_fumi(content["salt"])["type_map"]
        missing = [symbol for symbol in elements if symbol not in known]
    elif name == "tblite":
        missing = [symbol for symbol in elements if atomic_numbers[symbol] > XTB_LAST_ELEMENT]
        wrong = sorted(WRONG_IN_GFN1.intersection(elements))
        if wrong and content.get("method", "GFN1-xTB") == "GFN1-xTB":
            return (
                "calculator: method is 'GFN1-xTB', whose forces by tblite are wrong in periodic "
                f"cells with {wrong}; choose 'GFN2-xTB', or an engine other than tblite"
            )
    else:
        missing = elements[1:]
    if missing:
        return f"calculator {name!r} has no parameters for {missing}; choose another one"
    return None


def complete_calculator(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a calculator's description with every default written out, as the runner takes it.

    ``molten_salt`` becomes the LAMMPS potential that it stands for, which is also its level of
    theory.
    """
    settings = CALCULATORS[content["name"]].model_validate(content)
    if isinstance(settings, MoltenSalt):
        return _rigid_ions(settings)
    return settings.model_dump(exclude_none=True)


def _rigid_ions(settings: MoltenSalt) -> dict[str, Any]:
    arguments = tosi_fumi(settings.salt, settings.cutoff_A, "ewald", settings.ewald_accuracy)
    spec = LammpsBackend().calculator_spec(
        PotentialSpec(
            backend=arguments["backend"],
            type_map=tuple(arguments["type_map"]),
            cutoff=arguments["cutoff"],
            parameters=arguments["parameters"],
        )
    )
    # From tables, which LAMMPS would take, energies are not quite those of the forces.
    return {**spec, "lines": [*spec["lines"], "pair_modify table 0"]}
