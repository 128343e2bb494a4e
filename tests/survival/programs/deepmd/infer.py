"""The one class of ``deepmd.infer`` that the evaluation runner uses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT


class DeepPot:
    """EMT times the scale of a model file."""

    deep_eval = None

    def __init__(self, path):
        self.model = json.loads(Path(path).read_text())

    def get_type_map(self):
        return self.model["type_map"]

    def eval(self, coordinates, cells, types):
        """Return energies (n, 1), forces (n, N, 3) and virials (n, 9)."""
        symbols = [self.model["type_map"][kind] for kind in types]
        energies, forces, virials = [], [], []
        for position, cell in zip(coordinates, cells, strict=True):
            atoms = Atoms(
                symbols, positions=position.reshape(-1, 3), cell=cell.reshape(3, 3), pbc=True
            )
            atoms.calc = EMT()
            energies.append(atoms.get_potential_energy())
            forces.append(atoms.get_forces())
            virials.append(-atoms.get_volume() * atoms.get_stress(voigt=False))
        scale = self.model["scale"]
        n = len(coordinates)
        return (
            scale * np.array(energies).reshape(n, 1),
            scale * np.array(forces),
            scale * np.array(virials).reshape(n, 9),
        )
