"""``VaspAimdWorkChain``: independent MD runs by DFT with VASP, through aiida-vasp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder
from aiida_vasp.workchains.v2.vasp import VaspWorkChain

from ...calculations.functions.vasp import read_vasp_md, sort_structure
from ...calculations.parameters import validation_message
from ...calculations.vasp_md import out_of_time
from ...calculations.vasp_settings import VaspMDParameters, VaspSettings
from ..label.failures import failure_record
from ..label.vasp import load_inputs
from ..vasp import (
    NAMESPACE,
    VaspMDWorkChain,
    expose_vasp,
    fill_vasp,
    last_calculation,
    readable_run,
    vasp_job,
    vasp_level,
)
from .base import AimdWorkChain

#: Parameters that the WorkChain itself uses.
OWN_PARAMETERS = ("initial_displacement_A", "discard_steps")


class VaspAimdWorkChain(AimdWorkChain):
    """Run MD by VASP for every structure, temperature and run.

    Frames whose SCF took all its iterations are failures, never labels: VASP goes on after them.
    A run whose time was up goes on from its CONTCAR, with its velocities; the state of the
    thermostat begins anew. A run that was cut short otherwise keeps what it has.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        super().define(spec)
        expose_vasp(spec)
        base = spec.inputs.validator
        spec.inputs.validator = lambda value, port: base(value, port) or _validate(value)

    @classmethod
    def validate_parameters(cls, value: orm.Dict | None, port: Any) -> str | None:
        message = super().validate_parameters(value, port)
        if message is not None or value is None:
            return message
        content = {k: v for k, v in value.get_dict().items() if k not in OWN_PARAMETERS}
        return validation_message(VaspMDParameters, {**content, "temperature_K": 1.0, "seed": 1})

    @classmethod
    def get_builder_from_protocol(
        cls,
        code: orm.AbstractCode,
        potential_family: str,
        structures: Mapping[str, orm.StructureData],
        temperatures: list[float],
        settings: Mapping[str, Any] | None = None,
        seed: int = 1,
        max_concurrent: int | None = None,
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
        structures
            Periodic structures by name.
        temperatures
            K.
        settings
            Changes of the protocol's ``settings``; MD and labels of a campaign have one level of
            theory, so give both the same.
        seed
            Seeds of the runs are derived from it.
        overrides
            Values of ``protocols/vasp.yaml``.
        options
            ``metadata.options`` of the jobs.
        """
        inputs = load_inputs(protocol, overrides, settings)
        aimd = inputs["aimd"]
        builder = cls.get_builder()
        builder.structures = dict(structures)
        builder.temperatures = orm.List([float(temperature) for temperature in temperatures])
        builder.runs = orm.Int(aimd["runs"])
        builder.quorum = orm.Float(aimd["quorum"])
        builder.seed = orm.Int(seed)
        builder.max_concurrent = orm.Int(max_concurrent or inputs["max_concurrent"])
        builder.parameters = orm.Dict(dict(aimd["parameters"]))
        fill_vasp(
            builder[NAMESPACE],
            code,
            inputs,
            {kind.symbol for structure in structures.values() for kind in structure.kinds},
            potential_family,
            {"max_wallclock_seconds": aimd["max_wallclock_seconds"], **(options or {})},
        )
        return builder

    def job(self, label: str) -> tuple[Any, dict[str, Any]]:
        run = self.ctx.runs[label]
        structure, parameters = self.start_of(label)
        sorted_structure = self.run_once(
            f"{run['start']}_structure", sort_structure, structure=structure
        )["result"]
        settings = VaspSettings.model_validate(self.inputs[NAMESPACE].parameters.get_dict())
        inputs = vasp_job(
            self.exposed_inputs(VaspWorkChain, namespace=NAMESPACE),
            sorted_structure,
            settings,
            VaspMDParameters.model_validate(parameters).incar(),
        )
        if run["after"] is not None:
            inputs["restart"] = self.run_outputs(run["after"])["restart"]
        return VaspMDWorkChain, inputs

    def _continue(self, label: str) -> bool:
        """Queue the rest of a run whose time was up, from the CONTCAR that it left."""
        run = self.ctx.runs[label]
        outputs = self.run_outputs(label)
        job = last_calculation(self.ctx[label])
        if job is None or "restart" not in outputs or not out_of_time(job):
            return False
        done = outputs["state"].base.attributes.get("next_step")
        segments = self.ctx.final[run["name"]]
        following = f"{segments[0]}_segment{len(segments):02d}"
        self.ctx.runs[following] = {**run, "after": label, "first_step": done}
        segments.append(following)
        self.ctx.pending.append(following)
        self.report(f"{label}: out of wall clock time at step {done}, goes on as {following}")
        return True

    def run_outputs(self, label: str) -> Mapping[str, Any]:
        """Return frames, trajectory and failures, read from what VASP left."""
        job, problem = readable_run(self.ctx[label])
        if job is None:
            return {"failures": {"failures": [failure_record(None, None, *problem)]}}
        run = self.ctx.runs[label]
        structure, parameters = self.start_of(label)
        elements = {kind.symbol for kind in structure.kinds}
        before = {}
        if run["after"] is not None:
            before["before"] = self.run_outputs(run["after"])["state"]
        return self.run_once(
            f"{label}_frames",
            read_vasp_md,
            structure=structure,
            md=orm.Dict(parameters),
            trajectory=job.outputs.trajectory,
            retrieved=job.outputs.retrieved,
            version=orm.Str(job.outputs.misc["version"]),
            level_of_theory=orm.Dict(vasp_level(self.inputs[NAMESPACE], elements)),
            max_scf=orm.Int(job.inputs.parameters["nelm"]),
            first_step=orm.Int(run["first_step"]),
            **before,
        )


def _validate(value: Mapping[str, Any]) -> str | None:
    if NAMESPACE not in value:
        return None
    try:
        for structure in value.get("structures", {}).values():
            vasp_level(value[NAMESPACE], {kind.symbol for kind in structure.kinds})
    except ValueError as error:
        return str(error)
    return None
