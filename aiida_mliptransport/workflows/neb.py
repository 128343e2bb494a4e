"""Migration barriers: bands on a potential, the labeller on their images, bands of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ProcessBuilder, ToContext, if_, while_

from ..calculations.evaluate import EvaluateCalculation
from ..calculations.functions.barriers import compare_paths, directional_ends
from ..calculations.functions.frames import merge_frames
from ..calculations.functions.harvest import harvest_ends
from .label.engines import LABEL_ENGINES, engine_of
from .neb_ports import (
    BAND_ENGINES,
    POTENTIAL_BAND_ENGINES,
    define_exit_codes,
    define_inputs,
    define_outputs,
)
from .submission import FanOutWorkChain, failure_reason


class NebWorkChain(FanOutWorkChain):
    """Find barriers with a potential and see whether the labeller agrees.

    Paths are given by their ends, built along lattice directions, or harvested from runs whose hops
    show them. The band of each is relaxed on the potential; a committee says how sure it is of the
    images, the labeller takes them as they are, and where ``reference`` is given relaxes a band of
    its own from there.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        define_inputs(spec)
        define_outputs(spec)
        define_exit_codes(spec)
        spec.outline(
            cls.setup,
            while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
            cls.inspect_bands,
            cls.judge_images,
            if_(cls.should_label)(cls.label_images, cls.inspect_labels),
            cls.setup_reference,
            while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
            cls.results,
        )

    @classmethod
    def get_builder_from_protocol(cls, *args: Any, **kwargs: Any) -> ProcessBuilder:
        """Return a builder with the inputs of a protocol; see :func:`.neb_builder.build`."""
        from .neb_builder import build

        return build(cls, *args, **kwargs)

    def setup(self) -> Any:
        """Take the given ends, find others, and queue a band for each."""
        self.ctx.ends = {
            name: (initial, self.inputs.final[name])
            for name, initial in self.inputs.get("initial", {}).items()
        }
        refused: list[str] = []
        if "directions" in self.inputs:
            refused += self._take_found(
                self.run_once(
                    "directional_ends",
                    directional_ends,
                    host=self.inputs.host,
                    parameters=self.inputs.directions,
                )
            )
        if "harvest" in self.inputs:
            refused += self._take_found(
                self.run_once(
                    "harvest_ends",
                    harvest_ends,
                    parameters=self.inputs.harvest,
                    **self.inputs.trajectories,
                )
            )
        if not self.ctx.ends:
            return self.exit_codes.ERROR_NO_ENDS.format(reason="; ".join(refused))
        self.ctx.pending = [f"band_{name}" for name in self.ctx.ends]
        return None

    def _take_found(self, made: Mapping[str, Any]) -> list[str]:
        """Add the ends that a calcfunction found; return what it refused."""
        found = made["paths"].get_dict()
        for reason in found["refused"]:
            self.report(f"refused: {reason}")
        for name in found["paths"]:
            self.ctx.ends[name] = (made[f"initial_{name}"], made[f"final_{name}"])
        return list(found["refused"])

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        """Return the band of one path on the potential, or the labeller's from there."""
        stage, name = label.split("_", maxsplit=1)
        if stage == "reference":
            engine = engine_of(self.inputs.reference)
            process = BAND_ENGINES[engine]
            return process, {
                **self.exposed_inputs(process, f"reference.{engine}", agglomerate=False),
                "path": self.ctx.paths[name],
            }
        initial, final = self.ctx.ends[name]
        name = next(name for name in POTENTIAL_BAND_ENGINES if name in self.inputs)
        process = POTENTIAL_BAND_ENGINES[name]
        return process, {
            **self.exposed_inputs(process, name, agglomerate=False),
            "potential": self.inputs.potential,
            "initial": initial,
            "final": final,
        }

    def inspect_bands(self) -> Any:
        """Keep every band that has images, converged or not."""
        self.ctx.paths, self.ctx.failed = {}, {}
        for name in self.ctx.ends:
            run = self.child(f"band_{name}")
            if run is not None and "frames" in run.outputs:
                self.ctx.paths[name] = run.outputs.frames
            if run is None or not run.is_finished_ok:
                self.ctx.failed[name] = failure_reason(run)
                self.report(f"band {name}: {failure_reason(run)}")
        if not self.ctx.paths:
            return self.exit_codes.ERROR_NO_BAND.format(reason=_listed(self.ctx.failed))
        self.out("paths", self.ctx.paths)
        self.ctx.images = self.run_once("merge_images", merge_frames, **self.ctx.paths)["result"]
        return None

    def judge_images(self) -> Any:
        """Let the committee predict the images of all paths."""
        if "committee" not in self.inputs:
            return None
        node = self.submit_once(
            "judge_images",
            EvaluateCalculation,
            {
                **self.exposed_inputs(EvaluateCalculation, "evaluate", agglomerate=False),
                "potentials": dict(self.inputs.committee),
                "frames": self.ctx.images,
            },
        )
        return ToContext(judgement=node)

    def should_label(self) -> bool:
        return engine_of(self.inputs.get("label", {})) is not None

    def label_images(self) -> Any:
        """Label the images of all paths where the potential put them."""
        engine = engine_of(self.inputs.label)
        process = LABEL_ENGINES[engine]
        try:
            node = self.submit_once(
                "label_images",
                process,
                {
                    **self.exposed_inputs(process, f"label.{engine}", agglomerate=False),
                    "frames": self.ctx.images,
                    "max_concurrent": self.inputs.max_concurrent,
                },
            )
        except ValueError as error:
            # The labeller refuses these images: what the potential says of them is kept.
            self.ctx.labelling_failed = str(error)
            return None
        return ToContext(labelling=node)

    def inspect_labels(self) -> None:
        """Keep the labels that there are."""
        node = self.ctx.get("labelling")
        if node is None:
            return
        if "frames" in node.outputs:
            self.ctx.labels = node.outputs.frames
            self.out("labels", node.outputs.frames)
        if not node.is_finished_ok:
            self.ctx.labelling_failed = failure_reason(node)

    def setup_reference(self) -> None:
        """Queue the labeller's own bands, from the images of the potential."""
        self.ctx.pending = []
        if engine_of(self.inputs.get("reference", {})) is not None:
            self.ctx.pending = [f"reference_{name}" for name in self.ctx.paths]

    def results(self) -> Any:
        """Set the bands side by side; the exit code says what is missing."""
        reference = {}
        for name in self.ctx.paths if engine_of(self.inputs.get("reference", {})) else ():
            run = self.child(f"reference_{name}")
            if run is not None and "frames" in run.outputs:
                reference[name] = run.outputs.frames
            if run is None or not run.is_finished_ok:
                self.ctx.failed[f"reference_{name}"] = failure_reason(run)
        if reference:
            self.out("reference_paths", reference)
        optional = {"labels": self.ctx.labels} if "labels" in self.ctx else {}
        if "judgement" in self.ctx and "predictions" in self.ctx.judgement.outputs:
            optional["images"] = self.ctx.images
            optional["predictions"] = self.ctx.judgement.outputs.predictions
        elif "judgement" in self.ctx:
            self.report(f"no word of the committee: {failure_reason(self.ctx.judgement)}")
        made = self.run_once(
            "compare_paths",
            compare_paths,
            **{f"path__{name}": node for name, node in self.ctx.paths.items()},
            **{f"reference__{name}": node for name, node in reference.items()},
            **optional,
        )
        self.out("barriers", made["barriers"])
        self.out("profiles", made["profiles"])
        if "labelling_failed" in self.ctx:
            return self.exit_codes.ERROR_LABELLING_FAILED.format(reason=self.ctx.labelling_failed)
        if self.ctx.failed:
            return self.exit_codes.ERROR_BANDS_NOT_CONVERGED.format(reason=_listed(self.ctx.failed))
        return None


def _listed(failed: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in failed.items())
