"""The barrier file: what it may hold, and what is refused before anything is computed."""

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from ase.build import bulk

from aiida_mliptransport.backends.lammps import tosi_fumi_licl
from aiida_mliptransport.campaign.barriers import build_barriers, load_barrier_file, potentials_of
from aiida_mliptransport.campaign.source import CampaignError
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.data.trajectory import MDTrajectoryData

FILE = """\
name: licl-vacancy
protocol: fast
ase: {calculator: molten_salt, salt: LiCl}
host: {file: LiCl.cif}
directions: {symbol: Li, directions: [[1, 1, 0]]}
parameters: {images: 3}
"""
HARVEST = "harvest: {symbol: Li, core_radius_A: 1.0, window_ps: 0.5, distance_A: 4.0}\n"


@pytest.fixture
def write(tmp_path):
    def factory(*replacements):
        bulk("LiCl", "rocksalt", a=5.13, cubic=True).write(tmp_path / "LiCl.cif")
        text = FILE
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "barriers.yaml"
        path.write_text(text)
        return path

    return factory


def without(text):
    """Replacement that leaves a line out."""
    return next(line for line in FILE.splitlines(keepends=True) if line.startswith(text)), ""


def test_an_engine_is_chosen_by_its_section_and_may_be_left_out(write):
    assert load_barrier_file(write()).engine == "ase"
    assert load_barrier_file(write(without("ase"))).engine is None


@pytest.mark.parametrize(
    ("replacement", "expected"),
    [
        (("images: 3", "imags: 3"), ["line 6: parameters.imags", "did you mean 'images'"]),
        (("[[1, 1, 0]]", "[[1, 1]]"), ["line 5: directions.directions[0]", "3 items"]),
        (without("host"), ["expected both of 'host'"]),
        (("symbol: Li", "symbol: Na"), ["directions.symbol is 'Na'", "['Cl', 'Li']"]),
        (("LiCl.cif", "NaCl.cif"), ["host.file is 'NaCl.cif'", "no file"]),
        (("ase:", "engine: cp2k\nase:"), ["engine is 'cp2k'", "add 'cp2k: {}'"]),
        (("images: 3", "images: many"), ["line 6: parameters.images is 'many'", "integer"]),
        (("images: 3", "steps: -3"), ["line 6: parameters.steps is -3", "greater than"]),
    ],
)
def test_what_is_wrong_is_told_by_line_and_key(write, replacement, expected):
    with pytest.raises(CampaignError) as error:
        load_barrier_file(write(replacement))
    for words in expected:
        assert words in str(error.value)


@pytest.fixture
def python_code(make_code, computer):
    return make_code("python")


@pytest.mark.medium
def test_a_committee_judges_and_an_engine_labels(write, python_code):
    potential = PotentialData(**tosi_fumi_licl()).store()
    run = orm.WorkChainNode().store()
    for name in ("member_0", "member_1"):
        member = PotentialData(**tosi_fumi_licl(cutoff_A=7.0 + len(name))).store()
        member.base.links.add_incoming(run, LinkType.RETURN, f"committee__{name}")
    codes = f"codes: {{python: {python_code.full_label}}}\nname:"
    content = load_barrier_file(write(("name:", codes)))
    builder = build_barriers(content, run)
    assert sorted(builder.committee) == ["member_0", "member_1"]
    assert builder.label.ase.ase.calculator["name"] == "molten_salt"
    assert builder.neb.parameters["images"] == 3
    assert builder.directions["directions"] == [[1, 1, 0]]
    own = build_barriers(load_barrier_file(write(("name:", f"reference: true\n{codes}"))), run)
    assert own.reference.ase.calculator["name"] == "molten_salt"
    assert own.reference.ase.parameters["images"] == 3
    alone = build_barriers(content, potential)
    nothing = load_barrier_file(write(without("ase"), ("name:", f"reference: true\n{codes}")))
    with pytest.raises(CampaignError, match="engine none, expected ase, teacher, cp2k or vasp"):
        build_barriers(nothing, run)
    assert alone.potential.pk == potential.pk
    assert not alone.committee


@pytest.mark.medium
@pytest.mark.parametrize(
    ("stated", "asked", "told"),
    [
        ("charge: -1", "images: 3", "charge is -1, and the images have 0"),
        ("multiplicity: 2", "charge: 0", "multiplicity is 2, and the images have 1"),
        ("charge: 0", "charge: -1", "charge is 0, and the images have -1"),
    ],
)
def test_labeller_and_images_have_one_charge(write, python_code, stated, asked, told):
    calculator = "ase: {calculator: tblite, " + stated + "}"
    file = write(("ase: {calculator: molten_salt, salt: LiCl}", calculator), ("images: 3", asked))
    with pytest.raises(CampaignError) as error:
        build_barriers(load_barrier_file(file), PotentialData(**tosi_fumi_licl()).store())
    assert told in str(error.value)


def test_hops_need_runs_and_runs_need_to_be_told_what_for(write, python_code):
    potential = PotentialData(**tosi_fumi_licl()).store()
    codes = f"codes: {{python: {python_code.full_label}}}\n"
    harvesting = load_barrier_file(write(("name:", f"{codes}{HARVEST}name:")))
    with pytest.raises(CampaignError, match="--trajectories is missing"):
        build_barriers(harvesting, potential)
    run = orm.WorkChainNode().store()
    trajectory = MDTrajectoryData(
        numbers=[3, 17],
        steps=[0, 1],
        times_ps=[0.0, 0.1],
        positions=np.zeros((2, 2, 3)) + np.arange(6).reshape(2, 3),
        cells=np.tile(9 * np.eye(3), (2, 1, 1)),
    ).store()
    trajectory.base.links.add_incoming(run, LinkType.RETURN, "trajectories__licl_900K_replica0")
    run.seal()
    builder = build_barriers(harvesting, potential, run)
    assert list(builder.trajectories) == ["licl_900K_replica0"]
    assert builder.harvest["core_radius_A"] == 1.0
    with pytest.raises(CampaignError, match="harvest is missing"):
        build_barriers(load_barrier_file(write(("name:", f"{codes}name:"))), potential, run)
    with pytest.raises(CampaignError, match="has no trajectories"):
        build_barriers(harvesting, potential, potential)
    with pytest.raises(CampaignError, match="without potentials"):
        potentials_of(run)
