"""Evaluate potentials on frames; travels with a job and needs only numpy, ASE and the potential.

Reads ``evaluate.json`` (the potentials' descriptions, in order) and ``frames.npz``; writes
``predictions.npz`` with, for each system and M potentials, ``<system>_energies (M, n)`` in eV,
``<system>_forces (M, n, N, 3)`` in eV/Å and ``<system>_stresses (M, n, 3, 3)`` in eV/Å³ (NaN
where the cell is not periodic in three directions).
"""

from __future__ import annotations

import json

import numpy as np


def main():
    with open("evaluate.json") as handle:
        specs = json.load(handle)["potentials"]
    with np.load("frames.npz", allow_pickle=False) as archive:
        frames = dict(archive)
    names = sorted(key.removesuffix("_numbers") for key in frames if key.endswith("_numbers"))
    results = {
        f"{name}_{kind}": [] for name in names for kind in ("energies", "forces", "stresses")
    }
    for number, spec in enumerate(specs):
        predict = predictor(spec)
        for name in names:
            system = {
                key: frames[f"{name}_{key}"] for key in ("numbers", "pbc", "positions", "cells")
            }
            charge, multiplicity = (int(value) for value in frames[f"{name}_spin"])
            for kind, values in predict(system, charge, multiplicity).items():
                results[f"{name}_{kind}"].append(values)
        print(f"potential {number + 1} of {len(specs)}: done", flush=True)
    np.savez("predictions.npz", **{key: np.stack(values) for key, values in results.items()})


def predictor(spec):
    """Return a function of (system, charge, multiplicity) that gives energies, forces, stresses."""
    if spec["name"] == "deepmd":
        return deepmd_predictor(spec)
    return lambda system, charge, multiplicity: by_calculator(spec, system, charge, multiplicity)


def deepmd_predictor(spec):
    """Return a predictor that gives DeePMD-kit all frames at once: many times faster than ASE."""
    from importlib.metadata import version

    from ase.data import chemical_symbols
    from deepmd.infer import DeepPot

    print(f"framework deepmd-kit {version('deepmd-kit')}", flush=True)
    model = DeepPot(spec["model"])
    type_map = list(model.get_type_map())
    if type_map != list(spec["type_map"]):
        raise ValueError(
            f"type_map is {spec['type_map']}, the model {spec['model']} has {type_map}; give the "
            "potential the model's own"
        )

    def predict(system, charge, multiplicity):
        n, n_atoms = system["positions"].shape[:2]
        periodic = system["pbc"].any()
        types = [type_map.index(chemical_symbols[number]) for number in system["numbers"]]
        energies, forces, virials = model.eval(
            system["positions"].reshape(n, -1),
            system["cells"].reshape(n, 9) if periodic else None,
            types,
        )[:3]
        stresses = np.full((n, 3, 3), np.nan)
        if system["pbc"].all():
            volumes = np.abs(np.linalg.det(system["cells"]))[:, None, None]
            virials = np.asarray(virials, dtype=float).reshape(n, 3, 3)
            # DeePMD-kit's virial is -V times ASE's stress.
            stresses = -0.5 * (virials + virials.transpose(0, 2, 1)) / volumes
        return {
            "energies": np.asarray(energies, dtype=float).reshape(n),
            "forces": np.asarray(forces, dtype=float).reshape(n, n_atoms, 3),
            "stresses": stresses,
        }

    return predict


def by_calculator(spec, system, charge, multiplicity):
    """Return what an ASE calculator gives, NaN for frames for which it gives no finite numbers."""
    from ase import Atoms
    from calculators import NotFiniteError, evaluate, make_calculator

    n, n_atoms = system["positions"].shape[:2]
    energies, forces = np.full(n, np.nan), np.full((n, n_atoms, 3), np.nan)
    stresses = np.full((n, 3, 3), np.nan)
    calculator = make_calculator(spec, charge=charge, multiplicity=multiplicity)
    for frame in range(n):
        atoms = Atoms(
            numbers=system["numbers"],
            positions=system["positions"][frame],
            cell=system["cells"][frame],
            pbc=system["pbc"],
            calculator=calculator,
        )
        try:
            energies[frame], forces[frame], stress = evaluate(atoms)
        except NotFiniteError as error:
            print(f"frame {frame}: {error}", flush=True)
            continue
        if stress is not None:
            stresses[frame] = stress
    return {"energies": energies, "forces": forces, "stresses": stresses}


if __name__ == "__main__":
    main()
