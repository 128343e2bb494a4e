"""Short transport runs in the loop: the observable on whose error and change it may stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm

from ..naming import derived_seed
from ..submission import SubmitOnceWorkChain, failure_reason
from ..transport import TransportWorkChain
from .settings import ObservableTarget


def observable_problem(inputs: Mapping[str, Any]) -> str | None:
    """Return why ``targets.observable`` does not fit the other inputs of the loop, or None."""
    asked = inputs["targets"].get_dict().get("observable") if "targets" in inputs else None
    if not asked:
        return None
    target = ObservableTarget.model_validate(asked)
    structures = (inputs.get("transport") or {}).get("structures") or {}
    if not structures:
        return (
            "targets.observable needs the transport stage for its cells, charges and MD settings; "
            "give transport.structures, or leave the target out"
        )
    if target.structure is None and len(structures) > 1:
        return (
            f"targets.observable.structure is missing, expected one of {sorted(structures)}: "
            "there are several cells"
        )
    name = target.structure or next(iter(structures))
    if name not in structures:
        return f"targets.observable.structure is {name!r}, expected one of {sorted(structures)}"
    if target.species and target.species not in structures[name].get_symbols_set():
        return (
            f"targets.observable.species is {target.species!r}, which {name} does not have; "
            f"expected one of {sorted(structures[name].get_symbols_set())}"
        )
    return None


class ObservableWorkChain(SubmitOnceWorkChain):
    """The part of the loop that measures the observable of an iteration."""

    def _observable_runs(self) -> dict[str, Any]:
        """Submit one short run for each member, at the same time as the blind test."""
        asked = self.inputs.targets.get_dict().get("observable")
        if not asked:
            return {}
        target = ObservableTarget.model_validate(asked)
        inputs = self.exposed_inputs(TransportWorkChain, "transport", agglomerate=False)
        name = target.structure or next(iter(inputs["structures"]))
        parameters = inputs["parameters"].get_dict()
        parameters["steps"] = round(1000.0 * target.length_ps / parameters["timestep_fs"])
        seed = derived_seed(self.inputs.seed.value, f"{self.stage}_observable", 0)
        node = self.submit_once(
            f"{self.stage}_observable",
            TransportWorkChain,
            {
                # Neither longer runs nor a mechanism: only the one number is looked at.
                **{k: v for k, v in inputs.items() if k not in ("extension", "mechanism")},
                "structures": {name: inputs["structures"][name]},
                "temperatures": orm.List([target.temperature_K]),
                "parameters": orm.Dict(parameters),
                "replicas": orm.Int(1),
                "drivers": orm.Int(len(self.ctx.committee)),
                "seed": orm.Int(seed),
                "potentials": dict(self.ctx.committee),
                "max_concurrent": self.inputs.max_concurrent,
            },
        )
        return {"observable": node}

    def _observables(self) -> tuple[orm.Dict | None, str]:
        """Return what the short runs of this iteration gave, or why they gave nothing."""
        node = self.child(f"{self.stage}_observable")
        if node is None:
            return None, "no short runs, for there was no blind test"
        if not node.is_finished_ok or "observables" not in node.outputs:
            self.report(f"{self.stage}: the short transport runs failed: {failure_reason(node)}")
            return None, failure_reason(node)
        # A member that blew up is left out of the analysis, and so would be its disagreement.
        driven = node.outputs.observables["points"][0]["members"]
        if len(driven) < len(self.ctx.committee):
            return None, f"only {sorted(driven)} of {len(self.ctx.committee)} members ran through"
        return node.outputs.observables, ""
