"""Build the active-learning WorkChain of a campaign file and submit it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .overrides import DFT_PROTOCOLS, builder_overrides
from .paths import build_paths
from .schema import Campaign, WorkFile
from .source import CampaignError
from .structures import build_structures, check_structures

if TYPE_CHECKING:
    from aiida import orm

#: Extra of the campaign's node with the text of its file. Extras are not part of a node's content.
CAMPAIGN_EXTRA = "mliptransport_campaign"

#: Slots of a worker that must stay free beyond the fan-out: the parents that wait.
WAITING_PARENTS = 4


def needed_codes(
    campaign: WorkFile, programs: Sequence[str] = ("dp", "lmp", "python")
) -> dict[str, str]:
    """Return the codes that are needed, that of the engine included: name to AiiDA label."""
    names = list(programs)
    if campaign.engine in DFT_PROTOCOLS:
        names.append(campaign.engine)
    return {name: getattr(campaign.codes, name) for name in names}


def load_codes(
    campaign: WorkFile, programs: Sequence[str] = ("dp", "lmp", "python")
) -> dict[str, orm.AbstractCode]:
    """Load the codes of a file.

    Raises
    ------
    CampaignError
        One line for every code that is not in the profile.
    """
    from aiida import orm
    from aiida.common.exceptions import MultipleObjectsError, NotExistent

    codes, problems = {}, []
    for name, label in needed_codes(campaign, programs).items():
        try:
            codes[name] = orm.load_code(label)
        except (NotExistent, MultipleObjectsError, ValueError):
            error = campaign.source.error(
                ("codes", name),
                f"is {label!r}, but the profile has no such code; make it with "
                "`aiida-mliptransport setup`, or name one of `verdi code list`",
            )
            problems.append(str(error))
    if problems:
        raise CampaignError("\n".join(problems))
    return codes


def engine_options(campaign: WorkFile) -> dict[str, Any]:
    """Return the options of the chosen engine, as the builders take them.

    A teacher given by typed parameters becomes a declared import.
    """
    if campaign.engine == "cp2k":
        return {"settings": dict(campaign.cp2k or {})}
    if campaign.engine == "vasp" and campaign.vasp is not None:
        return {
            "settings": campaign.vasp.settings(),
            "potential_family": campaign.vasp.potential_family,
        }
    if campaign.engine == "ase" and campaign.ase is not None:
        section = campaign.ase.model_dump()
        return {"calculator": {"name": section.pop("calculator"), **section}}
    return {"potential": _teacher(campaign)}


def _teacher(campaign: WorkFile) -> orm.Data:
    from aiida import orm
    from aiida.common.exceptions import NotExistent

    from ..backends import PotentialError, get_backend
    from ..data.potential import PotentialData

    section = campaign.teacher
    if section is None:
        raise RuntimeError("engine 'teacher' without its section; load_campaign checks this")
    if section.potential is not None:
        try:
            node = orm.load_node(section.potential)
        except (NotExistent, ValueError) as error:
            raise campaign.source.error(
                ("teacher", "potential"), f"is {section.potential!r}, but there is no such node"
            ) from error
        if not isinstance(node, PotentialData):
            raise campaign.source.error(
                ("teacher", "potential"),
                f"is {section.potential!r}, a {type(node).__name__}; expected a PotentialData, see "
                "`verdi data mliptransport.potential list`",
            )
        return node
    try:
        get_backend(section.backend)
        node = PotentialData(
            backend=section.backend,
            type_map=section.type_map or (),
            cutoff=section.cutoff_A or 0.0,
            parameters=section.parameters,
            trained_on_stress=True,
        )
    except PotentialError as error:
        raise campaign.source.error(("teacher",), f"does not fit: {error}") from error
    node.label = "teacher"
    node.description = f"typed parameters given in {campaign.source.path.name}"
    return node.store()


def check_daemon(max_concurrent: int) -> None:
    """Raise `CampaignError` if no daemon runs or its slots do not hold the widest fan-out."""
    from aiida.engine.daemon.client import DaemonException, get_daemon_client
    from aiida.manage import get_config_option, get_manager

    profile = get_manager().get_profile()
    name = profile.name if profile else "?"
    if get_manager().get_broker() is None:
        raise CampaignError(
            f"profile {name!r} has no broker, so no daemon can run its campaigns; make one with "
            "`verdi presto --use-zeromq`"
        )
    client = get_daemon_client()
    if not client.is_daemon_running:
        raise CampaignError(
            f"the daemon of profile {name!r} is not running; start it with `verdi daemon start`"
        )
    slots = int(get_config_option("daemon.worker_process_slots"))
    try:
        workers = client.get_number_of_workers(timeout=10)
    except DaemonException as error:
        raise CampaignError(
            f"the daemon of profile {name!r} does not answer, as if it was killed: {error} Run "
            "`aiida-mliptransport doctor --repair` and `verdi daemon start`"
        ) from error
    needed = max_concurrent + WAITING_PARENTS
    if slots * workers < needed:
        raise CampaignError(
            f"the daemon has {workers} worker(s) with {slots} slots each, expected {needed} slots "
            f"or more for max_concurrent {max_concurrent}: waiting parents would block "
            f"their children; run `verdi config set daemon.worker_process_slots 200` and "
            "`verdi daemon restart`"
        )


def build(campaign: Campaign) -> Any:
    """Store the structures and return the filled builder of the campaign.

    Raises
    ------
    CampaignError
        For everything that is wrong in the file, the structures or the codes.
    """
    from aiida import orm
    from aiida.plugins import WorkflowFactory

    from ..workflows.protocols import ProtocolError

    check_structures(campaign)
    codes = load_codes(campaign)
    structures, transport_structures = build_structures(campaign)
    transport = campaign.transport
    paths = None
    if campaign.barriers is not None:
        paths = build_paths(campaign.source, ("barriers",), campaign.barriers)
    work_chain = WorkflowFactory("mliptransport.active_learning")
    try:
        builder = work_chain.get_builder_from_protocol(
            codes=codes,
            structures=structures,
            engine=campaign.engine,
            temperatures=campaign.temperatures_K,
            charges=campaign.charges,
            transport_structures=transport_structures,
            transport_temperatures=transport.temperatures_K if transport else None,
            paths=paths,
            engine_options=engine_options(campaign),
            seed=campaign.seed,
            max_concurrent=campaign.max_concurrent,
            protocol=campaign.protocol,
            overrides=builder_overrides(campaign) or None,
            options=campaign.resources.options() or None,
        )
    except ProtocolError as error:
        raise CampaignError(f"{campaign.source.path.name}: {error}") from error
    if campaign.clean_workdir:
        builder.clean_workdir = orm.Bool(True)
    builder.metadata.label = campaign.name[:255]
    builder.metadata.description = campaign.description
    return builder


def launch(campaign: Campaign) -> orm.WorkChainNode:
    """Submit the campaign to the daemon and return its node."""
    return submit_file(campaign, lambda: build(campaign))


def submit_file(campaign: WorkFile, make_builder: Callable[[], Any]) -> orm.WorkChainNode:
    """Submit what a file describes; the text of the file stays with the process.

    Nothing is built, and so stored, without a daemon that could run it.
    """
    from aiida.engine import submit

    check_daemon(campaign.max_concurrent)
    node = submit(make_builder())
    text = campaign.source.path.read_text(encoding="utf-8")
    node.base.extras.set(CAMPAIGN_EXTRA, {"file": text, "engine": campaign.engine})
    return node


def request_finish(node: orm.ProcessNode) -> None:
    """Ask a running campaign to end after its present iteration with what there is."""
    if node.is_terminated:
        raise CampaignError(f"process {node.pk} has already ended ({node.process_state.value})")
    from ..workflows.active_learning.workchain import FINISH_EXTRA

    node.base.extras.set(FINISH_EXTRA, True)
