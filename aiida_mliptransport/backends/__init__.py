"""Kinds of potentials: one module each behind one protocol."""

from __future__ import annotations

from .base import Backend, LammpsPair, PotentialError, PotentialSpec

__all__ = ["Backend", "LammpsPair", "PotentialError", "PotentialSpec", "get_backend"]


def get_backend(name: str) -> Backend:
    """Return the backend called ``name``.

    Raises
    ------
    PotentialError
        If there is none; the message lists those there are.
    """
    from .deepmd import DeepmdBackend
    from .lammps import LammpsBackend

    backends: dict[str, Backend] = {b.name: b for b in (DeepmdBackend(), LammpsBackend())}
    if name not in backends:
        raise PotentialError(f"no backend {name!r}; expected one of {sorted(backends)}")
    return backends[name]
