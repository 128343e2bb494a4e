"""What holds a campaign open: barriers that differ, bands that do not converge, no labels."""

import numpy as np
import pytest
from aiida import orm
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_mliptransport.calculations.functions.assessment import collect_history
from aiida_mliptransport.calculations.functions.barrier_gate import judge_barriers, labels_spent
from aiida_mliptransport.calculations.functions.barriers import compare_paths
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames

pytestmark = pytest.mark.medium

N_IMAGES = 5
LEVEL = {"engine": "test"}
TRUST = {"low": 0.1, "high": 0.3}


def path(height=0.5, force_error=(0.0,) * N_IMAGES):
    """An atom that goes 2 Å over a cosine barrier; ``force_error`` in eV/Å along y by image."""
    images = []
    for x, error in zip(np.linspace(0, 1, N_IMAGES), force_error, strict=True):
        atoms = Atoms("LiCl", [[2.0 * x, 0, 0], [1, 3, 0]], cell=[9, 9, 9], pbc=True)
        slope = height * np.pi / 2 * np.sin(2 * np.pi * x)
        forces = [[-slope, error, 0], [0, 0, 0]]
        energy = 0.5 * height * (1 - np.cos(2 * np.pi * x))
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        images.append(atoms)
    return FrameSetData(Frames.from_atoms(images), level_of_theory=LEVEL).store()


def judge(potential, labels=None, not_converged=(), target=0.03, known=None, **more):
    optional = {} if labels is None else {"labels": labels}
    compared = compare_paths(path__hop=potential, **optional, **more)
    return judge_barriers(
        target=orm.Dict({"target_eV": target}),
        trust_levels=orm.Dict(TRUST),
        not_converged=orm.List(list(not_converged)),
        barriers=compared["barriers"],
        path__hop=potential,
        **optional,
        **{f"known__{name}": frames for name, frames in (known or {}).items()},
    )


def test_barriers_that_agree_pass_and_teach_nothing():
    made = judge(path(0.51), path(0.5))
    verdict = made["verdict"].get_dict()
    assert verdict["passed"]
    assert verdict["paths"]["hop"]["error_eV"] == pytest.approx(0.01, abs=1e-6)
    assert verdict["checks"]["largest_barrier_error_eV"]["limit"] == 0.03
    assert verdict["n_images"] == N_IMAGES
    assert "frames" not in made


def test_a_barrier_that_is_off_makes_all_its_images_join_the_training():
    labels = path(0.5)
    made = judge(path(0.4), labels)
    verdict = made["verdict"].get_dict()
    assert not verdict["passed"]
    assert verdict["paths"]["hop"]["error_eV"] == pytest.approx(-0.1, abs=1e-6)
    assert made["frames"].frames.identities() == labels.frames.identities()
    assert made["frames"].level_of_theory == LEVEL
    np.testing.assert_allclose(
        made["frames"].frames.systems[0].energies, labels.frames.systems[0].energies
    )


def some_of(node, images):
    return FrameSetData(node.frames.take(images), level_of_theory=LEVEL)


@pytest.mark.parametrize(
    ("known", "joined"),
    [
        ({"iteration_01_barriers": [0, 4]}, [1, 2, 3]),
        ({"initial": [0], "blind_iteration_01": [2, 4]}, [1, 3]),
        ({"initial": [0, 1, 2, 3, 4]}, None),
    ],
)
def test_images_that_are_training_or_blind_frames_neither_join_nor_count_again(known, joined):
    labels = path(0.5)
    frames = {name: some_of(labels, images) for name, images in known.items()}
    made = judge(path(0.4), labels, known=frames)
    verdict = made["verdict"].get_dict()
    assert verdict["paths"]["hop"]["learn_from_images"] == [0, 1, 2, 3, 4]
    assert verdict["n_images"] == N_IMAGES
    assert labels_spent(verdict) == len(joined or [])
    if joined is None:
        assert "frames" not in made
    else:
        identities = labels.frames.identities()
        assert made["frames"].frames.identities() == [identities[image] for image in joined]


def test_the_history_counts_the_labels_of_a_comparison_without_the_known_images():
    labels = path(0.5)
    verdict = judge(path(0.4), labels, known={"initial": some_of(labels, [0, 4])})["verdict"]
    record = orm.Dict({"iteration": 1, "checks": {}, "converged": True, "n_labels_when_tested": 10})
    ledger = orm.Dict({"n_labels_total": 13, "n_candidates_labelled": {}})
    nodes = {"record__01": record, "barriers__01": verdict}
    history = collect_history(orm.Str("why"), orm.Dict({}), ledger, **nodes)
    assert history["iterations"][0]["n_labels_total"] == 10 + N_IMAGES - 2


def test_an_image_whose_force_is_off_joins_though_the_barrier_is_right():
    potential = path(0.5, force_error=(0.0, 0.2, 0.0, 0.05, 0.0))
    labels = path(0.5)
    made = judge(potential, labels)
    verdict = made["verdict"].get_dict()
    assert verdict["passed"]
    assert verdict["paths"]["hop"]["learn_from_images"] == [1]
    assert made["frames"].frames.identities() == [labels.frames.identities()[1]]


def test_an_image_on_which_the_committee_is_at_odds_joins():
    potential = path(0.5)
    predictions = orm.ArrayData()
    energies = np.array(potential.frames.systems[0].energies)
    predictions.set_array("system_000_member_energies", np.stack([energies, 1.2 * energies]))
    predictions.set_array("system_000_max_force_deviation", np.array([0, 0, 0.15, 0, 0.0]))
    made = judge(potential, path(0.5), images=potential, predictions=predictions)
    record = made["verdict"]["paths"]["hop"]
    assert record["learn_from_images"] == [2]
    assert record["max_force_deviation_eV_A"] == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("labels", "not_converged", "missed"),
    [
        (None, (), {"barriers_compared", "largest_barrier_error_eV"}),
        ("good", ("hop",), {"bands_not_converged"}),
    ],
)
def test_without_labels_or_convergence_nothing_passes(labels, not_converged, missed):
    made = judge(path(0.5), path(0.5) if labels else None, not_converged)
    checks = made["verdict"]["checks"]
    assert {name for name, check in checks.items() if not check["passed"]} == missed
    assert not made["verdict"]["passed"]


def test_without_any_path_the_barrier_is_not_known():
    made = judge_barriers(orm.Dict({"target_eV": 0.03}), orm.Dict(TRUST), orm.List(["hop"]))
    assert not made["verdict"]["passed"]
    assert any("not known" in words for words in made["verdict"]["decision"]["missed"])


def test_the_history_has_the_verdicts_and_converges_with_them_only():
    good, bad = (judge(path(height), path(0.5))["verdict"] for height in (0.51, 0.4))
    check = {"value": 1.0, "limit": 0.9, "relation": "at least", "passed": True}
    record = orm.Dict(
        {
            "iteration": 1, "checks": {"share_accurate": check}, "converged": True,
            "n_labels_when_tested": 10,
            "decision": {"met": ["share_accurate"], "missed": []},
        }
    )  # fmt: skip
    nodes = {"record__01": record, "barriers__01": bad, "record__02": record}
    ledger = orm.Dict({"n_labels_total": 50, "n_candidates_labelled": {"1": 8}})
    for final, converged in ((good, True), (bad, False)):
        history = collect_history(
            orm.Str("why"), orm.Dict({}), ledger, **nodes, barriers__02=good, final_barriers=final
        )
        first, second = history["iterations"]
        assert not first["converged"]
        assert "largest_barrier_error_eV" in first["decision"]["missed"][0]
        assert second["converged"]
        assert second["barriers"]["paths"]["hop"]["error_eV"] == pytest.approx(0.01, abs=1e-6)
        assert history["converged"] is converged
        assert history["barriers"]["passed"] is converged
