"""The validation file: structures and checks on which a potential meets its labeller."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ..workflows.submission import find_child
from .barriers import potentials_of
from .launch import engine_options, load_codes, submit_file
from .overrides import builder_overrides, load_work_file
from .schema import Temperature, WorkFile
from .sections import Label, StructureSection
from .source import CampaignError
from .structures import build_structure, read_structure

if TYPE_CHECKING:
    from aiida import orm


class ValidationFile(WorkFile):
    """What is checked, and on what; ``temperatures_K`` are those of MD that shows the stability."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    structures: dict[Label, StructureSection] = Field(default_factory=dict)
    temperatures_K: Annotated[list[Temperature], Field(min_length=1)] | None = None
    checks: dict[str, Any] = Field(default_factory=dict)
    explore: dict[str, Any] = Field(default_factory=dict)

    def overrides(self) -> dict[str, dict[str, Any]]:
        found = {**super().overrides(), "validate": {"checks": self.checks}}
        return {**found, "explore": self.explore} if self.explore else found

    def section_of(self, stage: str) -> tuple[str, ...]:
        return () if stage == "validate" else (stage,)


def load_validation_file(path: str | Path, engine: str | None = None) -> ValidationFile:
    """Read and check a validation file, and the structures that it names.

    Raises
    ------
    CampaignError
        Naming the line, the key, the value and what was expected.
    """
    content = load_work_file(path, ValidationFile, engine)
    _read(content)
    return content


def _read(content: ValidationFile) -> dict[str, Any]:
    found, problems = {}, []
    for name, section in content.structures.items():
        try:
            found[name] = read_structure(content.source, ("structures", name), section)
        except CampaignError as error:
            problems.append(str(error))
    if problems:
        raise CampaignError("\n".join(problems))
    return found


def known_from(node: orm.Node) -> dict[str, Mapping[str, orm.Data]]:
    """Return what a campaign knows of its potential: blind and training frames, MD of both."""
    if getattr(node, "process_label", "") != "ActiveLearningWorkChain":
        return {}
    found = {
        "blind_frames": dict(node.outputs.blind_frames) if "blind_frames" in node.outputs else {},
        "training_frames": dict(node.outputs.frames) if "frames" in node.outputs else {},
    }
    labeller = find_child(node, "aimd")
    explored = None
    for number in range(1, len(found["training_frames"]) + 2):
        explored = find_child(node, f"iteration_{number:02d}_explore") or explored
    for name, process in (("aimd", labeller), ("trajectories", explored)):
        if process is not None and "trajectories" in process.outputs:
            # Runs of the labeller and replicas of the potential are named alike in the comparison.
            found[name] = {
                key.replace("K_run", "K_replica"): node
                for key, node in process.outputs.trajectories.items()
            }
    return {name: nodes for name, nodes in found.items() if nodes}


def build_validation(content: ValidationFile, potential: orm.Node) -> Any:
    """Store the structures and return the filled builder.

    Parameters
    ----------
    potential
        A potential, a training, or a campaign: one tells what it was trained and tested on.

    Raises
    ------
    CampaignError
        For what is wrong in the file, the nodes or the codes.
    """
    from aiida.plugins import WorkflowFactory

    codes = load_codes(content, ("python", "lmp") if content.temperatures_K else ("python",))
    overrides = builder_overrides(content)
    imports: dict[str, orm.StructureData] = {}
    atoms = _read(content)
    builder = WorkflowFactory("mliptransport.validate").get_builder_from_protocol(
        codes=codes,
        potentials=potentials_of(potential),
        structures={
            name: build_structure(imports, section, atoms[name], name)
            for name, section in content.structures.items()
        },
        engine=content.engine,
        engine_options=engine_options(content) if content.engine else None,
        temperatures=content.temperatures_K,
        seed=content.seed,
        max_concurrent=content.max_concurrent,
        protocol=content.protocol,
        overrides={
            **overrides["validate"],
            **{stage: overrides[stage] for stage in ("label", "explore") if stage in overrides},
        },
        options=content.resources.options(),
    )
    for name, nodes in known_from(potential).items():
        setattr(builder, name, nodes)
    builder.metadata.label = content.name[:255]
    builder.metadata.description = content.description
    return builder


def launch_validation(content: ValidationFile, potential: orm.Node) -> orm.WorkChainNode:
    """Submit the validation to the daemon and return its node."""
    return submit_file(content, lambda: build_validation(content, potential))
