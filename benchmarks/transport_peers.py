"""MSDs of the peers that transport_speed.py is timed against, each on the same positions."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import freud
import numpy as np
from timing import Array, Candidates


def msd_peers(positions: Array) -> Candidates:
    """Return the peers that are installed, ready to be timed, and name the others."""
    found: Candidates = {}
    for name, prepare in {
        "MDAnalysis EinsteinMSD(fft=True)": mdanalysis_msd,
        "pymatgen DiffusionAnalyzer": diffusion_analyzer,
        "tidynamics": tidynamics_msd,
        "freud.msd": lambda at: lambda: freud.msd.MSD(mode="window").compute(at),
        "kinisi, 10 lags": kinisi_msd,
    }.items():
        try:
            found[name] = prepare(positions)
        except ImportError as error:
            print(f"not installed: {name} ({error.name})")
    return found


def mdanalysis_msd(positions: Array) -> Callable[[], object]:
    import MDAnalysis
    import tidynamics  # noqa: F401  (EinsteinMSD asks for it too late)
    from MDAnalysis.analysis.msd import EinsteinMSD

    universe = MDAnalysis.Universe.empty(positions.shape[1], trajectory=True)
    universe.load_new(positions.astype(np.float32))
    return lambda: EinsteinMSD(universe, fft=True).run()


def diffusion_analyzer(positions: Array) -> Callable[[], object]:
    from pymatgen.analysis.diffusion.analyzer import DiffusionAnalyzer
    from pymatgen.core import Lattice, Structure

    # It needs atoms that do not diffuse: one, at rest.
    names = ["Li"] * positions.shape[1] + ["O"]
    structure = Structure(Lattice.cubic(30.0), names, np.zeros((len(names), 3)))
    moved = np.concatenate([positions, np.zeros((len(positions), 1, 3))], axis=1)
    displacements = np.ascontiguousarray(moved.transpose(1, 0, 2))
    return lambda: DiffusionAnalyzer(structure, displacements, "Li", 300.0, 1, 1000)


def tidynamics_msd(positions: Array) -> Callable[[], object]:
    import tidynamics

    return lambda: [tidynamics.msd(positions[:, atom]) for atom in range(positions.shape[1])]


def kinisi_msd(positions: Array) -> Callable[[], object]:
    import scipp
    from kinisi.displacement import calculate_msd

    lags = np.unique(np.geomspace(1, len(positions) // 10, 10).astype(int))
    moved = (positions - positions[0])[1:]
    values = scipp.array(dims=["obs", "particle", "dimension"], values=moved, unit="angstrom")
    index = scipp.array(dims=["time interval"], values=lags)
    # Displacements, as its parsers would hold them: these repeat the first frame of a file.
    parser = SimpleNamespace(displacements=values, dt_index=index, dt=index, dimensionality=3)
    return lambda: calculate_msd(parser, progress=False)
