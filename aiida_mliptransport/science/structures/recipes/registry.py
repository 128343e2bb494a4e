"""One place that maps plain parameters, as a node or a command line holds them, to a builder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from ase import Atoms
from pydantic import ConfigDict, ValidationError, validate_call

from ..conversion import check_periodic
from ..molecules import set_charge
from . import boundaries, crystals, mixtures, variations
from .errors import RecipeError

__all__ = ["INPUTS", "RECIPES", "STATE", "build_cells"]

#: Inputs of recipes that are no parameters.
INPUTS = ("structure", "substrate", "film", "calculator", "files", "seed")

#: Parameters that any recipe with the input ``structure`` takes: those of the cell that comes in.
STATE = ("charge", "multiplicity")

#: Recipe by name. Its keyword arguments are its parameters, beside :data:`INPUTS`.
RECIPES: dict[str, Callable[..., Any]] = {
    recipe.__name__: recipe
    for recipe in (
        mixtures.pack_liquid,
        mixtures.place_amorphous,
        variations.densify_cell,
        variations.relax_cell,
        variations.rattle_cell,
        variations.strain_cell,
        variations.strain_randomly,
        variations.scale_volumes,
        crystals.build_supercell,
        crystals.order_randomly,
        crystals.order_by_ewald,
        crystals.order_quasirandom,
        crystals.exchange_anions,
        crystals.make_vacancies,
        crystals.add_interstitial,
        crystals.make_frenkel_pair,
        boundaries.cut_slab,
        boundaries.join_interface,
        boundaries.join_tilt_boundary,
        boundaries.join_twist_boundary,
    )
}


def build_cells(name: str, parameters: Mapping[str, Any], **inputs: Any) -> Atoms | list[Atoms]:
    """Build one cell, or the list of cells that a recipe can make of one.

    Parameters
    ----------
    name
        One of :data:`RECIPES`.
    parameters
        Plain JSON: the keyword arguments of the recipe, and for one with the input ``structure``
        its ``charge`` (e) and ``multiplicity``, where they are known.
    inputs
        Those of :data:`INPUTS` that the recipe takes; None counts as not given.

    Returns
    -------
    ase.Atoms or list of ase.Atoms
        ``info`` as the builder wrote it.

    Raises
    ------
    RecipeError
        If the recipe, a parameter or an input is unknown, missing or of the wrong type.
    ValueError, RuntimeError, FileNotFoundError, ModuleNotFoundError
        As the builder raises them.
    """
    if name not in RECIPES:
        raise RecipeError(f"recipe is {name!r}, expected one of {sorted(RECIPES)}")
    recipe, given = RECIPES[name], {k: v for k, v in inputs.items() if v is not None}
    wrong = sorted(set(parameters) & set(INPUTS))
    if wrong:
        raise RecipeError(f"parameters hold {wrong}, expected as inputs of their own")
    plain = dict(parameters)
    state = {key: plain.pop(key) for key in STATE if "structure" in given and key in plain}
    for key in ("structure", "substrate", "film"):
        if isinstance(given.get(key), Atoms):
            check_periodic(given[key])
    if isinstance(given.get("structure"), Atoms):
        given["structure"] = _with_state(given["structure"], state)
    _check_names(name, recipe, {**plain, **given})
    checked = validate_call(config=ConfigDict(arbitrary_types_allowed=True, strict=True))(recipe)
    try:
        built: Atoms | list[Atoms] = checked(**plain, **given)
    except ValidationError as error:
        raise RecipeError(f"{name}: {_one_line(error)}") from error
    return built


def _with_state(atoms: Atoms, state: Mapping[str, Any]) -> Atoms:
    """Return a copy that knows only elements, places, cell and the state given."""
    bare = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    for key, value in state.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RecipeError(f"{key}={value!r} of the structure: expected a number")
    bare.info |= state
    if "multiplicity" in state:
        return set_charge(bare, state.get("charge", 0), state["multiplicity"])
    return bare


def _check_names(name: str, recipe: Callable[..., Any], given: Mapping[str, Any]) -> None:
    known = signature(recipe).parameters
    unknown = sorted(set(given) - set(known))
    missing = [k for k, p in known.items() if p.default is p.empty and k not in given]
    if unknown or missing:
        told = [f"does not know {unknown}"] if unknown else []
        told += [f"misses {missing}"] if missing else []
        raise RecipeError(
            f"{name} {' and '.join(told)}: expected {list(known)}, of which "
            f"{[k for k, p in known.items() if p.default is p.empty]} must be given"
        )


def _one_line(error: ValidationError) -> str:
    told = []
    for item in error.errors():
        message = item["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        where = ".".join(str(part) for part in item["loc"])
        told.append(f"{where} is {item['input']!r}, expected {message}")
    return "; ".join(told)
