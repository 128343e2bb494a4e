"""Steps of the loop by themselves: what they make of a stage that gave less than was asked for."""

import pytest
from aiida import orm
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from ase.build import bulk

from aiida_mliptransport.data.potential import PotentialData
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
