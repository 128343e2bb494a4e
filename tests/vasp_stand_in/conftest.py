"""The structure that the tests of the stand-in compute."""

from __future__ import annotations

import pytest
from ase import Atoms

from .cases import compressed_licl


@pytest.fixture
def atoms() -> Atoms:
    """Return rattled, compressed LiCl of 8 atoms."""
    return compressed_licl()
