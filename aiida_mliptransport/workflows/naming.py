"""Names and seeds of the runs of a fan-out: the same inputs always give the same ones."""

from __future__ import annotations

import hashlib


def run_key(structure: str, temperature: float, replica: int, kind: str = "replica") -> str:
    """Return the link label of one MD run, for example ``licl_1200K_replica0``."""
    return f"{structure}_{round(temperature)}K_{kind}{replica}"


def derived_seed(base: int, purpose: str, number: int) -> int:
    """Return a seed in 1..2³⁰ that depends on all three arguments.

    A sum of base and number would give two campaigns with neighbouring seeds the same runs.
    """
    digest = hashlib.sha256(f"{base}:{purpose}:{number}".encode()).digest()
    return 1 + int.from_bytes(digest[:8], "little") % (2**30 - 1)
