"""Read the table and the curves of a validation."""

from __future__ import annotations

from collections.abc import Iterator

from aiida import orm

from ..science.validation.verdict import CheckLine, count_verdicts
from .graph import Root
from .model_validation import Comparison, FloatArray, Validation

#: Check → names of the arrays along the axis and of the curves.
_ARRAYS = {
    "eos": ("volumes", "energies"),
    "compression": ("relative_volumes", "energies"),
    "phonons": ("distances", "frequencies"),
}


def read_validation(root: Root) -> Validation | None:
    """Return what a validation found; None where the process is none or has not ended."""
    table, arrays = root.given.get("validation"), root.given.get("curves")
    if not isinstance(table, orm.Dict):
        return None
    lines = tuple(CheckLine(**line) for line in table["lines"])
    curves: dict[str, dict[str, FloatArray]] = {}
    if isinstance(arrays, orm.ArrayData):
        for name in arrays.get_arraynames():
            group, _, curve = name.partition("__")
            curves.setdefault(group, {})[curve] = arrays.get_array(name)
    found = tuple(item for group in sorted(curves) for item in _comparisons(group, curves[group]))
    return Validation(lines, count_verdicts(lines), found)


def _comparisons(group: str, curves: dict[str, FloatArray]) -> Iterator[Comparison]:
    check, _, subject = group.partition("_")
    if check in _ARRAYS:
        axis, name = _ARRAYS[check]
        ours, theirs = curves[f"{name}_potential"], curves.get(f"{name}_labeller")
        yield Comparison(check, subject, curves[axis], ours, theirs)
    elif check == "dimer":
        for name, energies in sorted(curves.items()):
            if name.endswith("_energies"):
                pair = name.removesuffix("_energies").replace("_", "–")
                yield Comparison(check, pair, curves["distances"], energies, None)
    elif check == "rdf":
        for name, radii in sorted(curves.items()):
            if name.endswith("_r"):
                pair = name.removesuffix("_r")
                ours, theirs = curves[f"{pair}_potential"], curves[f"{pair}_labeller"]
                yield Comparison(check, f"{subject} {pair.replace('_', '–')}", radii, ours, theirs)
