"""The charge of each species, from charges given by formula or by element."""

from __future__ import annotations

from collections.abc import Mapping

from ase.formula import Formula

from aiida_mliptransport.science.transport.speciation import Speciation


def species_charge(formula: str, charges: Mapping[str, float]) -> float:
    """Charge in e of a species: its own if `charges` names the formula, else of its elements.

    `charges` may hold formulas ('AlCl4': -1) and elements ('Al': 3, 'Cl': -1): always given,
    never guessed. Raises ValueError for a formula that neither covers.
    """
    if formula in charges:
        return float(charges[formula])
    counts = Formula(formula).count()
    missing = sorted(set(counts) - set(charges))
    if missing:
        msg = f"charges lack {formula} and its elements {missing}: give either, in e"
        raise ValueError(msg)
    return float(sum(n * charges[name] for name, n in counts.items()))


def species_charges(speciation: Speciation, charges: Mapping[str, float]) -> dict[str, float]:
    """Charge in e of every species that occurs, by formula.

    Raises ValueError for charges that are missing, that disagree between a formula and its
    elements where all elements have one, or that a reaction does not conserve.
    """
    table = {name: species_charge(name, charges) for name in speciation.species}
    if set(speciation.elements) <= set(charges):
        elements = {name: charges[name] for name in speciation.elements}
        for name, charge in table.items():
            of_atoms = species_charge(name, elements)
            if abs(charge - of_atoms) > 1e-6:
                msg = (
                    f"charges give {name} {charge:g} e, but its elements add up to {of_atoms:g} "
                    "e: give formulas only, or make them agree"
                )
                raise ValueError(msg)
    for reaction in speciation.reactions:
        gain = sum(table[item.formula] for item in reaction.products)
        gain -= sum(table[item.formula] for item in reaction.reactants)
        if abs(gain) > 1e-6:
            msg = f"{reaction} in frame {reaction.frame} changes the charge by {gain:g} e"
            raise ValueError(msg)
    return table
