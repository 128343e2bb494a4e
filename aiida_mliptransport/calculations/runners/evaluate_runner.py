"""Evaluate potentials on frames; travels with a job and needs only numpy, ASE and the potential.

Reads ``evaluate.json`` (the potentials' descriptions, in order) and ``frames.npz``; writes
``predictions.npz`` with, for each system and M potentials, ``<system>_energies (M, n)`` in eV,
``<system>_forces (M, n, N, 3)`` in eV/Å and ``<system>_stresses (M, n, 3, 3)`` in eV/Å³ (NaN
where the cell is not periodic in three directions). Where ``evaluate.json`` asks for them, also
descriptors of the first potential in float32: ``<system>_descriptors (n, S, D)``, the mean over the
atoms of each of the S species in the order of its type map, zero for absent ones, and
``<system>_atomic_descriptors (n, N, D)``; ``descriptors_missing`` says why there are none.
"""

from __future__ import annotations

import json

import numpy as np


def main():
    with open("evaluate.json") as handle:
        task = json.load(handle)
    specs, wanted = task["potentials"], task["descriptors"]
    with np.load("frames.npz", allow_pickle=False) as archive:
        frames = dict(archive)
    names = sorted(key.removesuffix("_numbers") for key in frames if key.endswith("_numbers"))
    results = {
        f"{name}_{kind}": [] for name in names for kind in ("energies", "forces", "stresses")
    }
    descriptors = {}
    for number, spec in enumerate(specs):
        predict, describe = predictor(spec)
        if number == 0 and wanted != "none" and describe is None:
            reason = f"the driving potential ({spec['name']}) gives no descriptors"
            descriptors["descriptors_missing"] = np.array(reason)
            print(reason, flush=True)
        for name in names:
            system = {
                key: frames[f"{name}_{key}"] for key in ("numbers", "pbc", "positions", "cells")
            }
            charge, multiplicity = (int(value) for value in frames[f"{name}_spin"])
            for kind, values in predict(system, charge, multiplicity).items():
                results[f"{name}_{kind}"].append(values)
            if number == 0 and wanted != "none" and describe is not None:
                by_atom, by_species = describe(system)
                descriptors[f"{name}_descriptors"] = by_species
                if wanted == "atoms":
                    descriptors[f"{name}_atomic_descriptors"] = by_atom
        print(f"potential {number + 1} of {len(specs)}: done", flush=True)
    np.savez(
        "predictions.npz",
        **{key: np.stack(values) for key, values in results.items()},
        **descriptors,
    )


def predictor(spec):
    """Return two functions: of (system, charge, multiplicity), and of a system.

    The first gives energies, forces and stresses; the second descriptors by atom and by species,
    None where the potential has none.
    """
    if spec["name"] == "deepmd":
        return deepmd_predictor(spec)

    def predict(system, charge, multiplicity):
        return by_calculator(spec, system, charge, multiplicity)

    return predict, None


def deepmd_predictor(spec):
    """Return the two functions for DeePMD-kit, which takes all frames at once.

    That is many times faster than a calculator of ASE.
    """
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

    def arguments(system):
        n = len(system["positions"])
        return (
            system["positions"].reshape(n, -1),
            system["cells"].reshape(n, 9) if system["pbc"].any() else None,
            [type_map.index(chemical_symbols[number]) for number in system["numbers"]],
        )

    def predict(system, charge, multiplicity):
        n, n_atoms = system["positions"].shape[:2]
        energies, forces, virials = model.eval(*arguments(system))[:3]
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

    def describe(system):
        places = arguments(system)
        by_atom = np.asarray(model.eval_descriptor(*places), dtype=np.float32)
        by_atom = by_atom.reshape(*system["positions"].shape[:2], -1)
        kinds = np.array(places[2])
        by_species = np.zeros((len(by_atom), len(type_map), by_atom.shape[2]), dtype=np.float32)
        for kind in np.unique(kinds):
            by_species[:, kind] = by_atom[:, kinds == kind].mean(axis=1)
        return by_atom, by_species

    # A TensorFlow graph has the node or not, as its frozen file was written.
    tensors = getattr(model.deep_eval, "tensors", {"descriptor": True})
    return predict, None if tensors["descriptor"] is None else describe


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
