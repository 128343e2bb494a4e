"""MACE in the registry of calculators, where mace-torch is installed: the contract in one process.

An untrained model does: forces and stress must be derivatives of whatever energy it has.
"""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from aiida_mliptransport.calculations.runners.calculators import evaluate, make_calculator

# First: it lets e3nn load its constants with new versions of torch.
pytest.importorskip("mace")

pytestmark = pytest.mark.medium


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Name of an untrained model of LiCl in the working directory."""
    import torch
    from e3nn import o3
    from mace import modules

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    network = modules.ScaleShiftMACE(
        r_max=4.0,
        num_bessel=4,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=2,
        num_elements=2,
        hidden_irreps=o3.Irreps("8x0e+8x1o"),
        MLP_irreps=o3.Irreps("8x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.array([-1.0, -2.0]),
        avg_num_neighbors=12.0,
        atomic_numbers=[3, 17],
        correlation=2,
        radial_MLP=[16, 16],
        radial_type="bessel",
        atomic_inter_scale=1.0,
        atomic_inter_shift=0.0,
    )
    torch.save(network, "tiny.model")
    torch.set_default_dtype(before)
    return "tiny.model"


def test_forces_and_stress_of_mace_are_derivatives_of_its_energy(model):
    calculator = make_calculator({"name": "mace", "model": model})
    rng = np.random.default_rng(1)
    atoms = bulk("LiCl", "rocksalt", a=4.9, cubic=True)
    atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
    step = 1e-3

    def label(moved):
        moved.calc = calculator
        return evaluate(moved)

    _, forces, stress = label(atoms.copy())
    direction = rng.normal(size=forces.shape)
    direction /= np.linalg.norm(direction)
    strain = rng.normal(size=(3, 3))
    strain = (strain + strain.T) / np.linalg.norm(strain + strain.T)
    work, strained = 0.0, 0.0
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions += sign * step * direction
        work += sign * label(moved)[0]
        moved = atoms.copy()
        cell = atoms.cell.array @ (np.eye(3) + sign * step * strain)
        moved.set_cell(cell, scale_atoms=True)
        strained += sign * label(moved)[0]
    # The untrained model has forces of 0.01 eV/Å and a stress of 1e-3 eV/Å³.
    assert np.linalg.norm(forces) > 1e-3
    np.testing.assert_allclose(-work / (2 * step), np.sum(forces * direction), atol=1e-6)
    slope = strained / (2 * step * atoms.get_volume())
    np.testing.assert_allclose(slope, np.sum(stress * strain), atol=1e-7)
