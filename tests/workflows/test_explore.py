"""Exploration: which runs it makes, with which seeds, and what it keeps of runs that broke."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from ase.build import bulk

from aiida_mliptransport.backends.lammps import tosi_fumi_licl
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.workflows.explore import ExploreWorkChain
from aiida_mliptransport.workflows.protocols import list_protocols

pytestmark = pytest.mark.medium


def licl(repeat=1) -> orm.StructureData:
    return orm.StructureData(ase=bulk("LiCl", "rocksalt", a=5.13, cubic=True).repeat(repeat))


@pytest.fixture
def builder(lammps):
    def factory(structures=None, temperatures=(600.0, 900.0), overrides=None, **kwargs):
        return ExploreWorkChain.get_builder_from_protocol(
            code=lammps,
            structures=structures or {"licl": licl()},
            potentials={"member_0": PotentialData(**tosi_fumi_licl(kspace="ewald"))},
            temperatures=temperatures,
            overrides={"replicas": 1, **(overrides or {})},
            options={"max_wallclock_seconds": 300},
            **kwargs,
        )

    return factory


@pytest.fixture
def runs_of():
    def factory(given):
        process = instantiate_process(get_manager().get_runner(), given)
        process.setup()
        return {key: process.job(key)[1]["parameters"].get_dict() for key in process.ctx.pending}

    return factory


def test_every_structure_temperature_and_replica_is_one_run(builder, runs_of):
    runs = runs_of(
        builder(structures={"b": licl(), "a": licl()}, overrides={"replicas": 2}, seed=3)
    )
    assert list(runs) == [
        f"{name}_{t}K_replica{i}" for name in "ab" for t in (600, 900) for i in (0, 1)
    ]
    assert runs["a_900K_replica1"]["temperature_K"] == 900.0
    assert runs["a_900K_replica1"]["ensemble"] == "nvt"
    assert len({run["seed"] for run in runs.values()}) == 8


def test_seeds_depend_on_the_base_seed_and_not_on_the_other_runs(builder, runs_of):
    few, many = runs_of(builder(temperatures=[900.0])), runs_of(builder())
    assert few["licl_900K_replica0"]["seed"] == many["licl_900K_replica0"]["seed"]
    other = runs_of(builder(seed=2))
    assert other["licl_900K_replica0"]["seed"] != many["licl_900K_replica0"]["seed"]


def test_pressures_make_the_runs_npt_and_name_them(builder, runs_of):
    runs = runs_of(builder(temperatures=[600.0], pressures=[1.0, -5000.0]))
    assert list(runs) == ["licl_600K_1bar_replica0", "licl_600K_minus5000bar_replica0"]
    assert {run["ensemble"] for run in runs.values()} == {"npt"}
    assert runs["licl_600K_minus5000bar_replica0"]["pressure_bar"] == -5000.0
    assert list(runs_of(builder(temperatures=[600.0], pressures=[1.0]))) == ["licl_600K_replica0"]


def test_conditions_of_one_structure_take_the_place_of_the_general_ones(builder, runs_of):
    given = builder(structures={"a": licl(), "b": licl()}, temperatures=[600.0])
    given.conditions = orm.Dict(
        {"b": {"temperatures_K": [900.0], "pressures_bar": [1.0], "parameters": {"steps": 7}}}
    )
    runs = runs_of(given)
    assert list(runs) == ["a_600K_replica0", "b_900K_replica0"]
    assert runs["a_600K_replica0"]["ensemble"] == "nvt"
    assert runs["b_900K_replica0"]["ensemble"] == "npt"
    assert runs["b_900K_replica0"]["steps"] == 7
    assert runs["a_600K_replica0"]["steps"] != 7


def test_a_replica_may_begin_from_a_structure_of_its_own(builder):
    given = builder(temperatures=[600.0], overrides={"replicas": 2})
    other = licl(2)
    given.starts = {"licl_replica1": other}
    process = instantiate_process(get_manager().get_runner(), given)
    process.setup()
    starts = [process.job(key)[1]["structure"].uuid for key in process.ctx.pending]
    assert starts == [process.inputs.structures["licl"].uuid, other.uuid]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("conditions", {"a": {}}, "conditions holds \\['a'\\], expected some of \\['licl'\\]"),
        ("conditions", {"licl": {"T": 1}}, "conditions.licl holds \\['T'\\]"),
        ("conditions", {"licl": {"temperatures_K": [-1]}}, "conditions.licl.temperatures_K is"),
        ("conditions", {"licl": {"parameters": {"seed": 1}}}, "parameters holds \\['seed'\\]"),
        ("conditions", {"licl": {"temperatures_K": 900}}, "conditions.licl.temperatures_K is 900"),
        (
            "conditions",
            {"licl": {"parameters": {"stepps": 1}}},
            "unknown key 'conditions.licl.parameters.stepps' with value 1",
        ),
        ("starts", "licl_replica7", "starts holds \\['licl_replica7'\\]"),
    ],
)
def test_conditions_and_starts_that_fit_nothing_are_refused(builder, runs_of, name, value, message):
    given = builder(temperatures=[600.0])
    node = {value: licl()} if name == "starts" else orm.Dict(value)

    def fill_and_run():
        setattr(given, name, node)
        runs_of(given)

    with pytest.raises(ValueError, match=message):
        fill_and_run()


@pytest.mark.parametrize("protocol", ["fast", "balanced", "stringent"])
def test_every_protocol_gives_valid_inputs(builder, runs_of, protocol):
    assert protocol in list_protocols("explore")
    run = next(iter(runs_of(builder(protocol=protocol)).values()))
    assert run["deviation_stride"] == run["trajectory_stride"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperatures": []}, "temperatures is"),
        ({"temperatures": [-1.0]}, "temperatures is"),
        ({"temperatures": [300.1, 300.2]}, "differ by 1 K"),
        ({"pressures": [1.0, 1.1]}, "differ by 1 bar"),
        ({"max_concurrent": 0}, "max_concurrent is 0"),
        ({"overrides": {"replicas": 0}}, "replicas is 0"),
        ({"overrides": {"parameters": {"steps": "1\nshell x"}}}, "steps is"),
        ({"structures": {"a": orm.StructureData}}, "structures.a: type map .* lacks \\['Na'\\]"),
    ],
)
def test_inputs_that_cannot_run_are_refused_before_anything_is_submitted(
    builder, runs_of, changes, message
):
    if "structures" in changes:
        changes = {"structures": {"a": orm.StructureData(ase=bulk("NaCl", "rocksalt", a=5.6))}}
    with pytest.raises(ValueError, match=message):
        runs_of(builder(**changes))


@pytest.mark.lammps
def test_a_run_that_blows_up_leaves_its_trajectory_beside_the_good_one(builder):
    strides = {"trajectory_stride": 5, "thermo_stride": 5, "deviation_stride": 5}
    given = builder(
        temperatures=[600.0, 300_000.0],
        overrides={
            "parameters": {"steps": 400, "timestep_fs": 2.0, "equilibration_steps": 0, **strides}
        },
    )
    outputs, node = run_get_node(given)
    assert node.is_finished_ok, node.exit_message
    assert sorted(outputs["trajectories"]) == ["licl_300000K_replica0", "licl_600K_replica0"]
    assert outputs["trajectories"]["licl_600K_replica0"].n_frames == 81
    assert not outputs["trajectories"]["licl_300000K_replica0"].completed
    results = outputs["results"].get_dict()
    assert results["n_runs"] == 2
    assert results["n_completed"] == results["n_broken_off"] == 1
    expected = {key: run["n_expected_frames"] for key, run in results["runs"].items()}
    assert expected == {"licl_300000K_replica0": 81, "licl_600K_replica0": 81}
    labels = {link.link_label for link in node.base.links.get_outgoing().all()}
    assert {"licl_600K_replica0", "summarize_runs"} <= labels


@pytest.mark.deepmd
@pytest.mark.lammps
def test_a_committee_of_deepmd_models_gives_the_deviation_of_every_frame(builder, tiny_committee):
    strides = {"trajectory_stride": 5, "thermo_stride": 5, "deviation_stride": 5}
    given = builder(
        temperatures=[300.0], overrides={"parameters": {"steps": 20, "timestep_fs": 0.5, **strides}}
    )
    given.potentials = {f"member_{i}": node for i, node in enumerate(tiny_committee)}
    outputs, _ = run_get_node(given)
    trajectory = outputs["trajectories"]["licl_300K_replica0"]
    deviations = trajectory.deviations
    # Models of 50 steps may fall apart; every frame that there is has its deviation.
    assert deviations["steps"].tolist() == trajectory.steps.tolist()
    assert (deviations["max_force"] >= deviations["mean_force"]).all()
    assert deviations["max_force"][0] > 0


@pytest.mark.lammps
def test_without_any_frame_the_exit_code_names_the_reason(builder, tmp_path):
    model = tmp_path / "model.pb"
    model.write_bytes(b"not a model")
    given = builder(temperatures=[600.0])
    given.potentials = {
        "member_0": PotentialData(
            backend="deepmd", type_map=["Li", "Cl"], cutoff=6.0, files={"model": model}
        )
    }
    outputs, node = run_get_node(given)
    assert node.exit_status == 310
    assert "cannot read the potential" in node.exit_message
    assert outputs["results"]["n_without_frames"] == 1
