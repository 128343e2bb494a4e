"""Calcfunctions of a validation: cells of a check, and the lines that compare what is said of them.

Every comparison gives ``lines`` (Dict: 'lines', a list of
:class:`~...science.validation.verdict.CheckLine` as dictionaries) and, where there is something to
draw, ``curves`` (ArrayData).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from ase.data import chemical_symbols

from ...data.frames import FrameSetData
from ...science.frames import Frames
from ...science.selection.limits import contact_limits_from_frames
from ...science.validation import (
    CheckLine,
    ErrorLimits,
    LatticeLimits,
    Quantity,
    ValidationSettings,
    count_verdicts,
    error_lines,
    lattice_lines,
)
from .evaluated import evaluated, labelled, predicted

#: Å; pairs of atoms that are never this close in the training are as good as never seen.
CONTACT_CUTOFF = 5.0


def lines_node(lines: Iterable[CheckLine]) -> orm.Dict:
    """Return the node of some lines."""
    return orm.Dict({"lines": [line.as_dict() for line in lines]})


def curves_node(curves: Mapping[str, np.ndarray]) -> orm.ArrayData:
    """Return the node of some curves."""
    node = orm.ArrayData()
    for name, array in curves.items():
        node.set_array(name, np.asarray(array))
    return node


@calcfunction
def build_check_cells(
    check: orm.Str, settings: orm.Dict, **structures: orm.StructureData
) -> FrameSetData:
    """Return the cells of one check on the structures of one subject, without labels.

    Parameters
    ----------
    settings
        Of the check; see :class:`~...science.validation.settings.ValidationSettings`.
    structures
        ``structure__<name>``.
    """
    chosen = _check_of(check, settings)
    return FrameSetData(Frames.from_atoms(chosen.build(_cells(structures))))


@calcfunction
def compare_check(
    check: orm.Str,
    settings: orm.Dict,
    subject: orm.Str,
    trained: orm.Dict,
    estimator_version: orm.Str,
    frames: FrameSetData,
    predictions: orm.ArrayData,
    labels: FrameSetData | None = None,
    missing: orm.Str | None = None,
    **structures: orm.StructureData,
) -> dict[str, Any]:
    """Return lines and curves of one check on one subject.

    Parameters
    ----------
    check, settings, structures
        As they were given to :func:`build_check_cells`.
    trained
        Of :func:`shortest_distances`, or empty.
    estimator_version
        So that a change in ``science`` is not answered from the cache.
    frames, predictions
        The cells, and what an evaluation says of them.
    labels
        Those of the cells that have a label.
    missing
        Why there are no labels.
    """
    chosen = _check_of(check, settings)
    cells = _cells(structures)
    built = chosen.build(cells)
    result = chosen.compare(
        subject.value,
        cells,
        evaluated(built, predicted(frames.frames, predictions)),
        None if labels is None else evaluated(built, labelled(labels.frames)),
        trained.get_dict(),
    )
    lines = result.lines
    if missing is not None:
        lines = [
            replace(line, reason=f"{line.reason}: {missing.value}")
            if line.verdict == "not available"
            else line
            for line in lines
        ]
    return {"lines": lines_node(lines), "curves": curves_node(result.curves)}


@calcfunction
def compare_labels(
    check: orm.Str,
    limits: orm.Dict,
    subject: orm.Str,
    estimator_version: orm.Str,
    frames: FrameSetData,
    predictions: orm.ArrayData,
) -> orm.Dict:
    """Return the lines of a potential's errors on labelled frames, by composition.

    Parameters
    ----------
    check
        ``blind`` or ``unseen``.
    limits
        Of :class:`~...science.validation.errors.ErrorLimits`.
    subject
        Name of the frames, such as their temperature.
    frames, predictions
        Labelled frames, and what an evaluation says of them.
    """
    chosen = ErrorLimits.model_validate(limits.get_dict())
    ours, theirs = predicted(frames.frames, predictions), labelled(frames.frames)
    groups: dict[str, list[Any]] = {}
    for system in frames.frames:
        groups.setdefault(system.formula, []).extend(system.without_labels().to_atoms())
    lines: list[CheckLine] = []
    for formula, cells in sorted(groups.items()):
        lines += error_lines(
            check.value,
            f"{subject.value}, {formula}",
            cells,
            evaluated(cells, ours),
            evaluated(cells, theirs),
            chosen,
        )
    return lines_node(lines)


@calcfunction
def compare_lattices(
    limits: orm.Dict,
    subject: orm.Str,
    estimator_version: orm.Str,
    relaxed: orm.StructureData,
    reference: orm.StructureData,
) -> orm.Dict:
    """Return the lines of a cell that the potential relaxed beside the labeller's."""
    chosen = LatticeLimits.model_validate(limits.get_dict())
    return lines_node(lattice_lines(subject.value, relaxed.get_ase(), reference.get_ase(), chosen))


@calcfunction
def shortest_distances(**frame_sets: FrameSetData) -> orm.Dict:
    """Return the shortest distance in Å by pair of symbols (``Cl-Li``) over all frames."""
    shortest: dict[str, float] = {}
    for name in sorted(frame_sets):
        for system in frame_sets[name].frames:
            found = contact_limits_from_frames(
                system.positions,
                system.cells,
                system.pbc,
                system.numbers,
                margin=1.0,
                cutoff=CONTACT_CUTOFF,
            )
            for (first, second), distance in found.items():
                pair = f"{chemical_symbols[first]}-{chemical_symbols[second]}"
                shortest[pair] = min(distance, shortest.get(pair, np.inf))
    return orm.Dict(shortest)


@calcfunction
def collect_validation(unavailable: orm.Dict, **nodes: Any) -> dict[str, Any]:
    """Return the table of a validation and all its curves.

    Parameters
    ----------
    unavailable
        Check and subject, joined by a slash, to why nothing can be said.
    nodes
        ``lines__<name>`` (Dict) and ``curves__<name>`` (ArrayData) of the comparisons.

    Returns
    -------
    dict
        ``validation`` (Dict: 'lines'; 'counts' by verdict; 'passed', whether no line failed and
        one passed) and ``curves`` (ArrayData: ``<name>__<curve>``).
    """
    lines = []
    curves = {}
    for key in sorted(nodes):
        kind, _, name = key.partition("__")
        if kind == "lines":
            lines += [CheckLine(**line) for line in nodes[key]["lines"]]
        else:
            for array in nodes[key].get_arraynames():
                curves[f"{name}__{array}"] = nodes[key].get_array(array)
    for where, reason in sorted(unavailable.get_dict().items()):
        check, _, subject = where.partition("/")
        lines.append(Quantity(check, subject, "all of it", "").not_available(reason))
    counts = count_verdicts(lines)
    table = {
        "lines": [line.as_dict() for line in lines],
        "counts": counts,
        "passed": counts["fail"] == 0 and counts["pass"] > 0,
    }
    return {"validation": orm.Dict(table), "curves": curves_node(curves)}


def _check_of(check: orm.Str, settings: orm.Dict) -> Any:
    chosen = ValidationSettings.model_validate({check.value: settings.get_dict()})
    return chosen.frame_checks()[check.value]


def _cells(structures: Mapping[str, orm.StructureData]) -> dict[str, Any]:
    return {key.removeprefix("structure__"): node.get_ase() for key, node in structures.items()}
