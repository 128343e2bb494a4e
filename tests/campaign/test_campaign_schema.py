"""The campaign file: what is read, and errors that name line, key, value and remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from aiida_mliptransport.campaign.overrides import builder_overrides
from aiida_mliptransport.campaign.planning import plan
from aiida_mliptransport.campaign.schema import load_campaign
from aiida_mliptransport.campaign.source import CampaignError

EXAMPLE = Path(__file__).parents[2] / "examples" / "licl_melt" / "LiCl.cif"
CAMPAIGN = """\
name: licl-melt
protocol: fast
engine: ase
ase: {calculator: tblite, method: GFN1-xTB}
cp2k: {}
seed: 3
structures:
  licl: {file: LiCl.cif, supercell: [2, 2, 1], density_g_cm3: 1.45}
temperatures_K: [1200, 1800]
charges: {Li: 1, Cl: -1}
selection:
  n_blind: 10
transport:
  structures:
    licl64: {file: LiCl.cif, supercell: [[2, 0, 0], [0, 2, 0], [0, 0, 2]]}
  temperatures_K: [1000, 1200, 1400]
  replicas: 2
resources:
  label: {max_wallclock_seconds: 3600}
"""


@pytest.fixture
def write(tmp_path):
    def factory(*replacements: tuple[str, str]) -> Path:
        text = CAMPAIGN
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "licl.yaml"
        path.write_text(text)
        return path

    return factory


def test_a_good_file_is_read_with_its_defaults(write):
    campaign = load_campaign(write())
    assert campaign.engine == "ase"
    assert campaign.structures["licl"].matrix() == [[2, 0, 0], [0, 2, 0], [0, 0, 1]]
    assert campaign.transport.structures["licl64"].matrix()[2] == [0, 0, 2]
    assert campaign.codes.dp == "dp@localhost"
    assert campaign.resources.options() == {"label": {"max_wallclock_seconds": 3600}}
    assert campaign.overrides() == {"selection": {"n_blind": 10}, "transport": {"replicas": 2}}
    assert campaign.folder == campaign.source.path.parent


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("seed: 3", "sead: 3", ["line 6", "sead", "did you mean 'seed'"]),
        ("seed: 3", "seed: many", ["line 6", "seed", "'many'", "integer"]),
        ("protocol: fast", "protocol: quick", ["line 2", "'quick'", "'fast'", "'balanced'"]),
        ("supercell: [2, 2, 1]", "supercell: [2, 2]", ["line 8", "structures.licl.supercell",
                                                       "[2, 2]", "three integers"]),
        ("supercell: [2, 2, 1]", "supercell: [2, 0, 1]", ["line 8", "multiples of 1 or more"]),
        ("[[2, 0, 0], [0, 2, 0], [0, 0, 2]]", "[[2, 0, 0], [2, 0, 0], [0, 0, 2]]",
         ["line 15", "transport.structures.licl64.supercell", "determinant"]),
        ("supercell: [2, 2, 1]", "supercel: [2, 2, 1]",
         ["line 8", "structures.licl.supercel", "did you mean 'supercell'"]),
        ("density_g_cm3: 1.45", "density_g_cm3: -1", ["line 8", "density_g_cm3", "-1", "greater"]),
        ("  n_blind: 10", "  n_blnd: 10", ["line 12", "selection.n_blnd", "mean 'n_blind'"]),
        ("  n_blind: 10", "  strategy: dpgne", ["line 12", "selection.strategy", "'dpgen'"]),
        ("  n_blind: 10", "  screening: {max_temprature: 1}",
         ["line 12", "selection.screening.max_temprature", "mean 'max_temperature'"]),
        ("  n_blind: 10", "  screening: {max_temperature: -1}",
         ["line 12", "selection.screening.max_temperature is -1", "greater than 0"]),
        ("  n_blind: 10", "  screening: {contact_limits: {LiCl: 1.5}}",
         ["line 12", "selection.screening.contact_limits", "'LiCl'", "such as 'Cl-Li'"]),
        ("  replicas: 2", "  replica: 2", ["line 17", "transport.replica", "'replicas'"]),
        ("  temperatures_K: [1000", "  temperature_K: [1000", ["transport.temperatures_K",
                                                               "line 13", "missing"]),
        ("{max_wallclock_seconds: 3600}", "{walltime: 1}",
         ["line 19", "resources.label.walltime", "max_wallclock_seconds"]),
        ("temperatures_K: [1200, 1800]", "temperatures_K: [1200, -1]",
         ["line 9", "temperatures_K[1]", "-1"]),
        ("charges: {Li: 1, Cl: -1}", "charges: {Li: 1, Xy: -1}", ["line 10", "'Xy'", "symbols"]),
        ("charges: {Li: 1, Cl: -1}\n", "", ["charges", "conductivity"]),
        ("engine: ase\n", "engine: [ase, cp2k]\n", ["line 3", "'ase'", "'cp2k'", "'teacher'"]),
        ("engine: ase\n", "engine: teacher\n", ["line 3", "no section 'teacher'"]),
        ("engine: ase\n", "", ["line 4", "cp2k", "second label engine", "'ase'"]),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_line_and_what_was_expected(write, old, new, expected):
    with pytest.raises(CampaignError) as error:
        load_campaign(write((old, new)))
    for text in ["licl.yaml", *expected]:
        assert text in str(error.value)


def test_a_file_without_an_engine_lists_those_there_are(write):
    path = write(
        ("engine: ase\n", ""), ("ase: {calculator: tblite, method: GFN1-xTB}\n", ""),
        ("cp2k: {}\n", ""),
    )  # fmt: skip
    with pytest.raises(CampaignError, match=r"engine is missing, expected one of \['ase', 'cp2k'"):
        load_campaign(path)


def test_the_only_engine_section_needs_no_choice(write):
    assert load_campaign(write(("engine: ase\n", ""), ("cp2k: {}\n", ""))).engine == "ase"


def test_the_engine_can_be_chosen_from_outside(write):
    assert load_campaign(write(), engine="cp2k").engine == "cp2k"


def test_all_problems_are_told_at_once(write):
    with pytest.raises(CampaignError) as error:
        load_campaign(write(("seed: 3", "seed: -3"), ("protocol: fast", "protocol: quick")))
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\nname: b\n", "line 2"),
        ("name: [a\nseed: 1\n", "not valid YAML"),
        ("- a\n", "expected keys"),
        ("", "expected keys"),
    ],
)
def test_a_file_that_is_no_campaign_is_refused_with_its_line(tmp_path, text, expected):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(CampaignError, match=expected):
        load_campaign(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CampaignError, match=r"nowhere\.yaml cannot be read"):
        load_campaign(tmp_path / "nowhere.yaml")


def test_overrides_of_cp2k_are_checked_against_its_own_file(write):
    campaign = load_campaign(write(("seed: 3", "seed: 3\naimd: {runs: 3}")), engine="cp2k")
    assert builder_overrides(campaign)["aimd"] == {"aimd": {"runs": 3}}
    with pytest.raises(CampaignError, match=r"line 7: aimd\.rums .*did you mean 'runs'"):
        load_campaign(write(("seed: 3", "seed: 3\naimd: {rums: 3}")), engine="cp2k")
    with pytest.raises(CampaignError, match=r"line 5: cp2k\.cutof_Ry .*did you mean 'cutoff_Ry'"):
        load_campaign(write(("cp2k: {}", "cp2k: {cutof_Ry: 300}")))


def test_overrides_of_ase_are_passed_as_they_are(write):
    campaign = load_campaign(write(("seed: 3", "seed: 3\naimd: {runs: 3}")))
    assert builder_overrides(campaign)["aimd"] == {"runs": 3}


def test_a_teacher_is_a_node_or_typed_parameters_but_not_both(write):
    path = write(
        ("engine: ase", "engine: teacher"),
        ("cp2k: {}", "teacher: {potential: 12, type_map: [Li, Cl]}"),
    )
    with pytest.raises(CampaignError, match=r"line 5: teacher .* not both"):
        load_campaign(path)


def test_a_vasp_section_names_its_potentials_and_overrides_the_protocol(write):
    section = "vasp: {potential_family: PBE.54, cutoff_eV: 450, potentials: {Li: Li_sv}}"
    campaign = load_campaign(write(("cp2k: {}", section)), engine="vasp")
    assert campaign.vasp.potential_family == "PBE.54"
    assert campaign.vasp.settings() == {"cutoff_eV": 450, "potentials": {"Li": "Li_sv"}}
    with pytest.raises(CampaignError, match=r"line 5: vasp\.cutof_eV .*did you mean 'cutoff_eV'"):
        load_campaign(
            write(("cp2k: {}", "vasp: {potential_family: P, cutof_eV: 3}")), engine="vasp"
        )
    with pytest.raises(CampaignError, match="potential_family"):
        load_campaign(write(("cp2k: {}", "vasp: {cutoff_eV: 450}")), engine="vasp")


@pytest.mark.parametrize(
    ("ladder", "expected"),
    [
        (
            "{stages: [{}, {structures: {licl: nacl}}]}",
            r"line 11: ladder\.stages\[1\]\.structures names 'nacl', expected some of \['licl'\]",
        ),
        (
            "{stages: [{volume_scael: 1.1}]}",
            r"stages\[0\]\.volume_scael' with value 1\.1; known keys are parameters, pressures_bar",
        ),
        ("{stages: []}", "stages is"),
        ("{stages: [{pressures_bar: [1], volume_scale: 1.1}]}", "at most one of them"),
        ("{move_on: 0.4}", r"move_back is 0\.5 and move_on 0\.4"),
        ("{stagess: []}", "did you mean 'stages'"),
        (
            "{stages: [{}, {parameters: {step: 2000}}]}",
            r"line 11: unknown key 'ladder\.stages\[1\]\.parameters\.step' with value 2000",
        ),
    ],
)
def test_a_ladder_that_cannot_be_is_refused_before_anything_is_submitted(write, ladder, expected):
    with pytest.raises(CampaignError, match=expected):
        load_campaign(write(("selection:\n", f"ladder: {ladder}\nselection:\n")))


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("targets: {max_relative_force_rmse: null}", r"targets\.max_relative_force_rmse is None"),
        (
            "targets: {observable: {quantity: D}}",
            r"'targets\.observable\.length_ps' is missing",
        ),
        ("budget: {max_labels: many}", r"budget\.max_labels is 'many'"),
        ("explore: {replicas: 1}", r"explore\.replicas is 1 and selection\.blind_replica 1"),
        ("explore: {parameters: {steps: 2.5}}", r"explore\.parameters\.steps is 2\.5"),
        ("train: {committee_size: 1}", r"train\.committee_size is 1, expected 2 or more"),
    ],
)
def test_what_the_loop_would_stumble_over_is_refused_by_line(write, section, expected):
    with pytest.raises(CampaignError, match=f"line 11: .*{expected}"):
        load_campaign(write(("selection:\n", f"{section}\nselection:\n")))


def test_a_target_on_a_species_that_no_structure_has_is_refused_by_line(write):
    target = "targets: {max_relative_force_rmse_by_species: {li: 0.1}}"
    path = write(("selection:\n", f"{target}\nselection:\n"))
    (path.parent / "LiCl.cif").write_text(EXAMPLE.read_text())
    with pytest.raises(CampaignError, match=r"line 11: .*names \['li'\].*\['Cl', 'Li'\]"):
        plan(load_campaign(path))


def test_a_plan_counts_the_stage_with_most_runs(write):
    ladder = "{stages: [{}, {temperatures_K: [1, 2, 3], parameters: {steps: 9000}}]}"
    campaign = load_campaign(write(("selection:\n", f"ladder: {ladder}\nselection:\n")))
    (campaign.folder / "LiCl.cif").write_text(EXAMPLE.read_text())
    row = next(row for row in plan(campaign).rows if row.stage == "exploration")
    assert row.n_jobs == 3 * 2 * 4
    assert row.work.startswith("9100 steps")


BARRIERS = """\
barriers:
  target_eV: 0.03
  paths:
    hop: {initial: {file: before.cif}, final: {file: after.cif}}
  host: {file: LiCl.cif}
  directions: {symbol: Li, directions: [[1, 1, 0]]}
  parameters: {images: 3}
resources:
"""


@pytest.fixture
def write_barriers(write):
    """A file with barriers; the hop is of one lithium into the place of another that is gone."""

    def factory(*replacements, shift=(0.0, 2.565, 2.565)):
        path = write(("resources:\n", BARRIERS), *replacements)
        crystal = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
        crystal.write(path.parent / "LiCl.cif")
        before = crystal * (2, 2, 2)
        del before[0]
        after = before.copy()
        (hopper,) = np.flatnonzero(
            np.linalg.norm(before.positions - [0, 2.565, 2.565], axis=1) < 1e-3
        )
        after.positions[hopper] -= shift
        before.write(path.parent / "before.cif")
        after.write(path.parent / "after.cif")
        return path

    return factory


def test_barriers_are_a_target_with_paths_and_cost_labels(write_barriers):
    campaign = load_campaign(write_barriers())
    overrides = builder_overrides(campaign)
    assert overrides["targets"]["barriers"] == {"target_eV": 0.03}
    assert overrides["neb"] == {"parameters": {"images": 3}, "relaxed_by": "ase"}
    (row,) = [row for row in plan(campaign).rows if row.stage == "barriers"]
    # Two paths of three images and two ends, after each of four iterations and once more.
    assert row.work == "10 labels each, up to 5 comparisons"
    assert row.n_jobs == 10


@pytest.mark.parametrize(
    ("replacement", "expected"),
    [
        (("  target_eV: 0.03\n", ""), ["barriers.target_eV", "missing"]),
        (("target_eV: 0.03", "target_eV: 0"), ["target_eV", "greater than 0"]),
        (("  host: {file: LiCl.cif}\n", ""), ["barriers", "both of 'host'"]),
        (("symbol: Li,", "symbol: Na,"), ["directions.symbol", "'Na'", "['Cl', 'Li']"]),
        (("{images: 3}", "{imges: 3}"), ["imges", "mean 'images'"]),
        (("after.cif", "before.cif"), ["barriers.paths.hop", "no path"]),
        (("after.cif", "LiCl.cif"), ["barriers.paths.hop", "no path"]),
    ],
)
def test_paths_that_are_none_are_refused_by_line_and_key(write_barriers, replacement, expected):
    with pytest.raises(CampaignError) as error:
        plan(load_campaign(write_barriers(replacement)))
    for words in expected:
        assert words in str(error.value)
