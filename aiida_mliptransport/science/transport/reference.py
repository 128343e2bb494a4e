"""Reference frames: relative to what displacements are measured, always explicit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
FrameKind = Literal["laboratory", "barycentric", "framework"]


@dataclass(frozen=True)
class ReferenceFrame:
    """What displacements are relative to; store `label` beside every result.

    `barycentric`: centre of mass of all atoms (liquids). `framework`: mean position of the
    atoms of `species` (a solid's host, or a solvent). `laboratory`: as simulated.
    """

    kind: FrameKind
    species: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("laboratory", "barycentric", "framework"):
            msg = (
                f"reference frame is {self.kind!r}, expected 'barycentric', 'framework' "
                "or 'laboratory'"
            )
            raise ValueError(msg)
        if (self.kind == "framework") != bool(self.species):
            msg = (
                f"reference frame {self.kind!r} got species {self.species}: "
                "a framework frame needs at least one species, the others take none"
            )
            raise ValueError(msg)

    @property
    def label(self) -> str:
        """One word that a result can store, e.g. 'framework:Cl+Ti'."""
        return self.kind if not self.species else f"{self.kind}:{'+'.join(sorted(self.species))}"


BARYCENTRIC = ReferenceFrame("barycentric")
LABORATORY = ReferenceFrame("laboratory")


def framework(*species: str) -> ReferenceFrame:
    """Frame that moves with the mean position of the given species."""
    return ReferenceFrame("framework", tuple(species))


def parse_reference_frame(label: str) -> ReferenceFrame:
    """Return the frame that a label names, for example 'barycentric' or 'framework:P+S'.

    Raises ValueError if the label names none.
    """
    kind, _, species = label.partition(":")
    return ReferenceFrame(cast(FrameKind, kind), tuple(filter(None, species.split("+"))))


def remove_drift(
    positions: ArrayLike,
    species: Sequence[str],
    frame: ReferenceFrame,
    masses: ArrayLike | None = None,
) -> FloatArray:
    """Return positions (n_frames, n_atoms, 3) in Å relative to the drift of a reference frame.

    `species` has one name per atom; `masses` (n_atoms,) in any unit, needed for 'barycentric'.
    The first frame keeps its coordinates. Raises ValueError for a framework species that is
    absent, and for missing or non-positive masses.
    """
    array = np.asarray(positions, dtype=np.float64)
    if array.ndim != 3 or array.shape[2] != 3 or array.shape[1] != len(species):
        msg = (
            f"positions have shape {array.shape} for {len(species)} species names, "
            "expected (n_frames, n_atoms, 3) and one name per atom"
        )
        raise ValueError(msg)
    if frame.kind == "laboratory":
        return array.copy()
    weights = _atom_weights(species, frame, masses)
    drift = np.einsum("tac,a->tc", array, weights)
    drift -= drift[0]
    return np.asarray(array - drift[:, None, :], dtype=np.float64)


def species_sums_in_frame(
    sums: ArrayLike,
    species: Sequence[str],
    counts: Mapping[str, int],
    frame: ReferenceFrame,
    masses: Mapping[str, float] | None = None,
) -> FloatArray:
    """Sums of displacements per species (n_frames, n_species, 3) in Å, in a reference frame.

    `species` names the second axis, `counts` the atoms of each, `masses` the mass of one atom
    of each (needed for 'barycentric', where every species of the cell must be in `sums`).
    """
    array = check_sums(sums, species)
    missing = [name for name in species if counts.get(name, 0) <= 0]
    if missing:
        msg = f"counts lack a positive number for {missing}, expected one for each of {species}"
        raise ValueError(msg)
    if frame.kind == "laboratory":
        return array.copy()
    number = np.array([counts[name] for name in species], dtype=np.float64)
    if frame.kind == "framework":
        _require_present(frame, species)
        weight = np.array([float(name in frame.species) for name in species])
    else:
        absent = [name for name in species if name not in (masses or {})]
        if masses is None or absent:
            msg = f"the barycentric frame needs a mass for each species, missing: {absent}"
            raise ValueError(msg)
        weight = np.array([masses[name] for name in species], dtype=np.float64)
    drift = np.einsum("tsc,s->tc", array, weight) / float(weight @ number)
    drift -= drift[0]
    return np.asarray(array - number[None, :, None] * drift[:, None, :], dtype=np.float64)


def check_sums(sums: ArrayLike, species: Sequence[str]) -> FloatArray:
    """Return species sums as float64 (n_frames, n_species, 3), or raise ValueError."""
    array = np.asarray(sums, dtype=np.float64)
    if array.ndim != 3 or array.shape[2] != 3 or array.shape[1] != len(species):
        msg = (
            f"species sums have shape {array.shape} for species {list(species)}, "
            "expected (n_frames, n_species, 3)"
        )
        raise ValueError(msg)
    if len(set(species)) != len(species):
        msg = f"species {list(species)} repeat a name, expected each one once"
        raise ValueError(msg)
    require_finite(array, "species sums")
    return array


def require_finite(array: FloatArray, name: str) -> None:
    """Raise ValueError that names the first frame with a NaN or an infinity."""
    bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
    if bad.any():
        msg = (
            f"{name} hold a NaN or an infinity in frame {int(np.argmax(bad))}; cut the series there"
        )
        raise ValueError(msg)


def _atom_weights(
    species: Sequence[str], frame: ReferenceFrame, masses: ArrayLike | None
) -> FloatArray:
    if frame.kind == "framework":
        _require_present(frame, species)
        weight = np.array([float(name in frame.species) for name in species])
        return np.asarray(weight / weight.sum(), dtype=np.float64)
    if masses is None:
        msg = "the barycentric frame needs masses, one per atom; got none"
        raise ValueError(msg)
    mass = np.asarray(masses, dtype=np.float64)
    if mass.shape != (len(species),) or not (mass > 0.0).all():
        msg = f"masses have shape {mass.shape}, expected {len(species)} positive numbers"
        raise ValueError(msg)
    return np.asarray(mass / mass.sum(), dtype=np.float64)


def _require_present(frame: ReferenceFrame, species: Sequence[str]) -> None:
    absent = sorted(set(frame.species) - set(species))
    if absent:
        msg = (
            f"framework species {absent} are not in the trajectory, which holds "
            f"{sorted(set(species))}; name others, or use the barycentric frame"
        )
        raise ValueError(msg)
