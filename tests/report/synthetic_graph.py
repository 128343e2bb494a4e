"""Put processes and their outputs into the graph by hand, with a clock that the caller moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import ProcessState


class Graph:
    """Makes process nodes with calls, inputs and outputs, as an engine would have left them."""

    def __init__(self) -> None:
        self.now = datetime(2025, 3, 1, 9, 0, tzinfo=UTC)
        _, self.computer = orm.Computer.collection.get_or_create(
            label="node",
            hostname="localhost",
            transport_type="core.local",
            scheduler_type="core.direct",
            workdir="/tmp/none",
        )
        self.computer.store()
        self.codes = {name: self._code(name) for name in ("dp", "lmp", "python")}

    def _code(self, name: str) -> orm.InstalledCode:
        return orm.InstalledCode(
            label=name, computer=self.computer, filepath_executable=f"/opt/{name}"
        ).store()

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def workchain(
        self,
        name: str,
        parent: orm.ProcessNode | None = None,
        label: str = "",
        inputs: dict[str, orm.Data] | None = None,
        **fields: Any,
    ) -> orm.WorkChainNode:
        """Return a running WorkChain called by ``parent`` under ``label``."""
        node = orm.WorkChainNode(ctime=self.now, mtime=self.now, **fields)
        return self._start(node, name, f"mliptransport.{name.lower()}", parent, label, inputs)

    def job(
        self,
        name: str,
        parent: orm.ProcessNode,
        label: str,
        inputs: dict[str, orm.Data],
        outputs: dict[str, orm.Data],
        seconds: float,
        exit_status: int = 0,
        message: str = "",
        cores: int = 1,
    ) -> orm.CalcJobNode:
        """Return a CalcJob that took ``seconds`` and then gave ``outputs``."""
        node = orm.CalcJobNode(computer=self.computer, ctime=self.now, mtime=self.now)
        node.set_option("resources", {"num_machines": 1, "num_mpiprocs_per_machine": cores})
        self._start(node, name, f"mliptransport.{name.lower()}", parent, label, inputs)
        self.wait(seconds)
        self.create(node, outputs | {"retrieved": orm.FolderData(ctime=self.now)})
        self.end(node, exit_status, message)
        return node

    def function(
        self,
        name: str,
        parent: orm.ProcessNode,
        label: str,
        inputs: dict[str, orm.Data],
        outputs: dict[str, orm.Data],
    ) -> orm.CalcFunctionNode:
        """Return a calcfunction that gave ``outputs`` at once."""
        node = orm.CalcFunctionNode(ctime=self.now, mtime=self.now)
        self._start(node, name, f"aiida_mliptransport.functions.{name}", parent, label, inputs)
        self.create(node, outputs)
        self.end(node)
        return node

    def _start(
        self,
        node: Any,
        name: str,
        entry_point: str,
        parent: orm.ProcessNode | None,
        label: str,
        inputs: dict[str, orm.Data] | None,
    ) -> Any:
        calculation = isinstance(node, orm.CalculationNode)
        group = "aiida.calculations" if calculation else "aiida.workflows"
        node.process_type = f"{group}:{entry_point}"
        node.set_process_label(name)
        node.set_process_state(ProcessState.WAITING)
        node.base.attributes.set("version", {"core": "2.9.4", "plugin": "0.1.0"})
        kind = LinkType.INPUT_CALC if calculation else LinkType.INPUT_WORK
        for key, value in (inputs or {}).items():
            node.base.links.add_incoming(value.store(), link_type=kind, link_label=key)
        if parent is not None:
            call = LinkType.CALL_CALC if calculation else LinkType.CALL_WORK
            node.base.links.add_incoming(parent, link_type=call, link_label=label)
        return node.store()

    @staticmethod
    def create(process: orm.ProcessNode, outputs: dict[str, orm.Data]) -> None:
        for label, value in outputs.items():
            value.base.links.add_incoming(process, link_type=LinkType.CREATE, link_label=label)
            value.store()

    @staticmethod
    def give(process: orm.ProcessNode, outputs: dict[str, orm.Data]) -> None:
        """Return stored nodes as the outputs of a WorkChain."""
        for label, value in outputs.items():
            value.base.links.add_incoming(process, link_type=LinkType.RETURN, link_label=label)

    @staticmethod
    def end(process: Any, exit_status: int = 0, message: str = "") -> None:
        process.set_process_state(ProcessState.FINISHED)
        process.set_exit_status(exit_status)
        if message:
            process.set_exit_message(message)
        process.seal()
