"""What the label and the MD WorkChain of VASP share: their inputs, and the job they read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiida import orm
from aiida.common.exceptions import NotExistent
from aiida_vasp.calcs.vasp import VaspCalculation
from aiida_vasp.data.potcar import PotcarData
from aiida_vasp.workchains.v2.vasp import VaspWorkChain

from ..calculations.parameters import validation_message
from ..calculations.vasp_md import VaspMDCalculation
from ..calculations.vasp_potcars import Potcar, electrons, potcar_functional, read_potcar
from ..calculations.vasp_settings import VaspSettings, level_of_theory
from ..science.frames import Frames
from .label.failures import failure_class
from .submission import failure_reason

NAMESPACE = "vasp"

#: Inputs of aiida-vasp's WorkChain that follow from our settings, or that nothing here reads.
_SET_BY_US = (
    "structure", "parameters", "kpoints", "kpoints_spacing", "potential_mapping", "ldau_mapping",
    "magmom_mapping", "settings", "dynamics", "restart_folder", "charge_density", "wavefunctions",
    "potential", "site_magnetization", "options", "vdw_kernel", "auto_parallel",
)  # fmt: skip

#: Tags that fix the physics: a handler that changed one made labels of another level of theory.
_PHYSICS = (
    "gga", "encut", "prec", "lreal", "ismear", "sigma", "ispin", "ivdw", "nupdown", "lasph",
    "nelect",
)  # fmt: skip

#: What the parser has to put out: energies that belong to the forces, and all ionic steps.
PARSER_SETTINGS = {
    "parser_settings": {
        "include_node": ["trajectory"],
        # In a Dict, where aiida-vasp also puts them, a NaN would except the job with all its steps.
        "exclude_quantity": ["forces", "stress", "total_energies"],
        "energy_type": ["energy_free", "energy_extrapolated"],
        "electronic_step_energies": True,
        "check_ionic_convergence": False,
    },
    "poscar_precision": 16,
}


class VaspInputError(ValueError):
    """VASP cannot be run with these inputs; the message says which and how to mend it."""


class VaspMDWorkChain(VaspWorkChain):
    """aiida-vasp's WorkChain around :class:`VaspMDCalculation`, which can start from a CONTCAR."""

    _process_class = VaspMDCalculation


def expose_vasp(spec: Any) -> None:
    """Declare the namespace ``vasp``: aiida-vasp's WorkChain with typed settings."""
    declared = set(VaspWorkChain.spec().inputs)
    spec.expose_inputs(
        VaspWorkChain,
        namespace=NAMESPACE,
        exclude=tuple(name for name in _SET_BY_US if name in declared),
    )
    spec.input(
        f"{NAMESPACE}.parameters",
        valid_type=orm.Dict,
        serializer=orm.to_aiida_type,
        validator=_validate_parameters,
        help="functional (PBE, PBEsol, PW91), dispersion, cutoff_eV, energy_tolerance_eV, "
        "precision, k_points, smearing, smearing_width_eV, spin_polarized, magnetic_moments, "
        "hubbard, charge, multiplicity, potentials (element to POTCAR), scf.",
    )


def fill_vasp(
    namespace: Any,
    code: orm.AbstractCode,
    inputs: Mapping[str, Any],
    elements: Iterable[str],
    potential_family: str,
    options: Mapping[str, Any],
) -> None:
    """Set code, settings and POTCAR family of a builder's namespace ``vasp``.

    Elements without an entry in ``settings.potentials`` take the POTCAR of their own name.

    Raises
    ------
    VaspInputError
        If the family lacks a POTCAR.
    """
    settings = dict(inputs["settings"])
    given = dict(settings.get("potentials", {}))
    settings["potentials"] = {e: given.get(e, e) for e in sorted({*elements, *given})}
    find_potcars(settings["potentials"], potential_family)
    namespace.code = code
    namespace.parameters = orm.Dict(settings)
    namespace.potential_family = orm.Str(potential_family)
    namespace.max_iterations = orm.Int(inputs["max_iterations"])
    namespace.calc.metadata.options = dict(options)


def find_potcars(potentials: Mapping[str, str], family: str) -> dict[str, Potcar]:
    """Return element to what its POTCAR in the family says.

    Raises
    ------
    VaspInputError
        If the family or a POTCAR is not in the profile.
    """
    try:
        found = PotcarData.get_potcars_dict(sorted(potentials), family, mapping=dict(potentials))
    except NotExistent as error:
        raise VaspInputError(
            f"potential_family {family!r} lacks a POTCAR of {dict(potentials)}: {error}; upload "
            "it with `aiida-vasp potcar uploadfamily`, or name others in settings.potentials"
        ) from error
    return {element: _read(node) for element, node in found.items()}


def _read(node: PotcarData) -> Potcar:
    return read_potcar(str(node.sha512), node.get_content().decode("utf-8", errors="replace"))


def vasp_level(inputs: Mapping[str, Any], elements: Iterable[str]) -> dict[str, Any]:
    """Return the level of theory of the namespace's settings for these elements.

    ``potcar_functional`` is there where the POTCARs are of another functional than the one asked
    for, as those of PBE that PBEsol is run with.

    Raises
    ------
    VaspInputError
        If an element has no POTCAR.
    PotcarError
        If the POTCARs are of a functional that is not run with the one asked for.
    """
    settings = VaspSettings.model_validate(inputs["parameters"].get_dict())
    potcars = _potcars(inputs, settings, elements)
    level = level_of_theory(settings, {e: potcar.sha512 for e, potcar in potcars.items()})
    other = potcar_functional(settings, potcars)
    return level if other is None else {**level, "potcar_functional": other}


def _potcars(
    inputs: Mapping[str, Any], settings: VaspSettings, elements: Iterable[str]
) -> dict[str, Potcar]:
    missing = sorted(set(elements) - set(settings.potentials))
    if missing:
        raise VaspInputError(
            f"parameters.potentials is {settings.potentials}, expected entries for {missing} too"
        )
    wanted = {element: settings.potentials[element] for element in sorted(set(elements))}
    return find_potcars(wanted, inputs["potential_family"].value)


def charge_problem(inputs: Mapping[str, Any], frames: Frames) -> str | None:
    """Return why frames and settings do not fit in charge or multiplicity, or None."""
    settings = inputs["parameters"].get_dict()
    for system in frames.systems:
        for name, default in (("charge", 0), ("multiplicity", 1)):
            given, asked = getattr(system, name), settings.get(name, default)
            if given != asked:
                return (
                    f"frames have {name} {given} and parameters.{name} is {asked}, expected the "
                    "same; change one of them"
                )
    return None


def vasp_job(
    inputs: Mapping[str, Any],
    structure: orm.StructureData,
    settings: VaspSettings,
    moves: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the inputs of aiida-vasp's WorkChain for a single point, or where the ions move.

    Parameters
    ----------
    moves
        Tags of MD or of a relaxation, which are run once: aiida-vasp's restart begins again with
        all steps, and MD with new velocities.
    """
    symbols = sorted({kind.symbol for kind in structure.kinds})
    incar = {**settings.incar(), **_charge_tags(inputs, settings, structure), **(moves or {})}
    kpoints = orm.KpointsData()
    kpoints.set_kpoints_mesh(list(settings.mesh()))
    job = {
        **{key: value for key, value in inputs.items() if key != "parameters"},
        "structure": structure,
        "parameters": orm.Dict({"incar": incar}),
        "kpoints": kpoints,
        "potential_mapping": orm.Dict({s: settings.potentials[s] for s in symbols}),
        "settings": orm.Dict(PARSER_SETTINGS),
    }
    if moves is not None:
        job["max_iterations"] = orm.Int(1)
    if settings.spin_polarized:
        job["magmom_mapping"] = orm.Dict(
            {"default": 0.0, **{s: m for s, m in settings.magnetic_moments.items() if s in symbols}}
        )
    corrected = {e: [u.orbital, u.u_eV] for e, u in settings.hubbard.items() if e in symbols}
    if corrected:
        job["ldau_mapping"] = orm.Dict({"mapping": corrected, "utype": 2})
    return job


def _charge_tags(
    inputs: Mapping[str, Any], settings: VaspSettings, structure: orm.StructureData
) -> dict[str, Any]:
    """Return the number of electrons of a charged cell, by its POTCARs; nothing without charge."""
    if not settings.charge:
        return {}
    symbols = _symbols(structure)
    potcars = _potcars(inputs, settings, symbols)
    return {"nelect": electrons(settings, potcars, symbols)}


def _symbols(structure: orm.StructureData) -> list[str]:
    return [structure.get_kind(site.kind_name).symbol for site in structure.sites]


def patient_settings(settings: VaspSettings) -> VaspSettings:
    """Return settings with more iterations and the most robust minimiser, of the same physics."""
    scf = settings.scf.model_copy(update={"max_scf": 3 * settings.scf.max_scf, "algorithm": "All"})
    return settings.model_copy(update={"scf": scf})


def last_calculation(node: orm.ProcessNode) -> orm.CalcJobNode | None:
    """Return the last VASP run of aiida-vasp's WorkChain, well ended or not."""
    runs = [child for child in node.called if issubclass(child.process_class, VaspCalculation)]
    return max(runs, key=lambda child: child.pk, default=None)


def changed_physics(node: orm.ProcessNode, run: orm.CalcJobNode) -> dict[str, tuple[Any, Any]]:
    """Return tag to (asked, run) of what a handler of aiida-vasp changed in the physics."""
    asked = node.inputs.parameters["incar"]
    used = {key.lower(): value for key, value in run.inputs.parameters.get_dict().items()}
    return {
        tag: (asked.get(tag), used.get(tag)) for tag in _PHYSICS if asked.get(tag) != used.get(tag)
    }


def readable_run(node: orm.ProcessNode) -> tuple[orm.CalcJobNode | None, tuple[str, str]]:
    """Return the last run of aiida-vasp's WorkChain if it can be read, and else why it cannot.

    The second value is the class of failure and a message; it is empty for a run that can be read.
    """
    run = last_calculation(node)
    if run is None or "trajectory" not in run.outputs or "misc" not in run.outputs:
        reason = failure_reason(run) if run is not None else failure_reason(node)
        return None, (vasp_failure_class(run), reason)
    changed = changed_physics(node, run)
    if changed:
        return None, ("crashed", f"aiida-vasp changed (asked, run): {changed}")
    return run, ("", "")


def vasp_failure_class(run: orm.CalcJobNode | None) -> str:
    """Return the class of failure of a run that gave nothing to read."""
    if run is None:
        return "crashed"
    codes = VaspCalculation.exit_codes
    known = {
        codes.ERROR_ELECTRONIC_NOT_CONVERGED.status: "scf_unconverged",
        codes.ERROR_CRITICAL_MISSING_OBJECT.status: "missing_output",
        codes.ERROR_VASP_DID_NOT_EXECUTE.status: "missing_output",
        codes.ERROR_NOT_ABLE_TO_PARSE_QUANTITY.status: "missing_output",
        codes.ERROR_OVERFLOW_IN_XML.status: "not_finite",
    }
    return known.get(run.exit_status, failure_class(run))


def _validate_parameters(value: orm.Dict | None, _: Any) -> str | None:
    return None if value is None else validation_message(VaspSettings, value.get_dict())
