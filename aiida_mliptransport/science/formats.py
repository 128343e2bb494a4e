"""Reading and writing frames: extended XYZ, DeePMD npy, CP2K, and whatever dpdata reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from ase.io import read, write
from ase.io.formats import UnknownFileTypeError

from .cp2k_files import is_cp2k_folder, read_cp2k
from .frames import Frames, FramesError, System
from .label_checks import Dropped

#: Labels among the results of an ASE calculator.
_LABELS = ("energy", "forces", "stress")


def read_ase(path: str | Path, fmt: str, dropped: list[Dropped] | None = None) -> Frames:
    """Read frames with the labels that ASE finds (eV, eV/Å, stress in eV/Å³), of its ``fmt``."""
    try:
        images = read(str(path), index=":", format=fmt)
    except (OSError, ValueError, KeyError, StopIteration, UnknownFileTypeError) as error:
        raise FramesError(f"{path} is not readable as {fmt}: {error}") from error
    if not images:
        raise FramesError(f"{path} holds no frames; expected {fmt} with at least one")
    if dropped is None:
        return Frames.from_atoms(images)
    kept = []
    for index, atoms in enumerate(images):
        results = atoms.calc.results if atoms.calc is not None else {}
        values = [atoms.positions, atoms.cell.array, *(results.get(k, 0.0) for k in _LABELS)]
        if all(np.isfinite(value).all() for value in values):
            kept.append(atoms)
        else:
            dropped.append(Dropped(index, "values are not finite"))
    return Frames.from_atoms(kept)


def read_extxyz(path: str | Path, dropped: list[Dropped] | None = None) -> Frames:
    """Read extended XYZ (Å, eV, eV/Å, stress in eV/Å³ with ASE's sign)."""
    return read_ase(path, "extxyz", dropped)


def write_extxyz(path: str | Path, frames: Frames) -> None:
    """Write extended XYZ with labels, charge, multiplicity, origin and step."""
    write(str(path), frames.to_atoms(), format="extxyz")


def read_deepmd(path: str | Path) -> Frames:
    """Read a DeePMD npy system (a folder with ``type.raw``) or a folder of such systems.

    DeePMD's virial is −V·stress in ASE's sign. Charge and multiplicity are not part of the format
    and become 0 and 1.
    """
    root = Path(path)
    folders = sorted({file.parent for file in root.rglob("type.raw")})
    if not folders:
        raise FramesError(f"{root} holds no type.raw; expected a DeePMD npy system or a folder of")
    return Frames.join(_read_deepmd_system(folder) for folder in folders)


def _read_deepmd_system(folder: Path) -> Frames:
    map_file = folder / "type_map.raw"
    if not map_file.exists():
        raise FramesError(
            f"{folder} has no type_map.raw, so its types have no elements; write one symbol a line"
        )
    symbols = map_file.read_text().split()
    unknown = sorted(set(symbols) - set(atomic_numbers))
    if unknown:
        raise FramesError(f"{map_file} names {unknown}, expected chemical symbols")
    types = np.loadtxt(folder / "type.raw", dtype=int, ndmin=1)
    numbers = np.array([atomic_numbers[symbols[t]] for t in types])
    parts = []
    for directory in sorted(folder.glob("set.*")):
        coordinates = np.load(directory / "coord.npy").reshape(-1, len(numbers), 3)
        n = len(coordinates)
        cells = np.load(directory / "box.npy").reshape(n, 3, 3)

        def load(name: str, shape: tuple[int, ...], where: Path = directory) -> np.ndarray | None:
            file = where / f"{name}.npy"
            return np.load(file).reshape(shape) if file.exists() else None

        virials = load("virial", (n, 3, 3))
        volumes = np.abs(np.linalg.det(cells))[:, None, None]
        parts.append(
            System(
                numbers=numbers,
                positions=coordinates,
                cells=cells,
                pbc=np.array([not (folder / "nopbc").exists()] * 3),
                energies=load("energy", (n,)),
                forces=load("force", (n, len(numbers), 3)),
                stresses=None if virials is None else -virials / volumes,
                force_weights=load("atom_pref", (n, len(numbers))),
            )
        )
    if not parts:
        raise FramesError(
            f"{folder} has a type.raw but no set.* folder; expected set.000/coord.npy"
        )
    return Frames.join(parts)


def write_deepmd(path: str | Path, frames: Frames, type_map: Sequence[str]) -> list[Path]:
    """Write DeePMD npy systems below ``path`` and return their folders, in order.

    Parameters
    ----------
    frames : Frames
        Labels that are present are written; stress becomes the virial −V·stress.
    type_map : sequence of str
        Chemical symbols in the order of the type indices.

    Raises
    ------
    FramesError
        If an element of the frames is not in ``type_map``.
    """
    missing = [symbol for symbol in frames.elements if symbol not in type_map]
    if missing:
        raise FramesError(
            f"type_map {list(type_map)} lacks {missing}; add them: the frames hold "
            f"{frames.elements}"
        )
    folders = []
    for number, system in enumerate(frames.systems):
        folder = Path(path) / f"system_{number:03d}"
        data = folder / "set.000"
        data.mkdir(parents=True)
        types = [type_map.index(symbol) for symbol in system.symbols]
        (folder / "type.raw").write_text("\n".join(map(str, types)) + "\n")
        (folder / "type_map.raw").write_text("\n".join(type_map) + "\n")
        if not system.pbc.any():
            (folder / "nopbc").write_text("")
        n = system.n_frames
        np.save(data / "coord.npy", system.positions.reshape(n, -1))
        np.save(data / "box.npy", system.cells.reshape(n, 9))
        if system.energies is not None:
            np.save(data / "energy.npy", system.energies)
        if system.forces is not None:
            np.save(data / "force.npy", system.forces.reshape(n, -1))
        if system.stresses is not None:
            volumes = np.abs(np.linalg.det(system.cells))[:, None]
            np.save(data / "virial.npy", -system.stresses.reshape(n, 9) * volumes)
        if system.force_weights is not None:
            np.save(data / "atom_pref.npy", system.force_weights)
        folders.append(folder)
    return folders


def read_dpdata(path: str | Path, fmt: str, dropped: list[Dropped] | None = None) -> Frames:
    """Read labelled frames in any format that dpdata knows, like ``vasp/outcar``.

    dpdata leaves out frames of OUTCAR and vasprun.xml whose SCF did not converge.
    """
    import dpdata

    try:
        system = dpdata.LabeledSystem(str(path), fmt=fmt)
    except (NotImplementedError, KeyError) as error:
        raise FramesError(f"dpdata does not read format {fmt!r}: {error}") from error
    data = system.data
    numbers = np.array([atomic_numbers[data["atom_names"][t]] for t in data["atom_types"]])
    arrays: dict[str, Any] = {
        "positions": np.asarray(data["coords"]),
        "cells": np.asarray(data["cells"]),
        "energies": np.asarray(data["energies"]),
        "forces": np.asarray(data["forces"]),
    }
    if data.get("virials") is not None:
        volumes = np.abs(np.linalg.det(arrays["cells"]))[:, None, None]
        arrays["stresses"] = -np.asarray(data["virials"]) / volumes
    if dropped is not None:
        n = len(arrays["energies"])
        finite = np.all(
            [np.isfinite(a.reshape(n, -1)).all(axis=1) for a in arrays.values()], axis=0
        )
        dropped += [Dropped(int(i), "values are not finite") for i in np.flatnonzero(~finite)]
        arrays = {name: array[finite] for name, array in arrays.items()}
    pbc = np.array([not data.get("nopbc", False)] * 3)
    return Frames((System(numbers=numbers, pbc=pbc, **arrays),))


def format_of(path: str | Path) -> str:
    """Return the format by name: DeePMD npy or a CP2K run for a folder, else extended XYZ."""
    source = Path(path)
    if source.is_dir():
        return "cp2k" if is_cp2k_folder(source) else "deepmd"
    name = source.name.lower()
    known = {"outcar": "vasp/outcar", "vasprun": "vasp/xml", "cp2k.out": "cp2k"}
    return next((fmt for start, fmt in known.items() if name.startswith(start)), "extxyz")


def read_frames(
    path: str | Path, fmt: str | None = None, dropped: list[Dropped] | None = None
) -> Frames:
    """Read frames from ``path``.

    Parameters
    ----------
    fmt
        ``extxyz``, ``deepmd``, ``cp2k`` (see :func:`~.cp2k_files.read_cp2k`), a format of dpdata
        (``vasp/outcar``, ``qe/cp/traj``, …) or ``ase/`` with a format of ASE
        (``ase/espresso-out``); by the name of the file without it.
    dropped
        Takes the frames whose values are not finite, and those of CP2K whose SCF did not converge;
        without it they are an error.
    """
    fmt = fmt or format_of(path)
    if fmt == "deepmd":
        return read_deepmd(path)
    if fmt == "cp2k":
        return read_cp2k(path, dropped)
    if fmt == "extxyz":
        return read_extxyz(path, dropped)
    if fmt.startswith("ase/"):
        return read_ase(path, fmt.removeprefix("ase/"), dropped)
    return read_dpdata(path, fmt, dropped)
