"""Inputs of the transport WorkChain from a protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder

from ..protocols import load_protocol


def build(
    workchain: Any,
    code: orm.AbstractCode,
    structures: Mapping[str, orm.StructureData],
    potentials: Mapping[str, orm.Data],
    temperatures: list[float],
    charges: Mapping[str, float],
    seed: int,
    max_concurrent: int,
    protocol: str | None,
    overrides: Mapping[str, Any] | None,
    options: Mapping[str, Any] | None,
) -> ProcessBuilder:
    """Return a builder; see ``TransportWorkChain.get_builder_from_protocol``."""
    inputs = load_protocol("transport", protocol, overrides)
    builder = workchain.get_builder()
    builder.structures = dict(structures)
    builder.potentials = dict(potentials)
    builder.drivers = orm.Int(inputs["drivers"])
    builder.temperatures = orm.List([float(t) for t in temperatures])
    builder.replicas = orm.Int(inputs["replicas"])
    builder.parameters = orm.Dict(inputs["parameters"])
    for stage in ("melt", "mean_cell", "extension", "mechanism"):
        if inputs[stage]:
            builder[stage] = orm.Dict(inputs[stage])
    builder.charges = orm.Dict({key: float(value) for key, value in charges.items()})
    builder.analysis = orm.Dict(inputs["analysis"])
    builder.seed = orm.Int(seed)
    builder.max_concurrent = orm.Int(max_concurrent)
    builder.md.code = code
    for key, value in {**inputs["options"], **(options or {})}.items():
        builder.md.metadata.options[key] = value
    return builder
