"""``ReplayLabelWorkChain``: give frames the labels that a recorded pool holds of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder

from ...calculations.functions.labels import take_known_labels
from ...data.frames import FrameSetData
from ..protocols import load_protocol
from .base import LabelWorkChain
from .failures import failure_record

#: Class of failure of a frame that the pool does not hold.
NOT_IN_POOL = "not_in_pool"

_REPLAYED = "replayed"


class ReplayLabelWorkChain(LabelWorkChain):
    """Answer from a labelled pool: nothing is computed, and no job runs.

    A frame gets its label if the pool holds the same frame (numbers, cell and positions within
    1e-6 Å); a similar one will not do. The labels bear the pool's level of theory, and count as
    labels that had to be made. Other labels of the profile are never looked at: the benchmark of a
    selection must not know more than its pool.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        # There are no jobs to split frames over, and no other source of labels than the pool.
        for name in ("batch_size", "reuse_labels"):
            del spec.inputs[name]
        spec.input(
            "pool",
            valid_type=FrameSetData,
            validator=_validate_pool,
            help="Labelled frames, of which those to label are some.",
        )
        spec.outline(cls.setup, cls.results)

    @classmethod
    def get_builder_from_protocol(
        cls,
        pool: FrameSetData,
        frames: FrameSetData | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder.

        Parameters
        ----------
        pool
            Labelled frames.
        frames
            Frames to label; may be set later.
        overrides
            Values of ``protocols/label.yaml``, of which ``quorum`` counts.
        """
        builder = cls.get_builder()
        builder.pool = pool
        if frames is not None:
            builder.frames = frames
        builder.quorum = orm.Float(load_protocol("label", protocol, overrides)["quorum"])
        return builder

    def level_of_theory(self) -> dict[str, Any]:
        return dict(self.inputs.pool.level_of_theory)

    def setup(self) -> None:
        """Note which frames the pool does not hold."""
        held = set(self.inputs.pool.frames.identities())
        identities = self.inputs.frames.frames.identities()
        self.ctx.quarantined = [
            failure_record(index, identity, NOT_IN_POOL, "the pool holds no such frame")
            for index, identity in enumerate(identities)
            if identity not in held
        ]
        missing = len(self.ctx.quarantined)
        self.ctx.batches = {_REPLAYED: {}} if missing < len(identities) else {}
        self.report(f"{missing} of {len(identities)} frames are not in the pool")

    def batch_outputs(self, label: str) -> Mapping[str, Any]:
        """Return the frames that the pool holds, with their labels."""
        made = self.run_once(
            label, take_known_labels, frames=self.inputs.frames, pool=self.inputs.pool
        )
        return {"frames": made["result"]}


def _validate_pool(value: FrameSetData | None, _: Any) -> str | None:
    if value is not None and not value.labelled:
        return "pool has frames without labels, expected energies and forces on every frame"
    return None
