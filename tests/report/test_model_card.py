"""The model card of a potential: what the graph and a validation know of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from aiida import orm
from ase.build import bulk
from synthetic_graph import Graph

from aiida_mliptransport.backends.lammps import lennard_jones_argon
from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.data.potential import PotentialData
from aiida_mliptransport.report.model_card import model_card, training_rows
from aiida_mliptransport.science.frames import Frames
from aiida_mliptransport.science.validation import Quantity, count_verdicts


def frame_set(*scales):
    cells = []
    for scale in scales:
        atoms = bulk("LiCl", "rocksalt", a=5.1, cubic=True)
        atoms.set_cell(scale * atoms.cell, scale_atoms=True)
        cells.append(atoms)
    return FrameSetData(Frames.from_atoms(cells))


def test_frames_that_come_twice_count_once_and_densities_span_their_range():
    (row,) = training_rows([frame_set(1.0, 1.1), frame_set(1.1, 1.2)])
    assert (row.formula, row.n_atoms, row.n_frames) == ("Cl4Li4", 8, 3)
    # 4 (6.94 + 35.45) u in 5.1³ Å³.
    assert row.density_g_cm3 == pytest.approx((2.123 / 1.2**3, 2.123), rel=1e-3)


LEVEL = {"engine": "tblite", "method": "GFN1-xTB"}


def labelled(*scales):
    (system,) = frame_set(*scales).frames.systems
    n = system.n_frames
    labels = replace(system, energies=np.zeros(n), forces=np.zeros((n, 8, 3)))
    return FrameSetData(Frames((labels,)), level_of_theory=LEVEL)


def test_a_card_tells_training_domain_and_how_to_rebuild(aiida_profile):
    graph = Graph()
    temperatures = {"explore__temperatures": orm.List([900.0, 1500.0])}
    campaign = graph.workchain("ActiveLearningWorkChain", inputs=temperatures)
    potential = PotentialData(**lennard_jones_argon())
    frames = {"frames__initial": labelled(1.0, 1.1), "frames__one": labelled(1.1, 1.2)}
    graph.job(
        "DeepmdTrainCalculation", campaign, "final_train", frames, {"potential": potential}, 9
    )
    levels = {"calibrated_trust_levels": {"low": 0.1, "high": 0.25}}
    history = orm.Dict({"iterations": [levels]}).store()
    graph.give(campaign, {"history": history})
    graph.end(campaign)
    card = model_card(potential, licence="CC-BY-4.0")
    titles = [line for line in card.splitlines() if line.startswith("## ")]
    assert titles == [
        "## Potential", "## Training data", "## Level of theory", "## Domain of validity",
        "## Validation", "## Licence", "## How to cite", "## How to rebuild",
    ]  # fmt: skip
    assert "| Cl4Li4 | 8 | 3 | 1.23 to 2.12 |" in card
    assert "3 distinct frames in all." in card
    assert "- method: GFN1-xTB" in card
    assert "tblite: S. Grimme" in card
    assert "Temperatures explored: 900 to 1500 K" in card
    assert "deviation of the committee: 0.250 eV/Å" in card
    assert "Not validated" in card
    assert "CC-BY-4.0" in card
    assert campaign.uuid in card


def test_the_lines_of_a_validation_are_its_table():
    lines = [
        Quantity("eos", "licl", "bulk modulus", "GPa").against(
            50.0, 52.0, tolerance=5.0, uncertainty=0.2
        ),
        Quantity("interfaces", "Li|LiCl", "energy", "J/m²").not_available("no labels"),
    ]
    validation = {
        "lines": [line.as_dict() for line in lines],
        "counts": count_verdicts(lines),
        "passed": True,
    }
    card = model_card(PotentialData(**lennard_jones_argon()), validation)
    assert "| eos | licl | bulk modulus (GPa) | 50.0 | 52.0 | −2.00 ± 0.20 | 5.00 | pass |" in card
    assert "Li\\|LiCl" in card
    assert "not available: no labels" in card
    assert "1 pass, 0 fail, 0 warn, 1 not available." in card
    assert "imported, or stands for itself" in card
    assert np.count_nonzero([line == "Not known from the graph." for line in card.split("\n")]) == 2
