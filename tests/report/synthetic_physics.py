"""Numbers for the tests of the report, from laws that a reader can check by eye."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.units import kB

from aiida_mliptransport.science.frames import Frames, System

#: eV, of D and of σT alike.
ACTIVATION = {"Li": 0.28, "Cl": 0.24, "sigma_T": 0.27}
PREFACTOR = {"Li": 2.1e-3, "Cl": 1.05e-3}
TEMPERATURES = (900.0, 1100.0, 1300.0, 1500.0)
VOLUME = 2048.0  # Å³, 64 atoms


def diffusion(element: str, temperature: float) -> float:
    """D in cm²/s by Arrhenius' law."""
    return PREFACTOR[element] * float(np.exp(-ACTIVATION[element] / (kB * temperature)))


def labelled_frames(n_frames: int, seed: int, n_pairs: int = 8) -> Frames:
    """Frames of a rocksalt-like LiCl cell with random labels of the right size."""
    rng = np.random.default_rng(seed)
    numbers = np.array([3, 17] * n_pairs)
    grid = np.array([(i, j, k) for i in range(4) for j in range(2) for k in range(2)])
    start = grid[: len(numbers)] * 2.6
    positions = start + rng.normal(scale=0.25, size=(n_frames, len(numbers), 3))
    cell = np.diag([10.4, 5.2, 5.2])
    forces = rng.normal(scale=1.0, size=positions.shape)
    return Frames(
        (
            System(
                numbers=numbers,
                positions=positions,
                cells=np.repeat(cell[None], n_frames, axis=0),
                pbc=np.array([True] * 3),
                energies=-3.4 * len(numbers) + rng.normal(scale=0.6, size=n_frames),
                forces=forces - forces.mean(axis=1, keepdims=True),
            ),
        )
    )


def predictions(frames: Frames, rmse: float, seed: int) -> dict[str, np.ndarray]:
    """Predicted arrays with the contract's names: the labels and an error of the given size."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for number, system in enumerate(frames):
        assert system.forces is not None
        assert system.energies is not None
        noise = rng.normal(scale=rmse, size=system.forces.shape)
        arrays[f"system_{number:03d}_forces"] = system.forces + noise
        arrays[f"system_{number:03d}_energies"] = system.energies + rng.normal(
            scale=0.004 * system.n_atoms**0.5, size=system.n_frames
        )
    return arrays


def calibration(number: int, rmse: float) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Content of ``levels`` and ``points``; the first iteration has too few frames."""
    rng = np.random.default_rng(number)
    n_frames = 10 * number
    points, species = {}, {}
    for symbol, ratio in (("Li", 2.5), ("Cl", 3.4)):
        points[f"{symbol}_deviation"] = rmse * rng.lognormal(0.0, 0.3, n_frames)
        points[f"{symbol}_error"] = (
            points[f"{symbol}_deviation"] * ratio * rng.lognormal(0.0, 0.3, n_frames)
        )
        entry: dict[str, Any] = {
            "n_frames": n_frames,
            "n_independent": 8.6 * number,
            "accurate_error": 0.96,
            "failed_error": 1.6,
        }
        if number < 3:
            entry["reason"] = f"not available: {8.6 * number:.1f} independent blind frames"
        else:
            bounds = {"lower": ratio / 2.0, "upper": 1.9 * ratio}
            entry |= {
                "reason": "",
                "error_over_deviation": bounds,
                "low": 0.96 / bounds["upper"],
                "high": 1.6 / bounds["lower"],
            }
        species[symbol] = entry
    levels = {
        "low": 0.96 / (1.9 * 3.4) if number == 3 else 1.5 * rmse,
        "high": 3.0 * rmse if number == 3 else 2.25 * rmse,
        "source": "calibrated" if number == 3 else "blind test",
        "reasons": ["low = 1.5 × blind component RMSE"],
        "by_species": species,
    }
    return levels, points


def errors(n_frames: int, rmse: float) -> dict[str, Any]:
    """Content of the ``errors`` Dict of an evaluation."""
    return {
        "n_frames": n_frames,
        "force": {
            "rmse_component": rmse,
            "rmse_vector": 3**0.5 * rmse,
            "mae_component": 0.8 * rmse,
            "reference_rms": 0.97,
            "relative": rmse / 0.97,
            "standard_error": 0.07 * rmse,
        },
        "force_by_species": {
            "Li": {"rmse_component": 0.9 * rmse},
            "Cl": {"rmse_component": 1.09 * rmse},
        },
        "energy": {"rmse_per_atom_eV": 0.012 * rmse},
        "stress": None,
        "members": [],
    }


def selection(iteration: int, low: float, high: float, n_frames: int, seed: int) -> dict[str, Any]:
    """Content of the ``selection`` Dict: deviations shrink from one iteration to the next."""
    rng = np.random.default_rng(seed)
    deviation = 0.62 * 0.55**iteration * rng.lognormal(sigma=0.42, size=n_frames)
    unphysical = max(0, 14 - 6 * iteration)
    physical = deviation[unphysical:]
    edges = np.linspace(0.0, 2 * high, 41)
    counts, _ = np.histogram(np.minimum(physical, edges[-1]), bins=edges)
    accurate = int(np.sum(physical < low))
    failed = int(np.sum(physical >= high))
    lacking = 80 if iteration == 0 else 0
    return {
        "n_frames": n_frames,
        "n_expected_frames": n_frames + lacking,
        "accurate": accurate,
        "candidate": len(physical) - accurate - failed,
        "failed": failed,
        "unphysical": unphysical,
        "share_accurate": accurate / (n_frames + lacking),
        "deviation_histogram": {"edges_eV_A": edges.tolist(), "counts": counts.tolist()},
        "by_trajectory": {},
        "blind": {"effective_size": 8.6, "by_trajectory": {}},
    }


def check(value: float, limit: float, relation: str) -> dict[str, Any]:
    passed = value <= limit if relation == "at most" else value >= limit
    return {"value": value, "limit": limit, "relation": relation, "passed": passed}


def observables(unresolved_at: float | None = None, seed: int = 5) -> dict[str, Any]:
    """Content of the ``observables`` Dict; Li at one temperature may be left unresolved."""
    rng = np.random.default_rng(seed)
    points = []
    for temperature in TEMPERATURES:
        entry: dict[str, Any] = {}
        for element in ("Li", "Cl"):
            exact = diffusion(element, temperature)
            error = exact * (0.05 if temperature > 1000 else 0.09)
            entry[element] = {
                "D_cm2_s": exact + error * rng.normal(),
                "standard_error": error,
                "relative_error": error / exact,
                "log_log_slope": 1.0 + 0.03 * rng.normal(),
                "log_log_slope_error": 0.04,
                "resolved": True,
                "reason": "",
                "needed_length_ps": None,
                "fit_window_ps": [0.6, 3.0],
            }
        if temperature == unresolved_at:
            entry["Li"] |= {
                "D_cm2_s": None,
                "standard_error": None,
                "relative_error": None,
                "upper_bound_cm2_s": 9.1e-5,
                "resolved": False,
                "reason": "the log–log slope is 0.61 ± 0.12, not 1",
                "needed_length_ps": 240.0,
            }
        total = sum(diffusion(element, temperature) for element in ("Li", "Cl"))
        # Nernst–Einstein: 32 ions of each kind, ±1 e; cm²/s = 1e-4 m²/s, S/m = 10 mS/cm.
        coulomb, kelvin = 1.602176634e-19, 1.380649e-23
        ne = 10 * 32 * coulomb**2 * total * 1e-4 / (VOLUME * 1e-30 * kelvin * temperature)
        sigma = ne / 1.21
        points.append(
            {
                "name": f"licl_{round(temperature)}K",
                "structure": "licl",
                "temperature_K": temperature,
                "mean_temperature_K": temperature + 1.7,
                "n_atoms": 64,
                "volume_A3": VOLUME,
                "length_ps": 60.0,
                "n_trajectories": 2,
                "diffusion": entry,
                "conductivity": {
                    "sigma_mS_cm": sigma * (1 + 0.05 * rng.normal()),
                    "standard_error": 0.06 * sigma,
                    "sigma_NE_mS_cm": ne,
                    "sigma_NE_error": 0.04 * ne,
                    "haven_ratio": 1.21,
                    "haven_ratio_error": 0.08,
                    "transference": {"Li": 0.71, "Cl": 0.29},
                    "transference_error": {"Li": 0.03, "Cl": 0.03},
                    "fit_window_ps": [0.6, 3.0],
                    "resolved": True,
                },
                "max_force_deviation": {
                    "median_eV_A": 0.11,
                    "quantile_99_eV_A": 0.24,
                    "largest_eV_A": 0.41,
                },
            }
        )
    return {
        "estimator_version": "1",
        "reference_frame": "barycentric",
        "charges": {"Li": 1.0, "Cl": -1.0},
        "points": points,
        "arrhenius": _fits(points),
        "arrhenius_by_structure": {"licl": _fits(points)},
    }


def _fits(points: list[dict[str, Any]]) -> dict[str, Any]:
    fits = {}
    for name in ("D_Li", "D_Cl", "sigma_T", "sigma"):
        rows = []
        for point in points:
            kelvin = point["temperature_K"]
            if name.startswith("D_"):
                record, key, factor = point["diffusion"][name[2:]], "D_cm2_s", 1.0
            else:
                record, key = point["conductivity"], "sigma_mS_cm"
                factor = kelvin if name == "sigma_T" else 1.0
            if record["resolved"]:
                rows.append((kelvin, factor * record[key], factor * record["standard_error"]))
        fits[name] = _fit(np.array(rows))
    return fits


def _fit(rows: np.ndarray) -> dict[str, Any]:
    """Weighted least squares of ln y against 1/(k_B T)."""
    temperatures, values, errors = rows.T
    design = np.stack([np.ones_like(temperatures), -1 / (kB * temperatures)], axis=1)
    weighted = design * ((values / errors) ** 2)[:, None]
    covariance = np.linalg.inv(design.T @ weighted)
    solution = covariance @ weighted.T @ np.log(values)
    return {
        "Ea_eV": float(solution[1]),
        "Ea_error_eV": float(covariance[1, 1] ** 0.5),
        "ln_prefactor": float(solution[0]),
        "covariance": covariance.tolist(),
        "reduced_chi_square": 0.8,
        "temperatures_K": temperatures.tolist(),
        "reason": "",
    }


def curves() -> dict[str, np.ndarray]:
    """Return MSDs: ballistic at first, then a cage, then 6 D t."""
    arrays = {}
    time = np.arange(0.0, 15.0, 0.02)
    for temperature in TEMPERATURES:
        prefix = f"licl_{round(temperature)}K"
        arrays[f"{prefix}_time_ps"] = time
        for element, mass in (("Li", 6.94), ("Cl", 35.45)):
            slope = 6e4 * diffusion(element, temperature)  # cm²/s → Å²/ps is 1e4
            speed = 3 * kB * temperature / (mass * 1.0364e-4)  # ⟨v²⟩ in Å²/ps²
            wiggle = 1 + 0.05 * np.sin(time) * (time / 15) ** 2
            arrays[f"{prefix}_msd_{element}"] = (
                0.45 * (1 - np.exp(-speed * time**2 / 0.45))
                + slope * (time - 0.25 * (1 - np.exp(-time / 0.25)))
            ) * wiggle
        arrays[f"{prefix}_charge_time_ps"] = time
        arrays[f"{prefix}_msd_charge"] = 0.7 * arrays[f"{prefix}_msd_Li"]
    return arrays


def rdf() -> dict[str, np.ndarray]:
    """Return partial RDFs of a melt, twice: labeller and potential."""
    rng = np.random.default_rng(7)
    r = np.arange(0.025, 5.2, 0.05)
    arrays = {}
    for pair, first, height in (("Li_Cl", 2.35, 3.6), ("Li_Li", 3.7, 1.6), ("Cl_Cl", 3.8, 1.9)):
        onset = 1 / (1 + np.exp(-(r - first + 0.35) / 0.09))
        g = onset * (
            1
            + (height - 1) * np.exp(-(((r - first) / 0.3) ** 2))
            + 0.35 * np.cos(2 * np.pi * (r - 2 * first) / 2.6) * np.exp(-r / 4)
        )
        arrays[f"{pair}_r"] = r
        arrays[f"{pair}_labeller"] = g * (1 + 0.05 * rng.normal(size=len(r)))
        arrays[f"{pair}_dpmd"] = g * (1 + 0.015 * rng.normal(size=len(r)))
    return arrays
