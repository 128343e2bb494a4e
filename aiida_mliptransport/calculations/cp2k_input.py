"""Render typed settings, frames and MD parameters as CP2K's input and coordinate files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..science.frames import FloatArray, System
from .cp2k_settings import Cp2kMDParameters, Cp2kRelaxParameters, Cp2kSettings, stress_is_analytic

# Names in the run directory: node content must not depend on what a file was called elsewhere.
POTENTIAL_FILE = "POTENTIALS"
DISPERSION_FILE = "dftd3.dat"
COORDINATES_FILE = "aiida.coords.xyz"
RESTART_FILE = "previous.restart"
REFERENCE_TRAJECTORY_FILE = "aiida-reftraj.xyz"
REFERENCE_CELL_FILE = "aiida-reftraj.cell"

#: CP2K's words for the settings' ones.
_MINIMIZERS = {"diis": "DIIS", "cg": "CG"}
_PRECONDITIONERS = {
    "full_all": "FULL_ALL",
    "full_single_inverse": "FULL_SINGLE_INVERSE",
    "full_kinetic": "FULL_KINETIC",
}

#: Bohr; a limit on the last step that every step meets.
ANY_STEP = 10.0


def force_eval(
    settings: Cp2kSettings,
    elements: Sequence[str],
    cells: FloatArray,
    extrapolation: str,
    basis_files: Sequence[str],
) -> dict[str, Any]:
    """Return the FORCE_EVAL section; cells (n, 3, 3) of all frames in Å, the first is its own."""
    stress = stress_is_analytic(settings, cells)
    dft: dict[str, Any] = {
        "BASIS_SET_FILE_NAME": list(basis_files),
        "POTENTIAL_FILE_NAME": POTENTIAL_FILE,
        "CHARGE": settings.charge,
        "MULTIPLICITY": settings.multiplicity,
        "UKS": settings.spin_polarized,
        "QS": {
            "METHOD": "GPW",
            "EPS_DEFAULT": settings.eps_default,
            **_extrapolation(settings, extrapolation),
        },
        "MGRID": {
            "CUTOFF": settings.cutoff_Ry,
            "REL_CUTOFF": settings.relative_cutoff_Ry,
            "NGRIDS": settings.n_grids,
        },
        "SCF": _scf(settings),
        "XC": {"XC_FUNCTIONAL": {"_": settings.functional}, **_dispersion(settings)},
    }
    if settings.hubbard:
        # Forces and stress of the other methods are missing, or no derivatives of the energy.
        dft["PLUS_U_METHOD"] = "MULLIKEN"
    if settings.k_points != "gamma":
        dft["KPOINTS"] = {
            "SCHEME": "MONKHORST-PACK " + " ".join(map(str, settings.k_points)),
            "SYMMETRY": False,
            "FULL_GRID": True,
        }
    return {
        "METHOD": "QUICKSTEP",
        "STRESS_TENSOR": "ANALYTICAL" if stress else "NONE",
        "PRINT": {"STRESS_TENSOR": {"_": "ON" if stress else "OFF"}},
        "DFT": dft,
        "SUBSYS": {
            "CELL": {
                letter: " ".join(f"{x:.12f}" for x in vector)
                for letter, vector in zip("ABC", cells[0], strict=True)
            },
            "TOPOLOGY": {"COORD_FILE_NAME": COORDINATES_FILE, "COORD_FILE_FORMAT": "XYZ"},
            "KIND": [_kind(settings, element) for element in elements],
        },
    }


def _kind(settings: Cp2kSettings, element: str) -> dict[str, Any]:
    kind: dict[str, Any] = {
        "_": element,
        "BASIS_SET": settings.basis_of(element),
        "POTENTIAL": settings.potential_of(element),
    }
    if element in settings.magnetization:
        kind["MAGNETIZATION"] = settings.magnetization[element]
    if element in settings.hubbard:
        term = settings.hubbard[element]
        kind["DFT_PLUS_U"] = {"L": term.l, "U_MINUS_J": f"[eV] {term.u_minus_j_eV}"}
    return kind


def _extrapolation(settings: Cp2kSettings, name: str) -> dict[str, Any]:
    # Wave functions of a k-point mesh cannot be extrapolated by CP2K.
    if settings.k_points != "gamma":
        return {"EXTRAPOLATION": "USE_GUESS"}
    return {"EXTRAPOLATION": name, "EXTRAPOLATION_ORDER": 3}


def _scf(settings: Cp2kSettings) -> dict[str, Any]:
    scf = settings.scf
    section: dict[str, Any] = {
        "SCF_GUESS": "ATOMIC",
        "EPS_SCF": scf.eps_scf,
        "MAX_SCF": scf.max_scf,
        "PRINT": {"RESTART": {"_": "OFF"}},
    }
    if scf.method == "ot":
        section["OT"] = {
            "MINIMIZER": _MINIMIZERS[scf.minimizer],
            "PRECONDITIONER": _PRECONDITIONERS[scf.preconditioner],
        }
        section["OUTER_SCF"] = {"EPS_SCF": scf.eps_scf, "MAX_SCF": scf.outer_max_scf}
    else:
        section["DIAGONALIZATION"] = {"_": "ON"}
        section["MIXING"] = {"METHOD": "BROYDEN_MIXING", "ALPHA": scf.mixing_alpha}
        section["MAX_SCF"] = scf.max_scf * scf.outer_max_scf
        if settings.added_orbitals:
            section["ADDED_MOS"] = settings.added_orbitals
    if settings.electronic_temperature_K:
        section["SMEAR"] = {
            "_": "ON",
            "METHOD": "FERMI_DIRAC",
            "ELECTRONIC_TEMPERATURE": settings.electronic_temperature_K,
        }
    if settings.ignore_convergence_failure:
        section["IGNORE_CONVERGENCE_FAILURE"] = True
    return section


def _dispersion(settings: Cp2kSettings) -> dict[str, Any]:
    if settings.dispersion == "none":
        return {}
    pair = {
        "TYPE": {"D3(BJ)": "DFTD3(BJ)", "D3": "DFTD3"}[settings.dispersion],
        "REFERENCE_FUNCTIONAL": settings.functional,
        "PARAMETER_FILE_NAME": DISPERSION_FILE,
        "R_CUTOFF": f"[angstrom] {settings.dispersion_cutoff_A}",
    }
    return {"VDW_POTENTIAL": {"POTENTIAL_TYPE": "PAIR_POTENTIAL", "PAIR_POTENTIAL": pair}}


def _motion_print(stride: int, md: bool) -> dict[str, Any]:
    each = {"EACH": {"MD": stride}}
    section: dict[str, Any] = {
        "TRAJECTORY": {"_": "ON", **each},
        "FORCES": {"_": "ON", **each},
        "CELL": {"_": "ON", **each},
        "RESTART": {"_": "OFF"},
        "RESTART_HISTORY": {"_": "OFF"},
    }
    if md:
        section["VELOCITIES"] = {"_": "ON", **each}
        # A run that is cut off goes on from its last step, with velocities and thermostat.
        section["RESTART"] = {"_": "ON", "BACKUP_COPIES": 0, "EACH": {"MD": 1}}
    return section


def label_motion(n_frames: int) -> dict[str, Any]:
    """Return the MOTION section that evaluates ``n_frames`` given frames, each with its cell."""
    return {
        "MD": {
            "ENSEMBLE": "REFTRAJ",
            "STEPS": n_frames,
            "REFTRAJ": {
                "TRAJ_FILE_NAME": REFERENCE_TRAJECTORY_FILE,
                "CELL_FILE_NAME": REFERENCE_CELL_FILE,
                "VARIABLE_VOLUME": True,
                "FIRST_SNAPSHOT": 1,
                "LAST_SNAPSHOT": n_frames,
                "STRIDE": 1,
                "EVAL_ENERGY_FORCES": True,
                "EVAL_FORCES": True,
            },
        },
        "PRINT": _motion_print(1, md=False),
    }


def md_motion(md: Cp2kMDParameters) -> dict[str, Any]:
    """Return the MOTION section of molecular dynamics."""
    ensemble = {"iso": "NPT_I", "tri": "NPT_F"}[md.pressure_coupling]
    section: dict[str, Any] = {
        "ENSEMBLE": ensemble if md.ensemble == "npt" else md.ensemble.upper(),
        "STEPS": md.steps,
        "TIMESTEP": md.timestep_fs,
        "TEMPERATURE": md.temperature_K,
        "PRINT": {"ENERGY": {"EACH": {"MD": 1}}},
    }
    if md.ensemble == "npt":
        section["BAROSTAT"] = {
            "PRESSURE": f"[bar] {md.pressure_bar}",
            "TIMECON": md.barostat_damping_fs,
        }
    if md.ensemble != "nve":
        section["THERMOSTAT"] = {
            "TYPE": "CSVR",
            "CSVR": {"TIMECON": md.thermostat_damping_fs},
        }
    return {"MD": section, "PRINT": _motion_print(md.trajectory_stride, md=True)}


def relax_run_type(relax: Cp2kRelaxParameters) -> str:
    return "CELL_OPT" if relax.cell else "GEO_OPT"


def relax_motion(relax: Cp2kRelaxParameters) -> dict[str, Any]:
    """Return the MOTION section of a relaxation that ends by its forces (and pressure) alone."""
    component = f"[eV*angstrom^-1] {relax.force_tolerance_eV_A / 3**0.5}"
    section: dict[str, Any] = {
        "OPTIMIZER": "BFGS",
        "MAX_ITER": relax.steps,
        "MAX_FORCE": component,
        "RMS_FORCE": component,
        "MAX_DR": ANY_STEP,
        "RMS_DR": ANY_STEP,
    }
    if relax.cell:
        # CP2K's own default is 100 bar.
        section["EXTERNAL_PRESSURE"] = "[bar] 0.0"
        section["PRESSURE_TOLERANCE"] = f"[bar] {relax.pressure_tolerance_bar}"
    printed = _motion_print(1, md=False)
    printed["RESTART"] = {"_": "ON", "BACKUP_COPIES": 0}
    return {relax_run_type(relax): section, "PRINT": printed}


def cp2k_input(
    project: str,
    force: Mapping[str, Any],
    motion: Mapping[str, Any],
    run_type: str = "MD",
    seed: int | None = None,
    walltime_s: int | None = None,
    restart: bool = False,
) -> dict[str, Any]:
    """Return the whole input; CP2K ends by itself between two steps after ``walltime_s``.

    With ``restart`` the state (positions, velocities, cell, thermostat, step) is that of a file.
    """
    section: dict[str, Any] = {
        "PROJECT": project,
        "RUN_TYPE": run_type,
        # The SCF iterations of hundreds of frames would be most of the output.
        "PRINT_LEVEL": "LOW",
    }
    if seed is not None:
        section["SEED"] = seed
    if walltime_s is not None:
        section["WALLTIME"] = walltime_s
    content = {"GLOBAL": section, "FORCE_EVAL": dict(force), "MOTION": dict(motion)}
    if restart:
        content["EXT_RESTART"] = {"RESTART_FILE_NAME": RESTART_FILE}
    return content


def xyz_text(system: System) -> str:
    """Return frames as XYZ with the comment lines that CP2K's REFTRAJ reads."""
    lines = []
    for number, frame in enumerate(system.positions, start=1):
        lines += [str(system.n_atoms), f" i = {number:8d}, time = {number:12.3f}, E = 0.0"]
        lines += [
            f"{s:3s} " + " ".join(f"{x:20.12f}" for x in row)
            for s, row in zip(system.symbols, frame, strict=True)
        ]
    return "\n".join(lines) + "\n"


def cell_text(system: System) -> str:
    """Return the cells in the layout of CP2K's cell files."""
    lines = ["# Step Time [fs] Ax Ay Az Bx By Bz Cx Cy Cz [Angstrom] Volume [Angstrom^3]"]
    volumes = np.abs(np.linalg.det(system.cells))
    for number, (cell, volume) in enumerate(zip(system.cells, volumes, strict=True), start=1):
        vectors = " ".join(f"{x:.12f}" for x in cell.ravel())
        lines.append(f"{number} {number:.3f} {vectors} {volume:.10f}")
    return "\n".join(lines) + "\n"
