"""Fixtures of tests that run programs."""

from __future__ import annotations

import pytest
from aiida import orm
from aiida.engine import run_get_node

from aiida_mliptransport.calculations.cp2k import Cp2kLabelCalculation
from aiida_mliptransport.calculations.cp2k_data import find_data_folder, load_files


@pytest.fixture
def cp2k_job(make_code):
    """Return a factory of :class:`Cp2kLabelCalculation` runs with real data files.

    The factory takes settings and the inputs that say what is run.
    """
    code = make_code("cp2k")
    data = load_files(
        find_data_folder(str(code.filepath_executable)),
        ["BASIS_MOLOPT"],
        "GTH_POTENTIALS",
        "dftd3.dat",
    )

    def factory(settings, **inputs):
        return run_get_node(
            Cp2kLabelCalculation,
            code=code,
            files=data,
            parameters=orm.Dict({"potential": "GTH-PBE", **settings}),
            metadata={"options": {"max_wallclock_seconds": 300}},
            **inputs,
        )

    return factory
