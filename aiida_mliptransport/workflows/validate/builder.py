"""Inputs of the validation WorkChain from a protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder

from ..explore import ExploreWorkChain
from ..label.engines import LABEL_ENGINES, without
from ..protocols import load_protocol


def build(
    workchain: Any,
    codes: Mapping[str, orm.AbstractCode],
    potentials: Mapping[str, orm.Data],
    structures: Mapping[str, orm.StructureData],
    engine: str | None = None,
    engine_options: Mapping[str, Any] | None = None,
    temperatures: Sequence[float] | None = None,
    seed: int = 1,
    max_concurrent: int = 2,
    protocol: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> ProcessBuilder:
    """Return a builder with the inputs of a protocol (``protocols/validate.yaml``).

    Frames and trajectories that are to be compared are set on the builder afterwards.

    Parameters
    ----------
    codes
        ``python``; ``lmp`` for MD; ``cp2k`` or ``vasp`` where that labels.
    potentials
        The committee; the first in order of name is validated.
    structures
        By name.
    engine
        ``ase``, ``cp2k``, ``vasp``, ``teacher`` or ``replay``; without one nothing is labelled.
    engine_options
        What the engine's own ``get_builder_from_protocol`` needs, such as ``calculator``.
    temperatures
        K, of the MD that shows the stability; without them there is none.
    overrides
        Values of ``protocols/validate.yaml``, and below ``label`` and ``explore`` of theirs.
    options
        Stage (``evaluate``, ``relax``, ``label``, ``explore``) to ``metadata.options``.
    """
    if engine is not None and engine not in LABEL_ENGINES:
        raise ValueError(f"engine is {engine!r}, expected one of {list(LABEL_ENGINES)}")
    given, options = dict(overrides or {}), options or {}
    stages = {name: given.pop(name, None) for name in ("label", "explore")}
    inputs = load_protocol("validate", protocol, given)
    builder = workchain.get_builder()
    builder.potentials = dict(potentials)
    builder.structures = dict(structures)
    builder.checks = orm.Dict(inputs["checks"])
    builder.max_concurrent = orm.Int(max_concurrent)
    builder.evaluate.code = codes["python"]
    _set_options(builder.evaluate, options.get("evaluate"))
    if inputs["checks"]["lattice"] is not None:
        builder.relax.code = codes["python"]
        builder.relax.parameters = orm.Dict(inputs["relax"])
        _set_options(builder.relax, options.get("relax"))
        labeller = {key: value for key, value in dict(engine_options or {}).items()
                    if key in ("calculator", "potential")}  # fmt: skip
        if engine in ("ase", "teacher") and labeller:
            for key, value in labeller.items():
                builder.reference_relax[key] = value
            builder.reference_relax.code = codes["python"]
            builder.reference_relax.parameters = orm.Dict(inputs["relax"])
            _set_options(builder.reference_relax, options.get("relax"))
    if engine is not None:
        code = codes.get(engine, codes["python"])
        label = LABEL_ENGINES[engine].get_builder_from_protocol(
            **({} if engine == "replay" else {"code": code}),
            **dict(engine_options or {}),
            protocol=protocol,
            overrides=stages["label"],
            **({} if engine == "replay" else {"options": options.get("label")}),
        )
        builder.label[engine]._merge(without(label, "frames", "max_concurrent"))
    if temperatures is not None:
        explore = ExploreWorkChain.get_builder_from_protocol(
            code=codes["lmp"],
            structures={},
            potentials={},
            temperatures=temperatures,
            seed=seed,
            protocol=protocol,
            overrides={**inputs["explore"], **(stages["explore"] or {})},
            options=options.get("explore"),
        )
        builder.explore._merge(without(explore, "structures", "potentials", "max_concurrent"))
    return builder


def _set_options(namespace: Any, options: Mapping[str, Any] | None) -> None:
    for key, value in (options or {}).items():
        namespace.metadata.options[key] = value
