"""What the inputs of a CP2K job amount to: its frames, its files and its level of theory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm

from ..science.frames import Frames, System
from .cp2k_data import file_hashes
from .cp2k_settings import Cp2kSettings, level_of_theory


def job_system(inputs: Mapping[str, Any], settings: Cp2kSettings) -> System:
    """Return the frames of a job, or the images of its path, as one unlabelled system.

    Raises
    ------
    ValueError
        If they are of several compositions, not periodic, or differ from the settings in charge or
        multiplicity.
    """
    if "structure" in inputs:
        atoms = inputs["structure"].get_ase()
        atoms.info = {"charge": settings.charge, "multiplicity": settings.multiplicity}
        atoms.calc = None
        systems = Frames.from_atoms([atoms]).systems
    else:
        given = inputs["path"] if "path" in inputs else inputs["frames"]
        systems = given.frames.without_labels().systems
    if len(systems) != 1:
        formulas = [system.formula for system in systems]
        raise ValueError(
            f"frames hold {len(systems)} systems {formulas}, expected one composition and atom "
            "order in one job"
        )
    system = systems[0]
    if not system.pbc.all():
        raise ValueError(
            f"pbc is {system.pbc.tolist()}, expected a cell that is periodic in all directions"
        )
    for name in ("charge", "multiplicity"):
        if getattr(system, name) != getattr(settings, name):
            raise ValueError(
                f"frames have {name} {getattr(system, name)} and parameters.{name} is "
                f"{getattr(settings, name)}, expected the same; change one of them"
            )
    return system


def job_level_of_theory(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the level of theory of a job's settings and the content of its files."""
    settings = Cp2kSettings.model_validate(inputs["parameters"].get_dict())
    return level_of_theory(
        settings, file_hashes(inputs["files"], dispersion=settings.dispersion != "none")
    )


def check_files(files: Mapping[str, orm.SinglefileData]) -> None:
    """Raise a ValueError unless the namespace ``files`` has the names that it needs."""
    unknown = [
        n for n in files if n not in ("potential", "dispersion") and not n.startswith("basis_set")
    ]
    if unknown or "potential" not in files or "basis_set" not in files:
        raise ValueError(
            f"files are {sorted(files)}, expected basis_set (basis_set_1, …), potential and, for a "
            "dispersion correction, dispersion"
        )
