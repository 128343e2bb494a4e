"""The one class of ``deepmd.calculator`` that jobs use."""

from __future__ import annotations

from ase.calculators.calculator import Calculator, all_changes

from .infer import DeepPot


class DP(Calculator):
    """EMT times the scale of a model file."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, model):
        super().__init__()
        self.dp = DeepPot(model)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        known = self.dp.get_type_map()
        types = [known.index(symbol) for symbol in atoms.symbols]
        energies, forces, virials = self.dp.eval(
            atoms.positions[None], atoms.cell.array[None], types
        )
        stress = -virials[0].reshape(3, 3) / atoms.get_volume()
        self.results = {
            "energy": float(energies[0, 0]),
            "forces": forces[0],
            "stress": stress.ravel()[[0, 4, 8, 5, 2, 1]],
        }
