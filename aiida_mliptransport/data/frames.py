"""``FrameSetData``: atomic configurations with or without labels, stored once and never changed."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida import orm

from ..science.frames import PER_FRAME_SHAPES, Frames, FramesError, System

#: Raised by one when the layout changes; the reader keeps reading every older one.
SCHEMA_VERSION = 1


class MixedLevelsOfTheoryError(FramesError):
    """Energies of different levels of theory would meet in one training."""


def level_of_theory_hash(level_of_theory: Mapping[str, Any]) -> str:
    """Return the sha256 of a level of theory, independent of the order of its keys."""
    return hashlib.sha256(
        json.dumps(level_of_theory, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


class FrameSetData(orm.Data):
    """An ordered list of systems: numbers, positions (Å), cells (Å), and labels where present.

    Energies in eV, forces in eV/Å, stresses in eV/Å³ with ASE's sign and without the kinetic part.
    Node content holds no UUID, time stamp or path, so equal frames have equal hashes.

    Parameters
    ----------
    frames : Frames
    level_of_theory : mapping, optional
        Readable physics of the labels (functional, basis, cutoffs, …); required for labelled
        frames, forbidden for unlabelled ones.
    engine_version : str, optional
        Version of the program that labelled; apart from the physics.
    """

    def __init__(
        self,
        frames: Frames | None = None,
        level_of_theory: Mapping[str, Any] | None = None,
        engine_version: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if frames is not None:
            self._set_frames(frames, level_of_theory, engine_version)

    def _set_frames(
        self,
        frames: Frames,
        level_of_theory: Mapping[str, Any] | None,
        engine_version: str | None,
    ) -> None:
        any_label = any(s.energies is not None or s.forces is not None for s in frames.systems)
        if any_label and not level_of_theory:
            raise FramesError(
                "level_of_theory is missing for labelled frames: give a dict of what fixes the "
                "energies, for example {'engine': 'cp2k', 'functional': 'PBE', …}"
            )
        if not any_label and level_of_theory:
            raise FramesError(
                f"level_of_theory is {dict(level_of_theory)} for frames without labels, "
                "expected None"
            )
        systems = []
        for number, system in enumerate(frames.systems):
            prefix = f"system_{number:03d}"
            self._put(f"{prefix}/numbers.npy", system.numbers)
            self._put(f"{prefix}/pbc.npy", system.pbc)
            names = [n for n in PER_FRAME_SHAPES if getattr(system, n) is not None]
            for name in names:
                self._put(f"{prefix}/{name}.npy", getattr(system, name))
            systems.append(
                {
                    "formula": system.formula,
                    "n_atoms": system.n_atoms,
                    "n_frames": system.n_frames,
                    "charge": system.charge,
                    "multiplicity": system.multiplicity,
                    "arrays": names,
                }
            )
        attributes: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "systems": systems,
            "n_frames": frames.n_frames,
            "elements": frames.elements,
            "labelled": frames.labelled,
            "has_stress": frames.has_stress,
            "level_of_theory": dict(level_of_theory) if level_of_theory else None,
            "level_of_theory_hash": (
                level_of_theory_hash(level_of_theory) if level_of_theory else None
            ),
            "engine_version": engine_version,
        }
        if frames.labelled:
            forces = np.concatenate(
                [s.forces.reshape(-1) for s in frames.systems if s.forces is not None]
            )
            attributes["force_rms"] = float(np.sqrt(np.mean(forces**2)))
            attributes["force_max_component"] = float(np.abs(forces).max())
        self.base.attributes.set_many(attributes)

    def _put(self, name: str, array: np.ndarray) -> None:
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        buffer.seek(0)
        self.base.repository.put_object_from_filelike(buffer, name)

    def _get(self, name: str) -> np.ndarray:
        content = self.base.repository.get_object_content(name, mode="rb")
        return np.load(io.BytesIO(content), allow_pickle=False)

    @property
    def frames(self) -> Frames:
        """All systems, read from the repository."""
        systems = []
        for number, info in enumerate(self._readable_systems()):
            prefix = f"system_{number:03d}"
            systems.append(
                System(
                    numbers=self._get(f"{prefix}/numbers.npy"),
                    pbc=self._get(f"{prefix}/pbc.npy"),
                    charge=info["charge"],
                    multiplicity=info["multiplicity"],
                    **{name: self._get(f"{prefix}/{name}.npy") for name in info["arrays"]},
                )
            )
        return Frames(tuple(systems))

    def _readable_systems(self) -> list[dict[str, Any]]:
        version = self.base.attributes.get("schema_version")
        if version > SCHEMA_VERSION:
            raise FramesError(
                f"frames node {self.pk} has schema version {version}, this package reads up to "
                f"{SCHEMA_VERSION}; upgrade aiida-mliptransport"
            )
        return self.base.attributes.get("systems")

    @property
    def n_frames(self) -> int:
        return int(self.base.attributes.get("n_frames"))

    @property
    def elements(self) -> list[str]:
        return list(self.base.attributes.get("elements"))

    @property
    def labelled(self) -> bool:
        return bool(self.base.attributes.get("labelled"))

    @property
    def has_stress(self) -> bool:
        return bool(self.base.attributes.get("has_stress"))

    @property
    def level_of_theory(self) -> dict[str, Any] | None:
        value = self.base.attributes.get("level_of_theory")
        return None if value is None else dict(value)

    @property
    def level_of_theory_hash(self) -> str | None:
        value = self.base.attributes.get("level_of_theory_hash")
        return None if value is None else str(value)

    @property
    def engine_version(self) -> str | None:
        value = self.base.attributes.get("engine_version")
        return None if value is None else str(value)


def one_level_of_theory(nodes: Mapping[str, FrameSetData]) -> dict[str, Any] | None:
    """Return the one level of theory of several frame sets (None for unlabelled ones).

    Raises
    ------
    MixedLevelsOfTheoryError
        If they differ; the message names the inputs and the keys that differ.
    """
    levels = {name: node.level_of_theory for name, node in nodes.items()}
    names = list(levels)
    for name in names[1:]:
        first, other = levels[names[0]] or {}, levels[name] or {}
        if first != other:
            keys = [k for k in sorted({*first, *other}) if first.get(k) != other.get(k)]
            differences = ", ".join(f"{k}: {first.get(k)!r} and {other.get(k)!r}" for k in keys)
            raise MixedLevelsOfTheoryError(
                f"frames {names[0]!r} and {name!r} were labelled at different levels of theory "
                f"({differences}); their energies cannot be trained together: relabel one of them"
            )
    return levels[names[0]] if names else None
