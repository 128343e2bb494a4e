"""Describe explored and known frames with a committee: deviations of atoms, and descriptors."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import while_

from ..calculations.evaluate import EvaluateCalculation
from ..data.frames import FrameSetData
from ..data.potential import PotentialData
from ..data.trajectory import MDTrajectoryData
from .submission import FanOutWorkChain, failure_reason

#: What a selection reads: every frame, and of each the mean descriptor of a species' atoms.
PARAMETERS = {"stride": 1, "store_forces": False, "descriptors": "species"}


class DescribeWorkChain(FanOutWorkChain):
    """Evaluate a committee on every frame of several trajectories and frame sets."""

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.input_namespace(
            "potentials",
            valid_type=PotentialData,
            dynamic=True,
            help="member_0 gives the descriptors; two or more give deviations.",
        )
        spec.input_namespace("trajectories", valid_type=MDTrajectoryData, dynamic=True)
        spec.input_namespace("frames", valid_type=FrameSetData, dynamic=True, required=False)
        spec.expose_inputs(
            EvaluateCalculation,
            namespace="evaluate",
            exclude=("potentials", "frames", "trajectory", "parameters"),
        )
        spec.output_namespace(
            "predictions",
            valid_type=orm.ArrayData,
            dynamic=True,
            required=False,
            help="trajectory_<name> and frames_<name>, without those that failed.",
        )
        spec.outline(
            cls.setup,
            while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
            cls.results,
        )

    def setup(self) -> None:
        """Name the jobs."""
        given = {f"trajectory_{name}": node for name, node in self.inputs.trajectories.items()}
        given |= {f"frames_{name}": node for name, node in self.inputs.get("frames", {}).items()}
        self.ctx.described = list(given)
        self.ctx.pending = list(given)

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        """Return the evaluation of one trajectory or frame set."""
        kind, name = label.split("_", maxsplit=1)
        given = (
            {"trajectory": self.inputs.trajectories[name]}
            if kind == "trajectory"
            else {"frames": self.inputs.frames[name]}
        )
        return EvaluateCalculation, {
            **self.exposed_inputs(EvaluateCalculation, "evaluate"),
            "potentials": self.inputs.potentials,
            "parameters": orm.Dict(PARAMETERS),
            **given,
        }

    def results(self) -> None:
        """Attach the predictions; who reads them must do without those that failed."""
        predictions = {}
        for label in self.ctx.described:
            node = self.child(label)
            if node is not None and node.is_finished_ok:
                predictions[label] = node.outputs.predictions
            else:
                self.report(f"{label} is not described: {failure_reason(node)}")
        self.out("predictions", predictions)
