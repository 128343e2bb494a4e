"""What one run is about: its inputs, read and completed with VASP's defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import incar
from .calculators import CALCULATORS
from .failures import Failure, find_failure
from .kpoints import Kpoints, from_file, from_spacing
from .poscar import Poscar, read_poscar
from .potcar import Potential, read_potcar


class InputError(ValueError):
    """An input at which VASP stops before it computes anything."""


@dataclass(frozen=True)
class Job:
    """The inputs of one run.

    Attributes
    ----------
    tags : mapping
        The INCAR as text by tag; ``parameters`` are these typed, and VASP's defaults.
    image : int
        Number of the image of a band; 0 where there is none.
    vtst : bool
        Whether the program has the VTST tools.
    calculator : str
        A key of :data:`.calculators.CALCULATORS`.
    """

    folder: Path
    tags: Mapping[str, str]
    parameters: Mapping[str, Any]
    poscar: Poscar
    potentials: tuple[Potential, ...]
    kpoints: Kpoints
    calculator: str
    failure: Failure
    image: int = 0
    vtst: bool = False

    @property
    def elements(self) -> tuple[str, ...]:
        """Element of each group of atoms."""
        return tuple(potential.element for potential in self.potentials)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.poscar.atoms)

    @property
    def has_stress(self) -> bool:
        """Whether VASP computes the stress; not by default in molecular dynamics."""
        return bool(self.parameters["ISIF"] >= 2)

    @property
    def is_dynamics(self) -> bool:
        """Whether this is molecular dynamics."""
        return bool(self.parameters["IBRION"] == 0 and self.parameters["NSW"] > 0)


def read_jobs(folder: Path) -> list[Job]:
    """Read the four inputs of VASP in ``folder``; of a band one job for each image and end.

    Raises
    ------
    InputError
        If a file is missing or says what VASP, or this stand-in, cannot do.
    """
    try:
        tags = incar.read_tags((folder / "INCAR").read_text(encoding="utf-8"))
        images = int(tags.get("IMAGES", "0"))
        if not images:
            return [_read_job(folder, tags)]
        return [_read_job(folder, tags, number) for number in range(images + 2)]
    except FileNotFoundError as error:
        raise InputError(f"ERROR: {Path(error.filename).name} is missing") from error
    except ValueError as error:
        raise InputError(str(error)) from error


def _read_job(folder: Path, tags: Mapping[str, str], image: int | None = None) -> Job:
    potentials = tuple(read_potcar((folder / "POTCAR").read_text(encoding="utf-8")))
    own = folder if image is None else folder / f"{image:02d}"
    poscar = read_poscar((own / "POSCAR").read_text(encoding="utf-8"), potentials)
    counts = poscar.counts
    electrons = sum(p.valence * count for p, count in zip(potentials, counts, strict=True))
    enmax = max(potential.enmax for potential in potentials)
    parameters = incar.parameters(tags, enmax, electrons, len(poscar.atoms))
    check_parameters(parameters)
    if image is not None and parameters["IBRION"] not in (1, 3):
        raise ValueError(f"IBRION is {parameters['IBRION']} with IMAGES; expected 1 or 3")
    wavecar = folder / "WAVECAR"
    starts_from_wavecar = wavecar.exists() and wavecar.stat().st_size > 0
    if "ISTART" not in tags:
        parameters["ISTART"] = int(starts_from_wavecar)
    file = folder / "KPOINTS"
    if file.exists():
        kpoints = from_file(file.read_text(encoding="utf-8"))
    else:
        cell = poscar.atoms.cell.array
        kpoints = from_spacing(cell, parameters["KSPACING"], parameters["KGAMMA"])
    facts = {
        **parameters,
        "NATOMS": len(poscar.atoms),
        "VOLUME": round(poscar.atoms.get_volume()),
        "VELOCITIES": poscar.has_velocities,
        "WAVECAR": starts_from_wavecar,
        "IMAGE": image or 0,
    }
    return Job(
        folder=own,
        tags=tags,
        parameters=parameters,
        poscar=poscar,
        potentials=potentials,
        kpoints=kpoints,
        calculator=_calculator(folder, parameters["SYSTEM"]),
        failure=find_failure(folder, parameters["SYSTEM"], facts),
        image=image or 0,
        vtst=bool(os.environ.get("VASP_STAND_IN_VTST")),
    )


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Refuse what VASP refuses, and what the stand-in does not imitate."""
    if parameters["IBRION"] == 0 and parameters["NSW"] > 0 and "POTIM" not in parameters:
        raise ValueError(
            "Fatal error! IBRION=0, but no entry for POTIM on file INCAR. MUST be specified!!"
        )
    known = {
        "IBRION": (-1, 0, 1, 2, 3),
        "ISIF": (0, 2, 3),
        "MDALGO": (0, 1, 2, 3),
        "ISPIN": (1, 2),
        "PSTRESS": (0.0,),
    }
    for tag, values in known.items():
        if parameters[tag] not in values:
            expected = ", ".join(str(value) for value in values)
            raise ValueError(f"{tag} is {parameters[tag]}; the stand-in knows {expected}")
    if parameters["IBRION"] == 0 and parameters["ISIF"] == 3:
        raise ValueError("ISIF is 3 in molecular dynamics; the stand-in keeps the cell (0 or 2)")
    if parameters["SMASS"] not in (-3.0, -1.0) and parameters["SMASS"] < 0:
        raise ValueError(f"SMASS is {parameters['SMASS']}; the stand-in knows -3, -1 and from 0 on")


def _calculator(folder: Path, system: str) -> str:
    """Return the name: from the environment, the file ``calculator``, SYSTEM, or the default."""
    name = os.environ.get("VASP_STAND_IN_CALCULATOR", "")
    if not name and (folder / "calculator").exists():
        name = (folder / "calculator").read_text(encoding="utf-8").strip()
    if not name and (match := re.search(r"\bcalculator=(\S+)", system)):
        name = match.group(1)
    name = name or next(iter(CALCULATORS))
    if name not in CALCULATORS:
        raise ValueError(f"calculator is {name!r}; expected one of {', '.join(CALCULATORS)}")
    return name
