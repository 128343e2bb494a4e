"""``MDTrajectoryData``: one molecular dynamics run, or one segment of it, in bounded chunks."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from aiida import orm
from ase.data import atomic_masses, chemical_symbols

from ..science.frames import FloatArray, Frames, IntArray, System, frame_identity

#: Raised by one when the layout changes; the reader keeps reading every older one.
SCHEMA_VERSION = 1

#: Largest stored chunk of one array.
CHUNK_BYTES = 64 * 1024**2

#: Largest array that a stored node keeps in memory once it was read: a read costs milliseconds.
KEPT_BYTES = 1024**2

#: Default memory of one block of the iterators.
BLOCK_BYTES = 256 * 1024**2

Selection = slice | Sequence[int] | IntArray

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class TrajectoryError(ValueError):
    """A trajectory is inconsistent; the message names the array and what was expected."""


class MDTrajectoryData(orm.Data):
    """Unwrapped positions of one run, with thermodynamic output and species displacements.

    The first frame is stored in float64, displacements from it in float32, chunked over time and
    atoms: an FFT needs one atom's whole series, a stream needs a few whole frames. A restarted
    run is a further node (a *segment*) whose coordinates, steps and times continue.

    Parameters
    ----------
    numbers : (N,) int
        Atomic numbers.
    pbc : (3,) bool
    steps : (n,) int
        MD step of each frame, strictly increasing.
    times_ps : (n,) float
        ps.
    positions : (n, N, 3) float
        Unwrapped, Å. Anything with ``shape`` that is indexed with two slices will do (a memory
        map, a reader of a dump): it is read chunk by chunk.
    cells : (n, 3, 3) float
        Å, vectors in rows.
    thermo : mapping
        Name (with its unit, ``temperature_K``) to (n_thermo,) values; holds ``step``.
    species : mapping, optional
        ``steps`` (m,), ``times_ps`` (m,), ``displacements`` (m, S, 3) of the centre of mass of each
        species from ``reference`` (S, 3; default: zero), Å unwrapped, ``velocities`` (m, S, 3) Å/ps
        and ``names`` (S chemical symbols).
    velocities, forces : (n, N, 3) float, optional
        Å/ps and eV/Å; as ``positions``.
    deviations : mapping, optional
        ``steps`` (k,) and ``max_force``, ``mean_force``, ``min_force`` (k,) of the committee's
        force deviation in eV/Å, optionally more arrays of that length.
    atomic_deviations : (n, N) float, optional
        Force deviation of each atom, eV/Å.
    info : mapping, optional
        Scalars: ensemble, temperature_K, timestep_fs, seed, completed, …

    Raises
    ------
    TrajectoryError
        If shapes differ, steps do not increase, or a value is not finite.
    """

    def __init__(
        self,
        numbers: npt.ArrayLike | None = None,
        pbc: npt.ArrayLike = True,
        steps: npt.ArrayLike = (),
        times_ps: npt.ArrayLike = (),
        positions: Any = None,
        cells: npt.ArrayLike = (),
        thermo: Mapping[str, npt.ArrayLike] | None = None,
        species: Mapping[str, Any] | None = None,
        velocities: Any = None,
        forces: Any = None,
        deviations: Mapping[str, npt.ArrayLike] | None = None,
        atomic_deviations: Any = None,
        info: Mapping[str, Any] | None = None,
        chunk_bytes: int = CHUNK_BYTES,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if numbers is None:
            return
        numbers = np.asarray(numbers, dtype=np.int64)
        pbc = np.array(np.broadcast_to(np.asarray(pbc, dtype=bool), (3,)))
        steps = np.asarray(steps, dtype=np.int64)
        n_frames, n_atoms = len(steps), len(numbers)
        if n_frames == 0 or n_atoms == 0:
            raise TrajectoryError(
                f"{n_frames} frames of {n_atoms} atoms: a trajectory has one of both at least"
            )
        if (np.diff(steps) <= 0).any():
            raise TrajectoryError("steps do not increase strictly; drop repeated frames")
        cells = _checked("cells", cells, (n_frames, 3, 3))
        self._put("numbers", numbers)
        self._put("pbc", pbc)
        self._put("steps", steps)
        self._put("times_ps", _checked("times_ps", times_ps, (n_frames,)))
        self._put("cells", cells)
        if tuple(positions.shape) != (n_frames, n_atoms, 3):
            raise TrajectoryError(
                f"positions has shape {tuple(positions.shape)}, expected {(n_frames, n_atoms, 3)}"
            )
        reference = _checked("positions[0]", positions[0:1, 0:n_atoms][0], (n_atoms, 3))
        self._put("reference", reference)
        chunks = _chunk_shape(n_frames, n_atoms, 12, chunk_bytes)
        self._put_chunks("positions", positions, chunks, steps, reference)
        for name, array, tail in (
            ("velocities", velocities, (3,)),
            ("forces", forces, (3,)),
            ("atomic_deviations", atomic_deviations, ()),
        ):
            if array is None:
                continue
            if tuple(array.shape) != (n_frames, n_atoms, *tail):
                raise TrajectoryError(
                    f"{name} has shape {tuple(array.shape)}, expected {(n_frames, n_atoms, *tail)}"
                )
            self._put_chunks(name, array, chunks, steps)
        thermo_names = self._put_series("thermo", thermo or {}, "step")
        deviation_names = self._put_series("deviations", deviations or {}, "steps")
        self.base.attributes.set_many(
            {
                "schema_version": SCHEMA_VERSION,
                "n_frames": n_frames,
                "n_atoms": n_atoms,
                "formula_counts": {
                    chemical_symbols[z]: int((numbers == z).sum()) for z in np.unique(numbers)
                },
                "first_step": int(steps[0]),
                "last_step": int(steps[-1]),
                "identity": frame_identity(numbers, reference, cells[0], pbc),
                "chunks": {"frames": chunks[0], "atoms": chunks[1]},
                "has_velocities": velocities is not None,
                "has_forces": forces is not None,
                "has_atomic_deviations": atomic_deviations is not None,
                "thermo": thermo_names,
                "deviations": deviation_names,
                "species": None if species is None else self._put_species(species),
                "info": dict(info or {}),
            }
        )

    def _put_chunks(
        self,
        name: str,
        array: Any,
        chunks: tuple[int, int],
        steps: IntArray,
        reference: FloatArray | None = None,
    ) -> None:
        for row, first in enumerate(range(0, array.shape[0], chunks[0])):
            last = min(first + chunks[0], array.shape[0])
            for column, left in enumerate(range(0, array.shape[1], chunks[1])):
                right = min(left + chunks[1], array.shape[1])
                block = np.asarray(array[first:last, left:right], dtype=np.float64)
                if reference is not None:
                    block = block - reference[left:right]
                if not np.isfinite(block).all():
                    bad = first + int(np.argwhere(~np.isfinite(block))[0, 0])
                    raise TrajectoryError(
                        f"{name} is not finite at step {steps[bad]} (frame {bad}): keep only the "
                        "frames before it"
                    )
                self._put(f"{name}/{row:05d}_{column:05d}", block.astype(np.float32))

    def _put_series(self, group: str, series: Mapping[str, npt.ArrayLike], key: str) -> list[str]:
        if series and key not in series:
            raise TrajectoryError(f"{group} has {sorted(series)}, expected {key!r} among them")
        for name, values in series.items():
            if not _NAME.fullmatch(name):
                raise TrajectoryError(f"{group} name {name!r} is not a plain word")
            dtype = np.int64 if name == key else np.float64
            array = np.asarray(values, dtype=dtype)
            if array.shape != np.shape(series[key]):
                raise TrajectoryError(
                    f"{group}[{name!r}] has shape {array.shape}, expected {np.shape(series[key])}"
                )
            self._put(f"{group}/{name}", array)
        return sorted(series)

    def _put_species(self, species: Mapping[str, Any]) -> list[str]:
        names = [str(name) for name in species["names"]]
        size = len(species["steps"])
        shapes = {
            "times_ps": (size,),
            "displacements": (size, len(names), 3),
            "velocities": (size, len(names), 3),
            "reference": (len(names), 3),
        }
        self._put("species/steps", np.asarray(species["steps"], dtype=np.int64))
        for name, shape in shapes.items():
            value = species.get(name, np.zeros(shape)) if name == "reference" else species[name]
            self._put(f"species/{name}", _checked(f"species[{name!r}]", value, shape))
        return names

    def _put(self, name: str, array: npt.NDArray[Any]) -> None:
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        buffer.seek(0)
        self.base.repository.put_object_from_filelike(buffer, f"{name}.npy")

    def _get(self, name: str) -> npt.NDArray[Any]:
        """Read one array that is not cut into chunks; a stored node keeps the small ones."""
        kept: dict[str, npt.NDArray[Any]] = self.__dict__.setdefault("_kept_arrays", {})
        if name in kept:
            return kept[name]
        version = self.base.attributes.get("schema_version")
        if version > SCHEMA_VERSION:
            raise TrajectoryError(
                f"trajectory node {self.pk} has schema version {version}, this package reads up to "
                f"{SCHEMA_VERSION}; upgrade aiida-mliptransport"
            )
        content = self.base.repository.get_object_content(f"{name}.npy", mode="rb")
        array: npt.NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
        if self.is_stored and array.nbytes <= KEPT_BYTES:
            array.flags.writeable = False
            kept[name] = array
        return array

    def _read_rows(self, name: str, first: int, last: int) -> npt.NDArray[np.float32]:
        """Return rows first..last (exclusive) of one chunk, without reading the others."""
        with self.base.repository.open(f"{name}.npy", mode="rb") as handle:
            np.lib.format.read_magic(handle)
            shape, _, dtype = np.lib.format.read_array_header_1_0(handle)
            row_bytes = math.prod(shape[1:]) * dtype.itemsize
            handle.seek(handle.tell() + first * row_bytes)
            content = handle.read((last - first) * row_bytes)
        return np.frombuffer(content, dtype=dtype).reshape(last - first, *shape[1:])

    def _read(self, name: str, frames: Selection, atoms: Selection) -> FloatArray:
        rows = _indices(frames, self.n_frames)
        columns = _indices(atoms, self.n_atoms)
        chunks = self.base.attributes.get("chunks")
        tail = () if name == "atomic_deviations" else (3,)
        result = np.empty((len(rows), len(columns), *tail))
        for row in np.unique(rows // chunks["frames"]):
            here = np.flatnonzero(rows // chunks["frames"] == row)
            local = rows[here] - row * chunks["frames"]
            low, high = int(local.min()), int(local.max()) + 1
            for column in np.unique(columns // chunks["atoms"]):
                there = np.flatnonzero(columns // chunks["atoms"] == column)
                wanted = columns[there] - column * chunks["atoms"]
                block = self._read_rows(f"{name}/{row:05d}_{column:05d}", low, high)
                result[np.ix_(here, there)] = block[np.ix_(local - low, wanted)]
        return result

    def positions(
        self, frames: Selection = slice(None), atoms: Selection = slice(None)
    ) -> FloatArray:
        """Return unwrapped positions (n, N, 3) in Å of the chosen frames and atoms."""
        columns = _indices(atoms, self.n_atoms)
        result: FloatArray = self._read("positions", frames, atoms) + self.reference[columns]
        return result

    def displacements(
        self, frames: Selection = slice(None), atoms: Selection = slice(None)
    ) -> FloatArray:
        """Return positions relative to this node's first frame (n, N, 3), Å."""
        return self._read("positions", frames, atoms)

    def velocities(
        self, frames: Selection = slice(None), atoms: Selection = slice(None)
    ) -> FloatArray:
        """Return velocities (n, N, 3) in Å/ps."""
        return self._optional("velocities", frames, atoms)

    def forces(self, frames: Selection = slice(None), atoms: Selection = slice(None)) -> FloatArray:
        """Return forces (n, N, 3) in eV/Å."""
        return self._optional("forces", frames, atoms)

    def atomic_deviations(
        self, frames: Selection = slice(None), atoms: Selection = slice(None)
    ) -> FloatArray:
        """Return the committee's force deviation of each atom (n, N) in eV/Å."""
        return self._optional("atomic_deviations", frames, atoms)

    def _optional(self, name: str, frames: Selection, atoms: Selection) -> FloatArray:
        if not self.base.attributes.get(f"has_{name}"):
            raise TrajectoryError(
                f"trajectory {self.pk} holds no {name}; run with store_{name}=True to have them"
            )
        return self._read(name, frames, atoms)

    def iter_frames(self, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[slice, FloatArray]]:
        """Yield (frames, positions of all atoms) in blocks of at most ``block_bytes``."""
        size = max(1, block_bytes // (24 * self.n_atoms))
        for first in range(0, self.n_frames, size):
            part = slice(first, min(first + size, self.n_frames))
            yield part, self.positions(frames=part)

    def iter_atoms(self, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[slice, FloatArray]]:
        """Yield (atoms, positions in all frames) in blocks of at most ``block_bytes``."""
        size = max(1, block_bytes // (24 * self.n_frames))
        for first in range(0, self.n_atoms, size):
            part = slice(first, min(first + size, self.n_atoms))
            yield part, self.positions(atoms=part)

    def take(self, indices: Sequence[int] | IntArray) -> Frames:
        """Return the frames at ``indices`` unlabelled and unwrapped, with origin and step."""
        chosen = np.asarray(indices, dtype=np.int64)
        if len(chosen) == 0:
            return Frames(())
        system = System(
            numbers=self.numbers,
            positions=self.positions(frames=chosen),
            cells=self.cells[chosen],
            pbc=self.pbc,
            origins=np.array([self.identity] * len(chosen)),
            steps=self.steps[chosen],
        )
        return Frames((system,))

    @property
    def numbers(self) -> IntArray:
        return self._get("numbers")

    @property
    def symbols(self) -> list[str]:
        return [chemical_symbols[number] for number in self.numbers]

    @property
    def elements(self) -> list[str]:
        """Chemical symbols in order of atomic number."""
        return [chemical_symbols[number] for number in np.unique(self.numbers)]

    @property
    def masses(self) -> FloatArray:
        """Standard atomic masses (N,) in u."""
        return np.asarray(atomic_masses[self.numbers], dtype=np.float64)

    @property
    def pbc(self) -> npt.NDArray[np.bool_]:
        return self._get("pbc")

    @property
    def n_frames(self) -> int:
        return int(self.base.attributes.get("n_frames"))

    @property
    def n_atoms(self) -> int:
        return int(self.base.attributes.get("n_atoms"))

    @property
    def steps(self) -> IntArray:
        return self._get("steps")

    @property
    def times_ps(self) -> FloatArray:
        return self._get("times_ps")

    @property
    def cells(self) -> FloatArray:
        """Cell of each frame (n, 3, 3), Å."""
        return self._get("cells")

    @property
    def reference(self) -> FloatArray:
        """Positions of the first frame (N, 3), Å."""
        return self._get("reference")

    @property
    def thermo(self) -> dict[str, npt.NDArray[Any]]:
        """Name to values; ``step`` is among them."""
        return {name: self._get(f"thermo/{name}") for name in self.base.attributes.get("thermo")}

    @property
    def deviations(self) -> dict[str, npt.NDArray[Any]] | None:
        """Committee's deviation: ``steps`` and force deviations in eV/Å; None without committee."""
        names = self.base.attributes.get("deviations")
        return {name: self._get(f"deviations/{name}") for name in names} if names else None

    @property
    def species(self) -> dict[str, Any] | None:
        """Centre-of-mass displacement and velocity of each species; see the class."""
        names = self.base.attributes.get("species")
        if names is None:
            return None
        keys = ("steps", "times_ps", "displacements", "velocities", "reference")
        return {"names": list(names), **{key: self._get(f"species/{key}") for key in keys}}

    @property
    def identity(self) -> str:
        """Identity (sha256) of the first frame."""
        return str(self.base.attributes.get("identity"))

    @property
    def info(self) -> dict[str, Any]:
        return dict(self.base.attributes.get("info"))

    @property
    def completed(self) -> bool:
        """Whether the run reached its last step."""
        return bool(self.info.get("completed", False))


def _checked(name: str, value: Any, shape: tuple[int, ...]) -> FloatArray:
    array: FloatArray = np.asarray(value, dtype=np.float64)
    if array.shape != shape:
        raise TrajectoryError(f"{name} has shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise TrajectoryError(f"{name} holds values that are not finite; drop these frames")
    return array


def _chunk_shape(n_frames: int, n_atoms: int, item_bytes: int, limit: int) -> tuple[int, int]:
    """Return (frames, atoms) of one chunk: as many cuts along one axis as along the other."""
    pieces = math.ceil(n_frames * n_atoms * item_bytes / limit)
    atoms = math.ceil(n_atoms / min(n_atoms, math.ceil(math.sqrt(pieces))))
    frames = max(1, min(n_frames, limit // (atoms * item_bytes)))
    return frames, atoms


def _indices(selection: Selection, size: int) -> IntArray:
    return np.arange(size, dtype=np.int64)[selection]
