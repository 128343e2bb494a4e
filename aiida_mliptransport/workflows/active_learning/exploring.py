"""Steps of the loop that explore: conditions by stage, starts, and what a selection reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ToContext

from ...calculations.evaluate import EvaluateCalculation
from ...calculations.functions.explored_runs import is_blind
from ...calculations.functions.frames import merge_frames
from ...calculations.functions.ladder import (
    choose_starts,
    move_on_ladder,
    scale_to_volume,
    structure_of,
)
from ...data.frames import FrameSetData
from ...science.selection import get_strategy
from ..describe import DescribeWorkChain
from ..explore import ExploreWorkChain
from ..naming import derived_seed
from ..submission import SubmitOnceWorkChain
from .settings import LadderParameters, LadderStage

#: Relative difference of volumes that is rounding.
SAME_VOLUME = 1e-6


class ExploringWorkChain(SubmitOnceWorkChain):
    """The part of the loop that explores; each structure stands on its own stage of a ladder."""

    @property
    def ladder(self) -> LadderParameters:
        return LadderParameters.model_validate(self.inputs.ladder.get_dict())

    def first_stages(self) -> orm.Dict:
        """Return the state at the beginning: what stands for others has no stage of its own."""
        replacements = {o for stage in self.ladder.stages for o in stage.structures.values()}
        own = sorted(set(self.inputs.structures) - replacements) or sorted(self.inputs.structures)
        return orm.Dict({"stages": dict.fromkeys(own, 0)}).store()

    def _submit_exploration(self) -> orm.ProcessNode:
        """Submit the runs of all structures, each under the conditions of its stage."""
        stages = self._stages(self.ctx.ladder_state)
        structures, starts = {}, {}
        for name, stage in stages.items():
            given = self.ctx.start[stage.structures.get(name, name)]
            structures[name] = self._at_volume(name, given, given, stage)
            for label in self.ctx.starts:
                if structure_of(label, list(stages)) == name:
                    starts[label] = self._at_volume(label, self.ctx.starts[label], given, stage)
        conditions = {name: stage.conditions() for name, stage in stages.items()}
        optional: dict[str, Any] = {"starts": starts} if starts else {}
        if any(conditions.values()):
            optional["conditions"] = orm.Dict({k: v for k, v in conditions.items() if v})
        return self.submit_once(
            f"{self.stage}_explore",
            ExploreWorkChain,
            {
                **self.exposed_inputs(ExploreWorkChain, "explore", agglomerate=False),
                **optional,
                "structures": structures,
                "potentials": self.ctx.committee,
                "seed": orm.Int(derived_seed(self.inputs.seed.value, f"{self.stage}_explore", 0)),
                "max_concurrent": self.inputs.max_concurrent,
            },
        )

    def _at_volume(
        self,
        label: str,
        structure: orm.StructureData,
        reference: orm.StructureData,
        stage: LadderStage,
    ) -> orm.StructureData:
        """Return a start at the volume of the stage; a pressure finds its volume by itself."""
        if stage.pressures_bar is not None or "pressures" in self.inputs.explore:
            return structure
        volume = (stage.volume_scale or 1.0) * reference.get_cell_volume()
        if abs(structure.get_cell_volume() / volume - 1.0) < SAME_VOLUME:
            return structure
        made = self.run_once(
            f"{self.stage}_scale_{label}",
            scale_to_volume,
            structure=structure,
            volume_A3=orm.Float(volume),
        )
        return made["result"]

    def _stages(self, state: orm.Dict) -> dict[str, LadderStage]:
        """Return the stage on which each structure stands."""
        ladder = self.ladder
        return {name: ladder.stages[number] for name, number in state["stages"].items()}

    def describe(self) -> Any:
        """Let the committee describe explored and known frames, where the strategy reads that."""
        selection = self.inputs.selection.get_dict()
        strategy = get_strategy(selection["strategy"])
        if not (strategy.compares_with_training or strategy.weighs_atoms):
            return None
        explored = training_trajectories(self.ctx.exploration, selection)
        if not explored:
            return None
        known = self._known_frames() if strategy.compares_with_training else {}
        node = self.submit_once(
            f"{self.stage}_describe",
            DescribeWorkChain,
            {
                "trajectories": explored,
                "frames": known,
                "potentials": self.ctx.committee,
                "evaluate": self.exposed_inputs(EvaluateCalculation, "evaluate", agglomerate=False),
                "max_concurrent": self.inputs.max_concurrent,
            },
        )
        return ToContext(description=node)

    def _known_frames(self) -> dict[str, FrameSetData]:
        """Return the training frames as one set: one evaluation describes them all."""
        if len(self.ctx.frames) == 1:
            return dict(self.ctx.frames)
        merged = self.run_once(f"{self.stage}_merge_known", merge_frames, **self.ctx.frames)
        return {"merged": merged["result"]}

    def _described(self) -> dict[str, orm.Data]:
        """Return the inputs of the selection that tell of known frames and of predictions."""
        node = self.child(f"{self.stage}_describe")
        if node is None:
            return {f"known__{name}": frames for name, frames in self.ctx.frames.items()}
        known = dict(node.inputs.frames) if "frames" in node.inputs else self.ctx.frames
        predictions = dict(node.outputs.predictions) if "predictions" in node.outputs else {}
        renamed = {
            label.replace("trajectory_", "evaluation__", 1).replace(
                "frames_", "known_evaluation__", 1
            ): array
            for label, array in predictions.items()
        }
        return {**{f"known__{name}": frames for name, frames in known.items()}, **renamed}

    def move_on(self) -> None:
        """Find the stages of the next exploration, and where its runs begin."""
        before = self.ctx.ladder_state
        after = self.run_once(
            f"{self.stage}_move_on",
            move_on_ladder,
            selection=self.ctx.selection,
            trust_levels=self.ctx.calibrated,
            stages=before,
            ladder=self.inputs.ladder,
        )["result"]
        self.ctx.ladder_state = after
        for name, stage in after["stages"].items():
            if stage != before["stages"][name]:
                self.report(
                    f"{name}: stage {stage + 1} of {len(self.ladder.stages)} follows; "
                    f"{100 * after['share_accurate'][name]:.0f} % were accurate"
                )
        if self.ladder.starts == "explored":
            self.ctx.starts = self._next_starts(self._stages(before), self._stages(after))

    def _next_starts(
        self, before: Mapping[str, LadderStage], after: Mapping[str, LadderStage]
    ) -> dict[str, orm.StructureData]:
        trajectories = trajectories_of(self.ctx.exploration)
        replicas = self.inputs.explore.replicas
        starts = {}
        for name, stage in after.items():
            runs = {
                f"trajectory__{key}": node
                for key, node in trajectories.items()
                if structure_of(key, list(after)) == name
            }
            if not runs or before[name].structures.get(name) != stage.structures.get(name):
                # Another composition begins from a structure of its own.
                continue
            earlier = {
                f"start__{label}": node
                for label, node in self.ctx.starts.items()
                if structure_of(label, list(after)) == name
            }
            made = self.run_once(
                f"{self.stage}_starts_{name}",
                choose_starts,
                number=replicas,
                parameters=self.inputs.selection,
                trust_levels=self.ctx.calibrated,
                **runs,
                **earlier,
            )
            starts |= replica_starts(name, made)
        return starts


def replica_starts(
    name: str, chosen: Mapping[str, orm.StructureData]
) -> dict[str, orm.StructureData]:
    """Return the outputs of ``choose_starts`` by the replica that begins there."""
    return {label.replace("start_", f"{name}_replica"): node for label, node in chosen.items()}


def trajectories_of(node: orm.ProcessNode) -> dict[str, orm.Data]:
    """Return the trajectories of an exploration or of an initial MD, by run."""
    return dict(node.outputs.trajectories) if "trajectories" in node.outputs else {}


def training_trajectories(
    node: orm.ProcessNode, selection: Mapping[str, Any]
) -> dict[str, orm.Data]:
    """Return the trajectories of an exploration, by run, but those kept for the blind test."""
    return {k: run for k, run in trajectories_of(node).items() if not is_blind(k, selection)}
