"""``VaspNebWorkChain``: a band by VASP from given images, whose ends are computed first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode, ProcessBuilder, ToContext, while_
from aiida_vasp.workchains.v2.vasp import VaspWorkChain

from ..calculations.functions.vasp import frame_structure
from ..calculations.functions.vasp_band import (
    band_structures,
    end_structure,
    known_end,
    read_vasp_end,
)
from ..calculations.vasp_neb import (
    VaspNebCalculation,
    VaspNebParameters,
    define_band_exit_codes,
    define_band_outputs,
    validate_neb,
)
from ..calculations.vasp_settings import VaspSettings
from ..data.frames import FrameSetData
from ..data.level_of_theory import complete_level_of_theory
from ..science.barriers import images_problem
from .label.vasp import load_inputs
from .protocols import load_protocol
from .submission import FanOutWorkChain, failure_reason
from .vasp import (
    NAMESPACE,
    charge_problem,
    expose_vasp,
    fill_vasp,
    readable_run,
    vasp_job,
    vasp_level,
)
from .vasp_band import band_calculation

#: Ends of a band, and their place in the path.
ENDS = {"initial": 0, "final": -1}


class VaspNebWorkChain(FanOutWorkChain):
    """Relax a band of given images by VASP.

    VASP computes no ends of a band: they are evaluated, or relaxed, in runs of their own before.
    Ends of a path that has their labels, as a band by these settings that goes on, are not.
    aiida-vasp's own WorkChain of bands is not used: it restarts, or ends, by what its parser says,
    which knows a converged band only by a line of the VTST tools.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        spec.input(
            "path",
            valid_type=FrameSetData,
            help="Images to begin with, both ends included, three or more in one cell.",
        )
        spec.input(
            "neb",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            validator=validate_neb,
            default=lambda: orm.Dict(VaspNebParameters().model_dump()),
            help="climb (with vtst only), vtst, spring_eV_A2, force_tolerance_eV_A, steps, "
            "optimizer, step_scaling, relax_ends, end_steps.",
        )
        expose_vasp(spec)
        spec.inputs.validator = _validate_inputs
        define_band_outputs(spec)
        spec.outline(
            cls.setup,
            while_(cls.has_jobs)(cls.submit_jobs, cls.collect_jobs),
            cls.inspect_ends,
            cls.run_band,
            cls.results,
        )
        define_band_exit_codes(spec)
        spec.exit_code(
            317,
            "ERROR_END_NOT_RELAXED",
            message="an end of the path has no minimum within the steps: {reason}",
        )
        spec.exit_code(318, "ERROR_END_FAILED", message="VASP gave no label of an end: {reason}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        potential_family: str,
        path: FrameSetData,
        settings: Mapping[str, Any] | None = None,
        neb: Mapping[str, Any] | None = None,
        protocol: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder.

        Parameters
        ----------
        code
            VASP.
        potential_family
            Label of the POTCAR family.
        path
            Images to begin with, both ends included.
        settings
            Changes of the ``settings`` of ``protocols/vasp.yaml``, on top of ``overrides``.
        neb
            Changes of ``reference_vasp`` in ``protocols/neb.yaml``.
        overrides
            Values of ``protocols/vasp.yaml``.
        options
            ``metadata.options`` of the jobs.
        """
        inputs = load_inputs(protocol, overrides, settings)
        band = load_protocol("neb", protocol, {"reference_vasp": dict(neb or {})})
        builder = cls.get_builder()
        builder.path = path
        builder.neb = orm.Dict(band["reference_vasp"])
        builder.max_concurrent = orm.Int(inputs["max_concurrent"])
        limit = {"max_wallclock_seconds": band["max_wallclock_seconds"]}
        fill_vasp(
            builder[NAMESPACE],
            code,
            inputs,
            path.elements,
            potential_family,
            {**limit, **(options or {})},
        )
        return builder

    def setup(self) -> None:
        """Take the labels of the ends, or queue their runs."""
        self.ctx.ends = {}
        self.ctx.pending = []
        if self._ends_are_known():
            for name in ENDS:
                index = self._index(name)
                made = self.run_once(f"{name}_label", known_end, path=self.inputs.path, index=index)
                self.ctx.ends[name] = made["result"]
        else:
            self.ctx.pending = [f"end_{name}" for name in ENDS]

    def _ends_are_known(self) -> bool:
        path, neb = self.inputs.path, self._neb()
        if not path.labelled:
            return False
        if path.level_of_theory != complete_level_of_theory(self._level(), path.frames):
            return False
        forces = path.frames.systems[0].forces[[0, -1]]
        largest = np.linalg.norm(forces, axis=2).max()
        return not neb.relax_ends or bool(largest <= neb.force_tolerance_eV_A)

    def _neb(self) -> VaspNebParameters:
        return VaspNebParameters.model_validate(self.inputs.neb.get_dict())

    def _level(self) -> dict[str, Any]:
        return vasp_level(self.inputs[NAMESPACE], self.inputs.path.elements)

    def _settings(self) -> VaspSettings:
        return VaspSettings.model_validate(self.inputs[NAMESPACE].parameters.get_dict())

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        """Return the single point, or the relaxation, of an end."""
        neb = self._neb()
        structure = self.run_once(
            f"{label}_structure",
            frame_structure,
            frames=self.inputs.path,
            index=self._index(label.removeprefix("end_")),
        )["result"]
        inputs = self.exposed_inputs(VaspWorkChain, namespace=NAMESPACE)
        moves = neb.end_incar() if neb.relax_ends else None
        return VaspWorkChain, vasp_job(inputs, structure, self._settings(), moves)

    def _index(self, name: str) -> orm.Int:
        return orm.Int(ENDS[name] % self.inputs.path.n_frames)

    def inspect_ends(self) -> Any:
        """Read the labels of the ends; without them there is no band to speak of."""
        neb = self._neb()
        for name in ENDS:
            if name in self.ctx.ends:
                continue
            run, problem = readable_run(self.ctx[f"end_{name}"])
            if run is None:
                return self._end_failed(name, *problem)
            made = self.run_once(
                f"{name}_label",
                read_vasp_end,
                path=self.inputs.path,
                index=self._index(name),
                trajectory=run.outputs.trajectory,
                version=orm.Str(run.outputs.misc["version"]),
                level_of_theory=orm.Dict(self._level()),
                max_scf=orm.Int(run.inputs.parameters["nelm"]),
            )
            if "frames" not in made:
                failure = made["failures"]["failures"][0]
                return self._end_failed(name, failure["class"], failure["message"])
            force = np.linalg.norm(made["frames"].frames.systems[0].forces, axis=2).max()
            if neb.relax_ends and force > neb.force_tolerance_eV_A:
                return self.exit_codes.ERROR_END_NOT_RELAXED.format(
                    reason=f"the largest force on the {name} structure is {force:.3f} eV/Å, "
                    f"expected {neb.force_tolerance_eV_A} or less; raise end_steps, or relax it "
                    "better before"
                )
            self.ctx.ends[name] = made["frames"]
        return None

    def _end_failed(self, name: str, kind: str, message: str) -> ExitCode:
        if kind == "scf_unconverged":
            return self.exit_codes.ERROR_SCF_NOT_CONVERGED.format(
                images=f"the {name} structure", kept="there is no band yet"
            )
        return self.exit_codes.ERROR_END_FAILED.format(reason=f"{name} structure: {message}")

    def run_band(self) -> Any:
        """Submit the band between the ends."""
        ends = {
            name: self.run_once(f"{name}_structure", end_structure, label=label)["result"]
            for name, label in self.ctx.ends.items()
        }
        images = self.run_once("images", band_structures, path=self.inputs.path)
        node = self.submit_once(
            "band",
            VaspNebCalculation,
            {
                **band_calculation(
                    self.exposed_inputs(VaspWorkChain, namespace=NAMESPACE),
                    ends["initial"],
                    self._settings(),
                    self._neb().incar(len(images)),
                ),
                "initial_structure": ends["initial"],
                "final_structure": ends["final"],
                "neb_images": images,
                "initial_label": self.ctx.ends["initial"],
                "final_label": self.ctx.ends["final"],
                "neb": self.inputs.neb,
            },
        )
        self.report(f"band of {len(images)} images: {node.process_label}<{node.pk}>")
        return ToContext(band=node)

    def results(self) -> Any:
        """Put out what the band has; it ends as its job did."""
        run = self.ctx.band
        for name in ("frames", "results", "failures"):
            if name in run.outputs:
                self.out(name, run.outputs[name])
        if run.is_finished_ok:
            return None
        if run.exit_status is None:
            return self.exit_codes.ERROR_NO_FRAMES.format(reason=failure_reason(run))
        return ExitCode(run.exit_status, run.exit_message)


def _validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    if "path" not in value or NAMESPACE not in value:
        return None
    systems = value["path"].frames.systems
    if len(systems) != 1:
        return (
            f"path has {[system.n_frames for system in systems]} frames by composition, expected "
            "one composition in one order of atoms"
        )
    problem = images_problem(systems[0])
    if problem:
        return problem
    try:
        vasp_level(value[NAMESPACE], value["path"].elements)
    except ValueError as error:
        return str(error)
    return charge_problem(value[NAMESPACE], value["path"].frames)
