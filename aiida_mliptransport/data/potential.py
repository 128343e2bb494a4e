"""``PotentialData``: model files and metadata of one potential; behaviour lives in backends."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiida import orm

from ..backends import PotentialError, PotentialSpec

#: Raised by one when the layout changes; the reader keeps reading every older one.
SCHEMA_VERSION = 1


class PotentialData(orm.Data):
    """One potential: binary model files by role, and metadata.

    Parameters
    ----------
    backend : str
        Name of a backend (``deepmd``, ``lammps``).
    framework_version : str
        Version of the program that made the model.
    type_map : sequence of str
        Chemical symbols in the order of the model's type indices.
    cutoff : float
        Å.
    files : mapping, optional
        Role (``model``, ``compressed``) to a path; the content is stored, the path is not.
    parameters : mapping, optional
        Typed parameters of a potential that has no files.
    seed : int, optional
        Seed of the training.
    trained_on_stress : bool
        Whether stresses were trained on (a classical potential: True).
    """

    def __init__(
        self,
        backend: str | None = None,
        framework_version: str = "",
        type_map: Sequence[str] = (),
        cutoff: float = 0.0,
        files: Mapping[str, str | Path] | None = None,
        parameters: Mapping[str, Any] | None = None,
        seed: int | None = None,
        trained_on_stress: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if backend is None:
            return
        if not files and not parameters:
            raise PotentialError(
                f"potential of backend {backend!r} has neither files nor parameters; give one"
            )
        digests = {}
        suffixes = {}
        for role, path in sorted((files or {}).items()):
            content = Path(path).read_bytes()
            digests[role] = hashlib.sha256(content).hexdigest()
            suffixes[role] = Path(path).suffix
            self.base.repository.put_object_from_bytes(content, role + suffixes[role])
        self.base.attributes.set_many(
            {
                "schema_version": SCHEMA_VERSION,
                "backend": backend,
                "framework_version": framework_version,
                "type_map": list(type_map),
                "cutoff": float(cutoff),
                "files": {role: role + suffix for role, suffix in suffixes.items()},
                "sha256": digests,
                "parameters": dict(parameters or {}),
                "seed": seed,
                "trained_on_stress": bool(trained_on_stress),
            }
        )

    # No property ``backend``: AiiDA's own Node.backend is the storage. Use ``spec().backend``.

    @property
    def framework_version(self) -> str:
        return str(self.base.attributes.get("framework_version"))

    @property
    def type_map(self) -> list[str]:
        return list(self.base.attributes.get("type_map"))

    @property
    def cutoff(self) -> float:
        """Cutoff radius in Å."""
        return float(self.base.attributes.get("cutoff"))

    @property
    def trained_on_stress(self) -> bool:
        return bool(self.base.attributes.get("trained_on_stress"))

    @property
    def seed(self) -> int | None:
        value = self.base.attributes.get("seed")
        return None if value is None else int(value)

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self.base.attributes.get("parameters"))

    @property
    def files(self) -> dict[str, str]:
        """Role to object name in the repository."""
        return dict(self.base.attributes.get("files"))

    def read(self, role: str) -> bytes:
        """Return the content of the file in ``role``."""
        if role not in self.files:
            raise PotentialError(
                f"potential {self.pk} has no file in role {role!r}, it has {sorted(self.files)}"
            )
        content: bytes = self.base.repository.get_object_content(self.files[role], mode="rb")
        return content

    def spec(self, files: Mapping[str, str] | None = None) -> PotentialSpec:
        """Return the plain description; ``files`` are the names given in a run directory."""
        version = self.base.attributes.get("schema_version")
        if version > SCHEMA_VERSION:
            raise PotentialError(
                f"potential node {self.pk} has schema version {version}, this package reads up to "
                f"{SCHEMA_VERSION}; upgrade aiida-mliptransport"
            )
        return PotentialSpec(
            backend=str(self.base.attributes.get("backend")),
            type_map=tuple(self.type_map),
            cutoff=self.cutoff,
            files=dict(files if files is not None else self.files),
            parameters=self.parameters,
            trained_on_stress=self.trained_on_stress,
            framework_version=self.framework_version,
        )
