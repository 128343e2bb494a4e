"""What strategies that weigh atoms read of candidates: deviations of atoms, and their hops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from ...science.selection.hop_weights import hop_weights_by_displacement
from .explored_runs import ExploredRun

FloatArray = NDArray[np.float64]


def mobile_numbers(symbols: Sequence[str] | None) -> tuple[int, ...]:
    """Return the atomic numbers of ``selection.mobile``; none for all species.

    Raises
    ------
    ValueError
        If a name is no chemical symbol.
    """
    listed = symbols is None or isinstance(symbols, list | tuple)
    if not listed or any(symbol not in atomic_numbers for symbol in symbols or ()):
        raise ValueError(
            f"mobile is {symbols!r}, expected a list of chemical symbols as ['Li'], or null for all"
        )
    return tuple(atomic_numbers[symbol] for symbol in symbols or ())


def hop_settings(hops: Mapping[str, Any] | None) -> tuple[float, float] | None:
    """Return window (ps) and jump (Å) of ``selection.hops``, None where hops are not looked for.

    Raises
    ------
    ValueError
        If one of the two is missing or not positive, or there is another key.
    """
    if hops is None:
        return None
    keys = ("window_ps", "jump_A")
    if not isinstance(hops, Mapping):
        raise ValueError(f"hops is {hops!r}, expected window_ps and jump_A, or null")
    if set(hops) != set(keys) or not all(_is_positive(hops[key]) for key in keys):
        raise ValueError(
            f"hops is {dict(hops)!r}, expected positive window_ps (longer than a vibration, like "
            "0.5) and jump_A (the distance of two sites, like 2.5), or null"
        )
    return float(hops["window_ps"]), float(hops["jump_A"])


def atom_arrays(
    places: Sequence[tuple[ExploredRun, int]],
    nodes: Mapping[str, Any],
    settings: Mapping[str, Any],
    notes: list[str],
) -> dict[str, Any]:
    """Return the arrays over atoms of a ``Pool``; notes say which could not be had.

    Parameters
    ----------
    places
        The frames of the pool.
    nodes, settings
        Those of ``select_frames``: ``evaluation__…``; ``mobile`` and ``hops``.
    notes
        Gets a line for every kind of array that had to be left out, once.

    Raises
    ------
    ValueError
        If ``mobile`` or ``hops`` is wrong, or an evaluation has other frames than its trajectory.
    """
    mobile = mobile_numbers(settings.get("mobile"))
    hops = hop_settings(settings.get("hops"))
    runs = {run.key: run for run, _ in places}
    deviations = {key: _deviations(run, nodes) for key, run in runs.items()}
    lacking = sorted(key for key, array in deviations.items() if array is None)
    arrays: dict[str, Any] = {"mobile": mobile}
    padded = _Padding(places)
    arrays["numbers"] = padded.fill({key: run.node.numbers for key, run in runs.items()}, int)
    if lacking:
        _note(
            notes,
            f"the largest deviation of a frame stands for those of its atoms, which {lacking[0]} "
            "and perhaps others lack: give an evaluation of each trajectory",
        )
    else:
        arrays["atomic_deviation"] = padded.fill(deviations, float)
    if hops is not None:
        weights = {key: _hop_weights(run, mobile, hops, notes) for key, run in runs.items()}
        arrays["hop_weights"] = padded.fill(weights, float)
    return arrays


class _Padding:
    """Lays the atoms of frames of different size out in one array."""

    def __init__(self, places: Sequence[tuple[ExploredRun, int]]) -> None:
        self._places = places
        self._width = max(run.node.n_atoms for run, _ in places)

    def fill(self, by_run: Mapping[str, Any], dtype: type) -> NDArray[Any]:
        """Return (n, N) from an array (atoms,) or (frames, atoms) of each run, else 0."""
        result = np.zeros((len(self._places), self._width), dtype=dtype)
        for row, (run, index) in enumerate(self._places):
            values = by_run[run.key]
            values = values if values.ndim == 1 else values[index]
            result[row, : len(values)] = values
        return result


def _deviations(run: ExploredRun, nodes: Mapping[str, Any]) -> FloatArray | None:
    """Return the deviation of atoms (frames, atoms) of one trajectory, if it is known."""
    node = nodes.get(f"evaluation__{run.key}")
    if node is not None and "system_000_force_deviation" in node.get_arraynames():
        deviation = node.get_array("system_000_force_deviation")
        if deviation.shape != (run.node.n_frames, run.node.n_atoms):
            raise ValueError(
                f"evaluation__{run.key} has deviations of shape {deviation.shape}, expected "
                f"{(run.node.n_frames, run.node.n_atoms)}: evaluate this trajectory with stride 1"
            )
        return np.asarray(deviation, dtype=np.float64)
    if run.node.base.attributes.get("has_atomic_deviations"):
        return run.node.atomic_deviations()
    return None


def _hop_weights(
    run: ExploredRun, mobile: tuple[int, ...], hops: tuple[float, float], notes: list[str]
) -> FloatArray:
    """Return (frames, atoms): 0 for atoms that do not count, and after an explosion."""
    numbers = run.node.numbers
    weights = np.zeros((run.node.n_frames, len(numbers)))
    atoms = np.flatnonzero(np.isin(numbers, mobile)) if mobile else np.arange(len(numbers))
    window_ps, jump = hops
    times = run.node.times_ps[: run.window]
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    longest = step * ((run.window - 1) // 2)
    if not 1.5 * step <= window_ps <= longest or step == 0:
        _note(
            notes,
            f"no hops are looked for in {run.key}: a window of {window_ps:g} ps needs two frames "
            f"or more, and twice as long a run; frames are {step:g} ps apart, half the physical "
            f"run is {longest:g} ps",
        )
        return weights
    if len(atoms):
        positions = run.node.positions(frames=slice(0, run.window), atoms=atoms)
        weights[: run.window, atoms] = hop_weights_by_displacement(positions, step, window_ps, jump)
    return weights


def _note(notes: list[str], text: str) -> None:
    if text not in notes:
        notes.append(text)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < np.inf
