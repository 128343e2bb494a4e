"""Assemble the inputs of the barrier search from protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder

from .label.engines import LABEL_ENGINES, fill_label
from .protocols import load_protocol

#: A pair of structures between which a path is sought.
Ends = tuple[orm.StructureData, orm.StructureData]


def build(
    workchain: Any,
    codes: Mapping[str, orm.AbstractCode],
    potentials: Mapping[str, orm.Data],
    ends: Mapping[str, Ends] | None = None,
    host: orm.StructureData | None = None,
    directions: Mapping[str, Any] | None = None,
    trajectories: Mapping[str, orm.Data] | None = None,
    harvest: Mapping[str, Any] | None = None,
    engine: str | None = None,
    engine_options: Mapping[str, Any] | None = None,
    reference: bool = False,
    max_concurrent: int | None = None,
    protocol: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    label_overrides: Mapping[str, Any] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> ProcessBuilder:
    """Return a builder with the inputs of a protocol (``protocols/neb.yaml``).

    Parameters
    ----------
    codes
        ``python``, ``cp2k`` or ``vasp`` for that engine, and ``lmp`` where it relaxes the bands.
    potentials
        A committee, or one potential. The first by name relaxes the bands.
    ends
        Initial and final structure, by the name of the path.
    host, directions
        Crystal, and ``symbol`` and ``directions`` to seek jumps along.
    trajectories, harvest
        Runs, and how to find hops in them (``HarvestSettings``).
    engine, engine_options
        What labels the images, and what it needs, as in the active-learning loop; None: nothing.
    reference
        Whether the engine also relaxes bands of its own, from the images of the potential.
    overrides, label_overrides
        Values of ``protocols/neb.yaml``, and of the protocol of the engine.
    options
        ``neb``, ``label`` and ``evaluate`` to ``metadata.options`` of the jobs.

    Raises
    ------
    ValueError
        If there is no potential, the engine is not known, or relaxes no bands though asked to.
    """
    if not potentials:
        raise ValueError("potentials is empty, expected one potential or a committee")
    options = options or {}
    inputs = load_protocol("neb", protocol, overrides)
    width = max_concurrent or inputs["max_concurrent"]
    builder = workchain.get_builder()
    fill_band(builder, codes, inputs, options.get("neb"))
    builder.potential = potentials[min(potentials)]
    if len(potentials) > 1:
        builder.committee = dict(potentials)
        builder.evaluate.code = codes["python"]
        for key, value in options.get("evaluate", {}).items():
            builder.evaluate.metadata.options[key] = value
    fill_paths(builder, ends, host, directions, harvest)
    if trajectories:
        builder.trajectories = dict(trajectories)
    builder.max_concurrent = orm.Int(width)
    if engine is not None:
        if engine not in LABEL_ENGINES:
            raise ValueError(f"engine is {engine!r}, expected one of {list(LABEL_ENGINES)}")
        fill_label(
            builder,
            engine,
            codes[engine if engine in codes else "python"],
            sorted(builder.potential.type_map),
            engine_options or {},
            max_concurrent=width,
            protocol=protocol,
            overrides=label_overrides,
            options=options.get("label"),
        )
    if reference:
        _fill_reference(builder, engine, inputs)
    return builder


def _fill_reference(builder: ProcessBuilder, engine: str | None, inputs: Mapping[str, Any]) -> None:
    """Let the engine relax bands with the settings of its labels."""
    if engine == "cp2k":
        label, band = builder.label.cp2k.cp2k, builder.reference.cp2k
        band.code, band.files, band.parameters = label.code, label.files, label.parameters
        band.neb = orm.Dict(inputs["reference"])
        metadata = band.metadata
        limits = dict(label.metadata.options)
    elif engine == "vasp":
        label, band = builder.label.vasp.vasp, builder.reference.vasp
        band.vasp._merge(label._inputs(prune=True))
        band.neb = orm.Dict(inputs["reference_vasp"])
        band.max_concurrent = orm.Int(1)
        metadata = band.vasp.calc.metadata
        limits = dict(label.calc.metadata.options)
    elif engine in ("ase", "teacher"):
        label, band = builder.label[engine][engine], builder.reference.ase
        band.code = label.code
        for name in ("calculator", "potential"):
            if name in label:
                band[name] = label[name]
        band.parameters = orm.Dict(inputs["parameters"])
        metadata = band.metadata
        limits = dict(label.metadata.options)
    else:
        raise ValueError(
            f"reference is asked for and engine is {engine!r}, expected one that relaxes bands: "
            "ase, teacher, cp2k or vasp"
        )
    for key, value in {**limits, "max_wallclock_seconds": inputs["max_wallclock_seconds"]}.items():
        metadata.options[key] = value


def fill_band(
    builder: Any,
    codes: Mapping[str, orm.AbstractCode],
    inputs: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
) -> None:
    """Fill the inputs of the bands on the potential from values of the protocol.

    Raises
    ------
    ValueError
        If ``relaxed_by`` of the protocol is not known.
    """
    limits = {"max_wallclock_seconds": inputs["max_wallclock_seconds"]}
    if inputs["relaxed_by"] == "ase":
        band, code = builder.neb, codes["python"]
    elif inputs["relaxed_by"] == "lammps":
        band, code = builder.neb_lammps, codes["lmp"]
        images = inputs["parameters"]["images"] + 2
        limits["resources"] = {"num_machines": 1, "num_mpiprocs_per_machine": images}
    else:
        raise ValueError(f"relaxed_by is {inputs['relaxed_by']!r}, expected ase or lammps")
    band.code = code
    band.parameters = orm.Dict(inputs["parameters"])
    for key, value in {**limits, **(options or {})}.items():
        band.metadata.options[key] = value


def fill_paths(
    namespace: Any,
    ends: Mapping[str, Ends] | None = None,
    host: orm.StructureData | None = None,
    directions: Mapping[str, Any] | None = None,
    harvest: Mapping[str, Any] | None = None,
) -> None:
    """Fill in where paths begin and end, or how they are found."""
    if ends:
        namespace.initial = {name: initial for name, (initial, _) in ends.items()}
        namespace.final = {name: final for name, (_, final) in ends.items()}
    if host is not None:
        namespace.host = host
    if directions is not None:
        namespace.directions = orm.Dict(dict(directions))
    if harvest is not None:
        namespace.harvest = orm.Dict(dict(harvest))
