"""Read barriers and their paths from a barrier search, alone or within a campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from aiida import orm

from ..data.frames import FrameSetData
from .graph import Root, children, in_namespace, outputs
from .model_barriers import BarrierPath, Barriers, EnergyProfile, PathPicture

#: Methods in the order of the figure.
METHODS = ("potential", "labels", "reference")


def read_barriers(root: Root) -> Barriers | None:
    """Return the last barrier search of a process; None where there was none."""
    node = _search(root)
    if node is None:
        return None
    given, called = outputs(node), children(node)
    found = [_outputs_dict(called.get(name)) for name in ("directional_ends", "harvest_ends")]
    origins = {name: record for content in found for name, record in content["paths"].items()}
    refused = tuple(reason for content in found for reason in content["refused"])
    records, arrays = given.get("barriers"), given.get("profiles")
    if not isinstance(records, orm.Dict) or not isinstance(arrays, orm.ArrayData):
        return Barriers((), refused) if node.is_terminated else None
    images = in_namespace(given, "paths")
    paths = tuple(
        _path(name, record, arrays, images.get(name), origins.get(name), called.get(f"band_{name}"))
        for name, record in sorted(records.get_dict().items())
    )
    return Barriers(paths, refused)


def _search(root: Root) -> orm.ProcessNode | None:
    if root.node.process_label == "NebWorkChain":
        return root.node
    found = [label for label in root.called if label.endswith("_neb")]
    if "final_neb" in found:
        return root.called["final_neb"]
    return root.called[max(found)] if found else None


def _outputs_dict(node: orm.ProcessNode | None) -> Mapping[str, Any]:
    made = outputs(node).get("paths") if node is not None else None
    return made.get_dict() if isinstance(made, orm.Dict) else {"paths": {}, "refused": []}


def _path(
    name: str,
    record: Mapping[str, Any],
    arrays: orm.ArrayData,
    images: orm.Data | None,
    origin: Mapping[str, Any] | None,
    band: orm.ProcessNode | None,
) -> BarrierPath:
    ions = Counter(str(symbol) for _, symbol in record["moving_ions"])
    committee = record.get("committee") or {}
    return BarrierPath(
        name=name,
        formula=str(record["formula"]),
        moving=", ".join(f"{count} {symbol}" for symbol, count in sorted(ions.items())),
        length_A=record.get("path_length_A"),
        origin=_origin(origin),
        profiles=tuple(
            EnergyProfile(
                whose=whose,
                coordinate=arrays.get_array(f"{name}_{whose}_coordinate"),
                energies=arrays.get_array(f"{name}_{whose}_energies"),
                curve=arrays.get_array(f"{name}_{whose}_curve"),
                barrier=record[whose]["barrier_eV"],
                reverse_barrier=record[whose]["reverse_barrier_eV"],
                reaction_energy=record[whose]["reaction_energy_eV"],
            )
            for whose in METHODS
            if whose in record
        ),
        committee_std=committee.get("barrier_std_eV"),
        force_error=(record.get("force_errors_eV_A") or {}).get("moving_max_vector"),
        force_deviation=committee.get("max_force_deviation_eV_A"),
        warnings=tuple(record["potential"].get("warnings") or ()),
        picture=_picture(images, record),
        converged=band is None or bool(band.is_finished_ok),
    )


def _origin(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "given"
    if "direction" in record:
        direction = " ".join(str(index) for index in record["direction"])
        return f"along [{direction}]"
    return f"{record['kind']}, seen {record['count']} times ({100 * record['share']:.0f} % of hops)"


def _picture(images: orm.Data | None, record: Mapping[str, Any]) -> PathPicture | None:
    if not isinstance(images, FrameSetData):
        return None
    (system,) = images.frames.systems
    return PathPicture(
        numbers=system.numbers,
        positions=system.positions,
        cell=system.cells[0],
        moving=tuple(int(ion) for ion, _ in record["moving_ions"]),
    )
