"""Steps of the loop by themselves: what they make of a stage that gave less than was asked for."""

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from ase.build import bulk

from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.data.trajectory import MDTrajectoryData
from aiida_mliptransport.workflows.active_learning import ActiveLearningWorkChain
from aiida_mliptransport.workflows.transport import TransportWorkChain

pytestmark = pytest.mark.medium


@pytest.fixture(autouse=True)
def profile(aiida_profile):
    return aiida_profile


def cell():
    return orm.StructureData(ase=bulk("LiCl", "rocksalt", a=5.1, cubic=True))


@pytest.fixture
def loop(make_code):
    """Return a factory of loops that were not run; their reports are kept in ``said``."""
    codes = {
        name: make_code(f"absent-{name}", f"/absent/{name}") for name in ("dp", "lmp", "python")
    }

    def factory(structures=("licl",), **changes):
        builder = ActiveLearningWorkChain.get_builder_from_protocol(
            codes=codes,
            structures={name: cell() for name in structures},
            engine="ase",
            temperatures=[1200.0],
            engine_options={"calculator": {"name": "tblite"}},
            protocol="fast",
            **changes,
        )
        process = instantiate_process(get_manager().get_runner(), builder)
        process.setup()
        process.said = []
        process.report = process.said.append
        return process

    return factory


# ---------------------------------------------------------------- transport


def members(folder, n):
    made = {}
    for number in range(n):
        path = folder / f"model_{number}.pb"
        path.write_text(f"frozen {number}")
        made[f"member_{number}"] = PotentialData(
            "deepmd", "3.2.0", ("Li", "Cl"), 4.0, files={"model": path}
        )
    return made


@pytest.mark.parametrize(("trained", "driving"), [(4, 3), (3, 3), (2, 2)])
def test_no_more_members_drive_than_the_final_training_gave(
    loop, tmp_path, monkeypatch, trained, driving
):
    process = loop(
        transport_structures={"licl": cell()},
        transport_temperatures=[1000.0],
        charges={"Li": 1, "Cl": -1},
        overrides={"transport": {"drivers": 3}, "train": {"committee_size": 4}},
    )
    process.ctx.committee = members(tmp_path, trained)
    submitted = []

    def submit(label, workchain, inputs):
        # As a submission does it, which refuses inputs that do not fit together.
        submitted.append(instantiate_process(get_manager().get_runner(), workchain, **inputs))
        return submitted[-1].node

    monkeypatch.setattr(process, "submit_once", submit)
    process.run_transport()
    (transport,) = submitted
    assert isinstance(transport, TransportWorkChain)
    assert transport.inputs.drivers.value == driving
    told = [text for text in process.said if "drivers" in text]
    assert told == (
        [f"transport.drivers is 3, but the final training gave {trained} members: {trained} drive"]
        if trained < 3
        else []
    )


# ---------------------------------------------------------------- starts


def last_frame_at(x):
    """A run of two frames whose last has its lithium at ``x`` (Å)."""
    positions = np.array([[[0, 0, 0], [2, 2, 2]], [[x, 0, 0], [2, 2, 2]]], dtype=float)
    return MDTrajectoryData(
        numbers=[3, 17], pbc=True, steps=[0, 10], times_ps=[0.0, 0.01], positions=positions,
        cells=np.tile(8.0 * np.eye(3), (2, 1, 1)), info={"completed": True},
    )  # fmt: skip


def first_md(**runs):
    """A process that gave these runs of the labeller."""
    node = orm.WorkChainNode().store()
    for name, run in runs.items():
        run.store().base.links.add_incoming(node, LinkType.RETURN, f"trajectories__{name}")
    return node


def test_every_structure_starts_from_its_own_run_though_its_name_begins_another(loop):
    process = loop(structures=("licl", "licl_vacancy"))
    process.ctx.aimd = first_md(
        licl_1200K_replica0=last_frame_at(1.0), licl_vacancy_1500K_replica0=last_frame_at(3.0)
    )
    process.prepare_structures()
    starts = {name: node.get_ase().positions[0, 0] for name, node in process.ctx.start.items()}
    assert starts == pytest.approx({"licl": 1.0, "licl_vacancy": 3.0})
