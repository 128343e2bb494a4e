"""Assemble the inputs of the active-learning loop from protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder
from ase.data import atomic_numbers

from ..explore import ExploreWorkChain
from ..label.engines import LABEL_ENGINES, fill_label, without
from ..neb_builder import fill_band, fill_paths
from ..protocols import load_protocol, merged
from ..train import TrainWorkChain
from ..transport import TransportWorkChain
from .ports import AIMD_ENGINES


def build(
    workchain: Any,
    codes: Mapping[str, orm.AbstractCode],
    structures: Mapping[str, orm.StructureData],
    engine: str,
    temperatures: list[float],
    charges: Mapping[str, float] | None = None,
    transport_structures: Mapping[str, orm.StructureData] | None = None,
    transport_temperatures: list[float] | None = None,
    paths: Mapping[str, Any] | None = None,
    engine_options: Mapping[str, Any] | None = None,
    seed: int = 1,
    max_concurrent: int = 2,
    protocol: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> ProcessBuilder:
    """Return a builder with the inputs of a protocol (``protocols/active_learning.yaml``).

    Parameters
    ----------
    codes
        ``dp``, ``lmp`` and ``python``, and ``cp2k`` or ``vasp`` for that engine.
    structures
        Cells to label in, by name.
    engine
        ``ase``, ``cp2k``, ``vasp``, ``teacher`` or ``replay``: what labels. Recorded labels have no
        MD of their own: for ``replay`` set ``initial_frames``.
    temperatures
        K, of the labeller's MD and of the exploration.
    charges, transport_structures, transport_temperatures
        Charge of each element, cells and temperatures (K) of the production runs; without
        structures there is no transport stage.
    paths
        Between what barriers are compared: ``ends``, ``host`` and ``directions``, ``harvest``, as
        in :func:`..neb_builder.fill_paths`; the target is ``targets.barriers``.
    engine_options
        What the engine needs: ``calculator`` for ``ase``, ``potential`` for ``teacher``, ``pool``
        for ``replay``,
        ``settings`` for ``cp2k``, with ``potential_family`` for ``vasp``.
    options
        Stage (``aimd``, ``label``, ``train``, ``explore``, ``evaluate``, ``neb``, ``transport``) to
        ``metadata.options`` of its jobs.
    """
    if engine not in LABEL_ENGINES:
        raise ValueError(f"engine is {engine!r}, expected one of {list(LABEL_ENGINES)}")
    given = dict(overrides or {})
    options = options or {}
    own = ("ladder", "selection", "targets", "budget", "training")
    inputs = load_protocol(
        "active_learning", protocol, {key: given[key] for key in own if key in given}
    )
    builder = workchain.get_builder()
    builder.structures = dict(structures)
    symbols = {s for node in structures.values() for s in node.get_symbols_set()}
    builder.type_map = orm.List(sorted(symbols, key=atomic_numbers.__getitem__))
    shared = {"max_concurrent": max_concurrent, "protocol": protocol}
    _fill_engine(
        builder,
        engine,
        dict(engine_options or {}),
        codes,
        {"structures": structures, "temperatures": temperatures, "seed": seed, **shared},
        {"aimd": given.get("aimd"), "label": given.get("label")},
        options,
    )
    training = inputs["training"]
    train = TrainWorkChain.get_builder_from_protocol(
        code=codes["dp"],
        frames={},
        type_map=builder.type_map.get_list(),
        protocol=protocol,
        overrides=given.get("train"),
        options=options.get("train"),
    )
    builder.training._merge(without(train, "frames", "type_map", "seed", "max_concurrent"))
    base = train.parameters.get_dict()
    if training["refinement"]:
        builder.refinement = orm.Dict(merged(base, training["refinement"]))
    builder.final_training = orm.Dict(merged(base, training["final"]))
    explore = ExploreWorkChain.get_builder_from_protocol(
        code=codes["lmp"],
        structures=structures,
        potentials={},
        temperatures=temperatures,
        protocol=protocol,
        overrides=given.get("explore"),
        options=options.get("explore"),
    )
    builder.explore._merge(without(explore, "structures", "potentials", "seed", "max_concurrent"))
    builder.evaluate.code = codes["python"]
    for key, value in options.get("evaluate", {}).items():
        builder.evaluate.metadata.options[key] = value
    if transport_structures:
        if not charges or not transport_temperatures:
            raise ValueError(
                "the transport stage needs charges and temperatures: give charges, for example "
                "{'Li': 1, 'Cl': -1}, and transport_temperatures in K"
            )
        transport = TransportWorkChain.get_builder_from_protocol(
            code=codes["lmp"],
            structures=transport_structures,
            potentials={},
            temperatures=transport_temperatures,
            charges=charges,
            seed=seed,
            protocol=protocol,
            overrides=given.get("transport"),
            options=options.get("transport"),
        )
        builder.transport._merge(without(transport, "potentials", "max_concurrent"))
    if paths:
        band = load_protocol("neb", protocol, given.get("neb"))
        fill_band(builder.neb, codes, band, options.get("neb"))
        fill_paths(builder.neb, **paths)
    builder.ladder = orm.Dict(inputs["ladder"])
    builder.selection = orm.Dict(inputs["selection"])
    builder.targets = orm.Dict(inputs["targets"])
    builder.budget = orm.Dict(inputs["budget"])
    builder.seed = orm.Int(seed)
    builder.max_concurrent = orm.Int(max_concurrent)
    return builder


def _fill_engine(
    builder: ProcessBuilder,
    engine: str,
    engine_options: dict[str, Any],
    codes: Mapping[str, orm.AbstractCode],
    md: Mapping[str, Any],
    overrides: Mapping[str, Any],
    options: Mapping[str, Mapping[str, Any]],
) -> None:
    """Fill the namespaces of the one label engine and of its own MD."""
    if engine == "replay":
        replay = LABEL_ENGINES[engine].get_builder_from_protocol(
            **engine_options, protocol=md["protocol"], overrides=overrides["label"]
        )
        builder.label[engine]._merge(without(replay, "frames", "max_concurrent"))
        return
    # A teacher's MD is run by ASE with the teacher as the calculator.
    md_engine = engine if engine in AIMD_ENGINES else "ase"
    code = codes["python" if md_engine == "ase" else engine]
    aimd = AIMD_ENGINES[md_engine].get_builder_from_protocol(
        code=code,
        **md,
        **engine_options,
        overrides=overrides["aimd"],
        options=options.get("aimd"),
    )
    builder.aimd[md_engine]._merge(without(aimd, "structures", "max_concurrent"))
    fill_label(
        builder,
        engine,
        code,
        list(builder.type_map),
        engine_options,
        max_concurrent=md["max_concurrent"],
        protocol=md["protocol"],
        overrides=overrides["label"],
        options=options.get("label"),
    )
