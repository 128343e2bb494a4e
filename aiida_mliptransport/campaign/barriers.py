"""The barrier file: paths, a potential, and a labeller to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .launch import engine_options, load_codes, submit_file
from .overrides import builder_overrides, load_work_file
from .paths import build_paths, check_paths
from .schema import WorkFile
from .sections import PathsSection
from .source import CampaignError

if TYPE_CHECKING:
    from aiida import orm

#: What the search of a band needs beside the code of the engine.
PROGRAMS = ("python",)


class BarrierFile(WorkFile, PathsSection):
    """Barriers of a potential, and where an engine is given those of the labeller on its images.

    With ``reference`` the labeller relaxes bands of its own from there.
    """

    reference: bool = False

    def overrides(self) -> dict[str, dict[str, Any]]:
        return super().overrides() | {"neb": self.band_overrides()}

    def section_of(self, stage: str) -> tuple[str, ...]:
        return () if stage == "neb" else (stage,)


def load_barrier_file(path: str | Path, engine: str | None = None) -> BarrierFile:
    """Read and check a barrier file, and the structures that it names.

    Raises
    ------
    CampaignError
        Naming the line, the key, the value and what was expected.
    """
    content = load_work_file(path, BarrierFile, engine)
    check_paths(content.source, (), content)
    return content


def potentials_of(node: orm.Node) -> dict[str, orm.Data]:
    """Return a potential, or the committee of a campaign or training.

    Raises
    ------
    CampaignError
        If the node is no potential and has none.
    """
    from ..data.potential import PotentialData

    if isinstance(node, PotentialData):
        return {"member_0": node}
    outputs = getattr(node, "outputs", None)
    for name in ("committee", "potentials"):
        if outputs is not None and name in outputs:
            return dict(outputs[name])
    raise CampaignError(
        f"node {node.pk} is a {node.process_label if hasattr(node, 'process_label') else 'node'} "
        "without potentials, expected a potential, a campaign or a training; see `verdi data "
        "mliptransport.potential list`"
    )


def trajectories_of(node: orm.Node) -> dict[str, orm.Data]:
    """Return the runs of an exploration, of a transport process, or of a campaign's last stage.

    Raises
    ------
    CampaignError
        If the node has none.
    """
    outputs = getattr(node, "outputs", None)
    if outputs is not None and "trajectories" in outputs:
        return dict(outputs.trajectories)
    if outputs is not None and "transport" in outputs and "trajectories" in outputs.transport:
        return dict(outputs.transport.trajectories)
    raise CampaignError(
        f"node {node.pk} has no trajectories, expected an exploration, a transport process or a "
        "campaign with a transport stage"
    )


def build_barriers(
    content: BarrierFile, potential: orm.Node, trajectories: orm.Node | None = None
) -> Any:
    """Store the structures and return the filled builder.

    Parameters
    ----------
    potential
        See :func:`potentials_of`.
    trajectories
        See :func:`trajectories_of`; goes with ``harvest``.

    Raises
    ------
    CampaignError
        For what is wrong in the file, the nodes or the codes.
    """
    from aiida.plugins import WorkflowFactory

    from ..workflows.neb_ports import engine_problem, state_problem

    if (content.harvest is None) != (trajectories is None):
        raise content.source.error(
            ("harvest",),
            "and --trajectories go together: where hops are looked for, and how; "
            f"{'harvest' if content.harvest is None else '--trajectories'} is missing",
        )
    if content.reference and content.engine not in ("ase", "teacher", "cp2k", "vasp"):
        raise content.source.error(
            ("reference",),
            f"is true with engine {content.engine or 'none'}, expected ase, teacher, cp2k or "
            "vasp: they relax bands",
        )
    codes = load_codes(content, PROGRAMS if content.relaxed_by == "ase" else (*PROGRAMS, "lmp"))
    overrides = builder_overrides(content)
    builder = WorkflowFactory("mliptransport.neb").get_builder_from_protocol(
        codes=codes,
        potentials=potentials_of(potential),
        trajectories=None if trajectories is None else trajectories_of(trajectories),
        engine=content.engine,
        engine_options=engine_options(content) if content.engine else None,
        reference=content.reference,
        max_concurrent=content.max_concurrent,
        protocol=content.protocol,
        overrides=overrides["neb"],
        label_overrides=overrides.get("label"),
        options=content.resources.options(),
        **build_paths(content.source, (), content),
    )
    inputs = builder._inputs(prune=True)
    problem = engine_problem(inputs) or state_problem(inputs)
    if problem:
        raise content.source.error(("name",), f"stands for a search that cannot run: {problem}")
    builder.metadata.label = content.name[:255]
    builder.metadata.description = content.description
    return builder


def launch_barriers(
    content: BarrierFile, potential: orm.Node, trajectories: orm.Node | None = None
) -> orm.WorkChainNode:
    """Submit the search to the daemon and return its node."""
    return submit_file(content, lambda: build_barriers(content, potential, trajectories))
