"""A campaign folder with a rock-salt LiCl cell of 8 atoms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ase.build import bulk

CAMPAIGN = """\
name: licl-melt
protocol: fast
engine: ase
ase: {calculator: tblite, method: GFN1-xTB}
seed: 3
structures:
  licl: {file: LiCl.cif, supercell: [2, 1, 1], density_g_cm3: 1.45}
temperatures_K: [1200, 1800]
charges: {Li: 1, Cl: -1}
transport:
  structures:
    licl64: {file: LiCl.cif, supercell: [[2, 0, 0], [0, 2, 0], [0, 0, 2]]}
  temperatures_K: [1000, 1200, 1400]
"""


@pytest.fixture
def campaign_file(tmp_path) -> Callable[..., Path]:
    """Return a factory of campaign files; each argument replaces a text of the good one."""

    def factory(*replacements: tuple[str, str]) -> Path:
        bulk("LiCl", "rocksalt", a=5.13, cubic=True).write(tmp_path / "LiCl.cif")
        text = CAMPAIGN
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "licl.yaml"
        path.write_text(text)
        return path

    return factory
