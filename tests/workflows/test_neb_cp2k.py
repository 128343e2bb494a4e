"""The hop of a lithium ion in LiCl: on a rigid-ion potential, labelled and relaxed by real DFT.

Eleven atoms with charge -1: three tetragonal cells of rock salt in a row, a lithium ion less. It is
the smallest cell in which the hop has one shortest way; as a number for LiCl its barrier means
nothing.
"""

from __future__ import annotations

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from ase import Atoms

from aiida_mliptransport.backends.lammps import tosi_fumi_licl
from aiida_mliptransport.calculations.cp2k_data import find_data_folder, load_files
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.science.barriers import max_band_force
from aiida_mliptransport.workflows.neb import NebWorkChain

pytestmark = [pytest.mark.slow, pytest.mark.cp2k, pytest.mark.lammps]

SETTINGS = {
    "basis_set": "SZV-MOLOPT-SR-GTH",
    "potential": "GTH-PBE",
    "cutoff_Ry": 200,
    "relative_cutoff_Ry": 25,
    "dispersion": "none",
    "charge": -1,
    "eps_default": 1e-8,
    "scf": {"method": "diagonalization", "eps_scf": 1e-5, "max_scf": 60, "outer_max_scf": 1},
}
CELL = 5.13


def ends():
    """A lithium ion beside the vacancy, and in it."""
    edge = CELL / np.sqrt(2)
    cell = Atoms(
        "Li2Cl2",
        scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0, 0, 0.5]],
        cell=[edge, edge, CELL],
        pbc=True,
    )
    initial = cell * (3, 1, 1)
    del initial[0]
    (hopper,) = np.flatnonzero(np.linalg.norm(initial.positions - [edge, 0, 0], axis=1) < 1e-6)
    final = initial.copy()
    final.positions[hopper] = 0.0
    return orm.StructureData(ase=initial), orm.StructureData(ase=final)


def test_a_hop_is_labelled_and_relaxed_by_dft_from_the_images_of_a_potential(make_code):
    cp2k = make_code("cp2k")
    files = load_files(
        find_data_folder(str(cp2k.filepath_executable)), ["BASIS_MOLOPT"], "GTH_POTENTIALS", None
    )
    builder = NebWorkChain.get_builder()
    initial, final = ends()
    builder.initial, builder.final = {"hop": initial}, {"hop": final}
    builder.potential = PotentialData(**tosi_fumi_licl())
    builder.neb.code = make_code("python")
    builder.neb.parameters = orm.Dict({"images": 3, "force_tolerance_eV_A": 0.05, "charge": -1})
    for job in (builder.label.cp2k.cp2k, builder.reference.cp2k):
        job.code = cp2k
        job.files = files
        job.parameters = orm.Dict(SETTINGS)
        job.metadata.options.max_wallclock_seconds = 1500
    builder.reference.cp2k.neb = orm.Dict(
        {"force_tolerance_eV_A": 0.15, "steps": 40, "relax_ends": True}
    )
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    record = results["barriers"]["hop"]
    # In so small a cell neighbours give way as far.
    assert "Li" in {symbol for _, symbol in record["moving_ions"]}
    assert record["force_errors_eV_A"]["missing_images"] == []
    for whose in ("potential", "labels", "reference"):
        assert np.isfinite(record[whose]["barrier_eV"])
    # A band that may move is never higher than the images that it began with.
    band, labels = results["reference_paths"]["hop"], results["labels"]
    assert band.level_of_theory == labels.level_of_theory
    first, last = (node.frames.systems[0].energies for node in (labels, band))
    assert last.max() < first.max()
    assert last[0] < first[0]
    assert last[-1] < first[-1]
    assert 0.0 < record["reference"]["barrier_eV"] < 3.0
    # By ASE's band on CP2K's own energies and forces; CP2K asks the tolerance of a component.
    force = max_band_force(band.frames.systems[0], spring=1.0, climb=True, relax_ends=True)
    assert force < np.sqrt(3) * 0.15
