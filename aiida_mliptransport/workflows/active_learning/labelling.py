"""Steps of the loop that choose frames and have them labelled, blind ones first."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ToContext

from ...calculations.functions.selection import select_frames
from ...calculations.functions.trust import propose_trust_levels
from ...data.frames import FrameSetData
from ..label.engines import LABEL_ENGINES, engine_of
from ..naming import derived_seed
from ..submission import failure_reason
from .exploring import ExploringWorkChain, trajectories_of

#: Checks that more labels than the deviation asks for would not help to pass: what an exploration
#: has not seen yet, and a change that is known after the next iteration only.
NOT_BY_LABELS = {
    "share_accurate",
    "runs_broken_off",
    "upper_trust_level_over_accepted_rmse",
    "structures_at_the_last_stage",
    "observable_change",
}


class LabellingWorkChain(ExploringWorkChain):
    """The part of the loop that spends labels."""

    def select(self) -> Any:
        """Choose candidates, and blind frames from trajectories of their own."""
        if not trajectories_of(self.ctx.exploration):
            return self._stop_early(
                self.exit_codes.ERROR_EXPLORATION_FAILED.format(
                    stage=self.stage, reason=failure_reason(self.ctx.exploration)
                )
            )
        selection = self.inputs.selection.get_dict()
        if self.ctx.trust is None:
            # Before the first blind test there is only the error on what was trained on.
            self.ctx.trust = self.run_once(
                "first_trust_levels",
                propose_trust_levels,
                results=self.ctx.train.outputs.results,
                parameters=self.inputs.selection,
            )["result"]
        remaining = self.inputs.budget["max_labels"] - self.ctx.labels
        parameters = {**selection, "top_up": self._needs_labels()}
        parameters["n_blind"] = max(1, min(selection["n_blind"], remaining))
        parameters["n_candidates"] = max(
            0, min(selection["n_candidates"], remaining - parameters["n_blind"])
        )
        try:
            made = self.run_once(
                f"{self.stage}_select",
                select_frames,
                parameters=orm.Dict(parameters),
                trust_levels=self.ctx.trust,
                seed=orm.Int(derived_seed(self.inputs.seed.value, f"{self.stage}_select", 0)),
                **self._runs(),
                **{f"trajectory__{k}": v for k, v in trajectories_of(self.ctx.exploration).items()},
                **self._described(),
            )
        except ValueError as error:
            return self._stop_early(
                self.exit_codes.ERROR_SELECTION_FAILED.format(stage=self.stage, reason=str(error))
            )
        self.ctx.selection = made["selection"]
        self.ctx.chosen = {key: made[key] for key in ("candidates", "blind") if key in made}
        if not self.ctx.chosen:
            return self._stop_early(
                self.exit_codes.ERROR_SELECTION_FAILED.format(
                    stage=self.stage,
                    reason="neither a new physical frame to learn from nor one for the blind test",
                )
            )
        counts = self.ctx.selection.get_dict()
        self.report(
            f"{self.stage}: {counts['accurate']} accurate, {counts['candidate']} candidate, "
            f"{counts['failed']} failed, {counts['unphysical']} unphysical of "
            f"{counts['n_frames']} frames; {counts['n_blind_chosen']} for the blind test, "
            f"{counts['n_candidates_chosen']} to label if it is not passed"
        )
        return None

    def _runs(self) -> dict[str, orm.Dict]:
        """Return what the exploration tells of its runs; one that was killed tells nothing."""
        outputs = self.ctx.exploration.outputs
        return {"exploration": outputs.results} if "results" in outputs else {}

    def _needs_labels(self) -> bool:
        """Return whether labels are needed whatever the deviation says.

        A committee may agree and be wrong: while an error is too large, or its members disagree on
        the observable. Before the first blind test that may well be.
        """
        if not self.ctx.records:
            return True
        last = self.ctx.records[max(self.ctx.records)]
        missed = {name for name, check in last["checks"].items() if not check["passed"]}
        if "observable_interval" in missed and last["observable"]["dominant_error"] != "model":
            # Longer runs would narrow it, and not labels.
            missed.remove("observable_interval")
        return bool(missed - NOT_BY_LABELS)

    def label_blind(self) -> Any:
        """Label the blind frames in a process of their own, so that no training can take them."""
        return self._label("blind")

    def inspect_blind(self) -> Any:
        """Keep the labelled blind frames; stop when the labeller failed on too many."""
        return self._inspect_labels("blind", self.ctx.blind)

    def should_label(self) -> bool:
        """A target is missed, and there are frames to learn from."""
        return not self.ctx.stop_reason and "candidates" in self.ctx.chosen

    def label_candidates(self) -> Any:
        """Label what the next training, or the final one, gets."""
        return self._label("candidates")

    def inspect_candidates(self) -> Any:
        """Add the labelled frames; stop when the labeller failed on too many."""
        return self._inspect_labels("candidates", self.ctx.frames)

    def _label(self, kind: str) -> Any:
        if kind not in self.ctx.chosen:
            return None
        engine = engine_of(self.inputs.label)
        process = LABEL_ENGINES[engine]
        node = self.submit_once(
            f"{self.stage}_label_{kind}",
            process,
            {
                **self.exposed_inputs(process, f"label.{engine}", agglomerate=False),
                "frames": self.ctx.chosen[kind],
                "max_concurrent": self.inputs.max_concurrent,
            },
        )
        return ToContext(labelling=node)

    def _inspect_labels(self, kind: str, known: dict[str, FrameSetData]) -> Any:
        if kind not in self.ctx.chosen:
            return None
        node = self.ctx.labelling
        self.ctx.n_failed_labels += n_failures(node)
        # Labels that the profile had count too: a campaign takes the same course again.
        self.ctx.labels += self.ctx.chosen[kind].n_frames
        if "frames" in node.outputs:
            known[self.stage] = node.outputs.frames
        if node.is_finished_ok:
            return None
        return self._stop_early(
            self.exit_codes.ERROR_LABELLING_FAILED.format(
                stage=f"{self.stage} ({kind})", reason=failure_reason(node)
            )
        )


def n_failures(node: orm.ProcessNode) -> int:
    """Return how many frames of a labelling or an MD got no label."""
    return len(node.outputs.failures["failures"]) if "failures" in node.outputs else 0
