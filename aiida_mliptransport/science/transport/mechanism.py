"""By which mechanism ions move: hops, molecules, vibrations and displacements of one point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aiida_mliptransport.science.transport.hop_mechanism import describe_hops
from aiida_mliptransport.science.transport.mechanism_settings import (
    MechanismSettings,
    VanHoveSettings,
    VibrationSettings,
)
from aiida_mliptransport.science.transport.molecule_mechanism import describe_molecules
from aiida_mliptransport.science.transport.reference import (
    FloatArray,
    ReferenceFrame,
    remove_drift,
)
from aiida_mliptransport.science.transport.speciation import Speciation
from aiida_mliptransport.science.transport.van_hove import (
    distinct_van_hove,
    non_gaussian_parameter,
    self_van_hove,
)
from aiida_mliptransport.science.transport.vdos import vibrational_density_of_states

Record = dict[str, Any]
Curves = dict[str, FloatArray]


@dataclass(frozen=True, eq=False)
class MechanismRun:
    """One continuous run, evenly spaced in time.

    Attributes
    ----------
    positions : (n, N, 3) float
        Unwrapped, Å.
    cells : (n, 3, 3) float
        Rows are vectors, Å.
    dt_ps : float
        Time between two frames.
    velocities : (n, N, 3) float, optional
        Å/ps, for the vibrational density of states.
    """

    positions: FloatArray
    cells: FloatArray
    dt_ps: float
    velocities: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class MechanismResult:
    """What was found: `record` as plain values with units in their names, and `curves`."""

    record: Record
    curves: Curves


def analyse_mechanism(
    runs: Sequence[MechanismRun],
    symbols: Sequence[str],
    masses: FloatArray,
    temperature_K: float,
    charges: Mapping[str, float],
    frame: ReferenceFrame,
    settings: MechanismSettings,
) -> MechanismResult:
    """Return what the settings ask for, of independent runs of the same atoms.

    Runs are cut to the length of the shortest and counted together, so that rare events add up.
    A part that the data do not carry (no sites are found, the run is too short for the bandwidth)
    has ``resolved`` False and a ``reason`` for its record.

    Parameters
    ----------
    masses : (N,) float
        u.
    charges
        Of each element, elementary charges.

    Raises
    ------
    ValueError
        If the settings name an element that is absent, velocities are asked for that were not
        stored, or runs differ in their time step.
    """
    _check(runs, symbols, settings)
    n_frames = min(len(run.positions) for run in runs)
    dt = runs[0].dt_ps
    still = [remove_drift(run.positions[:n_frames], symbols, frame, masses) for run in runs]
    cells = [np.asarray(run.cells[:n_frames], dtype=np.float64) for run in runs]
    mean_cell = np.mean(np.concatenate(cells), axis=0)
    names = np.asarray(symbols)
    record: Record = {"n_runs": len(runs), "n_frames": n_frames, "dt_ps": dt}
    curves: Curves = {}
    for element, hop_settings in settings.hops.items():
        own = np.concatenate([run[:, names == element] for run in still], axis=1)
        found = _attempt(describe_hops, own, len(runs), mean_cell, dt, hop_settings)
        record.setdefault("hops", {})[element] = found.record
        curves |= {f"hops_{element}_{key}": value for key, value in found.curves.items()}
    speciation = None
    if settings.molecules is not None:
        found = _attempt(
            describe_molecules,
            still, cells, symbols, masses, charges, temperature_K, dt, settings.molecules,
        )  # fmt: skip
        speciation = found.speciation
        record["molecules"] = found.record
        curves |= {f"molecules_{key}": value for key, value in found.curves.items()}
    if settings.van_hove is not None:
        found = _attempt(_van_hove, still, symbols, mean_cell, dt, settings.van_hove)
        record["non_gaussian"] = found.record
        curves |= found.curves
    if settings.vibrations is not None:
        velocities = [run.velocities[:n_frames] for run in runs if run.velocities is not None]
        groups = _lasting_molecules(speciation, len(symbols))
        found = _attempt(_vibrations, velocities, symbols, masses, dt, settings.vibrations, groups)
        record["vibrations"] = found.record
        curves |= found.curves
    return MechanismResult(record, curves)


@dataclass(frozen=True, eq=False)
class _Part:
    record: Record
    curves: Curves
    speciation: Speciation | None = None


def _attempt(describe: Callable[..., tuple[Any, ...]], *arguments: Any) -> _Part:
    """Return one part, or why the data do not carry it: the others are not lost for that."""
    try:
        return _Part(*describe(*arguments))
    except ValueError as error:
        return _Part({"resolved": False, "reason": str(error)}, {})


def _check(
    runs: Sequence[MechanismRun], symbols: Sequence[str], settings: MechanismSettings
) -> None:
    absent = sorted(settings.elements - set(symbols))
    if absent:
        raise ValueError(
            f"the mechanism is asked for {absent}, but the elements are {sorted(set(symbols))}"
        )
    if any(abs(run.dt_ps / runs[0].dt_ps - 1.0) > 1e-6 for run in runs):
        steps = sorted({run.dt_ps for run in runs})
        raise ValueError(
            f"runs have {steps} ps between frames, expected one; give runs of one stride"
        )
    if settings.vibrations is not None and any(run.velocities is None for run in runs):
        raise ValueError(
            "vibrations need velocities, which the trajectory does not hold; run with "
            "store_velocities: true and a trajectory_stride of a few femtoseconds"
        )


def _van_hove(
    runs: Sequence[FloatArray],
    symbols: Sequence[str],
    cell: FloatArray,
    dt_ps: float,
    settings: VanHoveSettings,
) -> tuple[Record, Curves]:
    """Non-Gaussian parameter of each element as a record, van Hove functions as curves."""
    names = np.asarray(symbols)
    record: Record = {}
    curves: Curves = {}
    for element in dict.fromkeys(symbols):
        own = [run[:, names == element] for run in runs]
        alpha = non_gaussian_parameter(own, dt_ps, settings.lags_ps)
        part = self_van_hove(own, dt_ps, settings.lags_ps, settings.r_max_A, settings.bin_width_A)
        record[element] = {
            "times_ps": alpha.times_ps.tolist(),
            "alpha_2": list(alpha.alpha_2),
            "standard_error": list(alpha.standard_error),
            "resolved": alpha.resolved,
            "reason": alpha.reason,
        }
        curves["van_hove_time_ps"], curves["van_hove_self_r"] = part.times_ps, part.r
        curves[f"van_hove_self_{element}"] = part.density
        curves[f"van_hove_self_{element}_error"] = part.standard_error
    for first, second in settings.pairs:
        pair = distinct_van_hove(
            list(runs), symbols, first, second, cell, dt_ps, settings.lags_ps,
            bin_width=settings.bin_width_A,
        )  # fmt: skip
        curves["van_hove_distinct_r"] = pair.r
        curves[f"van_hove_distinct_{first}_{second}"] = pair.g
        curves[f"van_hove_distinct_{first}_{second}_error"] = pair.standard_error
    return record, curves


def _vibrations(
    velocities: Sequence[FloatArray],
    symbols: Sequence[str],
    masses: FloatArray,
    dt_ps: float,
    settings: VibrationSettings,
    groups: Mapping[str, Sequence[int]],
) -> tuple[Record, Curves]:
    """Density of states of each element, and of the molecules that last, as curves."""
    density = vibrational_density_of_states(
        velocities, masses, symbols, dt_ps, settings.resolution_THz, groups
    )
    curves: Curves = {
        "vdos_THz": density.frequencies_THz,
        "vdos_total": density.total,
        "vdos_total_error": density.total_error,
    }
    for name, values in {**density.by_species, **density.by_group}.items():
        curves[f"vdos_{name}"] = values
        errors = density.by_species_error.get(name, density.by_group_error.get(name))
        curves[f"vdos_{name}_error"] = np.asarray(errors)
    record = {
        "n_modes": density.n_modes,
        "n_segments": density.n_segments,
        "resolution_THz": density.resolution_THz,
        "temperature_K": density.temperature_K,
        "groups": {name: len(atoms) for name, atoms in groups.items()},
        "unit": "modes/THz; 1 THz is 33.356 cm^-1",
        "warning": density.warning,
    }
    return record, curves


def _lasting_molecules(speciation: Speciation | None, n_atoms: int) -> dict[str, list[int]]:
    """Atoms that are in a molecule of one kind from the first frame to the last of every run.

    Molecules of one atom are left out: their element has a density of its own.
    """
    if speciation is None:
        return {}
    n_runs = len(speciation.elements) // n_atoms
    seen = Counter(
        (life.molecule.formula, atom % n_atoms)
        for life in speciation.lives
        if not life.birth_seen and not life.death_seen and len(life.molecule.atoms) > 1
        for atom in life.molecule.atoms
    )
    groups: dict[str, list[int]] = {}
    for (formula, atom), count in sorted(seen.items()):
        if count == n_runs:
            groups.setdefault(formula, []).append(atom)
    return groups
