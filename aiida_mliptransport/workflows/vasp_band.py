"""The job of a band by VASP: what aiida-vasp's WorkChain makes of a single point's inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida_vasp.data.potcar import PotcarData
from aiida_vasp.utils.ldau import get_ldau_keys

from ..calculations.vasp_settings import VaspSettings
from .vasp import vasp_job


def band_calculation(
    inputs: Mapping[str, Any],
    structure: orm.StructureData,
    settings: VaspSettings,
    tags: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the inputs that a band shares with a single point, as aiida-vasp's job takes them.

    Parameters
    ----------
    inputs
        The namespace ``vasp``.
    structure
        An end of the band, whose atoms are in VASP's order.
    tags
        Those that make a band of a single point.
    """
    job = vasp_job(inputs, structure, settings, tags)
    incar = dict(job["parameters"]["incar"])
    if "ldau_mapping" in job:
        incar.update(get_ldau_keys(structure, **job["ldau_mapping"].get_dict()))
    if "magmom_mapping" in job:
        moments = job["magmom_mapping"].get_dict()
        incar["magmom"] = " ".join(
            str(moments.get(site.kind_name, moments["default"])) for site in structure.sites
        )
    metadata = dict(job["calc"]["metadata"])
    # The default that the port has of it is the parser of a single point.
    metadata["options"] = {k: v for k, v in metadata["options"].items() if k != "parser_name"}
    return {
        "code": job["code"],
        "parameters": orm.Dict(incar),
        "kpoints": job["kpoints"],
        "potential": PotcarData.get_potcars_from_structure(
            structure, job["potential_family"].value, job["potential_mapping"].get_dict()
        ),
        "settings": orm.Dict({"poscar_precision": 16}),
        "metadata": metadata,
    }
