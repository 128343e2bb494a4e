"""Starting cells from plain parameters, calculators by name included; needs no AiiDA."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import chdir, nullcontext
from pathlib import Path
from typing import Any

from ase import Atoms

from ..science.structures.recipes import RecipeError, build_cells
from .runners.calculators import make_calculator

__all__ = ["make_cells"]


def make_cells(
    name: str,
    parameters: Mapping[str, Any],
    *,
    files: Mapping[str, Path] | None = None,
    seed: int | None = None,
    **structures: Any,
) -> list[Atoms]:
    """Build the cells of a recipe.

    Parameters
    ----------
    name, parameters
        As for :func:`~aiida_mliptransport.science.structures.recipes.build_cells`; for a recipe
        that needs a calculator also ``calculator``, a description for
        :func:`~.runners.calculators.make_calculator`, whose ``model`` is a name in ``files``.
    files
        XYZ files or the model file, by name.
    seed
        Where the recipe is random.
    structures
        Inputs by name: ``structure``, or ``substrate`` and ``film``.

    Returns
    -------
    list of ase.Atoms

    Raises
    ------
    ValueError
        If the parameters do not fit.
    """
    inputs: dict[str, Any] = {**structures, "seed": seed}
    plain = dict(parameters)
    if "calculator" in plain:
        spec = plain.pop("calculator")
        inputs["calculator"] = _calculator(spec, files or {}, plain)
    elif files:
        inputs["files"] = dict(files)
    built = build_cells(name, plain, **inputs)
    return built if isinstance(built, list) else [built]


def _calculator(spec: Any, files: Mapping[str, Path], parameters: Mapping[str, Any]) -> Any:
    if not isinstance(spec, dict):
        raise RecipeError(
            f"calculator is {spec!r}, expected a table like {{'name': 'tblite', 'method': "
            "'GFN2-xTB'}"
        )
    folder: Any = nullcontext()
    if "model" in spec:
        if spec["model"] not in files:
            raise RecipeError(
                f"calculator {spec.get('name')!r} has model {spec['model']!r}, expected one of the "
                f"given files {sorted(files)}; give the file too"
            )
        path = files[spec["model"]].resolve()
        # A description names a file of the working directory, as in a job.
        folder, spec = chdir(path.parent), {**spec, "model": path.name}
    with folder:
        return make_calculator(
            spec, int(parameters.get("charge", 0)), int(parameters.get("multiplicity", 1))
        )
