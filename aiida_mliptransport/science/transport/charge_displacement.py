"""Charge displacement by species that form and break: its vehicular and its structural part.

The charge displacement ΔM = Σ q Δr is the sum of three parts, step by step:

- vehicular: molecules move as they are, Σ Q ΔR with the charge Q and centre of mass R of each;
- structural: a reaction regroups atoms between two frames, Σ Q R of its products in the later
  frame less Σ Q R of its reactants in the earlier one;
- internal: the rest, the change of the dipoles of the molecules about their centres of mass. It
  is bounded, so it carries no current in the long run.

The step in which the carrier changes counts as structural as a whole: the discrete part of the
displacement of an excess charge, against the continuous one between hops (Fischer, Dunlap and
Gunlycke, Chem. Sci. 9, 7126 (2018), and the literature there).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from aiida_mliptransport.science.selection.neighbours import cell_heights
from aiida_mliptransport.science.transport.bonds import IntArray
from aiida_mliptransport.science.transport.reference import FloatArray
from aiida_mliptransport.science.transport.speciation import (
    Molecule,
    Reaction,
    Speciation,
    check_masses,
)
from aiida_mliptransport.science.transport.species_charges import species_charges


@dataclass(frozen=True)
class ChargeDisplacement:
    """Parts of ΔM from the first frame, (n_frames, 3) in e Å each; `total` is their sum.

    `internal` is None where charges are known by formula only; then `total` is of charges in
    the centres of mass.
    """

    vehicular: FloatArray
    structural: FloatArray
    internal: FloatArray | None

    @property
    def total(self) -> FloatArray:
        """ΔM(t) in e Å."""
        return np.asarray(sum(self.parts.values()))

    @property
    def parts(self) -> dict[str, FloatArray]:
        """Those that are known, by name."""
        parts = {"vehicular": self.vehicular, "structural": self.structural}
        return parts if self.internal is None else {**parts, "internal": self.internal}


def charge_displacement(
    frames: Iterable[ArrayLike],
    speciation: Speciation,
    cells: ArrayLike,
    masses: ArrayLike,
    charges: Mapping[str, float],
) -> ChargeDisplacement:
    """Split ΔM into its vehicular, structural and internal parts (definitions: see the module).

    `frames`: unwrapped positions (n_atoms, 3) in Å, read one by one, the same frames as for
    `speciation`, drift removed; `cells` (3, 3) or (n_frames, 3, 3) in Å; `masses` (n_atoms,);
    `charges` in e by element or formula (see `species_charges.species_charge`). With a charge
    for every element ΔM is that of the atoms. Raises ValueError for charges that reactions do
    not conserve or that disagree between formula and elements, for molecules that are as large
    as the cell, and for bad shapes.
    """
    mass = check_masses(masses, speciation)
    table = species_charges(speciation, charges)
    weights = np.zeros(len(mass))
    at_start = [item.molecule for item in speciation.lives if not item.birth_seen]
    _set_weights(weights, at_start, mass, table)
    boxes = np.broadcast_to(np.asarray(cells, np.float64), (speciation.n_frames, 3, 3))
    due: dict[int, list[Reaction]] = {}
    for reaction in speciation.reactions:
        due.setdefault(reaction.frame, []).append(reaction)
    atomic = None
    if set(speciation.elements) <= set(charges):
        atomic = np.array([charges[name] for name in speciation.elements], dtype=np.float64)
    steps = np.zeros((3, speciation.n_frames, 3))
    before = np.zeros(0)
    for index, now in enumerate(_checked(frames, speciation)):
        if index > 0:
            for reaction in due.get(index, ()):
                # Its atoms do not move as they are: they are left out of the vehicular step.
                weights[[atom for item in reaction.reactants for atom in item.atoms]] = 0.0
                old, new = (before, boxes[index - 1]), (now, boxes[index])
                steps[1, index] += _transfer(reaction, old, new, mass, table)
            steps[0, index] = weights @ (now - before)
            for reaction in due.get(index, ()):
                _set_weights(weights, reaction.products, mass, table)
            if atomic is not None:
                steps[2, index] = atomic @ (now - before) - steps[0, index] - steps[1, index]
        before = now
    vehicular, structural, internal = np.cumsum(steps, axis=1)
    return ChargeDisplacement(vehicular, structural, internal if atomic is not None else None)


def _checked(frames: Iterable[ArrayLike], speciation: Speciation) -> Iterator[FloatArray]:
    """Yield each frame as float64; ValueError for shapes, NaN and a wrong number of frames."""
    expected, index = (len(speciation.elements), 3), -1
    for index, frame in enumerate(frames):
        now = np.asarray(frame, dtype=np.float64)
        if index >= speciation.n_frames or now.shape != expected or not np.isfinite(now).all():
            msg = (
                f"frame {index} has shape {now.shape} or holds a NaN or an infinity, expected "
                f"{speciation.n_frames} frames of {expected}"
            )
            raise ValueError(msg)
        yield now
    if index + 1 != speciation.n_frames:
        msg = f"there are {index + 1} frames, expected {speciation.n_frames} as in the speciation"
        raise ValueError(msg)


def _set_weights(
    weights: FloatArray, molecules: Iterable[Molecule], masses: FloatArray, table: dict[str, float]
) -> None:
    """Write what the displacement of each atom adds to Σ Q ΔR: Q m / M of its molecule."""
    for molecule in molecules:
        atoms = list(molecule.atoms)
        weights[atoms] = table[molecule.formula] * masses[atoms] / masses[atoms].sum()


def _transfer(
    reaction: Reaction,
    before: tuple[FloatArray, FloatArray],
    now: tuple[FloatArray, FloatArray],
    masses: FloatArray,
    table: dict[str, float],
) -> FloatArray:
    """Σ Q R of the products now less Σ Q R of the reactants before, in e Å.

    `before` and `now` are (positions, cell). Atoms are first put into one image of the group.
    """
    images = _images(reaction, before, now)
    result = np.zeros(3)
    sides = ((reaction.reactants, before, -1.0), (reaction.products, now, 1.0))
    for molecules, (positions, box), sign in sides:
        for molecule in molecules:
            atoms = list(molecule.atoms)
            whole = positions[atoms] + np.array([images[atom] for atom in atoms]) @ box
            centre = masses[atoms] @ whole / masses[atoms].sum()
            result += sign * table[molecule.formula] * centre
    return result


def _images(
    reaction: Reaction,
    before: tuple[FloatArray, FloatArray],
    now: tuple[FloatArray, FloatArray],
) -> dict[int, IntArray]:
    """Cell vectors to add to each atom of a group so that it is whole, walking along its bonds.

    Unwrapped positions keep them: each bond tells them in the frame where it is shorter.
    """
    neighbours: dict[int, list[tuple[int, IntArray]]] = {}
    for one, two in reaction.bonds:
        found = (_nearest(one, two, *frame) for frame in (before, now))
        distance, shift = min(found, key=lambda item: item[0])
        if not np.isfinite(distance):
            msg = (
                f"atoms {one} and {two} of {reaction} in frame {reaction.frame} are half a cell "
                "or more apart, so which images bond is not known; use a larger cell"
            )
            raise ValueError(msg)
        neighbours.setdefault(one, []).append((two, shift))
        neighbours.setdefault(two, []).append((one, -shift))
    root = reaction.bonds[0][0]
    images = {root: np.zeros(3, dtype=np.int64)}
    queue = [root]
    for atom in queue:
        for other, shift in neighbours[atom]:
            if other not in images:
                images[other] = images[atom] + shift
                queue.append(other)
            elif (images[other] != images[atom] + shift).any():
                msg = (
                    f"molecules of {reaction} in frame {reaction.frame} wrap around the cell: "
                    "an endless network has no centre; use a larger cell or shorter radii"
                )
                raise ValueError(msg)
    return images


def _nearest(one: int, two: int, positions: FloatArray, box: FloatArray) -> tuple[float, IntArray]:
    """Distance to the nearest image of atom `two` from atom `one`, and which image it is."""
    vector = positions[two] - positions[one]
    shift = -np.rint(vector @ np.linalg.inv(box)).astype(np.int64)
    distance = float(np.linalg.norm(vector + shift @ box))
    # Rounding finds the nearest image of a skewed cell for sure within half of its height.
    half = 0.5 * float(cell_heights(box, np.ones(3, dtype=bool)).min())
    return (distance if distance < half else np.inf), shift
