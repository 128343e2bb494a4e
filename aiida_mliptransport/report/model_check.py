"""One convergence check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One convergence check; ``value`` and ``limit`` in the unit that the name carries."""

    name: str
    value: Any
    limit: Any
    passed: bool
    relation: str = ""
