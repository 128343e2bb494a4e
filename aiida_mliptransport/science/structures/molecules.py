"""Molecules and ions to build cells from, each with its formal charge and spin multiplicity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read

__all__ = [
    "molecule",
    "molecule_from_smiles",
    "molecule_from_xyz",
    "molecule_names",
    "set_charge",
]

_LIBRARY = Path(__file__).parent / "molecules"
#: Iterations of the force field; a molecule of 50 atoms needs some hundred.
_MAX_ITERATIONS = 5000


def molecule_names() -> list[str]:
    """Return the names of the molecules in the library, sorted."""
    return sorted(path.stem for path in _LIBRARY.glob("*.xyz"))


def molecule(name: str) -> Atoms:
    """Return a molecule or ion of the library.

    The geometries were relaxed with GFN2-xTB in the gas phase; what each is, and how it was made,
    stands in the comment line of its file and in ``info``.

    Parameters
    ----------
    name
        One of :func:`molecule_names`, such as ``"EMIm+"``.

    Returns
    -------
    ase.Atoms
        Not periodic, Å, with ``info["charge"]`` (e) and ``info["multiplicity"]`` (2S+1).

    Raises
    ------
    ValueError
        If the library has no such molecule.
    """
    if name not in molecule_names():
        raise ValueError(
            f"molecule {name!r} is not in the library, expected one of {molecule_names()}; make "
            "others with molecule_from_xyz or molecule_from_smiles"
        )
    atoms: Atoms = read(_LIBRARY / f"{name}.xyz", format="extxyz")
    return set_charge(atoms, atoms.info["charge"], atoms.info["multiplicity"])


def molecule_from_xyz(path: str | Path, charge: int, multiplicity: int = 1) -> Atoms:
    """Read a molecule or ion from an XYZ file of one frame.

    Parameters
    ----------
    path
        File in Å, plain or extended XYZ; a cell in it is dropped.
    charge, multiplicity
        Formal charge in e, and 2S+1.

    Returns
    -------
    ase.Atoms
        As from :func:`molecule`.

    Raises
    ------
    ValueError
        If the file holds no or several frames, cannot be read as XYZ, or charge and multiplicity
        do not fit to the number of electrons.
    FileNotFoundError
        If there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}, expected one in XYZ format")
    try:
        frames = read(path, index=":", format="extxyz")
    except Exception as error:  # the reader fails in many ways
        raise ValueError(
            f"file {str(path)!r} cannot be read as XYZ ({type(error).__name__}: {error}); "
            "expected a count, a comment line, then a line 'symbol x y z' for each atom"
        ) from error
    if len(frames) != 1:
        raise ValueError(
            f"file {str(path)!r} holds {len(frames)} frames, expected 1: cut out the molecule"
        )
    atoms = Atoms(numbers=frames[0].numbers, positions=frames[0].positions)
    return set_charge(atoms, charge, multiplicity)


def molecule_from_smiles(smiles: str, seed: int) -> Atoms:
    """Make a molecule or ion from SMILES by distance geometry and a force field.

    RDKit embeds the molecule (ETKDG) and relaxes it with MMFF94, or with UFF where MMFF94 does
    not know an atom. The charge is that of the SMILES; each radical electron adds one to the
    multiplicity. What SMILES cannot tell (triplet oxygen, spins of metals) is for
    :func:`set_charge`. Relax the geometry with the level of theory in use before it is needed
    rigid.

    Parameters
    ----------
    smiles
        One molecule, such as ``"O=C1OCCO1"``.
    seed
        Start of the random numbers of the embedding, 0 or more.

    Returns
    -------
    ase.Atoms
        As from :func:`molecule`, also with ``info["smiles"]``.

    Raises
    ------
    ValueError
        If the SMILES is not valid or holds several molecules, no geometry was found, or the seed
        is out of range.
    ModuleNotFoundError
        If RDKit is not installed.

    Notes
    -----
    Riniker, Landrum, J. Chem. Inf. Model. 55, 2562 (2015); Halgren, J. Comput. Chem. 17, 490
    (1996); Rappé et al., J. Am. Chem. Soc. 114, 10024 (1992).
    """
    try:
        from rdkit import Chem
        from rdkit.Chem import rdDistGeom
    except ImportError as error:
        raise ModuleNotFoundError(
            "molecule_from_smiles needs RDKit, which is not installed: "
            "pip install 'aiida-mliptransport[structures]'"
        ) from error
    if not 0 <= seed < 2**31:
        raise ValueError(f"seed={seed}: expected an integer from 0 to {2**31 - 1}")
    parsed = Chem.MolFromSmiles(smiles)
    if parsed is None or parsed.GetNumAtoms() == 0:
        raise ValueError(f"SMILES {smiles!r} is not valid, expected one like 'O=C1OCCO1'")
    parsed = Chem.AddHs(parsed)
    if len(Chem.GetMolFrags(parsed)) > 1:
        raise ValueError(
            f"SMILES {smiles!r} holds several molecules, expected one: make each on its own"
        )
    if rdDistGeom.EmbedMolecule(parsed, randomSeed=seed) != 0:
        raise ValueError(
            f"RDKit found no geometry for SMILES {smiles!r} with seed={seed}: try another seed, or "
            "draw the molecule and use molecule_from_xyz"
        )
    _relax_with_force_field(parsed, smiles)
    atoms = Atoms(
        numbers=[atom.GetAtomicNum() for atom in parsed.GetAtoms()],
        positions=parsed.GetConformer().GetPositions(),
        info={"smiles": smiles},
    )
    unpaired = sum(atom.GetNumRadicalElectrons() for atom in parsed.GetAtoms())
    return set_charge(atoms, Chem.GetFormalCharge(parsed), 1 + unpaired)


def set_charge(atoms: Atoms, charge: int, multiplicity: int = 1) -> Atoms:
    """Return a copy with formal charge and multiplicity in ``info``, after a count of electrons.

    Parameters
    ----------
    atoms
        A molecule or ion; ``set_charge(Atoms("Na"), 1)`` is a sodium ion.
    charge, multiplicity
        In e, and 2S+1.

    Raises
    ------
    ValueError
        If charge or multiplicity are not integers, the multiplicity is below 1, or no such number
        of unpaired electrons is possible.
    """
    for name, value in (("charge", charge), ("multiplicity", multiplicity)):
        if not isinstance(value, int | np.integer):
            raise ValueError(f"{name}={value!r} of {_formula(atoms)}: expected an integer")
    electrons, unpaired = int(atoms.numbers.sum()) - charge, multiplicity - 1
    if unpaired < 0 or unpaired > electrons or (electrons - unpaired) % 2:
        raise ValueError(
            f"multiplicity={multiplicity} of {_formula(atoms)} with charge={charge}, that is "
            f"{electrons} electrons: expected an {'even' if electrons % 2 else 'odd'} number of 1 "
            "or more; correct the charge or the multiplicity"
        )
    copy = atoms.copy()
    copy.info.update(charge=int(charge), multiplicity=int(multiplicity))
    return copy


def _relax_with_force_field(parsed: Any, smiles: str) -> None:
    from rdkit.Chem import rdForceFieldHelpers as force_fields

    if parsed.GetNumAtoms() == 1:
        return
    if force_fields.MMFFHasAllMoleculeParams(parsed):
        unfinished = force_fields.MMFFOptimizeMolecule(parsed, maxIters=_MAX_ITERATIONS)
    elif force_fields.UFFHasAllMoleculeParams(parsed):
        unfinished = force_fields.UFFOptimizeMolecule(parsed, maxIters=_MAX_ITERATIONS)
    else:
        raise ValueError(
            f"neither MMFF94 nor UFF knows all atoms of SMILES {smiles!r}: draw the molecule and "
            "use molecule_from_xyz"
        )
    if unfinished:
        raise ValueError(
            f"the force field did not converge for SMILES {smiles!r} in {_MAX_ITERATIONS} steps: "
            "try another seed, or use molecule_from_xyz"
        )


def _formula(atoms: Atoms) -> str:
    return str(atoms.get_chemical_formula())
