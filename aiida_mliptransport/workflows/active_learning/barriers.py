"""Steps of the loop that hold it open until the labeller agrees on the barriers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import ToContext

from ...calculations.evaluate import EvaluateCalculation
from ...calculations.functions.barrier_gate import judge_barriers, labels_spent
from ...data.frames import FrameSetData
from ..label.engines import LABEL_ENGINES, engine_of
from ..neb import NebWorkChain
from ..neb_ports import engine_problem, paths_problem, state_problem
from ..submission import failure_reason
from .exploring import training_trajectories
from .judging import JudgingWorkChain

#: What the loop itself gives to the barrier search.
OWN_INPUTS = (
    "potential", "committee", "trajectories", "label", "reference", "evaluate", "max_concurrent"
)  # fmt: skip


def barrier_problem(inputs: Mapping[str, Any]) -> str | None:
    """Return why the paths and the target of the gate do not fit together, or None."""
    given = inputs["targets"].get_dict().get("barriers") if "targets" in inputs else None
    paths = inputs.get("neb") or {}
    if bool(given) != bool(paths):
        return (
            f"targets.barriers is {given!r} and neb is {'given' if paths else 'not given'}, "
            "expected both (the largest error of a barrier, and between what) or neither"
        )
    if not given:
        return None
    labelled = {**paths, "label": inputs.get("label", {})}
    problem = paths_problem(paths) or engine_problem(paths) or state_problem(labelled)
    return None if problem is None else f"neb: {problem}"


class BarrierGateWorkChain(JudgingWorkChain):
    """The part of the loop that compares barriers once all other targets are met.

    Until then its labels would be spent on a potential that changes anyway.
    """

    def should_check_barriers(self) -> bool:
        """All targets of this iteration are met, and barriers are among the targets."""
        return "neb" in self.inputs and bool(self.ctx.stop_reason)

    def check_barriers(self) -> Any:
        """Find the bands on this iteration's potential and label their images."""
        return ToContext(neb=self._submit_barriers(f"{self.stage}_neb"))

    def inspect_barriers(self) -> None:
        """Close the loop if the barriers agree; else learn from the images and go on."""
        made = self._judge(self.ctx.neb, self.stage)
        verdict = made["verdict"]
        self.ctx.barriers[f"barriers__{self.ctx.iteration:02d}"] = verdict
        words = verdict["decision"]
        if verdict["passed"]:
            self.ctx.stop_reason += "; " + "; ".join(words["met"])
            return
        self.ctx.stop_reason = ""
        self.report(f"{self.stage}: missed: {'; '.join(words['missed'])}")
        if "frames" not in made:
            return
        if can_be_trained_with(made["frames"], self.ctx.frames.values()):
            self.ctx.frames[f"{self.stage}_barriers"] = made["frames"]
            # The rest of what was explored is known well enough.
            self.ctx.chosen = {}
            self.report(f"{self.stage}: {made['frames'].n_frames} images join the training")
        else:
            self.report(
                f"{self.stage}: the images have another level of theory than the training frames "
                "and are left out; where the labeller samples the Γ point only, give paths in the "
                "cell of the training"
            )

    def should_test_barriers(self) -> bool:
        return "neb" in self.inputs

    def test_barriers(self) -> Any:
        """Compare the barriers of the final potential, whatever ended the loop."""
        return ToContext(neb=self._submit_barriers("final_neb"))

    def inspect_final_barriers(self) -> None:
        """Keep the verdict for the history."""
        self.ctx.barriers["final_barriers"] = self._judge(self.ctx.neb, "final")["verdict"]

    def _submit_barriers(self, label: str) -> orm.ProcessNode:
        engine = engine_of(self.inputs.label)
        given = self.exposed_inputs(NebWorkChain, "neb", agglomerate=False)
        explored = self.ctx.get("exploration")
        if "harvest" in given and explored is not None:
            # Images join the training: none may lie beside a frame of the blind test.
            given["trajectories"] = training_trajectories(
                explored, self.inputs.selection.get_dict()
            )
        if not given.get("trajectories"):
            # Without a run there is nothing to harvest; the paths that were given remain.
            given.pop("harvest", None)
        return self.submit_once(
            label,
            NebWorkChain,
            {
                **given,
                "potential": self.ctx.committee[min(self.ctx.committee)],
                "committee": self.ctx.committee,
                "evaluate": self.exposed_inputs(EvaluateCalculation, "evaluate", agglomerate=False),
                "label": {
                    engine: self.exposed_inputs(
                        LABEL_ENGINES[engine], f"label.{engine}", agglomerate=False
                    )
                },
                "max_concurrent": self.inputs.max_concurrent,
            },
        )

    def _judge(self, node: orm.ProcessNode, stage: str) -> dict[str, Any]:
        """Compare, and count the labels."""
        outputs = node.outputs
        optional = {name: outputs[name] for name in ("barriers", "labels") if name in outputs}
        if not node.is_finished_ok:
            self.report(f"{stage}: barriers: {failure_reason(node)}")
        paths = dict(outputs.paths) if "paths" in outputs else {}
        known = {**self.ctx.frames, **{f"blind_{k}": node for k, node in self.ctx.blind.items()}}
        made = self.run_once(
            f"{stage}_judge_barriers",
            judge_barriers,
            target=orm.Dict(self.inputs.targets["barriers"]),
            trust_levels=self.ctx.trust,
            not_converged=orm.List(_not_converged(node)),
            **optional,
            **{f"path__{name}": frames for name, frames in paths.items()},
            **{f"known__{name}": frames for name, frames in known.items()},
        )
        self.ctx.labels += labels_spent(made["verdict"].get_dict())
        return made


def can_be_trained_with(frames: FrameSetData, known: Iterable[FrameSetData]) -> bool:
    """Whether frames have the level of theory of those that are there; Γ-only depends on cells."""
    return frames.level_of_theory_hash in {node.level_of_theory_hash for node in known}


def _not_converged(node: orm.ProcessNode) -> list[str]:
    """Return the paths whose band on the potential ended without converging."""
    links = node.base.links.get_outgoing(link_type=LinkType.CALL_CALC).all()
    return sorted(
        link.link_label.removeprefix("band_")
        for link in links
        if link.link_label.startswith("band_") and not link.node.is_finished_ok
    )
