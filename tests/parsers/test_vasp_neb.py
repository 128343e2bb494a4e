"""Reading a band of VASP: whole, cut off, unconverged, exploded, without a climbing image.

VASP is licensed, so the files are those of the stand-in of tests/vasp_stand_in: the layout is
VASP's, the numbers are those of effective medium theory for the hop of copper into a vacancy.
"""

from __future__ import annotations

import contextlib
import io

import ase.io
import numpy as np
import pytest
from aiida import orm
from ase.calculators.emt import EMT
from vasp_stand_in.cases import copper_hop
from vasp_stand_in.fixtures import write_inputs
from vasp_stand_in.program import main

from aiida_mliptransport.data.frames import FrameSetData
from aiida_mliptransport.science.frames import Frames

pytestmark = pytest.mark.medium

LEVEL = {"engine": "vasp", "functional": "PBE"}
NELM = 40
OUTCARS = ["01/OUTCAR", "02/OUTCAR", "03/OUTCAR"]


def evaluated(atoms):
    atoms = atoms.copy()
    atoms.calc = EMT()
    atoms.get_forces()
    return atoms


@pytest.fixture(scope="module")
def hop():
    return copper_hop(3)


@pytest.fixture(scope="module")
def files(hop, tmp_path_factory):
    """What VASP leaves of a band that converges."""
    folder = tmp_path_factory.mktemp("band")
    tags = {"IMAGES": 3, "SPRING": -5, "IBRION": 1, "NSW": 60, "EDIFFG": -0.05, "EDIFF": 1e-6}
    write_inputs(folder, hop[0], {**tags, "NELM": NELM, "SYSTEM": "calculator=emt"})
    for number, image in enumerate(hop):
        (folder / f"{number:02d}").mkdir()
        ase.io.write(folder / f"{number:02d}" / "POSCAR", image, format="vasp", direct=True)
    stdout = io.StringIO()
    with contextlib.redirect_stdout(stdout):
        assert main(folder) == 0
    found = {name: (folder / name).read_bytes() for name in OUTCARS}
    return {"stdout": stdout.getvalue().encode(), **found}


@pytest.fixture
def parse(parse_files, hop):
    def factory(content, neb=None, walltime=False, last=-1):
        def label(atoms):
            (system,) = Frames.from_atoms([evaluated(atoms)]).systems
            return FrameSetData(Frames((system,)), level_of_theory=LEVEL)

        inputs = {
            "parameters": orm.Dict({"nelm": NELM}),
            "neb": orm.Dict(neb or {"force_tolerance_eV_A": 0.05}),
            "initial_label": label(hop[0]),
            "final_label": label(hop[last]),
            "neb_images": {f"image_{n:02d}": orm.StructureData(ase=hop[n]) for n in range(1, 4)},
        }
        retrieved = {"stdout": content["stdout"]}
        if walltime:
            retrieved["_walltime_exceeded"] = b"60\n"
        return parse_files(
            "mliptransport.vasp.neb",
            "mliptransport.vasp.neb",
            inputs,
            retrieved,
            {name: content[name] for name in OUTCARS if name in content},
        )

    return factory


def band(results):
    (system,) = results["frames"].frames.systems
    return system


def unfinished(content):
    """The files of a run that is killed at its end, before it says how it went."""
    cut = b"reached required accuracy"
    return {name: text.split(b" " + cut)[0] for name, text in content.items()}


def test_the_images_of_the_last_step_are_labels(parse, files, hop):
    results, node = parse(files)
    assert node.is_finished_ok, node.exit_message
    system = band(results)
    assert system.n_frames == 5
    assert system.stresses is None
    assert results["frames"].level_of_theory["functional"] == "PBE"
    assert results["frames"].engine_version == "6.4.2"
    for image, energy, forces in zip(
        system.without_labels().to_atoms(), system.energies, system.forces, strict=True
    ):
        image.calc = EMT()
        # Positions come with five decimals.
        assert energy == pytest.approx(image.get_potential_energy(), abs=1e-4)
        np.testing.assert_allclose(forces, image.get_forces(), atol=1e-3)
    # Images are continuous: nothing jumps by a lattice vector.
    assert np.abs(np.diff(system.positions, axis=0)).max() < 2.0
    assert system.identities()[0] == Frames.from_atoms([hop[0]]).identities()[0]
    assert results["failures"].get_dict() == {"failures": []}


def test_results_tell_barrier_and_history(parse, files):
    results, _ = parse(files)
    found, energies = results["results"], band(results).energies
    assert found["completed"]
    assert found["highest_image"] == 2
    assert found["n_images"] == 3
    assert found["barrier_eV"] == pytest.approx(energies[2] - energies[0])
    assert found["reaction_energy_eV"] == pytest.approx(0.0, abs=2e-3)
    history = found["history"]["max_force_eV_A"]
    assert len(history) == found["n_steps"] + 1
    assert history[-1] == found["max_force_eV_A"] < 0.06 < history[0]


def test_a_band_of_which_vasp_says_that_it_converged_has_converged(parse, files):
    """Its tangents are its own: by ours the force may be somewhat larger."""
    strict = {"force_tolerance_eV_A": 1e-3}
    results, node = parse(files, strict)
    assert node.is_finished_ok
    silent = {name: text.replace(b"reached required accuracy", b"") for name, text in files.items()}
    results, node = parse(silent, strict)
    assert node.exit_status == 312
    assert "largest force 0.0" in node.exit_message
    assert band(results).n_frames == 5
    assert not results["results"]["completed"]


def test_energies_of_an_unconverged_image_are_refused(parse, files):
    content = dict(files)
    head, mark, tail = content[OUTCARS[1]].rpartition(b"- Iteration")
    content[OUTCARS[1]] = head + (mark + b" 1( 1)\n") * NELM + mark + tail
    whole = parse(files)[0]
    results, node = parse(content)
    assert node.exit_status == 450
    steps = whole["results"]["n_steps"]
    assert f"images [2] took all iterations in the last step; the band of step {steps - 1}" in (
        node.exit_message
    )
    assert [failure["index"] for failure in results["failures"]["failures"]] == [2]
    assert results["results"]["n_steps"] == steps - 1
    assert band(results).energies[2] != band(whole).energies[2]
    everywhere = content[OUTCARS[1]].replace(b"- Iteration", b"- Iteration 1\n" * NELM)
    results, node = parse({**content, OUTCARS[1]: everywhere})
    assert node.exit_status == 450
    assert "no step has all of them" in node.exit_message
    assert "frames" not in results


def test_a_run_that_was_cut_off_gives_whole_steps_only(parse, files):
    whole = parse(files)[0]["results"]["history"]
    content = dict(files)
    content[OUTCARS[2]] = content[OUTCARS[2]][: len(content[OUTCARS[2]]) // 2]
    results, node = parse(content)
    assert node.exit_status == 314
    part = results["results"]["history"]
    count = len(part["barrier_eV"])
    assert 0 < count < len(whole["barrier_eV"])
    assert part["barrier_eV"] == whole["barrier_eV"][:count]
    del content[OUTCARS[2]]
    results, node = parse(content)
    assert node.exit_status == 314
    assert "frames" not in results


def test_the_error_that_vasp_printed_is_the_reason(parse, files):
    content = unfinished(files)
    content["stdout"] += b" ZBRENT: fatal error in bracketing\n"
    results, node = parse(content)
    assert node.exit_status == 310
    assert "zbrent" in node.exit_message
    assert band(results).n_frames == 5
    _, node = parse({"stdout": b""})
    assert node.exit_status == 310
    assert "it printed nothing" in node.exit_message


def test_wall_clock_keeps_the_last_band(parse, files):
    results, node = parse(unfinished(files), walltime=True)
    assert node.exit_status == 400
    assert band(results).n_frames == 5
    stopped = {
        name: text.replace(b"reached required accuracy", b"soft stop encountered!")
        for name, text in files.items()
    }
    _, node = parse(stopped, {"force_tolerance_eV_A": 1e-3})
    assert node.exit_status == 400


def test_an_image_that_explodes_is_named_and_nan_is_no_label(parse, files):
    def last_energy(text):
        head, mark, tail = files[OUTCARS[1]].rpartition(b"free  energy   TOTEN  =")
        return head + mark + text + tail[tail.index(b" eV") :]

    results, node = parse({**files, OUTCARS[1]: last_energy(b" 275.0")})
    assert node.exit_status == 313
    assert "image 2 is 27" in node.exit_message
    assert band(results).n_frames == 5
    results, node = parse({**files, OUTCARS[1]: last_energy(b" NaN")})
    assert node.exit_status == 311
    assert np.isfinite(band(results).energies).all()


def test_ends_that_are_one_minimum_are_no_path(parse, files):
    neb = {"relax_ends": True, "force_tolerance_eV_A": 0.05}
    _, node = parse(files, neb, last=0)
    assert node.exit_status == 316
    assert "one minimum" in node.exit_message


def test_a_band_that_was_to_climb_by_a_plain_vasp_is_not_converged(parse, files):
    climb = {"climb": True, "vtst": True, "force_tolerance_eV_A": 0.05}
    results, node = parse(files, climb)
    assert node.exit_status == 312
    assert "no VTST tools" in node.exit_message
    assert not results["results"]["completed"]
    tools = {name: b" VTST: version 3.2\n" + text for name, text in files.items()}
    results, node = parse(tools, climb)
    assert node.is_finished_ok, node.exit_message
